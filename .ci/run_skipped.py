"""Runs again the tests that an earlier run skipped; fails if one still skips.

Usage: python run_skipped.py JUNIT.xml
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path

#: Two at a time, but those that time an answer alone.
PASSES = (("-n", "2", "-k", "not within_a_frame"), ("-k", "within_a_frame"))


def skipped(report: Path) -> dict[tuple[str, str], str]:
    """The reason of every skipped test, by its module (and class) and name."""
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        reason = case.find("skipped")
        if reason is not None and reason.get("type") != "pytest.xfail":
            found[case.get("classname"), case.get("name")] = reason.get("message")
    return found


def selected(classname: str, name: str) -> str:
    """What selects a test, from its dotted module and perhaps class; or a whole skipped module."""
    module, inner = (classname or name).split("."), []
    while not Path(*module).with_suffix(".py").is_file():
        inner.insert(0, module.pop())
    file = str(Path(*module).with_suffix(".py"))
    return "::".join([file, *inner, name]) if classname else file


def main() -> int:
    before = skipped(Path(sys.argv[1]))
    again_please = sorted({selected(classname, name) for classname, name in before})
    print(f"{len(before)} tests or modules were skipped")
    if not again_please:
        return 0
    code, again = 0, {}
    with tempfile.TemporaryDirectory() as folder:
        for number, options in enumerate(PASSES):
            report = Path(folder, f"{number}.xml")
            command = ["pytest", "-q", f"--junitxml={report}", *options, *again_please]
            code = subprocess.call(command) or code
            again |= skipped(report)
    still = before.keys() & again.keys()
    for classname, name in sorted(still):
        print(f"still skipped: {classname}::{name}: {again[classname, name]}")
    return code or (1 if still else 0)


if __name__ == "__main__":
    sys.exit(main())
