"""`diagnose`: every mistake is found, alone and in pairs, and correct code is never accused."""

from __future__ import annotations

import itertools
import math

import numpy as np
import pytest
from hypothesis import assume, given, settings
from hypothesis import strategies as st
from problems import ELEMENTWISE, PAIRS, PROBLEMS, Problem, hand_computed
from students import ORDERS, compute, possible

import loopbp
from loopbp.mistakes import CATALOGUE, Examiner
from loopbp.mistakes.catalogue import BY_NAME
from loopbp.mistakes.diagnosis import between, named
from loopbp.mistakes.search import Finding

ETA = 0.1
#: λ, where there is weight decay: the term is about as large as the gradients are.
DECAY = 0.15
#: Everything, gradients alone, updated weights alone.
KINDS = ("S x delta grad db W_new b_new", "grad db", "W_new b_new")

#: Together they allow every mistake of the catalogue.
CASES = [
    Problem((4, 4, 4, 4), ("sigmoid", "tanh"), "softmax", "cross_entropy", 6, "float64", 1),
    Problem((4, 5, 3), ("relu",), "sigmoid", "binary_cross_entropy", 5, "float64", 2),
    Problem((3, 5, 5, 2), ("tanh", "relu"), "identity", "mse", 4, "float64", 3),
    Problem((4, 4, 4, 3), ("softplus", "leaky_relu"), "tanh", "half_sse", 7, "float32", 4),
    Problem((3, 4, 4, 4), ("exp", "gelu"), "softmax", "sse", 7, "float32", 5),
    Problem((4, 4, 4, 4), ("sigmoid", "silu"), "sigmoid", "sse", 1, "float64", 6),
]


def names_of(diagnosis: loopbp.Diagnosis) -> list[tuple[str, ...]]:
    """The explanations by the names of their mistakes, sorted."""
    return [tuple(sorted(f.mistake.name for f in way)) for way in diagnosis.explanations]


def differ(some: dict[str, np.ndarray], others: dict[str, np.ndarray]) -> bool:
    """Whether two results differ by much more than rounding."""
    return any(
        not np.allclose(some[name], array, rtol=1e-2, atol=1e-3 * np.abs(array).max())
        for name, array in others.items()
    )


# --- Mistakes are found -------------------------------------------------------------------------


@pytest.mark.parametrize("decay", [0, DECAY])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
@pytest.mark.parametrize("problem", CASES, ids=str)
def test_every_mistake_is_found(problem, reduction, decay):
    """By its name among the explanations, none of which has more than one mistake."""
    net, (X, Y) = problem.network(), problem.data()
    task = {"eta": ETA, "reduction": reduction, "weight_decay": decay}
    examiner = Examiner(net, X, Y, **task)
    right = compute(net, X, Y, **task)
    for name, layers in possible(net, problem.N, **task).items():
        wrong = compute(net, X, Y, {name: layers}, **task)
        for kinds in KINDS:
            found = examiner.diagnose(wrong.arrays(kinds))
            if differ(wrong.arrays(kinds), right.arrays(kinds)):
                assert (name,) in names_of(found), (name, kinds, found)
            else:
                assert found.agrees or (name,) in names_of(found), (name, kinds, found)


def test_the_cases_allow_every_mistake():
    allowed = set()
    for problem in CASES:
        for reduction in ("mean", "sum"):
            allowed |= set(possible(problem.network(), problem.N, ETA, reduction, DECAY))
    assert allowed == {mistake.name for mistake in CATALOGUE}


@pytest.mark.parametrize("decay", [0, DECAY])
@pytest.mark.parametrize("problem", CASES[:3], ids=str)
def test_a_mistake_in_one_layer_is_told_with_the_layer(problem, decay):
    net, (X, Y) = problem.network(), problem.data()
    task = {"eta": ETA, "weight_decay": decay}
    examiner = Examiner(net, X, Y, **task)
    right = compute(net, X, Y, **task)
    for name, layers in possible(net, problem.N, **task).items():
        for l in layers if BY_NAME[name].by_layer else ():
            wrong = compute(net, X, Y, {name: (l,)}, **task)
            if not differ(wrong.arrays(), right.arrays()):
                continue
            found = examiner.diagnose(wrong.arrays())
            told = {(f.mistake.name, f.layers) for way in found.explanations for f in way}
            assert (name, (l,)) in told, (name, l, found)


@pytest.mark.parametrize("decay", [0, DECAY])
@pytest.mark.parametrize("problem", CASES, ids=str)
def test_pairs_are_found(problem, decay):
    """A random sample of those that go together; what a single mistake explains as well is that."""
    net, (X, Y) = problem.network(), problem.data()
    task = {"eta": ETA, "weight_decay": decay}
    examiner = Examiner(net, X, Y, **task)
    right = compute(net, X, Y, **task)
    where = possible(net, problem.N, **task)
    together = [
        pair
        for pair in itertools.combinations(where, 2)
        if Finding(BY_NAME[pair[0]], where[pair[0]]).goes_with(
            Finding(BY_NAME[pair[1]], where[pair[1]])
        )
    ]
    for at in np.random.default_rng(problem.seed).permutation(len(together))[:8]:
        pair = together[at]
        wrong = compute(net, X, Y, {name: where[name] for name in pair}, **task)
        for kinds in KINDS:
            found = examiner.diagnose(wrong.arrays(kinds))
            told = names_of(found)
            simpler = bool(told) and len(told[0]) == 1
            unseen = found.agrees and not differ(wrong.arrays(kinds), right.arrays(kinds))
            assert tuple(sorted(pair)) in told or simpler or unseen, (pair, kinds, found)


@settings(deadline=None, max_examples=40)
@given(data=st.data())
def test_mistakes_in_random_networks_are_found(data):
    """One or two, from everything that was computed, in float64; with weight decay and without."""
    depth = data.draw(st.integers(1, 4))
    output, loss = data.draw(st.sampled_from(PAIRS))
    widths = [data.draw(st.integers(1, 5)) for _ in range(depth)]
    sizes = (*widths, data.draw(st.integers(2, 4)))
    hidden = tuple(data.draw(st.sampled_from(ELEMENTWISE)) for _ in range(depth - 1))
    N, seed = data.draw(st.integers(1, 5)), data.draw(st.integers(0, 99))
    problem = Problem(sizes, hidden, output, loss, N, "float64", seed)
    net, (X, Y) = problem.network(), problem.data()
    reduction = data.draw(st.sampled_from(["mean", "sum"]))
    decay = data.draw(st.sampled_from([0.0, 1e-3, DECAY, 2.0]))
    task = {"eta": ETA, "reduction": reduction, "weight_decay": decay}
    where = possible(net, N, **task)
    made = data.draw(st.lists(st.sampled_from(sorted(where)), min_size=1, max_size=2, unique=True))
    lines = [line for name in made for line in BY_NAME[name].lines]
    assume(len(set(lines)) == len(lines))
    right = compute(net, X, Y, **task)
    wrong = compute(net, X, Y, {name: where[name] for name in made}, **task)
    found = loopbp.diagnose(net, X, Y, wrong.arrays(), **task)
    told = names_of(found)
    simpler = bool(told) and len(told[0]) < len(made)
    unseen = found.agrees and not differ(wrong.arrays(), right.arrays())
    assert tuple(sorted(made)) in told or simpler or unseen, found


def test_equals_are_reported_together():
    """With two outputs the mean over them is a factor ½: no number tells which of both it was."""
    problem = Problem((3, 4, 2), ("tanh",), "identity", "sse", 4, "float64")
    net, (X, Y) = problem.network(), problem.data()
    wrong = compute(net, X, Y, {"factor-2-left-out": (1,)})
    found = loopbp.diagnose(net, X, Y, wrong.arrays("delta grad db"))
    assert names_of(found) == [("factor-2-left-out",), ("mean-over-outputs",)]
    assert "do not tell apart" in str(found)


def test_with_one_example_a_mean_is_a_sum():
    """Nothing is wrong, and what these numbers could not show is said."""
    problem = CASES[-1]
    net, (X, Y) = problem.network(), problem.data()
    found = loopbp.diagnose(net, X, Y, compute(net, X, Y).arrays("grad db"))
    assert found.agrees and found.mistakes == ()
    names = {mistake.name for mistake in found.invisible}
    assert names == {
        "sum-instead-of-mean", "divided-twice", "bias-not-averaged", "weights-not-averaged"
    }  # fmt: skip
    assert "These numbers would not show it if the gradient is the sum" in str(found)


# --- Correct code is never accused --------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", PROBLEMS[::7], ids=str)
def test_correct_code_is_never_accused(problem, dtype):
    """In either dtype, in any order of the sums, from whichever of its results are given."""
    net, (X, Y) = problem.network(), problem.data()
    for add, decay in itertools.product(ORDERS, (0, 1e-3, DECAY)):
        task = {"eta": ETA, "weight_decay": decay}
        examiner = Examiner(net, X, Y, **task)
        results = compute(net, X, Y, **task, dtype=dtype, add=add)
        for kinds in KINDS:
            found = examiner.diagnose(results.arrays(kinds))
            assert found.agrees, (add.__name__, kinds, found)


@pytest.mark.parametrize("engine", ["python", "textbook", "tiled", "numpy"])
@pytest.mark.parametrize("reduction", ["mean", "sum"])
def test_no_engine_is_accused(engine, reduction):
    for problem in [*CASES, *PROBLEMS[::13]]:
        net, (X, Y) = problem.network(), problem.data()
        for network in (net, net.copy(dtype="float32")):
            trace = network.backprop(X, Y, engine=engine, reduction=reduction)
            found = loopbp.diagnose(net, X, Y, trace, reduction=reduction)
            assert found.agrees, found


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("problem", PROBLEMS[::11], ids=str)
def test_autograd_is_not_accused(problem, dtype):
    """PyTorch's own gradients and its names, square matrices too; δ is of the mean loss."""
    torch = pytest.importorskip("torch")
    from torch_functions import torch_activation, torch_losses

    net, (X, Y) = problem.network(), problem.data()
    tensors = [torch.tensor(w.astype(dtype), requires_grad=True) for w in net.W]
    h, sums = torch.tensor(X.astype(dtype)), []
    for w, name in zip(tensors, net.activations, strict=True):
        sums.append(torch.nn.functional.linear(h, w[1:].T, w[0]))
        sums[-1].retain_grad()
        h = torch_activation(torch, name)(sums[-1])
    torch_losses(torch, net.loss, sums[-1], h, torch.tensor(Y.astype(dtype))).mean().backward()
    computed = {}
    for l, (w, s) in enumerate(zip(tensors, sums, strict=True)):
        computed[f"layers.{l}.weight.grad"] = w.grad[1:].T
        computed[f"layers.{l}.bias.grad"] = w.grad[0]
        computed[f"z{l}"], computed[f"z{l}.grad"] = s, s.grad
    found = loopbp.diagnose(net, X, Y, computed)
    assert found.agrees, found


def test_numbers_that_were_printed_are_not_accused():
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    results = compute(net, X, Y).arrays("delta grad db")
    examiner = Examiner(net, X, Y)
    for form in ("{:.4f}", "{:.6g}", "{:.8g}"):
        printed = {
            name: np.vectorize(lambda v, form=form: float(form.format(v)))(array)
            for name, array in results.items()
        }
        assert examiner.diagnose(printed).agrees, form
        assert not examiner.diagnose({k: v * 1.01 for k, v in printed.items()}).agrees


def test_float32_numbers_that_were_printed_are_not_accused():
    """Of numbers beyond 1000, six decimals are more digits than a float32 has."""
    problem = Problem((5, 3, 10, 4), ("sigmoid", "exp"), "identity", "sse", 18, "float64", 3)
    net, X, Y = problem.network(), problem.data()[0], 1e5 * problem.data()[1]
    for dtype in ("float32", "float64"):
        results = compute(net, X, Y, dtype=dtype).arrays("delta grad db")
        printed = {name: np.round(array.astype(float), 6) for name, array in results.items()}
        assert np.abs(printed["delta2"]).min() > 1000
        assert loopbp.diagnose(net, X, Y, printed).agrees


def test_either_derivative_at_the_kink():
    """ReLU′(0) may be 0 or 1: with S = 0 there is no right or wrong."""
    net = loopbp.Network([1, 1, 1], "relu", "identity", "half_sse", [[[0], [1]], [[0], [1]]])
    # S = 0, x = 0, the output 0, δ = 0 − 1 and, by ReLU′(0) = 1, −1 below it
    for slope in (0, 1):
        computed = {"delta1": [[-1.0]], "delta0": [[-1.0 * slope]]}
        assert loopbp.diagnose(net, [[0]], [[1]], computed).agrees
    assert not loopbp.diagnose(net, [[0]], [[1]], {"delta0": [[-2.0]]}).agrees


# --- What the catalogue has not -----------------------------------------------------------------


@pytest.mark.parametrize("problem", CASES, ids=str)
def test_nothing_fits_a_number_that_is_off(problem):
    net, (X, Y) = problem.network(), problem.data()
    examiner = Examiner(net, X, Y, eta=ETA)
    random = np.random.default_rng(0)
    for name, array in compute(net, X, Y, eta=ETA).arrays("delta grad W_new").items():
        results = compute(net, X, Y, eta=ETA).arrays("S x delta grad db W_new b_new")
        changed = array.copy()
        at = tuple(random.integers(0, n) for n in array.shape)
        changed[at] += 0.3 * max(np.abs(array).max(), 1e-3)
        found = examiner.diagnose(results | {name: changed})
        assert found.verdict == "unexplained", (name, found)
        assert found.first.got == changed[at]
        assert found.first.place == f"{name}[{at[0]}, {at[1]}]"
        assert found.mistakes == ()
        assert "no mistake of the catalogue" in str(found)


def test_nothing_fits_a_mistake_that_is_not_known():
    """Another activation; a gradient that is clipped; three mistakes at once."""
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    examiner = Examiner(net, X, Y)
    right = net.backprop(X, Y)
    other = loopbp.Network(net.sizes, "elu", net.output, net.loss, net.theta)
    assert examiner.diagnose({"grad0": other.backprop(X, Y).grad[0]}).verdict == "unexplained"
    clipped = {f"grad{l}": np.clip(grad, -0.05, 0.05) for l, grad in enumerate(right.grad)}
    assert examiner.diagnose(clipped).verdict == "unexplained"
    three = {"slope-left-out": (0, 1), "divided-twice": (0, 1, 2), "gradient-of-sums": (1, 2)}
    wrong = compute(net, X, Y, three)
    assert examiner.diagnose(wrong.arrays("delta grad db")).verdict == "unexplained"


def test_without_the_learning_rate_something_is_not_tried():
    """Only where nothing fits, and where weights could have been updated too early."""
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    told = "weights were updated while going back was not tried"
    wrong = compute(net, X, Y, {"updated-while-going-back": (0, 1)}, eta=ETA)
    for kinds in ("delta", "grad db"):
        found = loopbp.diagnose(net, X, Y, wrong.arrays(kinds))
        assert found.verdict == "unexplained" and told in " ".join(str(found).split())
        found = loopbp.diagnose(net, X, Y, wrong.arrays(kinds), eta=ETA)
        assert found.brief == "updated-while-going-back" and told not in str(found)
    sums = {name: array + 1 for name, array in wrong.arrays("S").items()}
    for computed in (sums, {"grad2": wrong.grad[2] + 1}, compute(net, X, Y).arrays("delta grad")):
        assert told not in " ".join(loopbp.diagnose(net, X, Y, computed).notes)


def test_a_mistake_that_overflows_explains_nothing():
    """g′ of x instead of S would be e^(e^7), beyond float64: no number can be it."""
    net = loopbp.Network([1, 1, 1], "exp", "identity", "half_sse", [[[0], [7]], [[0], [1e-3]]])
    found = loopbp.diagnose(net, [[1]], [[0]], {"delta0": [[12.5]]})
    assert found.verdict == "unexplained"


def test_numbers_that_are_not_finite_are_wrong():
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    grad = net.backprop(X, Y).grad[2].copy()
    grad[1, 1] = np.nan
    found = loopbp.diagnose(net, X, Y, {"grad2": grad})
    assert found.verdict == "unexplained"
    assert math.isnan(found.first.got) and found.first.ulps is None
    assert "not a number" in str(found)


# --- What is said -------------------------------------------------------------------------------


def test_the_first_departure_by_hand():
    """2-2-2, identity, f = Σ (y − x)²: δ = (−2, 4), then (6, 8), as in the hand-computed example.

    Without the factor 2 it is (−1, 2), then (3, 4). From 6 to 3, float64 has 2⁵¹ steps to 4 and
    2⁵⁰ steps from there.
    """
    net = hand_computed()
    found = loopbp.diagnose(net, [[3, 2]], [[-8, 13]], {"dz1": [[3, 4]]})
    assert found.summary.startswith("the factor 2 of the loss")
    assert found.first.quantity == "delta" and found.first.layer == 0
    assert found.first.index == (0, 1) and found.first.place == "dz1[0, 0]"
    assert (found.first.expected, found.first.got) == (6, 3)
    found = loopbp.diagnose(net, [[3, 2]], [[-8, 13]], {"delta1": [[-1.1, 2]], "delta0": [[3, 4]]})
    assert (found.first.layer, found.first.expected, found.first.got) == (1, -2, -1.1)
    assert [row.departing for row in found.rows] == [2, 2]
    found = loopbp.diagnose(net, [[3, 2]], [[-8, 13]], {"delta0": [[6.0, 8 + 2**-20 + 2**-30]]})
    # beside 8 the numbers are 2⁻⁴⁹ apart, in float32 (which holds these) 2⁻²⁰
    assert found.first is None or found.first.index == (0, 2)


def test_numbers_between_two_numbers():
    """Neighbours are one step apart, on either side of 0 and across it."""
    double, single = np.dtype(np.float64), np.dtype(np.float32)
    assert between(1.0, 1 + 2.0**-52, double) == 1
    assert between(-1.0, -1 - 2.0**-51, double) == 2
    assert between(-5e-324, 5e-324, double) == 2
    assert between(0.0, -0.0, double) == 0
    assert between(1.0, 2.0, single) == 2**23
    assert between(-1.0, 1.0, single) == 2 * int(np.float32(1).view(np.int32))
    assert between(1.0, math.nan, double) is None


def test_only_layers_that_the_numbers_show_are_named():
    """g′ is missing in both hidden layers; given is δ of one of them."""
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    wrong = compute(net, X, Y, {"slope-left-out": (0, 1)})
    found = loopbp.diagnose(net, X, Y, {"delta1": wrong.delta[1]})
    assert found.summary == "g′ is left out in layer 1"
    found = loopbp.diagnose(net, X, Y, {"delta0": wrong.delta[0]})
    assert found.summary == "g′ is left out in layers 0 and 1"


def test_ulps_are_those_of_the_submission():
    net = loopbp.Network([1, 1], output="identity", loss="half_sse", init=[[[0.1], [0.3]]])
    x = np.array([[0.7]])
    S = 0.1 + 0.3 * 0.7
    found = loopbp.diagnose(net, x, [[0]], {"S0": np.array([[S + 100 * np.spacing(S)]])})
    assert found.first.ulps in (99, 100, 101)
    single = np.float32(S)
    found = loopbp.diagnose(net, x, [[0]], {"S0": np.array([[single + 100 * np.spacing(single)]])})
    assert found.first.ulps in (99, 100, 101)


def test_text_is_80_columns_and_html_is_escaped():
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    for name, layers in possible(net, problem.N, ETA).items():
        results = compute(net, X, Y, {name: layers}, eta=ETA).arrays("grad db W_new")
        found = loopbp.diagnose(net, X, Y, results, eta=ETA)
        assert max(map(len, str(found).splitlines())) <= 80
        assert max(map(len, found.to_text(60).splitlines())) <= 60
    evil = {"W0<>.grad": np.ones((4, 4)), "grad1": net.backprop(X, Y).grad[1]}
    found = loopbp.diagnose(net, X, Y, evil)
    assert "W0<" not in found._repr_html_() and "W0&lt;&gt;" in found._repr_html_()
    assert list(found.frame["departing"] > 0) == [False, True]
    assert repr(found) == f"<Diagnosis: {found.summary}>"


def test_the_student_who_forgets_the_slope():
    """A 4-6-3 network trained by hand-written code: told so, with the layer."""
    problem = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 8, "float64")
    net, (X, Y) = problem.network(), problem.data()
    W1, b1, W2, b2 = net.W[0][1:], net.W[0][0], net.W[1][1:], net.W[1][0]
    a1 = 1 / (1 + np.exp(-(X @ W1 + b1)))
    e = np.exp(a1 @ W2 + b2)
    dz2 = (e / e.sum(1, keepdims=True) - Y) / len(X)
    dz1 = dz2 @ W2.T
    computed = {"dz1": dz1, "dz2": dz2, "dW1": X.T @ dz1, "dW2": a1.T @ dz2, "db1": dz1.sum(0)}
    found = loopbp.diagnose(net, X, Y, computed)
    assert found.summary == "g′ is left out in layer 0"
    assert (found.first.quantity, found.first.layer) == ("delta", 0)
    assert any("divided by the number of examples already" in note for note in found.notes)
    right = {"dz1": dz1 * a1 * (1 - a1), "dz2": dz2}
    assert loopbp.diagnose(net, X, Y, right).agrees


def test_a_gradient_with_the_other_sign_is_a_convention_where_the_step_adds_it():
    """y − x and w ← w + η …; not y − x alone, nor with another step."""
    problem = Problem((4, 6, 3), ("sigmoid",), "softmax", "cross_entropy", 8, "float64")
    net, (X, Y) = problem.network(), problem.data()
    told = "Together these are a convention: what is called the gradient is minus the derivative,"
    right = net.backprop(X, Y)
    minus = {f"grad{l}": -grad for l, grad in enumerate(right.grad)}
    deltas = {f"delta{l}": -delta for l, delta in enumerate(right.delta)}
    new = {f"W{l}_new": w - ETA * g for l, (w, g) in enumerate(zip(net.W, right.grad, strict=True))}
    for computed, brief in (
        (minus | new, "gradient-sign + ascent"),
        (minus | deltas | new, "error-swapped + ascent"),
    ):
        found = loopbp.diagnose(net, X, Y, computed, eta=ETA)
        assert brief in found.brief.split("  or  ")
        assert told in " ".join(str(found).split())
        assert "convention" not in found.brief and "convention" not in found.summary
    away = {f"W{l}_new": w + ETA * right.grad[l] for l, w in enumerate(net.W)}
    twice = {f"W{l}_new": w - 2 * ETA * right.grad[l] for l, w in enumerate(net.W)}
    for computed in (minus, minus | deltas, away, minus | away, twice):
        found = loopbp.diagnose(net, X, Y, computed, eta=ETA)
        assert found.verdict == "explained" and told not in " ".join(str(found).split())


def test_the_catalogue_is_well_formed():
    names = [mistake.name for mistake in CATALOGUE]
    assert len(set(names)) == len(names) >= 30
    for mistake in CATALOGUE:
        assert mistake.wrong != mistake.right
        assert mistake.explanation.endswith(".") and mistake.hint.endswith(".")
        assert not mistake.title.endswith(".")


def test_titles_and_formulas_of_several_activations():
    assert named(Finding(BY_NAME["tanh-slope"], (0,), False)) == "g′ is tanh's (by x) in layer 0"
    formula = BY_NAME["slope-formula-on-S"]
    assert "S_j (1 − S_j)" in formula.wrong and "(1 − S_j²) of tanh" in formula.wrong
    assert "x_j (1 − x_j)" in formula.right and "(1 − x_j²) of tanh" in formula.right
    sums = "softmax, the outputs no longer sum to 1"
    told = [name for name, mistake in BY_NAME.items() if sums in mistake.explanation]
    assert told == ["sigmoid-instead"]


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"net": 1}, TypeError, "net: expected a loopbp.Network"),
        ({"computed": 1}, TypeError, "computed: expected arrays by name"),
        ({"computed": {}}, ValueError, "computed: expected arrays of backpropagation"),
        ({"computed": {"detla0": [[1]]}}, ValueError, "did you mean delta0?"),
        ({"computed": {"delta9": [[1]]}}, ValueError, "expected layers from 0 to 2"),
        ({"computed": {"delta0": [[1, 2]]}}, ValueError, "delta0: expected shape (6, 4)"),
        ({"computed": {"grad0": [[1, 2]]}}, ValueError, "grad0: expected shape (4, 4)"),
        ({"computed": {"db0": [1, 2]}}, ValueError, "db0: expected shape (4,)"),
        ({"computed": {"W0_new": np.ones((4, 4))}}, ValueError, "eta: expected the learning rate"),
        ({"computed": {"grad0": [["a"]]}}, TypeError, "real numbers"),
        ({"computed": {3: [[1]]}}, TypeError, "names of arrays"),
        ({"eta": -1}, ValueError, "eta: expected"),
        ({"weight_decay": -1}, ValueError, "weight_decay: expected a finite number ≥ 0; got -1"),
        ({"weight_decay": "1"}, TypeError, "weight_decay: expected a number; got"),
        ({"reduction": "men"}, ValueError, "did you mean 'mean'"),
        ({"weights": "in"}, ValueError, "weights: expected one of"),
        ({"examples": "row"}, ValueError, "did you mean 'rows'"),
        ({"decimals": 1.5}, TypeError, "decimals: expected an integer"),
        ({"X": [[1]]}, ValueError, "X: expected shape"),
    ],
)
def test_what_does_not_fit_is_said(change, error, message):
    problem = CASES[0]
    net, (X, Y) = problem.network(), problem.data()
    arguments = {"net": net, "X": X, "Y": Y, "computed": {"grad0": np.ones((4, 4))}} | change
    with pytest.raises(error) as caught:
        loopbp.diagnose(**arguments)
    assert message in str(caught.value)
