#!/usr/bin/env python3
"""Writes compile_commands.json for clangd and clang-tidy, from what Bazel would run.

  tools/compdb.py [bazel flags, such as --config=cuda]

Build once before (./bazelw build //...), so that generated headers exist.
"""
import json
import pathlib
import subprocess
import sys


_LEFT_OUT = ["-fno-canonical-system-headers", "-include", "libtorch_precompiled.h", "modules_precompiled.h",
             "modules_tests_precompiled.h", "plain_precompiled.h", "plain_tests_precompiled.h",
             "tests_precompiled.h", "-fpch-deps", "--param=ggc-min-heapsize=2000000"]


def bazel(*arguments):
    result = subprocess.run(["bazel", *arguments], check=True, stdout=subprocess.PIPE,
                            stderr=subprocess.DEVNULL, text=True)
    return result.stdout


def main(flags):
    root = bazel("info", *flags, "workspace").strip()
    execution_root = bazel("info", *flags, "execution_root").strip()
    query = bazel("aquery", *flags, "--output=jsonproto", 'mnemonic("CppCompile", //...)')
    commands = {}
    for action in json.loads(query)["actions"]:
        arguments = action["arguments"]
        source = arguments[arguments.index("-c") + 1]
        if source.startswith(("bazel-out", "external")):
            continue
        path = f"{root}/{source}"
        # Flags that only gcc knows, and a header that would hide missing includes; generated headers
        # are not ours to lint.
        kept = [path if a == source else a for a in arguments if a not in _LEFT_OUT]
        kept = ["-isystem" if a == "-iquote" and i + 1 < len(kept) and kept[i + 1].startswith("bazel-out")
                else a for i, a in enumerate(kept)]
        commands[source] = {"directory": execution_root, "file": path, "arguments": kept}
    pathlib.Path(root, "compile_commands.json").write_text(
        json.dumps([commands[source] for source in sorted(commands)], indent=1))
    print(f"compile_commands.json: {len(commands)} files")


if __name__ == "__main__":
    main(sys.argv[1:])
