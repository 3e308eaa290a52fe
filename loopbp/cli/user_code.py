"""Somebody's own module: imported, and what it raises told in one message."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any


@contextmanager
def one_message() -> Iterator[None]:
    """Within the block, what their code raises becomes a `ValueError` that names its place.

    That is the last of their own lines that was running, not one of a library. Errors of ours stay.
    """
    import traceback

    try:
        yield
    except ModuleNotFoundError as missing:
        raise _said(missing) from missing
    except SystemExit as end:
        raise ValueError(
            f"MODULE:OBJECT: the module ended the program (sys.exit({end.code!r})); keep that "
            'below if __name__ == "__main__":'
        ) from end
    except Exception as problem:
        frames = traceback.extract_tb(problem.__traceback__)
        theirs = [frame for frame in frames if not _installed(frame.filename)]
        words = f"{type(problem).__name__}: {str(problem).partition(chr(10))[0]}".rstrip(": ")
        if theirs:
            at = theirs[-1]
            place = f"{Path(at.filename).name}, line {at.lineno}, in {at.name}"
            raise ValueError(f"{place}: {words}") from problem
        if frames and not _ours(frames[-1].filename):
            raise ValueError(f"MODULE:OBJECT: {words}") from problem
        raise


def _ours(file: str) -> bool:
    """Whether it is a file of this package."""
    return Path(file).resolve().is_relative_to(Path(__file__).resolve().parents[1])


def _installed(file: str) -> bool:
    """Whether it is ours, or belongs to Python or to an installed library."""
    import sysconfig

    path = Path(file).resolve()
    python = any(path.is_relative_to(sysconfig.get_path(kind)) for kind in ("stdlib", "platstdlib"))
    installed = {"site-packages", "dist-packages"} & set(path.parts)
    return file.startswith("<") or _ours(file) or python or bool(installed)


def module(text: str) -> tuple[Any, str]:
    """The module, imported from the present folder or by its path, and the object's name."""
    import importlib
    import importlib.util
    import sys

    module, _, name = text.rpartition(":")
    if not module or not name:
        raise ValueError(f"MODULE:OBJECT: expected both, as in mine:model; got {text[:60]!r}")
    if not module.endswith(".py"):
        sys.path.insert(0, str(Path.cwd()))
        return importlib.import_module(module), name
    path = Path(module)
    if not path.is_file():
        raise FileNotFoundError(f"{module}: there is no such file")
    sys.path.insert(0, str(path.resolve().parent))
    spec = importlib.util.spec_from_file_location(path.stem, path)
    assert spec is not None and spec.loader is not None  # the name ends with .py
    loaded = importlib.util.module_from_spec(spec)
    sys.modules[path.stem] = loaded
    spec.loader.exec_module(loaded)
    return loaded, name


def _said(missing: ModuleNotFoundError) -> ImportError:
    """What the module needs, and how it is installed if it is one of the optional libraries."""
    from loopbp.interop.layers import MissingLibraryError

    library = {"torch": "PyTorch", "jax": "JAX"}.get(str(missing.name))
    if library is not None:
        return MissingLibraryError(library, str(missing.name))
    return ImportError(f"MODULE:OBJECT: {missing}", name=missing.name)


def attribute(argument: str, module: Any, name: str) -> Any:
    """What has this name in the module; the name may have dots."""
    import operator

    if ":" in name:
        raise ValueError(f"{argument}: expected a name in {module.__name__}; got {name[:60]!r}")
    try:
        return operator.attrgetter(name)(module)
    except AttributeError:
        raise ValueError(f"{argument}: there is no {name[:60]!r} in {module.__name__}") from None


def torch_model(given: Any) -> Any:
    """The PyTorch model, or what a function gives; raises `TypeError` for anything else."""
    import sys

    from loopbp.checks import describe

    found = made(given)
    torch = sys.modules.get("torch")  # of which a model is
    if torch is None or not isinstance(found, torch.nn.Module):
        raise TypeError(
            "MODULE:OBJECT: expected a PyTorch model, or a JAX function and --parameters with it; "
            f"got {describe(found)}"
        )
    return found


def made(given: Any) -> Any:
    """The object, or what it gives where it is a function without arguments."""
    import inspect

    if not inspect.isfunction(given):
        return given
    try:
        inspect.signature(given).bind()
    except TypeError:  # it needs some
        return given
    return given()
