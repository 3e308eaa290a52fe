"""scikit-learn's multi-layer perceptrons: `coefs_` and `intercepts_`, bit for bit.

Only attributes are read, so that scikit-learn itself is not needed.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from ..checks import FloatArray, choice, describe
from ..engines import ACTIVATIONS
from ..network import Network
from .layers import Layer, build, check_total

#: scikit-learn's names of what has another name here.
NAMES = {"logistic": "sigmoid"}
#: scikit-learn's four activations of hidden layers, and the others that its estimators have here.
HIDDEN = (
    "identity",
    "logistic",
    "tanh",
    "relu",
    *(name for name in ACTIVATIONS if name not in ("identity", "sigmoid", "tanh", "relu")),
)
OUTPUTS = ("identity", "logistic", "softmax")


def from_sklearn(est: Any, *, loss: str | None = None) -> Network:
    """W[l] = [intercepts_[l]; coefs_[l]], with the estimator's activations.

    Parameters
    ----------
    est : a fitted MLPClassifier or MLPRegressor, or anything with its attributes `coefs_`,
        `intercepts_`, `activation` and `out_activation_`.
    loss : str, optional
        By default what the estimator minimises: cross_entropy with softmax, binary_cross_entropy
        with logistic, and half_sse with identity. scikit-learn's squared error is half the mean
        over the outputs too, so that with n_L outputs its gradient is 1/n_L of half_sse's. The
        penalty `alpha` on the weights has no counterpart.

    Class k of `classes_` is output k; of two classes there is one output, the second's.

    Raises `TypeError` for an estimator that is not fitted or not a perceptron, `ValueError` for an
    activation or a loss that has no counterpart.

    >>> from types import SimpleNamespace
    >>> fitted = SimpleNamespace(coefs_=[np.array([[2.0], [3.0]])], intercepts_=[np.array([1.0])],
    ...                          activation="tanh", out_activation_="identity")
    >>> from_sklearn(fitted).W[0].ravel().tolist()
    [1.0, 2.0, 3.0]
    """
    needed = ("coefs_", "intercepts_", "activation", "out_activation_")
    missing = [name for name in needed if not hasattr(est, name)]
    if missing:
        raise TypeError(
            f"est: expected a fitted MLPClassifier or MLPRegressor; got {describe(est)}, which has "
            f"no {missing[0]}"
        )
    if loss is None and getattr(est, "loss", None) == "poisson":
        raise ValueError("est: expected a squared error or a log loss; got loss='poisson'")
    hidden = _name("activation", est.activation, HIDDEN)
    output = _name("out_activation_", est.out_activation_, OUTPUTS)
    if loss is None and output == "identity":
        loss = "half_sse"
    coefs, intercepts = list(est.coefs_), list(est.intercepts_)
    if len(coefs) != len(intercepts):
        raise ValueError(
            f"intercepts_: expected {len(coefs)} vectors, one for each of coefs_; got "
            f"{len(intercepts)}"
        )
    check_total(sum(np.size(part) for part in (*coefs, *intercepts)))
    layers = [
        Layer(np.asarray(W), np.asarray(b), f"coefs_[{l}]", f"intercepts_[{l}]")
        for l, (W, b) in enumerate(zip(coefs, intercepts, strict=True))
    ]
    return build(layers, hidden, output, loss)


def to_coefs(net: Network) -> tuple[list[FloatArray], list[FloatArray]]:
    """coefs_[l] (n_l, n_{l+1}) and intercepts_[l] (n_{l+1},): copies, bit for bit.

    >>> coefs, intercepts = to_coefs(Network([2, 3, 1], output="identity", loss="mse"))
    >>> [W.shape for W in coefs], [b.shape for b in intercepts]
    ([(2, 3), (3, 1)], [(3,), (1,)])
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    return [W[1:].copy() for W in net.W], [W[0].copy() for W in net.W]


def _name(attribute: str, name: object, known: tuple[str, ...]) -> str:
    """The activation's name here."""
    chosen = choice(attribute, name, known)
    return NAMES.get(chosen, chosen)
