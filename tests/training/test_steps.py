"""One step, the order of steps, and the order of the examples."""

from __future__ import annotations

import itertools

import numpy as np
import pytest
from problems import EXACT

from loopbp import training
from loopbp.optimizers import SGD

from .cases import N, end_of, network

# --- One step, and their order ------------------------------------------------------------------


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_a_step_goes_against_the_gradient_at_the_old_weights(data, engine):
    X, Y = data
    net = network(sizes=[4, 5, 3, 2])
    before, gradient = net.theta.copy(), net.backprop(X, Y, engine=engine).gradient
    net.fit(X, Y, batch_size=N, shuffle=False, optimizer=SGD(eta=0.75), engine=engine)
    # The mean over a batch, subtracted from every layer's weights and biases at once
    np.testing.assert_array_equal(net.theta, before - 0.75 * gradient)
    assert (net.theta != before).all()  # the biases too


def test_an_epoch_takes_the_rows_in_order_and_each_step_sees_the_last_ones_weights(data, exact):
    X, Y = data
    net, by_hand = network(), network()
    net.fit(X, Y, batch_size=5, shuffle=False, optimizer=SGD(eta=0.3), engine=exact)
    for start in range(0, N, 5):
        rows = slice(start, start + 5)
        by_hand.theta[...] -= 0.3 * by_hand.backprop(X[rows], Y[rows], engine=exact).gradient
    assert net.theta.tobytes() == by_hand.theta.tobytes()


def test_fit_goes_on_from_the_present_weights(data):
    X, Y = data
    once, twice = network(), network()
    once.fit(X, Y, epochs=2, shuffle=False, batch_size=4)
    for _ in range(2):
        twice.fit(X, Y, shuffle=False, batch_size=4)
    assert once.theta.tobytes() == twice.theta.tobytes()


def test_velocity_starts_anew_in_every_call(data):
    X, Y = data
    momentum = SGD(eta=0.1, momentum=0.9)
    net, plain = network(), network()
    net.fit(X, Y, batch_size=N, optimizer=momentum)
    plain.fit(X, Y, batch_size=N, optimizer=SGD(eta=0.1))
    assert net.theta.tobytes() == plain.theta.tobytes()  # v = 0 · μ + g in a first step
    net.fit(X, Y, batch_size=N, optimizer=momentum)
    plain.fit(X, Y, batch_size=N, optimizer=SGD(eta=0.1))
    assert net.theta.tobytes() == plain.theta.tobytes()
    once = network()
    once.fit(X, Y, epochs=2, batch_size=N, optimizer=momentum)
    assert (once.theta != net.theta).any()


def test_the_default_is_sgd_with_eta_a_tenth(data):
    X, Y = data
    given, default = network(), network()
    given.fit(X, Y, epochs=1, batch_size=32, optimizer=SGD(eta=0.1), shuffle=True, seed=0)
    default.fit(X, Y)
    assert given.theta.tobytes() == default.theta.tobytes()


def test_theta_keeps_its_memory_and_w_its_views(data):
    net = network()
    theta, W = net.theta, net.W[1]
    net.fit(*data)
    assert net.theta is theta and net.W[1] is W
    assert np.shares_memory(theta, W)


# --- Shuffling ----------------------------------------------------------------------------------


def test_the_seed_names_the_order(data):
    assert end_of(data, seed=1) == end_of(data, seed=1)
    assert end_of(data, seed=1) != end_of(data, seed=2)
    assert end_of(data, seed=1) != end_of(data, shuffle=False)
    assert end_of(data, seed=1, shuffle=False) == end_of(data, seed=2, shuffle=False)


def test_every_epoch_has_another_order_and_uses_every_example_once(monkeypatch, data):
    orders = []

    def record(self, net, descent, order):
        orders.append(order.copy())
        return descend(self, net, descent, order)

    engine = type(training.engines.ENGINES["textbook"])
    descend = engine.descend
    monkeypatch.setattr(engine, "descend", record)
    monkeypatch.setattr(training, "SECONDS_PER_CALL", 1e9)
    network().fit(*data, epochs=3, batch_size=N, seed=4, engine="textbook")
    assert [sorted(order) for order in orders] == [list(range(N))] * 3
    assert all((a != b).any() for a, b in itertools.combinations(orders, 2))
