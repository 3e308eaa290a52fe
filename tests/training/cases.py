"""Optimisers, networks and the NumPy twin's runs that the tests of training share."""

from __future__ import annotations

from typing import Any

import numpy as np

from loopbp import reference
from loopbp.network import Network
from loopbp.optimizers import SGD, Adam

OPTIMIZERS = [
    SGD(eta=0.2),
    SGD(eta=0.1, momentum=0.8),
    SGD(eta=0.1, momentum=0.8, nesterov=True),
    Adam(eta=0.02, beta1=0.8, beta2=0.95, epsilon=1e-6),
    SGD(eta=0.2, weight_decay=0.25),
    SGD(eta=0.1, momentum=0.8, nesterov=True, weight_decay=0.25),
    Adam(eta=0.02, beta1=0.8, beta2=0.95, epsilon=1e-6, weight_decay=0.25),
]

N = 23


def network(**options: Any) -> Network:
    return Network(**({"sizes": [4, 5, 2], "hidden": "tanh", "seed": 6} | options))


def twins_run(
    net: Network, X: np.ndarray, Y: np.ndarray, optimizer: SGD | Adam, *,
    epochs: int, batch_size: int, seed: int | None,
) -> tuple[np.ndarray, list[float], list[list[np.ndarray]], list[list[np.ndarray]]]:  # fmt: skip
    """A whole run in NumPy: the last weights, and every step's loss, gradients and δ.

    An epoch takes the rows in the order of N raw draws of PCG64(seed), or as they are.
    """
    theta = net.theta.copy()
    targets = np.eye(net.sizes[-1], dtype=net.dtype)[Y]
    vectors = [np.zeros_like(theta), np.zeros_like(theta)]
    bits = np.random.PCG64(seed)
    losses, gradients, deltas = [], [], []
    for _ in range(epochs):
        draws = range(len(X)) if seed is None else bits.random_raw(len(X)).tolist()
        order = np.array(sorted(range(len(X)), key=draws.__getitem__))
        for start in range(0, len(X), batch_size):
            rows = order[start : start + batch_size]
            W, y = net.architecture.views(theta), targets[rows]
            S, x = reference.forward(W, X[rows], net.activations)
            losses.append(float(reference.losses(net.loss, S[-1], x[-1], y).mean()))
            delta, grad = reference.backward(W, S, x, y, net.activations, net.loss, "mean")
            gradients.append(grad)
            deltas.append(delta)
            without_biases = [np.vstack([0 * w[:1], w[1:]]) for w in W]
            flat = np.concatenate([g.ravel() for g in grad])
            flat += optimizer.weight_decay * np.concatenate([w.ravel() for w in without_biases])
            if isinstance(optimizer, Adam):
                theta, *vectors = reference.adam(
                    theta, flat, *vectors, len(losses), optimizer.eta, optimizer.beta1,
                    optimizer.beta2, optimizer.epsilon,
                )  # fmt: skip
            else:
                theta, vectors[0] = reference.sgd(
                    theta, flat, vectors[0], optimizer.eta, optimizer.momentum, optimizer.nesterov
                )
    return theta, losses, gradients, deltas


def end_of(data: tuple[np.ndarray, np.ndarray], **options: Any) -> bytes:
    """The weights after a run of small batches."""
    net = network()
    net.fit(*data, **({"batch_size": 4} | options))
    return net.theta.tobytes()
