"""Targets, passes, predictions and evaluation, and what of them does not fit."""

from __future__ import annotations

import re

import numpy as np
import pytest
from problems import EXACT, PROBLEMS

from loopbp.network import Network

# --- Targets ------------------------------------------------------------------------------------


def test_labels_become_rows_with_a_single_one():
    net = Network([2, 3], dtype="float32")
    for labels in ([2, 0, 1], np.array([2, 0, 1], np.uint8), np.array([2, 0, 1], ">i4")):
        targets = net.targets(labels, 3)
        assert targets.dtype == np.float32
        np.testing.assert_array_equal(targets, [[0, 0, 1], [1, 0, 0], [0, 1, 0]])


def test_a_vector_for_one_output_is_its_column():
    net = Network([2, 1], output="identity", loss="sse")
    for Y in ([1.5, -2], [[1.5], [-2]]):
        np.testing.assert_array_equal(net.targets(Y, 2), [[1.5], [-2]])
    # labels of two classes as targets 0 and 1
    net = Network([2, 1], output="sigmoid", loss="binary_cross_entropy")
    np.testing.assert_array_equal(net.targets([1, 0], 2), [[1], [0]])


@pytest.mark.parametrize(
    ("output", "loss", "Y", "error", "message"),
    [
        ("softmax", "cross_entropy", [0, 3], ValueError, "labels from 0 to 2; got 3 in row 1"),
        ("softmax", "cross_entropy", [-1, 0], ValueError, "labels from 0 to 2; got -1 in row 0"),
        ("softmax", "cross_entropy", [0.0, 1.0], TypeError, "a vector of dtype float64"),
        ("softmax", "cross_entropy", [True, False], TypeError, "a vector of dtype bool"),
        ("softmax", "cross_entropy", [0], ValueError, "Y: expected 2 rows, one per row of X; got"),
        ("softmax", "cross_entropy", 1, ValueError, "Y: expected 2 rows"),
        ("softmax", "cross_entropy", ["a", "b"], TypeError, "Y: expected an array of real numbers"),
        ("softmax", "cross_entropy", [[1, 0], [0, 1]], ValueError, "Y: expected shape (N, 3)"),
        ("softmax", "cross_entropy", np.ones((2, 3)), ValueError, "got (1, 1, 1) in row 0"),
        ("softmax", "cross_entropy", [[1, 0, 0], [2, -1, 0]], ValueError, "(2, -1, 0) in row 1"),
        ("softmax", "sse", [[1, 0, 0], [np.nan, 1, 0]], ValueError, "nan in row 1, column 0"),
        ("sigmoid", "binary_cross_entropy", [[1, 0, 0], [0, 1.1, 0]], ValueError, "in row 1"),
        ("identity", "sse", [[1, 2, 3], [4, 5, np.inf]], ValueError, "inf in row 1, column 2"),
        ("identity", "sse", np.zeros((2, 3, 1)), ValueError, "Y: expected shape (N, 3)"),
    ],
)
def test_targets_that_do_not_fit(output, loss, Y, error, message):
    net = Network([2, 3], output=output, loss=loss)
    with pytest.raises(error, match=re.escape(message)):
        net.backprop(np.zeros((2, 2)), Y)


def test_targets_that_sum_to_one_but_for_their_rounding():
    shares = np.random.default_rng(0).dirichlet(np.ones(50), 20).astype(np.float32)
    assert Network([2, 50], dtype="float32").targets(shares, 20).tobytes() == shares.tobytes()


# --- Passes -------------------------------------------------------------------------------------


def test_forward_is_the_first_half_of_backprop(exact):
    problem = PROBLEMS[3]
    net, (X, Y) = problem.network(), problem.data()
    half, whole = net.forward(X, engine=exact), net.backprop(X, Y, engine=exact)
    for ours, theirs in zip((*half.S, *half.x), (*whole.S, *whole.x), strict=True):
        assert ours.tobytes() == theirs.tobytes()
    assert half.delta is half.grad is half.losses is half.loss is half.y is None
    with pytest.raises(ValueError, match="gradient: expected a trace of backprop"):
        _ = half.gradient


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("problem", PROBLEMS[-6:-4], ids=str)
def test_passes_leave_network_and_data_alone_and_keep_what_they_used(engine, problem):
    net, (X, Y) = problem.network(), problem.data()
    before = [a.tobytes() for a in (net.theta, X, Y)]
    trace = net.backprop(X, Y, engine=engine)
    assert [a.tobytes() for a in (net.theta, X, Y)] == before
    kept = trace.W[0].copy()
    net.theta[...] = 0
    np.testing.assert_array_equal(trace.W[0], kept)
    arrays = (*trace.S, *trace.x, *trace.delta, *trace.grad, trace.losses, trace.y)
    assert {a.dtype for a in arrays} == {net.dtype}
    assert isinstance(trace.loss, float)
    assert trace.gradient.shape == net.theta.shape
    np.testing.assert_array_equal(trace.gradient, np.hstack([g.ravel() for g in trace.grad]))
    assert (trace.engine, trace.reduction) == (engine, "mean")


def test_any_layout_and_any_real_dtype_of_data(exact):
    net = Network([3, 2], seed=0)
    X = np.array([[1, 2, 3], [4, 5, 6], [7, 8, 9]])
    expected = net.predict(X.astype(float), engine=exact)
    wide = np.zeros((6, 6), np.float32)
    wide[::2, ::2] = X
    for given in (X, X.tolist(), np.asfortranarray(X), wide[::2, ::2], X.astype(">f4")):
        assert net.predict(given, engine=exact).tobytes() == expected.tobytes()


@pytest.mark.parametrize(
    ("X", "error", "message"),
    [
        ([[1, 2]], ValueError, "X: expected shape (N, 3), one row per example; got (1, 2)"),
        ([1, 2, 3], ValueError, "X: expected shape (N, 3), one row per example; got (3,)"),
        (np.zeros((0, 3)), ValueError, "X: expected at least one example (row); got none"),
        ([[1, 2, 3], [1, np.nan, 3]], ValueError, "got nan in row 1, column 1 (1 of 6 entries"),
        ([[1, 2, -np.inf]], ValueError, "X: expected finite float32 numbers; got -inf in row 0"),
        ([[1, 2, 1e39]], ValueError, "expected finite float32 numbers; got 1e+39 in row 0, col"),
        ([[1, 2, 3j]], TypeError, "X: expected an array of real numbers; got list of dtype compl"),
        ([[1, 2], [3]], TypeError, "X: expected an array of numbers; "),
        ([[1, 2, None]], TypeError, "X: expected an array of real numbers"),
        (None, TypeError, "X: expected an array of real numbers; got None of dtype object"),
    ],
)
def test_inputs_that_do_not_fit(X, error, message):
    net = Network([3, 2], dtype="float32")
    Y = [0] * (1 if X is None else len(X))
    for use in (net.forward, net.predict, lambda X: net.backprop(X, Y),
                lambda X: net.gradients(X, Y), lambda X: net.evaluate(X, Y),
                lambda X: net.fit(X, Y)):  # fmt: skip
        with pytest.raises(error, match=re.escape(message)):
            use(X)


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"engine": "textbok"}, ValueError, "did you mean 'textbook'?"),
        ({"engine": 3}, TypeError, "engine: expected one of python, textbook"),
        ({"reduction": "max"}, ValueError, "reduction: expected one of mean, sum; got 'max'"),
    ],
)
def test_options_of_backprop_that_do_not_fit(options, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Network([2, 2]).backprop([[1, 2]], [0], **options)


def test_backprop_wants_targets():
    with pytest.raises(TypeError, match="Y: expected"):
        Network([2, 2]).backprop([[1, 2]], None)


def test_a_weight_that_is_not_finite_is_named():
    net = Network([2, 3, 2])
    net.W[1][2, 0] = np.nan
    message = re.escape("net.W[1]: expected finite float64 numbers; got nan in row 2, column 0")
    for use in (lambda: net.forward([[1, 2]]), lambda: net.predict([[1, 2]]),
                lambda: net.backprop([[1, 2]], [0]), lambda: net.evaluate([[1, 2]], [0]),
                lambda: net.fit([[1, 2]], [0])):  # fmt: skip
        with pytest.raises(ValueError, match=message):
            use()


# --- predict and evaluate -----------------------------------------------------------------------


@pytest.mark.parametrize("batch_size", [1, 2, 5, 6, 1000])
def test_predict_has_the_same_bits_for_any_batch_size(exact, batch_size):
    net = Network([4, 7, 3], "gelu", dtype="float32", seed=1)
    X = np.random.default_rng(0).uniform(-2, 2, (11, 4))
    outputs = net.predict(X, engine=exact, batch_size=batch_size)
    assert outputs.tobytes() == net.forward(X, engine="textbook").x[-1].tobytes()
    assert outputs.shape == (11, 3) and outputs.dtype == np.float32


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("batch_size", [1, 2, 3, 100])
def test_evaluate_by_hand(engine, batch_size):
    # x = softmax(0, s ln 3) for inputs s = 1, −1, 2: (1/4, 3/4), (3/4, 1/4), (1/10, 9/10)
    net = Network([1, 2], init=[[[0, 0], [0, np.log(3)]]])
    X, labels = [[1], [-1], [2]], [1, 1, 0]
    loss, accuracy = net.evaluate(X, labels, engine=engine, batch_size=batch_size)
    assert loss == pytest.approx((np.log(4 / 3) + np.log(4) + np.log(10)) / 3, rel=1e-14)
    assert accuracy == 1 / 3
    rows = np.eye(2)[labels]
    assert net.evaluate(X, rows, engine=engine, batch_size=batch_size) == (loss, accuracy)


@pytest.mark.parametrize(
    ("sizes", "output", "loss", "Y", "accuracy"),
    [
        # one sigmoid output is class 1 from ½ on: inputs −1, 0, 1 are classes 0, 1, 1
        ([1, 1], "sigmoid", "binary_cross_entropy", [0, 1, 0], 2 / 3),
        ([1, 1], "sigmoid", "sse", [0, 0, 0], 1 / 3),
        ([1, 1], "identity", "sse", [0, 1, 0], None),
        ([1, 2], "identity", "sse", [0, 1, 1], 2 / 3),  # labels say that these are classes
        ([1, 2], "identity", "sse", [[1, 0], [0, 1], [0, 1]], None),
        ([1, 2], "softmax", "sse", [[1, 0], [0, 1], [0, 1]], 2 / 3),
    ],
)
def test_accuracy_where_there_are_classes(sizes, output, loss, Y, accuracy):
    # two outputs: S = (0, s), so that ties (s = 0) and s < 0 are class 0, s > 0 class 1
    W = [[0], [1]] if sizes[1] == 1 else [[0, 0], [0, 1]]
    net = Network(sizes, output=output, loss=loss, init=[W])
    assert net.evaluate([[-1], [0], [1]], Y).accuracy == accuracy


@pytest.mark.parametrize("use", ["predict", "evaluate"])
@pytest.mark.parametrize("batch_size", [0, -1, 2.0, None])
def test_batch_sizes_that_do_not_fit(use, batch_size):
    net = Network([1, 2])
    data = ([[1]],) if use == "predict" else ([[1]], [0])
    with pytest.raises((TypeError, ValueError), match="batch_size: expected an integer"):
        getattr(net, use)(*data, batch_size=batch_size)


@pytest.mark.usefixtures("blocks_of_100")
@pytest.mark.parametrize("inputs", [3, 512])  # of rows 4,096 bytes apart, too
def test_predictions_go_through_in_blocks(inputs):
    net = Network([inputs, 7, 3], "tanh", seed=1)
    X = np.random.default_rng(0).uniform(-1, 1, (250, inputs))
    expected = net.forward(X, engine="textbook").x[-1]
    assert net.predict(X).tobytes() == expected.tobytes()
