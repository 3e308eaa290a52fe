"""Copies of a network, and its files, sound and damaged."""

from __future__ import annotations

import json
import os
import re
import zipfile
from typing import Any

import numpy as np
import pytest
from problems import DTYPES

from loopbp import npz
from loopbp.network import Network, load


def test_a_copy_shares_nothing_and_may_round():
    net = Network([3, 4, 2], "silu", "identity", "mse", seed=5)
    twin = net.copy()
    assert twin.architecture == net.architecture
    assert twin.theta.tobytes() == net.theta.tobytes()
    twin.theta[...] = 0
    assert net.theta.any()
    single = net.copy(dtype="float32")
    assert single.dtype == np.float32
    assert single.theta.tobytes() == net.theta.astype(np.float32).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_comes_back_from_its_file_with_its_bits(tmp_path, dtype):
    net = Network([5, 4, 3], ["gelu"], "sigmoid", "binary_cross_entropy", seed=3, dtype=dtype)
    net.theta[0], net.theta[1] = -0.0, np.finfo(dtype).smallest_subnormal
    path = tmp_path / "net.npz"
    net.save(path)
    again = load(path)
    assert again.architecture == net.architecture
    assert again.theta.tobytes() == net.theta.tobytes()
    again.theta[0] = 1  # and it can be trained on
    content = path.read_bytes()
    net.save(str(path))
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["net.npz"]


def test_a_network_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    net = Network([2, 2])
    path = tmp_path / "net.npz"
    net.save(path)
    content = path.read_bytes()
    net.theta[1] = np.inf
    with pytest.raises(ValueError, match=re.escape("net.W[0]: expected finite")):
        net.save(path)
    assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError):
        Network([2, 2]).save(tmp_path / "absent" / "net.npz")


@pytest.mark.parametrize("suffix", [".onnx", ".safetensors", ".pt", ".PTH"])
def test_other_formats_are_left_to_convert(tmp_path, suffix):
    net, path = Network([2, 2]), tmp_path / f"net{suffix}"
    with pytest.raises(ValueError, match=rf"path: expected an \.npz file; got .*net{suffix}: "):
        net.save(path)
    assert os.listdir(tmp_path) == []
    path.write_bytes(b"another format")
    advice = re.escape(f"`loopbp convert {path} {tmp_path / 'net.npz'}` makes one")
    with pytest.raises(npz.FileError, match=advice):
        load(str(path))


@pytest.mark.parametrize("name", ["net", "net.NPZ", "net.v1.5", "net.bin"])
def test_any_other_name_is_as_good_as_npz(tmp_path, name):
    net = Network([2, 2])
    net.save(tmp_path / name)
    assert load(tmp_path / name).theta.tobytes() == net.theta.tobytes()
    (tmp_path / name).write_bytes(b"damaged")
    with pytest.raises(npz.FileError, match="damaged one: File is not a zip file$"):
        load(tmp_path / name)


def test_every_truncation_of_a_file_is_an_error(tmp_path):
    path = tmp_path / "net.npz"
    Network([2, 2]).save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            load(path)


DESCRIPTION = {
    "format": "loopbp network", "version": 1, "sizes": [2, 3], "hidden": [], "output": "softmax",
    "loss": "cross_entropy", "dtype": "float64",
}  # fmt: skip


def saved(path: Any, changes: Any = None, theta: Any = None, text: str | None = None) -> Any:
    """A file with the description changed, or another text in its place."""
    text = json.dumps(DESCRIPTION | (changes or {})) if text is None else text
    npz.write_arrays(
        path, {"network": np.array(text), "theta": np.zeros(9) if theta is None else theta}
    )
    return path


def test_the_description_that_the_next_test_changes_is_sound(tmp_path):
    assert load(saved(tmp_path / "net.npz")).sizes == (2, 3)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"text": "hello"}, "expected the description of a network; got another"),
        ({"text": "[]"}, "expected the description of a network; got another"),
        ({"text": '{"format": "loopbp network", "version": 1}'}, "expected the description of a"),
        ({"changes": {"format": "other"}}, "expected the description of a network"),
        ({"changes": {"version": 2}}, "expected format version 1; got 2"),
        ({"changes": {"sizes": [2, 4]}}, "not a valid network; init: expected the 12 parameters"),
        ({"changes": {"sizes": [2, -3]}}, "not a valid network; sizes[1]: expected an integer"),
        ({"changes": {"sizes": [2**40, 2**40]}}, "not a valid network; sizes: expected at most"),
        ({"changes": {"sizes": "23"}}, "not a valid network; sizes: expected a sequence"),
        ({"changes": {"output": "softmin"}}, "not a valid network; output: expected one of"),
        ({"changes": {"dtype": "float16"}}, "not a valid network; dtype: expected float32"),
        ({"theta": np.full(9, np.nan)}, "not a valid network; init: expected finite float64"),
        ({"theta": np.array(["0"] * 9)}, "not a valid network; init: expected an array of real"),
        ({"theta": np.zeros((3, 3))}, "not a valid network; init: expected the 9 parameters"),
    ],
    ids=str,
)
def test_files_that_are_not_networks(tmp_path, file, message):
    path = saved(tmp_path / "net.npz", **file)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        load(path)


def test_other_arrays_are_not_a_network(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, X=np.zeros(3), theta=np.zeros(3))
    with pytest.raises(ValueError, match="expected a saved network; got arrays X, theta"):
        load(path)
    np.savez(path, network=np.zeros(3), theta=np.zeros(3))
    with pytest.raises(ValueError, match="expected a saved network"):
        load(path)
    path.write_bytes(b"\x80\x04 this is a pickle, or so it says")
    with pytest.raises(ValueError, match="not an npz file"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")


def test_pickles_in_a_file_are_refused_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "net.npz"
    for name in ("network", "theta"):
        arrays = {"network": np.array("{}"), "theta": np.zeros(9)}
        np.savez(path, **(arrays | {name: np.array([Bomb()], dtype=object)}))
        with pytest.raises(ValueError, match=f"array '{name}' holds pickled objects"):
            load(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_claims_to_be_larger_than_allowed_takes_no_memory(tmp_path):
    """64 MiB of zeros deflate to 64 KiB; 130 of them claim 8.1 GiB, and none is unpacked."""
    path = tmp_path / "net.npz"
    one = tmp_path / "one.npz"
    np.savez_compressed(one, theta=np.zeros(2**23))
    with zipfile.ZipFile(one) as archive:
        packed = archive.getinfo("theta.npy")
    # the same compressed bytes under many names, by way of the archive's directory
    content = one.read_bytes()
    header = content.index(b"PK\x01\x02")
    body, entry = content[:header], content[header : header + 46 + len("theta.npy")]
    entries = b"".join(
        entry[:46] + f"{k:05}.npy".encode() for k in range(130)
    )  # same length as "theta.npy"
    end = (
        b"PK\x05\x06" + bytes(4) + (130).to_bytes(2, "little") * 2
        + len(entries).to_bytes(4, "little") + len(body).to_bytes(4, "little") + bytes(2)
    )  # fmt: skip
    assert packed.file_size > 2**26
    path.write_bytes(body + entries + end)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"claims 8,7.* bytes; at most 8,589,934,592 bytes"):
        load(path)


def test_a_description_nested_without_end(tmp_path):
    path = saved(tmp_path / "net.npz", text="[" * 200_000)
    with pytest.raises(ValueError, match="expected the description of a network"):
        load(path)


def test_parameters_have_the_dtype_that_the_description_names(tmp_path):
    path = saved(tmp_path / "net.npz", {"dtype": "float32"}, np.full(9, 0.1))
    with pytest.raises(ValueError, match="float64"):
        load(path)
