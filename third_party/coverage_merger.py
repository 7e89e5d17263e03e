#!/usr/bin/env python3
"""Both coverage tools of `bazel coverage`, which Bazel 4.2 would download as a Java program.

--coverage_dir=DIR    merges the gcov JSON files below DIR (one test) into an lcov file
--reports_file=FILE   merges the lcov files that FILE names into one
Either way the result goes to --output_file.
"""
import collections
import gzip
import json
import pathlib
import re
import sys


def arguments(argv):
    single, filters = {}, []
    for argument in argv:
        key, _, value = argument.lstrip("-").partition("=")
        if key == "filter_sources":
            filters.append(re.compile(value))
        else:
            single[key] = value
    return single, filters


def add_gcov(path, hits):
    with gzip.open(path) as stream:
        for source in json.load(stream)["files"]:
            name = source["file"].replace("/proc/self/cwd/", "")
            for line in source["lines"]:
                hits[name][line["line_number"]] += line["count"]


def add_lcov(path, hits):
    name = None
    for row in pathlib.Path(path).read_text().splitlines():
        key, _, value = row.partition(":")
        if key == "SF":
            name = value
        elif key == "DA":
            line, count = value.split(",")[:2]
            hits[name][int(line)] += int(count)


def main(argv):
    single, filters = arguments(argv)
    hits = collections.defaultdict(lambda: collections.defaultdict(int))
    if single.get("coverage_dir"):
        for path in pathlib.Path(single["coverage_dir"]).rglob("*.gcov.json.gz"):
            add_gcov(path, hits)
    if single.get("reports_file"):
        for path in pathlib.Path(single["reports_file"]).read_text().split():
            add_lcov(path, hits)
    with open(single["output_file"], "w") as out:
        for name in sorted(hits):
            generated = name.startswith(("/", "bazel-out/"))
            if generated or any(f.fullmatch(name) for f in filters):
                continue
            lines = hits[name]
            out.write("SF:%s\n" % name)
            out.writelines("DA:%d,%d\n" % item for item in sorted(lines.items()))
            covered = sum(count > 0 for count in lines.values())
            out.write("LH:%d\nLF:%d\nend_of_record\n" % (covered, len(lines)))


if __name__ == "__main__":
    main(sys.argv[1:])
