"""What the classifier and the regressor share: parameters, the course of `fit`, prediction."""

from __future__ import annotations

import warnings
from abc import ABC, abstractmethod
from collections.abc import Iterable
from itertools import pairwise
from typing import Any, NamedTuple, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import BaseEstimator
from sklearn.exceptions import ConvergenceWarning
from sklearn.model_selection import train_test_split
from sklearn.utils import check_random_state, column_or_1d
from sklearn.utils.validation import check_is_fitted, validate_data

from ...checks import FloatArray, choice, describe, finite, flag, integer, numeric, real
from ...network import Network
from ...optimizers import SGD, Adam, Optimizer
from ...report import GradientReport, gradient_report
from ..coefs import HIDDEN, NAMES
from . import run

#: The loss that an output activation goes with, so that δ = x − y.
LOSSES = {
    "softmax": "cross_entropy",
    "logistic": "binary_cross_entropy",
    "identity": "half_sse",
}

#: "adaptive" stops, rather than divide a learning rate that is no larger than this.
LEAST_ETA = 1e-6


class Examples(NamedTuple):
    """Inputs (N, n_0), targets (N, n_L), and what each example counts for, (N,), or None.

    All are of one dtype once they are cast to the network's.
    """

    X: FloatArray
    Y: FloatArray
    importance: FloatArray | None = None


class Perceptron(BaseEstimator, ABC):  # type: ignore[misc]
    """A multi-layer perceptron behind scikit-learn's interface; see the two estimators."""

    def __init__(
        self,
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
        self.hidden_layer_sizes = hidden_layer_sizes
        self.activation = activation
        self.solver = solver
        self.alpha = alpha
        self.batch_size = batch_size
        self.learning_rate = learning_rate
        self.learning_rate_init = learning_rate_init
        self.power_t = power_t
        self.max_iter = max_iter
        self.shuffle = shuffle
        self.random_state = random_state
        self.tol = tol
        self.verbose = verbose
        self.warm_start = warm_start
        self.momentum = momentum
        self.nesterovs_momentum = nesterovs_momentum
        self.early_stopping = early_stopping
        self.validation_fraction = validation_fraction
        self.beta_1 = beta_1
        self.beta_2 = beta_2
        self.epsilon = epsilon
        self.n_iter_no_change = n_iter_no_change
        self.max_fun = max_fun

    # --- What the two estimators differ in -------------------------------------------------------

    @abstractmethod
    def _examples(self, X: ArrayLike, y: ArrayLike, *, new: bool, incremental: bool) -> Examples:
        """X and y, checked, with y as targets; new: what earlier calls have learned is forgotten.

        X is float32 or float64. Sets what is known of the features and classes.
        """

    @abstractmethod
    def _targets(self, y: ArrayLike) -> FloatArray:
        """The targets (N, n_L) of a fitted estimator that y stands for."""

    @abstractmethod
    def _out_activation(self) -> str:
        """The activation of the outputs that the targets ask for, a key of `LOSSES`."""

    def _strata(self, Y: FloatArray) -> NDArray[Any] | None:
        """What `early_stopping` shares out evenly between both parts; nothing, unless overridden.

        Y: targets (n_samples, n_outputs).
        """
        return None

    @abstractmethod
    def _score(self, outputs: FloatArray, Y: FloatArray, importance: FloatArray | None) -> float:
        """The score of `early_stopping`, higher is better: outputs against targets."""

    def _loss_divisor(self) -> int:
        """The engine's loss over that which `loss_` has beside the term of `alpha`."""
        return 1

    # --- Fitting ---------------------------------------------------------------------------------

    def fit(self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None = None) -> Self:
        """Fit the weights, until the loss or the score no longer improves.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            Finite numbers; float32 stays float32, everything else becomes float64.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            The classes (an indicator matrix for several labels), or the numbers to predict.
        sample_weight : array-like of shape (n_samples,) or float, default=None
            What each example counts for, c ≥ 0; not all of them 0. The loss of a mini-batch is
            Σ c f / Σ c + α/2 Σ w² / Σ c, and without them every c is 1.

        Returns
        -------
        self : object
            The fitted estimator.
        """
        return self._fit(X, y, sample_weight, incremental=False)

    def _fit(
        self, X: ArrayLike, y: ArrayLike, sample_weight: ArrayLike | None, *, incremental: bool
    ) -> Self:
        self._check_parameters()
        if self.early_stopping and incremental:
            raise ValueError("early_stopping: expected False with partial_fit; got True")
        new = not (hasattr(self, "coefs_") and (self.warm_start or incremental))
        examples = self._examples(X, y, new=new, incremental=incremental)
        importance = _importance(sample_weight, len(examples.X))
        random = check_random_state(self.random_state)
        self._training: Examples | None = None
        self._report: GradientReport | None = None
        if new:
            sizes = (examples.X.shape[1], *self._hidden_sizes(), examples.Y.shape[1])
            self._initialise(sizes, examples.X.dtype, random)
        net = self._taken_up(examples)
        if not (incremental and hasattr(self, "_stepper")):
            self._stepper = run.Stepper.start(self._optimizer(), net.theta)
        if importance is not None:
            importance = importance.astype(net.dtype)
        examples = Examples(
            finite("X", examples.X, net.dtype), finite("y", examples.Y, net.dtype), importance
        )
        held_out = None
        if self.early_stopping:
            examples, held_out = self._split(examples, random)
            if len(held_out.X) < 2:
                raise ValueError(
                    "validation_fraction: expected one that holds out at least 2 examples; got "
                    f"{self.validation_fraction}, which holds out {len(held_out.X)}"
                )
        self._training = examples
        self._descend(net, examples, held_out, random, 1 if incremental else self.max_iter)
        if not (incremental or self._ended) and self.n_iter_ == self.max_iter:
            warnings.warn(
                f"max_iter: {self.max_iter} epochs are done, and training has not converged yet",
                ConvergenceWarning,
                stacklevel=3,
            )
        return self

    def _validated(
        self, X: ArrayLike, y: ArrayLike, *, new: bool, **more: Any
    ) -> tuple[FloatArray, NDArray[Any]]:
        """X as floats and y, checked by scikit-learn; y in a single column becomes (n_samples,).

        more: what else `validate_data` is to look at.
        """
        inputs, given = validate_data(
            self, X, y, multi_output=True, dtype=(np.float64, np.float32), reset=new, **more
        )
        if given.ndim == 2 and given.shape[1] == 1:
            given = column_or_1d(given, warn=True)
        return inputs, given

    def _split(
        self, examples: Examples, random: np.random.RandomState
    ) -> tuple[Examples, Examples]:
        """The examples to train on, and those that `early_stopping` holds out."""
        parts = train_test_split(
            *(array for array in examples if array is not None),
            random_state=random,
            test_size=self.validation_fraction,
            stratify=self._strata(examples.Y),
        )
        return Examples(*parts[::2]), Examples(*parts[1::2])

    def _taken_up(self, examples: Examples) -> Network:
        """The network to be trained, with the weights of the attributes, which become views of it.

        So what the engine does to the weights shows there. Raises `ValueError` where the layers
        are not those of the examples and of `hidden_layer_sizes`.
        """
        net = self._network()
        sizes = (examples.X.shape[1], *self._hidden_sizes(), examples.Y.shape[1])
        if net.sizes != sizes:
            raise ValueError(
                f"expected layers of {net.sizes} nodes, as in the earlier call whose weights this "
                f"one goes on from; got {sizes}"
            )
        self.coefs_ = [W[1:] for W in net.W]
        self.intercepts_ = [W[0] for W in net.W]
        return net

    def _initialise(
        self, sizes: tuple[int, ...], dtype: np.dtype[Any], random: np.random.RandomState
    ) -> None:
        """Draws the weights and biases, in scikit-learn's order, and resets the counters.

        All uniform in ±√(6 / (n_l + n_{l+1})), or ±√(2 / …) for logistic: Glorot and Bengio (2010).
        """
        self.n_iter_ = self.t_ = 0
        self.n_layers_, self.n_outputs_ = len(sizes), sizes[-1]
        self.out_activation_ = self._out_activation()
        self.coefs_, self.intercepts_ = [], []
        for i, j in pairwise(sizes):
            bound = np.sqrt((2 if self.activation == "logistic" else 6) / (i + j))
            self.coefs_.append(random.uniform(-bound, bound, (i, j)).astype(dtype))
            self.intercepts_.append(random.uniform(-bound, bound, j).astype(dtype))
        self.loss_curve_: list[float] = []
        self._unimproved = 0
        self.validation_scores_: list[float] | None = [] if self.early_stopping else None
        self.best_validation_score_ = -np.inf if self.early_stopping else None
        self.best_loss_ = None if self.early_stopping else np.inf

    def _descend(
        self,
        net: Network,
        examples: Examples,
        held_out: Examples | None,
        random: np.random.RandomState,
        epochs: int,
    ) -> None:
        """So many epochs, or fewer; with examples held out the best weights are kept.

        Ctrl-C ends them after the present epoch's last call, with a warning. Raises `ValueError`
        where a loss or a weight stops being finite.
        """
        N = len(examples.X)
        size = self._batch_size(N)
        descent = run.Run(net, self._stepper, *examples, size, float(self.alpha))
        order, best = np.arange(N), net.theta.copy()
        self.n_iter_, self._ended = 0, False
        try:
            while self.n_iter_ < epochs and not self._ended:
                if self.shuffle:
                    order = order[random.permutation(N)]
                data_loss, penalty = descent.epoch(order)
                loss = data_loss / self._loss_divisor() + penalty
                if not (np.isfinite(loss) and np.isfinite(net.theta).all()):
                    raise ValueError(
                        f"training stopped in epoch {self.n_iter_ + 1}: the loss or a weight is no "
                        "longer finite. Scaling the data, or a smaller learning_rate_init, "
                        "usually helps."
                    )
                self._count(loss, N)
                if held_out is not None:
                    score = self._score(net.predict(held_out.X), *held_out[1:])
                    if self._judge_score(score):
                        best[...] = net.theta
                else:
                    self._judge_loss(loss)
                self._ended = self._has_ended()
        except KeyboardInterrupt:
            warnings.warn("Training interrupted by user.", stacklevel=4)
        if held_out is not None:
            net.theta[...] = best

    def _count(self, loss: float, examples: int) -> None:
        """An epoch is over."""
        self.n_iter_ += 1
        self.t_ += examples
        self.loss_ = loss
        self.loss_curve_.append(loss)
        if self.verbose:
            print(f"Iteration {self.n_iter_}, loss = {loss:.8f}")

    def _judge_loss(self, loss: float) -> None:
        """Counts an epoch that has not lowered the least loss by `tol`."""
        least = np.inf if self.best_loss_ is None else self.best_loss_
        self._unimproved = self._unimproved + 1 if loss > least - self.tol else 0
        self.best_loss_ = min(least, loss)

    def _judge_score(self, score: float) -> bool:
        """Counts an epoch that has not raised the best score by `tol`; whether it is the best."""
        best = -np.inf if self.best_validation_score_ is None else self.best_validation_score_
        self.validation_scores_ = [*(self.validation_scores_ or []), score]
        if self.verbose:
            print(f"Validation score: {score:f}")
        self._unimproved = self._unimproved + 1 if score < best + self.tol else 0
        self.best_validation_score_ = max(best, score)
        return score > best

    def _has_ended(self) -> bool:
        """Whether training is over; sets the learning rate of the next epoch."""
        if self.solver == "sgd" and self.learning_rate == "invscaling":
            self._stepper.eta = self.learning_rate_init / (self.t_ + 1) ** self.power_t
        if self._unimproved <= self.n_iter_no_change:
            return False
        what = "Validation score" if self.early_stopping else "Training loss"
        message = (
            f"{what} did not improve more than tol={self.tol:f} for {self.n_iter_no_change} "
            "consecutive epochs."
        )
        adaptive = self.solver == "sgd" and self.learning_rate == "adaptive"
        if not adaptive or self._stepper.eta <= LEAST_ETA:
            self._tell(f"{message} {'Learning rate too small. ' if adaptive else ''}Stopping.")
            return True
        self._stepper.eta /= 5
        self._unimproved = 0
        self._tell(f"{message} Setting learning rate to {self._stepper.eta:f}")
        return False

    def _tell(self, message: str) -> None:
        if self.verbose:
            print(message)

    # --- What a fitted estimator can do ----------------------------------------------------------

    def gradient_report(self, X: ArrayLike, y: ArrayLike) -> GradientReport:
        """Return the statistics of the gradient, layer by layer, for some examples.

        Parameters
        ----------
        X : array-like of shape (n_samples, n_features)
            The examples.
        y : array-like of shape (n_samples,) or (n_samples, n_outputs)
            What the estimator should predict for them.

        Returns
        -------
        report : loopbp.GradientReport
            Of the loss without the term of `alpha`, at the present weights.
        """
        inputs = self._inputs(X)
        return gradient_report(self._network(), inputs, self._targets(y))

    @property
    def gradient_report_(self) -> GradientReport:
        """`gradient_report` of the training data, without what `early_stopping` holds out.

        All examples count alike, whatever `sample_weight` was.
        It is computed when it is first asked for: until then the estimator refers to the data,
        which neither a pickle nor a copy carries. Raises `AttributeError` there.
        """
        check_is_fitted(self)
        training: Examples | None = getattr(self, "_training", None)
        if training is None:
            raise AttributeError(
                "gradient_report_: this estimator was copied or unpickled, without the training "
                "data; call gradient_report(X, y)"
            )
        if self._report is None:
            self._report = gradient_report(self._network(), training.X, training.Y)
        return self._report

    def _outputs(self, X: ArrayLike) -> FloatArray:
        """The outputs x^(L), (n_samples, n_outputs), of the dtype of the weights."""
        inputs = self._inputs(X)
        return self._network().predict(inputs)

    def _inputs(self, X: ArrayLike) -> FloatArray:
        """X, checked against what the estimator was fitted to."""
        check_is_fitted(self)
        inputs: FloatArray = validate_data(self, X, dtype=(np.float64, np.float32), reset=False)
        return inputs

    def _network(self) -> Network:
        """A network with the weights of `coefs_` and `intercepts_`, copied."""
        W = [np.vstack(pair) for pair in zip(self.intercepts_, self.coefs_, strict=True)]
        return Network(
            (len(self.coefs_[0]), *(w.shape[1] for w in W)),
            hidden=NAMES.get(self.activation, self.activation),
            output=NAMES.get(self.out_activation_, self.out_activation_),
            loss=LOSSES[self.out_activation_],
            init=W,
            dtype=W[0].dtype,
        )

    def __sklearn_is_fitted__(self) -> bool:
        return hasattr(self, "coefs_")

    def __getstate__(self) -> dict[str, Any]:
        state = dict(super().__getstate__())
        state.pop("_training", None)
        state.pop("_report", None)
        return state

    # --- Parameters ------------------------------------------------------------------------------

    def _check_parameters(self) -> None:
        """Raises `TypeError` or `ValueError` for a parameter that is not what the class says."""
        self._hidden_sizes()
        choice("activation", self.activation, HIDDEN)
        choice("solver", self.solver, ("sgd", "adam"))
        real("alpha", self.alpha, low=0)
        if not isinstance(self.batch_size, str):
            integer("batch_size", self.batch_size, low=1)
        else:
            choice("batch_size", self.batch_size, ("auto",))
        choice("learning_rate", self.learning_rate, ("constant", "invscaling", "adaptive"))
        real("learning_rate_init", self.learning_rate_init, low=0, open_low=True)
        real("power_t", self.power_t, low=0)
        integer("max_iter", self.max_iter, low=1)
        flag("shuffle", self.shuffle)
        real("tol", self.tol, low=0)
        if not isinstance(self.verbose, bool | np.bool_):
            integer("verbose", self.verbose, low=0)
        flag("warm_start", self.warm_start)
        real("momentum", self.momentum, low=0, high=1, open_high=True)
        flag("nesterovs_momentum", self.nesterovs_momentum)
        flag("early_stopping", self.early_stopping)
        real("validation_fraction", self.validation_fraction, low=0, high=1, open_high=True)
        real("beta_1", self.beta_1, low=0, high=1, open_high=True)
        real("beta_2", self.beta_2, low=0, high=1, open_high=True)
        real("epsilon", self.epsilon, low=0, open_low=True)
        if self.n_iter_no_change != np.inf:
            integer("n_iter_no_change", self.n_iter_no_change, low=1)
        integer("max_fun", self.max_fun, low=1)

    def _hidden_sizes(self) -> tuple[int, ...]:
        """`hidden_layer_sizes` as integers."""
        given: Any = self.hidden_layer_sizes
        if isinstance(given, str | bytes):
            raise TypeError(f"hidden_layer_sizes: expected integers; got {describe(given)}")
        sizes = given if np.iterable(given) else [given]
        return tuple(integer("hidden_layer_sizes", size, low=1) for size in sizes)

    def _batch_size(self, examples: int) -> int:
        """`batch_size`, at most the number of examples."""
        if isinstance(self.batch_size, str):
            return min(200, examples)
        if self.batch_size > examples:
            warnings.warn(
                f"batch_size: {self.batch_size} is larger than the number of examples; all "
                f"{examples} are taken",
                stacklevel=5,
            )
        return min(self.batch_size, examples)

    def _optimizer(self) -> Optimizer:
        """The rule that `solver` names; Nesterov's momentum of 0 is no momentum."""
        if self.solver == "adam":
            return Adam(self.learning_rate_init, self.beta_1, self.beta_2, self.epsilon)
        nesterov = self.nesterovs_momentum and self.momentum > 0
        return SGD(self.learning_rate_init, self.momentum, bool(nesterov))


def _importance(sample_weight: ArrayLike | None, examples: int) -> FloatArray | None:
    """What each example counts for, float64 (N,), checked."""
    if sample_weight is None:
        return None
    given = finite("sample_weight", numeric("sample_weight", sample_weight), np.dtype(np.float64))
    if given.ndim == 0:
        given = np.full(examples, given)
    if given.shape != (examples,):
        raise ValueError(
            f"sample_weight: expected shape ({examples},), one number per example; got "
            f"{given.shape}"
        )
    if given.min() < 0:
        raise ValueError(f"sample_weight: expected numbers ≥ 0; got {given.min():g}")
    if given.max() == 0:
        raise ValueError("sample_weight: expected a number > 0 among them; every weight is zero")
    return given
