"""Networks small enough to compute on paper: every quantity, and one step of descent.

Sums are chosen as multiples of a = ln 3, at which the logistic function is rational:
σ(0) = 1/2, σ(a) = 3/4, σ(−a) = 1/4, and σ′ = σ(1 − σ) is 1/4, 3/16 and 3/16.
"""

from __future__ import annotations

import numpy as np
import pytest
from problems import EXACT

from loopbp.network import Network
from loopbp.optimizers import SGD

a = np.log(3)

ENGINES = [*EXACT, "numpy"]


def close(actual, expected):
    """Equal but for the rounding of a handful of operations on numbers of this size."""
    np.testing.assert_allclose(actual, expected, rtol=1e-14, atol=1e-15)


def two_two_two() -> Network:
    """2-2-2, logistic throughout, f = ½ Σ (y_j − x_j)²."""
    W0 = a * np.array([[1, -1], [-1, 2], [0, 0]])  # w_01 w_02 / w_11 w_12 / w_21 w_22
    W1 = a * np.array([[-2, -1.25], [2, 1], [0, 1]])
    return Network([2, 2, 2], "sigmoid", "sigmoid", "half_sse", [W0, W1])


@pytest.mark.parametrize("engine", ENGINES)
def test_two_two_two(engine):
    trace = two_two_two().backprop([[1, 2]], [[0.75, 1]], engine=engine)

    # Forward. x_0 = 1, x_1 = 1, x_2 = 2:
    #   S_1 = w_01 + w_11 x_1 + w_21 x_2 = a − a + 0 = 0,       x_1 = σ(0) = 1/2
    #   S_2 = w_02 + w_12 x_1 + w_22 x_2 = −a + 2a + 0 = a,     x_2 = σ(a) = 3/4
    close(trace.x[0], [[1, 1, 2]])
    close(trace.S[0], [[0, a]])
    close(trace.x[1], [[1, 1 / 2, 3 / 4]])
    #   S_1 = −2a + 2a/2 + 0 = −a,                              x_1 = σ(−a) = 1/4
    #   S_2 = −5a/4 + a/2 + 3a/4 = 0,                           x_2 = σ(0) = 1/2
    close(trace.S[1], [[-a, 0]])
    close(trace.x[2], [[1 / 4, 1 / 2]])
    #   f = ½ ((3/4 − 1/4)² + (1 − 1/2)²) = ½ (1/4 + 1/4)
    close(trace.losses, [1 / 4])

    # Backward, last layer: δ_j = −(y_j − x_j) x_j (1 − x_j)
    #   δ_1 = −1/2 · 3/16 = −3/32;  δ_2 = −1/2 · 1/4 = −1/8
    close(trace.delta[1], [[-3 / 32, -1 / 8]])
    # Hidden layer: δ_j = (δ_1 w_j1 + δ_2 w_j2) x_j (1 − x_j), with w of the last layer
    #   δ_1 = (−3/32 · 2a − 1/8 · a) · 1/4 = −5a/16 · 1/4 = −5a/64
    #   δ_2 = (−3/32 · 0 − 1/8 · a) · 3/16 = −3a/128
    close(trace.delta[0], [[-5 * a / 64, -3 * a / 128]])
    # ∂f/∂w_ij = δ_j x_i, rows for x_0, x_1, x_2: of the last layer 1, 1/2, 3/4 …
    close(trace.grad[1], [[-3 / 32, -1 / 8], [-3 / 64, -1 / 16], [-9 / 128, -3 / 32]])
    # … and of the first 1, 1, 2
    first = [[-5 * a / 64, -3 * a / 128]] * 2 + [[-5 * a / 32, -3 * a / 64]]
    close(trace.grad[0], first)


@pytest.mark.parametrize("engine", ENGINES)
def test_one_step_of_two_two_two(engine):
    """w ← w − 8 ∂f/∂w, everywhere at once: the first layer's δ used the old w of the last."""
    net = two_two_two()
    net.fit([[1, 2]], [[0.75, 1]], optimizer=SGD(eta=8), engine=engine)
    # Last layer: −2a + 8 · 3/32, −5a/4 + 8/8;  2a + 8 · 3/64, a + 8/16;  8 · 9/128, a + 8 · 3/32
    close(net.W[1], [[-2 * a + 0.75, -1.25 * a + 1], [2 * a + 0.375, a + 0.5], [0.5625, a + 0.75]])
    # First layer: a + 8 · 5a/64 = 13a/8, −a + 8 · 3a/128 = −13a/16;  −a + 5a/8, 2a + 3a/16;
    # 8 · 5a/32 = 5a/4, 8 · 3a/64 = 3a/8
    close(net.W[0], a * np.array([[13 / 8, -13 / 16], [-3 / 8, 35 / 16], [5 / 4, 3 / 8]]))


@pytest.mark.parametrize("engine", ENGINES)
def test_mean_and_sum_over_two_examples(engine):
    """2-1-1 with relu, f = (y − x)²: one example passes the hidden node, the other does not."""
    net = Network([2, 1, 1], "relu", "identity", "sse", [[[-1], [1], [2]], [[0.5], [3]]])
    X, Y = [[2, 1], [1, -1]], [[10], [2]]
    # S = −1 + 2 + 2 = 3 and −1 + 1 − 2 = −2;  x = 3 and 0
    # S = ½ + 3·3 = 9½ and ½;  f = (10 − 9½)² = ¼ and (2 − ½)² = 9/4
    # δ = −2 (10 − 9½) = −1 and −2 · 1½ = −3;  hidden δ = −1·3·1 and −3·3·0
    total = net.backprop(X, Y, reduction="sum", engine=engine)
    close(total.S[0], [[3], [-2]])
    close(total.losses, [0.25, 2.25])
    close(total.delta[1], [[-1], [-3]])
    close(total.delta[0], [[-3], [0]])
    # Σ δ x over the two: −1 − 3, −1·3 − 3·0;  −3 + 0, −3·2 + 0·1, −3·1 + 0·(−1)
    close(total.grad[1], [[-4], [-3]])
    close(total.grad[0], [[-3], [-6], [-3]])
    assert total.loss == 2.5
    mean = net.backprop(X, Y, engine=engine)
    close(mean.grad[1], [[-2], [-1.5]])
    close(mean.grad[0], [[-1.5], [-3], [-1.5]])
    close(mean.delta[1], total.delta[1])  # δ belongs to one example: nothing divides it
    assert mean.loss == 1.25


@pytest.mark.parametrize("engine", ENGINES)
def test_one_step_with_weight_decay(engine):
    """w ← w − ½ (∂f/∂w + ¼ w), the mean over the two examples above; biases do not decay."""
    net = Network([2, 1, 1], "relu", "identity", "sse", [[[-1], [1], [2]], [[0.5], [3]]])
    optimizer = SGD(eta=0.5, weight_decay=0.25)
    net.fit([[2, 1], [1, -1]], [[10], [2]], batch_size=2, optimizer=optimizer, engine=engine)
    # ½ + 2/2;  3 − ½ (−3/2 + 3/4)
    close(net.W[1], [[1.5], [3.375]])
    # −1 + 3/4;  1 − ½ (−3 + ¼);  2 − ½ (−3/2 + ½)
    close(net.W[0], [[-0.25], [2.375], [2.5]])


@pytest.mark.parametrize("engine", ENGINES)
def test_softmax_with_cross_entropy(engine):
    """1-2, no hidden layer: x = softmax(S), f = −ln x_label, δ = x − y."""
    net = Network([1, 2], init=[a * np.array([[1, 0], [0, 2]])])
    # S = (a, 2a · 1): e^S = 3 : 9, x = (1/4, 3/4);  label 0: y = (1, 0), f = ln 4
    trace = net.backprop([[1]], [0], engine=engine)
    close(trace.S[0], [[a, 2 * a]])
    close(trace.x[1], [[1 / 4, 3 / 4]])
    close(trace.losses, [np.log(4)])
    close(trace.delta[0], [[-3 / 4, 3 / 4]])
    close(trace.grad[0], [[-3 / 4, 3 / 4], [-3 / 4, 3 / 4]])


@pytest.mark.parametrize("engine", ENGINES)
def test_sigmoid_with_binary_cross_entropy(engine):
    """1-2: f = −Σ (y ln x + (1 − y) ln(1 − x)), δ = x − y for each output on its own."""
    net = Network([1, 2], output="sigmoid", loss="binary_cross_entropy", init=[[[a, 0], [0, -a]]])
    # S = (a, −a), x = (3/4, 1/4);  y = (1, 1): f = ln 4/3 + ln 4;  δ = (−1/4, −3/4)
    trace = net.backprop([[1]], [[1, 1]], engine=engine)
    close(trace.x[1], [[3 / 4, 1 / 4]])
    close(trace.losses, [np.log(16 / 3)])
    close(trace.delta[0], [[-1 / 4, -3 / 4]])
    close(trace.grad[0], [[-1 / 4, -3 / 4], [-1 / 4, -3 / 4]])


@pytest.mark.parametrize("engine", ENGINES)
def test_softmax_with_squared_error(engine):
    """1-2: ∂x_k/∂S_j = x_k ([k = j] − x_j) couples the outputs."""
    net = Network([1, 2], loss="sse", init=[[[0, 0], [0, a]]])
    # x = softmax(0, a) = (1/4, 3/4);  y = (1, 0): f = 9/16 + 9/16;  ∂f/∂x = (−3/2, 3/2)
    # δ_1 = −3/2 · 1/4 · 3/4 − 3/2 · 3/4 · 1/4 = −9/16;  δ_2 = −δ_1, since the outputs sum to 1
    trace = net.backprop([[1]], [[1, 0]], engine=engine)
    close(trace.losses, [9 / 8])
    close(trace.delta[0], [[-9 / 16, 9 / 16]])
