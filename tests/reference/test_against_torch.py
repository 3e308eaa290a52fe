"""The NumPy twin against PyTorch."""

from __future__ import annotations

import numpy as np
import pytest
from torch_functions import torch_activation, torch_losses

from loopbp import reference

from .cases import ELEMENTWISE, OUTPUT_PAIRS, close, passes, random_problem


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
