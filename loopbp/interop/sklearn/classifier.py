"""The classifier."""

from __future__ import annotations

import math
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import ClassifierMixin
from sklearn.preprocessing import LabelBinarizer
from sklearn.utils.multiclass import type_of_target, unique_labels

from ...checks import FloatArray
from .base import Examples, Perceptron


class MLPClassifier(ClassifierMixin, Perceptron):  # type: ignore[misc]
    """Multi-layer perceptron classifier, trained by loopbp.

    It takes the parameters of `sklearn.neural_network.MLPClassifier`, has its attributes, and
    draws the same initial weights and mini-batches from the same `random_state`, so that the two
    differ by rounding for as long as training magnifies no rounding. It minimises the
    cross-entropy of softmax outputs (one logistic output for two classes; one for each label of
    an indicator matrix).

    What differs from scikit-learn's:

    - `solver` is "sgd" or "adam". There is no "lbfgs", which alone would use `max_fun`.
    - No sparse X; `sample_weight` is not negative.
    - `momentum` is less than 1. Adam's `epsilon` stands beside √v̂, as in the paper, and not
      beside √v.
    - The split of `early_stopping` is stratified for more than two classes too, unless a class has
      a single example or the parts are too small for all classes.
    - `loss_` takes the term of `alpha` from Σ w² before and after an epoch, not at every step.
    - Numbers that stop being finite end `fit` with a `ValueError` in the epoch where it happens.
    - `activation` may also be another one of `loopbp.Network`, such as "gelu".
    - `gradient_report_` and `gradient_report`. The same call gives the same bits on every machine
      and number of threads, as far as the draws of `random_state` and the data are the same.

    Parameters
    ----------
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Nodes of each hidden layer.
    activation : str, default="relu"
        Of the hidden layers: "identity", "logistic", "tanh", "relu", or "leaky_relu", "elu",
        "softplus", "silu", "gelu", "sin", "cos", "exp".
    solver : {"sgd", "adam"}, default="adam"
        Gradient descent with momentum, or Adam.
    alpha : float, default=0.0001
        Strength of the L2 term α/(2N) Σ w² in the loss of a mini-batch of N examples; the biases
        are not in it.
    batch_size : int or "auto", default="auto"
        Examples per step; "auto" is min(200, n_samples).
    learning_rate : {"constant", "invscaling", "adaptive"}, default="constant"
        With "sgd": η stays; η is `learning_rate_init` / (t + 1)^`power_t` after t examples; η is
        divided by 5 where training would otherwise stop, until it is 1e-6.
    learning_rate_init : float, default=0.001
        The learning rate η at the start.
    power_t : float, default=0.5
        The exponent of "invscaling".
    max_iter : int, default=200
        The most epochs.
    shuffle : bool, default=True
        Whether each epoch has an order of its own.
    random_state : int, RandomState instance or None, default=None
        What weights, orders and the split of `early_stopping` are drawn from.
    tol : float, default=1e-4
        What counts as an improvement of the loss, or of the score.
    verbose : bool or int, default=False
        Whether to print the loss of every epoch.
    warm_start : bool, default=False
        Whether `fit` goes on from the weights of the last call.
    momentum : float, default=0.9
        With "sgd": μ, 0 ≤ μ < 1.
    nesterovs_momentum : bool, default=True
        With "sgd": whether the momentum is Nesterov's.
    early_stopping : bool, default=False
        Whether to hold out a part of the data, to stop where its score no longer improves, and to
        keep the weights of the best score.
    validation_fraction : float, default=0.1
        The part of the data that `early_stopping` holds out.
    beta_1, beta_2 : float, default=0.9, 0.999
        With "adam": how much of its moments stays in a step.
    epsilon : float, default=1e-8
        With "adam": what is added to √v̂.
    n_iter_no_change : int, default=10
        More epochs than this without an improvement end training.
    max_fun : int, default=15000
        Not used: in scikit-learn's, the limit of "lbfgs".

    Attributes
    ----------
    classes_ : array of shape (n_classes,)
        The classes, in the order of the outputs.
    coefs_, intercepts_ : list of arrays (n_l, n_{l+1}), and (n_{l+1},)
        Weights and biases of each layer. Changed in place, they are what predictions use.
    loss_, best_loss_ : float
        The loss of the last epoch, and the least of all (None with `early_stopping`).
    loss_curve_ : list of float
        The loss of each epoch.
    validation_scores_, best_validation_score_ : list of float, float
        The accuracies of `early_stopping`; otherwise None.
    n_iter_, t_ : int
        Epochs of the last call; examples that training has seen.
    n_features_in_, feature_names_in_ : int, array
        The features; their names, where X had some.
    n_layers_, n_outputs_, out_activation_ : int, int, str
        Layers of nodes, nodes of the last one, and its activation.
    gradient_report_ : loopbp.GradientReport
        The gradient on the training data, layer by layer, computed when it is asked for; not in a
        pickle or a copy.

    Examples
    --------
    >>> from sklearn.datasets import load_iris
    >>> from sklearn.pipeline import make_pipeline
    >>> from sklearn.preprocessing import StandardScaler
    >>> from loopbp.interop.sklearn import MLPClassifier
    >>> X, y = load_iris(return_X_y=True)
    >>> model = make_pipeline(StandardScaler(), MLPClassifier(max_iter=500, random_state=0))
    >>> model.fit(X, y).score(X, y) > 0.95
    True
    """

    def partial_fit(
        self,
        X: ArrayLike,
        y: ArrayLike,
        sample_weight: ArrayLike | None = None,
        classes: ArrayLike | None = None,
    ) -> Self:
        """Train for one epoch over some examples, from the present weights and velocities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_labels)
            Their classes.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            What each example counts for, as in `fit`.
        classes : array-like of shape (n_classes,), default=None
            All classes that will ever come; needed in the first call.

        Returns
        -------
        self : object
            The estimator.
        """
        if classes is not None:
            self._check_classes(classes, y)
        elif not hasattr(self, "classes_"):
            raise ValueError("classes must be passed on the first call to partial_fit.")
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: ArrayLike) -> NDArray[Any]:
        """Predict the classes of examples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_labels)
            The most likely classes; for labels, whether each is more likely than not.
        """
        outputs = self._outputs(X)
        outputs = outputs.ravel() if self.n_outputs_ == 1 else outputs
        predicted: NDArray[Any] = self._label_binarizer.inverse_transform(outputs)
        return predicted

    def predict_proba(self, X: ArrayLike) -> FloatArray:
        """Predict the probabilities of the classes.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        p : array of shape (n_samples, n_classes)
            In the order of `classes_`.
        """
        outputs = self._outputs(X)
        return np.hstack([1 - outputs, outputs]) if self.n_outputs_ == 1 else outputs

    def predict_log_proba(self, X: ArrayLike) -> FloatArray:
        """Predict the logarithms of the probabilities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        ln_p : array of shape (n_samples, n_classes)
            ln of `predict_proba`.
        """
        with np.errstate(divide="ignore"):
            logarithms: FloatArray = np.log(self.predict_proba(X))
        return logarithms

    def _check_classes(self, classes: ArrayLike, y: ArrayLike) -> None:
        """Sets the classes in the first call of `partial_fit`; afterwards they must be the same."""
        named = unique_labels(classes)
        if not hasattr(self, "classes_"):
            labels = y if type_of_target(y).startswith("multilabel") else classes
            self._label_binarizer = LabelBinarizer().fit(labels)
            self.classes_ = named
        elif not np.array_equal(self.classes_, named):
            raise ValueError(
                f"classes: expected those of the first call to partial_fit, {self.classes_}; got "
                f"{named}"
            )

    def _examples(self, X: ArrayLike, y: ArrayLike, *, new: bool, incremental: bool) -> Examples:
        inputs, labels = self._validated(X, y, new=new)
        if new and not incremental:
            self._label_binarizer = LabelBinarizer().fit(labels)
            self.classes_ = self._label_binarizer.classes_
        elif not incremental and not np.array_equal(unique_labels(labels), self.classes_):
            raise ValueError(
                f"warm_start: expected the classes of the earlier call, {self.classes_}; got "
                f"{unique_labels(labels)}"
            )
        return Examples(inputs, self._targets(labels))

    def _targets(self, y: ArrayLike) -> FloatArray:
        unknown = np.setdiff1d(unique_labels(y), self.classes_)
        if len(unknown):
            raise ValueError(f"y: expected classes among {self.classes_}; got {unknown} too")
        targets: FloatArray = self._label_binarizer.transform(y).astype(np.float32)
        return targets

    def _out_activation(self) -> str:
        return "softmax" if self._label_binarizer.y_type_ == "multiclass" else "logistic"

    def _strata(self, Y: FloatArray) -> NDArray[Any] | None:
        classes = {"binary": Y.ravel(), "multiclass": Y.argmax(axis=1)}
        strata = classes.get(self._label_binarizer.y_type_)
        if strata is None:
            return None
        _, counts = np.unique(strata, return_counts=True)
        held_out = math.ceil(self.validation_fraction * len(strata))
        can_be_split = counts.min() > 1 and len(counts) <= min(held_out, len(strata) - held_out)
        return strata if can_be_split else None

    def _score(self, outputs: FloatArray, Y: FloatArray, importance: FloatArray | None) -> float:
        """The share of examples whose class, or whose labels all, are right."""
        if self.out_activation_ == "softmax":
            is_right = outputs.argmax(axis=1) == Y.argmax(axis=1)
        else:
            is_right = ((outputs > 0.5) == (Y > 0.5)).all(axis=1)
        return float(np.average(is_right, weights=importance))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.classifier_tags.multi_label = True
        return tags
