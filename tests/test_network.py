"""Network and Trace: sizes, parameters, what comes in, what goes out, and files."""

from __future__ import annotations

import copy
import json
import math
import os
import pickle
import re
import zipfile
from typing import Any

import numpy as np
import pytest
from problems import DTYPES, EXACT, PROBLEMS

from loopbp import npz
from loopbp.network import Network, load
from loopbp.trace import Trace

# --- Construction -------------------------------------------------------------------------------


def test_parameters_are_one_vector_and_every_matrix_is_a_view_of_it():
    net = Network([2, 3, 1], output="identity", loss="sse", init=np.arange(13.0))
    # (2 + 1) · 3 and (3 + 1) · 1, row 0 the biases, C-ordered one after the other
    assert net.theta.shape == (13,) and net.theta.flags.c_contiguous
    np.testing.assert_array_equal(net.W[0], [[0, 1, 2], [3, 4, 5], [6, 7, 8]])
    np.testing.assert_array_equal(net.W[1], [[9], [10], [11], [12]])
    net.W[1][2] = -1
    assert net.theta[11] == -1
    net.theta[0] = 7
    assert net.W[0][0, 0] == 7


def test_what_a_network_says_of_itself():
    net = Network([4, 3, 5, 2], ["relu", "tanh"], dtype="float32")
    assert (net.sizes, net.L) == ((4, 3, 5, 2), 3)
    assert net.activations == ("relu", "tanh", "softmax")
    assert (net.hidden, net.output, net.loss) == (("relu", "tanh"), "softmax", "cross_entropy")
    assert net.dtype == net.theta.dtype == np.float32
    assert repr(net) == (
        "<Network 4-3-5-2: relu, tanh, softmax, cross_entropy, float32; 47 parameters>"
    )
    html = net._repr_html_()
    assert "<td>4 → 3</td><td>relu</td><td>15</td>" in html
    assert "<td>5 → 2</td><td>softmax</td><td>12</td>" in html


@pytest.mark.parametrize("sizes", [(3, 2), [3, 2], np.array([3, 2]), range(3, 1, -1)], ids=repr)
def test_sizes_may_be_any_sequence_of_integers(sizes):
    assert Network(sizes).sizes == (3, 2)


@pytest.mark.parametrize("dtype", ["float32", np.float32, np.dtype("f4"), "f4", "<f4"])
def test_dtypes_by_name_and_by_type(dtype):
    net = Network([2, 2], dtype=dtype)
    assert net.theta.dtype == np.float32 and net.dtype.isnative


def test_the_default_network_is_the_one_of_the_readme():
    net = Network([64, 32, 16, 10])
    assert net.activations == ("sigmoid", "sigmoid", "softmax")
    assert (net.loss, net.dtype) == ("cross_entropy", np.float64)
    assert len(net.theta) == 65 * 32 + 33 * 16 + 17 * 10


# --- Initial weights ----------------------------------------------------------------------------


def weights_of(init: Any, **options: Any) -> np.ndarray:
    """The 300 · 200 weights of one layer; its biases have to be 0."""
    net = Network([300, 200], init=init, **options)
    assert (net.W[0][0] == 0).all()
    return net.W[0][1:]


@pytest.mark.parametrize(
    ("init", "variance"),
    [("he", 2 / 300), ("lecun", 1 / 300), ("normal", 1e-4), ("glorot", 6 / 500 / 3)],
)
def test_initial_weights_have_the_variance_of_their_formula(init, variance):
    w = weights_of(init, seed=1)
    # 60,000 draws: the mean is off by √(variance / 60,000), the variance by √(2 / 60,000) = 0.6 %
    assert abs(w.mean()) < 4 * np.sqrt(variance / w.size)
    assert w.var() == pytest.approx(variance, rel=0.025)
    within_one = np.mean(np.abs(w) < np.sqrt(variance))
    if init == "glorot":  # uniform: |w| < limit, and 1/√3 of the range within one deviation
        limit = math.sqrt(6 / 500)
        assert 0.999 * limit < np.abs(w).max() < limit
        assert within_one == pytest.approx(1 / math.sqrt(3), abs=0.01)
    else:
        assert within_one == pytest.approx(math.erf(1 / math.sqrt(2)), abs=0.01)


def test_the_bits_of_glorot_are_those_of_the_raw_draws():
    """Uniform in ±√(6 / (n_l + n_{l+1})), from the upper 53 bits of each draw, layer by layer."""
    net = Network([3, 4, 2], seed=9)
    raw = [draw >> 11 for draw in np.random.PCG64(9).random_raw(3 * 4 + 4 * 2).tolist()]
    for W, draws in zip(net.W, (raw[:12], raw[12:]), strict=True):
        limit = math.sqrt(6 / (W.shape[0] - 1 + W.shape[1]))
        expected = [(2 * (draw * 2.0**-53) - 1) * limit for draw in draws]
        assert W[1:].ravel().tolist() == expected


def test_glorot_counts_both_sides_and_he_and_lecun_the_lower_one():
    for sizes, limit in (([2, 22], 0.5), ([22, 2], 0.5), ([1, 2], math.sqrt(2))):
        w = Network(sizes, init="glorot", seed=2).W[0][1:]
        assert np.abs(w).max() < limit
    few, many = (Network([n, 2000], init="he", seed=2).W[0][1:].std() for n in (2, 50))
    assert few / many == pytest.approx(5, rel=0.06)


def test_std_is_that_of_normal():
    assert weights_of("normal", std=2.5, seed=0).std() == pytest.approx(2.5, rel=0.01)
    assert weights_of("normal", seed=0).std() == pytest.approx(0.01, rel=0.01)
    assert (weights_of("normal", std=0) == 0).all()


def test_zeros_are_zeros():
    assert not Network([3, 4, 2], init="zeros").theta.any()


@pytest.mark.parametrize("init", ["glorot", "he", "lecun", "normal"])
def test_a_seed_names_the_weights_and_float32_rounds_them(init):
    first, again, other = (Network([5, 4, 3], init=init, seed=s).theta for s in (1, 1, 2))
    assert first.tobytes() == again.tobytes()
    assert (first != other).any()
    single = Network([5, 4, 3], init=init, seed=1, dtype="float32").theta
    assert single.tobytes() == first.astype(np.float32).tobytes()
    layers = Network([5, 5, 5], init=init, seed=1).W
    assert (layers[0] != layers[1]).any()  # a layer does not repeat the one below


@pytest.mark.parametrize("dtype", DTYPES)
def test_weights_may_be_given_and_are_copied(dtype):
    flat = np.arange(13.0)
    matrices = [flat[:9].reshape(3, 3), flat[9:].reshape(4, 1)]
    options = {"output": "identity", "loss": "sse", "dtype": dtype}
    for init in (flat, flat.tolist(), matrices, tuple(m.tolist() for m in matrices)):
        net = Network([2, 3, 1], init=init, **options)
        np.testing.assert_array_equal(net.theta, flat)
        assert net.theta.dtype == dtype
    net = Network([2, 3, 1], init=flat, **options)
    net.theta[0] = 100
    assert flat[0] == 0


# --- What does not fit --------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("arguments", "error", "message"),
    [
        ({"sizes": [3]}, ValueError, "sizes: expected at least two layers, n_0 and n_L; got [3]"),
        ({"sizes": []}, ValueError, "sizes: expected at least two layers"),
        ({"sizes": 3}, TypeError, "sizes: expected a sequence of integers; got 3"),
        ({"sizes": "32"}, TypeError, "sizes: expected a sequence of integers; got '32'"),
        ({"sizes": [3, 0]}, ValueError, "sizes[1]: expected an integer ≥ 1; got 0"),
        ({"sizes": [-3, 2]}, ValueError, "sizes[0]: expected an integer ≥ 1; got -3"),
        ({"sizes": [3, 2.0]}, TypeError, "sizes[1]: expected an integer; got 2.0"),
        ({"sizes": [3, True]}, TypeError, "sizes[1]: expected an integer; got True"),
        ({"sizes": [10**5, 10**5]}, ValueError, "at most 1,073,741,824 parameters; got 10,000,1"),
        ({"hidden": "relux"}, ValueError, "exp; got 'relux'; did you mean 'relu'?"),
        ({"hidden": "softmax"}, ValueError, "hidden: expected one of identity, sigmoid"),
        ({"hidden": ["relu", "relu"]}, ValueError, "hidden: expected one name, or 1 for the hid"),
        ({"hidden": []}, ValueError, "sizes [3, 4, 2]; got 0 names"),
        ({"hidden": ["tanH"]}, ValueError, "hidden[0]: expected one of identity"),
        ({"hidden": [3]}, TypeError, "hidden[0]: expected one of identity"),
        ({"output": "softmin"}, ValueError, "did you mean 'softmax'?"),
        ({"output": None}, TypeError, "output: expected one of identity"),
        ({"loss": "mae"}, ValueError, "loss: expected one of sse, half_sse, mse, cross_entropy, b"),
        ({"output": "sigmoid"}, ValueError, "expected output='softmax' with it, got output='sigm"),
        ({"loss": "binary_cross_entropy"}, ValueError, "expected output='sigmoid' with it, got"),
        ({"sizes": [3, 1], "loss": "sse"}, ValueError, "softmax over one output is always 1"),
        ({"dtype": "float16"}, ValueError, "dtype: expected float32 or float64; got 'float16'"),
        ({"dtype": ">f8"}, ValueError, "dtype: expected float32 or float64; got '>f8'"),
        ({"dtype": "flaot"}, TypeError, "dtype: expected float32 or float64; got 'flaot'"),
        ({"dtype": None}, ValueError, "dtype: expected float32 or float64; got None"),
        ({"init": "xavier"}, ValueError, "init: expected one of glorot, he, lecun, normal, zeros"),
        ({"init": None}, TypeError, "init: expected one of glorot"),
        ({"init": np.zeros(25)}, ValueError, "init: expected the 26 parameters as one vector, or"),
        ({"init": [np.zeros((4, 4)), np.zeros((4, 2))]}, ValueError, "init[1]: expected shape (5"),
        ({"init": np.full(26, np.nan)}, ValueError, "init: expected finite float64 numbers; got n"),
        ({"init": ["a"] * 26}, TypeError, "init: expected an array of real numbers"),
        (
            {"init": "normal", "std": -1},
            ValueError,
            "std: expected a finite number ≥ 0 and ≤ 1e+30",
        ),
        ({"init": "normal", "std": np.nan}, ValueError, "std: expected a finite number ≥ 0"),
        ({"init": "he", "std": 1.0}, ValueError, "std: expected init='normal' with it"),
        ({"seed": -1}, ValueError, "seed: expected an integer ≥ 0; got -1"),
        ({"seed": 1.5}, TypeError, "seed: expected an integer; got 1.5"),
        ({"seed": None}, TypeError, "seed: expected an integer; got None"),
    ],
    ids=lambda value: str(value)[:40] if isinstance(value, dict) else "",
)
def test_arguments_that_do_not_fit(arguments, error, message):
    with pytest.raises(error, match=re.escape(message)):
        Network(**({"sizes": [3, 4, 2]} | arguments))


@pytest.mark.parametrize(
    ("argument", "value"),
    [("hidden", None), ("hidden", 5), ("sizes", np.array(3)), ("init", [[[1, 2], [3]], [[1]]])],
)
def test_every_message_names_its_argument(argument, value):
    with pytest.raises((TypeError, ValueError), match=rf"^{argument}\b.*: expected"):
        Network(**({"sizes": [3, 4, 2]} | {argument: value}))


@pytest.mark.filterwarnings("ignore::RuntimeWarning")
def test_initial_weights_are_finite():
    with pytest.raises(ValueError, match="std: "):
        Network([3, 2], init="normal", std=1e300, dtype="float32")


def test_assigning_to_theta_keeps_its_memory():
    net = Network([2, 2])
    W, theta = net.W[0], net.theta
    net.theta = np.arange(6.0)
    net.theta *= 2
    assert net.theta is theta
    assert W.tolist() == [[0, 2], [4, 6], [8, 10]]
    with pytest.raises(ValueError, match=re.escape("theta: expected shape (6,); got (5,)")):
        net.theta = np.zeros(5)
    with pytest.raises(AttributeError):
        net.W = (np.zeros((3, 2)),)


@pytest.mark.parametrize("duplicate", [copy.deepcopy, lambda net: pickle.loads(pickle.dumps(net))])
def test_a_copy_has_weights_of_its_own_that_are_views_of_its_theta(duplicate):
    net = Network([2, 3, 2], seed=1)
    other = duplicate(net)
    assert other.theta.tobytes() == net.theta.tobytes()
    assert all(np.shares_memory(W, other.theta) for W in other.W)
    other.W[0][...] = 0
    assert (other.theta[:9] == 0).all() and (net.theta[3:9] != 0).all()


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
    for use in (net.forward, net.predict, lambda X: net.backprop(X, [0]),
                lambda X: net.evaluate(X, [0]), lambda X: net.fit(X, [0])):  # fmt: skip
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


# --- Trace --------------------------------------------------------------------------------------


@pytest.fixture
def small_trace() -> Trace:
    """2-2-1 with relu and identity on two examples; every number of it is written out below."""
    weights = [[[0, 1], [1, 0], [0, -1]], [[0.5], [2], [-1]]]
    net = Network([2, 2, 1], "relu", "identity", "sse", weights)
    return net.backprop([[3, 1], [-1, 2]], [1, 0])


def value(frame: Any, quantity: str, **indices: int) -> float:
    """The only row of the frame with these indices, and with no others."""
    rows = frame[frame["quantity"] == quantity]
    for name in ("l", "n", "i", "j"):
        column = rows[name]
        rows = rows[column == indices[name]] if name in indices else rows[column.isna()]
    assert len(rows) == 1
    return float(rows["value"].iloc[0])


def test_to_frame_has_a_row_per_number_by_the_legends_indices(small_trace):
    frame = small_trace.to_frame()
    assert list(frame.columns) == ["quantity", "l", "n", "i", "j", "value"]
    assert frame["quantity"].value_counts().to_dict() == {
        "w": 6 + 3, "x": 2 * 3 + 2 * 3 + 2, "S": 4 + 2, "delta": 4 + 2, "grad": 6 + 3, "loss": 2
    }  # fmt: skip
    assert (frame[["l", "n", "i", "j"]].dtypes == "Int64").all()
    # example 0: S = (3, 1 − 1), x = (3, 0), S = 0.5 + 6 = 6.5; f = (1 − 6.5)²; δ = 11
    # example 1: S = (−1, 1 − 2), x = (0, 0), S = 0.5; f = 0.25; δ = 1; the hidden δ are 22, 0, 0, 0
    assert value(frame, "w", l=0, i=2, j=2) == -1
    assert value(frame, "w", l=1, i=0, j=1) == 0.5
    assert value(frame, "x", l=0, n=1, i=0) == 1
    assert value(frame, "x", l=0, n=1, i=2) == 2
    assert value(frame, "x", l=1, n=0, i=1) == 3
    assert value(frame, "x", l=2, n=0, i=1) == 6.5  # the last layer has no node 0
    assert value(frame, "S", l=0, n=1, j=2) == -1
    assert value(frame, "S", l=1, n=1, j=1) == 0.5
    assert value(frame, "delta", l=1, n=0, j=1) == 11
    assert value(frame, "delta", l=0, n=0, j=1) == 22
    assert value(frame, "delta", l=0, n=0, j=2) == 0
    assert value(frame, "grad", l=1, i=0, j=1) == 6  # (11 + 1) / 2
    assert value(frame, "grad", l=1, i=1, j=1) == 16.5  # (11 · 3 + 1 · 0) / 2
    assert value(frame, "grad", l=0, i=1, j=1) == 33  # (22 · 3) / 2
    assert value(frame, "loss", n=0) == 30.25


def test_to_frame_of_a_forward_pass():
    frame = Network([2, 3, 2]).forward([[1, 2]]).to_frame()
    assert set(frame["quantity"]) == {"w", "x", "S"}
    assert len(frame) == 9 + 8 + (3 + 4 + 2) + (3 + 2)


def test_how_a_trace_shows_itself(small_trace):
    assert repr(small_trace) == (
        f"<Trace 2-2-1: 2 examples, loss 15.25 (mean), engine {small_trace.engine}>"
    )
    html = small_trace._repr_html_()
    assert "max |S| = 6.5" in html and "max |δ| = 22" in html and "max |∂f/∂w| = 33" in html
    half = Network([2, 2]).forward([[1, 2]])
    assert repr(half) == f"<Trace 2-2: 1 example, forward only, engine {half.engine}>"
    assert "δ" not in half._repr_html_()


# --- Copies and files ---------------------------------------------------------------------------


def test_a_copy_shares_nothing_and_may_round():
    net = Network([3, 4, 2], "silu", "identity", "mse", seed=5)
    twin = net.copy()
    assert twin.architecture == net.architecture
    assert twin.theta.tobytes() == net.theta.tobytes()
    twin.theta[...] = 0
    assert net.theta.any()
    single = net.copy(dtype="float32")
    assert single.dtype == np.float32
    assert single.theta.tobytes() == net.theta.astype(np.float32).tobytes()


@pytest.mark.parametrize("dtype", DTYPES)
def test_a_network_comes_back_from_its_file_with_its_bits(tmp_path, dtype):
    net = Network([5, 4, 3], ["gelu"], "sigmoid", "binary_cross_entropy", seed=3, dtype=dtype)
    net.theta[0], net.theta[1] = -0.0, np.finfo(dtype).smallest_subnormal
    path = tmp_path / "net.npz"
    net.save(path)
    again = load(path)
    assert again.architecture == net.architecture
    assert again.theta.tobytes() == net.theta.tobytes()
    again.theta[0] = 1  # and it can be trained on
    content = path.read_bytes()
    net.save(str(path))
    assert path.read_bytes() == content
    assert os.listdir(tmp_path) == ["net.npz"]


def test_a_network_that_cannot_be_saved_leaves_the_old_file(tmp_path):
    net = Network([2, 2])
    path = tmp_path / "net.npz"
    net.save(path)
    content = path.read_bytes()
    net.theta[1] = np.inf
    with pytest.raises(ValueError, match=re.escape("net.W[0]: expected finite")):
        net.save(path)
    assert path.read_bytes() == content
    with pytest.raises(FileNotFoundError):
        Network([2, 2]).save(tmp_path / "absent" / "net.npz")


def test_every_truncation_of_a_file_is_an_error(tmp_path):
    path = tmp_path / "net.npz"
    Network([2, 2]).save(path)
    content = path.read_bytes()
    for length in range(0, len(content), 7):
        path.write_bytes(content[:length])
        with pytest.raises(ValueError, match=re.escape(str(path))):
            load(path)


DESCRIPTION = {
    "format": "loopbp network", "version": 1, "sizes": [2, 3], "hidden": [], "output": "softmax",
    "loss": "cross_entropy", "dtype": "float64",
}  # fmt: skip


def saved(path: Any, changes: Any = None, theta: Any = None, text: str | None = None) -> Any:
    """A file with the description changed, or another text in its place."""
    text = json.dumps(DESCRIPTION | (changes or {})) if text is None else text
    npz.write_arrays(
        path, {"network": np.array(text), "theta": np.zeros(9) if theta is None else theta}
    )
    return path


def test_the_description_that_the_next_test_changes_is_sound(tmp_path):
    assert load(saved(tmp_path / "net.npz")).sizes == (2, 3)


@pytest.mark.parametrize(
    ("file", "message"),
    [
        ({"text": "hello"}, "expected the description of a network; got another"),
        ({"text": "[]"}, "expected the description of a network; got another"),
        ({"text": '{"format": "loopbp network", "version": 1}'}, "expected the description of a"),
        ({"changes": {"format": "other"}}, "expected the description of a network"),
        ({"changes": {"version": 2}}, "expected format version 1; got 2"),
        ({"changes": {"sizes": [2, 4]}}, "not a valid network; init: expected the 12 parameters"),
        ({"changes": {"sizes": [2, -3]}}, "not a valid network; sizes[1]: expected an integer"),
        ({"changes": {"sizes": [2**40, 2**40]}}, "not a valid network; sizes: expected at most"),
        ({"changes": {"sizes": "23"}}, "not a valid network; sizes: expected a sequence"),
        ({"changes": {"output": "softmin"}}, "not a valid network; output: expected one of"),
        ({"changes": {"dtype": "float16"}}, "not a valid network; dtype: expected float32"),
        ({"theta": np.full(9, np.nan)}, "not a valid network; init: expected finite float64"),
        ({"theta": np.array(["0"] * 9)}, "not a valid network; init: expected an array of real"),
        ({"theta": np.zeros((3, 3))}, "not a valid network; init: expected the 9 parameters"),
    ],
    ids=str,
)
def test_files_that_are_not_networks(tmp_path, file, message):
    path = saved(tmp_path / "net.npz", **file)
    with pytest.raises(ValueError, match=re.escape(f"{path}: {message}")):
        load(path)


def test_other_arrays_are_not_a_network(tmp_path):
    path = tmp_path / "net.npz"
    np.savez(path, X=np.zeros(3), theta=np.zeros(3))
    with pytest.raises(ValueError, match="expected a saved network; got arrays X, theta"):
        load(path)
    np.savez(path, network=np.zeros(3), theta=np.zeros(3))
    with pytest.raises(ValueError, match="expected a saved network"):
        load(path)
    path.write_bytes(b"\x80\x04 this is a pickle, or so it says")
    with pytest.raises(ValueError, match="not an npz file"):
        load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "absent.npz")


def test_pickles_in_a_file_are_refused_and_never_run(tmp_path):
    class Bomb:
        def __reduce__(self):
            return os.mkdir, (str(tmp_path / "ran"),)

    path = tmp_path / "net.npz"
    for name in ("network", "theta"):
        arrays = {"network": np.array("{}"), "theta": np.zeros(9)}
        np.savez(path, **(arrays | {name: np.array([Bomb()], dtype=object)}))
        with pytest.raises(ValueError, match=f"array '{name}' holds pickled objects"):
            load(path)
    assert not (tmp_path / "ran").exists()


def test_a_file_that_claims_to_be_larger_than_allowed_takes_no_memory(tmp_path):
    """64 MiB of zeros deflate to 64 KiB; 130 of them claim 8.1 GiB, and none is unpacked."""
    path = tmp_path / "net.npz"
    one = tmp_path / "one.npz"
    np.savez_compressed(one, theta=np.zeros(2**23))
    with zipfile.ZipFile(one) as archive:
        packed = archive.getinfo("theta.npy")
    # the same compressed bytes under many names, by way of the archive's directory
    content = one.read_bytes()
    header = content.index(b"PK\x01\x02")
    body, entry = content[:header], content[header : header + 46 + len("theta.npy")]
    entries = b"".join(
        entry[:46] + f"{k:05}.npy".encode() for k in range(130)
    )  # same length as "theta.npy"
    end = (
        b"PK\x05\x06" + bytes(4) + (130).to_bytes(2, "little") * 2
        + len(entries).to_bytes(4, "little") + len(body).to_bytes(4, "little") + bytes(2)
    )  # fmt: skip
    assert packed.file_size > 2**26
    path.write_bytes(body + entries + end)
    assert path.stat().st_size < 2**20
    with pytest.raises(ValueError, match=r"claims 8,7.* bytes; at most 8,589,934,592 bytes"):
        load(path)


def test_a_description_nested_without_end(tmp_path):
    path = saved(tmp_path / "net.npz", text="[" * 200_000)
    with pytest.raises(ValueError, match="expected the description of a network"):
        load(path)


def test_parameters_have_the_dtype_that_the_description_names(tmp_path):
    path = saved(tmp_path / "net.npz", {"dtype": "float32"}, np.full(9, 0.1))
    with pytest.raises(ValueError, match="float64"):
        load(path)
