"""A network's sizes, parameters and initial weights, and what does not fit."""

from __future__ import annotations

import copy
import math
import pickle
import re
from typing import Any

import numpy as np
import pytest
from problems import DTYPES

from loopbp.network import Network

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
