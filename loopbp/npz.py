"""Reading and writing npz files (zip archives of NumPy arrays) that nobody has to trust.

`read_arrays` looks at every size a file claims before it takes memory, never unpickles, and says
what is wrong with the file in one sentence. `write_arrays` gives the same bytes for the same arrays
and either writes the whole file or leaves what was there.

The format is described in NumPy's documentation, "NEP 1: A simple file format for NumPy arrays".
"""

from __future__ import annotations

import math
import os
import secrets
import struct
import zipfile
import zlib
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any, BinaryIO, Protocol

import numpy as np
from numpy.lib import format as npy
from numpy.typing import NDArray

MAX_BYTES = 2**32
"""The most that the arrays of one file may take in memory, unless the caller says otherwise."""

KINDS = "biufU"
"""Dtype kinds that are read and written: bool, integers, floats, text."""

CHUNK = 2**20

# What zipfile raises for damaged archives: damaged offsets and names are OSError and ValueError.
_ZIP_ERRORS = (
    zipfile.BadZipFile,
    zlib.error,
    struct.error,
    EOFError,
    NotImplementedError,
    OSError,
    ValueError,
)


class FileError(ValueError):
    """A file is not what its reader expects; the message begins with the file's path."""


class Readable(Protocol):
    """What `read_at_most` reads: an open binary file, or a member of an archive."""

    def read(self, size: int = -1, /) -> bytes: ...


def read_arrays(
    path: str | os.PathLike[str], *, max_bytes: int = MAX_BYTES
) -> dict[str, NDArray[Any]]:
    """The arrays of an npz file by name, in the file's order, native byte order.

    Reads what `write_arrays`, `numpy.savez` and `numpy.savez_compressed` write, in the dtypes of
    `KINDS`. Memory grows only with bytes that are really there.

    Raises `FileError` when the file is not an npz file, is truncated or damaged, holds pickled
    objects or other dtypes, an array that claims another size than the file holds, or more than
    `max_bytes` in all; `OSError` when it cannot be opened.
    """
    path = Path(path)
    with path.open("rb") as file:
        try:
            with zipfile.ZipFile(file) as archive:
                members = archive.infolist()
                _check_members(path, members, max_bytes)
                return {
                    member.filename.removesuffix(".npy"): _read_member(path, archive, member)
                    for member in members
                }
        except FileError:
            raise
        except _ZIP_ERRORS as problem:
            raise FileError(f"{path}: not an npz file, or a damaged one: {problem}") from None


def write_arrays(path: str | os.PathLike[str], arrays: Mapping[str, NDArray[Any]]) -> None:
    """Write the arrays as an npz file: all of it, or nothing.

    The bytes depend only on names, dtypes, shapes and values: members are sorted by name,
    uncompressed, little-endian, C-ordered and carry no time. The present file at `path` is
    replaced only once the new one is complete on disk.

    Raises `TypeError` for an array whose dtype is not one of `KINDS`, `ValueError` for a name that
    cannot be a member's, both before anything is written; `OSError` when writing fails.
    """
    for name, array in arrays.items():
        if not name or "\\" in name or "\0" in name:
            raise ValueError(f"arrays: expected a name without backslash or NUL; got {name!r}")
        if array.dtype.kind not in KINDS:
            raise TypeError(
                f"arrays: expected numbers, bools or text in {name!r}; got dtype {array.dtype}"
            )
    with replacing(path) as file, zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        for name in sorted(arrays):
            array = arrays[name]
            member = zipfile.ZipInfo(f"{name}.npy", date_time=(1980, 1, 1, 0, 0, 0))
            member.create_system = 3
            member.external_attr = 0o644 << 16
            portable = array.astype(array.dtype.newbyteorder("<"), order="C", copy=False)
            # A member of 4 GiB needs the longer header, which is chosen before the data comes.
            with archive.open(member, "w", force_zip64=array.nbytes >= 2**31) as stream:
                npy.write_array(stream, portable, version=(1, 0), allow_pickle=False)


@contextmanager
def replacing(path: str | os.PathLike[str], *, durable: bool = True) -> Iterator[BinaryIO]:
    """A new binary file that takes the place of `path` when the block ends without an exception.

    It is written beside `path` under another name, flushed to disk and then moved, so that a reader
    sees the old file or the new one, never a part. After an exception, Ctrl-C included, the old
    file is as it was and the new one is gone. A symbolic link is followed. Permissions are those of
    any new file. With `durable` False the disk may take its time, so that a power cut can damage
    the file; for readers that notice. Raises `OSError`, also where `path` is a device or a pipe,
    which must not go.
    """
    target = Path(os.path.realpath(path))
    if not target.parent.is_dir():
        raise FileNotFoundError(f"{path}: there is no folder {target.parent}")
    if target.is_dir():
        raise IsADirectoryError(f"{path}: expected a file; this is a folder")
    if target.exists() and not target.is_file():
        raise OSError(f"{path}: expected a regular file; this is a device or a pipe")
    temporary = target.with_name(f".{secrets.token_hex(8)}.tmp")
    try:
        with temporary.open("xb") as file:
            yield file
            if durable:
                file.flush()
                os.fsync(file.fileno())
        temporary.replace(target)
    except BaseException as problem:
        temporary.unlink(missing_ok=True)
        if isinstance(problem, OSError) and problem.filename in (None, str(temporary)):
            raise _of_file(problem, path) from None
        raise


def _of_file(problem: OSError, path: str | os.PathLike[str]) -> OSError:
    """The same error about the file at `path`, since nobody knows the temporary one."""
    if problem.errno is None:
        return problem
    return OSError(problem.errno, problem.strerror, os.fspath(path))


def read_at_most(stream: Readable, limit: int) -> bytearray:
    """The next `limit` bytes of `stream`, or as many as there are; memory follows what is there."""
    data = bytearray()
    while len(data) < limit:
        chunk = stream.read(min(CHUNK, limit - len(data)))
        if not chunk:
            break
        data += chunk
    return data


def _check_members(path: Path, members: list[zipfile.ZipInfo], max_bytes: int) -> None:
    """Raise `FileError` unless the archive's directory is one of an npz file within the cap."""
    names: set[str] = set()
    for member in members:
        if member.filename in names:
            raise FileError(f"{path}: there are two members {member.filename!r}")
        names.add(member.filename)
        if not member.filename.endswith(".npy"):
            raise FileError(
                f"{path}: not an npz file: expected only .npy members; got {member.filename!r}"
            )
        if member.flag_bits & 0x1:
            raise FileError(f"{path}: member {member.filename!r} is encrypted")
        if member.compress_type not in (zipfile.ZIP_STORED, zipfile.ZIP_DEFLATED):
            raise FileError(
                f"{path}: member {member.filename!r}: expected it stored or deflated; "
                f"got compression method {member.compress_type}"
            )
    claimed = sum(member.file_size for member in members)
    if claimed > max_bytes:
        raise FileError(
            f"{path}: claims {claimed:,} bytes; at most {max_bytes:,} bytes are allowed"
        )


def _read_member(path: Path, archive: zipfile.ZipFile, member: zipfile.ZipInfo) -> NDArray[Any]:
    """The array of one .npy member, read only after its header agreed with the directory."""
    where = f"{path}: array {member.filename.removesuffix('.npy')!r}"
    with archive.open(member) as stream:
        shape, fortran_order, dtype = _read_header(where, stream)
        if dtype.hasobject:
            raise FileError(f"{where} holds pickled objects, which are not loaded")
        if dtype.kind not in KINDS:
            raise FileError(f"{where}: expected numbers, bools or text; got dtype {dtype}")
        if min(shape, default=0) < 0:
            raise FileError(f"{where}: expected sizes ≥ 0; got shape {shape}")
        claimed = math.prod(shape) * dtype.itemsize
        held = member.file_size - stream.tell()
        if claimed != held:
            raise FileError(
                f"{where} of shape {shape} and dtype {dtype} takes {claimed:,} bytes; "
                f"the file holds {held:,} bytes"
            )
        data = read_at_most(stream, claimed)
    if len(data) < claimed:
        raise FileError(f"{where}: expected {claimed:,} bytes; got {len(data):,} bytes")
    array: NDArray[Any] = np.ndarray(shape, dtype, data, order="F" if fortran_order else "C")
    return array.astype(dtype.newbyteorder("="), copy=False)


def _read_header(where: str, stream: Readable) -> tuple[tuple[int, ...], bool, np.dtype[Any]]:
    """Shape, whether Fortran-ordered, and dtype from the start of a .npy member."""
    try:
        version = npy.read_magic(stream)
        if version == (1, 0):
            return npy.read_array_header_1_0(stream)
        if version == (2, 0):
            return npy.read_array_header_2_0(stream)
    except ValueError as problem:
        raise FileError(f"{where} has a damaged header: {problem}") from None
    raise FileError(f"{where}: expected format version 1.0 or 2.0; got {version}")
