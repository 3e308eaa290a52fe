"""The parameters that a network starts with: drawn, or given."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from . import draws
from .checks import FloatArray, choice, finite, numeric, real
from .workspace import Architecture

INITS = ("glorot", "he", "lecun", "normal", "zeros")
#: Initial weights of a larger standard deviation could overflow in float32.
MOST_STD = 1e30


def initial_parameters(net: Architecture, init: Any, std: float | None, seed: int) -> FloatArray:
    """The initial parameters (P,), as `Network` says."""
    if isinstance(init, str):
        choice("init", init, INITS)
    if init is None:
        raise TypeError(f"init: expected one of {', '.join(INITS)}, or an array; got None")
    if std is not None and not (isinstance(init, str) and init == "normal"):
        raise ValueError("std: expected init='normal' with it")
    bits = draws.source(seed)
    if not isinstance(init, str):
        return _given(net, init)
    scale = 0.01 if std is None else real("std", std, low=0, high=MOST_STD)
    theta = np.zeros(net.parameters)
    normal = np.random.Generator(bits).standard_normal
    for W in net.views(theta):
        fan_in, fan_out = W.shape[0] - 1, W.shape[1]
        shape = (fan_in, fan_out)
        if init == "glorot":
            W[1:] = (2 * draws.uniform(bits, shape) - 1) * np.sqrt(6 / (fan_in + fan_out))
        elif init != "zeros":
            deviations = {"he": np.sqrt(2 / fan_in), "lecun": np.sqrt(1 / fan_in), "normal": scale}
            W[1:] = normal(shape) * deviations[init]
    return theta.astype(net.dtype)


def _given(net: Architecture, init: Any) -> FloatArray:
    """Parameters given as the flat vector or as the L matrices, checked and copied."""
    if isinstance(init, Sequence) and len(init) == net.L and numeric("init[0]", init[0]).ndim == 2:
        theta = np.empty(net.parameters, net.dtype)
        for l, (W, part) in enumerate(zip(net.views(theta), init, strict=True)):
            given = numeric(f"init[{l}]", part)
            if given.shape != W.shape:
                raise ValueError(f"init[{l}]: expected shape {W.shape}; got {given.shape}")
            W[...] = finite(f"init[{l}]", given, net.dtype)
        return theta
    given = numeric("init", init)
    if given.shape != (net.parameters,):
        raise ValueError(
            f"init: expected the {net.parameters} parameters as one vector, or {net.L} matrices "
            f"(n_l + 1, n_(l+1)); got shape {given.shape}"
        )
    return finite("init", given, net.dtype).copy()
