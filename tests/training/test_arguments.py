"""What does not fit a run or an optimiser."""

from __future__ import annotations

import re

import numpy as np
import pytest

from loopbp.network import Network
from loopbp.optimizers import SGD, Adam
from loopbp.training import History

from .cases import N, network


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"X": np.zeros((N, 3))}, ValueError, "X: expected shape (N, 4)"),
        ({"X": np.full((N, 4), np.nan)}, ValueError, "X: expected finite float64 numbers; got nan"),
        ({"X": np.zeros((0, 4)), "Y": []}, ValueError, "X: expected at least one example"),
        ({"Y": np.zeros(N - 1, int)}, ValueError, "Y: expected 23 rows, one per row of X"),
        ({"Y": np.full(N, 2)}, ValueError, "Y: expected labels from 0 to 1; got 2 in row 0"),
        ({"epochs": -1}, ValueError, "epochs: expected an integer ≥ 0; got -1"),
        ({"epochs": 1.0}, TypeError, "epochs: expected an integer; got 1.0"),
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer ≥ 1; got 0"),
        ({"batch_size": None}, TypeError, "batch_size: expected an integer; got None"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0"),
        ({"seed": None}, TypeError, "seed: expected an integer; got None"),
        ({"shuffle": 1}, TypeError, "shuffle: expected True or False; got 1"),
        (
            {"report": "yes"},
            TypeError,
            "report: expected True, False or a loopbp.Recording; got 'yes'",
        ),
        ({"optimizer": "sgd"}, TypeError, "optimizer: expected loopbp.SGD or loopbp.Adam; got 'sg"),
        ({"optimizer": SGD}, TypeError, "optimizer: expected loopbp.SGD or loopbp.Adam; got <cla"),
        ({"engine": "numpi"}, ValueError, "engine: expected one of python"),
        ({"progress": "bar"}, TypeError, "progress: expected a callable, True or False; got 'bar'"),
        ({"validation": np.zeros((2, 4))}, TypeError, "validation: expected a pair (X, Y); got nd"),
        ({"validation": ([[1, 2, 3]], [0])}, ValueError, "validation X: expected shape (N, 4)"),
        ({"validation": ([[1, 2, 3, 4]], [5])}, ValueError, "validation Y: expected labels from 0"),
        ({"validation": ([[1, 2, 3, 4]], [])}, ValueError, "validation Y: expected 1 rows"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_what_does_not_fit_changes_nothing(data, arguments, error, message):
    net = network()
    before = net.theta.tobytes()
    with pytest.raises(error, match=re.escape(message)):
        net.fit(**({"X": data[0], "Y": data[1]} | arguments))
    assert net.theta.tobytes() == before


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: SGD(eta=0), ValueError, "eta: expected a finite number > 0; got 0"),
        (lambda: SGD(eta=-0.1), ValueError, "eta: expected a finite number > 0"),
        (lambda: SGD(eta=np.inf), ValueError, "eta: expected a finite number > 0; got inf"),
        (lambda: SGD(eta="0.1"), TypeError, "eta: expected a number; got '0.1'"),
        (lambda: SGD(momentum=1), ValueError, "momentum: expected a finite number ≥ 0 and < 1"),
        (lambda: SGD(momentum=-0.5), ValueError, "momentum: expected a finite number ≥ 0"),
        (lambda: SGD(nesterov=True), ValueError, "nesterov: expected a momentum > 0 with it"),
        (lambda: SGD(momentum=0.5, nesterov=1), TypeError, "nesterov: expected True or False"),
        (lambda: Adam(eta=np.nan), ValueError, "eta: expected a finite number > 0; got nan"),
        (lambda: Adam(beta1=1.0), ValueError, "beta1: expected a finite number ≥ 0 and < 1"),
        (lambda: Adam(beta2=-0.1), ValueError, "beta2: expected a finite number ≥ 0 and < 1"),
        (lambda: Adam(epsilon=0), ValueError, "epsilon: expected a finite number > 0; got 0"),
        (lambda: SGD(weight_decay=-1), ValueError, "weight_decay: expected a finite number ≥ 0"),
        (lambda: Adam(weight_decay=-1), ValueError, "weight_decay: expected a finite number ≥ 0"),
    ],
)
def test_numbers_of_optimizers(make, error, message):
    with pytest.raises(error, match=re.escape(message)):
        make()


def test_an_empty_history_has_no_gradients():
    history = History()
    for frame in (history.gradients, history.statistics):
        assert list(frame.columns) == [
            "step", "epoch", "l", "quantity", "part", "count", "l1", "l2", "max_abs", "mean_abs",
            "mean", "std", "q01", "q05", "q50", "q95", "q99", "zeros", "subnormals", "nonfinite",
        ]  # fmt: skip
        assert frame.empty
    for frame in (history.layers, history.histograms, history.losses):
        assert frame.empty and frame.columns[0] == "step"


def test_an_error_from_progress_leaves_the_last_finished_epoch():
    net, calls = Network([2, 3, 2], seed=1), []

    def fail(progress):
        calls.append((progress.done, net.theta.copy()))
        if progress.done > 8:
            raise ZeroDivisionError

    X, Y = np.arange(16.0).reshape(8, 2) / 16, [0, 1] * 4
    with pytest.raises(ZeroDivisionError):
        net.fit(X, Y, epochs=3, batch_size=8, progress=fail)
    assert [done for done, _ in calls] == [8, 16]
    assert net.theta.tobytes() == calls[0][1].tobytes()


def test_a_batch_larger_than_any_integer_of_the_machine_is_the_whole_set():
    X, Y = [[0.0, 1.0], [1.0, 0.0]], [0, 1]
    whole, huge = Network([2, 2], seed=1), Network([2, 2], seed=1)
    whole.fit(X, Y, batch_size=2, shuffle=False)
    history = huge.fit(X, Y, batch_size=2**70, shuffle=False)
    assert history.steps == 1
    assert huge.theta.tobytes() == whole.theta.tobytes()


def test_a_learning_rate_that_float32_cannot_hold():
    with pytest.raises(ValueError, match="eta: expected a number that float32 holds; got 1e"):
        Network([2, 2], dtype="float32").fit([[1, 2]], [0], optimizer=SGD(1e300))


def test_weights_that_cannot_be_written():
    net = Network([2, 2])
    net.theta.flags.writeable = False
    with pytest.raises(ValueError, match="net.theta: expected an array that can be written"):
        net.fit([[1, 2]], [0])
