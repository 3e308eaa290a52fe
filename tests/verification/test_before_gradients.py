"""Where gradients differ: what is said of the outputs and of the loss, which come first."""

from __future__ import annotations

from typing import Any

import numpy as np
import pandas as pd
import pytest

import loopbp

torch = pytest.importorskip("torch", reason="needs torch: pip install loopbp[torch]")
nn = torch.nn

RANDOM = np.random.default_rng(5)
X, Y, LABELS = RANDOM.normal(size=(6, 2)), RANDOM.normal(size=(6, 3)), np.array([0, 2, 1, 1, 0, 2])
ENTROPY = nn.CrossEntropyLoss()
OUTPUTS = "the outputs differ before any gradient does"
LOSSES = "the losses differ before any gradient does"
BACKWARD = "outputs and loss agree: the difference arises on the way back"


class Deep(nn.Module):  # type: ignore[misc]
    """2-4-4-3; a spare layer is not used; `end` is what follows the sums."""

    def __init__(self, g: Any = torch.tanh, *, spare: bool = False, end: Any = None) -> None:
        super().__init__()
        self.a, self.b, self.c = nn.Linear(2, 4), nn.Linear(4, 4), nn.Linear(4, 3)
        if spare:
            self.spare = nn.Linear(3, 3)
        self.g, self.end = g, end
        random = torch.Generator().manual_seed(7)
        with torch.no_grad():
            for parameter in self.parameters():
                parameter.copy_(torch.randn(parameter.shape, generator=random))

    def forward(self, x: Any) -> Any:
        S = self.c(self.g(self.b(torch.tanh(self.a(x)))))
        return S if self.end is None else self.end(S)


def found(
    model: Any,
    hidden: Any = "tanh",
    loss: Any = None,
    criterion: Any = ENTROPY,
    targets: Any = None,
) -> Any:
    output = "softmax" if loss in (None, "cross_entropy") else "identity"
    return loopbp.verify(
        model,
        X,
        LABELS if targets is None else targets,
        criterion=criterion,
        hidden=hidden,
        output=output,
        loss=loss,
    )


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_another_network_than_described_is_told_by_its_outputs(dtype: Any) -> None:
    model = Deep().to(dtype)
    result = found(model, ["tanh", "relu"])
    assert str(result).splitlines()[1].startswith(OUTPUTS)
    assert "check hidden=, output=, and that every layer is used once" in result.before
    assert found(model).passed and found(model).before == ""


def test_a_layer_that_forward_does_not_use_is_named() -> None:
    result = found(Deep(spare=True))
    assert result.before.startswith(OUTPUTS)
    assert "the loss does not depend on 'spare' of the model: not used in forward" in str(result)


@pytest.mark.parametrize(
    ("end", "criterion"),
    [
        (None, ENTROPY),
        (nn.Softmax(1), lambda x, y: nn.functional.nll_loss(x.log(), y)),
        (nn.LogSoftmax(1), nn.NLLLoss()),
    ],
    ids=["S", "x", "ln x"],
)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_backward_pass_alone_is_told_whatever_the_model_gives_out(
    end: Any, criterion: Any, dtype: Any
) -> None:
    class Forgotten(torch.autograd.Function):  # type: ignore[misc]
        """tanh without its derivative."""

        @staticmethod
        def forward(ctx: Any, s: Any) -> Any:
            return torch.tanh(s)

        @staticmethod
        def backward(ctx: Any, upstream: Any) -> Any:
            return upstream

    result = found(Deep(Forgotten.apply, end=end).to(dtype), "tanh", "cross_entropy", criterion)
    assert result.verdict == "differ" and result.before == BACKWARD
    assert loopbp.verify(
        Deep(end=end).to(dtype), X, LABELS, criterion=criterion, loss="cross_entropy",
        hidden="tanh", output="softmax",
    ).passed  # fmt: skip


def test_the_mean_over_the_outputs_is_no_other_loss() -> None:
    # BCEWithLogitsLoss is a third of binary_cross_entropy here, and known to be
    frozen = Deep(lambda s: torch.tanh(s).detach())
    result = loopbp.verify(
        frozen, X, np.eye(3)[LABELS], criterion=nn.BCEWithLogitsLoss(), hidden="tanh",
        output="sigmoid",
    )  # fmt: skip
    assert result.factor == pytest.approx(1 / 3)
    assert result.verdict == "differ" and result.before == BACKWARD


def test_another_loss_than_named_is_told() -> None:
    def penalised(outputs: Any, targets: Any) -> Any:
        return ENTROPY(outputs, targets) + 0.1 * outputs.pow(2).mean()

    result = found(Deep(), loss="cross_entropy", criterion=penalised)
    assert result.before.startswith(f"{LOSSES}: the loss is not the one described; check loss=")


def test_a_constant_factor_is_explained_and_nothing_else_is_blamed() -> None:
    def doubled(outputs: Any, targets: Any) -> Any:
        return 2 * (outputs - targets).pow(2).sum(1).mean()

    result = found(Deep(), loss="sse", criterion=doubled, targets=torch.tensor(Y).float())
    assert result.verdict == "differ" and result.before == ""
    assert "theirs = 2 · ours" in str(result)


def test_without_outputs_the_loss_tells() -> None:
    jax = pytest.importorskip("jax", reason="needs jax: pip install loopbp[jax]")
    W, b = RANDOM.normal(size=(2, 4)), RANDOM.normal(size=4)
    V, c = RANDOM.normal(size=(4, 3)), RANDOM.normal(size=3)

    def loss(parameters: Any, x: Any, y: Any) -> Any:
        (W, b), (V, c) = parameters
        return jax.numpy.mean(jax.numpy.sum((jax.nn.relu(x @ W + b) @ V + c - y) ** 2, axis=1))

    names = {"output": "identity", "loss": "sse"}
    result = loopbp.verify(loss, [(W, b), (V, c)], X, Y, hidden="tanh", **names)
    assert result.before.startswith(f"{LOSSES}: the forward pass or the loss is not the one desc")
    assert loopbp.verify(loss, [(W, b), (V, c)], X, Y, hidden="relu", **names).passed


def test_data_frames_are_read() -> None:
    frame, series = pd.DataFrame(X, columns=["a", "b"]), pd.Series(LABELS, index=list("abcdef"))
    result = loopbp.verify(
        Deep(), frame, series, criterion=ENTROPY, hidden="tanh", output="softmax"
    )
    assert result.passed
    assert result.loss == found(Deep()).loss
