"""Activations: g beside g′, one pair per activation, for one number.

g takes the weighted sum s; g′ takes s and the output x = g(s), whichever gives the simpler
formula. Both return the dtype of s (float32 or float64): constants are written `type(s)(1)`,
because a bare 1.0 would make a float32 result float64. At a kink g′ is the value from the left:
relu′(0) = 0. A NaN goes through every g, so that it is found and not hidden.

`softmax`, whose outputs depend on every s of their layer, is a loop nest and stands at the end.

Sources: Hendrycks and Gimpel, "Gaussian Error Linear Units" (2016), section 2 (gelu, silu);
Clevert, Unterthiner and Hochreiter, "Exponential Linear Units" (2016), equation 15 with α = 1;
Maas, Hannun and Ng, "Rectifier Nonlinearities" (2013), equation 2 with slope 0.01.
"""

from . import elementary
from .compile import kernel, scalar


@scalar
def identity(s):
    """g(s) = s."""
    return s


@scalar
def identity_prime(s, x):
    """g′(s) = 1."""
    return type(s)(1)


@scalar
def sigmoid(s):
    """g(s) = 1 / (1 + e^−s)."""
    return elementary.sigmoid(s)


@scalar
def sigmoid_prime(s, x):
    """g′(s) = x (1 − x)."""
    return x * (type(s)(1) - x)


@scalar
def tanh(s):
    """g(s) = (e^s − e^−s) / (e^s + e^−s)."""
    return elementary.tanh(s)


@scalar
def tanh_prime(s, x):
    """g′(s) = 1 − x²."""
    return type(s)(1) - x * x


@scalar
def relu(s):
    """g(s) = s for s > 0, 0 for s ≤ 0."""
    return type(s)(0) if s <= type(s)(0) else s


@scalar
def relu_prime(s, x):
    """g′(s) = 1 for s > 0, 0 for s ≤ 0."""
    return type(s)(0) if s <= type(s)(0) else type(s)(1)


@scalar
def leaky_relu(s):
    """g(s) = s for s > 0, 0.01 s for s ≤ 0."""
    return type(s)(0.01) * s if s <= type(s)(0) else s


@scalar
def leaky_relu_prime(s, x):
    """g′(s) = 1 for s > 0, 0.01 for s ≤ 0."""
    return type(s)(0.01) if s <= type(s)(0) else type(s)(1)


@scalar
def elu(s):
    """g(s) = s for s > 0, e^s − 1 for s ≤ 0."""
    return elementary.expm1(s) if s <= type(s)(0) else s


@scalar
def elu_prime(s, x):
    """g′(s) = 1 for s > 0, e^s for s ≤ 0."""
    return elementary.exp(s) if s <= type(s)(0) else type(s)(1)


@scalar
def softplus(s):
    """g(s) = ln(1 + e^s)."""
    return elementary.softplus(s)


@scalar
def softplus_prime(s, x):
    """g′(s) = 1 / (1 + e^−s)."""
    return elementary.sigmoid(s)


@scalar
def silu(s):
    """g(s) = s σ(s), where σ is the sigmoid."""
    return s * elementary.sigmoid(s)


@scalar
def silu_prime(s, x):
    """g′(s) = σ(s) (1 + s (1 − σ(s)))."""
    one = type(s)(1)
    sigma = elementary.sigmoid(s)
    return sigma * (one + s * (one - sigma))


@scalar
def normal_cdf(s):
    """Φ(s) = ½ (1 + erf(s / √2)), the distribution function of the standard normal."""
    return type(s)(0.5) * (type(s)(1) + elementary.erf(s * type(s)(0.7071067811865476)))


@scalar
def gelu(s):
    """g(s) = s Φ(s), where Φ is the distribution function of the standard normal."""
    return s * normal_cdf(s)


@scalar
def gelu_prime(s, x):
    """g′(s) = Φ(s) + s φ(s), where φ(s) = e^(−s²/2) / √(2π)."""
    phi = type(s)(0.3989422804014327) * elementary.exp(type(s)(-0.5) * s * s)
    return normal_cdf(s) + s * phi


@scalar
def sin(s):
    """g(s) = sin s."""
    return elementary.sin(s)


@scalar
def sin_prime(s, x):
    """g′(s) = cos s."""
    return elementary.cos(s)


@scalar
def cos(s):
    """g(s) = cos s."""
    return elementary.cos(s)


@scalar
def cos_prime(s, x):
    """g′(s) = −sin s."""
    return -elementary.sin(s)


@scalar
def exp(s):
    """g(s) = e^s."""
    return elementary.exp(s)


@scalar
def exp_prime(s, x):
    """g′(s) = e^s = x."""
    return x


@kernel
def softmax(x, S):
    """x_j = e^(S_j − m) / Σ_k e^(S_k − m), where m = max_k S_k cancels and prevents overflow.

    Modified in place: x (N, J). Read: S (N, J).
    """
    N, J = S.shape
    for n in range(N):
        m = S[n, 0]
        for k in range(1, J):
            if S[n, k] > m:
                m = S[n, k]
        for j in range(J):
            x[n, j] = elementary.exp(S[n, j] - m)
        z = x[n, 0]
        for k in range(1, J):
            z += x[n, k]
        for j in range(J):
            x[n, j] = x[n, j] / z


@kernel
def softmax_delta(delta, dfdx, x):
    """δ_j = Σ_k (∂f/∂x_k)(∂x_k/∂S_j), where ∂x_k/∂S_j = x_k ([k = j] − x_j).

    Modified in place: delta (N, J). Read: dfdx = ∂f/∂x and x, the outputs of `softmax`, (N, J).
    """
    N, J = x.shape
    one, zero = x.dtype.type(1), x.dtype.type(0)
    for n in range(N):
        for j in range(J):
            d = dfdx[n, 0] * (x[n, 0] * ((one if j == 0 else zero) - x[n, j]))
            for k in range(1, J):
                d += dfdx[n, k] * (x[n, k] * ((one if j == k else zero) - x[n, j]))
            delta[n, j] = d
