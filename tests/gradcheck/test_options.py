"""Dtypes, engines and options of the check, and what of them does not fit."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from loopbp.gradcheck import gradcheck
from loopbp.network import Network

from .cases import check, problem, right

# --- float32, engines, options. -----------------------------------------------------------------


def test_a_float32_network_is_checked_on_a_float64_copy():
    data = problem("gelu", dtype="float32")
    net, (X, Y) = data.network(), data.data()
    before = net.theta.tobytes()
    result = check(net, X, Y)
    assert result.max_error <= 1e-7
    assert result.analytic.dtype == result.numeric.dtype == np.float64
    assert result.dtype == "float32"
    assert "the float32 network was checked on a float64 copy" in str(result)
    assert net.theta.tobytes() == before
    copy = check(net.copy(dtype="float64"), X, Y / Y.sum(axis=1, keepdims=True, dtype=float))
    assert copy.numeric.tolist() == result.numeric.tolist()
    # its own gradient is off by float32's rounding
    own = net.backprop(X, Y, engine="numpy").gradient
    assert not check(net, X, Y, gradient=own).passed
    assert check(net, X, Y, gradient=own, tolerance=1e-3).passed


def test_targets_that_sum_to_one_in_float32_only():
    net = Network([2, 3], dtype="float32", seed=1)
    Y = np.full((1, 3), 0.33333, "float32")  # the sum is 0.99999
    assert check(net, [[1.0, 2.0]], Y).max_error <= 1e-8


@pytest.mark.parametrize("engine", ["python", "textbook", "numpy", "auto"])
def test_every_engine_passes(engine):
    data = problem("silu", 2, N=2)
    net, (X, Y) = data.network(), data.data()
    result = gradcheck(net, X, Y, engine=engine)
    assert result.passed
    assert result.engine in str(result)
    assert result.engine == engine or engine == "auto"


def test_a_gradient_may_be_one_vector_or_layers():
    data = problem()
    net, (X, Y) = data.network(), data.data()
    blocks = right(net, X, Y)
    vector = np.concatenate([block.ravel() for block in blocks])
    results = [check(net, X, Y, gradient=form) for form in (blocks, tuple(blocks), vector)]
    assert [result.analytic.tolist() for result in results] == [vector.tolist()] * 3
    assert "the given gradient against" in str(results[0])


def test_labels_are_targets():
    net = problem().network()
    X = problem().data()[0]
    labels, rows = check(net, X, [0, 1, 2, 1, 0]), check(net, X, np.eye(3)[[0, 1, 2, 1, 0]])
    assert labels.numeric.tolist() == rows.numeric.tolist()


def test_progress_counts_the_parameters():
    seen = []
    check(problem().network(), *problem().data(), progress=seen.append)
    assert [state.done for state in seen] == list(range(1, 44))
    assert {state.total for state in seen} == {43}


# --- What comes in. -----------------------------------------------------------------------------

NET = Network([2, 3, 2])
X = [[1.0, 2.0], [0.5, -1.0]]
Y = [0, 1]


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"net": "net"}, TypeError, "net: expected a loopbp.Network; got 'net'"),
        ({"X": [[1.0, 2.0, 3.0]]}, ValueError, r"X: expected shape \(N, 2\).*got \(1, 3\)"),
        ({"X": [[1.0, math.nan], [0, 0]]}, ValueError, "X: .*nan in row 0, column 1"),
        ({"Y": [0, 2]}, ValueError, "Y: expected labels from 0 to 1; got 2 in row 1"),
        ({"Y": [0]}, ValueError, "Y: expected 2 rows"),
        ({"engine": "textbok"}, ValueError, "engine: .*did you mean 'textbook'"),
        ({"reduction": "average"}, ValueError, "reduction: expected one of mean, sum"),
        ({"tolerance": 0}, ValueError, "tolerance: expected a finite number > 0 and < 1; got 0"),
        ({"step": 2.0}, ValueError, "step: expected a finite number ≥ 1e-06 and ≤ 1; got 2.0"),
        ({"sample": 3}, ValueError, "sample: expected an integer ≥ 4; got 3"),
        ({"sample": 10.0}, TypeError, "sample: expected an integer; got 10.0"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0; got -1"),
        ({"progress": 3}, TypeError, "progress: expected a callable"),
        ({"gradient": [1.0, 2.0]}, ValueError, r"gradient: expected the 17 derivatives.*\(2,\)"),
        ({"gradient": "abc"}, TypeError, "gradient: expected an array of real numbers"),
        ({"gradient": [[[1.0], [1, 2]], [[1.0]]]}, TypeError, r"gradient\[0\]: expected an array"),
        (
            {"gradient": [np.ones((3, 3)), np.ones((2, 4))]},
            ValueError,
            r"gradient\[1\]: expected shape \(4, 2\), like net.W\[1\]; got \(2, 4\)",
        ),
        ({"gradient": np.full(17, np.inf)}, ValueError, "gradient: .*inf in index 0"),
    ],
    ids=str,
)
def test_what_does_not_fit_is_named(arguments, error, message):
    given = {"net": NET, "X": X, "Y": Y, **arguments}
    with pytest.raises(error, match=message):
        gradcheck(given.pop("net"), given.pop("X"), given.pop("Y"), **given)


def test_weights_and_losses_must_be_finite():
    net = NET.copy()
    net.W[1][2, 0] = np.nan
    with pytest.raises(ValueError, match=r"net.W\[1\]: .* row 2, column 0"):
        check(net, X, Y)
    net = Network([1, 1], output="exp", loss="sse", init=[0.0, 400.0])  # f = e^800
    with pytest.raises(ValueError, match=r"X: .*loss are finite.*got overflow in row 1"):
        check(net, [[0.0], [1.0]], [[0.0], [0.0]])
    # e^800 = ∞ inside, but tanh of it is 1 and the loss is finite
    net = Network([1, 1, 1], "exp", "tanh", "sse", init=[0.0, 800.0, 0.0, 1.0])
    with pytest.raises(ValueError, match=r"X: .*in every layer.*got overflow in row 0"):
        check(net, [[1.0]], [[0.0]])


junk = st.one_of(
    st.none(),
    st.booleans(),
    st.text(max_size=3),
    st.floats(),
    st.integers(-5, 5),
    st.lists(st.floats(), max_size=2),
)


@settings(deadline=None, max_examples=100)
@given(
    name=st.sampled_from(
        ["sample", "seed", "tolerance", "step", "engine", "reduction", "gradient"]
    ),
    value=junk,
)
def test_any_argument_is_used_or_refused_by_name(name, value):
    try:
        result = check(NET, X, Y, **{name: value})
    except (TypeError, ValueError) as refusal:
        assert str(refusal).startswith(f"{name}: expected")
    else:
        assert len(result.frame) > 0


@settings(deadline=None, max_examples=25)
@given(
    sizes=st.lists(st.integers(1, 9), min_size=2, max_size=5),
    sample=st.integers(8, 40),
    seed=st.integers(0, 2**64),
)
def test_samples_of_any_network(sizes, sample, seed):
    net = Network(sizes, hidden="tanh", output="identity", loss="sse", seed=1)
    result = check(net, np.ones((1, sizes[0])), np.ones((1, sizes[-1])), sample=sample, seed=seed)
    entries = set(result.frame[["layer", "i", "j"]].itertuples(index=False, name=None))
    assert len(entries) == len(result.frame) == min(sample, net.theta.size)
    for l, W in enumerate(net.W):
        rows = {i for layer, i, _ in entries if layer == l}
        assert 0 in rows and max(rows) > 0
        assert all(0 <= i < W.shape[0] and 1 <= j <= W.shape[1] for m, i, j in entries if m == l)
