"""PyTorch's own activations and losses, by the names of the legend."""

from __future__ import annotations


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
