#!/usr/bin/env python3
"""Prints "N passed, N failed" over the test cases of the last `bazel test //...`.

  tools/test_totals.py [--failed]

Reads bazel-testlogs/**/test.xml. Skipped cases are listed and count in neither number. A test target
without results counts as one failure, and so does --failed (something outside the tests went wrong)
where no test failed. Exits non-zero if anything failed.
"""
import pathlib
import subprocess
import sys
import xml.etree.ElementTree as xml


def targets():
    query = subprocess.run(["bazel", "query", "tests(//...)"], stdout=subprocess.PIPE,
                           stderr=subprocess.DEVNULL, text=True, check=True)
    return query.stdout.split()


def main(something_failed):
    passed = failed = 0
    for target in targets():
        path = pathlib.Path("bazel-testlogs", *target[2:].split(":"), "test.xml")
        try:
            cases = list(xml.parse(path).iter("testcase"))
        except (OSError, xml.ParseError):
            cases = []
        if not cases:
            print(f"no results: {target}")
            failed += 1
        for case in cases:
            name = f"{target} {case.get('classname')}.{case.get('name')}"
            if case.find("failure") is not None or case.find("error") is not None:
                print(f"failed: {name}")
                failed += 1
            elif case.find("skipped") is not None or case.get("status") == "notrun":
                print(f"skipped: {name}")
            else:
                passed += 1
    if something_failed and failed == 0:
        print("failed: something outside the tests (see above)")
        failed = 1
    print(f"{passed} passed, {failed} failed")
    return 1 if failed else 0


if __name__ == "__main__":
    sys.exit(main("--failed" in sys.argv[1:]))
