#!/usr/bin/env python3
"""Sums up what `bazel coverage` found, by folder: lines that some test ran, of lines that could run
(those of tests left out).

  ./bazelw coverage //... && tools/coverage.py
"""
import collections
import pathlib
import subprocess


def main():
    out = subprocess.run(["bazel", "info", "output_path"], check=True, capture_output=True, text=True)
    report = pathlib.Path(out.stdout.strip()) / "_coverage/_coverage_report.dat"
    found, hit = collections.Counter(), collections.Counter()
    folder = None
    for row in report.read_text().splitlines():
        key, _, value = row.partition(":")
        if key == "SF":
            folder = "tests" if value.endswith("_test.cc") else value.split("/")[0]
        elif folder == "tests":
            continue
        elif key == "LF":
            found[folder] += int(value)
        elif key == "LH":
            hit[folder] += int(value)
    for name in sorted(found):
        print("%-12s %5d of %5d lines  %5.1f %%" % (name, hit[name], found[name], 100 * hit[name] / found[name]))
    lines, covered = sum(found.values()), sum(hit.values())
    print("%-12s %5d of %5d lines  %5.1f %%" % ("all", covered, lines, 100 * covered / lines))


if __name__ == "__main__":
    main()
