"""The NumPy twin against hand computation, path sums, finite differences, mpmath and PyTorch."""

from __future__ import annotations

import itertools
import math

import mpmath
import numpy as np
import pytest

from loopbp import reference

SMOOTH = ["identity", "sigmoid", "tanh", "softplus", "silu", "gelu", "sin", "cos", "exp"]
KINKED = ["relu", "leaky_relu", "elu"]  # elu′ is continuous at 0, elu″ is not
ELEMENTWISE = SMOOTH + KINKED
PLAIN_LOSSES = ["sse", "half_sse", "mse"]

# Every output activation with every loss that goes with it.
OUTPUT_PAIRS = [
    *itertools.product([*ELEMENTWISE, "softmax"], PLAIN_LOSSES),
    ("softmax", "cross_entropy"),
    ("sigmoid", "binary_cross_entropy"),
]


def close(actual, expected, rtol=1e-14, atol=0.0):
    """Same shape, and |actual − expected| ≤ atol + rtol |expected| for every element."""
    assert np.shape(actual) == np.shape(expected)
    np.testing.assert_allclose(actual, expected, rtol=rtol, atol=atol)


def random_problem(sizes, output, loss, *, seed=0, n=5, dtype="float64"):
    """Weights, inputs and targets that suit the loss, of moderate size."""
    rng = np.random.default_rng(seed)
    shapes = itertools.pairwise(sizes)
    weights = [rng.uniform(-0.9, 0.9, (a + 1, b)).astype(dtype) for a, b in shapes]
    X = rng.uniform(-1.5, 1.5, (n, sizes[0])).astype(dtype)
    Y = rng.uniform(0.05, 0.95, (n, sizes[-1]))
    if loss == "cross_entropy":
        Y /= Y.sum(axis=1, keepdims=True)
    return weights, X, Y.astype(dtype)


def passes(weights, X, Y, activations, loss, reduction="sum"):
    """S, x, the losses, δ and the gradients."""
    S, x = reference.forward(weights, X, activations)
    f = reference.losses(loss, S[-1], x[-1], Y)
    delta, grad = reference.backward(weights, S, x, Y, activations, loss, reduction)
    return S, x, f, delta, grad


# --- By hand ------------------------------------------------------------------------------------


@pytest.fixture
def two_two_two():
    """A 2-2-2 network, identity everywhere, and one example."""
    weights = [
        np.array([[1.0, -1.0], [2.0, 1.0], [-1.0, 3.0]]),  # w_01 w_02 / w_11 w_12 / w_21 w_22
        np.array([[2.0, -3.0], [1.0, 2.0], [-2.0, 1.0]]),
    ]
    return weights, np.array([[3.0, 2.0]]), np.array([[-8.0, 13.0]]), ["identity", "identity"]


def test_two_two_two_by_hand(two_two_two):
    weights, X, Y, activations = two_two_two
    S, x, f, delta, grad = passes(weights, X, Y, activations, "sse")
    # S_1 = w_01 + w_11 x_1 + w_21 x_2 = 1 + 2·3 − 1·2 = 5;  S_2 = −1 + 1·3 + 3·2 = 8
    close(S[0], [[5, 8]])
    close(x[0], [[1, 3, 2]])
    close(x[1], [[1, 5, 8]])
    # S_1 = 2 + 1·5 − 2·8 = −9;  S_2 = −3 + 2·5 + 1·8 = 15; the outputs have no constant
    close(S[1], [[-9, 15]])
    close(x[2], [[-9, 15]])
    # f = (−8 + 9)² + (13 − 15)² = 1 + 4
    close(f, [5])
    # δ_j = −2 (y_j − x_j): −2 (−8 + 9) = −2;  −2 (13 − 15) = 4
    close(delta[1], [[-2, 4]])
    # δ_1 = δ_1 w_11 + δ_2 w_12 = −2·1 + 4·2 = 6;  δ_2 = δ_1 w_21 + δ_2 w_22 = −2·−2 + 4·1 = 8
    close(delta[0], [[6, 8]])
    # ∂f/∂w_ij = δ_j x_i: rows for x_0 = 1, x_1 = 5, x_2 = 8, then for 1, 3, 2
    close(grad[1], [[-2, 4], [-10, 20], [-16, 32]])
    close(grad[0], [[6, 8], [18, 24], [12, 16]])
    # One path from w_21 of the last layer: −2 (y_1 − x_1) · x_2 = −2·1·8
    assert grad[1][2, 0] == -2 * (-8 + 9) * 8
    # Two paths from w_12 of the first: (−2 (y_1 − x_1) w_21 − 2 (y_2 − x_2) w_22) x_1
    assert grad[0][1, 1] == (-2 * (-8 + 9) * -2 + -2 * (13 - 15) * 1) * 3


def test_reductions_by_hand(two_two_two):
    """The same network with a second example, x = (0, 0) and y = (0, 0)."""
    weights, X, Y, activations = two_two_two
    X, Y = np.vstack((X, [0.0, 0.0])), np.vstack((Y, [0.0, 0.0]))
    # Second example: S = (1, −1), then (2 + 1 + 2, −3 + 2 − 1) = (5, −2); δ = 2x = (10, −4);
    # one layer back δ = (10·1 − 4·2, 10·−2 − 4·1) = (2, −24)
    _, _, f, delta, total = passes(weights, X, Y, activations, "sse", "sum")
    close(f, [5, 5 * 5 + 2 * 2])
    close(delta[1], [[-2, 4], [10, -4]])
    close(delta[0], [[6, 8], [2, -24]])
    # Rows for x = (1, 1, 1), (·, 5, 1), (·, 8, −1): e.g. −2·5 + 10·1 = 0, −2·8 + 10·−1 = −26
    close(total[1], [[8, 0], [0, 16], [-26, 36]])
    # The second example's inputs are 0, so that it adds to the bias row only
    close(total[0], [[8, -16], [18, 24], [12, 16]])
    _, _, _, mean_delta, mean = passes(weights, X, Y, activations, "sse", "mean")
    close(mean[1], [[4, 0], [0, 8], [-13, 18]])
    close(mean[0], [[4, -8], [9, 12], [6, 8]])
    close(mean_delta[0], delta[0])  # δ belongs to an example: no reduction divides it


def test_composite_function_by_hand():
    """f₃ = β₃ + ω₃ cos(β₂ + ω₂ exp(β₁ + ω₁ sin(β₀ + ω₀ x))), ℓ = (f₃ − y)²."""
    b0, b1, b2, b3 = 1.0, 2.0, -3.0, 0.4
    w0, w1, w2, w3 = 0.1, -0.4, 2.0, 3.0
    x, y = 2.3, 2.0
    f0 = b0 + w0 * x
    h1 = math.sin(f0)
    f1 = b1 + w1 * h1
    h2 = math.exp(f1)
    f2 = b2 + w2 * h2
    h3 = math.cos(f2)
    f3 = b3 + w3 * h3
    # Backward through the chain f3, h3, f2, h2, f1, h1, f0
    df3 = 2 * (f3 - y)
    df2 = df3 * w3 * -math.sin(f2)
    df1 = df2 * w2 * math.exp(f1)
    df0 = df1 * w1 * math.cos(f0)

    weights = [np.array([[b], [w]]) for b, w in [(b0, w0), (b1, w1), (b2, w2), (b3, w3)]]
    activations = ["sin", "exp", "cos", "identity"]
    S, _, f, delta, grad = passes(weights, np.array([[x]]), np.array([[y]]), activations, "sse")
    close(np.ravel(S), [f0, f1, f2, f3])
    close(f, [(f3 - y) ** 2])
    close(np.ravel(delta), [df0, df1, df2, df3], rtol=1e-13)
    close(grad[0], [[df0], [df0 * x]], rtol=1e-13)  # ∂ℓ/∂β_k over ∂ℓ/∂ω_k = h_k ∂ℓ/∂f_k
    close(grad[1], [[df1], [df1 * h1]], rtol=1e-13)
    close(grad[2], [[df2], [df2 * h2]], rtol=1e-13)
    close(grad[3], [[df3], [df3 * h3]], rtol=1e-13)


def test_relu_switches_by_hand():
    """∂ℓ/∂f_{k−1} = 𝟙[f_{k−1} > 0] ⊙ (Ω_kᵀ ∂ℓ/∂f_k), with one sum on the kink."""
    weights = [np.array([[-2.0, 0.0, 1.0], [1.0, 0.0, 1.0]]), np.array([[1.0], [2], [3], [4]])]
    S, x, f, delta, grad = passes(
        weights, np.array([[1.0]]), np.array([[7.0]]), ["relu", "identity"], "half_sse"
    )
    close(S[0], [[-1, 0, 2]])  # −2 + 1, 0 + 0, 1 + 1
    close(x[1], [[1, 0, 0, 2]])
    close(x[2], [[9]])  # 1 + 4·2
    close(f, [2])  # ½ (9 − 7)²
    close(delta[1], [[2]])
    close(delta[0], [[0, 0, 8]])  # switches 0, 0, 1 times Ωᵀ·2 = 4, 6, 8
    close(grad[1], [[2], [0], [0], [4]])
    close(grad[0], [[0, 0, 8], [0, 0, 8]])


def test_affine_layer_by_hand():
    """Y = XW + B: ∂L/∂X = ∂L/∂Y Wᵀ, ∂L/∂W = Xᵀ ∂L/∂Y, ∂L/∂B = column sums over the batch.

    A first layer that copies its input makes ∂L/∂X visible, as its δ.
    """
    copy = np.array([[0.0, 0.0], [1.0, 0.0], [0.0, 1.0]])
    affine = np.array([[1.0, 2.0, 3.0], [1.0, 0.0, -1.0], [2.0, 1.0, 0.0]])
    X = np.array([[1.0, 2.0], [3.0, -1.0]])
    # XW + B: (1 + 4 + 1, 2 + 2, −1 + 3) = (6, 4, 2);  (3 − 2 + 1, −1 + 2, −3 + 3) = (2, 1, 0)
    # ½ Σ (out − y)² with y = out − (1, −1, 2) and out − (0, 3, 1) makes ∂L/∂Y these two rows
    targets = np.array([[5.0, 5.0, 0.0], [2.0, -2.0, -1.0]])
    S, _, _, delta, grad = passes([copy, affine], X, targets, ["identity"] * 2, "half_sse")
    close(S[1], [[6, 4, 2], [2, 1, 0]])
    close(delta[1], [[1, -1, 2], [0, 3, 1]])
    # ∂L/∂X: 1·1 − 1·0 + 2·−1 = −1, 1·2 − 1·1 + 2·0 = 1; then 0 + 0 − 1 = −1, 0 + 3 + 0 = 3
    close(delta[0], [[-1, 1], [-1, 3]])
    # ∂L/∂B: 1 + 0, −1 + 3, 2 + 1.  ∂L/∂W row 1: 1·(1, −1, 2) + 3·(0, 3, 1); row 2: 2·… − 1·…
    close(grad[1], [[1, 2, 3], [1, 8, 5], [2, -5, 3]])


def test_gradient_handed_back_by_hand():
    """∂y_j = Σ_k δ_k w_jk for a layer's inputs, then δ_j = ∂y_j f′(u_j), ∂w_ij = y_i δ_j."""
    weights, X, Y = random_problem([3, 4, 2], "sigmoid", "half_sse", seed=3, n=1)
    S, _, _, delta, grad = passes(weights, X, Y, ["sigmoid", "sigmoid"], "half_sse")
    u_hidden, u_out = S[0][0], S[1][0]
    y_out = [1 / (1 + math.exp(-u)) for u in u_out]
    delta_out = [(y - t) * y * (1 - y) for y, t in zip(y_out, Y[0], strict=True)]
    dy = [sum(delta_out[k] * weights[1][1 + j, k] for k in range(2)) for j in range(4)]
    y_hidden = [1 / (1 + math.exp(-u)) for u in u_hidden]
    delta_hidden = [dy[j] * y_hidden[j] * (1 - y_hidden[j]) for j in range(4)]
    close(delta[1][0], delta_out, rtol=1e-13)
    close(delta[0][0], delta_hidden, rtol=1e-12)
    close(grad[1], [[y * d for d in delta_out] for y in [1.0, *y_hidden]], rtol=1e-12)
    close(grad[0], [[y * d for d in delta_hidden] for y in [1.0, *X[0]]], rtol=1e-12)


def test_softmax_by_hand():
    S = np.log([[1.0, 2.0, 5.0]])  # x = (1, 2, 5) / 8
    Y = np.array([[0.0, 1.0, 0.0]])
    x = reference.softmax(S)
    close(x, [[0.125, 0.25, 0.625]])
    close(reference.losses("cross_entropy", S, x, Y), [math.log(4)])  # −ln ¼
    close(reference.output_delta("cross_entropy", "softmax", S, x, Y), [[0.125, -0.75, 0.625]])
    # sse: 0.125² + 0.75² + 0.625² = (1 + 36 + 25) / 64
    close(reference.losses("sse", S, x, Y), [62 / 64])
    close(reference.losses("half_sse", S, x, Y), [31 / 64])
    close(reference.losses("mse", S, x, Y), [62 / 192])
    # u = 2 (x − y) = (¼, −1½, 1¼); Σ u x = 0.03125 − 0.375 + 0.78125 = 0.4375; δ = x (u − 0.4375)
    expected = np.array([[0.125 * -0.1875, 0.25 * -1.9375, 0.625 * 0.8125]])
    close(reference.output_delta("sse", "softmax", S, x, Y), expected)
    close(reference.output_delta("half_sse", "softmax", S, x, Y), expected / 2)
    close(reference.output_delta("mse", "softmax", S, x, Y), expected / 3)


def test_cross_entropy_of_soft_targets_by_hand():
    S = np.log([[1.0, 3.0]]) + 50.0  # x = (¼, ¾): a constant added to a row changes nothing
    x, Y = reference.softmax(S), np.array([[0.5, 0.5]])
    # −½ ln ¼ − ½ ln ¾ = ½ ln(16 / 3)
    close(reference.losses("cross_entropy", S, x, Y), [0.5 * math.log(16 / 3)], rtol=1e-13)


def test_binary_cross_entropy_by_hand():
    S = np.array([[math.log(3), math.log(3), 0.0]])  # x = (¾, ¾, ½)
    x, Y = reference.sigmoid(S), np.array([[1.0, 0.0, 0.25]])
    close(x, [[0.75, 0.75, 0.5]])
    # −ln ¾ − ln ¼ − ¼ ln ½ − ¾ ln ½ = ln(4/3) + ln 4 + ln 2
    close(reference.losses("binary_cross_entropy", S, x, Y), [math.log(32 / 3)])
    delta = reference.output_delta("binary_cross_entropy", "sigmoid", S, x, Y)
    close(delta, [[-0.25, 0.75, 0.25]])


def test_values_at_the_kinks():
    s = np.array([-2.0, 0.0, 3.0])
    e = math.exp(-2)
    assert reference.ACTIVATIONS["relu"](s).tolist() == [0, 0, 3]
    assert reference.DERIVATIVES["relu"](s).tolist() == [0, 0, 1]
    assert reference.ACTIVATIONS["leaky_relu"](s).tolist() == [-0.02, 0, 3]
    assert reference.DERIVATIVES["leaky_relu"](s).tolist() == [0.01, 0.01, 1]
    close(reference.ACTIVATIONS["elu"](s), [e - 1, 0, 3])
    close(reference.DERIVATIVES["elu"](s), [e, 1, 1])


# --- Activations and softmax --------------------------------------------------------------------


def test_tables_have_the_same_names():
    assert list(reference.ACTIVATIONS) == list(reference.DERIVATIVES)
    assert set(reference.ACTIVATIONS) == set(ELEMENTWISE)
    assert set(reference.OUTPUTS) == {*ELEMENTWISE, "softmax"}


EXACT = {
    "identity": lambda s: s,
    "sigmoid": lambda s: 1 / (1 + mpmath.exp(-s)),
    "tanh": mpmath.tanh,
    "relu": lambda s: max(s, mpmath.mpf(0)),
    "leaky_relu": lambda s: s if s > 0 else s * mpmath.mpf(0.01),
    "elu": lambda s: s if s > 0 else mpmath.expm1(s),
    "softplus": lambda s: mpmath.log1p(mpmath.exp(s)),
    "silu": lambda s: s / (1 + mpmath.exp(-s)),
    "gelu": lambda s: s * mpmath.ncdf(s),
    "sin": mpmath.sin,
    "cos": mpmath.cos,
    "exp": mpmath.exp,
}


@pytest.mark.parametrize("name", ELEMENTWISE)
def test_activation_against_mpmath(name):
    """g and g′, the latter by mpmath's numerical differentiation at 60 digits.

    A few roundings of values up to about |s g′(s)| + |g(s)|: 1e-15 relative, with the same
    absolute error where terms cancel (the zeros of sin, cos and of silu′ and gelu′).
    """
    s = np.concatenate((np.linspace(-6, 6, 40), [-0.01, 0.01, 1e-9, -1e-9]))
    with mpmath.workdps(60):
        g = [float(EXACT[name](mpmath.mpf(t))) for t in s]
        g_prime = [float(mpmath.diff(EXACT[name], mpmath.mpf(t), h=1e-25)) for t in s]
    close(reference.ACTIVATIONS[name](s), g, rtol=2e-15, atol=1e-15)
    close(reference.DERIVATIVES[name](s), g_prime, rtol=2e-15, atol=1e-15)


SATURATED = {  # where 1 − σ, 1 − tanh² and 1 + erf would cancel to 0
    "sigmoid": (reference.ACTIVATIONS, EXACT["sigmoid"], -40.0),
    "softplus": (reference.ACTIVATIONS, EXACT["softplus"], -40.0),
    "elu": (reference.ACTIVATIONS, EXACT["elu"], -1e-12),
    "gelu": (reference.ACTIVATIONS, EXACT["gelu"], -12.0),
    "sigmoid_derivative": (
        reference.DERIVATIVES,
        lambda s: 1 / (2 + mpmath.exp(s) + mpmath.exp(-s)),
        40.0,
    ),
    "tanh_derivative": (reference.DERIVATIVES, lambda s: mpmath.sech(s) ** 2, 25.0),
    "gelu_derivative": (
        reference.DERIVATIVES,
        lambda s: mpmath.ncdf(s) + s * mpmath.npdf(s),
        -12.0,
    ),
}


@pytest.mark.parametrize("name", SATURATED)
def test_saturated_ends_keep_their_digits(name):
    table, exact, s = SATURATED[name]
    with mpmath.workdps(60):
        expected = float(exact(mpmath.mpf(s)))
    assert 0 < abs(expected) < 1e-11
    # e^(−s²/2) turns a rounding of s² = 144 into that many roundings of the result
    close(table[name.removesuffix("_derivative")](np.array([s])), [expected], rtol=2e-14)


LIMITS = {  # g(−1000), g(1000), g′(−1000), g′(1000)
    "identity": (-1000, 1000, 1, 1),
    "sigmoid": (0, 1, 0, 0),
    "tanh": (-1, 1, 0, 0),
    "relu": (0, 1000, 0, 1),
    "leaky_relu": (-10, 1000, 0.01, 1),
    "elu": (-1, 1000, 0, 1),
    "softplus": (0, 1000, 0, 1),
    "silu": (0, 1000, 0, 1),
    "gelu": (0, 1000, 0, 1),
    "sin": (-math.sin(1000), math.sin(1000), math.cos(1000), math.cos(1000)),
    "cos": (math.cos(1000), math.cos(1000), math.sin(1000), -math.sin(1000)),
}


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", LIMITS)
def test_no_overflow_far_out(name, dtype):
    s = np.array([-1000, 1000], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        g, g_prime = reference.ACTIVATIONS[name](s), reference.DERIVATIVES[name](s)
    assert g.dtype == g_prime.dtype == s.dtype
    close([*g, *g_prime], LIMITS[name], rtol=4 * np.finfo(dtype).eps, atol=1e-300)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_no_overflow_in_losses_far_out(dtype):
    S = np.array([[1000, -1000], [1000, -1000]], dtype=dtype)
    Y = np.array([[0, 1], [1, 0]], dtype=dtype)
    with np.errstate(over="raise", invalid="raise", divide="raise"):
        p, q = reference.softmax(S), reference.sigmoid(S)
        cross = reference.losses("cross_entropy", S, p, Y)
        binary = reference.losses("binary_cross_entropy", S, q, Y)
        delta = reference.output_delta("sse", "softmax", S, p, Y)
    assert p.tolist() == q.tolist() == [[1, 0], [1, 0]]
    assert cross.tolist() == [2000, 0]  # −ln x_2 = 1000 + 1000; −ln x_1 = 0
    assert binary.tolist() == [2000, 0]  # 1000 for each of two outputs that are wrong
    assert delta.tolist() == [[0, 0], [0, 0]]  # a saturated softmax has a zero Jacobian


def test_binary_cross_entropy_of_a_sure_right_answer_is_not_lost():
    S, Y = np.array([[40.0]]), np.array([[1.0]])
    # −ln σ(40) = ln(1 + e^−40) = e^−40 to 17 digits
    loss = reference.losses("binary_cross_entropy", S, reference.sigmoid(S), Y)
    close(loss, [math.exp(-40)])


def test_softmax_jacobian_product_is_the_explicit_jacobian():
    rng = np.random.default_rng(5)
    x, upstream = reference.softmax(rng.normal(size=(4, 6))), rng.normal(size=(4, 6))
    expected = [u @ (np.diag(p) - np.outer(p, p)) for p, u in zip(x, upstream, strict=True)]
    close(reference.softmax_jacobian_product(x, upstream), expected, rtol=1e-12, atol=1e-15)


# --- Backpropagation as a whole -----------------------------------------------------------------


def path_sum(weights, S, x, Y, g_primes, layer, i, j):
    """∂f/∂w_ij^(l) of f = Σ_k (y_k − x_k)²: the sum over every path from w_ij to an output."""
    widths = [W.shape[1] for W in weights[layer + 1 :]]
    total = 0.0
    for tail in itertools.product(*(range(width) for width in widths)):
        nodes = (j, *tail)
        term = x[layer][0, i]
        for step, node in enumerate(nodes):
            term *= g_primes[layer + step](S[layer + step][0, node])
            if step + 1 < len(nodes):
                term *= weights[layer + step + 1][1 + node, nodes[step + 1]]
        total += term * -2 * (Y[0, nodes[-1]] - x[-1][0, nodes[-1]])
    return total


def test_gradient_is_the_sum_over_paths():
    """Layers 0..4, every weight and bias, derivatives of g written out with `math`."""
    activations = ["tanh", "sin", "exp", "sigmoid"]
    g_primes = [
        lambda s: 1 / math.cosh(s) ** 2,
        math.cos,
        math.exp,
        lambda s: math.exp(-s) / (1 + math.exp(-s)) ** 2,
    ]
    weights, X, Y = random_problem([2, 3, 2, 3, 2], "sigmoid", "sse", seed=1, n=1)
    S, x, _, _, grad = passes(weights, X, Y, activations, "sse")
    for layer, W in enumerate(weights):
        for i, j in np.ndindex(W.shape):
            expected = path_sum(weights, S, x, Y, g_primes, layer, i, j)
            assert grad[layer][i, j] == pytest.approx(expected, rel=1e-12)


def central_differences(weights, X, Y, activations, loss, h):
    """(f(w + h) − f(w − h)) / 2h of the summed loss, for every entry of every weight matrix."""

    def total():
        S, x = reference.forward(weights, X, activations)
        return reference.losses(loss, S[-1], x[-1], Y).sum()

    slopes = [np.empty_like(W) for W in weights]
    for W, slope in zip(weights, slopes, strict=True):
        for index in np.ndindex(W.shape):
            kept = W[index]
            W[index] = kept + h
            above = total()
            W[index] = kept - h
            slope[index] = (above - total()) / (2 * h)
            W[index] = kept
    return slopes


def assert_finite_differences_agree(hidden, output, loss):
    weights, X, Y = random_problem([3, 4, 4, 2], output, loss, seed=11)
    weights = [0.5 * W for W in weights]  # keeps exp(exp(…)), and with it f‴, moderate
    activations = [hidden, hidden, output]
    S, _, _, _, grad = passes(weights, X, Y, activations, loss)
    # A step moves a sum by less than 10 h, so that no difference straddles a kink at 0.
    h = 1e-5
    assert all(np.abs(sums).min() > 10 * h for sums in S)
    numeric = central_differences(weights, X, Y, activations, loss, h)
    # Truncation h² f‴/6 and rounding ε f / h are both below 1e-9 for f and f‴ up to some tens.
    for g, slope in zip(grad, numeric, strict=True):
        close(g, slope, rtol=1e-8, atol=2e-9)


@pytest.mark.parametrize("hidden", ELEMENTWISE)
def test_hidden_activation_against_finite_differences(hidden):
    assert_finite_differences_agree(hidden, "softmax", "cross_entropy")


@pytest.mark.parametrize(("output", "loss"), OUTPUT_PAIRS)
def test_output_and_loss_against_finite_differences(output, loss):
    assert_finite_differences_agree("tanh", output, loss)


@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_reduction_is_over_examples(reduction):
    weights, X, Y = random_problem([3, 4, 2], "identity", "mse", n=7)
    activations = ["silu", "identity"]
    _, _, f, delta, grad = passes(weights, X, Y, activations, "mse", reduction)
    rows = [passes(weights, X[n : n + 1], Y[n : n + 1], activations, "mse") for n in range(7)]
    close(f, [row[2][0] for row in rows])
    for layer in range(2):
        close(delta[layer], np.vstack([row[3][layer] for row in rows]), rtol=1e-12)
        reduce = np.mean if reduction == "mean" else np.sum
        close(grad[layer], reduce([row[4][layer] for row in rows], axis=0), rtol=1e-12)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), OUTPUT_PAIRS)
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_dtype_is_that_of_the_weights(dtype, output, loss, reduction):
    """Inputs and targets of the other width, and of integers, do not change it."""
    weights, X, Y = random_problem([3, 2, 2], output, loss, dtype=dtype)
    other = "float32" if dtype == "float64" else "float64"
    targets = np.eye(2, dtype=int)[[0, 1, 1, 0, 1]]
    for name in ELEMENTWISE:
        for x_in, y_in in ((X.astype(other), Y.astype(other)), (X.astype(int), targets)):
            results = passes(weights, x_in, y_in, [name, output], loss, reduction)
            S, x, f, delta, grad = results
            assert {a.dtype for a in (*S, *x, f, *delta, *grad)} == {np.dtype(dtype)}


def test_shapes_constants_and_arguments_left_alone():
    weights, X, Y = random_problem([3, 5, 4, 2], "identity", "sse", n=6)
    given = [*weights, X, Y]
    before = [a.copy() for a in given]
    S, x, f, delta, grad = passes(weights, X, Y, ["identity"] * 3, "sse")
    assert [a.shape for a in S] == [a.shape for a in delta] == [(6, 5), (6, 4), (6, 2)]
    assert [a.shape for a in x] == [(6, 4), (6, 6), (6, 5), (6, 2)]
    assert f.shape == (6,)
    assert [a.shape for a in grad] == [W.shape for W in weights]
    assert all((a[:, 0] == 1).all() for a in x[:-1])
    assert all(np.array_equal(a, b) for a, b in zip(given, before, strict=True))
    results = [*S, *x, *delta]
    assert not any(np.shares_memory(a, b) for a, b in itertools.combinations(results, 2))


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"hidden": "softmax"}, "activations: expected one of identity, .*exp; got 'softmax'"),
        ({"output": "softmin"}, "activations: expected one of .*softmax; got 'softmin'"),
        ({"loss": "hinge"}, "loss: expected one of sse, .*; got 'hinge'"),
        ({"reduction": "max"}, "reduction: expected one of mean, sum; got 'max'"),
        ({"loss": "cross_entropy"}, "expected 'softmax' at the output .*; got 'sigmoid'"),
        (
            {"loss": "binary_cross_entropy", "output": "tanh"},
            "expected 'sigmoid' at the output .*; got 'tanh'",
        ),
    ],
)
def test_names_that_do_not_fit_are_refused(change, message):
    names = {"hidden": "tanh", "output": "sigmoid", "loss": "sse", "reduction": "mean"} | change
    weights, X, Y = random_problem([2, 3, 2], "sigmoid", "sse")
    activations = [names["hidden"], names["output"]]
    with pytest.raises(ValueError, match=message):
        passes(weights, X, Y, activations, names["loss"], names["reduction"])


def test_forward_refuses_softmax_in_a_hidden_layer():
    weights, X, _ = random_problem([2, 3, 2], "identity", "sse")
    with pytest.raises(ValueError, match="activations: .*; got 'softmax'"):
        reference.forward(weights, X, ["softmax", "identity"])


@pytest.mark.parametrize("activations", [["identity"], ["tanh", "tanh", "identity"]])
def test_one_activation_per_weight_matrix(activations):
    weights, X, Y = random_problem([2, 3, 2], "identity", "sse")
    with pytest.raises(ValueError, match="argument 2 is (shorter|longer)"):
        reference.forward(weights, X, activations)
    S, x = reference.forward(weights, X, ["tanh", "identity"])
    with pytest.raises(ValueError, match="argument 3 is (shorter|longer)"):
        reference.backward(weights, S, x, Y, activations, "sse", "mean")


# --- Steps --------------------------------------------------------------------------------------


def test_momentum_and_nesterov_by_hand():
    theta, g, v = np.array([1.0]), np.array([2.0]), np.array([0.5])
    # v = 0.9·0.5 + 2 = 2.45;  w = 1 − 0.1·2.45 = 0.755
    w, new_v = reference.sgd(theta, g, v, eta=0.1, momentum=0.9, nesterov=False)
    close(new_v, [2.45])
    close(w, [0.755])
    # w = 1 − 0.1 (2 + 0.9·2.45) = 1 − 0.4205
    w, new_v = reference.sgd(theta, g, v, eta=0.1, momentum=0.9, nesterov=True)
    close(new_v, [2.45])
    close(w, [0.5795])
    # Without momentum: w = 1 − 0.1·2, whatever the velocity was
    w, _ = reference.sgd(theta, g, v, eta=0.1, momentum=0.0, nesterov=False)
    close(w, [0.8])
    assert (theta[0], g[0], v[0]) == (1, 2, 0.5)


def test_adam_by_hand():
    """Two steps with β₁ = ½, β₂ = ¾, η = ¼, ε = ½ and gradients 2, −1."""
    theta, m, v = np.array([1.0]), np.array([0.0]), np.array([0.0])
    coefficients = {"eta": 0.25, "beta1": 0.5, "beta2": 0.75, "epsilon": 0.5}
    # m = ½·2 = 1, m̂ = 1 / (1 − ½) = 2;  v = ¼·4 = 1, v̂ = 1 / (1 − ¾) = 4
    # w = 1 − ¼·2 / (√4 + ½) = 1 − 0.2
    theta, m, v = reference.adam(theta, np.array([2.0]), m, v, step=1, **coefficients)
    close([theta[0], m[0], v[0]], [0.8, 1, 1])
    # m = ½·1 − ½·1 = 0: a second gradient of −1 stops it, w stays;  v = ¾·1 + ¼·1 = 1
    stopped = reference.adam(theta, np.array([-1.0]), m, v, step=2, **coefficients)
    close([a[0] for a in stopped], [0.8, 0, 1])
    # With gradient 1: m = 1, m̂ = 1 / (1 − ¼) = 4/3;  v = 1, v̂ = 1 / (1 − 9/16) = 16/7
    second = reference.adam(theta, np.array([1.0]), m, v, step=2, **coefficients)
    close([a[0] for a in second], [0.8 - 0.25 * (4 / 3) / (4 / math.sqrt(7) + 0.5), 1, 1])
    assert (theta[0], m[0], v[0]) == (0.8, 1, 1)


def test_steps_keep_float32():
    """Also with coefficients that are NumPy float64 scalars."""
    a = np.array([1, 2], dtype="float32")
    tenth = np.float64(0.1)
    for nesterov in (False, True):
        assert {r.dtype for r in reference.sgd(a, a, a, tenth, tenth, nesterov)} == {a.dtype}
    assert {r.dtype for r in reference.adam(a, a, a, a, 1, tenth, tenth, tenth, tenth)} == {a.dtype}


def test_adam_float32_coefficients_are_rounded_once():
    """1 − β₂ = 0.001 is not the difference of two float32 numbers, which is off by 1.6e-5."""
    one, zero = np.ones(1, dtype="float32"), np.zeros(1, dtype="float32")
    _, _, second = reference.adam(one, one, zero, zero, 1, 0.001, 0.9, 0.999, 1e-8)
    close(second, np.array([0.001], dtype="float32"), rtol=1e-7)


# --- Against PyTorch ----------------------------------------------------------------------------


def torch_activation(torch, name):
    functional = torch.nn.functional
    return {
        "identity": lambda s: s.clone(),
        "sigmoid": torch.sigmoid,
        "tanh": torch.tanh,
        "relu": torch.relu,
        "leaky_relu": lambda s: functional.leaky_relu(s, 0.01),
        "elu": functional.elu,
        # PyTorch returns s itself above its threshold, by default 20, where e^−s is still 2e-9
        "softplus": lambda s: functional.softplus(s, threshold=50),
        "silu": functional.silu,
        "gelu": functional.gelu,
        "sin": torch.sin,
        "cos": torch.cos,
        "exp": torch.exp,
        "softmax": lambda s: torch.softmax(s, dim=1),
    }[name]


def torch_losses(torch, loss, S, x, Y):
    """The loss of each example, by PyTorch's own functions."""
    functional = torch.nn.functional
    if loss == "cross_entropy":
        return functional.cross_entropy(S, Y, reduction="none")
    if loss == "binary_cross_entropy":
        return functional.binary_cross_entropy_with_logits(S, Y, reduction="none").sum(dim=1)
    squares = functional.mse_loss(x, Y, reduction="none")
    return {"sse": squares.sum(dim=1), "half_sse": squares.sum(dim=1) / 2}.get(
        loss, squares.mean(dim=1)
    )


def assert_equals_autograd(sizes, activations, loss, *, dtype="float64", n=5, seed=0):
    """S, x, the losses, δ and both reductions of the gradient against autograd."""
    torch = pytest.importorskip("torch")
    weights, X, Y = random_problem(sizes, activations[-1], loss, seed=seed, n=n, dtype=dtype)
    S, x, f, delta, total = passes(weights, X, Y, activations, loss, "sum")
    _, mean = reference.backward(weights, S, x, Y, activations, loss, "mean")

    leaves = [torch.tensor(W, requires_grad=True) for W in weights]
    h, sums, outputs = torch.tensor(X), [], []
    for W, name in zip(leaves, activations, strict=True):
        sums.append(torch.nn.functional.linear(h, W[1:].T, W[0]))
        sums[-1].retain_grad()
        h = torch_activation(torch, name)(sums[-1])
        outputs.append(h)
    theirs = torch_losses(torch, loss, sums[-1], h, torch.tensor(Y))
    theirs.sum().backward()

    # Rounding errors of sums of up to 65 terms over a few layers, relative to the largest entry.
    def same(ours, tensor):
        expected = tensor.detach().numpy()
        close(ours, expected, rtol=0, atol=200 * np.finfo(dtype).eps * np.abs(expected).max())

    same(f, theirs)
    for layer in range(len(weights)):
        same(S[layer], sums[layer])
        same(x[layer + 1] if layer + 1 == len(weights) else x[layer + 1][:, 1:], outputs[layer])
        same(delta[layer], sums[layer].grad)
        same(total[layer], leaves[layer].grad)
        same(mean[layer], leaves[layer].grad / n)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("output", "loss"), OUTPUT_PAIRS)
def test_every_pair_against_autograd(output, loss, dtype):
    for hidden in ELEMENTWISE:
        assert_equals_autograd([4, 5, 3, 2], [hidden, hidden, output], loss, dtype=dtype)


@pytest.mark.parametrize("n", [1, 2, 33])
@pytest.mark.parametrize(
    "sizes", [[1, 1], [65, 10], [7, 1, 3], [16, 33, 8, 10], [3, 4, 5, 6, 5, 4, 3]], ids=str
)
def test_other_sizes_against_autograd(sizes, n):
    mixed = ["sigmoid", "silu", "tanh", "gelu", "leaky_relu"]
    hidden = mixed[: len(sizes) - 2]
    assert_equals_autograd(sizes, [*hidden, "softmax"], "cross_entropy", n=n, seed=n)
    assert_equals_autograd(sizes, [*hidden, "sigmoid"], "binary_cross_entropy", n=n, seed=n)
    assert_equals_autograd(sizes, [*hidden, "softplus"], "mse", n=n, seed=n)


@pytest.mark.parametrize(("momentum", "nesterov"), [(0.0, False), (0.9, False), (0.9, True)])
def test_sgd_against_torch(momentum, nesterov):
    torch = pytest.importorskip("torch")
    parameter = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    theta, velocity = parameter.numpy().copy(), np.zeros(3)
    optimiser = torch.optim.SGD([parameter], lr=0.05, momentum=momentum, nesterov=nesterov)
    for step in range(20):
        gradient = np.cos(theta + step)
        parameter.grad = torch.tensor(gradient)
        optimiser.step()
        theta, velocity = reference.sgd(theta, gradient, velocity, 0.05, momentum, nesterov)
        close(theta, parameter.numpy(), rtol=1e-13)


def test_adam_against_torch():
    torch = pytest.importorskip("torch")
    parameter = torch.tensor([1.0, -2.0, 3.0], dtype=torch.float64)
    theta, first, second = parameter.numpy().copy(), np.zeros(3), np.zeros(3)
    optimiser = torch.optim.Adam([parameter], lr=0.05, betas=(0.9, 0.99), eps=1e-3)
    for step in range(1, 21):
        gradient = np.cos(theta + step)
        parameter.grad = torch.tensor(gradient)
        optimiser.step()
        theta, first, second = reference.adam(
            theta, gradient, first, second, step, 0.05, 0.9, 0.99, 1e-3
        )
        close(theta, parameter.numpy(), rtol=1e-13)
