"""Prints the set-up commands of README.md: the one-line `sh` blocks, in order."""

import re
from pathlib import Path

readme = Path(__file__).parent.parent.joinpath("README.md").read_text(encoding="utf-8")
for block in re.findall(r"^```sh setup\n(.+?)\n```$", readme, flags=re.MULTILINE | re.DOTALL):
    print(" ".join(line.strip() for line in block.splitlines()))
