"""Optimisers: their numbers, and the vectors that they carry from step to step.

The steps themselves are loops: `kernels/update.py`. Every step is taken against the gradient,
which has been computed at the old weights before any weight is changed. With a `weight_decay`
λ > 0 it is the gradient of f + λ/2 Σ w², so that ∂f/∂w + λ w takes the place of ∂f/∂w in the rule;
biases (i = 0) are not in that sum. Source: Krogh and Hertz, "A simple weight decay can improve
generalization" (1991).
"""

from __future__ import annotations

from dataclasses import dataclass, field

import numpy as np

from .checks import FloatArray, flag, real


@dataclass(frozen=True)
class SGD:
    """w ← w − η ∂f/∂w; with momentum μ > 0: v ← μ v + ∂f/∂w, w ← w − η v.

    With `nesterov` the last is w ← w − η (∂f/∂w + μ v). η > 0 is the learning rate, 0 ≤ μ < 1,
    and `weight_decay` ≥ 0 the λ of f + λ/2 Σ w².
    Full-batch, mini-batch and one-example descent differ in `fit`'s batch_size only.

    Raises `TypeError` or `ValueError` for numbers outside these bounds, and for nesterov without
    momentum. Source: Sutskever, Martens, Dahl and Hinton (2013), section 2.
    """

    eta: float = 0.1
    momentum: float = 0.0
    nesterov: bool = False
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        real("eta", self.eta, low=0, open_low=True)
        real("momentum", self.momentum, low=0, high=1, open_high=True)
        real("weight_decay", self.weight_decay, low=0)
        if flag("nesterov", self.nesterov) and self.momentum == 0:
            raise ValueError("nesterov: expected a momentum > 0 with it; got momentum=0")

    @property
    def vectors(self) -> int:
        """How many vectors (P,) the optimiser carries: the velocity, if there is momentum."""
        return 1 if self.momentum else 0


@dataclass(frozen=True)
class Adam:
    """m ← β₁ m + (1 − β₁) ∂f/∂w, v ← β₂ v + (1 − β₂) (∂f/∂w)², w ← w − η m̂ / (√v̂ + ε).

    m̂ = m / (1 − β₁^t) and v̂ = v / (1 − β₂^t) at step t = 1, 2, …; η > 0, 0 ≤ β < 1, ε > 0.
    `weight_decay` ≥ 0 is the λ of f + λ/2 Σ w²: a term of the gradient, which m and v take in,
    and not the decay beside the step that AdamW has.

    Raises `TypeError` or `ValueError` for numbers outside these bounds. Source: Kingma and Ba,
    "Adam: a method for stochastic optimization" (2015), algorithm 1.
    """

    eta: float = 0.001
    beta1: float = 0.9
    beta2: float = 0.999
    epsilon: float = 1e-8
    weight_decay: float = 0.0

    def __post_init__(self) -> None:
        real("eta", self.eta, low=0, open_low=True)
        real("beta1", self.beta1, low=0, high=1, open_high=True)
        real("beta2", self.beta2, low=0, high=1, open_high=True)
        real("epsilon", self.epsilon, low=0, open_low=True)
        real("weight_decay", self.weight_decay, low=0)

    @property
    def vectors(self) -> int:
        """How many vectors (P,) the optimiser carries: the moments m and v."""
        return 2


Optimizer = SGD | Adam


@dataclass
class OptimizerState:
    """What an optimiser carries from step to step.

    `vectors` (P,), zero at the start and changed in place; `step`, the number of steps taken;
    `powers` = (β₁^t, β₂^t), kept as running products so that no `pow` of the machine is asked.
    """

    vectors: tuple[FloatArray, ...]
    step: int = 0
    powers: tuple[float, float] = field(default=(1.0, 1.0))

    @classmethod
    def start(cls, optimizer: Optimizer, w: FloatArray) -> OptimizerState:
        """The state before the first step on the parameters w (P,)."""
        return cls(tuple(np.zeros_like(w) for _ in range(optimizer.vectors)))

    def advance(self, optimizer: Optimizer) -> None:
        """Counts one more step; to be called before the step is computed."""
        self.step += 1
        if isinstance(optimizer, Adam):
            self.powers = (self.powers[0] * optimizer.beta1, self.powers[1] * optimizer.beta2)

    def copy(self) -> OptimizerState:
        """A copy that shares nothing."""
        return OptimizerState(tuple(v.copy() for v in self.vectors), self.step, self.powers)
