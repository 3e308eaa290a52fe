"""Backpropagation in matrix form with lines that can be switched to wrong ones.

`Student` computes what somebody computes who made a given set of mistakes, each quantity with the
bound on its rounding (see `rounding`). A quantity is computed when it is asked for and kept, under
the mistakes that can reach it: so all sets that agree up to some line share the work up to there.
"""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from .catalogue import BACKWARD, BY_NAME, BY_X, DECAY, FORWARD, GRADIENT, UPDATE, Atom
from .problem import Problem, Quantity
from .rounding import Arithmetic, Bounded

#: A set of mistakes, layer by layer.
Atoms = frozenset[Atom]
NONE: Atoms = frozenset()

#: Of all quantities that are kept; the least recently used go first.
MOST_BYTES = 2**28
#: Of layers with so many nodes, a few rows of gradients and new weights are looked at first.
MANY_ROWS, FEW_ROWS = 64, 16

STALE = "updated-while-going-back"
#: What changes the decay term alone, and what leaves it out of the gradient but not of the step.
OF_THE_TERM = frozenset(mistake.name for mistake in DECAY)
#: The lines of a gradient before it is divided.
OF_THE_PRODUCT = ("x of the gradient", "δ of the gradient", "examples", "axis of the bias")
TERM_ELSEWHERE = ("decay-in-step-only", "decay-without-eta")
#: Whose x has the sign of S, so that g′ of either is the same, but for rounding at 0.
SAME_SIGN = ("relu", "leaky_relu")
#: Which activation is used in the place of a layer's own.
INSTEAD = {f"{name}-instead": name for name in ("sigmoid", "tanh", "relu", "softmax")}
#: Which is used forward only.
FORWARD_ONLY = {f"{name}-forward": name for name in ("sigmoid", "tanh", "relu")}
#: The same with g′ by the x that it gives.
FORWARD_BY_X = {f"{mistake}-by-x": name for mistake, name in FORWARD_ONLY.items()}
#: Where x = S, and where g′ is computed by the x of a wrong forward pass.
LEFT_OUT = ("activation-left-out", "activation-left-out-by-x")
BY_WRONG_X = ("activation-left-out-by-x", *FORWARD_BY_X)
#: Whose g′ is taken in the place of a layer's own, and of what.
FOREIGN = {
    "sigmoid-slope": ("sigmoid", "x"),
    "sigmoid-slope-of-S": ("sigmoid", "S"),
    "tanh-slope": ("tanh", "x"),
    "tanh-slope-of-S": ("tanh", "S"),
    "relu-slope": ("relu", "S"),
}


class Student:
    """Every quantity of a problem under any set of mistakes."""

    def __init__(self, problem: Problem, arithmetic: Arithmetic) -> None:
        self.problem, self.case, self._do = problem, problem.case, arithmetic
        self.rounding = arithmetic.rounding
        self._few: dict[int, NDArray[np.intp] | None] = {}
        self._kept: OrderedDict[tuple[Quantity, Atoms], Bounded] = OrderedDict()
        self._bytes = 0

    def compute(self, quantity: Quantity, atoms: Atoms) -> Bounded:
        """The quantity under these mistakes; S, x and δ (N, n), the others like W[l]."""
        key = (quantity, reaching(quantity, atoms))
        found = self._kept.get(key)
        if found is None:
            found = self._compute(*key)
            self._keep(key, found)
        else:
            self._kept.move_to_end(key)
        return found

    def few(self, l: int) -> NDArray[np.intp] | None:
        """Rows of layer l that tell mistakes apart: the biases', and where Σ_n |x_ni| is largest.

        None if the layer has not many rows.
        """
        if l not in self._few:
            rows = None
            if self.case.sizes[l] >= MANY_ROWS:
                sizes = np.abs(self.compute(Quantity("x", l), NONE).value).sum(axis=0)
                rows = np.concatenate([[0], 1 + np.argsort(-sizes, kind="stable")[: FEW_ROWS - 1]])
            self._few[l] = rows
        return self._few[l]

    def _keep(self, key: tuple[Quantity, Atoms], value: Bounded) -> None:
        self._kept[key] = value
        self._bytes += value.nbytes
        while self._bytes > MOST_BYTES and len(self._kept) > 1:
            _, oldest = self._kept.popitem(last=False)
            self._bytes -= oldest.nbytes

    def _compute(self, quantity: Quantity, atoms: Atoms) -> Bounded:
        kind, l, few = quantity
        if kind == "S":
            return self._sums(l, atoms)
        if kind == "x":
            return self._outputs(l, atoms)
        if kind == "slope":
            return self._do.slope(self._g(l, atoms), self.compute(Quantity("S", l), atoms))
        if kind == "delta":
            return self._last_delta(atoms) if l == self.case.last else self._hidden_delta(l, atoms)
        last = {
            "product": self._product,
            "grad_f": self._loss_gradient,
            "grad": self._gradient,
            "W_new": self._new_weights,
        }
        return last[kind](l, few, atoms)

    # --- Forward. -------------------------------------------------------------------------------

    def _sums(self, l: int, atoms: Atoms) -> Bounded:
        """S^(l) = x^(l) W^(l)."""
        W, x = self.problem.W[l], self._inputs(l, atoms)
        if Atom("transposed-forward", l) in atoms:
            W = Bounded(*(np.vstack([w[:1], w[1:].T]) for w in (W.value, W.error)))
        if Atom("bias-left-out", l) in atoms:
            W, x = W[1:], x[:, 1:]
        return self._do.matmul(x, W)

    def _outputs(self, l: int, atoms: Atoms) -> Bounded:
        """x^(l) without the constant node: the inputs, or g(S^(l−1))."""
        if l == 0:
            return self.problem.x
        S, name = self.compute(Quantity("S", l - 1), atoms), self._g_forward(l - 1, atoms)
        if any(Atom(mistake, l - 1) in atoms for mistake in LEFT_OUT):
            return S
        if name != "softmax":
            return self._do.activation(name, S)
        if Atom("softmax-over-batch", l - 1) in atoms:
            return self._do.softmax(S.transposed).transposed
        if Atom("softmax-over-all", l - 1) in atoms:
            return self._do.softmax(S.reshaped(1, -1)).reshaped(*S.value.shape)
        return self._do.softmax(S)

    def _g(self, l: int, atoms: Atoms) -> str:
        """The activation whose g′ is used in this layer."""
        return next(
            (name for mistake, name in INSTEAD.items() if Atom(mistake, l) in atoms),
            self.case.activations[l],
        )

    def _g_forward(self, l: int, atoms: Atoms) -> str:
        """The activation that is used in this layer."""
        forward = FORWARD_ONLY | FORWARD_BY_X
        return next(
            (name for mistake, name in forward.items() if Atom(mistake, l) in atoms),
            self._g(l, atoms),
        )

    def _inputs(self, l: int, atoms: Atoms) -> Bounded:
        """x^(l) with the constant node."""
        return _with_constant(self.compute(Quantity("x", l), atoms))

    # --- Backward. ------------------------------------------------------------------------------

    def _last_delta(self, atoms: Atoms) -> Bounded:
        """δ^(L−1), from the loss and the output activation."""
        case, last = self.case, self.case.last
        x, y = self.compute(Quantity("x", case.L), atoms), self.problem.y
        if Atom("softmax-twice", last) in atoms:
            error = self._do.jacobian_product(x, self._do.difference(self._do.softmax(x), y))
        elif case.absorbed and self._one_sided(atoms):
            error = self._do.product(y.times(-1), self._do.complement(x))
            # −y / x times x (1 − x) is another way to it.
            error = self._do.rounded(error.value, error.error, np.abs(error.value), 4)
        elif case.loss == "cross_entropy":
            error = self._summed_error(x, y)
        else:
            error = self._do.difference(x, y)
        upstream = error.times(self._loss_factor(atoms))
        if case.absorbed:
            return self._absorbed(upstream, x, atoms)
        if case.softmax and Atom("softmax-diagonal", last) in atoms:
            return self._do.product(upstream, self._do.product(x, self._do.complement(x)))
        if self._g(last, atoms) == "softmax" and Atom("slope-left-out", last) not in atoms:
            return self._do.jacobian_product(x, upstream)
        return self._sloped(upstream, last, atoms)

    def _one_sided(self, atoms: Atoms) -> bool:
        """Whether δ is −y (1 − x): each output's own, where its target is not 0."""
        names = ("softmax-diagonal", "second-half-left-out")
        return any(Atom(name, self.case.last) in atoms for name in names)

    def _summed_error(self, x: Bounded, y: Bounded) -> Bounded:
        """x − y as Σ_k (−y_k / x_k) x_k ([j = k] − x_j) gives it too: x_j Σ_k y_k − y_j."""
        difference, n = self._do.difference(x, y), x.value.shape[1]
        left = np.abs(y.value.sum(axis=1, keepdims=True) - 1) * x.value
        scale = np.abs(x.value) + np.abs(y.value)
        return self._do.rounded(difference.value, difference.error + left, scale, n)

    def _loss_factor(self, atoms: Atoms) -> float:
        """What x − y is multiplied by in the derivative of the loss."""
        case, last = self.case, self.case.last
        made = {name for name, layer in atoms if layer == last}
        factor = {"sse": 2.0, "mse": 2.0 / case.sizes[-1]}.get(case.loss, 1.0)
        factor *= -1 if "error-swapped" in made else 1
        factor *= 0.5 if "factor-2-left-out" in made else 1
        factor *= 2 if "factor-2-too-many" in made else 1
        factor /= case.sizes[-1] if "mean-over-outputs" in made else 1
        return factor * (case.sizes[-1] if "not-mean-over-outputs" in made else 1)

    def _absorbed(self, delta: Bounded, x: Bounded, atoms: Atoms) -> Bounded:
        """δ of a loss that has absorbed g′; what is multiplied once more is a mistake."""
        last = self.case.last
        if Atom("slope-twice", last) in atoms:
            return self._do.product(delta, self._do.product(x, self._do.complement(x)))
        if Atom("jacobian-twice", last) in atoms:
            return self._do.jacobian_product(x, delta)
        return delta

    def _hidden_delta(self, l: int, atoms: Atoms) -> Bounded:
        """δ^(l) = (δ^(l+1) W^(l+1)[1:]ᵀ) g′(S^(l))."""
        above = self.compute(Quantity("delta", l + 1), atoms)
        W = self.problem.W[l + 1]
        if Atom(STALE, l) in atoms:
            W = self.compute(Quantity("W_new", l + 1), atoms)
        if Atom("weights-of-wrong-layer", l) in atoms:
            W = self.problem.W[l]
        W = W[:-1] if Atom("bias-row-in-delta", l) in atoms else W[1:]
        if Atom("transposed-backward", l) not in atoms:
            W = W.transposed
        return self._sloped(self._do.matmul(above, W), l, atoms)

    def _sloped(self, upstream: Bounded, l: int, atoms: Atoms) -> Bounded:
        """The derivative by x^(l+1) times g′(S^(l))."""
        if Atom("slope-left-out", l) in atoms:
            return upstream
        foreign = next((name for name in FOREIGN if Atom(name, l) in atoms), None)
        if foreign is not None:
            return self._do.product(upstream, self._foreign(foreign, l, atoms))
        name = self._g(l, atoms)
        if any(Atom(mistake, l) in atoms for mistake in BY_WRONG_X):
            formula = self._formula(name, self.compute(Quantity("x", l + 1), atoms))
            return self._do.product(upstream, formula)
        if Atom("slope-formula-on-S", l) in atoms and name in BY_X:
            formula = self._formula(name, self.compute(Quantity("S", l), atoms))
            return self._do.product(upstream, formula)
        if Atom("slope-of-x", l) in atoms and name not in SAME_SIGN:
            slope = self._do.slope(name, self.compute(Quantity("x", l + 1), atoms))
        elif Atom("slope-of-wrong-layer", l) in atoms:
            slope = self._do.slope(name, self.compute(Quantity("S", l + 1), atoms))
        elif Atom("relu-of-gradient", l) in atoms:
            slope = self._do.slope(name, upstream)
        else:
            slope = self.compute(Quantity("slope", l), atoms)
        return self._do.product(upstream, slope)

    def _foreign(self, mistake: str, l: int, atoms: Atoms) -> Bounded:
        """g′ of an activation that is not this layer's."""
        name, by = FOREIGN[mistake]
        if by == "x":
            return self._formula(name, self.compute(Quantity("x", l + 1), atoms))
        return self._do.slope(name, self.compute(Quantity("S", l), atoms))

    def _formula(self, name: str, x: Bounded) -> Bounded:
        """g′ by x, or by what stands in its place."""
        if name == "exp":
            return x
        if name == "sigmoid":
            return self._do.product(x, self._do.complement(x))
        return self._do.complement(self._do.product(x, x))

    # --- Gradients and the step. ----------------------------------------------------------------

    def _rows(self, l: int, few: bool) -> NDArray[np.intp] | slice:
        """All rows of layer l, or the few."""
        rows = self.few(l) if few else None
        return slice(None) if rows is None else rows

    def _product(self, l: int, few: bool, atoms: Atoms) -> Bounded:
        """x^(l)ᵀ δ^(l), summed over the examples."""
        above = l + 1 if Atom("delta-of-wrong-layer", l) in atoms else l
        delta = self.compute(Quantity("delta", above), atoms)
        if Atom("x-of-next-layer", l) in atoms:
            x = self._inputs(l + 1, atoms)
        elif Atom("x-of-previous-layer", l) in atoms:
            x = self._inputs(l - 1, atoms)
        elif Atom("gradient-of-sums", l) in atoms:
            x = _with_constant(self.compute(Quantity("S", l - 1), atoms))
        else:
            x = self._inputs(l, atoms)
        if Atom("last-example-only", l) in atoms:
            x, delta = x[-1:], delta[-1:]
        elif Atom("first-example-only", l) in atoms:
            x, delta = x[:1], delta[:1]
        product = self._do.matmul(x[:, self._rows(l, few)].transposed, delta)
        if Atom("bias-over-all-nodes", l) in atoms:
            total = self._do.row_sum(delta.reshaped(1, -1))
            product.value[0], product.error[0] = total.value[0], total.error[0]
        return product

    def _loss_gradient(self, l: int, few: bool, atoms: Atoms) -> Bounded:
        """∂f/∂W^(l) without decay: the product, divided, and what mistakes make of it."""
        total = self.compute(Quantity("product", l, few), atoms)
        made = {name for name, layer in atoms if layer == l}
        N = self.case.N
        divisor = N if self.case.reduction == "mean" else 1
        divisor = 1 if "sum-instead-of-mean" in made else divisor
        divisor = N * N if "divided-twice" in made else divisor
        divisor = N if "mean-instead-of-sum" in made else divisor
        sign = -1 if "gradient-sign" in made else 1
        factor = sign * (2 if "accumulated" in made else 1) / divisor
        # Every term may have been divided, and the factors of it, instead of the sum.
        gradient = self._do.rounded(
            total.value * factor, total.error * abs(factor), np.abs(total.value * factor), 4
        )
        if "bias-gradient-zero" in made:
            gradient.value[0] = gradient.error[0] = 0
        if "bias-not-averaged" in made:
            gradient.value[0] *= divisor
            gradient.error[0] *= divisor
        if "weights-not-averaged" in made:
            gradient.value[1:] *= divisor
            gradient.error[1:] *= divisor
        return gradient

    def _gradient(self, l: int, few: bool, atoms: Atoms) -> Bounded:
        """∂f/∂W^(l), with the term of the weight decay."""
        if not self.case.has_decay:
            return self._loss_gradient(l, few, atoms)
        gradient = self.compute(Quantity("grad_f", l, few), atoms)
        if any(Atom(name, l) in atoms for name in TERM_ELSEWHERE):
            return gradient
        return self._do.sum(gradient, self._term(l, few, atoms))

    def _term(self, l: int, few: bool, atoms: Atoms) -> Bounded:
        """λ w_ij, and 0 in the row of the biases."""
        made = {name for name, layer in atoms if layer == l}
        factor = 0 if "decay-left-out" in made else self.problem.weight_decay
        factor *= 2 if "decay-doubled" in made else 1
        factor *= -1 if "decay-sign" in made else 1
        factor *= self.case.N if "decay-per-example" in made else 1
        factor /= self.case.N if "decay-divided" in made else 1
        term = self.problem.W[l][self._rows(l, few)].times(factor)
        # It may have been added up over the examples, and divided again.
        term = self._do.rounded(term.value, term.error, np.abs(term.value), self.case.N + 4)
        if "decay-of-biases" not in made:
            term.value[0] = term.error[0] = 0
        return term

    def _new_weights(self, l: int, few: bool, atoms: Atoms) -> Bounded:
        """w − η ∂f/∂w."""
        assert self.problem.eta is not None
        W = self.problem.W[l][self._rows(l, few)]
        gradient = self.compute(Quantity("grad", l, few), atoms)
        eta = 1.0 if Atom("eta-left-out", l) in atoms else self.problem.eta
        eta = -eta if Atom("ascent", l) in atoms else eta
        step = gradient.times(eta)
        step = self._do.rounded(step.value, step.error, np.abs(step.value), 2)
        old = W.times(0) if Atom("old-weights-left-out", l) in atoms else W
        new = self._do.difference(old, step)
        if self.case.has_decay:
            term = self._term(l, few, atoms)
            if Atom("decay-without-eta", l) in atoms:
                new = self._do.difference(new, term)
            # w (1 − η λ) − η ∂f/∂w is another way to it.
            scale = np.abs(old.value) + np.abs(step.value) + 2 * np.abs(eta * term.value)
            new = self._do.rounded(new.value, new.error, scale, 4)
        stays = {"layer-not-updated": slice(None), "weights-not-updated": slice(1, None),
                 "bias-not-updated": slice(0, 1)}  # fmt: skip
        for name, part in stays.items():
            if Atom(name, l) in atoms:
                new.value[part], new.error[part] = W.value[part], W.error[part]
        return new


def reaching(quantity: Quantity, atoms: Atoms) -> Atoms:
    """Those of the mistakes that can change this quantity."""
    stale = [layer for name, layer in atoms if name == STALE]
    return frozenset(atom for atom in atoms if _reaches(quantity, atom, stale))


def _reaches(quantity: Quantity, atom: Atom, stale: Sequence[int]) -> bool:
    """Whether this mistake can change this quantity; `stale`: where δ uses new weights."""
    kind, l, _ = quantity
    stage = BY_NAME[atom.name].stage
    if stage == FORWARD:
        first = atom.layer + 1 if kind == "x" else atom.layer
        return l >= first if kind in ("S", "x", "slope") else True
    if kind in ("S", "x", "slope"):
        return False
    if stage == BACKWARD:
        return atom.layer >= l
    if any(layer >= l and atom.layer > layer for layer in stale):
        return True
    if atom.layer != l or kind == "delta":
        return False
    if kind == "product":
        return BY_NAME[atom.name].line in OF_THE_PRODUCT
    if atom.name == "decay-in-step-only":
        return kind == "grad"
    if kind == "grad_f":
        return stage == GRADIENT and atom.name not in OF_THE_TERM
    return stage == GRADIENT or (stage == UPDATE and kind == "W_new")


def _with_constant(x: Bounded) -> Bounded:
    """A column of ones before the others."""
    N = len(x.value)
    return Bounded(
        np.hstack([np.ones((N, 1)), x.value]),
        np.hstack([np.zeros((N, 1)), x.error]),
    )
