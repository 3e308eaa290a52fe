"""Steps of the optimisers by hand, over several steps, and their bits in scalar arithmetic."""

from __future__ import annotations

import numpy as np

from loopbp.kernels import update


def arrays(number, *values):
    return [np.array(value, number) for value in values]


def numbers(number, *values):
    return [number(value) for value in values]


def test_decay_by_hand(call, number):
    """The result may take the gradient's place, and the weights stay."""
    out, w, grad = arrays(number, [9, 9, 9], [1, -2, 0], [4, -8, 0.5])
    call(update.add_decay, out, grad, w, number(0.25))
    # ∂f/∂w + ¼ w: 4 + ¼·1, −8 + ¼·(−2), ½ + 0
    np.testing.assert_array_equal(out, [4.25, -8.5, 0.5])
    np.testing.assert_array_equal(grad, [4, -8, 0.5])
    np.testing.assert_array_equal(w, [1, -2, 0])
    call(update.add_decay, grad, grad, w, number(0.25))
    np.testing.assert_array_equal(grad, out)


def test_descent_by_hand(call, number):
    w, grad = arrays(number, [1, -2, 0], [4, -8, 0.5])
    call(update.descent, w, grad, number(0.25))
    # against the gradient: 1 − ¼·4, −2 + ¼·8, −¼·½
    np.testing.assert_array_equal(w, [0, 0, -0.125])
    np.testing.assert_array_equal(grad, [4, -8, 0.5])


def test_momentum_by_hand(call, number):
    w, v, grad = arrays(number, [1, 0], [0, 8], [2, -1])
    eta, mu = numbers(number, 0.25, 0.5)
    call(update.momentum, w, v, grad, eta, mu)
    # v = 0 + 2 and 4 − 1;  w = 1 − ¼·2 and 0 − ¼·3
    np.testing.assert_array_equal(v, [2, 3])
    np.testing.assert_array_equal(w, [0.5, -0.75])
    call(update.momentum, w, v, grad, eta, mu)
    # v = 1 + 2 and 1.5 − 1;  w = ½ − ¼·3 and −¾ − ¼·½
    np.testing.assert_array_equal(v, [3, 0.5])
    np.testing.assert_array_equal(w, [-0.25, -0.875])
    np.testing.assert_array_equal(grad, [2, -1])


def test_nesterov_by_hand(call, number):
    w, v, grad = arrays(number, [1, 0], [0, 8], [2, -1])
    eta, mu = numbers(number, 0.25, 0.5)
    call(update.nesterov, w, v, grad, eta, mu)
    # v = 2 and 3 as before;  w = 1 − ¼ (2 + ½·2) and 0 − ¼ (−1 + ½·3)
    np.testing.assert_array_equal(v, [2, 3])
    np.testing.assert_array_equal(w, [0.25, -0.125])
    np.testing.assert_array_equal(grad, [2, -1])


def test_adam_by_hand(call, number):
    """Two steps with β₁ = ½, β₂ = ¾, η = ¼, ε = ½."""
    w, m, v, grad = arrays(number, [1, 1], [0, 0], [0, 0], [2, -2])
    coefficients = numbers(number, 0.25, 0.5, 0.5, 0.75, 0.25, 0.5)
    call(update.adam, w, m, v, grad, *coefficients, *numbers(number, 0.5, 0.25))
    # m = ±1, m̂ = ±1 / ½ = ±2;  v = ¼·4 = 1, v̂ = 1 / ¼ = 4;  w = 1 ∓ ¼·2 / (2 + ½)
    np.testing.assert_array_equal(m, [1, -1])
    np.testing.assert_array_equal(v, [1, 1])
    np.testing.assert_allclose(w, [0.8, 1.2], rtol=2 * np.finfo(number).eps)
    grad[:] = 1
    before = w.copy()
    call(update.adam, w, m, v, grad, *coefficients, *numbers(number, 0.75, 0.4375))
    # m = ½·1 + ½ = 1 and −½ + ½ = 0;  v = ¾ + ¼ = 1;  m̂ = 1 / ¾, v̂ = 1 / (7/16)
    np.testing.assert_array_equal(m, [1, 0])
    np.testing.assert_array_equal(v, [1, 1])
    step = 0.25 * (4 / 3) / (4 / np.sqrt(7) + 0.5)
    np.testing.assert_allclose(w, before - np.array([step, 0]), rtol=4 * np.finfo(number).eps)


def test_adam_with_no_gradient_yet_stays(call, number):
    """0 / (√0 + ε) = 0: ε stands outside the root, and keeps the division defined."""
    w, m, v, grad = arrays(number, [1], [0], [0], [0])
    coefficients = numbers(number, 0.1, 0.9, 0.1, 0.999, 0.001, 1e-8)
    call(update.adam, w, m, v, grad, *coefficients, *numbers(number, 0.1, 0.001))
    assert (w[0], m[0], v[0]) == (1, 0, 0)
    # without decay the step is η g / (|g| + ε): half of η where |g| = ε
    grad[:] = 1e-8
    call(update.adam, w, m, v, grad, *numbers(number, 1, 0, 1, 0, 1, 1e-8, 1, 1))
    np.testing.assert_allclose(w, [0.5], rtol=1e-6)


def test_every_operation_is_rounded_in_the_dtype_and_in_the_order_written(call, number):
    steps = 3
    random = np.random.default_rng(5)
    start = random.uniform(-1, 1, 7).astype(number)
    grads = random.uniform(-1, 1, (steps, 7)).astype(number)
    eta, mu, beta1, rest1, beta2, rest2, epsilon = numbers(
        number, 0.3, 0.9, 0.9, 0.1, 0.999, 0.001, 1e-8
    )
    biases = [numbers(number, 1 - 0.9**t, 1 - 0.999**t) for t in range(1, steps + 1)]
    plain, heavy, ahead, adaptive = (start.copy() for _ in range(4))
    v_heavy, v_ahead, m, v = (np.zeros(7, number) for _ in range(4))
    for grad, bias in zip(grads, biases, strict=True):
        call(update.descent, plain, grad, eta)
        call(update.momentum, heavy, v_heavy, grad, eta, mu)
        call(update.nesterov, ahead, v_ahead, grad, eta, mu)
        moments = (adaptive, m, v, grad)
        call(update.adam, *moments, eta, beta1, rest1, beta2, rest2, epsilon, *bias)
    for p in range(7):
        w1 = w2 = w3 = w4 = start[p]
        v2 = v3 = m4 = v4 = number(0)
        for g, (bias1, bias2) in zip(grads[:, p], biases, strict=True):
            w1 = w1 - eta * g
            v2 = mu * v2 + g
            w2 = w2 - eta * v2
            v3 = mu * v3 + g
            w3 = w3 - eta * (g + mu * v3)
            m4 = beta1 * m4 + rest1 * g
            v4 = beta2 * v4 + rest2 * (g * g)
            w4 = w4 - eta * (m4 / bias1) / (np.sqrt(v4 / bias2) + epsilon)
        got = plain[p], heavy[p], ahead[p], adaptive[p], v_heavy[p], v_ahead[p], m[p], v[p]
        assert got == (w1, w2, w3, w4, v2, v3, m4, v4)
