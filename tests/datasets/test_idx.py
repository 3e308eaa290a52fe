"""IDX files: bytes written by hand, and one clear error for every claim that is not true."""

import gzip
import hashlib
import struct
import tracemalloc

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from idx_files import IDX_CODES, idx_bytes

from loopbp.datasets import FileError, read_idx


def test_idx_by_hand(tmp_path):
    path = tmp_path / "a.idx"
    # int16, two dimensions, 2 × 3, most significant byte first.
    path.write_bytes(bytes.fromhex("00000b02 00000002 00000003 0001 0002 0003 0100 ffff 8000"))
    got = read_idx(path)
    assert got.dtype == np.dtype("=i2")
    assert got.tolist() == [[1, 2, 3], [256, -1, -32768]]


@settings(deadline=None, max_examples=50)
@given(
    hnp.arrays(
        st.sampled_from(list(IDX_CODES)),
        hnp.array_shapes(min_dims=1, max_dims=4, min_side=0, max_side=4),
    ),
    st.booleans(),
)
def test_any_idx_array_comes_back(tmp_path_factory, array, zipped):
    path = tmp_path_factory.mktemp("idx") / "a"
    content = idx_bytes(array)
    path.write_bytes(gzip.compress(content) if zipped else content)
    got = read_idx(path)
    assert got.dtype == array.dtype
    np.testing.assert_array_equal(got, array)
    got[...] = 1  # a new array, not a read-only view of the file's bytes


BYTES = np.arange(6, dtype=np.uint8).reshape(2, 3)


@pytest.mark.parametrize("zipped", [False, True], ids=["plain", "gzip"])
@pytest.mark.parametrize(
    ("content", "words"),
    [
        (b"", "not an IDX file: .* got nothing"),
        (b"\0\0\x08", "got 00 00 08"),
        (b"\x01" + idx_bytes(BYTES)[1:], "not an IDX file"),
        (idx_bytes(BYTES, code=0x0A), "got 00 00 0a 02"),
        (b"\0\0\x08\0", "not an IDX file"),
        (idx_bytes(BYTES, shape=(1,) * 9), "at most 8 dimensions; got 9"),
        (idx_bytes(BYTES)[:9], "header ends within its 2 dimensions"),
        (idx_bytes(BYTES)[:-1], r"truncated: shape \(2, 3\) takes 6 bytes; got 5"),
        (idx_bytes(BYTES) + b"x", "longer than its header says, 6 bytes"),
        (idx_bytes(BYTES, shape=(2**20, 2**20)), "claims 1,099,511,627,776 bytes"),
        (idx_bytes(BYTES, shape=(2**32 - 1,) * 8), "at most 4,294,967,296 are allowed"),
    ],
)
def test_bad_idx_files(tmp_path, zipped, content, words):
    path = tmp_path / "bad.idx"
    path.write_bytes(gzip.compress(content) if zipped else content)
    with pytest.raises(FileError, match=words) as raised:
        read_idx(path)
    assert str(raised.value).startswith(str(path))


def test_idx_cap_and_checksum_are_exact(tmp_path):
    path = tmp_path / "a.idx"
    path.write_bytes(gzip.compress(idx_bytes(BYTES)))
    right = hashlib.sha256(idx_bytes(BYTES)).hexdigest()
    assert read_idx(path, max_bytes=6, sha256=right).tolist() == BYTES.tolist()
    with pytest.raises(FileError, match=r"claims 6 bytes, .* at most 5"):
        read_idx(path, max_bytes=5)
    with pytest.raises(FileError, match=f"SHA-256 {'0' * 64}; got {right}"):
        read_idx(path, sha256="0" * 64)


@pytest.mark.parametrize("where", ["truncated", "damaged", "trailer"])
def test_damaged_gzip(tmp_path, where):
    zipped = bytearray(gzip.compress(idx_bytes(np.arange(200, dtype=np.uint8))))
    if where == "truncated":
        del zipped[-20:]
    else:
        zipped[-6 if where == "trailer" else 40] ^= 0xFF
    path = tmp_path / "a.gz"
    path.write_bytes(zipped)
    with pytest.raises(FileError, match=r"a.gz: (damaged gzip data|truncated)"):
        read_idx(path)


@pytest.mark.parametrize("claim", [16, 2**31], ids=["claims less", "claims more"])
def test_memory_follows_neither_a_gzip_bomb_nor_a_claim(tmp_path, claim):
    # 64 MiB of zeros behind a header that claims 16 bytes; 16 bytes behind one that claims 2 GiB.
    data = bytes(2**26 if claim == 16 else 16)
    path = tmp_path / "bomb.gz"
    path.write_bytes(gzip.compress(struct.pack(">HBBI", 0, 8, 1, claim) + data, 1))
    tracemalloc.start()
    with pytest.raises(FileError, match="longer than" if claim == 16 else "truncated"):
        read_idx(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**22
