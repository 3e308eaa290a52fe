"""JAX: the gradient of a loss function of a pytree of weights, for `loopbp.verify`."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from typing import Any

import numpy as np

from ..checks import choice
from ..network import DTYPES
from .layers import Computed, Gradient, MissingLibraryError, activations_given, build
from .trees import layers_of

try:
    import jax
    from jax import numpy as jnp
except ImportError as missing:
    raise MissingLibraryError("JAX", "jax") from missing


def gradients(
    function: Callable[[Any, Any, Any], Any],
    parameters: Any,
    X: Any,
    Y: Any,
    *,
    loss: str | None = None,
    hidden: str | Sequence[str] | None = None,
    output: str | None = None,
    reduction: str = "mean",
    dtype: str | None = None,
) -> Computed:
    """`jax.value_and_grad(function)(parameters, X, Y)`, and the network with these weights.

    function(parameters, X, Y) gives the loss, one number; `trees` says what the parameters look
    like. X and Y are handed over as JAX arrays, numbers in the dtype of the weights, integers as
    they are. The options are those of `loopbp.verify`. Where the weights are float64, or dtype says
    so, JAX computes in float64 during this call, whatever its configuration.
    """
    X, Y = np.asarray(X), np.asarray(Y)
    ends = X.shape[1] if X.ndim == 2 else None, Y.shape[1] if Y.ndim == 2 else None
    layers = layers_of(parameters, "parameters", ends)
    chosen, last = activations_given("a function", hidden, output, len(layers))
    if loss is None:
        raise ValueError("loss: expected its name, which a function does not say")
    if dtype is not None:
        kind = np.dtype(choice("dtype", dtype, DTYPES))
        layers = [
            layer._replace(
                weight=layer.weight.astype(kind),
                bias=None if layer.bias is None else layer.bias.astype(kind),
            )
            for layer in layers
        ]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", UserWarning)  # biases that the function does not have
        net = build(layers, chosen, last, loss)
    targets = Y if Y.dtype.kind in "iu" else Y.astype(net.dtype)
    with jax.enable_x64(True) if net.dtype == np.float64 else nullcontext():
        there = jax.tree.map(lambda part: jnp.asarray(part, net.dtype), parameters)
        value, grad = jax.value_and_grad(function)(
            there, jnp.asarray(X, net.dtype), jnp.asarray(targets)
        )
        value = float(value)
        found = layers_of(grad, "parameters", ends)
    return Computed(
        net,
        X,
        targets,
        [Gradient(*layer) for layer in found],
        value,
        reduction,
        1.0,
        f"JAX {jax.__version__} on {jax.default_backend()}, {_called(function)}",
    )


def _called(function: Any) -> str:
    """The function's name."""
    return str(getattr(function, "__name__", type(function).__name__))
