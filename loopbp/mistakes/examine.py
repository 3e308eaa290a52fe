"""`diagnose`: what is wrong with this backprop?"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import replace
from functools import cached_property
from itertools import groupby
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import FloatArray, choice, describe, integer, matrix, numeric, real
from ..network import REDUCTIONS, Network
from ..trace import Trace
from . import multiples, names, nearly, steps, submission, unasked
from .catalogue import Case
from .diagnosis import Departure, Diagnosis, Row, between, largest_between
from .problem import Quantity, bounded_problem
from .rounding import Arithmetic, Floats
from .search import Comparison, Explanation, Finding, explanations, findings, invisible, pairs
from .student import NONE, Student
from .submission import Given, Submission, Tidy

WEIGHTS = ("auto", "in,out", "out,in")
EXAMPLES = ("auto", "rows", "columns")


class Examiner:
    """Diagnoses submissions for one network and one batch.

    What somebody computes who makes a certain mistake is computed when the first submission needs
    it, and kept for the others. Arguments and errors as in `diagnose`.
    """

    def __init__(
        self,
        net: Network,
        X: ArrayLike,
        Y: ArrayLike,
        *,
        eta: float | None = None,
        reduction: str = "mean",
        weight_decay: float = 0.0,
    ) -> None:
        if not isinstance(net, Network):
            raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
        choice("reduction", reduction, REDUCTIONS)
        self._eta = None if eta is None else real("eta", eta, low=0, open_low=True)
        self._decay = real("weight_decay", weight_decay, low=0)
        self._net = net.copy()
        self._X = matrix("X", X, np.dtype(np.float64), columns=net.sizes[0])
        self._trace = net.backprop(X, Y, reduction=reduction)
        targets = numeric("Y", Y)
        assert self._trace.y is not None
        exact = targets.size == self._trace.y.size
        self._Y = np.asarray(targets if exact else self._trace.y, np.float64)
        self._Y = self._Y.reshape(self._trace.y.shape)
        self.case = Case(
            net.sizes,
            net.activations,
            net.loss,
            reduction,
            len(self._X),
            has_eta=eta is not None,
            has_decay=self._decay > 0,
        )
        self._students: dict[np.dtype[Any], Student] = {}

    def diagnose(
        self,
        computed: Mapping[str, Any] | Trace | Tidy,
        *,
        weights: str = "auto",
        examples: str = "auto",
        decimals: int | None = None,
    ) -> Diagnosis:
        """The diagnosis of one submission."""
        self.check(weights=weights, examples=examples, decimals=decimals)
        W = [np.asarray(w, np.float64) for w in self._net.W]
        inputs = np.asarray(self._X, np.float64)
        if isinstance(computed, Tidy):
            found = submission.aligned(computed.given, W, decimals, inputs)
            return self._leaving_out(computed.unknown, found)
        arrays, unknown = submission.flattened(_arrays(computed))
        found = submission.readings(
            arrays,
            self.case,
            W,
            weights=weights,
            examples=examples,
            decimals=decimals,
            inputs=inputs,
        )
        return self._leaving_out(unknown, found)

    def _leaving_out(self, unknown: Sequence[str], found: list[Submission]) -> Diagnosis:
        """The best diagnosis, with the names that were left out."""
        diagnosis = self._best(found)
        return replace(
            diagnosis,
            left_out=tuple(map(names.shown, unknown)),
            notes=(*names.unknown(unknown), *diagnosis.notes),
        )

    @staticmethod
    def check(*, weights: str, examples: str, decimals: int | None) -> None:
        """Raises `TypeError` or `ValueError` for options of `diagnose` that it does not know."""
        choice("weights", weights, WEIGHTS)
        choice("examples", examples, EXAMPLES)
        if decimals is not None:
            integer("decimals", decimals, low=0, high=300)

    def _best(self, found: list[Submission]) -> Diagnosis:
        """The diagnosis by the way of reading that needs the fewest mistakes, then the strictest.

        Numbers that are right only if they were rounded, which they do not prove, are neither
        right nor wrong; but what a mistake gives digit by digit is that mistake. Whole numbers
        have no digits for that.
        """
        comparisons = [comparison for one in found for comparison in self._comparisons(one)]
        proven = [one for one in comparisons if one.submission.proven]
        perhaps = [one for one in comparisons if not one.submission.proven]
        unclear = next((one for one in perhaps if explanations(one, [()])), None)
        for candidates in self._candidates():
            for _, alike in groupby(proven, _strictness):
                best = [(one, explanations(one, candidates)) for one in alike]
                best = [(one, ways) for one, ways in best if ways]
                if best:
                    together = {_key(way): way for _, ways in best for way in ways}
                    return self._diagnosis(best[0][0], [way for way in together.values() if way])
            if unclear is not None and unclear.submission.whole:
                break
        if unclear is not None:
            return replace(self._diagnosis(unclear, []), unclear=True)
        furthest = max(proven, key=_reach)
        # To a few decimals, what has decayed is often a multiple as well.
        observed = (
            _gradients_as_weights(furthest)
            or unasked.observations(furthest)
            or steps.observations(furthest)
            or nearly.observations(furthest)
            or multiples.observations(furthest)
        )
        told = self._diagnosis(furthest, [])
        notes = (*told.notes, *([] if observed else self._not_tried(furthest)))
        return replace(told, observations=tuple(observed), notes=notes)

    def _not_tried(self, comparison: Comparison) -> list[str]:
        """The mistake that can be tried only if the learning rate is known."""
        quantities = [given.quantity for given in comparison.given]
        below = [one for one in quantities if one.l < self.case.last]
        if self.case.has_eta or not any(one.kind in ("delta", "grad") for one in below):
            return []
        return [
            "whether weights were updated while going back was not tried, since the learning rate "
            "(eta) is not known"
        ]

    def _candidates(self) -> Iterator[list[Explanation]]:
        """No mistake, then each single one, then the pairs."""
        yield [()]
        yield [(finding,) for finding in self._findings]
        yield self._pairs

    def _comparisons(self, one: Submission) -> list[Comparison]:
        """The submission with δ of each example, and with δ divided by N."""
        if not one.given:
            why = submission.NOT_UPDATED if self.case.has_eta else ""
            raise ValueError(
                f"computed: expected results of backpropagation; got the old weights{why}"
            )
        if self._eta is None and any(given.quantity.kind == "W_new" for given in one.given):
            called = next(given.name for given in one.given if given.quantity.kind == "W_new")
            raise ValueError(
                "eta: expected the learning rate, since there are updated weights; got "
                f"{called} (gradients are called dW1, db1, …)"
            )
        student = self._student(one.unit_dtype)
        has_delta = any(given.quantity.kind == "delta" for given in one.given)
        mean = self.case.reduction == "mean" and self.case.N > 1
        ways = (False, True) if has_delta and mean else (False,)
        return [Comparison(one, student, divided=divided) for divided in ways]

    def _student(self, dtype: np.dtype[Any]) -> Student:
        """Who computes in this dtype, or in the network's if that has fewer digits."""
        coarse = np.finfo(dtype).eps > np.finfo(self._net.dtype).eps
        dtype = dtype if coarse else self._net.dtype
        if dtype not in self._students:
            arithmetic = Arithmetic.of(dtype)
            trace, Y = self._trace, self._Y
            assert trace.y is not None
            problem = bounded_problem(
                self.case,
                self._net.W,
                (self._X, trace.x[0][:, 1:]),
                (Y, trace.y),
                self._eta,
                arithmetic,
                weight_decay=self._decay,
                coarse=coarse,
            )
            self._students[dtype] = Student(problem, arithmetic)
        return self._students[dtype]

    @cached_property
    def _findings(self) -> list[Finding]:
        return findings(self.case)

    @cached_property
    def _pairs(self) -> list[Explanation]:
        return pairs(self._findings)

    def _diagnosis(self, comparison: Comparison, ways: list[Explanation]) -> Diagnosis:
        """What is found, in the legend's names."""
        first: Departure | None = None
        rows: list[Row] = []
        for given in comparison.given:
            with np.errstate(all="ignore"):
                departs = comparison.departing(given, NONE)
            expected = self._right(given.quantity, comparison)
            a, b = expected[departs], given.values[departs]
            difference = float(np.abs(a - b).max()) if len(a) else 0.0
            dtype = comparison.submission.unit_dtype
            rows.append(
                Row(
                    given.quantity.kind,
                    given.quantity.l,
                    given.name,
                    int(given.known.sum()),
                    len(a),
                    difference,
                    largest_between(a, b, dtype),
                )
            )
            if first is None and len(a):
                first = _departure(given, departs, expected, dtype)
        hidden = invisible(comparison, self._findings) if first is None else []
        return Diagnosis(first, tuple(ways), tuple(rows), tuple(hidden), tuple(_notes(comparison)))

    def _right(self, quantity: Quantity, comparison: Comparison) -> Floats:
        """The engine's numbers in the shape of what was given."""
        kind, l, _ = quantity
        trace = self._trace
        if kind == "W_new":
            assert self._eta is not None
            W = self._net.W[l]
            right: FloatArray = W - W.dtype.type(self._eta) * self._gradient(l)
        elif kind == "grad":
            right = self._gradient(l)
        elif kind == "x":
            right = trace.x[l] if l == self.case.L else trace.x[l][:, 1:]
        else:
            right = getattr(trace, kind)[l]
        values = right.astype(np.float64)
        return values / self.case.N if comparison.divided and kind == "delta" else values

    def _gradient(self, l: int) -> FloatArray:
        """The engine's ∂f/∂w, and λ w in the rows of the weights."""
        assert self._trace.grad is not None
        gradient, W = self._trace.grad[l], self._net.W[l]
        if self.case.has_decay:
            gradient = gradient.copy()
            gradient[1:] += W.dtype.type(self._decay) * W[1:]
        return gradient


def diagnose(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    computed: Mapping[str, Any] | Trace,
    *,
    eta: float | None = None,
    reduction: str = "mean",
    weight_decay: float = 0.0,
    weights: str = "auto",
    examples: str = "auto",
    decimals: int | None = None,
) -> Diagnosis:
    """Where somebody's S, x, δ, ∂f/∂w or new w depart, and which mistake explains it.

    Parameters
    ----------
    net : Network
        With the weights that somebody started from; is not modified.
    X, Y : array (N, n_0); array (N, n_L) or integer labels (N,)
        The batch, as in `Network.backprop`.
    computed : mapping of names to arrays, or Trace
        Any part of what somebody computed, in the names of any notation: `S0`, `x1`, `delta0`,
        `grad0`, `W0_new`, `weight0.grad`, `db1`, `coef_grads[0]`, …; or lists of arrays, by layer.
    eta : float, optional
        The learning rate; with updated weights it is needed.
    reduction : str
        `mean` or `sum`: what the gradient of the batch should be.
    weight_decay : float
        The λ of f + λ/2 Σ w², with f the mean or the sum over the examples: λ w_ij is added once
        to the gradient of either, and to that of no bias (i = 0), as in `SGD` and `Adam`. The new
        weights are those of a step against this gradient, w − η (∂f/∂w + λ w).
    weights : str
        How weights are stored: `in,out` as here, `out,in` as in PyTorch; `auto` goes by shapes
        and names, and tries both where these do not tell.
    examples : str
        Whether an example is a row or a column of S, x and δ: `rows`, `columns` or `auto`.
    decimals : int, optional
        To how many decimals the numbers were rounded; by default the numbers tell.

    Nobody is accused of rounding: a number departs if no order of the sums, no usual formula of
    the activation and no dtype like the submission's could give it. Mistakes are tried alone, then
    in pairs; every one that explains *all* numbers is reported, and none if none does.

    Raises `TypeError` or `ValueError` for names that are not understood, shapes that do not fit,
    and what `Network.backprop` raises.
    """
    examiner = Examiner(net, X, Y, eta=eta, reduction=reduction, weight_decay=weight_decay)
    return examiner.diagnose(computed, weights=weights, examples=examples, decimals=decimals)


def _arrays(computed: object) -> Mapping[Any, Any]:
    """A mapping of names to arrays; a trace's quantities."""
    if isinstance(computed, Trace):
        lists = {"S": computed.S, "delta": computed.delta, "grad": computed.grad}
        named = {
            f"{name}{l}": part
            for name, parts in lists.items()
            for l, part in enumerate(parts or ())
        }
        return named | {f"x{l}": part for l, part in enumerate(computed.x)}
    if not isinstance(computed, Mapping):
        raise TypeError(
            f"computed: expected arrays by name, or a loopbp.Trace; got {describe(computed)}"
        )
    return computed


def _reach(comparison: Comparison) -> tuple[int, int]:
    """How many quantities are right before the first that is not, and minus how many numbers."""
    with np.errstate(all="ignore"):
        wrong = [int(comparison.departing(given, NONE).sum()) for given in comparison.given]
    return next((k for k, count in enumerate(wrong) if count), len(wrong)), -sum(wrong)


def _gradients_as_weights(comparison: Comparison) -> list[str]:
    """Names of new weights under which the right gradients stand, where no other one is wrong."""
    found = []
    for one in sorted(comparison.given, key=lambda given: given.quantity.l):
        quantity = one.quantity
        if quantity.kind == "W_new":
            one = replace(one, quantity=quantity._replace(kind="grad"))
        with np.errstate(all="ignore"):
            if comparison.departing(one, NONE).any():
                return []
        if quantity.kind == "W_new":
            found.append(one.name)
    if not found:
        return []
    return [
        f"{', '.join(found)} are the right gradients, under names that mean updated weights here "
        "(gradients are called dW1, db1, …)"
    ]


def _strictness(comparison: Comparison) -> tuple[int, bool]:
    """What readings have in common that are asked together."""
    return comparison.submission.level, comparison.submission.apart


def _key(way: Explanation) -> tuple[tuple[str, tuple[int, ...]], ...]:
    """What makes two explanations the same."""
    return tuple((finding.mistake.name, finding.layers) for finding in way)


def _departure(
    given: Given, departs: submission.Booleans, expected: Floats, dtype: np.dtype[Any]
) -> Departure:
    """The first entry that departs, by rows."""
    kind, l, _ = given.quantity
    a, b = (int(at) for at in np.unravel_index(int(np.argmax(departs)), departs.shape))
    return Departure(
        kind,
        l,
        (a, b + 1),
        float(expected[a, b]),
        float(given.values[a, b]),
        between(float(expected[a, b]), float(given.values[a, b]), dtype),
        given.position(a, b) or "",
    )


def _notes(comparison: Comparison) -> list[str]:
    """How the submission was read."""
    notes = list(comparison.submission.notes)
    if comparison.submission.reading:
        notes.append(
            "names and shapes do not tell how the arrays are stored; they are read with "
            f"{comparison.submission.reading}"
        )
    if comparison.divided:
        notes.append("δ is divided by the number of examples already, which is as good")
    return notes
