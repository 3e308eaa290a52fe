"""A network's file by its extension, `loopbp convert`, and what happens without a library."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from architectures import same, two_two_one
from typer.testing import CliRunner, Result

import loopbp
from loopbp.cli import app
from loopbp.interop import files

LIBRARIES = {".onnx": "onnx", ".safetensors": "safetensors", ".pt": "torch", ".pth": "torch"}


def test_the_formats_that_a_network_leaves_to_convert_are_those_of_convert() -> None:
    assert {".npz", *loopbp.network.FOREIGN} == set(files.FORMATS)


@pytest.fixture(autouse=True)
def empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """Every test runs in an empty folder, in a terminal of 80 columns."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return tmp_path


def run(*arguments: str) -> Result:
    return CliRunner().invoke(app, ["convert", *arguments])


def need(*extensions: str) -> None:
    for extension in extensions:
        library = LIBRARIES[extension]
        pytest.importorskip(library, reason=f"needs {library}: pip install loopbp[{library}]")


@pytest.mark.parametrize("extension", [".npz", ".onnx", ".safetensors"])
def test_a_file_that_says_everything_comes_back(extension: str) -> None:
    if extension != ".npz":
        need(extension)
    net = two_two_one("float32", loss="half_sse")
    files.write(net, f"net{extension}")
    assert same(files.read(f"net{extension}"), net)
    with pytest.raises(ValueError, match=r"hidden: net\S+ says its own; leave it out"):
        files.read(f"net{extension}", hidden="tanh")


def test_a_network_goes_round_all_formats() -> None:
    need(*LIBRARIES)
    net = two_two_one(hidden="elu", loss="sse")
    net.save("a.npz")
    names = ("--hidden", "elu", "--output", "identity", "--loss", "sse")
    steps = [
        ("a.npz", "b.onnx"),
        ("b.onnx", "c.safetensors"),
        ("c.safetensors", "d.pt"),
        ("d.pt", "e.pth", *names),
        ("e.pth", "f.npz", *names),
    ]
    for step in steps:
        result = run(*step)
        assert result.exit_code == 0, result.output
        assert f"written: {step[1]}; read again, the bits are the same" in result.stdout
    assert same(loopbp.load("f.npz"), net)
    assert Path("a.npz").read_bytes() == Path("f.npz").read_bytes()


def test_what_a_state_dict_does_not_say_has_to_be_said() -> None:
    need(".pt")
    files.write(two_two_one(), "net.pt")
    result = run("net.pt", "net.npz")
    assert result.exit_code == 2
    assert "hidden: expected the activation of the hidden layers" in result.stderr
    assert not Path("net.npz").exists()
    several = run("net.pt", "net.npz", "--hidden", "tanh,relu", "--output", "identity")
    assert "hidden: expected one name, or 1 for the hidden layers" in several.stderr


def test_missing_biases_are_told() -> None:
    need(".safetensors")
    from safetensors.numpy import save_file

    save_file({"0.weight": np.ones((3, 2))}, "theirs.safetensors")
    result = run("theirs.safetensors", "net.npz", "--output", "identity")
    assert result.exit_code == 0
    assert "note: 0.weight: this layer has no biases" in result.stdout


def test_a_file_with_other_bits_is_found_out(monkeypatch: pytest.MonkeyPatch) -> None:
    two_two_one().save("net.npz")
    other = two_two_one()
    other.W[0][0, 0] = np.nextafter(0.25, 1)
    monkeypatch.setattr(files, "write", lambda net, path: other.save(path))
    result = run("net.npz", "copy.npz")
    assert result.exit_code == 2
    assert "copy.npz: read again, the network is not the same" in result.stderr


def test_other_extensions_are_refused() -> None:
    two_two_one().save("net.npz")
    for arguments in (("net.npz", "net.h5"), ("net.h5", "net.npz")):
        result = run(*arguments)
        assert result.exit_code == 2
        assert "expected one of .npz, .onnx, .safetensors, .pt, .pth" in " ".join(
            result.stderr.split()
        )


def test_a_file_that_cannot_be_written_is_told_before_anything_is_read() -> None:
    result = run("net.npz", "nowhere/net.npz")
    assert result.exit_code == 2 and "there is no folder" in result.stderr


@pytest.mark.parametrize("library", ["torch", "onnx", "safetensors", "jax"])
def test_without_the_library_a_message_says_what_to_install(library: str) -> None:
    code = (
        f"import sys; sys.modules[{library!r}] = None\n"
        f"try: import loopbp.interop.{library}\n"
        "except ImportError as problem: print(problem)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert f'not installed: pip install "loopbp[{library}]"' in done.stdout


def test_the_command_says_it_too(monkeypatch: pytest.MonkeyPatch) -> None:
    two_two_one().save("net.npz")
    monkeypatch.setitem(sys.modules, "onnx", None)
    monkeypatch.delitem(sys.modules, "loopbp.interop.onnx", raising=False)
    monkeypatch.delattr(sys.modules["loopbp.interop"], "onnx", raising=False)
    result = run("net.npz", "net.onnx")
    assert result.exit_code == 2
    assert 'pip install "loopbp[onnx]"' in result.stderr


def test_importing_the_folder_loads_no_library() -> None:
    code = "import sys, loopbp.interop, loopbp.verification; print(*sys.modules)"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert not {"torch", "jax", "onnx", "safetensors", "sklearn"} & set(done.stdout.split())
