#!/usr/bin/env python3
"""Prints the compiler seconds of Bazel targets and the files that cost most.

  tools/compile_seconds.py [--sample N] TARGET... [bazel flags, such as --config=cuda]

Runs each compile command that Bazel would run for a target and what it depends on, one after the other,
and throws the objects away; what targets share is compiled once. The seconds are CPU seconds of the
compilers (user and system), not wall time, so that they can be compared while other work runs beside it.
--sample N compiles every Nth file only, and every precompiled header, and scales the files' sum.
--of REVISION counts only sources whose file names a git revision has too, and those that are generated: what the
program of that time costs today, whatever was added since.
"""
import argparse
import json
import os
import pathlib
import subprocess
import sys
import tempfile

import compdb


def generate_sources(targets, flags):
    """Builds what the commands read: generated sources and precompiled headers."""
    generators = compdb.bazel("query", f'kind("_protoc|_embedded|precompiled", deps({" + ".join(targets)}))').split()
    compdb.bazel("build", *flags, "--output_groups=default,hdrs,srcs", *generators)


def compile_commands(target, flags):
    """The compile commands of a target and what it depends on."""
    query = compdb.bazel("aquery", *flags, "--output=jsonproto", f'mnemonic("CppCompile|Precompile", deps({target}))')
    return {tuple(action["arguments"]) for action in json.loads(query)["actions"]}


def make_execution_root(folder, flags):
    """Bazel's own holds only what its last build needed."""
    root = pathlib.Path(compdb.bazel("info", *flags, "workspace").strip())
    links = {entry.name: entry for entry in root.iterdir() if not entry.name.startswith("bazel-")}
    links["external"] = pathlib.Path(compdb.bazel("info", *flags, "output_base").strip()) / "external"
    links["bazel-out"] = pathlib.Path(compdb.bazel("info", *flags, "output_path").strip())
    for name, target in links.items():
        pathlib.Path(folder, name).symlink_to(target)


def names_at(revision):
    """File names of the sources that a git revision has."""
    listed = subprocess.run(["git", "ls-tree", "-r", "--name-only", revision], check=True, stdout=subprocess.PIPE,
                            text=True).stdout.split()
    return {pathlib.Path(path).name for path in listed}


def source_of(arguments):
    return arguments[arguments.index("-c") + 1]


def cpu_seconds(arguments, folder):
    """User and system seconds of one compile command and its children."""
    command = list(arguments)
    command[command.index("-o") + 1] = f"{folder}/compiled.o"
    if "-MF" in command:
        command[command.index("-MF") + 1] = f"{folder}/compiled.d"
    _, status, usage = os.wait4(subprocess.Popen(command, cwd=folder).pid, 0)
    if status != 0:
        sys.exit(f"compile_seconds: failed: {' '.join(command)}")
    return usage.ru_utime + usage.ru_stime


def main():
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawTextHelpFormatter)
    parser.add_argument("--sample", type=int, default=1, metavar="N")
    parser.add_argument("--slowest", type=int, default=15, metavar="N")
    parser.add_argument("--of", metavar="REVISION")
    parser.add_argument("targets", nargs="+", metavar="TARGET")
    options, flags = parser.parse_known_args()
    generate_sources(options.targets, flags)
    commands = {target: compile_commands(target, flags) for target in options.targets}
    if options.of:
        names, wanted = names_at(options.of), lambda path: path.startswith("bazel-out/") or path.endswith(".h")
        for target, all_of_it in commands.items():
            commands[target] = {command for command in all_of_it
                                if wanted(source_of(command)) or pathlib.Path(source_of(command)).name in names}
    ordered = sorted(set.union(*commands.values()), key=source_of)
    headers = [command for command in ordered if source_of(command).endswith(".h")]
    sampled = headers + [command for command in ordered if command not in headers][::options.sample]
    with tempfile.TemporaryDirectory() as folder:
        make_execution_root(folder, flags)
        seconds = {command: cpu_seconds(command, folder) for command in sampled}
    for target, wanted in commands.items():
        once = [seconds[command] for command in headers if command in wanted]
        measured = [second for command, second in seconds.items() if command in wanted and command not in headers]
        total = sum(once) + sum(measured) * (len(wanted) - len(once)) / len(measured)
        print(f"{total:.0f} compiler seconds for {target}: {len(wanted)} files, "
              f"{len(once) + len(measured)} of them compiled")
    for command, second in sorted(seconds.items(), key=lambda item: -item[1])[:options.slowest]:
        print(f"{second:8.1f}  {source_of(command)}")


if __name__ == "__main__":
    main()
