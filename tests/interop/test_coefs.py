"""scikit-learn's coefs_ and intercepts_: the same bits both ways."""

from __future__ import annotations

import subprocess
import sys
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from architectures import networks, same, two_two_one
from hypothesis import given, settings

from loopbp.interop.coefs import from_sklearn, to_coefs
from loopbp.rounding import forward_bounds

NAMES = {"sigmoid": "logistic"}


def estimator(**changes: Any) -> Any:
    """`two_two_one` as scikit-learn has it: coefs_ (in, out)."""
    attributes = {
        "coefs_": [np.array([[1.0, 3.0], [-2.0, 4.0]]), np.array([[5.0], [-6.0]])],
        "intercepts_": [np.array([0.25, 0.5]), np.array([-1.0])],
        "activation": "tanh",
        "out_activation_": "identity",
        "loss": "squared_error",
    }
    return SimpleNamespace(**{**attributes, **changes})


def test_weights_that_were_typed_in_go_to_their_places() -> None:
    assert same(from_sklearn(estimator()), two_two_one(loss="half_sse"))
    coefs, intercepts = to_coefs(two_two_one())
    assert [part.tolist() for part in coefs] == [[[1, 3], [-2, 4]], [[5], [-6]]]
    assert [part.tolist() for part in intercepts] == [[0.25, 0.5], [-1]]


@given(networks(hidden=("identity", "sigmoid", "tanh", "relu")))
@settings(deadline=None, max_examples=60)
def test_a_round_trip_keeps_every_bit(net: Any) -> None:
    coefs, intercepts = to_coefs(net)
    assert not any(np.shares_memory(part, net.theta) for part in (*coefs, *intercepts))
    if len(set(net.hidden)) > 1:
        return  # there all hidden layers have the same
    activation, output = (NAMES.get(k, k) for k in ((*net.hidden, "relu")[0], net.output))
    fitted = estimator(
        coefs_=coefs, intercepts_=intercepts, activation=activation, out_activation_=output
    )
    if output in ("identity", "logistic", "softmax"):
        assert same(from_sklearn(fitted, loss=net.loss), net)


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
@pytest.mark.parametrize("activation", ["identity", "logistic", "tanh", "relu"])
@pytest.mark.parametrize("classes", [2, 3])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_a_fitted_classifier_predicts_the_same(activation: str, classes: int, dtype: str) -> None:
    neural = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")
    random = np.random.default_rng(5)
    X = random.standard_normal((40, 3)).astype(dtype)
    y = np.arange(40) % classes
    fitted = neural.MLPClassifier((6, 4), activation=activation, solver="sgd", max_iter=5)
    net = from_sklearn(fitted.fit(X, y))
    assert net.dtype == dtype and net.sizes == (3, 6, 4, 1 if classes == 2 else 3)
    assert net.loss == ("binary_cross_entropy" if classes == 2 else "cross_entropy")
    trace = net.forward(X)
    theirs = fitted.predict_proba(X)
    gap = np.abs((theirs[:, 1:] if classes == 2 else theirs).astype(float) - trace.x[-1])
    assert (gap <= 2 * forward_bounds(trace).x[-1]).all()


@pytest.mark.filterwarnings("ignore:Stochastic Optimizer")
def test_a_fitted_regressor_predicts_the_same() -> None:
    neural = pytest.importorskip("sklearn.neural_network", reason="needs scikit-learn")
    random = np.random.default_rng(5)
    X, y = random.standard_normal((40, 3)), random.standard_normal((40, 2))
    fitted = neural.MLPRegressor(hidden_layer_sizes=(5,), solver="sgd", max_iter=5).fit(X, y)
    net = from_sklearn(fitted)
    assert (net.output, net.loss) == ("identity", "half_sse")
    trace = net.forward(X)
    gap = np.abs(fitted.predict(X) - trace.x[-1])
    assert (gap <= 2 * forward_bounds(trace).x[-1]).all()


@pytest.mark.filterwarnings("ignore:max_iter")
def test_activations_that_only_the_estimators_here_have() -> None:
    pytest.importorskip("sklearn", reason="needs scikit-learn")
    from loopbp.interop import sklearn as ours

    random = np.random.default_rng(5)
    X, y = random.standard_normal((40, 3)), np.arange(40) % 3
    fitted = ours.MLPClassifier((5,), activation="gelu", max_iter=2).fit(X, y)
    net = from_sklearn(fitted)
    assert (net.hidden, net.output) == (("gelu",), "softmax")
    assert net.predict(X).tobytes() == fitted.predict_proba(X).tobytes()


def test_what_has_no_counterpart_is_refused() -> None:
    with pytest.raises(TypeError, match=r"est: expected a fitted .* which has no coefs_"):
        from_sklearn(SimpleNamespace(activation="relu"))
    with pytest.raises(ValueError, match=r"activation: expected one of .*; got 'swish'"):
        from_sklearn(estimator(activation="swish"))
    with pytest.raises(ValueError, match="got loss='poisson'"):
        from_sklearn(estimator(loss="poisson"))
    with pytest.raises(ValueError, match=r"intercepts_: expected 2 vectors.*; got 1"):
        from_sklearn(estimator(intercepts_=[np.zeros(2)]))
    with pytest.raises(ValueError, match=r"coefs_\[1\]: expected 2 inputs.*coefs_\[0\]; got 3"):
        from_sklearn(estimator(coefs_=[np.ones((2, 2)), np.ones((3, 1))]))
    with pytest.raises(ValueError, match=r"intercepts_\[0\]: expected 2 biases"):
        from_sklearn(estimator(intercepts_=[np.zeros(3), np.zeros(1)]))
    with pytest.raises(TypeError, match=r"coefs_\[0\]: expected float32 or float64; got int64"):
        from_sklearn(estimator(coefs_=[np.ones((2, 2), int), np.ones((2, 1))]))
    with pytest.raises(TypeError, match="net: expected a loopbp.Network"):
        to_coefs("net")  # type: ignore[arg-type]


def test_scikit_learn_itself_is_not_needed() -> None:
    code = "import sys, loopbp.interop.coefs; print('sklearn' in sys.modules)"
    run = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert run.stdout.strip() == "False"
