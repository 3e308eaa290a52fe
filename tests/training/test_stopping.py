"""Runs that stop early: numbers that are not finite, and Ctrl-C."""

from __future__ import annotations

import numpy as np
import pytest
from problems import EXACT

from loopbp import training
from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.training import NonFiniteError, TrainingInterrupted

from .cases import OPTIMIZERS, N, network

# One example each, whose pass is finite up to the quantity named: weights, x, y, then what, the
# layer, and where. Hidden and output are identity, the loss is sse, so that δ = −2 (y − x).
NOT_FINITE = {
    "the first sum": ([[[0], [1e200]], [[0], [1]]], 1e200, 0, "S", 0, (0, 0)),
    "the second sum": ([[[0], [1e200]], [[0], [1e200]]], 1, 0, "S", 1, (0, 0)),
    "the loss": ([[[0], [1]], [[0], [1]]], 1e200, 0, "loss", None, (0,)),
    # x = 1e-60, S = 1e140, f = 1e280, δ = 2e140; handed back through 1e200
    "the hidden δ": ([[[0], [1]], [[0], [1e200]]], 1e-60, 0, "δ", 0, (0, 0)),
    # S = 1e-60, then 1e140; δ = 2e140 twice, times x = 1e200
    "the gradient": ([[[0], [1e-60]], [[1e140], [1]]], 1e200, 0, "∂f/∂w", 0, (1, 0)),
    # δ = 2, gradient 2, step 2 · 1e308
    "a weight": ([[[0], [1]], [[0], [1]]], 1, 0, "w", 0, (0, 0)),
}


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
@pytest.mark.parametrize("case", NOT_FINITE)
def test_where_a_number_stops_being_finite(exact, case):
    W, x, y, quantity, layer, index = NOT_FINITE[case]
    net = Network([1, 1, 1], "identity", "identity", "sse", W)
    before = net.theta.tobytes()
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[x]], [y], optimizer=SGD(eta=1e308 if case == "a weight" else 0.1), engine=exact)
    stop = stopped.value
    assert (stop.quantity, stop.layer, stop.index) == (quantity, layer, index)
    assert (stop.epoch, stop.step) == (1, 1)
    assert stop.history.epochs == []
    assert net.theta.tobytes() == before
    name = quantity if layer is None else f"{quantity}^({layer})"
    assert f"epoch 1, step 1: {name} is no longer finite, first at index {index}" in str(stop)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_an_infinite_output_and_an_infinite_mean(exact):
    """exp overflows though S does not; two finite losses have a sum that is not."""
    net = Network([1, 2, 1], "exp", "identity", "sse", [[[0, 0], [1, 710]], [[0], [1], [1]]])
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[1]], [0], engine=exact)
    assert (stopped.value.quantity, stopped.value.layer) == ("x", 1)
    assert stopped.value.index == (0, 2)  # node 2, after the constant node 0
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]])
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[1.2e154], [1.2e154]], [0, 0], engine=exact)
    assert (stopped.value.quantity, stopped.value.layer) == ("loss", None)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("optimizer", OPTIMIZERS, ids=repr)
@pytest.mark.parametrize("seconds", [0.0, 1e9])
def test_a_run_stops_at_its_first_bad_step_with_the_weights_before_it(
    monkeypatch, engine, optimizer, seconds
):
    """Two steps of two examples let w grow from 0; then S = 1e6 w is too much for e^S."""
    monkeypatch.setattr(training, "SECONDS_PER_CALL", seconds)
    net = Network([1, 1], output="exp", loss="half_sse", init="zeros")
    X = np.array([[1.0], [0.5], [2.0], [1.0], [1e6]])
    Y = np.array([2.0, 1.5, 3.0, 2.0, 1.0])
    expected = net.copy()
    options = {"optimizer": optimizer, "shuffle": False, "engine": engine}
    with np.errstate(all="ignore"), pytest.raises(NonFiniteError) as stopped:
        net.fit(X, Y, batch_size=2, epochs=4, validation=(X[:2], Y[:2]), **options)
    stop = stopped.value
    assert (stop.epoch, stop.step, stop.quantity, stop.layer) == (1, 3, "x", 1)
    assert stop.history.epochs == []
    expected.fit(X[:4], Y[:4], batch_size=2, **options)
    assert net.theta.tobytes() == expected.theta.tobytes()


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_steps_are_counted_over_the_whole_run_and_finished_epochs_are_kept(exact):
    """w ← w + 0.75 (y − w) · 2² triples the distance from y with the sign changed: −2 each step."""
    net = Network([1, 1], output="identity", loss="sse", init=[[[0], [1]]], dtype="float32")
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[2]] * 3, [0] * 3, epochs=50, batch_size=1, optimizer=SGD(eta=0.75), engine=exact)
    stop = stopped.value
    # residual r = b + 2w = 2, each step times 1 − 2 · 0.75 · 5 = −6.5; the loss r² overflows
    # float32 (3.4e38) once 2 · 6.5^(t − 1) > 1.84e19: t − 1 > ln(9.2e18) / ln 6.5 = 23.3
    assert (stop.step, stop.epoch, stop.quantity) == (25, 9, "loss")
    assert len(stop.history.epochs) == 8
    assert stop.history.steps == 24
    assert np.isfinite(net.theta).all()
    # the weights are those before step 25: residual 2 · 6.5^24
    residual = float(net.theta[0]) + 2 * float(net.theta[1])
    assert residual == pytest.approx(2 * 6.5**24, rel=1e-4)


def test_ctrl_c_keeps_the_last_finished_epoch(data, exact):
    expected = network()
    expected.fit(*data, epochs=2, batch_size=4, optimizer=OPTIMIZERS[1], engine=exact)

    def interrupt(progress):
        if progress.done > 2 * N:
            raise KeyboardInterrupt

    net = network()
    with pytest.raises(TrainingInterrupted, match="after 2 finished epochs") as stopped:
        net.fit(*data, epochs=5, batch_size=4, optimizer=OPTIMIZERS[1], engine=exact,
                progress=interrupt)  # fmt: skip
    assert isinstance(stopped.value, KeyboardInterrupt)
    assert net.theta.tobytes() == expected.theta.tobytes()
    assert [row["epoch"] for row in stopped.value.history.epochs] == [1, 2]
    assert stopped.value.history.steps == 12


def test_ctrl_c_in_the_first_epoch_and_in_a_validation(monkeypatch, data):
    def interrupt(*args, **kwargs):
        raise KeyboardInterrupt

    net = network()
    before = net.theta.tobytes()
    with pytest.raises(TrainingInterrupted, match="after 0 finished epochs"):
        net.fit(*data, epochs=5, progress=interrupt)
    assert net.theta.tobytes() == before
    monkeypatch.setattr(Network, "evaluate", interrupt)
    with pytest.raises(TrainingInterrupted) as stopped:
        net.fit(*data, epochs=5, validation=data)
    assert net.theta.tobytes() == before
    assert stopped.value.history.epochs == []
