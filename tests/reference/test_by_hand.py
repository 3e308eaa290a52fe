"""The NumPy twin against hand computation."""

from __future__ import annotations

import math

import numpy as np
import pytest

from loopbp import reference

from .cases import close, passes, random_problem


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
