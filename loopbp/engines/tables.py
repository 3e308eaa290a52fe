"""Activations and losses by name: which kernels they are."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from ..kernels import activation, loss

#: g and g′ by name, for the activations that work on one number.
ACTIVATIONS: dict[str, tuple[Callable[..., Any], Callable[..., Any]]] = {
    "identity": (activation.identity, activation.identity_prime),
    "sigmoid": (activation.sigmoid, activation.sigmoid_prime),
    "tanh": (activation.tanh, activation.tanh_prime),
    "relu": (activation.relu, activation.relu_prime),
    "leaky_relu": (activation.leaky_relu, activation.leaky_relu_prime),
    "elu": (activation.elu, activation.elu_prime),
    "softplus": (activation.softplus, activation.softplus_prime),
    "silu": (activation.silu, activation.silu_prime),
    "gelu": (activation.gelu, activation.gelu_prime),
    "sin": (activation.sin, activation.sin_prime),
    "cos": (activation.cos, activation.cos_prime),
    "exp": (activation.exp, activation.exp_prime),
}

#: Losses of the outputs x by name: f and ∂f/∂x.
OUTPUT_LOSSES: dict[str, tuple[Any, Any]] = {
    "sse": (loss.sse, loss.sse_prime),
    "half_sse": (loss.half_sse, loss.half_sse_prime),
    "mse": (loss.mse, loss.mse_prime),
}

#: Losses computed from S, by name: f, and the one output activation that they go with.
SUM_LOSSES: dict[str, tuple[Any, str]] = {
    "cross_entropy": (loss.cross_entropy, "softmax"),
    "binary_cross_entropy": (loss.binary_cross_entropy, "sigmoid"),
}
