"""npz files: what is written comes back, and no file can take memory or run code."""

import errno
import io
import os
import stat
import struct
import sys
import tracemalloc
import warnings
import zipfile

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as hnp
from numpy.lib import format as npy

from loopbp.npz import FileError, read_arrays, replacing, write_arrays

ARRAYS = {
    "theta": np.array([1.5, -0.0, np.inf, np.nan]),
    "table": np.arange(6, dtype=np.float32).reshape(2, 3),
    "labels": np.array([3, 1, 2], dtype=np.int64),
    "name": np.array("sigmoid"),
    "none": np.empty((0, 4)),
}

dtypes = st.one_of(
    hnp.boolean_dtypes(),
    hnp.integer_dtypes(endianness="?"),
    hnp.floating_dtypes(endianness="?"),
    hnp.unicode_string_dtypes(endianness="?", max_len=5),
)
any_array = hnp.arrays(dtypes, hnp.array_shapes(min_dims=0, max_dims=3, min_side=0, max_side=4))


def raw_npz(path, members, compression=zipfile.ZIP_STORED):
    """An archive with these members as they are, valid or not."""
    with zipfile.ZipFile(path, "w", compression) as archive:
        for name, content in members.items():
            archive.writestr(name, content)
    return path


def npy_bytes(shape, descr="<f8", data=b""):
    """A .npy file whose header claims what it likes."""
    file = io.BytesIO()
    npy.write_array_header_1_0(file, {"descr": descr, "fortran_order": False, "shape": shape})
    return file.getvalue() + data


def assert_same(got, expected):
    assert got.keys() == expected.keys()
    for name, array in expected.items():
        assert got[name].shape == array.shape
        assert got[name].dtype == array.dtype.newbyteorder("=")
        np.testing.assert_array_equal(got[name], array)


def test_arrays_come_back_with_their_bits_and_can_be_written_to(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, ARRAYS)
    got = read_arrays(path)
    assert_same(got, ARRAYS)
    assert got["theta"].tobytes() == ARRAYS["theta"].tobytes()  # the sign of zero too
    assert list(got) == ["labels", "name", "none", "table", "theta"]
    got["theta"][0] = 7


@settings(deadline=None, max_examples=50)
@given(st.dictionaries(st.text("abcW0_/é", min_size=1), any_array, max_size=4))
def test_any_arrays_come_back(tmp_path_factory, arrays):
    path = tmp_path_factory.mktemp("npz") / "a.npz"
    write_arrays(path, arrays)
    assert_same(read_arrays(path), arrays)


@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_numpy_and_we_read_each_other(tmp_path, save):
    save(tmp_path / "theirs.npz", **ARRAYS, fortran=np.asfortranarray(ARRAYS["table"]))
    got = read_arrays(tmp_path / "theirs.npz")
    np.testing.assert_array_equal(got.pop("fortran"), [[0, 1, 2], [3, 4, 5]])
    assert_same(got, ARRAYS)
    write_arrays(tmp_path / "ours.npz", ARRAYS)
    with np.load(tmp_path / "ours.npz", allow_pickle=False) as theirs:
        assert_same(dict(theirs), ARRAYS)


def test_big_endian_arrays_come_back_in_native_order(tmp_path):
    np.savez(tmp_path / "a.npz", a=np.array([1.5, 2.5], ">f8"), b=np.array(["é"], ">U1"))
    got = read_arrays(tmp_path / "a.npz")
    assert all(array.dtype.isnative for array in got.values())
    assert (got["a"].tolist(), got["b"].tolist()) == ([1.5, 2.5], ["é"])


def test_same_arrays_give_same_bytes_whatever_order_layout_endianness_and_time(
    tmp_path, monkeypatch
):
    write_arrays(tmp_path / "a.npz", ARRAYS)
    other = {
        name: np.asarray(array.astype(array.dtype.newbyteorder(">")), order="F")
        for name, array in reversed(ARRAYS.items())
    }
    monkeypatch.setattr("time.time", lambda: 2e9)
    write_arrays(tmp_path / "b.npz", other)
    assert (tmp_path / "a.npz").read_bytes() == (tmp_path / "b.npz").read_bytes()
    with zipfile.ZipFile(tmp_path / "a.npz") as archive:
        assert {member.date_time for member in archive.infolist()} == {(1980, 1, 1, 0, 0, 0)}


@pytest.mark.skipif(sys.platform == "win32", reason="permissions of POSIX")
def test_a_new_file_has_the_permissions_of_any_new_file(tmp_path):
    (tmp_path / "plain").touch()
    write_arrays(tmp_path / "a.npz", ARRAYS)
    modes = [stat.S_IMODE(os.stat(tmp_path / name).st_mode) for name in ("plain", "a.npz")]
    assert modes[0] == modes[1]


@pytest.mark.parametrize("failure", [OSError("no space left"), KeyboardInterrupt()])
@pytest.mark.parametrize("at", ["write_array", "fsync", "replace"])
def test_when_writing_fails_the_old_file_stays_and_nothing_is_left(
    tmp_path, monkeypatch, failure, at
):
    path = tmp_path / "a.npz"
    write_arrays(path, {"old": np.zeros(2)})
    before = path.read_bytes()

    def fail(*args, **kwargs):
        raise failure

    place = {
        "write_array": "loopbp.npz.npy.write_array",
        "fsync": "loopbp.npz.os.fsync",
        "replace": "loopbp.npz.Path.replace",
    }[at]
    monkeypatch.setattr(place, fail)
    with pytest.raises(type(failure)):
        write_arrays(path, ARRAYS)
    assert path.read_bytes() == before
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("at", ["fsync", "replace", "open"])
def test_an_error_names_the_file_that_was_asked_for(tmp_path, monkeypatch, at):
    def fail(*args, **kwargs):
        # As the system reports it: a path has the name of the temporary file, an open file none.
        named = [str(args[0])] if at != "fsync" else []
        raise OSError(errno.ENOSPC, "No space left on device", *named)

    place = "loopbp.npz.os.fsync" if at == "fsync" else f"loopbp.npz.Path.{at}"
    monkeypatch.setattr(place, fail)
    with pytest.raises(OSError, match="No space left") as raised:
        write_arrays(tmp_path / "a.npz", ARRAYS)
    assert (raised.value.filename, raised.value.errno) == (str(tmp_path / "a.npz"), errno.ENOSPC)


def test_an_error_about_another_file_keeps_its_name(tmp_path):
    with pytest.raises(FileNotFoundError) as raised, replacing(tmp_path / "a.npz"):
        (tmp_path / "other").open()
    assert raised.value.filename == str(tmp_path / "other")


def test_a_reader_never_sees_part_of_a_file(tmp_path):
    path = tmp_path / "a.txt"
    path.write_text("old")
    with replacing(path) as file:
        file.write(b"new")
        assert path.read_text() == "old"
    assert path.read_text() == "new"


@pytest.mark.skipif(sys.platform == "win32", reason="symbolic links need a privilege")
def test_a_symbolic_link_is_followed(tmp_path):
    (tmp_path / "real").mkdir()
    link = tmp_path / "link.npz"
    link.symlink_to(tmp_path / "real" / "a.npz")
    write_arrays(link, ARRAYS)
    assert link.is_symlink()
    assert_same(read_arrays(tmp_path / "real" / "a.npz"), ARRAYS)


def test_writing_to_no_folder_or_over_a_folder_says_so(tmp_path):
    with pytest.raises(FileNotFoundError, match=r"there is no folder .*absent"):
        write_arrays(tmp_path / "absent" / "a.npz", ARRAYS)
    with pytest.raises(IsADirectoryError, match="this is a folder"):
        write_arrays(tmp_path, ARRAYS)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("arrays", "error", "words"),
    [
        ({"a": np.zeros(1), "b": np.array([None])}, TypeError, "'b'; got dtype object"),
        ({"a": np.zeros(2, "f8,i4")}, TypeError, "'a'; got dtype"),
        ({"": np.zeros(1)}, ValueError, "got ''"),
        ({"a\0b": np.zeros(1)}, ValueError, "NUL"),
    ],
)
def test_what_cannot_be_read_back_is_not_written(tmp_path, arrays, error, words):
    with pytest.raises(error, match=words):
        write_arrays(tmp_path / "a.npz", arrays)
    assert list(tmp_path.iterdir()) == []


def test_pickled_objects_are_refused_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return (os.mkdir, (str(tmp_path / "ran"),))

    path = tmp_path / "a.npz"
    np.savez(path, good=np.zeros(2), bad=np.array([Bomb()], dtype=object))
    with pytest.raises(FileError, match=r"a.npz: array 'bad' holds pickled objects"):
        read_arrays(path)
    assert not (tmp_path / "ran").exists()


@pytest.mark.parametrize(
    "content", [b"", b"PK", b"not a zip file at all", b"\x93NUMPY" + bytes(99)]
)
def test_not_a_zip_file(tmp_path, content):
    path = tmp_path / "a.npz"
    path.write_bytes(content)
    with pytest.raises(FileError, match=r"a.npz: not an npz file, or a damaged one"):
        read_arrays(path)


def test_an_absent_file_is_an_oserror(tmp_path):
    with pytest.raises(FileNotFoundError):
        read_arrays(tmp_path / "a.npz")


@pytest.mark.parametrize(
    ("members", "words"),
    [
        ({"readme.txt": b"hello"}, "only .npy members; got 'readme.txt'"),
        ({"a.npy": b"hello"}, "'a' has a damaged header"),
        ({"a.npy": b""}, "'a' has a damaged header"),
        ({"a.npy": b"\x93NUMPY\x03\x00" + bytes(99)}, r"version 1.0 or 2.0; got \(3, 0\)"),
        ({"a.npy": npy_bytes((2,), data=bytes(15))}, "takes 16 bytes; the file holds 15"),
        ({"a.npy": npy_bytes((2,), data=bytes(17))}, "takes 16 bytes; the file holds 17"),
        ({"a.npy": npy_bytes((2**40,), data=bytes(8))}, "takes 8,796,093,022,208 bytes"),
        ({"a.npy": npy_bytes((2**40, 2**40), data=bytes(8))}, "the file holds 8 bytes"),
        ({"a.npy": npy_bytes((-1, -1), data=bytes(8))}, r"sizes ≥ 0; got shape \(-1, -1\)"),
        ({"a.npy": npy_bytes((1,), "<c16", bytes(16))}, "got dtype complex128"),
        ({"a.npy": npy_bytes((1,), [("b", "<f8")], bytes(8))}, "numbers, bools or text; got"),
    ],
)
def test_members_that_are_not_what_they_claim(tmp_path, members, words):
    path = raw_npz(tmp_path / "bad.npz", members)
    with pytest.raises(FileError, match=words) as raised:
        read_arrays(path)
    assert str(raised.value).startswith(str(path))


def test_a_zip_bomb_is_refused_from_the_directory_alone(tmp_path):
    # 64 MiB of zeros deflate to 64 KiB; ten of them exceed the cap of 512 MiB.
    zeros = npy_bytes((2**23,), data=bytes(2**26))
    members = {f"{i}.npy": zeros for i in range(10)}
    path = raw_npz(tmp_path / "bomb.npz", members, zipfile.ZIP_DEFLATED)
    assert path.stat().st_size < 2**20
    tracemalloc.start()
    with pytest.raises(FileError, match=r"claims 671,0.* bytes; at most 536,870,912 bytes"):
        read_arrays(path, max_bytes=2**29)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**21


def test_the_cap_is_on_the_sum_and_exact(tmp_path):
    path = tmp_path / "a.npz"
    write_arrays(path, {"a": np.zeros(8), "b": np.zeros(8)})
    with zipfile.ZipFile(path) as archive:
        total = sum(member.file_size for member in archive.infolist())
    assert len(read_arrays(path, max_bytes=total)) == 2
    with pytest.raises(FileError, match="at most"):
        read_arrays(path, max_bytes=total - 1)


def test_a_directory_that_lies_about_sizes_takes_no_memory(tmp_path):
    """Both the member's header and the directory claim 1 GiB; 8 bytes are there."""
    path = raw_npz(tmp_path / "a.npz", {"a.npy": npy_bytes((2**27,), data=bytes(8))})
    content = bytearray(path.read_bytes())
    directory = content.index(b"PK\x01\x02")
    length = struct.unpack_from("<I", content, directory + 24)[0]
    struct.pack_into("<I", content, directory + 24, length - 8 + 2**30)
    path.write_bytes(content)
    tracemalloc.start()
    with pytest.raises(FileError):
        read_arrays(path)
    peak = tracemalloc.get_traced_memory()[1]
    tracemalloc.stop()
    assert peak < 2**23


def test_two_members_of_one_name(tmp_path):
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with zipfile.ZipFile(tmp_path / "a.npz", "w") as archive:
            archive.writestr("a.npy", npy_bytes((0,)))
            archive.writestr("a.npy", npy_bytes((0,)))
    with pytest.raises(FileError, match=r"two members 'a.npy'"):
        read_arrays(tmp_path / "a.npz")


def test_compression_that_can_hide_any_size_is_refused(tmp_path):
    path = raw_npz(tmp_path / "a.npz", {"a.npy": npy_bytes((0,))}, zipfile.ZIP_LZMA)
    with pytest.raises(FileError, match="compression method 14"):
        read_arrays(path)


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("save", [np.savez, np.savez_compressed])
def test_every_truncation_and_every_damaged_byte_is_an_error_or_harmless(tmp_path, save):
    path = tmp_path / "a.npz"
    expected = {"a": np.arange(3.0), "b": np.array(["x", "yz"])}
    save(path, **expected)
    content = path.read_bytes()
    for length in range(len(content)):
        path.write_bytes(content[:length])
        with pytest.raises(FileError):
            read_arrays(path)
    refused = 0
    for position in range(len(content)):
        damaged = bytearray(content)
        damaged[position] ^= 0xFF
        path.write_bytes(damaged)
        try:
            got = read_arrays(path)
        except FileError:
            refused += 1
        else:  # a time stamp or a name in the archive's directory
            for array in got.values():
                assert any(np.array_equal(array, whole) for whole in expected.values())
    assert refused > len(content) / 2


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="this system has no named pipes")
def test_a_pipe_is_not_replaced(tmp_path):
    os.mkfifo(tmp_path / "pipe")
    with pytest.raises(OSError, match="expected a regular file"):
        write_arrays(tmp_path / "pipe", {"a": np.zeros(2)})
    assert not (tmp_path / "pipe").is_file() and len(list(tmp_path.iterdir())) == 1
