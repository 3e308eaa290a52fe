"""Engines: against the NumPy twin, against each other bit for bit, and against the contract."""

from __future__ import annotations

import itertools
from typing import Any

import numpy as np
import pytest
from by_definition import quantities
from problems import DTYPES, EXACT, PROBLEMS, Problem

from loopbp import reference
from loopbp.engines import ENGINES
from loopbp.kernels import epoch
from loopbp.network import Network
from loopbp.trace import Trace

REDUCTIONS = ("mean", "sum")

#: Problems whose bits an independent loop over scalars computes: elementwise outputs with sse.
BY_DEFINITION = [
    Problem(sizes, hidden, output, "sse", N, dtype, seed=7)
    for (sizes, hidden, output, N), dtype in itertools.product(
        [
            ((9, 17, 8, 3), ("relu", "leaky_relu"), "identity", 11),
            ((3, 33, 5), ("sigmoid",), "tanh", 1),
            ((2, 3, 4, 3, 2), ("silu", "elu", "sin"), "softplus", 6),
            ((1, 1), (), "gelu", 3),
            ((20, 7), (), "cos", 16),
        ],
        DTYPES,
    )
]


def arrays_of(trace: Trace) -> dict[str, Any]:
    """Every array of a trace by name."""
    named = {"losses": trace.losses, "loss": np.array(trace.loss)}
    for quantity in ("S", "x", "delta", "grad"):
        named |= {f"{quantity}[{l}]": a for l, a in enumerate(getattr(trace, quantity))}
    return named


def assert_same_bits(actual: dict[str, Any], expected: dict[str, Any]) -> None:
    assert actual.keys() == expected.keys()
    for name, array in expected.items():
        assert actual[name].dtype == array.dtype, name
        assert actual[name].tobytes() == array.tobytes(), name  # the sign of zero too


def twin(problem: Problem, reduction: str) -> dict[str, Any]:
    """What the NumPy twin computes in float64 from the problem's own numbers."""
    net = problem.network()
    X, Y = (part.astype(np.float64) for part in problem.data())
    W = [w.astype(np.float64) for w in net.W]
    S, x = reference.forward(W, X, net.activations)
    f = reference.losses(net.loss, S[-1], x[-1], Y)
    delta, grad = reference.backward(W, S, x, Y, net.activations, net.loss, reduction)
    named = {"losses": f, "loss": f.mean() if reduction == "mean" else f.sum()}
    for quantity, parts in (("S", S), ("x", x), ("delta", delta), ("grad", grad)):
        named |= {f"{quantity}[{l}]": a for l, a in enumerate(parts)}
    return named


# --- Against the NumPy twin ---------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_exact_engines_agree_with_the_numpy_twin(exact, problem, reduction):
    """Every quantity to a few roundings of its own layer's size.

    A sum of m terms of one size is off by about √m roundings (Higham, section 2.8), and each of
    the L layers, on the way there and on the way back, adds its own and passes the others on by a
    factor of about 1, since the weights are of the size 1 / √n_l. g′ cancels in places (1 − x²),
    which loses digits of δ but not against the layer's largest: so the error is measured against
    the largest entry of the array, not entry by entry. The sum over N examples and the twin's
    float64 add nothing that is larger.
    """
    X, Y = problem.data()
    trace = problem.network().backprop(X, Y, engine=exact, reduction=reduction)
    longest = max(*problem.sizes, problem.N)
    units = 8 * len(problem.sizes) * np.sqrt(longest)
    for name, expected in twin(problem, reduction).items():
        actual = arrays_of(trace)[name]
        assert actual.shape == np.shape(expected)
        largest = np.abs(expected).max()
        error = np.abs(actual - expected).max()
        assert error <= units * np.finfo(problem.dtype).eps * largest, name


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("problem", PROBLEMS[::7], ids=str)
def test_the_numpy_engine_is_the_twin(problem, reduction):
    net = problem.network()
    X, Y = problem.data()
    trace = net.backprop(X, Y, engine="numpy", reduction=reduction)
    S, x = reference.forward(net.W, X, net.activations)
    delta, grad = reference.backward(net.W, S, x, Y, net.activations, net.loss, reduction)
    for quantity, parts in (("S", S), ("x", x), ("delta", delta), ("grad", grad)):
        for ours, theirs in zip(getattr(trace, quantity), parts, strict=True):
            np.testing.assert_array_equal(ours, theirs)
    np.testing.assert_array_equal(trace.losses, reference.losses(net.loss, S[-1], x[-1], Y))
    total = trace.losses.sum() if reduction == "sum" else trace.losses.mean()
    assert trace.loss == pytest.approx(total, rel=1e-6)


# --- Bits ---------------------------------------------------------------------------------------


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_exact_engines_agree_with_the_textbook_bit_for_bit(problem, reduction):
    net = problem.network()
    X, Y = problem.data()
    expected = arrays_of(net.backprop(X, Y, engine="textbook", reduction=reduction))
    for engine in EXACT:
        actual = arrays_of(net.backprop(X, Y, engine=engine, reduction=reduction))
        assert_same_bits(actual, expected)


@pytest.mark.parametrize("reduction", REDUCTIONS)
@pytest.mark.parametrize("problem", BY_DEFINITION, ids=str)
def test_the_bits_are_those_of_the_contract(exact, problem, reduction):
    X, Y = problem.data()
    trace = problem.network().backprop(X, Y, engine=exact, reduction=reduction)
    expected = quantities(problem, reduction)
    for l, outputs in enumerate(trace.x):
        nodes = outputs if l == len(trace.S) else outputs[:, 1:]
        assert nodes.tobytes() == expected.x[l].tobytes(), f"x[{l}]"
    for quantity in ("S", "delta", "grad"):
        for l, array in enumerate(getattr(trace, quantity)):
            assert array.tobytes() == getattr(expected, quantity)[l].tobytes(), f"{quantity}[{l}]"


def test_the_contract_distinguishes_the_order_of_sums():
    """The problems above could tell: summed the other way round, other bits come out."""
    problem = BY_DEFINITION[0]
    X, _ = problem.data()
    net = problem.network()
    inputs = np.hstack([np.ones((problem.N, 1), problem.dtype), X])
    backwards = np.zeros((problem.N, problem.sizes[1]), problem.dtype)
    for i in reversed(range(problem.sizes[0] + 1)):
        backwards += inputs[:, i : i + 1] * net.W[0][i]
    forwards = quantities(problem, "sum").S[0]
    assert np.count_nonzero(backwards != forwards) > forwards.size / 4


@pytest.mark.parametrize(
    "problem",
    [
        Problem((7, 9, 5, 3), ("tanh", "gelu"), "softmax", "cross_entropy", 21, "float32"),
        Problem((7, 9, 5, 3), ("relu", "silu"), "sigmoid", "binary_cross_entropy", 21, "float64"),
        Problem((5, 33, 2), ("exp",), "identity", "mse", 21, "float32"),
        Problem((5, 16, 4), ("softplus",), "softmax", "sse", 21, "float64"),
    ],
    ids=str,
)
def test_an_examples_row_does_not_depend_on_its_batch(exact, problem):
    net = problem.network()
    X, Y = problem.data()
    whole = net.backprop(X, Y, engine=exact)
    random = np.random.default_rng(0)
    batches = [random.permutation(problem.N)]  # the same batch in another order
    for size in (1, 2, 3, 8, 13):
        batches += [np.arange(start, min(start + size, problem.N)) for start in (0, 5, 18)]
    for rows in batches:
        part = net.backprop(X[rows], Y[rows], engine=exact)
        for quantity in ("S", "x", "delta"):
            pairs = zip(getattr(part, quantity), getattr(whole, quantity), strict=True)
            for l, (ours, theirs) in enumerate(pairs):
                assert ours.tobytes() == theirs[rows].tobytes(), f"{quantity}[{l}] of {rows}"
        assert part.losses.tobytes() == whole.losses[rows].tobytes()


# --- Names, and numbers out of range ------------------------------------------------------------


def unwritable(X: Any) -> Any:
    """X, which nobody may change."""
    X = X.copy()
    X.flags.writeable = False
    return X


def unaligned(X: Any) -> Any:
    """X, one byte off every multiple of its itemsize."""
    memory = np.empty(X.nbytes + 1, np.uint8)
    view = memory[1:].view(X.dtype).reshape(X.shape)
    view[...] = X
    return view


@pytest.mark.parametrize("kind", [unwritable, unaligned, np.asfortranarray, np.asarray])
@pytest.mark.parametrize("inputs", [3, 511, 512, 1023, 1024])  # rows 4,096 bytes apart among them
@pytest.mark.parametrize("dtype", DTYPES)
def test_predictions_have_the_textbooks_bits_wherever_the_inputs_stand(dtype, inputs, kind):
    net = Network([inputs, 3, 2], dtype=dtype)
    given = np.random.default_rng(1).normal(size=(5, inputs)).astype(dtype)
    X = kind(given)
    expected = net.forward(given, engine="python").x[-1]
    for found in (net.predict(X), net.predict(X, batch_size=2), net.forward(X).x[-1]):
        assert found.tobytes() == expected.tobytes()
    assert X.tobytes() == given.tobytes()


def test_inputs_that_cannot_be_written_are_compiled_for_no_one():
    net = Network([6, 3, 2], dtype="float64")
    given = np.random.default_rng(1).normal(size=(5, 6))
    net.predict(unwritable(given))
    net.backprop(unwritable(given), np.zeros(5, int))
    for signature in getattr(epoch.pass_examples, "signatures", ()):
        assert all(kind.mutable for kind in signature[5].types[:4])


def test_which_engines_are_exact():
    assert {"python", "textbook"} <= set(EXACT)
    assert not ENGINES["numpy"].exact
    assert ENGINES["auto"].exact
    assert all(ENGINES[name].name == name for name in EXACT)


def test_auto_is_recorded_under_its_own_name():
    net = Network([2, 2], init="zeros")
    assert net.forward([[0, 0]]).engine == ENGINES["auto"].name
    assert net.forward([[0, 0]], engine="python").engine == "python"


@pytest.mark.usefixtures("loops_as_quiet_as_compiled")
@pytest.mark.parametrize("dtype", DTYPES)
def test_overflow_is_silent_and_the_same_in_every_exact_engine(dtype):
    """exp of 1000 is infinite, and infinity − infinity is NaN: results, not warnings."""
    net = Network(
        [1, 2, 1], "exp", "identity", "sse", [[[0, 0], [1000, -1]], [[0], [1], [1]]], dtype=dtype
    )
    traces = [net.backprop([[1]], [0], engine=engine) for engine in EXACT]
    for trace in traces:
        assert trace.x[1][0, 1] == np.inf and trace.loss == np.inf
        assert trace.delta[0][0, 0] == np.inf
        # the other node: e^−1 is finite, and ∞ · e^−1 is not
        assert trace.x[1][0, 2] < 1 and trace.delta[0][0, 1] == np.inf
