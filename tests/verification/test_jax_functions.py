"""`loopbp.verify` on JAX functions of pytrees."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import loopbp
from loopbp.cli import app

jax = pytest.importorskip("jax", reason="needs jax: pip install loopbp[jax]")
jnp = jax.numpy

RANDOM = np.random.default_rng(4)
W, B = RANDOM.standard_normal((2, 4)), RANDOM.standard_normal(4)
V, C = RANDOM.standard_normal((4, 3)), RANDOM.standard_normal(3)
X, Y = RANDOM.standard_normal((5, 2)), RANDOM.standard_normal((5, 3))
NAMES = {"hidden": "tanh", "output": "identity", "loss": "sse"}


def squares(sums: Any, y: Any) -> Any:
    return jnp.mean(jnp.sum((sums - y) ** 2, axis=1))


def pairs(parameters: Any, x: Any, y: Any) -> Any:
    (W, b), (V, c) = parameters
    return squares(jnp.tanh(x @ W + b) @ V + c, y)


def dicts(parameters: Any, x: Any, y: Any) -> Any:
    first, second = parameters
    return squares(jnp.tanh(x @ first["w"] + first["b"]) @ second["w"] + second["b"], y)


def flax(parameters: Any, x: Any, y: Any) -> Any:
    first, second = parameters["params"]["Dense_0"], parameters["params"]["Dense_1"]
    hidden = jnp.tanh(x @ first["kernel"] + first["bias"])
    return squares(hidden @ second["kernel"] + second["bias"], y)


def flat(parameters: Any, x: Any, y: Any) -> Any:
    W, b, V, c = parameters
    return squares(jnp.tanh(x @ W + b) @ V + c, y)


def numbered(parameters: Any, x: Any, y: Any) -> Any:
    return flat([parameters[name] for name in ("W1", "b1", "W2", "b2")], x, y)


TREES: list[tuple[Any, Any]] = [
    (pairs, [(W, B), (V, C)]),
    (dicts, [{"w": W, "b": B}, {"w": V, "b": C}]),
    (flat, [W, B, V, C]),
    (numbered, {"W1": W, "b1": B, "W2": V, "b2": C}),
    (
        flax,
        {"params": {"Dense_0": {"kernel": W, "bias": B}, "Dense_1": {"kernel": V, "bias": C}}},
    ),
]


@pytest.mark.parametrize(("function", "parameters"), TREES)
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_pytrees_of_each_kind_agree(function: Any, parameters: Any, dtype: str) -> None:
    before = jax.config.jax_enable_x64
    found = loopbp.verify(function, parameters, X, Y, dtype=dtype, **NAMES)
    assert found.verdict == "agree", str(found)
    assert found.net.dtype == dtype
    assert found.frame["entries"].tolist() == [4, 8, 3, 12]
    assert jax.config.jax_enable_x64 == before


def test_labels_and_softmax() -> None:
    def entropy(parameters: Any, x: Any, labels: Any) -> Any:
        (W, b), (V, c) = parameters
        logs = jax.nn.log_softmax(jax.nn.sigmoid(x @ W + b) @ V + c)
        return -jnp.mean(logs[jnp.arange(len(labels)), labels])

    labels = np.array([0, 2, 1, 1, 0])
    names = {"hidden": "sigmoid", "output": "softmax", "loss": "cross_entropy"}
    loopbp.assert_gradients(entropy, [(W, B), (V, C)], X, labels, **names)


def test_the_dtype_is_that_of_the_weights() -> None:
    single = [tuple(jnp.asarray(part, jnp.float32) for part in pair) for pair in ((W, B), (V, C))]
    assert loopbp.verify(pairs, single, X, Y, **NAMES).net.dtype == np.float32
    assert loopbp.verify(pairs, [(W, B), (V, C)], X, Y, **NAMES).net.dtype == np.float64


@jax.custom_vjp
def forgetful(s: Any) -> Any:
    """tanh whose derivative was forgotten."""
    return jnp.tanh(s)


forgetful.defvjp(lambda s: (jnp.tanh(s), None), lambda _, upstream: (upstream,))


@jax.custom_vjp
def transposed(x: Any, V: Any) -> Any:
    """x V whose gradient by V comes out with its rows and columns exchanged."""
    return x @ V


transposed.defvjp(
    lambda x, V: (x @ V, (x, V)), lambda kept, up: (up @ kept[1].T, (kept[0].T @ up).T)
)


def test_a_wrong_derivative_is_found_where_it_is() -> None:
    def wrong(parameters: Any, x: Any, y: Any) -> Any:
        (W, b), (V, c) = parameters
        return squares(forgetful(x @ W + b) @ V + c, y)

    found = loopbp.verify(wrong, [(W, B), (V, C)], X, Y, **NAMES)
    assert found.frame["beyond"].tolist() == [4, 8, 0, 0]
    with pytest.raises(
        AssertionError, match=r"layer 0, i = \d, j = \d \(parameters\[0\]\[[01]\]\["
    ):
        loopbp.assert_gradients(wrong, [(W, B), (V, C)], X, Y, **NAMES)


def test_a_transposed_gradient_is_found() -> None:
    square, c = RANDOM.standard_normal((2, 2)), np.zeros(2)

    def wrong(parameters: Any, x: Any, y: Any) -> Any:
        ((V, c),) = parameters
        return squares(transposed(x, V) + c, y)

    names = {"output": "identity", "loss": "sse"}
    found = loopbp.verify(wrong, [(square, c)], X, Y[:, :2], **names)
    # the diagonal of a matrix stays where it is
    entries = found.entries_frame
    differ = entries[(entries.ours - entries.theirs).abs() > entries.bound]
    assert list(zip(differ.i, differ.j, strict=True)) == [(1, 2), (2, 1)]


def test_a_factor_is_explained() -> None:
    found = loopbp.verify(pairs, [(W, B), (V, C)], X, Y, **{**NAMES, "loss": "mse"})
    assert found.explanations == ("3 · ours: their loss is a sum over the 3 outputs, ours is not",)


def test_two_explanations_of_one_factor_are_both_given() -> None:
    # a sum over 3 outputs against our mean, at 3 examples
    found = loopbp.verify(pairs, [(W, B), (V, C)], X[:3], Y[:3], **{**NAMES, "loss": "mse"})
    assert sorted(found.explanations) == [
        "3 · ours: their loss is a sum over the 3 outputs, ours is not",
        "3 · ours: their loss is the sum over the 3 examples, ours the mean",
    ]


def test_the_kink_that_jax_halves_is_within_the_bound() -> None:
    # jnp.maximum(s, 0) has the derivative ½ at 0, relu here 0; rounding could have put s beside it
    def clipped(parameters: Any, x: Any, y: Any) -> Any:
        (W, b), (V, c) = parameters
        return squares(jnp.maximum(x @ W + b, 0) @ V + c, y)

    first = (np.array([[1.0], [1.0]]), np.zeros(1))
    second = (np.array([[2.0]]), np.zeros(1))
    inputs = np.array([[1.0, -1.0], [1.0, 2.0]])
    found = loopbp.verify(
        clipped, [first, second], inputs, np.ones((2, 1)), hidden="relu", output="identity",
        loss="sse",
    )  # fmt: skip
    assert found.kinks == 1 and found.beyond == 0


REFUSED: list[tuple[dict[str, Any], str]] = [
    ({"output": "identity", "loss": "sse"}, "hidden: expected the activation of the hidden"),
    ({"hidden": "tanh", "loss": "sse"}, "output: expected the activation of the last layer"),
    ({"hidden": "tanh", "output": "identity"}, "loss: expected its name"),
    ({**NAMES, "criterion": squares}, "criterion: not with this kind of subject"),
]


@pytest.mark.parametrize(("options", "message"), REFUSED)
def test_what_a_function_does_not_say_has_to_be_said(options: dict[str, Any], message: str) -> None:
    with pytest.raises((ValueError, TypeError), match=message):
        loopbp.verify(pairs, [(W, B), (V, C)], X, Y, **options)


def test_the_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    name = f"ours_{tmp_path.name.replace('-', '_')}"
    (tmp_path / f"{name}.py").write_text(
        "import numpy as np\nfrom jax import numpy as jnp\n"
        "weights = [(np.array([[0.5], [2.0]], np.float32), np.array([1.0], np.float32))]\n"
        "def loss(parameters, x, y):\n"
        "    ((W, b),) = parameters\n"
        "    return jnp.mean((x @ W + b - y) ** 2)\n"
    )
    (tmp_path / "data.csv").write_text("a,b,y\n0.5,1,0.1\n-1,2,0.7\n")
    monkeypatch.chdir(tmp_path)
    result = CliRunner().invoke(
        app,
        f"verify {name}:loss --parameters weights --data data.csv --output identity --loss mse",
    )
    assert result.exit_code == 0, result.output
    assert "Gradients agree: 3 entries within rounding" in result.stdout
