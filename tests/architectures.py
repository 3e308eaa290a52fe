"""Networks of any architecture, for properties that hold for all of them."""

from __future__ import annotations

from typing import Any

import numpy as np
from hypothesis import strategies as st
from problems import DTYPES, ELEMENTWISE, PAIRS

from loopbp.network import Network


@st.composite
def networks(draw: Any, hidden: tuple[str, ...] = ELEMENTWISE) -> Network:
    """A small network: up to three layers of weights, awkward numbers among the weights."""
    output, loss = draw(
        st.sampled_from([pair for pair in PAIRS if pair[0] in (*hidden, "softmax")])
    )
    layers = draw(st.integers(1, 3))
    sizes = [draw(st.integers(1, 5)) for _ in range(layers)] + [draw(st.integers(2, 4))]
    dtype = draw(st.sampled_from(DTYPES))
    names = [draw(st.sampled_from(hidden)) for _ in range(layers - 1)]
    net = Network(sizes, names, output, loss, dtype=dtype)
    random = np.random.default_rng(draw(st.integers(0, 2**32 - 1)))
    net.theta = random.standard_normal(len(net.theta)).astype(dtype)
    awkward = np.array([-0.0, np.finfo(dtype).smallest_subnormal, np.finfo(dtype).max], dtype)
    for position in draw(st.lists(st.integers(0, len(net.theta) - 1), max_size=3)):
        net.theta[position] = draw(st.sampled_from(list(awkward)))
    return net


def same(a: Network, b: Network) -> bool:
    """Whether two networks are the same, bit for bit."""
    return a.architecture == b.architecture and a.theta.tobytes() == b.theta.tobytes()


def two_two_one(dtype: str = "float64", **names: str) -> Network:
    """2-2-1 with the weights below; hidden tanh, output identity, loss mse unless told otherwise.

    To node 1 of the hidden layer: bias 0.25, weights 1 and −2; to node 2: 0.5, 3 and 4. To the
    output: bias −1, weights 5 and −6.
    """
    chosen = {"hidden": "tanh", "output": "identity", "loss": "mse", **names}
    weights = [[[0.25, 0.5], [1, 3], [-2, 4]], [[-1], [5], [-6]]]
    return Network([2, 2, 1], init=[np.array(W) for W in weights], dtype=dtype, **chosen)
