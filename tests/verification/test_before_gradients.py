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


@pytest.mark.parametrize("dtype", [None, "float64"])
def test_a_penalty_that_holds_the_weights_is_seen_in_either_dtype(dtype: Any) -> None:
    model = Deep()
    before = [parameter.data_ptr() for parameter in model.parameters()]

    def penalised(outputs: Any, targets: Any) -> Any:
        return ENTROPY(outputs, targets) + 0.5 * sum((p**2).sum() for p in model.parameters())

    names = {"loss": "cross_entropy", "hidden": "tanh", "output": "softmax", "dtype": dtype}
    result = loopbp.verify(model, X, LABELS, criterion=penalised, **names)
    assert result.verdict == "differ" and result.before.startswith(LOSSES)
    assert [parameter.data_ptr() for parameter in model.parameters()] == before
    assert {parameter.dtype for parameter in model.parameters()} == {torch.float32}


def test_what_is_known_less_well_than_the_error_is_not_said_to_agree() -> None:
    # λ Σ p² with λ = 1e-6 changes the loss by less than its rounding may: nothing is told
    model = Deep()

    def penalised(outputs: Any, targets: Any) -> Any:
        return ENTROPY(outputs, targets) + 1e-6 * sum((p**2).sum() for p in model.parameters())

    assert found(model, loss="cross_entropy", criterion=penalised).before == ""


@pytest.mark.parametrize("size", [1.0, 1e-2])
def test_a_wrong_function_that_hardly_shows_is_not_said_to_be_right(size: float) -> None:
    # gelu by its approximation: the outputs differ by about 1e-4, or not at all where S is small
    model = Deep(lambda s: nn.functional.gelu(s, approximate="tanh"))
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(size)
    result = found(model, ["tanh", "gelu"])
    assert abs(result.loss - float(result.trace.loss)) < 1e-3
    assert result.before != BACKWARD


def test_outputs_that_are_zero_anyway_prove_nothing() -> None:
    model = Deep(torch.relu)
    with torch.no_grad():
        model.c.weight.zero_()
    result = found(model, "tanh")
    assert result.verdict == "differ" and result.before == ""


@pytest.mark.parametrize(
    ("end", "criterion", "output", "gives", "takes"),
    [
        (None, nn.MSELoss(), "sigmoid", "the weighted sums", "the outputs"),
        (nn.Softmax(1), ENTROPY, "softmax", "the outputs", "the weighted sums"),
        (nn.Sigmoid(), nn.BCEWithLogitsLoss(), "sigmoid", "the outputs", "the weighted sums"),
        (None, nn.NLLLoss(), "softmax", "the weighted sums", "the logarithms"),
    ],
)
def test_a_last_activation_that_is_missing_or_there_twice(
    end: Any, criterion: Any, output: str, gives: str, takes: str
) -> None:
    labels = isinstance(criterion, nn.CrossEntropyLoss | nn.NLLLoss)
    targets = LABELS if labels else np.eye(3)[LABELS]
    result = loopbp.verify(
        Deep(end=end), X, targets, criterion=criterion, hidden="tanh", output=output
    )
    assert result.before.startswith(f"the model gives {gives} of")
    assert f"and the loss takes {takes} of" in result.before


def test_a_factor_that_arises_on_the_way_back_is_not_the_loss_s() -> None:
    model = Deep()
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: 2 * gradient)
    result = found(model)
    assert result.before == BACKWARD
    assert result.explanations == ("2 · ours throughout, by a factor on the way back",)


def test_a_constant_in_the_loss_has_no_gradient_and_is_noted() -> None:
    def shifted(outputs: Any, targets: Any) -> Any:
        return ENTROPY(outputs, targets) + 1

    result = found(Deep(), loss="cross_entropy", criterion=shifted)
    assert result.passed and any("the losses differ" in note for note in result.notes)
    assert found(Deep()).notes == ()


def test_outputs_of_another_shape_are_not_judged() -> None:
    class Turned(Deep):
        def forward(self, x: Any) -> Any:
            return super().forward(x).T

    def turned(outputs: Any, targets: Any) -> Any:
        return 1.5 * ENTROPY(outputs.T, targets) + 0.1 * outputs.pow(2).mean()

    result = found(Turned(), loss="cross_entropy", criterion=turned)
    assert result.verdict == "differ" and not result.before.startswith(OUTPUTS)


def test_a_model_that_changes_its_batch() -> None:
    class Scaling(Deep):
        def forward(self, x: Any) -> Any:
            x /= 255
            return super().forward(x)

    inputs = torch.tensor(X).float()
    given = inputs.clone()
    result = loopbp.verify(
        Scaling(), inputs, LABELS, criterion=ENTROPY, hidden="tanh", output="softmax"
    )
    assert result.before.startswith(OUTPUTS) and torch.equal(inputs, given)


def test_buffers_and_random_numbers_are_as_they_were() -> None:
    class Counting(Deep):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("count", torch.zeros(1))

        def forward(self, x: Any) -> Any:
            self.count += torch.rand(1)
            return super().forward(x)

    model, state = Counting(), torch.get_rng_state()
    assert found(model).passed
    assert model.count.item() == 0 and torch.equal(torch.get_rng_state(), state)


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


class Chain(nn.Module):  # type: ignore[misc]
    """Linear layers of these sizes with g between them, as PyTorch initialises them."""

    def __init__(self, sizes: tuple[int, ...], g: Any, seed: int) -> None:
        super().__init__()
        torch.manual_seed(seed)
        self.layers = nn.ModuleList(map(nn.Linear, sizes, sizes[1:]))
        self.g = g

    def forward(self, x: Any) -> Any:
        for layer in self.layers[:-1]:
            x = self.g(layer(x))
        return self.layers[-1](x)


@pytest.mark.parametrize(
    ("sizes", "g", "hidden"),
    [
        ((64, 64, 64, 64, 64, 1), lambda s: nn.functional.elu(s, 0.99), "elu"),
        ((16, 128, 128, 128, 128, 128, 1), nn.functional.leaky_relu, "relu"),
        ((64, 16, 16, 1), lambda s: nn.functional.gelu(s, approximate="tanh"), "gelu"),
    ],
)
def test_outputs_within_loose_bounds_are_not_said_to_be_right(
    sizes: tuple[int, ...], g: Any, hidden: str
) -> None:
    # outputs and losses are within the bounds of other functions that are almost the described ones
    for seed in range(11):
        model = Chain(sizes, g, seed)
        inputs, targets = torch.randn(8, sizes[0]), torch.randn(8, 1)
        result = loopbp.verify(
            model, inputs, targets, criterion=nn.MSELoss(), hidden=hidden, output="identity"
        )
        assert result.before != BACKWARD, seed


@pytest.mark.parametrize("penalty", [0.1, 0.01])
def test_a_large_loss_hides_what_is_added_to_it(penalty: float) -> None:
    # 1.1e5 + 0.7: less than one part in 1e5, and the gradient of it is beyond rounding
    model = Chain((4, 16, 1), torch.tanh, 0)
    inputs, targets = torch.randn(64, 4), 300 * torch.randn(64, 1)

    def penalised(outputs: Any, y: Any) -> Any:
        squares = sum((p**2).sum() for p in model.parameters())
        return nn.functional.mse_loss(outputs, y) + penalty * squares

    result = loopbp.verify(
        model, inputs, targets, criterion=penalised, loss="mse", hidden="tanh", output="identity"
    )
    assert result.verdict == "differ" and result.before != BACKWARD


@pytest.mark.parametrize("scale", [1, 2])
def test_the_loss_may_have_the_expected_factor_or_not(scale: int) -> None:
    model = Deep()
    for parameter in model.parameters():
        parameter.register_hook(lambda gradient: 2 * gradient / scale)
    model.a.weight.register_hook(lambda gradient: -gradient)
    result = loopbp.verify(
        model, X, LABELS, criterion=lambda o, y: scale * ENTROPY(o, y), loss="cross_entropy",
        hidden="tanh", output="softmax", factor=2,
    )  # fmt: skip
    assert result.beyond == 8 and result.before == BACKWARD
