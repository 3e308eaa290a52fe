"""PyTorch's Sequential and state_dict: the same bits both ways, and what is refused."""

from __future__ import annotations

import io
import pickle
import warnings
import zipfile
from collections import OrderedDict
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import networks, same, two_two_one
from hypothesis import given, settings
from problems import PROBLEMS, Problem

from loopbp.npz import FileError
from loopbp.rounding import forward_bounds

torch = pytest.importorskip("torch", reason="needs torch: pip install loopbp[torch]")
nn = torch.nn

from loopbp.interop import torch as interop  # noqa: E402
from loopbp.interop.torch import from_torch, to_torch  # noqa: E402


def typed_in() -> Any:
    """The model of `two_two_one`, its weights as PyTorch has them: (out, in)."""
    model = nn.Sequential(nn.Linear(2, 2), nn.Tanh(), nn.Linear(2, 1)).double()
    with torch.no_grad():
        model[0].weight.copy_(torch.tensor([[1.0, -2.0], [3.0, 4.0]]))
        model[0].bias.copy_(torch.tensor([0.25, 0.5]))
        model[2].weight.copy_(torch.tensor([[5.0, -6.0]]))
        model[2].bias.copy_(torch.tensor([-1.0]))
    return model


def test_weights_that_were_typed_in_go_to_their_places() -> None:
    assert same(from_torch(typed_in()), two_two_one())
    state = to_torch(two_two_one()).state_dict()
    assert list(state) == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert state["0.weight"].tolist() == [[1, -2], [3, 4]]
    assert state["2.weight"].tolist() == [[5, -6]]
    assert state["0.bias"].tolist() == [0.25, 0.5]


@given(networks())
@settings(deadline=None, max_examples=60)
def test_a_round_trip_keeps_every_bit(net: Any) -> None:
    assert same(from_torch(to_torch(net), loss=net.loss), net)
    state = to_torch(net).state_dict()
    again = from_torch(state, hidden=net.hidden, output=net.output, loss=net.loss)
    assert same(again, net)


@given(networks())
@settings(deadline=None, max_examples=20)
def test_a_model_without_its_last_activation_makes_the_same_network(net: Any) -> None:
    if net.loss in ("cross_entropy", "binary_cross_entropy"):
        model = to_torch(net, logits=True)
        assert type(model[-1]) is nn.Linear
        assert same(from_torch(model, loss=net.loss), net)


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_forward_pass_agrees_within_rounding(problem: Problem) -> None:
    net, (X, _) = problem.network(), problem.data()
    trace = net.forward(X)
    with torch.no_grad():
        theirs = to_torch(net)(torch.from_numpy(X)).numpy()
    assert theirs.dtype == net.dtype
    gap = np.abs(theirs.astype(float) - trace.x[-1])
    assert (gap <= 2 * forward_bounds(trace).x[-1]).all()


def test_a_nested_model_with_what_does_nothing_at_evaluation() -> None:
    inner = nn.Sequential(nn.Identity(), nn.Linear(3, 4), nn.Dropout(0.5), nn.ReLU())
    model = nn.Sequential(
        OrderedDict(flat=nn.Flatten(), first=inner, second=nn.Linear(4, 2), end=nn.Softmax(dim=-1))
    )
    net = from_torch(model.eval())
    assert (net.sizes, net.hidden, net.output) == ((3, 4, 2), ("relu",), "softmax")
    assert net.W[1][1:].tobytes() == model.second.weight.detach().numpy().T.tobytes()
    with pytest.raises(ValueError, match=r"layer 3 \(Dropout, 'first.2'\): .*eval"):
        from_torch(model.train())


def test_a_layer_without_an_activation_is_linear() -> None:
    net = from_torch(nn.Sequential(nn.Linear(3, 4), nn.Linear(4, 2)))
    assert (net.hidden, net.output, net.loss) == (("identity",), "identity", "mse")
    assert from_torch(nn.Linear(3, 2)).sizes == (3, 2)


def test_an_activation_that_stands_in_two_places_counts_twice() -> None:
    relu = nn.ReLU()
    net = from_torch(nn.Sequential(nn.Linear(2, 2), relu, nn.Linear(2, 2), relu, nn.Linear(2, 1)))
    assert net.activations == ("relu", "relu", "identity")


def test_missing_biases_become_zeros_and_that_is_said() -> None:
    model = nn.Sequential(nn.Linear(2, 3, bias=False), nn.Sigmoid(), nn.Linear(3, 2))
    with pytest.warns(UserWarning, match=r"0\.weight: .*no biases.*training will change them"):
        net = from_torch(model)
    assert not net.W[0][0].any() and net.W[1][0].any()


def test_the_loss_that_goes_with_the_output() -> None:
    logits = nn.Sequential(nn.Linear(2, 3))
    assert from_torch(logits).loss == "mse"
    assert from_torch(logits, loss="cross_entropy").output == "softmax"
    assert from_torch(logits, loss="binary_cross_entropy").output == "sigmoid"
    assert from_torch(nn.Sequential(nn.Linear(2, 3), nn.Softmax(1))).loss == "cross_entropy"
    assert from_torch(nn.Sequential(nn.Linear(2, 3), nn.LogSoftmax(1))).output == "softmax"
    with pytest.raises(ValueError, match="LogSoftmax goes with cross_entropy; got 'mse'"):
        from_torch(nn.Sequential(nn.Linear(2, 3), nn.LogSoftmax(1)), loss="mse")


class Doubled(nn.Tanh):  # type: ignore[misc]
    """A subclass that computes something else."""

    def forward(self, s: Any) -> Any:
        return 2 * super().forward(s)


def hooked() -> Any:
    layer = nn.Linear(2, 2)
    layer.register_forward_hook(lambda module, given, out: out + 1)
    return layer


SHARED = nn.Linear(2, 2)
REFUSED: list[tuple[Callable[[], Any], str]] = [
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.BatchNorm1d(2)), r"layer 1 \(BatchNorm1d, '1'\)"),
    (lambda: nn.Sequential(nn.Conv1d(2, 2, 1), nn.Linear(2, 2)), r"layer 0 \(Conv1d, '0'\)"),
    (lambda: nn.Sequential(nn.Linear(2, 2), Doubled()), r"layer 1 \(Doubled, '1'\)"),
    (lambda: nn.Sequential(nn.ReLU(), nn.Linear(2, 2)), r"layer 0 \(ReLU, '0'\): .*before the"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.ReLU(), nn.Tanh()), r"layer 2 \(Tanh.*relu is"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.LeakyReLU(0.2)), r"slope = 0.01; got 0.2"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.ELU(0.5)), r"alpha = 1; got 0.5"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softplus(beta=2)), r"beta = 1; got 2"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softplus(threshold=3)), r"threshold ≥ 20; got 3"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.GELU("tanh")), r"layer 1 \(GELU.*'none'"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softmax(0)), r"dim=1, the outputs; got 0"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Softmax(1), nn.Linear(2, 2)), "at the end only"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Flatten(0)), r"layer 1 \(Flatten.*start_dim=1"),
    (lambda: nn.Sequential(SHARED, nn.ReLU(), SHARED), r"2\.weight: .*no other layer shares"),
    (lambda: nn.Sequential(hooked()), r"layer 0 \(Linear, '0'\): .*hooks"),
    (lambda: nn.Sequential(nn.Linear(2, 2).half()), r"0\.weight: expected float32.*float16"),
    (lambda: nn.Sequential(nn.Linear(2, 2), nn.Linear(2, 2).double()), r"1\.weight: expected fl"),
    (lambda: nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(2, 2)), r"expected 3 inputs"),
    (lambda: nn.Sequential(nn.ReLU()), "layer 0"),
    (lambda: nn.Sequential(), "at least one nn.Linear"),
    (lambda: nn.RNN(2, 2), r"expected nn\.Sequential.*got RNN"),
    (lambda: nn.utils.parametrizations.weight_norm(nn.Linear(2, 2)), "got ParametrizedLinear"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_no_network_has_is_refused_by_name(make: Callable[[], Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        from_torch(make())


def test_weights_that_are_not_finite_are_refused() -> None:
    model = typed_in()
    with torch.no_grad():
        model[2].weight[0, 1] = torch.nan
    with pytest.raises(ValueError, match=r"2\.weight: expected finite.*row 1, column 0"):
        from_torch(model)


def test_a_state_dict_needs_its_activations() -> None:
    state = typed_in().state_dict()
    with pytest.raises(ValueError, match="hidden: expected the activation"):
        from_torch(state)
    with pytest.raises(ValueError, match="output: expected the activation"):
        from_torch(state, hidden="tanh")
    with pytest.raises(ValueError, match="hidden: the model says its own"):
        from_torch(typed_in(), hidden="tanh")
    with pytest.raises(ValueError, match=r"state_dict: 1: a batch normalisation"):
        from_torch({**state, "1.running_mean": torch.zeros(2)}, hidden="tanh", output="sin")
    with pytest.raises(ValueError, match=r"4\.bias: expected 4\.weight"):
        from_torch({**state, "4.bias": torch.zeros(2)}, hidden="tanh", output="sin")
    with pytest.raises(TypeError, match="0: expected a tensor"):
        from_torch({"0": "text"}, hidden="tanh", output="sin")


def test_what_has_no_place_in_a_state_dict_is_called_by_its_name() -> None:
    batch = nn.Sequential(nn.Linear(2, 3), nn.BatchNorm1d(3)).state_dict()
    with pytest.raises(ValueError, match=r"^state_dict: 1: a batch normalisation \(it has runn"):
        from_torch(batch, output="identity")
    layer = nn.Sequential(nn.Linear(2, 3), nn.LayerNorm(3)).state_dict()
    with pytest.raises(ValueError, match=r"1\.weight: .*got shape \(3,\), as normalisations"):
        from_torch(layer, output="identity")


def test_a_module_of_any_kind_is_told_the_way() -> None:
    with pytest.raises(TypeError, match=r"pass model\.state_dict\(\) with hidden= and output="):
        from_torch(nn.ModuleList([nn.Linear(2, 3)]))


def test_files_that_hold_something_like_a_state_dict(tmp_path: Path) -> None:
    state = nn.Sequential(nn.Linear(2, 3)).state_dict()
    torch.save(state, tmp_path / "old.pt", _use_new_zipfile_serialization=False)
    with pytest.raises(FileError, match=r"old\.pt: torch\.save's format before PyTorch 1\.6"):
        interop.load(tmp_path / "old.pt", output="identity")
    torch.save({"epoch": 3, "model": state}, tmp_path / "checkpoint.pt")
    with pytest.raises(FileError, match="a checkpoint, in which 'model' is one: save it by"):
        interop.load(tmp_path / "checkpoint.pt", output="identity")


def test_layers_of_a_state_dict_stay_in_its_order() -> None:
    # the names sorted would put the output first
    state = OrderedDict()
    for name, (n, m) in {"hidden.weight": (3, 2), "hidden.bias": (3, 0)}.items():
        state[name] = torch.ones((n, m) if m else n)
    state |= {"a.weight": torch.ones(1, 3), "a.bias": torch.ones(1)}
    assert from_torch(state, hidden="relu", output="identity").sizes == (2, 3, 1)


def test_names_that_were_sorted_as_text_are_not_taken_for_the_order() -> None:
    # twelve layers as safetensors hands them out: 0, 10, 12, …, 2, 20, 22, 4, …
    layers = [nn.Linear(4, 4) for _ in range(12)]
    state = nn.Sequential(*(part for l in layers for part in (l, nn.Tanh()))).state_dict()
    right = from_torch(state, hidden="tanh", output="tanh")
    by_text = {name: state[name] for name in sorted(state)}
    with pytest.raises(ValueError, match=r"in the order of their numbers; got 0, 10, 12.*layers="):
        from_torch(by_text, hidden="tanh", output="tanh")
    order = [str(2 * l) for l in range(12)]
    assert same(from_torch(by_text, hidden="tanh", output="tanh", layers=order), right)
    # where the other order does not fit, it is not the one that was meant
    odd = {"f2.weight": torch.ones(3, 2), "f1.weight": torch.ones(1, 3)}
    with pytest.warns(UserWarning, match="no biases"):
        assert from_torch(odd, hidden="tanh", output="tanh").sizes == (2, 3, 1)


def test_making_a_model_draws_no_random_numbers() -> None:
    torch.manual_seed(1)
    before = torch.get_rng_state()
    to_torch(two_two_one())
    assert torch.equal(before, torch.get_rng_state())


def test_the_model_has_memory_of_its_own() -> None:
    net = two_two_one()
    model = to_torch(net)
    net.theta = np.zeros(9)
    assert model[0].bias.tolist() == [0.25, 0.5]
    back = from_torch(model)
    with torch.no_grad():
        model[0].bias.zero_()
    assert back.W[0][0].tolist() == [0.25, 0.5]


# --- Files. -------------------------------------------------------------------------------------


def test_a_state_dict_in_a_file(tmp_path: Path) -> None:
    net = two_two_one("float32")
    interop.save(net, tmp_path / "net.pt")
    state = torch.load(tmp_path / "net.pt", weights_only=True)
    assert state["0.weight"].tolist() == [[1, -2], [3, 4]]
    again = interop.load(tmp_path / "net.pt", hidden="tanh", output="identity")
    assert same(again, net)
    with pytest.raises(ValueError, match="hidden: expected the activation"):
        interop.load(tmp_path / "net.pt")


class Executed:
    """Pickled, it would call print."""

    def __reduce__(self) -> Any:
        return print, ("executed",)


def test_nothing_in_a_file_is_executed(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    torch.save({"0.weight": Executed()}, tmp_path / "bad.pt")
    torch.save(typed_in(), tmp_path / "whole.pt")
    for name in ("bad.pt", "whole.pt"):
        with pytest.raises(FileError, match="expected a state_dict of tensors") as raised:
            interop.load(tmp_path / name, hidden="tanh", output="identity")
        message = str(raised.value)
        assert "no code from a file is executed: save torch.save(model.state_dict()" in message
        assert message.isprintable()  # no colours of a terminal
        # PyTorch's own message advises to let the file execute what it likes.
        assert "weights_only" not in message
    assert "container.Sequential" in message
    assert "executed" not in capsys.readouterr().out


def test_tensors_larger_than_their_file_are_refused(tmp_path: Path) -> None:
    huge = torch.zeros(1).expand(2**15, 2**15)  # 4 GiB on paper, 4 bytes in the file
    torch.save({"0.weight": huge, "0.bias": torch.zeros(2**15)}, tmp_path / "huge.pt")
    with pytest.raises(FileError, match=r"tensors of 4,295,098,368 bytes; the file has"):
        interop.load(tmp_path / "huge.pt", output="identity")


def test_damaged_files_are_said_to_be_damaged(tmp_path: Path) -> None:
    interop.save(two_two_one(), tmp_path / "net.pt")
    content = (tmp_path / "net.pt").read_bytes()
    bomb = io.BytesIO()
    with zipfile.ZipFile(bomb, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("archive/data.pkl", b"0" * 10**6)
    cases = [b"", b"text", content[:100], content[:-50], pickle.dumps({}), bomb.getvalue()]
    for case in cases:
        (tmp_path / "bad.pt").write_bytes(case)
        with warnings.catch_warnings(), pytest.raises(FileError, match=r"bad\.pt: "):
            warnings.simplefilter("error")
            interop.load(tmp_path / "bad.pt", hidden="tanh", output="identity")
    with pytest.raises(FileNotFoundError):
        interop.load(tmp_path / "none.pt")


def test_what_is_no_network_is_refused() -> None:
    with pytest.raises(TypeError, match="net: expected a loopbp.Network"):
        to_torch("net")  # type: ignore[arg-type]
