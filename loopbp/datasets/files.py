"""What the readers of files check alike: the number of examples, and checksums."""

from __future__ import annotations

import hashlib
import os

from ..npz import FileError

MAX_EXAMPLES = 1_000_000
"""The most examples that a loader accepts, unless the caller says otherwise."""


def check_count(file: str | os.PathLike[str], count: int, max_examples: int) -> None:
    """Raise `FileError` when `file` holds more than `max_examples` examples."""
    if count > max_examples:
        raise FileError(f"{file}: {count:,} examples; at most {max_examples:,} are allowed")


def check_sha256(file: str | os.PathLike[str], contents: bytes, expected: str) -> None:
    """Raise `FileError` unless `contents` have the SHA-256 checksum `expected`, in hexadecimal."""
    got = hashlib.sha256(contents).hexdigest()
    if got != expected:
        raise FileError(f"{file}: expected contents with SHA-256 {expected}; got {got}")
