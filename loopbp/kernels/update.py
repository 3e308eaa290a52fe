"""Gradient-descent steps over the flat vector of all parameters.

Every step is taken against the gradient, which has been computed at the old weights before any
weight is changed. Arrays are (P,) of one dtype; the numbers are of the same dtype.

Sources: Polyak, "Some methods of speeding up the convergence of iteration methods" (1964);
Sutskever, Martens, Dahl and Hinton, "On the importance of initialization and momentum in deep
learning" (2013); Kingma and Ba, "Adam" (2015), algorithm 1; Krogh and Hertz, "A simple weight
decay can improve generalization" (1991), equation 2.
"""

import numpy as np

from .compile import kernel


@kernel
def add_decay(out, grad, w, decay):
    """∂f/∂w + λ w: the gradient of f + λ/2 Σ w², which a step may be taken against.

    Modified in place: out (P,), which may be grad itself. Read: grad and w, both (P,), of weights
    that are not biases; decay, λ.
    """
    for p in range(w.shape[0]):
        out[p] = grad[p] + decay * w[p]


@kernel
def descent(w, grad, eta):
    """w ← w − η ∂f/∂w.

    Modified in place: w (P,). Read: grad (P,); eta, the learning rate.
    """
    for p in range(w.shape[0]):
        w[p] -= eta * grad[p]


@kernel
def momentum(w, v, grad, eta, mu):
    """v ← μ v + ∂f/∂w, then w ← w − η v.

    Modified in place: w and the velocity v, both (P,). Read: grad (P,); eta, mu.
    """
    for p in range(w.shape[0]):
        v[p] = mu * v[p] + grad[p]
        w[p] -= eta * v[p]


@kernel
def nesterov(w, v, grad, eta, mu):
    """v ← μ v + ∂f/∂w, then w ← w − η (∂f/∂w + μ v): a look ahead along the new velocity.

    Modified in place: w and the velocity v, both (P,). Read: grad (P,); eta, mu.
    """
    for p in range(w.shape[0]):
        v[p] = mu * v[p] + grad[p]
        w[p] -= eta * (grad[p] + mu * v[p])


@kernel
def adam(w, m, v, grad, eta, beta1, rest1, beta2, rest2, epsilon, bias1, bias2):
    """m ← β₁ m + (1 − β₁) ∂f/∂w, v ← β₂ v + (1 − β₂) (∂f/∂w)², w ← w − η m̂ / (√v̂ + ε).

    m̂ = m / bias1 and v̂ = v / bias2, where bias1 = 1 − β₁^t and bias2 = 1 − β₂^t at step t.
    rest1 = 1 − β₁ and rest2 = 1 − β₂ come ready-made, since float32 would round them badly.
    Modified in place: w and the moments m and v, all (P,). Read: grad (P,) and the numbers.
    """
    for p in range(w.shape[0]):
        m[p] = beta1 * m[p] + rest1 * grad[p]
        v[p] = beta2 * v[p] + rest2 * (grad[p] * grad[p])
        w[p] -= eta * (m[p] / bias1) / (np.sqrt(v[p] / bias2) + epsilon)
