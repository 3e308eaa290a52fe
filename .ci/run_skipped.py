"""Runs again the test files in which an earlier run skipped a test; fails if one still skips.

Usage: python run_skipped.py JUNIT.xml
"""

import subprocess
import sys
import tempfile
import xml.etree.ElementTree as ET
from pathlib import Path


def skipped(report: Path) -> dict[tuple[str, str], str]:
    """The reason of every skipped test, by its module (and class) and name."""
    found = {}
    for case in ET.parse(report).getroot().iter("testcase"):
        reason = case.find("skipped")
        if reason is not None and reason.get("type") != "pytest.xfail":
            found[case.get("classname"), case.get("name")] = reason.get("message")
    return found


def file_of(classname: str) -> str:
    """The file of a test, from its dotted module and perhaps class."""
    parts = classname.split(".")
    while parts and not Path(*parts).with_suffix(".py").is_file():
        parts.pop()
    return str(Path(*parts).with_suffix(".py"))


def main() -> int:
    before = skipped(Path(sys.argv[1]))
    files = sorted({file_of(classname or name) for classname, name in before})
    print(f"{len(before)} tests were skipped, in {len(files)} files")
    if not files:
        return 0
    with tempfile.TemporaryDirectory() as folder:
        report = Path(folder, "again.xml")
        code = subprocess.call(["pytest", "-q", f"--junitxml={report}", *files])
        again = skipped(report)
    still = before.keys() & again.keys()
    for classname, name in sorted(still):
        print(f"still skipped: {classname}::{name}: {again[classname, name]}")
    return code or (1 if still else 0)


if __name__ == "__main__":
    sys.exit(main())
