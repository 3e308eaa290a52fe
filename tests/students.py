"""Somebody's own backpropagation, example by example, with any of the classic mistakes in it.

Written for the tests and independent of `loopbp.mistakes.student`: loops over examples, weights
stored (to, from) with the biases apart, the arithmetic that of the dtype, plain formulas for g and
g′, and a choice of the order in which sums are taken.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from loopbp.mistakes import CATALOGUE
from loopbp.mistakes.catalogue import Case
from loopbp.network import Network

Made = Mapping[str, Sequence[int]]


def forwards(products: np.ndarray) -> Any:
    """The sum along the last axis, from the first term to the last."""
    return np.add.accumulate(products, axis=-1)[..., -1]


def backwards(products: np.ndarray) -> Any:
    """The sum from the last term to the first."""
    return forwards(products[..., ::-1])


def pairwise(products: np.ndarray) -> Any:
    """NumPy's own sum."""
    return products.sum(axis=-1)


def shuffled(products: np.ndarray) -> Any:
    """The sum in some other order."""
    order = np.random.default_rng(products.shape[-1]).permutation(products.shape[-1])
    return forwards(products[..., order])


ORDERS = (forwards, backwards, pairwise, shuffled)

erf = np.vectorize(math.erf)


def g(name: str, s: np.ndarray) -> np.ndarray:
    """The activation by its plain formula."""
    one = s.dtype.type(1)
    e = np.exp
    formulas: dict[str, Callable[[], Any]] = {
        "identity": lambda: s,
        "sigmoid": lambda: one / (one + e(-s)),
        "tanh": lambda: (e(s) - e(-s)) / (e(s) + e(-s)),
        "relu": lambda: s * (s > 0),
        "leaky_relu": lambda: np.where(s > 0, s, s.dtype.type(0.01) * s),
        "elu": lambda: np.where(s > 0, s, e(s) - one),
        "softplus": lambda: np.where(s > 20, s, np.log(one + e(s))),
        "silu": lambda: s / (one + e(-s)),
        "gelu": lambda: s * (one + erf(s / math.sqrt(2))) / 2,
        "sin": lambda: np.sin(s),
        "cos": lambda: np.cos(s),
        "exp": lambda: e(s),
        "softmax": lambda: e(s) / pairwise(e(s)),
    }
    return np.asarray(formulas[name](), s.dtype)


def g_prime(name: str, s: np.ndarray) -> np.ndarray:
    """Its derivative, from s, by the plain formula."""
    one = s.dtype.type(1)
    x = g(name, s)
    sigma = g("sigmoid", s)
    formulas: dict[str, Callable[[], Any]] = {
        "identity": lambda: np.ones_like(s),
        "sigmoid": lambda: x * (one - x),
        "tanh": lambda: one - x * x,
        "relu": lambda: (s > 0) * one,
        "leaky_relu": lambda: np.where(s > 0, one, s.dtype.type(0.01)),
        "elu": lambda: np.where(s > 0, one, x + one),
        "softplus": lambda: sigma,
        "silu": lambda: sigma + x * (one - sigma),
        "gelu": lambda: (
            (one + erf(s / math.sqrt(2))) / 2 + s * np.exp(-s * s / 2) / math.sqrt(2 * math.pi)
        ),
        "sin": lambda: np.cos(s),
        "cos": lambda: -np.sin(s),
        "exp": lambda: x,
    }
    return np.asarray(formulas[name](), s.dtype)


#: Mistakes whose g′ is the formula of the layer's own activation by an x that is not its own.
WRONG_BY_X = (
    "activation-left-out-by-x", "sigmoid-forward-by-x", "tanh-forward-by-x", "relu-forward-by-x"
)  # fmt: skip


@dataclass
class Results:
    """Lists over the layers; grad is (to, from), db the biases', the examples are rows."""

    S: list[np.ndarray] = field(default_factory=list)
    x: list[np.ndarray] = field(default_factory=list)
    delta: list[np.ndarray] = field(default_factory=list)
    grad: list[np.ndarray] = field(default_factory=list)
    db: list[np.ndarray] = field(default_factory=list)
    W_new: list[np.ndarray] = field(default_factory=list)
    b_new: list[np.ndarray] = field(default_factory=list)

    def arrays(self, kinds: str = "S x delta grad db W_new b_new") -> dict[str, np.ndarray]:
        """Named arrays, numbered from 0."""
        return {
            (f"{kind[0]}{l}_new" if kind.endswith("_new") else f"{kind}{l}"): array
            for kind in kinds.split()
            for l, array in enumerate(getattr(self, kind))
        }


def compute(
    net: Network,
    X: np.ndarray,
    Y: np.ndarray,
    made: Made | None = None,
    *,
    eta: float | None = None,
    dtype: str | None = None,
    reduction: str = "mean",
    weight_decay: float = 0.0,
    add: Callable[[np.ndarray], Any] = pairwise,
) -> Results:
    """Everything that somebody computes who made these mistakes in these layers."""
    with np.errstate(all="ignore"):
        return _Student(net, X, Y, made or {}, eta, dtype, reduction, weight_decay, add).results()


class _Student:
    def __init__(self, net, X, Y, made, eta, dtype, reduction, weight_decay, add) -> None:
        self.net, self.made, self.add, self.reduction = net, made, add, reduction
        self.dtype = np.dtype(dtype or net.dtype)
        self.number = self.dtype.type
        self.eta = None if eta is None else self.number(eta)
        self.decay = self.number(weight_decay)
        self.W = [w[1:].T.astype(self.dtype) for w in net.W]
        self.b = [w[0].astype(self.dtype) for w in net.W]
        self.X, self.N = X.astype(self.dtype), len(X)
        self.Y = np.eye(net.sizes[-1])[Y] if Y.ndim == 1 else Y
        self.Y = self.Y.astype(self.dtype)

    def wrong(self, name: str, l: int) -> bool:
        return l in self.made.get(name, ())

    def results(self) -> Results:
        r = Results()
        self.forward(r)
        self.backward(r)
        if self.eta is not None:
            for l in range(self.net.L):
                W, b = self.stepped(l, r.grad[l], r.db[l])
                r.W_new.append(W)
                r.b_new.append(b)
        return r

    def forward(self, r: Results) -> None:
        r.x.append(self.X)
        for l in range(self.net.L):
            W = self.W[l].T if self.wrong("transposed-forward", l) else self.W[l]
            b = 0 * self.b[l] if self.wrong("bias-left-out", l) else self.b[l]
            S = np.stack([self.add(np.column_stack([b, W * x])) for x in r.x[l]])
            r.S.append(S)
            r.x.append(self.outputs(S, l))

    def used(self, l: int) -> str:
        """The activation whose g′ this student has in the layer."""
        others = [name for name in ("sigmoid", "tanh", "relu", "softmax")
                  if self.wrong(f"{name}-instead", l)]  # fmt: skip
        return others[0] if others else self.net.activations[l]

    def used_forward(self, l: int) -> str:
        """The activation that this student has in the layer's forward pass."""
        for name in ("sigmoid", "tanh", "relu"):
            if self.wrong(f"{name}-forward", l) or self.wrong(f"{name}-forward-by-x", l):
                return name
        return self.used(l)

    def outputs(self, S: np.ndarray, l: int) -> np.ndarray:
        if self.wrong("activation-left-out", l) or self.wrong("activation-left-out-by-x", l):
            return S.copy()
        if self.wrong("softmax-over-all", l):
            return (np.exp(S) / self.add(np.exp(S).ravel())).astype(S.dtype)
        rows = S.T if self.wrong("softmax-over-batch", l) else S
        x = np.stack([g(self.used_forward(l), row) for row in rows])
        return x.T if self.wrong("softmax-over-batch", l) else x

    def backward(self, r: Results) -> None:
        L, deltas, dW, db = self.net.L, {}, {}, {}
        for l in reversed(range(L)):
            if l == L - 1:
                deltas[l] = np.stack([self.last(r, n) for n in range(self.N)])
            else:
                deltas[l] = np.stack([self.hidden(r, deltas, dW, db, l, n) for n in range(self.N)])
            dW[l], db[l] = self.gradient(r, deltas, l)
        r.delta, r.grad, r.db = ([d[l] for l in range(L)] for d in (deltas, dW, db))

    def last(self, r: Results, n: int) -> np.ndarray:
        net, l, number = self.net, self.net.L - 1, self.number
        x, y, S = r.x[-1][n], self.Y[n], r.S[-1][n]
        error = y - x if self.wrong("error-swapped", l) else x - y
        if self.wrong("softmax-twice", l):
            p = g("softmax", x) - y
            p = -p if self.wrong("error-swapped", l) else p
            error = self.through_softmax(x, p)
        if net.loss == "cross_entropy" and self.wrong("softmax-diagonal", l):
            error = -y * (number(1) - x)
            error = -error if self.wrong("error-swapped", l) else error
        if self.wrong("second-half-left-out", l):
            error = -(y / x) * (x * (number(1) - x))
            error = -error if self.wrong("error-swapped", l) else error
        if net.loss in ("sse", "mse") and not self.wrong("factor-2-left-out", l):
            error = number(2) * error
        if self.wrong("factor-2-too-many", l):
            error = error + error
        if (net.loss == "mse" and not self.wrong("not-mean-over-outputs", l)) or self.wrong(
            "mean-over-outputs", l
        ):
            error = error / number(len(x))
        if net.loss in ("cross_entropy", "binary_cross_entropy"):
            if self.wrong("slope-twice", l):
                return error * x * (number(1) - x)
            return self.through_softmax(x, error) if self.wrong("jacobian-twice", l) else error
        if self.wrong("softmax-diagonal", l):
            return error * x * (number(1) - x)
        if self.used(l) != "softmax":
            return self.sloped(r, error, S, x, l, n)
        if self.wrong("slope-left-out", l):
            return error
        return self.through_softmax(x, error)

    def through_softmax(self, x: np.ndarray, error: np.ndarray) -> np.ndarray:
        jacobian = np.diag(x) - np.outer(x, x)
        return self.add(jacobian * error)

    def hidden(self, r: Results, deltas, dW, db, l: int, n: int) -> np.ndarray:
        W, b = self.W[l + 1], self.b[l + 1]
        if self.wrong("updated-while-going-back", l):
            W, b = self.stepped(l + 1, dW[l + 1], db[l + 1])
        if self.wrong("weights-of-wrong-layer", l):
            W, b = self.W[l], self.b[l]
        if self.wrong("bias-row-in-delta", l):
            W = np.column_stack([b, W[:, :-1]])
        if not self.wrong("transposed-backward", l):
            W = W.T
        error = self.add(W * deltas[l + 1][n])
        return self.sloped(r, error, r.S[l][n], r.x[l + 1][n], l, n)

    def sloped(self, r: Results, error, S, x, l: int, n: int) -> np.ndarray:
        name, one = self.used(l), self.number(1)
        if self.wrong("slope-left-out", l):
            return error
        if any(self.wrong(mistake, l) for mistake in WRONG_BY_X):
            by_x = {"sigmoid": x * (one - x), "tanh": one - x * x, "exp": x}
            return error * by_x[self.net.activations[l]]
        if self.wrong("slope-of-x", l):
            return error * g_prime(name, x)
        if self.wrong("slope-formula-on-S", l) and name in ("sigmoid", "tanh", "exp"):
            return error * {"sigmoid": S * (one - S), "tanh": one - S * S, "exp": S}[name]
        foreign: dict[str, Callable[[], Any]] = {
            "sigmoid-slope": lambda: x * (one - x),
            "sigmoid-slope-of-S": lambda: g_prime("sigmoid", S),
            "tanh-slope": lambda: one - x * x,
            "tanh-slope-of-S": lambda: g_prime("tanh", S),
            "relu-slope": lambda: (S > 0) * one,
        }
        for mistake, slope in foreign.items():
            if self.wrong(mistake, l):
                return error * slope()
        if self.wrong("slope-of-wrong-layer", l):
            return error * g_prime(name, r.S[l + 1][n])
        if self.wrong("relu-of-gradient", l):
            return error * g_prime(name, error)
        return error * g_prime(name, S)

    def gradient(self, r: Results, deltas, l: int) -> tuple[np.ndarray, np.ndarray]:
        delta, x = deltas[l], r.x[l]
        if self.wrong("delta-of-wrong-layer", l):
            delta = deltas[l + 1]
        if self.wrong("x-of-next-layer", l):
            x = r.x[l + 1]
        if self.wrong("x-of-previous-layer", l):
            x = r.x[l - 1]
        if self.wrong("gradient-of-sums", l):
            x = r.S[l - 1]
        rows = [self.N - 1] if self.wrong("last-example-only", l) else range(self.N)
        rows = [0] if self.wrong("first-example-only", l) else rows
        dW = self.add(np.stack([np.outer(delta[n], x[n]) for n in rows], axis=-1))
        db = self.add(np.stack([delta[n] for n in rows], axis=-1))
        if self.wrong("bias-over-all-nodes", l):
            every = np.concatenate([delta[n] for n in rows])
            db = np.full_like(db, self.add(every))
        N = self.number(self.N)
        mean = self.reduction == "mean"
        if (mean and not self.wrong("sum-instead-of-mean", l)) or self.wrong(
            "mean-instead-of-sum", l
        ):
            dW = dW if self.wrong("weights-not-averaged", l) else dW / N
            db = db if self.wrong("bias-not-averaged", l) else db / N
        if self.wrong("divided-twice", l):
            dW = dW if self.wrong("weights-not-averaged", l) else dW / N
            # whoever forgets to average one of them forgets it everywhere
            db = db if self.wrong("bias-not-averaged", l) else db / N
        if self.wrong("bias-gradient-zero", l):
            db = 0 * db
        if self.wrong("gradient-sign", l):
            dW, db = -dW, -db
        if self.wrong("accumulated", l):
            dW, db = dW + dW, db + db
        elsewhere = self.wrong("decay-in-step-only", l) or self.wrong("decay-without-eta", l)
        if not self.decay or elsewhere:
            return dW, db
        W, b = self.decayed(l)
        return dW + W, db + b

    def decayed(self, l: int) -> tuple[np.ndarray, np.ndarray]:
        """What weight decay adds to the gradients."""
        W, b = self.decay * self.W[l], self.decay * self.b[l]
        N = self.number(self.N)
        if self.wrong("decay-left-out", l):
            return 0 * W, 0 * b
        if self.wrong("decay-doubled", l):
            W, b = W + W, b + b
        if self.wrong("decay-divided", l):
            W, b = W / N, b / N
        if self.wrong("decay-per-example", l):
            W, b = N * W, N * b
        if self.wrong("decay-sign", l):
            W, b = -W, -b
        return W, b if self.wrong("decay-of-biases", l) else 0 * b

    def stepped(self, l: int, dW: np.ndarray, db: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
        eta = self.number(1) if self.wrong("eta-left-out", l) else self.eta
        eta = -eta if self.wrong("ascent", l) else eta
        W, b = self.W[l], self.b[l]
        decay_W, decay_b = self.decayed(l)
        if self.wrong("decay-in-step-only", l):
            dW, db = dW + decay_W, db + decay_b
        if self.wrong("old-weights-left-out", l):
            W, b = 0 * W, 0 * b
        W, b = W - eta * dW, b - eta * db
        if self.wrong("decay-without-eta", l):
            W, b = W - decay_W, b - decay_b
        W = self.W[l] if self.wrong("weights-not-updated", l) else W
        b = self.b[l] if self.wrong("bias-not-updated", l) else b
        return (self.W[l], self.b[l]) if self.wrong("layer-not-updated", l) else (W, b)


def case_of(
    net: Network,
    N: int,
    *,
    eta: float | None,
    reduction: str = "mean",
    weight_decay: float = 0.0,
) -> Case:
    """The case of the catalogue for this network and batch."""
    return Case(
        net.sizes, net.activations, net.loss, reduction, N, eta is not None, weight_decay > 0
    )


def possible(
    net: Network,
    N: int,
    eta: float | None,
    reduction: str = "mean",
    weight_decay: float = 0.0,
) -> dict[str, tuple]:
    """Every mistake that this case allows, in all layers where it can be made."""
    case = case_of(net, N, eta=eta, reduction=reduction, weight_decay=weight_decay)
    found = {mistake.name: tuple(mistake.layers(case)) for mistake in CATALOGUE}
    return {name: layers for name, layers in found.items() if layers}
