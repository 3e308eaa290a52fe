"""The worked examples of the literature on backpropagation, each as numbers that a network gives.

Expected values are the textbooks' own formulas, evaluated in plain Python or NumPy beside the
network. The names of the tests follow the order of the material: data and mini-batches, layers,
index notation, composite functions, descent.
"""

from __future__ import annotations

import itertools
import math
import os

import mpmath
import numba
import numpy as np
import pytest

from loopbp import datasets
from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.training import NonFiniteError

compiled_only = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="too large for loops that are not compiled"
)


def close(actual, expected, rtol=1e-13):
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=1e-15)


# --- Mini-batches -------------------------------------------------------------------------------


def digits_like(N, seed=0):
    """N examples with 6 inputs in four classes, that a small network can learn."""
    random = np.random.default_rng(seed)
    centres = random.uniform(-1, 1, (4, 6))
    labels = np.arange(N) % 4
    return centres[labels] + random.normal(0, 0.3, (N, 6)), labels


@pytest.mark.parametrize("batch_size", [1, 4, 8, 12, 24])
def test_gradients_of_equal_batches_average_to_the_full_gradient(batch_size):
    X, Y = digits_like(24)
    net = Network([6, 5, 4], seed=3)
    full = net.backprop(X, Y).gradient
    batches = [
        net.backprop(X[start : start + batch_size], Y[start : start + batch_size]).gradient
        for start in range(0, 24, batch_size)
    ]
    close(np.mean(batches, axis=0), full, rtol=1e-12)
    if batch_size < 24:  # one of them alone is another direction
        assert np.abs(batches[0] - full).max() > 1e-3


def test_small_batches_arrive_sooner_for_the_same_work():
    """Twelve passes over the data: 12 full-batch steps, or 12 · 16 steps of batches of 4."""
    X, Y = digits_like(64)
    losses = {}
    for batch_size in (64, 4):
        net = Network([6, 5, 4], seed=3)
        history = net.fit(X, Y, epochs=12, batch_size=batch_size, optimizer=SGD(eta=0.5))
        losses[batch_size] = net.evaluate(X, Y).loss
        assert history.steps == 12 * 64 // batch_size
    assert losses[4] < losses[64] / 2


def test_full_batch_descent_is_the_smoother_walk():
    """With a small step the loss of the whole set falls at every full-batch step; not so for 1."""
    X, Y = digits_like(32)
    rises = {}
    for batch_size in (32, 1):
        net = Network([6, 5, 4], seed=3)
        losses = [net.evaluate(X, Y).loss]
        for n in range(32):
            rows = slice(None) if batch_size == 32 else slice(n, n + 1)
            net.fit(X[rows], Y[rows], batch_size=batch_size, optimizer=SGD(eta=0.3))
            losses.append(net.evaluate(X, Y).loss)
        rises[batch_size] = int((np.diff(losses) > 0).sum())
    assert rises[32] == 0
    assert rises[1] > 3


# --- Layers -------------------------------------------------------------------------------------


def test_affine_layer():
    """Y = XW + B; ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂B = the sums of ∂L/∂Y's columns."""
    X = np.array([[1.0, 2], [3, 4], [5, 6]])
    W = np.array([[1.0, 0, -1], [2, -2, 0.5]])
    B = np.array([10.0, 20, 30])
    T = np.array([[12.0, 10, 30], [0, 0, 0], [1, 2, 3]])
    # the first layer hands X on unchanged, so that ∂L/∂X is its δ
    net = Network(
        [2, 2, 3], "identity", "identity", "half_sse", [np.vstack([[0, 0], np.eye(2)]), [B, *W]]
    )
    trace = net.backprop(X, T, reduction="sum")
    Y = X @ W + B
    close(trace.x[2], Y)
    close(trace.delta[1], Y - T)
    close(trace.delta[0], (Y - T) @ W.T)
    close(trace.grad[1][1:], X.T @ (Y - T))
    close(trace.grad[1][0], (Y - T).sum(axis=0))


def test_logistic_unit_saturates_at_both_ends_and_relu_switches():
    x = np.array([[-20.0], [-2], [0], [2], [20]])
    copy = [[[0], [1]]]
    # f = Σ (0 − x)² has ∂f/∂x = 2x, so that δ / 2x is the slope of g
    logistic = Network([1, 1], output="sigmoid", loss="sse", init=copy).backprop(x, np.zeros(5))
    sigma = 1 / (1 + np.exp(-x))
    close(logistic.delta[0] / (2 * logistic.x[1]), sigma * (1 - sigma), rtol=1e-7)
    slopes = (logistic.delta[0] / (2 * logistic.x[1]))[:, 0]
    assert slopes[2] == 0.25 == slopes.max() and slopes[[0, 4]].max() < 1e-8
    # f = Σ (9 − x)² has ∂f/∂x = −2 (9 − x)
    relu = Network([1, 1], output="relu", loss="sse", init=copy).backprop(x, np.full(5, 9))
    np.testing.assert_array_equal(relu.delta[0][:, 0], [0, 0, 0, -14, 22])


def test_softmax_with_cross_entropy_hands_back_y_minus_t():
    net = Network([3, 4], seed=1)
    X = np.random.default_rng(0).uniform(-1, 1, (5, 3))
    t = np.eye(4)[[0, 3, 1, 1, 2]]
    trace = net.backprop(X, t)
    e = np.exp(X @ net.W[0][1:])
    y = e / e.sum(axis=1, keepdims=True)
    close(trace.delta[0], y - t)
    close(trace.losses, -np.log((y * t).sum(axis=1)))
    # the gradient is divided by the number of examples, δ is not
    close(trace.grad[0][0], (y - t).sum(axis=0) / 5)


@pytest.mark.parametrize("hidden", ["relu", "sigmoid"])
def test_two_layer_net_gradient_check_by_blocks(hidden):
    """Weights N(0, 0.01²), biases 0, softmax with cross-entropy; central differences, h = 1e-4.

    The error of a central difference is h²/6 times the third derivative, here below 0.3, plus
    rounding, eps / h times the loss: 5e-10 and 3e-12. The blocks' own means are above 1e-4.
    """
    net = Network([12, 8, 4], hidden, init="normal", std=0.01, seed=0)
    random = np.random.default_rng(1)
    X, Y = random.uniform(0, 1, (6, 12)), random.integers(0, 4, 6)
    analytic = net.backprop(X, Y)
    numeric = np.empty_like(net.theta)
    h = 1e-4
    for p, w in enumerate(net.theta.copy()):
        net.theta[p] = w + h
        above = net.evaluate(X, Y).loss
        net.theta[p] = w - h
        numeric[p] = (above - net.evaluate(X, Y).loss) / (2 * h)
        net.theta[p] = w
    for W, grad in zip(net.architecture.views(numeric), analytic.grad, strict=True):
        for block in (slice(0, 1), slice(1, None)):  # biases, weights
            difference = np.abs(W[block] - grad[block]).mean()
            assert difference < 5e-10
            assert np.abs(grad[block]).mean() > 1e-4


@compiled_only
def test_two_layer_net_learns_mnist():
    """784-50-10 as above: batches of 100, learning rate 0.1; one epoch of 600 steps, about 0.9."""
    if not os.environ.get("LOOPBP_DATA"):
        pytest.skip("LOOPBP_DATA does not name a folder with the MNIST files")
    train, test = datasets.mnist().split()
    net = Network([784, 50, 10], "relu", init="normal", std=0.01, seed=0, dtype="float32")
    first = net.backprop(train.X[:100], train.Y[:100]).loss
    assert first == pytest.approx(math.log(10), abs=0.02)  # ten classes, nothing known yet
    history = net.fit(train.X, train.Y, batch_size=100, optimizer=SGD(eta=0.1))
    assert history.steps == 600
    assert net.evaluate(test.X, test.Y).accuracy > 0.88


# --- Index notation -----------------------------------------------------------------------------


@pytest.fixture(params=["identity", "tanh"])
def three_layers(request):
    """Layers 0..3 with two nodes each, f = Σ (y_j − x_j)²; g, g′ and w^(l)_ij as w[l][i, j]."""
    weights = [
        np.array([[0.5, -0.25], [1.0, -0.5], [0.75, 0.25]]),
        np.array([[-0.5, 0.125], [0.25, 1.5], [-1.0, 0.5]]),
        np.array([[0.25, -0.75], [0.5, -1.25], [2.0, 0.375]]),
    ]
    net = Network([2, 2, 2, 2], request.param, request.param, "sse", weights)
    y = (0.5, -0.75)
    trace = net.backprop([[0.75, -0.5]], [y])
    if request.param == "identity":
        return trace, weights, y, lambda s: s, lambda s: 1.0
    return trace, weights, y, math.tanh, lambda s: 1 - math.tanh(s) ** 2


def test_weighted_sums_node_by_node(three_layers):
    trace, w, y, g, _ = three_layers
    x = {(0, 0): 1, (0, 1): 0.75, (0, 2): -0.5, (1, 0): 1, (2, 0): 1}
    for l, j in itertools.product(range(3), (1, 2)):
        S = w[l][0, j - 1] + w[l][1, j - 1] * x[l, 1] + w[l][2, j - 1] * x[l, 2]
        x[l + 1, j] = g(S)
        close(trace.S[l][0, j - 1], S)
        close(trace.x[l + 1][0, j if l < 2 else j - 1], x[l + 1, j])
    close(trace.loss, (y[0] - x[3, 1]) ** 2 + (y[1] - x[3, 2]) ** 2)


def test_one_path_to_a_weight_of_the_last_layer(three_layers):
    """∂f/∂w_21^(2) = ∂f/∂x_1 · ∂x_1/∂S_1 · ∂S_1/∂w_21 = −2 (y_1 − x_1) g′(S_1) x_2."""
    trace, _, y, _, g_prime = three_layers
    path = -2 * (y[0] - trace.x[3][0, 0]) * g_prime(trace.S[2][0, 0]) * trace.x[2][0, 2]
    close(trace.grad[2][2, 0], path)


def test_two_paths_to_a_weight_one_layer_below(three_layers):
    """∂f/∂w_12^(1): through output 1 and through output 2; then with the common factor named δ."""
    trace, w, y, _, g_prime = three_layers
    x, S = trace.x, trace.S
    common = g_prime(S[1][0, 1]) * x[1][0, 1]
    through_1 = -2 * (y[0] - x[3][0, 0]) * g_prime(S[2][0, 0]) * w[2][2, 0] * common
    through_2 = -2 * (y[1] - x[3][0, 1]) * g_prime(S[2][0, 1]) * w[2][2, 1] * common
    close(trace.grad[1][1, 1], through_1 + through_2)
    # δ_2^(1) x_1^(1), where δ_2^(1) = (δ_1^(2) w_21^(2) + δ_2^(2) w_22^(2)) g′(S_2^(1))
    last = trace.delta[2][0]
    delta = (last[0] * w[2][2, 0] + last[1] * w[2][2, 1]) * g_prime(S[1][0, 1])
    close(trace.delta[1][0, 1], delta)
    close(trace.grad[1][1, 1], delta * x[1][0, 1])


def test_four_paths_two_layers_below_summed_one_by_one(three_layers):
    """Every ∂f/∂w^(0): the sum over all paths j → k → m of the products along them."""
    trace, w, y, _, g_prime = three_layers
    S, x = ([layer[0] for layer in part] for part in (trace.S, trace.x))
    for i, j in itertools.product((0, 1, 2), (0, 1)):
        total = 0.0
        for k, m in itertools.product((0, 1), (0, 1)):
            total += (
                x[0][i] * g_prime(S[0][j])
                * w[1][j + 1, k] * g_prime(S[1][k])
                * w[2][k + 1, m] * g_prime(S[2][m])
                * -2 * (y[m] - x[3][m])
            )  # fmt: skip
        close(trace.grad[0][i, j], total, rtol=1e-12)


def test_general_rules_for_every_delta_and_every_weight(three_layers):
    trace, w, y, _, g_prime = three_layers
    for j in (0, 1):
        dfdx = -2 * (y[j] - trace.x[3][0, j])  # of node j itself: δ_2 belongs to x_2
        close(trace.delta[2][0, j], dfdx * g_prime(trace.S[2][0, j]))
    for l, j in itertools.product((0, 1), (0, 1)):
        above = trace.delta[l + 1][0]
        handed_back = above[0] * w[l + 1][j + 1, 0] + above[1] * w[l + 1][j + 1, 1]
        close(trace.delta[l][0, j], handed_back * g_prime(trace.S[l][0, j]))
    for l, i, j in itertools.product(range(3), (0, 1, 2), (0, 1)):
        close(trace.grad[l][i, j], trace.delta[l][0, j] * trace.x[l][0, i])
        if i == 0:  # x_0 = 1
            assert trace.grad[l][0, j] == trace.delta[l][0, j]


def test_all_gradients_are_taken_before_any_weight_changes():
    """1-1-1, w = 1 everywhere but no biases, x = 1, y = 0, f = Σ (y − x)², η = ¼."""
    net = Network([1, 1, 1], "identity", "identity", "sse", [[[0], [1]], [[0], [1]]])
    net.fit([[1]], [0], optimizer=SGD(eta=0.25))
    # x = 1, δ = 2 in both layers with the old w = 1: every ∂f/∂w = 2, every step −½. With the
    # last layer updated first, w = ½ would make the first layer's δ 1 and its step −¼.
    np.testing.assert_array_equal(net.theta, [-0.5, 0.5, -0.5, 0.5])


# --- Composite functions ------------------------------------------------------------------------


TOY = {"b": (1.0, 2.0, -3.0, 0.4), "w": (0.1, -0.4, 2.0, 3.0), "x": 2.3, "y": 2.0}


def toy_loss(b, w, x, y):
    """ℓ = (β₃ + ω₃ cos(β₂ + ω₂ exp(β₁ + ω₁ sin(β₀ + ω₀ x))) − y)²."""
    inner = mpmath.exp(b[1] + w[1] * mpmath.sin(b[0] + w[0] * x))
    return (b[3] + w[3] * mpmath.cos(b[2] + w[2] * inner) - y) ** 2


@pytest.fixture
def toy():
    matrices = [[[b], [w]] for b, w in zip(TOY["b"], TOY["w"], strict=True)]
    net = Network([1, 1, 1, 1, 1], ["sin", "exp", "cos"], "identity", "sse", matrices)
    return net.backprop([[TOY["x"]]], [TOY["y"]])


def test_toy_model_module_by_module(toy):
    b, w, x, y = TOY.values()
    f0 = b[0] + w[0] * x
    h1 = math.sin(f0)
    f1 = b[1] + w[1] * h1
    h2 = math.exp(f1)
    f2 = b[2] + w[2] * h2
    h3 = math.cos(f2)
    f3 = b[3] + w[3] * h3
    close(np.ravel(toy.S), [f0, f1, f2, f3])
    close(toy.loss, (f3 - y) ** 2)
    # backward along f3, h3, f2, h2, f1, h1, f0
    df3 = 2 * (f3 - y)
    dh3 = df3 * w[3]
    df2 = dh3 * -math.sin(f2)
    dh2 = df2 * w[2]
    df1 = dh2 * math.exp(f1)
    dh1 = df1 * w[1]
    df0 = dh1 * math.cos(f0)
    close(np.ravel(toy.delta), [df0, df1, df2, df3])
    # ∂ℓ/∂β_k = ∂ℓ/∂f_k and ∂ℓ/∂ω_k = h_k ∂ℓ/∂f_k, with h_0 = x
    for grad, f, h in zip(toy.grad, (df0, df1, df2, df3), (x, h1, h2, h3), strict=True):
        close(grad, [[f], [f * h]])


def test_toy_model_differentiated_by_mpmath(toy):
    b, w, x, y = TOY.values()
    with mpmath.workdps(40):
        for k in range(4):

            def of_bias(v, k=k):
                return toy_loss((*b[:k], v, *b[k + 1 :]), w, x, y)

            def of_weight(v, k=k):
                return toy_loss(b, (*w[:k], v, *w[k + 1 :]), x, y)

            close(toy.grad[k][0, 0], float(mpmath.diff(of_bias, b[k])))
            close(toy.grad[k][1, 0], float(mpmath.diff(of_weight, w[k])))


def test_matrix_form_with_omega_transposed():
    """f_k = β_k + Ω_k h_k, h_{k+1} = relu(f_k); columns for vectors, Ω_k[j, i] from i to j."""
    random = np.random.default_rng(4)
    sizes = [3, 5, 4, 2]
    omegas = [random.uniform(-1, 1, (j, i)) for i, j in itertools.pairwise(sizes)]
    betas = [random.uniform(-1, 1, (j, 1)) for j in sizes[1:]]
    h0, y = random.uniform(-1, 1, (3, 1)), random.uniform(-1, 1, (2, 1))
    W = [np.vstack([beta.T, omega.T]) for beta, omega in zip(betas, omegas, strict=True)]
    trace = Network(sizes, "relu", "identity", "sse", W).backprop(h0.T, y.T)

    f, h = [], [h0]
    for beta, omega in zip(betas, omegas, strict=True):
        f.append(beta + omega @ h[-1])
        h.append(np.maximum(f[-1], 0))
    df = [2 * (f[2] - y)]
    for k in (2, 1):
        jacobian = np.diag((f[k - 1][:, 0] > 0).astype(float))  # of relu: switches 0 or 1
        df.insert(0, jacobian @ (omegas[k].T @ df[0]))
    assert {0.0, 1.0} == {*(f[0] > 0).astype(float).ravel(), *(f[1] > 0).astype(float).ravel()}
    for k in range(3):
        close(trace.S[k].T, f[k])
        close(trace.delta[k].T, df[k])
        close(trace.grad[k][1:].T, df[k] @ h[k].T)
        close(trace.grad[k][:1].T, df[k])


@pytest.mark.parametrize(
    ("batch_size", "updates"), [(1000, 1), (1, 1000), (32, 32), (100, 10), (999, 2), (5000, 1)]
)
def test_updates_per_epoch(batch_size, updates):
    """Of 1000 points: ⌈1000 / B⌉."""
    X = np.linspace(-1, 1, 1000)[:, None]
    net = Network([1, 1], output="identity", loss="mse")
    history = net.fit(X, X[:, 0], epochs=2, batch_size=batch_size, optimizer=SGD(eta=0.01))
    assert history.steps == 2 * updates
    assert history.frame["steps"].tolist() == [updates, 2 * updates]


def test_all_activations_are_held_for_the_backward_pass():
    """Per layer N (n_l + 1) numbers, and N n_L of the last."""
    net = Network([6, 5, 4], dtype="float32")
    trace = net.forward(np.zeros((10, 6)))
    assert [x.nbytes for x in trace.x] == [4 * 10 * 7, 4 * 10 * 6, 4 * 10 * 4]


def test_where_descent_starts_decides_where_it_ends():
    X, Y = digits_like(32)
    ends = {}
    for seed in (0, 1, 2, 0):
        net = Network([6, 3, 4], seed=seed)
        net.fit(X, Y, epochs=3, optimizer=SGD(eta=0.5))
        ends.setdefault(seed, []).append(net.theta)
    assert ends[0][0].tobytes() == ends[0][1].tobytes()
    first, *others = (theta[0] for theta in ends.values())
    assert all(np.abs(theta - first).max() > 0.1 for theta in others)


# --- Gradient descent by layers -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("eta", "factor"), [(0.001, 0.995), (0.1, 0.5), (0.2, 0.0), (0.3, -0.5), (0.5, -1.5)]
)
def test_learning_rates_slow_good_oscillating_and_divergent(eta, factor):
    """E = ½ (b + w x − y)² with x = 2: each step multiplies the residual by 1 − η (1 + x²)."""
    net = Network([1, 1], output="identity", loss="half_sse", init=[[[0.5], [-1]]])
    history = net.fit([[2]], [3.5], epochs=12, optimizer=SGD(eta=eta))
    # residual ½ − 2 − 3½ = −5; the loss before step t is ½ · 25 · factor^(2 (t − 1))
    expected = 12.5 * factor ** (2 * np.arange(12.0))
    np.testing.assert_allclose(history.frame["loss"], expected, rtol=1e-10, atol=1e-25)


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
def test_too_large_a_learning_rate_ends_in_infinity():
    net = Network([1, 1], output="identity", loss="half_sse", init=[[[0.5], [-1]]])
    with pytest.raises(NonFiniteError) as stopped:
        net.fit([[2]], [3.5], epochs=2000, optimizer=SGD(eta=0.5))
    # The square of the residual, 25 · 1.5^(2 (t − 1)), passes 1.8e308 where t − 1 is larger than
    # ln(1.8e308 / 25) / (2 ln 1.5) = 871.3
    assert (stopped.value.quantity, stopped.value.step) == ("loss", 873)
    assert np.isfinite(net.theta).all() and np.abs(net.theta).max() > 1e150


def test_output_and_hidden_layer_with_their_biases_and_inputs():
    """u = b + w y, y = f(u); E = ½ Σ (y_k − t_k)²: everything that a layer hands back."""
    random = np.random.default_rng(8)
    y_i, t = random.uniform(0, 1, 3), random.uniform(0, 1, 2)
    b_j, w_ij = random.uniform(-1, 1, 4), random.uniform(-1, 1, (3, 4))
    b_k, w_jk = random.uniform(-1, 1, 2), random.uniform(-1, 1, (4, 2))
    net = Network(
        [3, 4, 2], "sigmoid", "sigmoid", "half_sse", [[b_j, *w_ij], np.vstack([b_k, w_jk])]
    )
    trace = net.backprop([y_i], [t])

    def f(u):
        return 1 / (1 + np.exp(-u))

    u_j = b_j + y_i @ w_ij
    y_j = f(u_j)
    u_k = b_k + y_j @ w_jk
    y_k = f(u_k)
    # output layer: δ_k = ∂E/∂y_k · ∂y_k/∂u_k, ∂w_jk = y_j δ_k, ∂b_k = δ_k, ∂y_j = Σ_k δ_k w_jk
    delta_k = (y_k - t) * y_k * (1 - y_k)
    dy_j = np.array([sum(delta_k[k] * w_jk[j, k] for k in range(2)) for j in range(4)])
    close(trace.delta[1], [delta_k])
    close(trace.grad[1][1:], [[y_j[j] * delta_k[k] for k in range(2)] for j in range(4)])
    close(trace.grad[1][0], delta_k)
    # hidden layer: δ_j = ∂y_j · f′(u_j), ∂w_ij = y_i δ_j, ∂b_j = δ_j
    delta_j = dy_j * y_j * (1 - y_j)
    close(trace.delta[0], [delta_j])
    close(trace.grad[0][1:], [[y_i[i] * delta_j[j] for j in range(4)] for i in range(3)])
    close(trace.grad[0][0], delta_j)
    # one step: w ← w − η ∂E/∂w, b ← b − η ∂E/∂b
    net.fit([y_i], [t], optimizer=SGD(eta=0.5))
    close(net.W[0][0], b_j - 0.5 * delta_j)
    close(net.W[1][1:], w_jk - 0.5 * np.outer(y_j, delta_k))
