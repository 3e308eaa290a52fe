"""The IDX format: one array of numbers, as the MNIST files hold them."""

from __future__ import annotations

import gzip
import math
import os
import struct
import zlib
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..npz import MAX_BYTES, FileError, Readable, read_at_most
from .files import check_sha256

IDX_DTYPES = {0x08: ">u1", 0x09: ">i1", 0x0B: ">i2", 0x0C: ">i4", 0x0D: ">f4", 0x0E: ">f8"}
"""Type codes of the IDX format, whose numbers are big-endian (Y. LeCun, the MNIST database)."""

IDX_MAX_RANK = 8
"""The most dimensions that are read; the format itself allows 255."""


def read_idx(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES, sha256: str | None = None
) -> NDArray[Any]:
    """The array in an IDX file, plain or compressed by gzip, in the dtype that the file states.

    The header is two zero bytes, a byte for the type, a byte for the number of dimensions, then
    each dimension as four bytes, most significant first; the numbers follow, big-endian, last index
    fastest (Y. LeCun, the MNIST database).

    max_bytes : the most bytes that the array may take; more is refused from the header alone.
    sha256 : the checksum that the uncompressed contents must have, in hexadecimal.

    Raises `FileError` when the file is not IDX, is truncated, longer than its header says, larger
    than `max_bytes`, damaged, or has another checksum; `OSError` when it cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        zipped = file.read(2) == b"\x1f\x8b"
        file.seek(0)
        if not zipped:
            return _idx_array(path, file, max_bytes, sha256)
        try:
            with gzip.open(file) as stream:
                return _idx_array(path, stream, max_bytes, sha256)
        except (EOFError, gzip.BadGzipFile, zlib.error) as problem:
            raise FileError(f"{path}: damaged gzip data: {problem}") from None


def _idx_array(path: Path, stream: Readable, max_bytes: int, sha256: str | None) -> NDArray[Any]:
    """The array in an uncompressed IDX stream; see `read_idx`."""
    header, shape, dtype = _idx_header(path, stream)
    claimed = math.prod(shape) * dtype.itemsize
    if claimed > max_bytes:
        raise FileError(
            f"{path}: claims {claimed:,} bytes, shape {shape}; at most {max_bytes:,} are allowed"
        )
    data = read_at_most(stream, claimed)
    if len(data) < claimed:
        raise FileError(
            f"{path}: truncated: shape {shape} takes {claimed:,} bytes; got {len(data):,}"
        )
    if stream.read(1):
        raise FileError(f"{path}: longer than its header says, {claimed:,} bytes of data")
    if sha256 is not None:
        check_sha256(path, header + data, sha256)
    array: NDArray[Any] = np.ndarray(shape, dtype, data)
    return array.astype(dtype.newbyteorder("="), copy=False)


def _idx_header(path: Path, stream: Readable) -> tuple[bytes, tuple[int, ...], np.dtype[Any]]:
    """The header's bytes, and the shape and dtype that it states."""
    start = stream.read(4)
    if len(start) < 4 or start[:2] != bytes(2) or start[2] not in IDX_DTYPES or not start[3]:
        raise FileError(
            f"{path}: not an IDX file: expected two zero bytes, a type code (08, 09, 0b to 0e) and "
            f"the number of dimensions; got {start.hex(' ') or 'nothing'}"
        )
    rank = start[3]
    if rank > IDX_MAX_RANK:
        raise FileError(f"{path}: expected at most {IDX_MAX_RANK} dimensions; got {rank}")
    sizes = stream.read(4 * rank)
    if len(sizes) < 4 * rank:
        raise FileError(f"{path}: truncated: the header ends within its {rank} dimensions")
    return start + sizes, struct.unpack(f">{rank}I", sizes), np.dtype(IDX_DTYPES[start[2]])
