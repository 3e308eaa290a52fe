"""What the history tells, and progress."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from problems import EXACT

from loopbp import training
from loopbp.optimizers import SGD
from loopbp.recording import Recording

from .cases import OPTIMIZERS, N, end_of, network, twins_run


def test_validation_is_measured_after_the_epoch_and_changes_nothing(data):
    X, Y = data
    Xv, Yv = X[:7] + 0.1, Y[:7]
    net, alone = network(), network()
    history = net.fit(X, Y, epochs=3, validation=(Xv, Yv))
    alone.fit(X, Y, epochs=3)
    assert net.theta.tobytes() == alone.theta.tobytes()
    assert list(history.frame.columns) == [
        "epoch", "steps", "loss", "validation_loss", "validation_accuracy"
    ]  # fmt: skip
    last = history.frame.iloc[-1]
    assert (last["validation_loss"], last["validation_accuracy"]) == net.evaluate(Xv, Yv)
    step_by_step = network()
    step_by_step.fit(X, Y, epochs=1)
    first = history.frame.iloc[0]
    assert first["validation_loss"] == step_by_step.evaluate(Xv, Yv).loss


def test_columns_without_validation_and_without_classes(data):
    X, Y = data
    assert list(network().fit(X, Y).frame.columns) == ["epoch", "steps", "loss"]
    net = network(output="identity", loss="mse")
    targets = np.eye(2)[Y]
    frame = net.fit(X, targets, validation=(X, targets)).frame
    assert list(frame.columns) == ["epoch", "steps", "loss", "validation_loss"]


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_gradients_of_every_step_against_numpy(data, engine):
    X, Y = data
    net = network()
    options = {"epochs": 2, "batch_size": 8, "seed": 3}
    _, _, gradients, _ = twins_run(net, X, Y, SGD(eta=0.2), **options)
    recording = Recording(every=1)
    history = net.fit(X, Y, optimizer=SGD(eta=0.2), report=recording, engine=engine, **options)
    frame = history.gradients
    assert frame["step"].tolist() == [1, 1, 2, 2, 3, 3, 4, 4, 5, 5, 6, 6]
    assert frame["epoch"].tolist() == [1] * 6 + [2] * 6
    assert frame["l"].tolist() == [0, 1] * 6
    for (_, row), g in zip(frame.iterrows(), itertools.chain(*gradients), strict=True):
        assert row["mean_abs"] == pytest.approx(np.abs(g).mean(), rel=1e-11)
        assert row["l2"] == pytest.approx(np.linalg.norm(g), rel=1e-11)
        assert row["max_abs"] == pytest.approx(np.abs(g).max(), rel=1e-11)
        assert row["zeros"] == 0


def test_dead_relu_units_show_as_zeros(data):
    X, Y = data
    net = network(hidden="relu")
    net.W[0][0] = [-100, 0, 0, 0, -100]  # two of five units never pass anything
    frame = net.fit(X, Y, batch_size=N, report=True).gradients
    # layer 0: 2 of 5 columns of 5; layer 1: rows 1 and 5 of x_0 … x_5, of 2
    assert frame["zeros"].tolist() == [10, 4]


def test_without_report_there_are_no_gradients(data):
    frame = network().fit(*data).gradients
    assert len(frame) == 0
    assert list(frame.columns[:3]) == ["step", "epoch", "l"]


def test_no_epochs_do_nothing(data):
    net = network()
    before = net.theta.tobytes()
    history = net.fit(*data, epochs=0)
    assert net.theta.tobytes() == before
    assert (history.steps, len(history.frame), history.epochs) == (0, 0, [])
    assert repr(history) == "<History: no finished epoch>"


def test_how_a_history_shows_itself(data):
    history = network().fit(*data, epochs=2, batch_size=8)
    loss = history.frame["loss"].iloc[-1]
    assert repr(history) == f"<History: 2 epochs, 6 steps; loss {loss:.6g}>"
    assert "<th>loss</th>" in history._repr_html_()
    assert history.seconds > 0


def test_progress_is_told_in_examples(data):
    told = []
    network().fit(*data, epochs=3, batch_size=4, progress=told.append)
    assert {(p.task, p.total) for p in told} == {("training", 3 * N)}
    done = [p.done for p in told]
    assert done == sorted(set(done)) and done[-1] == 3 * N
    assert {N, 2 * N} <= set(done)


@pytest.mark.parametrize("seconds", [0.0, 1e-4, 1e9])
def test_how_an_epoch_is_cut_into_calls_changes_no_bit(monkeypatch, data, seconds):
    expected = end_of(data, epochs=3, optimizer=OPTIMIZERS[3])
    monkeypatch.setattr(training, "SECONDS_PER_CALL", seconds)
    assert end_of(data, epochs=3, optimizer=OPTIMIZERS[3]) == expected


def test_the_size_of_calls_is_kept_from_epoch_to_epoch(monkeypatch, data):
    """Calls grow from 1 batch by factors of 4, but not for the 13 examples that are left."""
    calls = []

    def record(self, net, descent, order):
        calls.append(len(order))
        return descend(self, net, descent, order)

    engine = type(training.engines.ENGINES["textbook"])
    descend = engine.descend
    monkeypatch.setattr(engine, "descend", record)
    monkeypatch.setattr(training, "SECONDS_PER_CALL", 1e9)
    X, Y = (np.resize(values, (18, *values.shape[1:])) for values in data)
    network().fit(X, Y, epochs=3, batch_size=1, engine="textbook")
    assert calls == [1, 4, 13, 16, 2, 18]
