"""Small reports that several tests look at."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.report import GradientReport, LayerGradient, gradient_report
from loopbp.report.statistics import Nodes
from loopbp.training import History


@pytest.fixture(scope="session")
def data() -> tuple[Any, Any]:
    """30 examples of 4 inputs, the second of which is always 0, in 3 classes."""
    random = np.random.default_rng(7)
    X = random.normal(size=(30, 4))
    X[:, 1] = 0
    return X, random.integers(0, 3, 30)


@pytest.fixture(scope="session")
def net() -> Network:
    return Network([4, 5, 3], seed=3)


@pytest.fixture(scope="session")
def run(net: Network, data: Any) -> tuple[Network, History]:
    """A trained copy of the network, and its history: 8 epochs of 3 steps."""
    trained = net.copy()
    history = trained.fit(
        *data,
        epochs=8,
        batch_size=10,
        optimizer=SGD(eta=0.3),
        validation=data,
        report=True,
        engine="numpy",
        progress=False,
    )
    return trained, history


@pytest.fixture(scope="session")
def report(run: Any, data: Any) -> GradientReport:
    trained, history = run
    return gradient_report(trained, *data, history=history, engine="numpy")


@pytest.fixture(scope="session")
def layer() -> Callable[..., LayerGradient]:
    """One layer of 4 → 5 nodes that nothing is wrong with, but for what is given."""

    def make(l: int, **changes: Any) -> LayerGradient:
        values: dict[str, Any] = {
            "l": l,
            "n_in": 4,
            "n_out": 5,
            "activation": "tanh",
            "parameters": 25,
            "mean_abs": 0.01,
            "l2": 0.06,
            "max_abs": 0.03,
            "zeros": 0.0,
            "delta_norm": 0.1,
            "ratio": None,
            "weight_l2": 2.0,
            "zero_inputs": Nodes(0, 4, ()),
            "zero_deltas": Nodes(0, 5, ()),
            "dead": Nodes(0, 5, ()),
            "zeros_from_inputs": 0.0,
            "zeros_from_deltas": 0.0,
            "cut_off": False,
            "finite": True,
        }
        return LayerGradient(**(values | changes))

    return make
