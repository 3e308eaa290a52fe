"""safetensors files: the same bits both ways, PyTorch's names, and what is refused."""

from __future__ import annotations

import json
import struct
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import networks, same, two_two_one
from hypothesis import given, settings

from loopbp.npz import FileError

safetensors = pytest.importorskip(
    "safetensors.numpy", reason="needs safetensors: pip install loopbp[safetensors]"
)
from loopbp.interop.safetensors import load, save  # noqa: E402


def test_the_tensors_have_pytorch_s_names_and_shapes(tmp_path: Path) -> None:
    save(two_two_one(), tmp_path / "net.safetensors")
    tensors = safetensors.load_file(tmp_path / "net.safetensors")
    assert tensors["0.weight"].tolist() == [[1, -2], [3, 4]]
    assert tensors["2.weight"].tolist() == [[5, -6]]
    assert (tensors["0.bias"].tolist(), tensors["2.bias"].tolist()) == ([0.25, 0.5], [-1])


@given(net=networks())
@settings(deadline=None, max_examples=60)
def test_a_round_trip_keeps_every_bit(net: Any, tmp_path_factory: pytest.TempPathFactory) -> None:
    path = tmp_path_factory.mktemp("networks") / "net.safetensors"
    save(net, path)
    first = path.read_bytes()
    assert same(load(path), net)
    save(net, path)
    assert path.read_bytes() == first


def test_pytorch_loads_the_file_as_a_state_dict(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from safetensors.torch import load_file

    from loopbp.interop.torch import from_torch, to_torch

    net = two_two_one()
    save(net, tmp_path / "net.safetensors")
    model = to_torch(two_two_one(loss="sse"))
    model.load_state_dict({name: torch.zeros_like(t) for name, t in model.state_dict().items()})
    model.load_state_dict(load_file(tmp_path / "net.safetensors"))
    assert same(from_torch(model), net)


def test_another_program_s_file_needs_its_activations(tmp_path: Path) -> None:
    path = tmp_path / "theirs.safetensors"
    shapes = {"fc1": (3, 2), "fc2": (4, 3), "fc10": (1, 4)}  # sorted as text, fc10 comes second
    tensors = {f"{name}.weight": np.ones(shape, np.float32) for name, shape in shapes.items()}
    tensors |= {f"{name}.bias": np.ones(m, np.float32) for name, (m, _) in shapes.items()}
    safetensors.save_file(tensors, path, metadata={"format": "pt"})
    assert load(path, hidden="relu", output="identity").sizes == (2, 3, 4, 1)
    with pytest.raises(ValueError, match="hidden: expected the activation of the hidden layers"):
        load(path, output="identity")
    safetensors.save_file({**tensors, "norm.running_mean": np.ones(3)}, path)
    with pytest.raises(ValueError, match="norm: a batch normalisation .it has running_mean"):
        load(path, hidden="relu", output="identity")


def test_a_file_that_says_its_own_takes_no_options(tmp_path: Path) -> None:
    save(two_two_one(), tmp_path / "net.safetensors")
    with pytest.raises(ValueError, match=r"loss: .*says its own; leave it out"):
        load(tmp_path / "net.safetensors", loss="mse")


def test_other_dtypes_are_refused(tmp_path: Path) -> None:
    path = tmp_path / "half.safetensors"
    safetensors.save_file({"0.weight": np.ones((1, 1), np.float16)}, path)
    with pytest.raises(TypeError, match=r"0\.weight: expected one of float32, float64; got F16"):
        load(path, output="identity")


def raw(header: dict[str, Any], body: bytes = b"") -> bytes:
    """A file with this header."""
    text = json.dumps(header).encode()
    return struct.pack("<Q", len(text)) + text + body


MEANING = {"hidden": [], "output": "identity", "loss": "mse", "dtype": "float64"}


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"text that is long enough",
        struct.pack("<Q", 2**60) + b"{}",
        raw(
            {"0.weight": {"dtype": "F64", "shape": [2**20, 2**20], "data_offsets": [0, 8]}},
            bytes(8),
        ),
        raw({"0.weight": {"dtype": "F64", "shape": [1, 1], "data_offsets": [0, 800]}}, bytes(8)),
    ],
)
def test_damaged_files_are_said_to_be_damaged(content: bytes, tmp_path: Path) -> None:
    (tmp_path / "bad.safetensors").write_bytes(content)
    with pytest.raises(FileError, match=r"bad\.safetensors: not a safetensors file, or a damaged"):
        load(tmp_path / "bad.safetensors", output="identity")


@pytest.mark.parametrize(
    ("meaning", "message"),
    [
        ("no JSON", "expected the description of a network"),
        (json.dumps([1]), "expected the description of a network"),
        (json.dumps({**MEANING, "output": "nothing"}), "not a valid network; output: expected"),
        (json.dumps({**MEANING, "hidden": ["tanh"]}), "not a valid network; hidden: expected"),
        (json.dumps({**MEANING, "dtype": "float32"}), "expected 'float32' tensors; got float64"),
    ],
)
def test_a_wrong_description_is_refused(meaning: str, message: str, tmp_path: Path) -> None:
    path = tmp_path / "bad.safetensors"
    tensors = {"0.weight": np.ones((1, 2)), "0.bias": np.ones(1)}
    safetensors.save_file(tensors, path, metadata={"loopbp": meaning})
    with pytest.raises(FileError, match=message):
        load(path)


def test_a_failed_write_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "net.safetensors"
    save(two_two_one(), path)
    before = path.read_bytes()
    broken = two_two_one()
    broken.W[0][0, 0] = np.nan
    with pytest.raises(ValueError, match=r"net\.W\[0\]: expected finite"):
        save(broken, path)
    assert path.read_bytes() == before
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.safetensors")


def named(path: Path, shapes: dict[str, tuple[int, int]]) -> Path:
    """A file of another program with layers of these names and shapes (out, in)."""
    tensors = {f"{name}.weight": np.ones(shape, np.float32) for name, shape in shapes.items()}
    safetensors.save_file(tensors, path)
    return path


@pytest.mark.filterwarnings("ignore:.*no biases")
def test_layers_without_numbers_come_in_the_only_order_that_fits(tmp_path: Path) -> None:
    shapes = {"fc1": (4, 3), "fc2": (4, 4), "classifier": (2, 4)}
    net = load(named(tmp_path / "n.safetensors", shapes), hidden="relu", output="identity")
    assert net.sizes == (3, 4, 4, 2)


@pytest.mark.filterwarnings("ignore:.*no biases")
@pytest.mark.parametrize(
    "shapes",
    [
        {"encoder": (2, 5), "decoder": (5, 2)},
        {"input": (3, 3), "output": (3, 3)},
    ],
    ids=["both ways", "square"],
)
def test_an_order_is_not_guessed(shapes: Any, tmp_path: Path) -> None:
    path = named(tmp_path / "n.safetensors", shapes)
    with pytest.raises(ValueError, match=rf"several orders.*{next(iter(shapes))} .*layers: say"):
        load(path, hidden="relu", output="identity")
    net = load(path, hidden="relu", output="identity", layers=list(shapes))
    assert net.sizes[0] == next(iter(shapes.values()))[1]
    with pytest.raises(ValueError, match="layers: expected each of"):
        load(path, hidden="relu", output="identity", layers=["encoder"])
