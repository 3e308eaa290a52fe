"""The regressor."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any, Self

import numpy as np
from numpy.typing import ArrayLike
from sklearn.base import RegressorMixin
from sklearn.metrics import r2_score
from sklearn.utils.validation import check_array

from ...checks import FloatArray, choice
from .base import Examples, Perceptron


class MLPRegressor(RegressorMixin, Perceptron):  # type: ignore[misc]
    """Multi-layer perceptron regressor, trained by loopbp.

    It takes the parameters of `sklearn.neural_network.MLPRegressor`, has its attributes, and
    draws the same initial weights and mini-batches from the same `random_state`. It minimises half
    the sum of the squared errors of the outputs, which are linear; `loss_` is its mean over the
    outputs.

    What differs from scikit-learn's is what `MLPClassifier` lists, but for the split, and that
    `loss` is "squared_error" only: there is no "poisson".

    Parameters
    ----------
    loss : {"squared_error"}, default="squared_error"
        ½ (y − x)², summed over the outputs.
    hidden_layer_sizes : int or array-like of int, default=(100,)
        Nodes of each hidden layer.
    activation : str, default="relu"
        Of the hidden layers, as in `MLPClassifier`.
    solver, alpha, batch_size, learning_rate, learning_rate_init, power_t, max_iter, shuffle, \
random_state, tol, verbose, warm_start, momentum, nesterovs_momentum, early_stopping, \
validation_fraction, beta_1, beta_2, epsilon, n_iter_no_change, max_fun
        As in `MLPClassifier`.

    Attributes
    ----------
    coefs_, intercepts_, loss_, best_loss_, loss_curve_, n_iter_, t_, n_features_in_, \
feature_names_in_, n_layers_, n_outputs_, out_activation_, gradient_report_
        As in `MLPClassifier`.
    validation_scores_, best_validation_score_ : list of float, float
        The R² of `early_stopping`; otherwise None.

    Examples
    --------
    >>> from sklearn.datasets import make_regression
    >>> from loopbp.interop.sklearn import MLPRegressor
    >>> X, y = make_regression(n_samples=200, n_features=20, random_state=1)
    >>> model = MLPRegressor(random_state=1, max_iter=2000, tol=0.1).fit(X, y)
    >>> model.score(X, y) > 0.95
    True
    """

    def __init__(
        self,
        loss: str = "squared_error",
        hidden_layer_sizes: int | Iterable[int] = (100,),
        activation: str = "relu",
        *,
        solver: str = "adam",
        alpha: float = 0.0001,
        batch_size: int | str = "auto",
        learning_rate: str = "constant",
        learning_rate_init: float = 0.001,
        power_t: float = 0.5,
        max_iter: int = 200,
        shuffle: bool = True,
        random_state: int | np.random.RandomState | None = None,
        tol: float = 1e-4,
        verbose: bool | int = False,
        warm_start: bool = False,
        momentum: float = 0.9,
        nesterovs_momentum: bool = True,
        early_stopping: bool = False,
        validation_fraction: float = 0.1,
        beta_1: float = 0.9,
        beta_2: float = 0.999,
        epsilon: float = 1e-8,
        n_iter_no_change: int = 10,
        max_fun: int = 15000,
    ) -> None:
        super().__init__(
            hidden_layer_sizes,
            activation,
            solver=solver,
            alpha=alpha,
            batch_size=batch_size,
            learning_rate=learning_rate,
            learning_rate_init=learning_rate_init,
            power_t=power_t,
            max_iter=max_iter,
            shuffle=shuffle,
            random_state=random_state,
            tol=tol,
            verbose=verbose,
            warm_start=warm_start,
            momentum=momentum,
            nesterovs_momentum=nesterovs_momentum,
            early_stopping=early_stopping,
            validation_fraction=validation_fraction,
            beta_1=beta_1,
            beta_2=beta_2,
            epsilon=epsilon,
            n_iter_no_change=n_iter_no_change,
            max_fun=max_fun,
        )
        self.loss = loss

    def partial_fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None
    ) -> Self:
        """Train for one epoch over some examples, from the present weights and velocities.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The numbers to predict.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            What each example counts for, as in `fit`.

        Returns
        -------
        self : object
            The estimator.
        """
        return self._fit(X, y, sample_weight, incremental=True)

    def predict(self, X: ArrayLike) -> FloatArray:
        """Predict the numbers that belong to examples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.

        Returns
        -------
        y : array of shape (n_samples,) or (n_samples, n_outputs)
            Of the dtype that the estimator was fitted with.
        """
        outputs = self._outputs(X)
        return outputs.ravel() if outputs.shape[1] == 1 else outputs

    def _check_parameters(self) -> None:
        choice("loss", self.loss, ("squared_error",))
        super()._check_parameters()

    def _examples(self, X: ArrayLike, y: ArrayLike, *, new: bool, incremental: bool) -> Examples:
        inputs, targets = self._validated(X, y, new=new, y_numeric=True)
        return Examples(inputs, self._targets(targets))

    def _targets(self, y: ArrayLike) -> FloatArray:
        targets: FloatArray = check_array(y, ensure_2d=False, dtype=(np.float64, np.float32))
        return targets[:, None] if targets.ndim == 1 else targets

    def _out_activation(self) -> str:
        return "identity"

    def _loss_divisor(self) -> int:
        return int(self.n_outputs_)

    def _score(self, outputs: FloatArray, Y: FloatArray, importance: FloatArray | None) -> float:
        return float(r2_score(Y, outputs, sample_weight=importance))

    def __sklearn_tags__(self) -> Any:
        tags = super().__sklearn_tags__()
        tags.target_tags.multi_output = True
        return tags
