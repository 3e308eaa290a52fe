"""scikit-learn: an epoch is one `partial_fit` of its MLPClassifier."""

from __future__ import annotations

from typing import Any

import numpy as np

from ...checks import FloatArray
from ..contender import AbsentError, Contender, nothing, timed
from ..workloads import NETWORK_TASKS, Problem

#: Names of the hidden activations there.
ACTIVATIONS = {"sigmoid": "logistic", "tanh": "tanh", "relu": "relu"}


class Sklearn:
    """scikit-learn's multi-layer perceptron, with plain SGD: no momentum, no weight decay."""

    name = "sklearn"
    package = "scikit-learn"
    imports = ("sklearn.neural_network",)
    exact = False
    tasks = NETWORK_TASKS

    def prepare(self, problem: Problem, task: str) -> Contender:
        try:
            from sklearn.neural_network import MLPClassifier
        except ImportError as missing:
            raise AbsentError(f"not installed ({missing})") from None
        work = problem.workload
        if work.hidden not in ACTIVATIONS:
            raise AbsentError(f"scikit-learn's MLP has no {work.hidden}")
        if task == "gradients":
            raise AbsentError("scikit-learn's MLP has no public call for the gradient")
        model = MLPClassifier(
            hidden_layer_sizes=work.sizes[1:-1],
            activation=ACTIVATIONS[work.hidden],
            solver="sgd",
            alpha=0.0,
            batch_size=work.batch_size,
            learning_rate="constant",
            learning_rate_init=problem.eta,
            momentum=0.0,
            nesterovs_momentum=False,
            shuffle=False,
            random_state=0,
        )
        # A first batch makes the arrays; then the initial weights are put into them.
        first = slice(0, work.batch_size)
        classes = np.arange(work.sizes[-1])
        model.partial_fit(problem.X[first], problem.labels[first], classes=classes)

        def reset() -> None:
            layers = problem.layers(problem.theta)
            for W, coef, intercept in zip(layers, model.coefs_, model.intercepts_, strict=True):
                coef[...], intercept[...] = W[1:], W[0]

        reset()
        if task == "epoch":

            def epoch() -> None:
                model.partial_fit(problem.X, problem.labels)

            return Contender(
                reset, timed(epoch), lambda: problem.flat(model.coefs_, model.intercepts_)
            )
        kept: list[Any] = []

        def forward() -> None:
            kept[:] = [model.predict_proba(problem.call)]

        def result() -> FloatArray:
            outputs: FloatArray = kept[0]
            return outputs

        return Contender(nothing, timed(forward), result)
