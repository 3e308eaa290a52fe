"""The page as one HTML file that needs nothing else: template, style, scripts and a network."""

from __future__ import annotations

import base64
import hashlib
import json
import os
from functools import cache
from importlib.resources import files
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import ArrayLike

import loopbp

from ..checks import matrix, real
from ..kernels import elementary
from ..network import Network
from ..npz import replacing

if TYPE_CHECKING:
    from jinja2 import Template

#: What can be drawn: layers of nodes, from the input to the output, and nodes in each.
MOST_LAYERS, MOST_NODES = 6, 8

#: From this many layers or nodes on, the drawing takes the whole width.
LARGE_LAYERS, LARGE_NODES = 5, 5

#: The scripts, each after those that it uses.
SCRIPTS = (
    "elementary",
    "network",
    "descent",
    "steps",
    "notation",
    "derivation",
    "drawing",
    "curve",
    "panel",
    "fields",
    "model",
    "highlight",
    "view",
    "app",
)

#: The constants of elementary.js: those of the kernels, in float64.
CONSTANTS = tuple(name for name in elementary.Format._fields if name not in ("sign", "magic_bits"))


def render(net: Network, x: ArrayLike, y: ArrayLike, *, eta: float = 0.5) -> str:
    """The page of a network and one example, as HTML; it makes no request.

    x (n_0,), the inputs; y (n_L,), the targets, or an integer, the label; eta, the learning rate
    that the page starts with. The network must be float64, of at most `MOST_LAYERS` layers with
    at most `MOST_NODES` nodes each. Its present weights are copied; nothing is modified. Raises
    `TypeError` or `ValueError` for what does not fit.
    """
    _check_size(net)
    net.check_weights()
    inputs = matrix("x", [x], net.dtype, columns=net.sizes[0])
    targets = net.targets(np.asarray([y]), 1, "y")
    description = {
        "sizes": net.sizes,
        "activations": net.activations,
        "loss": net.loss,
        "W": [W.tolist() for W in net.W],
        "x": inputs[0].tolist(),
        "y": targets[0].tolist(),
        "eta": real("eta", eta, low=0, open_low=True),
    }
    return _fill(description, net)


def write(
    path: str | os.PathLike[str],
    net: Network,
    x: ArrayLike,
    y: ArrayLike,
    *,
    eta: float = 0.5,
) -> Path:
    """Writes the page of `render` to a file, the whole file or nothing; returns its path.

    Raises what `render` raises, and `OSError` if the file cannot be written.
    """
    page = render(net, x, y, eta=eta)
    with replacing(path) as file:
        file.write(page.encode())
    return Path(path)


def _check_size(net: Network) -> None:
    """Raises `ValueError` for a network that the page cannot draw or compute."""
    sizes = "-".join(str(n) for n in net.sizes)
    if len(net.sizes) > MOST_LAYERS or max(net.sizes) > MOST_NODES:
        raise ValueError(
            f"net: expected at most {MOST_LAYERS} layers of at most {MOST_NODES} nodes, which can "
            f"be drawn; got {sizes}"
        )
    if net.dtype != np.float64:
        raise ValueError(
            f"net: expected dtype float64, in which the page computes; got {net.dtype} "
            "(net.copy(dtype='float64') has the same weights)"
        )


def _fill(description: dict[str, Any], net: Network) -> str:
    """The template with everything in it."""
    from markupsafe import Markup

    script = _script()
    digest = base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()
    return _template().render(
        title=f"Backpropagation, number by number: a {'-'.join(map(str, net.sizes))} network",
        large=len(net.sizes) >= LARGE_LAYERS or max(net.sizes) >= LARGE_NODES,
        style=Markup(_source("templates/page.css")),
        script=Markup(script),
        script_hash=f"sha256-{digest}",
        # "<" could end the element; in JSON it stands in strings only
        network=Markup(json.dumps(description).replace("<", "\\u003c")),
        footer=f"loopbp {loopbp.__version__}",
    )


@cache
def _script() -> str:
    """All scripts as one, the constants first."""
    constants = json.dumps({name: _constant(name) for name in CONSTANTS})
    modules = [_source(f"scripts/{name}.js") for name in SCRIPTS]
    return "\n".join(["", f"const constants = {constants};", *modules])


def _constant(name: str) -> Any:
    """A constant of the kernels as JSON holds it: the same bits."""
    if name == "sqrt_half":  # given as bits, which JSON's numbers cannot hold
        return float(np.int64(elementary.DOUBLE.sqrt_half).view(np.float64))
    value = getattr(elementary.DOUBLE, name)
    if isinstance(value, tuple):
        return [float(part) for part in value]
    return value if isinstance(value, int) else float(value)


def _source(name: str) -> str:
    """The text of a file of this package."""
    return (files("loopbp.page") / name).read_text(encoding="utf-8")


@cache
def _template() -> Template:
    """The template, escaping whatever it shows."""
    from jinja2 import Environment, PackageLoader, StrictUndefined

    environment = Environment(
        loader=PackageLoader("loopbp.page"),
        autoescape=True,
        undefined=StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
        keep_trailing_newline=True,
    )
    return environment.get_template("page.html.j2")
