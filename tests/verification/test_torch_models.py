"""`loopbp.verify` on PyTorch models: agreement within rounding, and wrong gradients found."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import two_two_one
from problems import PROBLEMS, Problem
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app

torch = pytest.importorskip("torch", reason="needs torch: pip install loopbp[torch]")
nn = torch.nn

from loopbp.interop.torch import to_torch  # noqa: E402

X = np.array([[0.5, -1.0], [2.0, 0.25], [-0.75, 1.5]])
Y = np.array([[0.5], [-1.0], [2.0]])
LABELS = np.array([0, 2, 1])


def model(dtype: Any = torch.float64, last: Any = None) -> Any:
    """2-4-3 with tanh, always the same weights."""
    random = torch.Generator().manual_seed(3)
    layers = [nn.Linear(2, 4), nn.Tanh(), nn.Linear(4, 3)]
    built = nn.Sequential(*layers, *([] if last is None else [last])).to(dtype)
    with torch.no_grad():
        for parameter in built.parameters():
            parameter.copy_(torch.randn(parameter.shape, generator=random))
    return built


def test_a_gradient_computed_by_hand() -> None:
    # 1-1 linear, w = (½, 3), x = 2, y = 1.5: S = 6.5, δ = 2 (6.5 − 1.5) = 10, ∂f/∂w = (10, 20)
    line = nn.Sequential(nn.Linear(1, 1)).double()
    with torch.no_grad():
        line[0].bias.fill_(0.5)
        line[0].weight.fill_(3.0)
    found = loopbp.verify(line, [[2.0]], [[1.5]], criterion=nn.MSELoss())
    assert [tensor.theirs.item() for tensor in found.tensors] == [10, 20]
    assert [tensor.ours.item() for tensor in found.tensors] == [10, 20]
    assert found.verdict == "agree" and found.loss == 25
    assert found.frame["max_ulps"].tolist() == [0, 0]


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_every_activation_loss_and_shape_agrees(problem: Problem) -> None:
    net, (inputs, targets) = problem.network(), problem.data()
    found = loopbp.verify(to_torch(net), inputs, targets, loss=net.loss)
    assert found.beyond == 0, str(found)
    assert found.verdict == "agree" or not any(tensor.ours.any() for tensor in found.tensors[:1])
    assert {tensor.ours.dtype for tensor in found.tensors} == {net.dtype}


LOSSES: list[tuple[Any, Any, Any, str, str, float]] = [
    (nn.CrossEntropyLoss(), None, LABELS, "cross_entropy", "mean", 1),
    (nn.CrossEntropyLoss(reduction="sum"), None, LABELS, "cross_entropy", "sum", 1),
    (nn.functional.cross_entropy, None, LABELS, "cross_entropy", "mean", 1),
    (nn.CrossEntropyLoss(), None, np.full((3, 3), 1 / 3), "cross_entropy", "mean", 1),
    (nn.NLLLoss(), nn.LogSoftmax(1), LABELS, "cross_entropy", "mean", 1),
    (nn.MSELoss(), None, X[:, [0, 1, 0]], "mse", "mean", 1),
    (nn.MSELoss(reduction="sum"), None, X[:, [0, 1, 0]], "sse", "sum", 1),
    (nn.BCEWithLogitsLoss(), None, np.eye(3), "binary_cross_entropy", "mean", 1 / 3),
    (nn.BCELoss(), nn.Sigmoid(), np.eye(3), "binary_cross_entropy", "mean", 1 / 3),
    (nn.BCELoss(reduction="sum"), nn.Sigmoid(), np.eye(3), "binary_cross_entropy", "sum", 1),
]


@pytest.mark.parametrize(("criterion", "last", "targets", "loss", "reduction", "factor"), LOSSES)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_pytorch_s_own_losses_are_known(
    criterion: Any, last: Any, targets: Any, loss: str, reduction: str, factor: float, dtype: Any
) -> None:
    found = loopbp.verify(model(dtype, last), X, targets, criterion=criterion)
    assert found.verdict == "agree", str(found)
    assert (found.net.loss, found.trace.reduction) == (loss, reduction)
    assert found.factor == pytest.approx(factor)
    assert found.trace.loss is not None
    assert found.loss == pytest.approx(found.trace.loss * factor, rel=1e-6)


class Wrong(torch.autograd.Function):  # type: ignore[misc]
    """tanh whose derivative was forgotten."""

    @staticmethod
    def forward(ctx: Any, s: Any) -> Any:
        return torch.tanh(s)

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        return upstream


class Slightly(torch.autograd.Function):  # type: ignore[misc]
    """tanh whose derivative is off by a millionth."""

    @staticmethod
    def forward(ctx: Any, s: Any) -> Any:
        x = torch.tanh(s)
        ctx.save_for_backward(x)
        return x

    @staticmethod
    def backward(ctx: Any, upstream: Any) -> Any:
        (x,) = ctx.saved_tensors
        return upstream * (1 - x * x) * (1 + 1e-6)


class Own(nn.Module):  # type: ignore[misc]
    """A model of somebody's own, with the weights of `model`."""

    def __init__(self, g: Any) -> None:
        super().__init__()
        given = model()
        self.first, self.second, self.g = given[0], given[2], g

    def forward(self, x: Any) -> Any:
        return self.second(self.g(self.first(x)))


def own(g: Any) -> Any:
    return own_of(Own(g))


def own_of(built: Any) -> Any:
    return loopbp.verify(
        built, X, LABELS, criterion=nn.CrossEntropyLoss(), hidden="tanh", output="softmax"
    )


def test_a_model_of_any_kind_by_the_names_of_its_activations() -> None:
    assert own(torch.tanh).verdict == "agree"


@pytest.mark.parametrize("wrong", [Wrong, Slightly])
def test_a_wrong_derivative_of_g_is_found_where_it_is(wrong: Any) -> None:
    found = own(wrong.apply)
    assert found.verdict == "differ"
    assert found.frame.set_index(["layer", "tensor"])["beyond"].tolist() == [4, 8, 0, 0]
    assert "on the way back, layer 0 is the first that differs" in str(found)


def test_a_model_of_any_kind_without_names_is_refused() -> None:
    with pytest.raises(TypeError, match="Own is no nn.Sequential.* hidden= and output="):
        loopbp.verify(Own(torch.tanh), X, LABELS, criterion=nn.CrossEntropyLoss())


def test_the_first_wrong_layer_is_that_next_to_the_loss() -> None:
    net = loopbp.Network([2, 3, 3, 3, 2], "tanh", "identity", "mse", seed=5)
    built = to_torch(net)
    for index in (0, 4):
        built[index].bias.register_hook(lambda gradient: gradient + 1)
    found = loopbp.verify(built, X, X, loss="mse")
    assert found.frame["beyond"].tolist() == [3, 0, 0, 0, 3, 0, 0, 0]
    assert "on the way back, layer 2 is the first that differs" in str(found)


@pytest.mark.parametrize("loss", ["sse", "half_sse", "mse", "cross_entropy"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_a_loss_by_its_name_alone(loss: str, reduction: str) -> None:
    found = loopbp.verify(model(), X, np.eye(3), loss=loss, reduction=reduction)
    assert found.passed
    assert found.loss == pytest.approx(found.trace.loss, rel=1e-12)


def test_another_activation_than_said_is_found() -> None:
    assert own(torch.sigmoid).verdict == "differ"


def test_a_layer_that_gradients_do_not_reach_is_found() -> None:
    found = own(lambda s: torch.tanh(s).detach())
    rows = found.frame.set_index(["layer", "tensor"])
    assert rows.loc[(0, "weights"), "theirs"] == 0
    assert rows["beyond"].tolist() == [4, 8, 0, 0]


def test_pytorch_s_softplus_beyond_its_threshold_is_no_error() -> None:
    # beyond 20 it is s itself: 7.6e-10 less than ln(1 + e^21), and its derivative is 1
    line = nn.Sequential(nn.Linear(1, 1), nn.Softplus()).double()
    with torch.no_grad():
        line[0].bias.fill_(21.0)
        line[0].weight.fill_(0.0)
    found = loopbp.verify(line, [[1.0]], [[0.0]], loss="half_sse")
    assert found.passed and found.worst.error > 1e-10
    tight = loopbp.verify(to_torch(found.net), [[1.0]], [[0.0]], loss="half_sse")
    assert tight.passed and tight.worst.error < 1e-14


def test_the_broadcasting_mistake_is_found() -> None:
    # targets (N,) against outputs (N, 1): PyTorch subtracts every target from every output
    line = nn.Sequential(nn.Linear(2, 1)).double()
    with pytest.warns(UserWarning, match="target size"):
        found = loopbp.verify(line, X, Y[:, 0], criterion=nn.MSELoss())
    assert found.verdict == "differ"
    assert "MSELoss makes 3 × 3 differences of outputs (3, 1) and targets (3,)" in str(found)
    right = loopbp.verify(line, X, Y, criterion=nn.MSELoss())
    assert right.passed and right.notes == ()


def test_the_broadcasting_mistake_the_other_way_round() -> None:
    class Squeezed(nn.Module):  # type: ignore[misc]
        def __init__(self) -> None:
            super().__init__()
            self.line = nn.Linear(2, 1).double()

        def forward(self, x: Any) -> Any:
            return self.line(x).squeeze(1)

    with pytest.warns(UserWarning, match="target size"):
        found = loopbp.verify(Squeezed(), X, Y, criterion=nn.MSELoss(), output="identity")
    assert "MSELoss makes 3 × 3 differences of outputs (3,) and targets (3, 1)" in str(found)
    right = loopbp.verify(Squeezed(), X, Y[:, 0], criterion=nn.MSELoss(), output="identity")
    assert right.passed and right.notes == ()


def test_softmax_twice_is_found_and_named() -> None:
    found = loopbp.verify(model(last=nn.Softmax(1)), X, LABELS, criterion=nn.CrossEntropyLoss())
    assert found.verdict == "differ"
    assert "the model ends with softmax, and CrossEntropyLoss applies it once more" in str(found)


FACTORS: list[tuple[Any, str, str, str]] = [
    (lambda o, y: ((o - y) ** 2).sum(1).mean(), "mse", "mean", "3 · ours: their loss is a sum ov"),
    (lambda o, y: ((o - y) ** 2).mean(), "sse", "mean", "1/3 · ours: their loss is a mean over t"),
    (lambda o, y: ((o - y) ** 2).sum(1).mean(), "half_sse", "mean", "2 · ours: ours has a ½"),
    (
        lambda o, y: ((o - y) ** 2).sum(1).mean() / 2,
        "sse",
        "mean",
        "1/2 · ours: their loss has a ½",
    ),
    (lambda o, y: -((o - y) ** 2).sum(1).mean(), "sse", "mean", "-1 · ours: the opposite sign"),
    (lambda o, y: ((o - y) ** 2).sum(), "sse", "mean", "2 · ours: their loss is the sum over th"),
    (lambda o, y: ((o - y) ** 2).mean(), "sse", "sum", "1/6 · ours: their loss is the mean over"),
    (lambda o, y: 0.7 * ((o - y) ** 2).sum(1).mean(), "sse", "mean", "0.7 · ours throughout"),
]


@pytest.mark.parametrize(("criterion", "loss", "reduction", "explanation"), FACTORS)
@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_constant_factor_is_explained(
    criterion: Any, loss: str, reduction: str, explanation: str, dtype: Any
) -> None:
    found = loopbp.verify(
        model(dtype), X[:2], np.eye(3)[:2], criterion=criterion, loss=loss, reduction=reduction
    )
    assert found.verdict == "differ"
    assert any(text.startswith(explanation) for text in found.explanations), str(found)
    ratio = found.frame["ratio"].mean()
    accepted = loopbp.verify(
        model(dtype),
        X[:2],
        np.eye(3)[:2],
        criterion=criterion,
        loss=loss,
        reduction=reduction,
        factor=round(ratio * 60) / 60,
    )
    assert accepted.verdict == "agree", str(accepted)


def test_a_factor_in_one_layer_alone_is_not_taken_for_the_loss() -> None:
    found = own(lambda s: torch.tanh(s) * 1.0)
    assert found.passed
    built = model()
    built[0].weight.register_hook(lambda gradient: 2 * gradient)
    found = loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss())
    assert found.explanations == ()
    assert found.frame["ratio"].tolist() == pytest.approx([1, 2, 1, 1])


def test_the_message_names_the_worst_entry() -> None:
    built = model(torch.float32)
    # one entry alone: weight[3, 1] leads from node 2 to node 4
    mask = torch.zeros(4, 2)
    mask[3, 1] = 1.0
    built[0].weight.register_hook(lambda gradient: gradient + mask)
    with pytest.raises(loopbp.VerificationError) as caught:
        loopbp.assert_gradients(built, X, LABELS, criterion=nn.CrossEntropyLoss())
    found = caught.value.verification
    worst = found.worst
    assert (worst.layer, worst.i, worst.j, worst.name) == (0, 2, 4, "0.weight[3, 1]")
    assert worst.theirs - worst.ours == pytest.approx(1, rel=1e-5)
    steps = abs(int(_place(worst.theirs)) - int(_place(worst.ours)))
    assert worst.ulps == steps
    text = str(caught.value)
    assert "Gradients differ: 1 of 27 entries beyond rounding" in text
    assert "layer 0, i = 2, j = 4 (0.weight[3, 1])" in text
    assert f"ours {worst.ours!s}, theirs {worst.theirs!s}" in text
    assert isinstance(caught.value, AssertionError)


def _place(value: Any) -> int:
    """The number's place among the float32 numbers, as an integer that grows with it."""
    bits = int(np.float32(value).view(np.int32))
    return bits if bits >= 0 else -(bits & 0x7FFFFFFF)


def test_frames() -> None:
    found = loopbp.verify(model(), X, LABELS, criterion=nn.CrossEntropyLoss())
    assert found.frame["entries"].tolist() == [4, 8, 3, 12]
    assert found.frame["name"].tolist() == ["0.bias", "0.weight", "2.bias", "2.weight"]
    entries = found.entries_frame
    assert len(entries) == 27 and found.entries == 27
    row = entries[(entries.layer == 1) & (entries.i == 4) & (entries.j == 2)].iloc[0]
    assert row.ours == found.trace.grad[1][4, 1]
    assert row.theirs == found.tensors[3].theirs[3, 1]
    assert "<table" in found._repr_html_() and "agree" in repr(found)


def test_nothing_of_the_model_is_modified() -> None:
    built = model()
    before = {name: value.clone() for name, value in built.state_dict().items()}
    loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss())
    loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss(), dtype="float32")
    assert all(parameter.grad is None for parameter in built.parameters())
    assert all(torch.equal(before[name], value) for name, value in built.state_dict().items())
    with torch.no_grad():
        assert loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss()).passed


def test_a_float64_copy_sees_more() -> None:
    single = loopbp.verify(model(torch.float32), X, LABELS, criterion=nn.CrossEntropyLoss())
    double = loopbp.verify(
        model(torch.float32), X, LABELS, criterion=nn.CrossEntropyLoss(), dtype="float64"
    )
    assert (single.net.dtype, double.net.dtype) == (np.float32, np.float64)
    assert single.resolution / double.resolution == pytest.approx(2**29, rel=0.1)


def test_biases_that_are_not_there_and_frozen_weights_are_left_out() -> None:
    built = nn.Sequential(nn.Linear(2, 4, bias=False), nn.ReLU(), nn.Linear(4, 3)).double()
    built[2].weight.requires_grad_(False)
    found = loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss())
    assert found.passed
    assert found.frame["name"].tolist() == ["0.weight", "2.bias"]
    for parameter in built.parameters():
        parameter.requires_grad_(False)
    with pytest.raises(ValueError, match="parameters that require gradients; got none"):
        loopbp.verify(built, X, LABELS, criterion=nn.CrossEntropyLoss())


def test_images_go_in_flat() -> None:
    built = nn.Sequential(nn.Flatten(), nn.Linear(4, 3))
    images = torch.randn(5, 2, 2, generator=torch.Generator().manual_seed(0))
    found = loopbp.verify(
        built, images, torch.tensor([0, 1, 2, 0, 1]), criterion=nn.CrossEntropyLoss()
    )
    assert found.passed and found.net.sizes == (4, 3)


def test_a_worst_case_that_says_too_little_gives_way_to_the_likely_bound() -> None:
    net = loopbp.Network([200] * 4 + [3], hidden="relu", init="he", dtype="float32", seed=2)
    random = np.random.default_rng(1)
    inputs, labels = random.uniform(-1, 1, (4, 200)), np.array([0, 1, 2, 1])
    built = to_torch(net, logits=True)
    found = loopbp.verify(built, inputs, labels, criterion=nn.CrossEntropyLoss())
    assert found.verdict == "agree" and found.frame["likely"].any()
    assert "bounds of independent roundings" in str(found)
    double = loopbp.verify(built, inputs, labels, criterion=nn.CrossEntropyLoss(), dtype="float64")
    assert double.verdict == "agree" and not double.frame["likely"].any()
    built[0].weight.register_hook(lambda gradient: 1.5 * gradient)
    wrong = loopbp.verify(built, inputs, labels, criterion=nn.CrossEntropyLoss())
    assert wrong.verdict == "differ" and wrong.worst.layer == 0


def test_what_rounding_could_hide_is_not_said_to_agree() -> None:
    # S = 1 + 10⁸ − 10⁸: float32 loses the 1, so that rounding alone turns δ = 2 (1 − ½) round
    net = loopbp.Network(
        [2, 1], (), "identity", "sse", init=np.array([1, 1e8, -1e8]), dtype="float32"
    )
    line, inputs, targets = to_torch(net), [[1.0, 1.0]], [[0.5]]
    found = loopbp.verify(line, inputs, targets, loss="sse")
    assert found.trace.delta is not None and found.trace.delta[0].item() == -1
    assert found.verdict == "undecided" and not found.passed
    with pytest.raises(AssertionError, match=r'not verified(.|\n)*dtype="float64" tells'):
        loopbp.assert_gradients(line, inputs, targets, loss="sse")
    double = loopbp.verify(line, inputs, targets, loss="sse", dtype="float64")
    assert double.passed and double.tensors[0].ours.item() == 1


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({}, "loss: expected its name, sse, half_sse, .*; or as criterion one of PyTorch's own"),
    ({"criterion": nn.MSELoss()}, r"Y: expected shape \(N, 3\), .*as MSELoss takes; got .*\(3,\)"),
    ({"criterion": nn.CrossEntropyLoss(), "loss": "mse"}, "CrossEntropyLoss is cross_entropy here"),
    ({"criterion": nn.CrossEntropyLoss(label_smoothing=0.1)}, "expected label_smoothing=0"),
    ({"criterion": nn.CrossEntropyLoss(ignore_index=2)}, "ignore_index that is no class; got 2"),
    ({"criterion": nn.CrossEntropyLoss(weight=torch.ones(3).double())}, "expected weight=None"),
    ({"criterion": nn.CrossEntropyLoss(reduction="none")}, "'mean' or 'sum'; got 'none'"),
    ({"criterion": lambda o, y: o, "loss": "sse"}, "criterion: expected one number"),
    ({"criterion": nn.L1Loss()}, "loss: expected its name, .*, which L1Loss does not say"),
    ({"criterion": "mse"}, "criterion: expected a loss of PyTorch or a function"),
    (
        {"criterion": nn.BCELoss(), "hidden": nn.Tanh()},
        "hidden: expected the name of an activation",
    ),
    ({"criterion": lambda o, y: o.detach().sum(), "loss": "sse"}, "a loss that depends on the wei"),
    ({"loss": "mse", "net": two_two_one()}, "net: not with this kind of subject"),
    ({"loss": "mse", "factor": 0.0}, "factor: expected a number that is not 0"),
    ({"loss": "mse", "reduction": "none"}, "reduction: expected one of mean, sum"),
    ({"loss": "mse", "dtype": "float16"}, "dtype: expected one of float32, float64"),
    ({"loss": "cross_entropy", "hidden": "tanh", "output": "softmax"}, "criterion: expected it"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_does_not_fit_is_refused(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        loopbp.verify(model(), X, LABELS, **options)


@pytest.mark.parametrize(
    ("inputs", "labels", "message"),
    [
        (np.ones((3, 4)), LABELS, r"X: expected shape \(N, 2\), .*; got \(3, 4\)"),
        (X, np.array([0, 3, 1]), "Y: expected labels from 0 to 2; got 3 in row 1"),
        (X, LABELS[:2], "Y: expected 3 rows, one per row of X"),
    ],
)
def test_examples_that_do_not_fit_are_refused_before_the_model_sees_them(
    inputs: Any, labels: Any, message: str
) -> None:
    with pytest.raises(ValueError, match=message):
        loopbp.verify(model(), inputs, labels, criterion=nn.CrossEntropyLoss())


def test_labels_of_one_output_need_its_shape() -> None:
    line = nn.Sequential(nn.Linear(2, 1), nn.Sigmoid()).double()
    with pytest.raises(ValueError, match=r"Y: expected shape \(3, 1\), that of the outputs, as B"):
        loopbp.verify(line, X, np.array([0, 1, 1]), criterion=nn.BCELoss())
    assert loopbp.verify(line, X, np.array([[0], [1], [1]]), criterion=nn.BCELoss()).passed


def test_a_class_is_no_model_and_no_examples_are_none() -> None:
    with pytest.raises(TypeError, match=r"expected a model, not its class: Own\(…\)"):
        loopbp.verify(Own, X, LABELS, criterion=nn.CrossEntropyLoss())
    with pytest.raises(ValueError, match="X: expected at least one example"):
        loopbp.verify(model(), X[:0], LABELS[:0], criterion=nn.CrossEntropyLoss())


def test_parts_that_no_network_has_are_refused_in_any_model() -> None:
    class Between(Own):
        def __init__(self, part: Any) -> None:
            super().__init__(torch.tanh)
            self.part = part

    for part, message in (
        (nn.Dropout(0.5), r"'part' \(Dropout\): expected a model in eval mode"),
        (nn.BatchNorm1d(4), r"'part' \(BatchNorm1d\): a normalisation"),
        (nn.LayerNorm(4), r"'part' \(LayerNorm\): a normalisation"),
    ):
        with pytest.raises(ValueError, match=message):
            own_of(Between(part))
    assert own_of(Between(nn.Dropout(0.5)).eval()).passed


def test_weights_that_are_computed_are_refused_and_frozen_ones_named() -> None:
    from torch.nn.utils import prune

    pruned = Own(torch.tanh)
    prune.l1_unstructured(pruned.second, "weight", 0.5)
    with pytest.raises(ValueError, match=r"second\.weight: expected a parameter of the layer itse"):
        own_of(pruned)
    prune.remove(pruned.second, "weight")
    pruned.first.weight.requires_grad_(False)
    found = own_of(pruned)
    assert found.passed
    assert found.notes == ("not compared, since they require no gradient: first.weight",)


def test_weights_that_overflow_are_refused() -> None:
    built = model(torch.float32)
    with torch.no_grad():
        built[2].weight.fill_(3e38)
    with pytest.raises(ValueError, match="gradients are finite"), np.errstate(all="ignore"):
        loopbp.verify(built, X, np.eye(3), loss="mse")


# --- The command. -------------------------------------------------------------------------------

MODULE = """
import torch
from torch import nn

torch.manual_seed(0)
model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 1))
criterion = nn.MSELoss()

def make():
    return model

def doubled(outputs, targets):
    return 2 * criterion(outputs, targets)

class Holder:
    inner = model

class Own(nn.Linear):
    pass

own = Own(2, 1)
MARGIN = 0.5
"""


@pytest.fixture
def mine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> str:
    """A folder with a module and a table; the module's name."""
    name = f"mine_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(MODULE)
    (tmp_path / "data.csv").write_text("a,b,y\n0.5,1,0.1\n-1,2,0.7\n1.5,-0.5,-0.2\n")
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("COLUMNS", "80")
    return name


def command(*arguments: str) -> Any:
    return CliRunner().invoke(app, ["verify", *arguments, "--data", "data.csv"])


@pytest.mark.parametrize("place", ["{}:model", "{}.py:model", "{}:make", "{}:Holder.inner"])
def test_the_command_imports_a_model(place: str, mine: str) -> None:
    result = command(place.format(mine), "--criterion", "criterion", "--csv", "all.csv")
    assert result.exit_code == 0, result.output
    assert "Gradients agree: 13 entries within rounding" in result.stdout
    assert max(len(line) for line in result.stdout.splitlines()) <= 80
    assert len(Path("all.csv").read_text().splitlines()) == 14


def test_the_command_fails_where_gradients_differ(mine: str) -> None:
    result = command(f"{mine}:model", "--criterion", "doubled", "--loss", "mse")
    assert result.exit_code == 1
    assert "theirs = 2 · ours" in result.stdout
    passed = command(f"{mine}:model", "--criterion", "doubled", "--loss", "mse", "--factor", "2")
    assert passed.exit_code == 0


def test_the_command_says_what_is_missing(mine: str) -> None:
    for place, message in (
        (mine, "expected both, as in mine:model"),
        (f"{mine}:nothing", "there is no 'nothing' in"),
        ("no_such_module:model", "No module named 'no_such_module'"),
        ("nothing.py:model", "there is no such file"),
        (f"{mine}:MARGIN", "MODULE:OBJECT: expected a PyTorch model, or a JAX function and"),
        (f"{mine}:doubled", "MODULE:OBJECT: expected a PyTorch model, or a JAX function and"),
        (f"{mine}:Own", "MODULE:OBJECT: expected a PyTorch model, or a JAX function and"),
        (f"{mine}:own", "MODULE:OBJECT: Own is no nn.Sequential"),
    ):
        result = command(place, "--loss", "mse")
        assert result.exit_code == 2
        assert message in " ".join(result.stderr.split())
    assert "--criterion or --loss: expected the loss; got neither" in command(f"{mine}:make").stderr


def test_the_command_says_that_the_data_does_not_fit(mine: str) -> None:
    Path("data.csv").write_text("a,b,c,y\n0.5,1,0,0.1\n-1,2,0,0.7\n")
    result = command(f"{mine}:model", "--criterion", "criterion")
    assert result.exit_code == 2
    assert result.stderr.startswith("Error: data: expected shape (N, 2), one row per example; got")


def test_the_help_says_that_the_module_is_executed() -> None:
    text = " ".join(CliRunner().invoke(app, ["verify", "--help"]).stdout.split())
    assert "which executes it: name only code that you trust" in text


def test_ulps_are_shown_in_full_up_to_a_million() -> None:
    from loopbp.verification.tensor import counted

    assert counted(999_999) == "999,999" and counted(1.5) == "1.5"
    assert counted(12_345_678) == "1.2e+07" and counted(math.inf) == "inf"
