"""Finished pieces on disk, so that a study that was interrupted goes on where it stopped.

A piece is one JSON file, written whole or not at all. Its name is a hash of everything that its
numbers follow from: the study and its version, the parameters (with a digest of the data), the text
of this package, and the versions of it and of NumPy. A file that is damaged is noticed by its
checksum.
"""

from __future__ import annotations

import functools
import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any

import numpy as np

from .. import __version__
from ..npz import replacing
from .study import Parameters, Rows, Study

#: The folder of the pieces, in the folder of a study.
FOLDER = "pieces"


class DamagedError(ValueError):
    """A file is not the piece that it should be."""


@functools.cache
def made_by() -> dict[str, str]:
    """The code that computes here: pieces of any other are neither used nor accepted."""
    return {"loopbp": __version__, "sources": _sources(), "numpy": np.__version__}


def identity(study: Study, parameters: Parameters) -> dict[str, Any]:
    """All that the numbers of a piece follow from."""
    return {
        "study": study.name,
        "version": study.version,
        "parameters": parameters,
        "made_by": made_by(),
    }


def encode(rows: Rows) -> str:
    """Rows as JSON, column by column; floats read back to the same bits.

    Raises `ValueError` for NaN and infinities, `KeyError` where a row lacks a column.
    """
    columns = {name: [row[name] for row in rows] for name in (rows[0] if rows else ())}
    return json.dumps(columns, ensure_ascii=False, allow_nan=False)


def decode(text: str) -> Rows:
    """The rows of `encode`."""
    columns = json.loads(text)
    return [
        dict(zip(columns, values, strict=True)) for values in zip(*columns.values(), strict=True)
    ]


class Store:
    """The pieces of a study in a folder; without one, nothing is kept."""

    def __init__(self, folder: Path | None) -> None:
        self.folder = None if folder is None else folder / FOLDER
        if self.folder is not None:
            self.folder.mkdir(parents=True, exist_ok=True)
            ignored = self.folder / ".gitignore"
            if not ignored.exists():
                ignored.write_text("*\n")

    def path(self, identity: Mapping[str, Any]) -> Path | None:
        """Where this piece is kept."""
        if self.folder is None:
            return None
        return self.folder / f"{_hash(_canonical(identity))[:32]}.json"

    def has(self, identity: Mapping[str, Any]) -> bool:
        """Whether this piece is kept, whole or damaged."""
        path = self.path(identity)
        return path is not None and path.exists()

    def write(self, identity: Mapping[str, Any], rows: str) -> None:
        """Keeps the encoded rows of a piece: the whole file or nothing."""
        path = self.path(identity)
        if path is None:
            return
        content = {**identity, "sha256": _checksum(identity, rows), "rows": rows}
        with replacing(path, durable=False) as file:
            file.write(json.dumps(content, ensure_ascii=False, indent=1).encode() + b"\n")

    def read(self, identity: Mapping[str, Any]) -> Rows | None:
        """The rows of a piece; None if it is not there. Raises `DamagedError` if it is damaged."""
        path = self.path(identity)
        if path is None or not path.exists():
            return None
        try:
            content = json.loads(path.read_bytes())
            rows = content["rows"]
            if content["sha256"] != _checksum(identity, rows):
                raise ValueError("another checksum")
            return decode(rows)
        except (ValueError, KeyError, TypeError, AttributeError, RecursionError):
            raise DamagedError(f"{path}: not a whole piece of this study") from None


def _sources() -> str:
    """SHA-256 over the names and the text of all Python files of this package."""
    folder = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for file in sorted(folder.rglob("*.py")):
        content = file.read_bytes()
        digest.update(f"{file.relative_to(folder).as_posix()}\0{len(content)}\0".encode())
        digest.update(content)
    return digest.hexdigest()


def _canonical(value: Mapping[str, Any]) -> str:
    return json.dumps(value, sort_keys=True, allow_nan=False)


def _checksum(identity: Mapping[str, Any], rows: str) -> str:
    """Holds for these rows under this identity only."""
    return _hash(_canonical(identity) + "\n" + rows)


def _hash(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
