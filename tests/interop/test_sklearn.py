"""The estimators against scikit-learn's own, and in its pipelines and searches."""

from __future__ import annotations

import copy
import doctest
import importlib
import io
import pickle
import sys
import warnings
from typing import Any

import numba
import numpy as np
import pytest

import loopbp

pytest.importorskip("sklearn", reason="scikit-learn is not installed")

import joblib
from scipy.sparse import csr_array
from sklearn import neural_network as theirs
from sklearn.base import clone
from sklearn.datasets import load_breast_cancer, load_diabetes, load_digits, load_iris
from sklearn.exceptions import ConvergenceWarning, NotFittedError
from sklearn.model_selection import GridSearchCV, cross_val_score, train_test_split
from sklearn.pipeline import make_pipeline
from sklearn.preprocessing import StandardScaler
from sklearn.utils.validation import has_fit_parameter

from loopbp.interop.sklearn import MLPClassifier, MLPRegressor
from loopbp.interop.sklearn.run import Run

pytestmark = pytest.mark.filterwarnings(
    "ignore:max_iter", "ignore:Stochastic Optimizer:sklearn.exceptions.ConvergenceWarning"
)

compiled_only = pytest.mark.skipif(
    bool(numba.config.DISABLE_JIT), reason="too large for loops that are not compiled"
)

N = 41  # a prime number: no batch size divides it


def problem(kind: str) -> tuple[type, type, np.ndarray, np.ndarray]:
    """Our estimator, theirs, and 41 examples of a kind of problem."""
    random = np.random.default_rng(5)
    X = random.normal(size=(N, 4))
    S = X @ random.normal(size=(4, 3)) + random.normal(0, 0.3, (N, 3))
    y = {
        "two classes": np.where(S[:, 0] > 0, "yes", "no"),
        "three classes": np.array([7, 3, 5])[S.argmax(axis=1)],
        "labels": (S > 0).astype(int),
        "one number": S[:, 0],
        "three numbers": S,
    }[kind]
    if "number" in kind:
        return MLPRegressor, theirs.MLPRegressor, X, y
    return MLPClassifier, theirs.MLPClassifier, X, y


KINDS = ["two classes", "three classes", "labels", "one number", "three numbers"]


def weights(estimator: Any) -> list[np.ndarray]:
    return [*estimator.coefs_, *estimator.intercepts_]


def assert_close(actual: Any, expected: Any, atol: float) -> None:
    for a, b in zip(weights(actual), weights(expected), strict=True):
        assert a.shape == b.shape
        np.testing.assert_allclose(a, b, rtol=0, atol=atol)


# --- Against scikit-learn's own -----------------------------------------------------------------


@pytest.mark.parametrize("alpha", [0.0, 2.0])
@pytest.mark.parametrize("kind", KINDS)
def test_one_step_of_partial_fit_is_theirs(kind, alpha):
    """The same initial weights, the same gradient with α w / N, and the same step."""
    ours, their, X, y = problem(kind)
    options = {
        "hidden_layer_sizes": (6, 5), "activation": "tanh", "solver": "sgd", "alpha": alpha,
        "learning_rate_init": 0.5, "random_state": 1,
    }  # fmt: skip
    first = (
        {} if ours is MLPRegressor else {"classes": [0, 1, 2] if kind == "labels" else np.unique(y)}
    )
    a, b = ours(**options), their(**options)
    for step in range(2):
        for estimator in (a, b):
            estimator.partial_fit(X, y, **first)
        assert_close(a, b, atol=1e-14)
        # The loss before the step: f + α/(2N) Σ w².
        assert a.loss_ == pytest.approx(b.loss_, rel=1e-12)
        assert a.t_ == b.t_ == N * (step + 1)


@pytest.mark.parametrize(
    "options",
    [
        {"batch_size": 8, "alpha": 0.5},
        {"momentum": 0.0, "activation": "logistic"},
        {"nesterovs_momentum": False, "activation": "tanh", "shuffle": False},
        {"learning_rate": "invscaling", "power_t": 0.3, "alpha": 0.0},
        {"learning_rate": "adaptive", "tol": 0.05, "n_iter_no_change": 2, "max_iter": 60},
        {"tol": 0.1, "n_iter_no_change": 3, "max_iter": 100},
        {"n_iter_no_change": np.inf, "hidden_layer_sizes": ()},
        {"batch_size": 1, "hidden_layer_sizes": [3, 4, 3], "max_iter": 3},
    ],
    ids=str,
)
def test_whole_runs_are_theirs(options):
    """Weights, orders of examples, losses, learning rates and the end of training."""
    for kind in ("three classes", "one number"):
        ours, their, X, y = problem(kind)
        options = {
            "hidden_layer_sizes": 6, "solver": "sgd", "learning_rate_init": 0.05, "max_iter": 8,
            "random_state": 2, "alpha": 1e-4,
        } | options  # fmt: skip
        a, b = ours(**options).fit(X, y), their(**options).fit(X, y)
        assert_close(a, b, atol=1e-11)
        assert (a.n_iter_, a.t_, a.n_layers_, a.n_outputs_, a.out_activation_) == (
            b.n_iter_, b.t_, b.n_layers_, b.n_outputs_, b.out_activation_,
        )  # fmt: skip
        # Σ w² is drawn as a line through an epoch: off by less than α/2N times what it changes by.
        np.testing.assert_allclose(
            a.loss_curve_, b.loss_curve_, rtol=0, atol=options["alpha"] / 20 + 1e-13
        )
        assert a.best_loss_ == min(a.loss_curve_)
        np.testing.assert_allclose(a.predict(X), b.predict(X), rtol=0, atol=1e-10)


def test_adaptive_and_early_ends_happen_in_these_runs():
    """The runs above would not tell otherwise."""
    _, their, X, y = problem("one number")
    options = {"hidden_layer_sizes": 6, "solver": "sgd", "learning_rate_init": 0.05, "tol": 0.05}
    adaptive = their(**options, learning_rate="adaptive", n_iter_no_change=2, max_iter=60)
    assert adaptive.fit(X, y)._optimizer.learning_rate < 0.05 / 4
    assert their(**options, n_iter_no_change=3, max_iter=100).fit(X, y).n_iter_ < 100


@pytest.mark.parametrize("kind", KINDS)
def test_adam_is_theirs_up_to_where_epsilon_stands(kind):
    ours, their, X, y = problem(kind)
    options = {"hidden_layer_sizes": 6, "batch_size": 8, "random_state": 3, "max_iter": 4}
    options |= {"learning_rate_init": 0.01, "beta_1": 0.8, "beta_2": 0.9, "epsilon": 1e-12}
    a, b = ours(**options).fit(X, y), their(**options).fit(X, y)
    assert_close(a, b, atol=1e-7)
    assert a.coefs_[0].shape == (4, 6) and a.intercepts_[1].shape == (b.n_outputs_,)


@pytest.mark.parametrize("kind", ["two classes", "labels", "one number", "three numbers"])
def test_early_stopping_is_theirs(kind):
    """The same split, the same scores, and at the end the weights of the best one."""
    ours, their, X, y = problem(kind)
    y = y == "yes" if kind == "two classes" else y  # scikit-learn 1.6 holds out no strings
    options = {"hidden_layer_sizes": 6, "solver": "sgd", "learning_rate_init": 0.05}
    options |= {"early_stopping": True, "validation_fraction": 0.25, "n_iter_no_change": 4}
    a, b = (cls(**options, random_state=4, max_iter=60).fit(X, y) for cls in (ours, their))
    assert a.n_iter_ == b.n_iter_ < 60
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, rtol=0, atol=1e-11)
    assert a.best_validation_score_ == max(a.validation_scores_)
    assert a.best_loss_ is None and b.best_loss_ is None
    assert_close(a, b, atol=1e-11)
    assert np.argmax(a.validation_scores_) < a.n_iter_ - 1  # the best weights are not the last


counts_weights = pytest.mark.skipif(
    not has_fit_parameter(theirs.MLPClassifier(), "sample_weight"),
    reason="scikit-learn 1.6 knows no sample_weight here",
)


@counts_weights
@pytest.mark.parametrize("kind", KINDS)
def test_sample_weights_count_as_in_theirs(kind):
    ours, their, X, y = problem(kind)
    importance = np.random.default_rng(6).random(N) * 3
    importance[4] = 0
    options = {"hidden_layer_sizes": 6, "learning_rate_init": 0.05, "random_state": 2}
    for more in (
        {"solver": "sgd", "batch_size": 8, "alpha": 0.0, "max_iter": 6},
        {"solver": "sgd", "batch_size": 8, "alpha": 0.5, "max_iter": 6},
        {"solver": "adam", "batch_size": 8, "alpha": 0.5, "max_iter": 4, "epsilon": 1e-30},
    ):
        a, b, plain = (cls(**options, **more) for cls in (ours, their, ours))
        for estimator in (a, b):
            estimator.fit(X, y, sample_weight=importance)
        assert_close(a, b, atol=1e-11)
        if more["alpha"] == 0:
            np.testing.assert_allclose(a.loss_curve_, b.loss_curve_, rtol=1e-9)
        assert np.abs(plain.fit(X, y).coefs_[0] - a.coefs_[0]).max() > 1e-3
    first = (
        {} if ours is MLPRegressor else {"classes": [0, 1, 2] if kind == "labels" else np.unique(y)}
    )
    a, b = (cls(**options, solver="sgd", alpha=2.0) for cls in (ours, their))
    for estimator in (a, b):
        estimator.partial_fit(X, y, sample_weight=importance, **first)
    assert_close(a, b, atol=1e-14)
    assert a.loss_ == pytest.approx(b.loss_, rel=1e-12)  # f and α/2 Σ w² by Σ c: one step


@counts_weights
@pytest.mark.parametrize("kind", ["two classes", "one number"])
def test_early_stopping_weighs_its_score_as_theirs_does(kind):
    ours, their, X, y = problem(kind)
    y = y == "yes" if kind == "two classes" else y
    importance = np.random.default_rng(6).random(N) * 3
    options = {"hidden_layer_sizes": 6, "solver": "sgd", "learning_rate_init": 0.05}
    options |= {"early_stopping": True, "validation_fraction": 0.25, "max_iter": 20}
    a, b, plain = (cls(**options, random_state=4) for cls in (ours, their, ours))
    for estimator in (a, b):
        estimator.fit(X, y, sample_weight=importance)
    np.testing.assert_allclose(a.validation_scores_, b.validation_scores_, rtol=0, atol=1e-11)
    assert_close(a, b, atol=1e-11)
    plain.fit(X, y)
    assert a.validation_scores_ != plain.validation_scores_


@pytest.mark.parametrize(
    ("importance", "message"),
    [
        (np.ones(N - 1), r"sample_weight: expected shape \(41,\), one number per example; got"),
        (np.ones((N, 1)), r"expected shape \(41,\)"),
        (-np.ones(N), "sample_weight: expected numbers ≥ 0; got -1"),
        (np.zeros(N), "sample_weight: expected a number > 0 among them; every weight is zero"),
        (np.full(N, np.nan), "sample_weight: expected finite"),
    ],
)
def test_sample_weights_that_are_refused(importance, message):
    _, _, X, y = problem("one number")
    model = MLPRegressor(hidden_layer_sizes=4, max_iter=2, random_state=0)
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sample_weight=importance)
    assert not hasattr(model, "coefs_")


def test_a_batch_in_which_no_example_counts_is_refused():
    _, _, X, y = problem("one number")
    importance = np.zeros(N)
    importance[:5] = 1
    model = MLPRegressor(hidden_layer_sizes=4, batch_size=10, shuffle=False)
    message = "sample_weight: expected a number > 0 in every mini-batch; got one of 10 examples"
    with pytest.raises(ValueError, match=message):
        model.fit(X, y, sample_weight=importance)


def test_one_number_is_the_weight_of_every_example():
    ours, their, X, y = problem("three classes")
    a, b = (one(3, random_state=0, alpha=2, solver="sgd", max_iter=3) for one in (ours, their))
    assert_close(a.fit(X, y, sample_weight=0.5), b.fit(X, y, sample_weight=0.5), atol=1e-13)


def test_three_classes_are_stratified_where_examples_are_held_out():
    X = np.random.default_rng(0).normal(size=(60, 2))
    y = np.repeat([0, 1, 2], [30, 20, 10])
    options = {"early_stopping": True, "validation_fraction": 0.2, "max_iter": 1}
    model = MLPClassifier(3, **options, random_state=0).fit(X, y)
    assert model._training.Y.sum(axis=0).tolist() == [24, 16, 8]


@pytest.mark.parametrize(
    "classes", [np.arange(60) % 10, np.r_[7, np.arange(59) % 3]], ids=["many", "a single example"]
)
def test_what_cannot_be_stratified_is_split_as_theirs(classes):
    """6 examples are held out: too few for 10 classes, and one class has nothing to share out."""
    X = np.random.default_rng(0).normal(size=(60, 2))
    options = {"early_stopping": True, "solver": "sgd", "max_iter": 3, "random_state": 0}
    a = MLPClassifier(3, **options).fit(X, classes)
    b = theirs.MLPClassifier(3, **options).fit(X, classes)
    assert len(a._training.Y) == 54
    assert a.validation_scores_ == b.validation_scores_
    assert_close(a, b, atol=1e-13)


def test_warm_start_is_theirs_and_goes_on():
    ours, their, X, y = problem("three classes")
    options = {"hidden_layer_sizes": 5, "solver": "sgd", "max_iter": 3, "random_state": 0}
    a, b = ours(**options, warm_start=True), their(**options, warm_start=True)
    for _ in range(3):
        a.fit(X, y), b.fit(X, y)
    assert_close(a, b, atol=1e-13)
    assert a.t_ == b.t_ == 9 * N and a.n_iter_ == b.n_iter_ == 3
    assert len(a.loss_curve_) == 9
    with pytest.raises(ValueError, match="warm_start: expected the classes of the earlier call"):
        a.fit(X[y != 3], y[y != 3])
    with pytest.raises(ValueError, match=r"expected layers of \(4, 5, 3\) nodes"):
        a.set_params(hidden_layer_sizes=6).fit(X, y)
    assert a.set_params(warm_start=False).fit(X, y).t_ == 3 * N


def test_probabilities_are_theirs():
    for kind in ("two classes", "three classes", "labels"):
        ours, their, X, y = problem(kind)
        options = {"hidden_layer_sizes": 4, "solver": "sgd", "max_iter": 5, "random_state": 0}
        a, b = ours(**options).fit(X, y), their(**options).fit(X, y)
        np.testing.assert_allclose(a.predict_proba(X), b.predict_proba(X), rtol=1e-12)
        np.testing.assert_allclose(a.predict_log_proba(X), b.predict_log_proba(X), rtol=1e-11)
        np.testing.assert_array_equal(a.predict(X), b.predict(X))
        np.testing.assert_array_equal(a.classes_, b.classes_)
        assert a.score(X, y) == b.score(X, y)


@compiled_only
@pytest.mark.parametrize("load", [load_digits, load_breast_cancer, load_iris, load_diabetes])
def test_scores_are_those_of_theirs(load):
    """On data that was not trained on, with the defaults; the mean of three splits."""
    X, y = load(return_X_y=True)
    regression = load is load_diabetes
    ours, their = (
        (MLPRegressor, theirs.MLPRegressor) if regression else (MLPClassifier, theirs.MLPClassifier)
    )
    options = {"max_iter": 100, "learning_rate_init": 0.01}
    scores = np.empty((3, 2))
    for seed in range(3):
        X_train, X_test, y_train, y_test = train_test_split(X, y, random_state=seed)
        for k, estimator in enumerate((ours, their)):
            model = make_pipeline(StandardScaler(), estimator(random_state=seed, **options))
            scores[seed, k] = model.fit(X_train, y_train).score(X_test, y_test)
    assert scores[:, 0].mean() == pytest.approx(scores[:, 1].mean(), abs=0.02)
    assert scores[:, 0].min() > (0.2 if regression else 0.9)


@compiled_only
@pytest.mark.parametrize("module", ["classifier", "regressor"])
def test_the_examples_of_the_docstrings(module):
    name = f"loopbp.interop.sklearn.{module}"
    failed, attempted = doctest.testmod(importlib.import_module(name))
    assert failed == 0 and attempted > 4


# --- In scikit-learn ----------------------------------------------------------------------------


def test_a_search_through_a_pipeline_finds_the_better_learning_rate():
    _, _, X, y = problem("three classes")
    model = make_pipeline(StandardScaler(), MLPClassifier(5, max_iter=15, random_state=0))
    grid = {"mlpclassifier__learning_rate_init": [1e-6, 0.1], "mlpclassifier__alpha": [0, 0.01]}
    search = GridSearchCV(model, grid, cv=3).fit(X, y)
    assert search.best_params_["mlpclassifier__learning_rate_init"] == 0.1
    assert search.best_estimator_[-1].gradient_report_.examples == N
    assert cross_val_score(search.best_estimator_, X, y, cv=3).mean() > 0.7


def test_parameters_come_back_and_clones_are_not_fitted():
    _, _, X, y = problem("two classes")
    model = MLPClassifier((3,), alpha=0.5, random_state=0, max_iter=2).fit(X, y)
    fresh = clone(model)
    assert fresh.get_params() == model.get_params()
    assert fresh.set_params(alpha=1.0).alpha == 1.0
    with pytest.raises(NotFittedError):
        fresh.predict(X)
    for ours, their in ((MLPClassifier, theirs.MLPClassifier), (MLPRegressor, theirs.MLPRegressor)):
        expected = their(max_fun=7).get_params()
        assert ours(**expected).get_params() == expected


def test_a_pickle_goes_on_where_the_estimator_was():
    ours, _, X, y = problem("three classes")
    model = ours(4, random_state=0)
    for _ in range(2):
        model.partial_fit(X, y, classes=[3, 5, 7])
    memory = io.BytesIO()
    joblib.dump(model, memory)
    memory.seek(0)
    copies = [pickle.loads(pickle.dumps(model)), joblib.load(memory), copy.deepcopy(model)]
    model.partial_fit(X, y)
    for other in copies:
        other.partial_fit(X, y)
        assert_close(other, model, atol=0)
        assert other.predict_proba(X).tobytes() == model.predict_proba(X).tobytes()


def test_float32_stays_float32():
    for kind in ("three classes", "one number"):
        ours, _, X, y = problem(kind)
        y = y.astype(np.float32) if kind == "one number" else y
        options = {"hidden_layer_sizes": 4, "max_iter": 3, "random_state": 0}
        model = ours(**options).fit(X.astype(np.float32), y)
        assert {w.dtype for w in weights(model)} == {np.dtype(np.float32)}
        predict = model.predict if kind == "one number" else model.predict_proba
        assert predict(X.astype(np.float32)).dtype == np.float32
        double = ours(**options).fit(X, y)
        assert double.coefs_[0].dtype == np.float64
        assert_close(model, double, atol=1e-5)


def test_the_random_state_names_the_bits_and_an_instance_goes_on():
    ours, _, X, y = problem("three classes")
    fits = [ours(4, max_iter=2, random_state=state).fit(X, y) for state in (7, 7, 8)]
    assert_close(fits[0], fits[1], atol=0)
    assert np.abs(fits[0].coefs_[0] - fits[2].coefs_[0]).max() > 0.1
    state = np.random.RandomState(7)
    one, other = (ours(4, max_iter=2, random_state=state).fit(X, y) for _ in range(2))
    assert_close(one, fits[0], atol=0)
    assert np.abs(one.coefs_[0] - other.coefs_[0]).max() > 0.1


def test_weights_changed_in_place_are_what_predicts():
    ours, _, X, y = problem("one number")
    model = ours(hidden_layer_sizes=3, max_iter=1, random_state=0).fit(X, y)
    model.coefs_[1][...] = 0
    model.intercepts_[1][...] = 2.5
    np.testing.assert_array_equal(model.predict(X), np.full(N, 2.5))


def test_other_activations_of_this_package():
    ours, _, X, y = problem("three classes")
    model = ours(4, activation="gelu", max_iter=1, random_state=0).fit(X, y)
    W = [np.vstack(pair) for pair in zip(model.intercepts_, model.coefs_, strict=True)]
    net = loopbp.Network([4, 4, 3], hidden="gelu", init=W)
    np.testing.assert_array_equal(model.predict_proba(X), net.predict(X))


# --- The gradient report ------------------------------------------------------------------------


@pytest.mark.parametrize("kind", KINDS)
def test_the_report_is_of_the_training_data(kind):
    ours, _, X, y = problem(kind)
    model = ours(hidden_layer_sizes=5, activation="logistic", max_iter=2, random_state=0).fit(X, y)
    report = model.gradient_report_
    assert report.examples == N and len(report.layers) == 2
    # ∂f/∂w^(1) is the mean of (x − y) x_i; what it is compared with comes from the attributes.
    hidden = 1 / (1 + np.exp(-(X @ model.coefs_[0] + model.intercepts_[0])))
    S = hidden @ model.coefs_[1] + model.intercepts_[1]
    if ours is MLPRegressor:
        outputs, targets = S, y.reshape(N, -1)
    elif kind == "three classes":
        outputs = np.exp(S) / np.exp(S).sum(axis=1, keepdims=True)
        targets = y[:, None] == model.classes_
    else:
        outputs = 1 / (1 + np.exp(-S))
        targets = y if kind == "labels" else (y == model.classes_[1])[:, None]
    gradient = np.vstack([np.ones(N), hidden.T]) @ (outputs - targets) / N
    assert report.layers[1].mean_abs == pytest.approx(np.abs(gradient).mean(), rel=1e-11)
    assert model.gradient_report_ is report
    assert model.gradient_report(X, y).frame.equals(report.frame)
    model.fit(X[:20], y[:20])
    assert model.gradient_report_.examples == 20


def test_a_pickle_carries_no_training_data():
    ours, _, X, y = problem("three classes")
    model = ours(4, max_iter=1, random_state=0).fit(X, y)
    before = len(pickle.dumps(model))
    assert model.gradient_report_.examples == N
    assert len(pickle.dumps(model)) == before
    other = pickle.loads(pickle.dumps(model))
    with pytest.raises(AttributeError, match=r"without the training data; call gradient_report"):
        _ = other.gradient_report_
    assert not hasattr(other, "gradient_report_")
    assert other.gradient_report(X, y).frame.equals(model.gradient_report_.frame)
    with pytest.raises(NotFittedError):
        _ = MLPClassifier().gradient_report_


# --- Runs that end otherwise --------------------------------------------------------------------


@pytest.mark.filterwarnings("default:max_iter")
def test_a_run_that_has_not_converged_says_so():
    ours, _, X, y = problem("three classes")
    with pytest.warns(ConvergenceWarning, match="max_iter: 3 epochs are done") as found:
        ours(4, max_iter=3, random_state=0).fit(X, y)
    assert found[0].filename == __file__
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        ours(4, tol=10.0, n_iter_no_change=2, random_state=0).fit(X, y)
        ours(4, random_state=0).partial_fit(X, y, classes=[3, 5, 7])


def test_ctrl_c_keeps_the_weights(monkeypatch):
    ours, _, X, y = problem("three classes")
    epoch, done = Run.epoch, []

    def interrupted(self, order):
        if len(done) == 2:
            raise KeyboardInterrupt
        done.append(order)
        return epoch(self, order)

    expected = ours(4, max_iter=2, random_state=0).fit(X, y)
    monkeypatch.setattr(Run, "epoch", interrupted)
    with pytest.warns(UserWarning, match="interrupted by user"):
        model = ours(4, max_iter=9, random_state=0).fit(X, y)
    assert model.n_iter_ == 2
    assert_close(model, expected, atol=0)


@pytest.mark.parametrize("solver", ["sgd", "adam"])
def test_numbers_that_stop_being_finite_are_an_error(solver):
    _, _, X, y = problem("one number")
    model = MLPRegressor(hidden_layer_sizes=4, solver=solver, learning_rate_init=1e300)
    with pytest.raises(ValueError, match=r"training stopped in epoch \d: the loss or a weight"):
        model.set_params(activation="identity", random_state=0).fit(X, y)


def test_what_is_printed(capsys):
    ours, their, X, y = problem("two classes")
    options = {"hidden_layer_sizes": 4, "solver": "sgd", "early_stopping": True, "random_state": 0}
    options |= {"learning_rate": "adaptive", "n_iter_no_change": 1, "max_iter": 12, "verbose": True}
    y = y == "yes"  # scikit-learn 1.6 holds out no strings
    ours(**options).fit(X, y)
    printed = capsys.readouterr().out
    their(**options).fit(X, y)
    assert printed == capsys.readouterr().out
    assert "Setting learning rate to" in printed


def test_a_batch_larger_than_the_data_is_cut_with_a_warning():
    ours, _, X, y = problem("one number")
    with pytest.warns(UserWarning, match="batch_size: 99 is larger than the number of examples"):
        ours(batch_size=99, max_iter=1).fit(X, y)


# --- What is refused ----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"solver": "lbfgs"}, ValueError, "solver: expected one of sgd, adam; got 'lbfgs'"),
        ({"activation": "sigmoid"}, ValueError, "activation: expected one of identity, logistic"),
        ({"alpha": -1}, ValueError, "alpha: expected a finite number ≥ 0; got -1"),
        ({"momentum": 1}, ValueError, "momentum: expected a finite number ≥ 0 and < 1; got 1"),
        ({"hidden_layer_sizes": (3, 0)}, ValueError, "hidden_layer_sizes: expected an integer ≥ 1"),
        ({"hidden_layer_sizes": "3"}, TypeError, "hidden_layer_sizes: expected integers; got '3'"),
        ({"batch_size": "all"}, ValueError, "batch_size: expected one of auto; got 'all'"),
        ({"batch_size": 0}, ValueError, "batch_size: expected an integer ≥ 1; got 0"),
        ({"learning_rate": "cosine"}, ValueError, "learning_rate: expected one of constant, inv"),
        ({"learning_rate_init": 0}, ValueError, "learning_rate_init: expected a finite number > 0"),
        ({"max_iter": 0}, ValueError, "max_iter: expected an integer ≥ 1; got 0"),
        ({"n_iter_no_change": 0}, ValueError, "n_iter_no_change: expected an integer ≥ 1; got 0"),
        ({"shuffle": 1}, TypeError, "shuffle: expected True or False; got 1"),
        ({"validation_fraction": 1.0}, ValueError, "validation_fraction: expected a finite number"),
        ({"beta_2": 1.0}, ValueError, "beta_2: expected a finite number ≥ 0 and < 1; got 1"),
        ({"epsilon": 0}, ValueError, "epsilon: expected a finite number > 0; got 0"),
        ({"random_state": "seed"}, ValueError, "'seed' cannot be used to seed"),
    ],
    ids=str,
)
def test_parameters_that_are_refused(options, error, message):
    for kind in ("three classes", "one number"):
        ours, _, X, y = problem(kind)
        with pytest.raises(error, match=message):
            ours(**options).fit(X, y)


def test_what_else_is_refused():
    _, _, X, y = problem("three classes")
    with pytest.raises(TypeError, match="Sparse data was passed"):
        MLPClassifier().fit(csr_array(X), y)
    with pytest.raises(ValueError, match="loss: expected one of squared_error; got 'poisson'"):
        MLPRegressor(loss="poisson").fit(X, X)
    with pytest.raises(ValueError, match="classes must be passed on the first call"):
        MLPClassifier().partial_fit(X, y)
    model = MLPClassifier(3).partial_fit(X, y, classes=[3, 5, 7])
    with pytest.raises(ValueError, match=r"classes: expected those of the first call.*\[3 5 7\]"):
        model.partial_fit(X, y, classes=[3, 5])
    with pytest.raises(ValueError, match=r"y: expected classes among \[3 5 7\]; got \[9\] too"):
        model.partial_fit(X, np.where(y == 5, 9, y))
    with pytest.raises(ValueError, match="early_stopping: expected False with partial_fit"):
        MLPClassifier(early_stopping=True).partial_fit(X, y, classes=[3, 5, 7])
    with pytest.raises(ValueError, match="validation_fraction: expected one that holds out at le"):
        MLPRegressor(early_stopping=True, validation_fraction=0.01).fit(X, X)


def test_without_scikit_learn_the_error_says_what_to_install(monkeypatch):
    for name in [name for name in sys.modules if name.startswith("loopbp.interop.sklearn")]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.setitem(sys.modules, "sklearn", None)
    with pytest.raises(ImportError, match=r'pip install "loopbp\[sklearn\]"'):
        import loopbp.interop.sklearn  # noqa: F401


@pytest.mark.parametrize("solver", ["adam", "sgd"])
def test_an_estimator_on_a_file_in_memory_goes_on(solver, tmp_path):
    X, y = load_iris(return_X_y=True)
    models = [MLPClassifier((5,), solver=solver, max_iter=2, random_state=0).fit(X, y)]
    joblib.dump(models[0], tmp_path / "model")
    models.append(joblib.load(tmp_path / "model", mmap_mode="r"))  # arrays that cannot be written
    first, second = (model.partial_fit(X, y).coefs_[0] for model in models)
    assert first.tobytes() == second.tobytes()
