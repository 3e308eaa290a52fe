"""Names and layouts: the notations that readers come with."""

from __future__ import annotations

import numpy as np
import pytest
from problems import Problem

import loopbp
from loopbp.mistakes import Examiner, names
from loopbp.mistakes.names import parse
from loopbp.mistakes.submission import flattened, readings

PROBLEM = Problem((4, 5, 3, 2), ("sigmoid", "tanh"), "softmax", "cross_entropy", 6, "float64", 1)


@pytest.mark.parametrize(
    ("text", "kind", "bias", "number"),
    [
        ("S0", "S", False, 0),
        ("S^(2)", "S", False, 2),
        ("z[1]", "S", False, 1),
        ("u_1", "S", False, 1),
        ("f_0", "S", False, 0),
        ("x1", "x", False, 1),
        ("a_2", "x", False, 2),
        ("h_1", "x", False, 1),
        ("y2", "x", False, 2),
        ("activations[1]", "x", False, 1),
        ("delta0", "delta", False, 0),
        ("δ⁽¹⁾", "delta", False, 1),
        ("δ_1", "delta", False, 1),
        ("dz1", "delta", False, 1),
        ("z[1].grad", "delta", False, 1),
        ("∂ℓ/∂f_1", "delta", False, 1),
        ("dE/du_1", "delta", False, 1),
        ("deltas[1]", "delta", False, 1),
        ("grad0", "grad", False, 0),
        ("grads0", "grad", False, 0),
        ("grads", "grad", False, None),
        ("gradients[1]", "grad", False, 1),
        ("gradients", "grad", False, None),
        ("∇W1", "grad", False, 1),
        ("∇_b1", "grad", True, 1),
        ("∇z1", "delta", False, 1),
        ("dW1", "grad", False, 1),
        ("grad_W1", "grad", False, 1),
        ("weight0.grad", "grad", False, 0),
        ("layers.0.weight.grad", "grad", False, 0),
        ("layers[2].weight.grad", "grad", False, 2),
        ("fc1.weight.grad", "grad", False, 1),
        ("coef_grads[0]", "grad", False, 0),
        ("∂ℓ/∂Ω_1", "grad", False, 1),
        ("db1", "grad", True, 1),
        ("layers.0.bias.grad", "grad", True, 0),
        ("intercept_grads[1]", "grad", True, 1),
        ("∂ℓ/∂β_1", "grad", True, 1),
        ("W0_new", "W_new", False, 0),
        ("new_W1", "W_new", False, 1),
        ("layers.2.weight", "W_new", False, 2),
        ("coefs_[1]", "W_new", False, 1),
        ("b1_new", "W_new", True, 1),
        ("β_1", "W_new", True, 1),
        ("intercepts_[0]", "W_new", True, 0),
        ("nabla_w1", "grad", False, 1),
        ("nabla_b[0]", "grad", True, 0),
        ("dJ_dW1", "grad", False, 1),
        ("dC/dW1", "grad", False, 1),
        ("dL_db1", "grad", True, 1),
        ("Theta1_grad", "grad", False, 1),
        ("gW1", "grad", False, 1),
        ("gb1", "grad", True, 1),
        ("gradient_w1", "grad", False, 1),
        ("kernel1_grad", "grad", False, 1),
        ("bias1_grad", "grad", True, 1),
        ("dZ1", "delta", False, 1),
        ("dlogits", "delta", False, None),
        ("dscores", "delta", False, None),
        ("logits", "S", False, None),
        ("scores", "S", False, None),
        ("probs", "x", False, None),
        ("y_hat", "x", False, None),
    ],
)
def test_names_are_understood(text, kind, bias, number):
    name = parse(text)
    assert (name.words.kind, name.words.bias, name.number) == (kind, bias, number)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("detla0", "did you mean delta0?"),
        ("gard1", "did you mean grad1?"),
        ("weigth0.grad", "did you mean"),
        ("qqq", "got 'qqq'; expected names as S0"),
        ("dA1", "got 'dA1', a derivative by x; expected"),
        ("dh1", "a derivative by x"),
        ("dx1", "a derivative by x"),
        ("net_h1", "got 'net_h1'; expected"),
        ("model.network.h", "expected names"),
        ("vW1", "got 'vW1'; expected"),
        ("new1", "got 'new1'; expected"),
        ("W0_1", "expected one number"),
        ("W12345678", "expected one number"),
        ("\x1b[2J0", "\\x1b"),
        ("S\x1b0", "\\x1b"),
        ("S\u202e0", "\\u202e"),
        ("S" + "_" * 100 + "0", "…"),
    ],
)
def test_others_are_not(text, message):
    with pytest.raises(ValueError) as caught:
        parse(text)
    assert message in str(caught.value)
    assert "\x1b" not in str(caught.value)


@pytest.mark.parametrize(
    ("texts", "L", "expected"),
    [
        (["dW0", "dW1", "dW2"], 3, [[0, 1, 2]]),
        (["dW1", "dW2", "dW3"], 3, [[0, 1, 2]]),
        (["0.weight", "2.weight", "4.weight"], 3, [[0, 1, 2]]),
        (["dW3"], 3, [[2]]),
        (["dW0"], 3, [[0]]),
        (["dW1"], 3, [[1], [0]]),
        (["x0", "x3"], 3, [[0, 3]]),
        (["a1", "a4"], 3, [[0, 3]]),
        (["grad"], 1, [[0]]),
        (["out"], 3, [[3]]),
        (["h"], 2, [[1]]),
        (["h", "y_hat"], 2, [[1, 2]]),
        (["h", "a1"], 2, [[1, 1], [1, 0], [1, 2]]),
        (["dW0", "dW1", "dz1", "dz2"], 2, [[0, 1, 0, 1]]),
        (["dW1", "dW2", "z2", "z3"], 2, [[0, 1, 0, 1]]),
        (["dW0", "dW1", "dz1"], 2, [[0, 1, 1], [0, 1, 0]]),
        (["dW1", "dW2", "z3"], 2, [[0, 1, 1]]),
        (["a0", "a1", "dW0", "dW1"], 2, [[0, 1, 0, 1], [1, 2, 0, 1]]),
        (["x0", "x1", "x2"], 2, [[0, 1, 2]]),
        (["dz1", "logits", "probs"], 3, [[1, 2, 3], [0, 2, 3]]),
    ],
)
def test_layers_are_counted_as_people_count(texts, L, expected):
    found = names.layers([parse(text) for text in texts], L)
    assert [list(way.layers.values()) for way in found] == expected


@pytest.mark.parametrize("L", [1, 3])
def test_a_hidden_layer_of_several_or_none_needs_its_number(L):
    with pytest.raises(ValueError, match=f"expected the layer in the name, from 0 to {L}; got 'h'"):
        names.layers([parse("h")], L)


def test_a_list_of_gradients():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    grad = list(net.backprop(X, Y).grad)
    for name in ("grads", "gradients"):
        found = loopbp.diagnose(net, X, Y, {name: grad})
        assert found.agrees and [row.quantity for row in found.rows] == ["grad"] * 3
        assert not loopbp.diagnose(net, X, Y, {name: [2 * g for g in grad]}).agrees


def computed(way: str) -> dict[str, object]:
    """Right numbers in another notation and layout."""
    trace = PROBLEM.network().backprop(*PROBLEM.data())
    ls = range(3)
    if way == "PyTorch":
        return {f"layers.{2 * l}.weight.grad": trace.grad[l][1:].T for l in ls} | {
            f"layers.{2 * l}.bias.grad": trace.grad[l][0] for l in ls
        }
    if way == "scikit-learn":
        return {
            "coef_grads": [g[1:] for g in trace.grad],
            "intercept_grads": [g[0] for g in trace.grad],
            "deltas": list(trace.delta),
            "activations": [trace.x[0][:, 1:], trace.x[1][:, 1:], trace.x[2][:, 1:], trace.x[3]],
        }
    if way == "columns, from 1":
        return {f"dz{l + 1}": trace.delta[l].T for l in ls} | {
            f"db{l + 1}": trace.grad[l][:1].T for l in ls
        }
    if way == "with the row of the biases, transposed":
        return {f"∂ℓ/∂Ω_{l}": trace.grad[l].T for l in ls} | {"f_0": trace.S[0].T}
    if way == "the constant last":
        return {"h_1": np.roll(trace.x[1], -1, axis=1), "h_2": trace.x[2]}
    raise AssertionError(way)


@pytest.mark.parametrize(
    "way",
    [
        "PyTorch",
        "scikit-learn",
        "columns, from 1",
        "with the row of the biases, transposed",
        "the constant last",
    ],
)
def test_layouts_are_recognised(way):
    arrays = computed(way)
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    found = loopbp.diagnose(net, X, Y, arrays)
    assert found.agrees, found
    assert len(found.rows) >= 2
    # and that it is these numbers that agree: twice as large they do not
    name, value = next(iter(arrays.items()))
    twice = [2 * np.asarray(v) for v in value] if isinstance(value, list) else 2 * value
    if way != "the constant last":
        assert not loopbp.diagnose(net, X, Y, arrays | {name: twice}).agrees


def test_square_arrays_are_read_both_ways_unless_the_caller_says():
    problem = Problem((4, 4, 4), ("sigmoid",), "softmax", "sse", 4, "float64", 1)
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X, Y)
    outward = {"dW0": trace.grad[0][1:].T, "delta0": trace.delta[0].T}
    found = loopbp.diagnose(net, X, Y, outward)
    assert found.agrees
    assert "weights as (to, from), examples as columns" in " ".join(found.notes)
    assert loopbp.diagnose(net, X, Y, outward, weights="out,in", examples="columns").agrees
    assert not loopbp.diagnose(net, X, Y, outward, weights="in,out").agrees
    assert not loopbp.diagnose(net, X, Y, outward, examples="rows").agrees
    # a name that says how weights are stored is believed
    assert loopbp.diagnose(net, X, Y, {"layers.0.weight.grad": trace.grad[0][1:].T}).agrees
    assert not loopbp.diagnose(net, X, Y, {"layers.0.weight.grad": trace.grad[0][1:]}).agrees


def test_shapes_count_more_than_names():
    """Called as in PyTorch, stored the other way round."""
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    grad = net.backprop(X, Y).grad
    assert loopbp.diagnose(net, X, Y, {"layers.0.weight.grad": grad[0][1:]}).agrees
    assert loopbp.diagnose(net, X, Y, {"layers.0.weight.grad": grad[0][1:].T}).agrees


def test_old_weights_beside_the_results_are_not_results():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    trace = net.backprop(X, Y)
    old = {f"W{l}": w[1:] for l, w in enumerate(net.W)}
    old |= {f"b{l}": w[0] for l, w in enumerate(net.W)}
    found = loopbp.diagnose(net, X, Y, old | {"grad1": trace.grad[1]})
    assert found.agrees and [row.quantity for row in found.rows] == ["grad"]
    assert any("the weights before the step" in note for note in found.notes)
    with pytest.raises(ValueError, match="got the old weights"):
        loopbp.diagnose(net, X, Y, old)
    note = "not results; if they should be the new ones, nothing was updated"
    assert not any(note in one for one in found.notes)
    found = loopbp.diagnose(net, X, Y, old | {"grad1": trace.grad[1]}, eta=0.5)
    assert found.agrees and any(one.endswith(note) for one in found.notes)
    with pytest.raises(ValueError, match="got the old weights; if .*, nothing was updated$"):
        loopbp.diagnose(net, X, Y, old, eta=0.5)
    # where the weights moved and the biases did not, these are results
    moved = old | {
        f"W{l}": (w - 0.5 * g)[1:] for l, (w, g) in enumerate(zip(net.W, trace.grad, strict=True))
    }
    found = loopbp.diagnose(net, X, Y, moved, eta=0.5)
    assert "the biases are never updated" in found.summary


@pytest.mark.parametrize(
    ("shape", "message"),
    [
        ((6,), "expected shape (5,) of the biases; got (6,), one number per example: summed along"),
        ((6, 1), "got (6, 1), one number per example: summed along the wrong axis"),
        ((6, 5), "expected shape (5,) of the biases; got (6, 5): not summed over the examples"),
        ((5, 6), "got (5, 6): not summed over the examples"),
        ((7,), "got (7,)"),
    ],
)
def test_biases_whose_shape_tells_what_was_summed(shape, message):
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    given = {"db0": np.ones(shape), "dW0": np.ones((4, 5))}
    with pytest.raises(ValueError) as caught:
        loopbp.diagnose(net, X, Y, given)
    assert message in str(caught.value)
    assert ("summed" in str(caught.value)) == ("summed" in message)
    with pytest.raises(ValueError) as caught:
        loopbp.diagnose(net, X, Y, {"b0_new": np.ones(shape)}, eta=0.1)
    assert "summed" not in str(caught.value)


def test_one_bias_that_was_not_summed():
    net = loopbp.Network([2, 1], output="identity", loss="half_sse", seed=0)
    with pytest.raises(ValueError, match=r"got \(3,\): not summed over the examples"):
        loopbp.diagnose(net, np.ones((3, 2)), np.ones((3, 1)), {"db0": np.ones(3)})


def test_what_stands_beside_the_results_is_passed_over():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    trace = net.backprop(X, Y)
    beside = {"X": X, "Y": Y, "loss": np.array(7.0), "eta": np.array(0.1)}
    assert loopbp.diagnose(net, X, Y, beside | {"grad0": trace.grad[0]}).agrees


def test_the_last_layer_needs_no_number():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    trace = net.backprop(X, Y)
    last = {"logits": trace.S[2], "probs": trace.x[3], "dlogits": trace.delta[2]}
    found = loopbp.diagnose(net, X, Y, last)
    assert found.agrees
    assert [(row.quantity, row.layer) for row in found.rows] == [("S", 2), ("x", 3), ("delta", 2)]
    for name, value in last.items():
        assert not loopbp.diagnose(net, X, Y, last | {name: value + 1}).agrees


def test_unknown_names_are_left_out_and_named():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    trace = net.backprop(X, Y)
    known = {"dW1": trace.grad[0][1:], "dW2": trace.grad[1][1:], "dW3": trace.grad[2][1:]}
    found = loopbp.diagnose(
        net, X, Y, {"dA1": np.ones((6, 5)), "detla1": np.ones((6, 3)), "by": "me"} | known
    )
    assert found.agrees and len(found.rows) == 3
    assert found.left_out == ("dA1", "detla1", "by")
    assert found.summary == "agrees within rounding; not compared: dA1, detla1, by"
    assert found.brief == found.summary
    assert "numbers that were compared agree" in found.to_text()
    assert found.notes[:2] == (
        "not compared: dA1, since derivatives by x are not",
        "not compared: detla1 (did you mean delta1?), by, since such names are not known",
    )
    wrong = loopbp.diagnose(net, X, Y, known | {"dW1": 2 * known["dW1"], "\x1b[2Jq": X})
    assert not wrong.agrees and wrong.left_out == (r"'\x1b[2Jq'",)
    assert wrong.summary.endswith(r"not compared: '\x1b[2Jq'")
    many = loopbp.diagnose(net, X, Y, known | {f"qqq{k}": X for k in range(99)})
    assert many.summary.endswith("qqq7 and 91 more")
    with pytest.raises(ValueError, match="got 'dA1', a derivative by x; expected names"):
        loopbp.diagnose(net, X, Y, {"dA1": X, "qqq": X})


def test_weights_and_nodes_may_be_numbered_each_on_its_own():
    """Widths are equal: shapes do not tell the layer, only the numbers in the arrays do."""
    problem = Problem((4, 4, 4), ("tanh",), "softmax", "cross_entropy", 6, "float64", 1)
    net, (X, Y) = problem.network(), problem.data()
    trace = net.backprop(X, Y)
    x = [part[:, -4:] for part in trace.x]
    first, second = ({"dW0": trace.grad[0], "dW1": trace.grad[1], "dz1": d} for d in trace.delta)
    without_input = {"a": x[1:], "dW": list(trace.grad)}
    from_input = {"a1": x[0], "a2": x[1], "Theta1_grad": trace.grad[0].T, "delta3": trace.delta[1]}
    for arrays in (first, second, without_input, from_input):
        found = loopbp.diagnose(net, X, Y, arrays)
        assert found.agrees, (list(arrays), found.summary)
        name = list(arrays)[-1]
        wrong = np.asarray(arrays[name]) + 0.25
        assert not loopbp.diagnose(net, X, Y, arrays | {name: list(wrong)}).agrees
    read = readings(flattened(first)[0], Examiner(net, X, Y).case, net.W)
    assert {one.apart for one in read[: len(read) // 2]} == {False}  # these are asked first
    assert {one.apart for one in read[len(read) // 2 :]} == {True}
    assert "dz1 as layer 0" in loopbp.diagnose(net, X, Y, first).notes[-1]
    unusual = loopbp.diagnose(net, X, Y, without_input | {"dW": [2 * g for g in trace.grad]})
    assert "a factor 2 too many" in unusual.summary
    with pytest.raises(ValueError, match="expected layers from 0 to 1; got 'dz7'"):
        loopbp.diagnose(net, X, Y, {"dW": list(trace.grad), "dz7": trace.delta[0]})


def test_right_gradients_under_names_of_weights_are_recognised():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    grad = net.backprop(X, Y).grad
    arrays = {f"W{l}": g[1:] for l, g in enumerate(grad, 1)}
    arrays |= {f"b{l}": g[0] for l, g in enumerate(grad, 1)}
    found = loopbp.diagnose(net, X, Y, arrays, eta=0.1)
    assert found.verdict == "unexplained" and len(found.observations) == 1
    assert "W1, b1, W2, b2, W3, b3 are the right gradients" in found.summary
    assert "updated weights here (gradients are called dW1, db1, …)" in found.summary
    wrong = loopbp.diagnose(net, X, Y, arrays | {"b2": 3 * arrays["b2"]}, eta=0.1)
    assert "the right gradients" not in wrong.summary
    with pytest.raises(ValueError, match=r"eta: expected .* got W1, b1 .* called dW1, db1"):
        loopbp.diagnose(net, X, Y, arrays)


def test_arrays_without_names_are_refused():
    net, (X, Y) = PROBLEM.network(), PROBLEM.data()
    with pytest.raises(TypeError, match="computed: expected arrays by name, .*; got list"):
        loopbp.diagnose(net, X, Y, [X])
