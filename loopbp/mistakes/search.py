"""Which mistakes explain all the numbers.

A set of mistakes explains a submission if every number in it lies within rounding of what code
with these mistakes computes (see `rounding`), and if what it computes is known well enough to say
so: where the mistake leads to a kink of ReLU, g′ may be 0 or 1, and almost any number would do. No
mistake comes first, then each single one, then each pair that goes together; larger sets are not
tried. All explanations with the fewest mistakes are found, so that what the numbers cannot tell
apart is said together.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from itertools import combinations

import numpy as np

from .catalogue import CATALOGUE, Atom, Case, Mistake
from .problem import Quantity
from .rounding import Bounded, Floats
from .student import NONE, Atoms, Student, reaching
from .submission import Booleans, Given, Submission

#: How much less is known of what a mistake gives, if almost any number would do: at a kink.
VAGUE = 1000
#: With more pairs than this, a mistake in a single layer is tried alone only.
MOST_PAIRS = 30_000


@dataclass(frozen=True)
class Finding:
    """A mistake, and the layers of weights in which it was made.

    everywhere: these are all layers in which it can be made.
    """

    mistake: Mistake
    layers: tuple[int, ...]
    everywhere: bool = True

    @property
    def atoms(self) -> Atoms:
        """The mistake layer by layer."""
        return frozenset(Atom(self.mistake.name, l) for l in self.layers)

    def goes_with(self, other: Finding) -> bool:
        """Whether both can be made together: in different lines, or in different layers."""
        if self.mistake is other.mistake:
            return False
        same = self.mistake.lines & other.mistake.lines
        return not (same and set(self.layers) & set(other.layers))


#: Mistakes that together explain everything.
Explanation = tuple[Finding, ...]


def findings(case: Case) -> list[Finding]:
    """Every mistake, everywhere where it can be made, in all hidden layers, in each layer."""
    found: list[Finding] = []
    for mistake in CATALOGUE:
        layers = tuple(mistake.layers(case))
        ways = [layers]
        if mistake.by_layer:
            ways += [tuple(l for l in layers if l < case.last), *((l,) for l in layers)]
        found += [Finding(mistake, way, way == layers) for way in dict.fromkeys(ways) if way]
    return found


def pairs(single: list[Finding]) -> list[Explanation]:
    """Two mistakes that go together."""
    together: list[Explanation] = [
        pair for pair in combinations(single, 2) if pair[0].goes_with(pair[1])
    ]
    if len(together) <= MOST_PAIRS:
        return together
    widest: dict[str, Finding] = {}
    for finding in single:
        widest.setdefault(finding.mistake.name, finding)
    return [pair for pair in combinations(widest.values(), 2) if pair[0].goes_with(pair[1])]


class Comparison:
    """One reading of a submission beside what a student computes.

    divided: its δ are divided by the number of examples, as they are where the mean is taken
    before going back. Both conventions are right.
    """

    def __init__(self, submission: Submission, student: Student, *, divided: bool) -> None:
        self.submission, self.student, self.divided = submission, student, divided
        order = {quantity: k for k, quantity in enumerate(student.problem.order())}
        self.given = sorted(submission.given, key=lambda given: order[given.quantity])
        self._known: dict[tuple[Quantity, Atoms], bool] = {}

    def fits(self, atoms: Atoms) -> bool:
        """Whether everything is what code with these mistakes computes."""
        return all(self._fits(given, atoms) for given in self.given)

    def tells(self, atoms: Atoms) -> bool:
        """Whether they say what is computed, of most weights and of most biases that depart.

        They do not where their bound is `VAGUE` times that of the right number, more than half of
        what they have to explain, and as large as the number itself; unless the very number is
        given that is in the middle of it, as it is where S = 0 is no rounding.
        """
        for given in self.given:
            departs = self.departing(given, NONE)
            right, made = (self.expected(given.quantity, which) for which in (NONE, atoms))
            distance = np.abs(given.values - right.value)
            vague = departs & (made.error > VAGUE * right.error) & (2 * made.error > distance)
            vague &= made.error >= np.abs(made.value)
            near = VAGUE * right.error + given.decimal_error
            vague &= ~(np.abs(given.values - made.value) <= near)
            matrix = given.quantity.kind in ("grad", "W_new")
            for rows in (slice(0, 1), slice(1, None)) if matrix else (slice(None),):
                if 2 * np.count_nonzero(vague[rows]) > np.count_nonzero(departs[rows]):
                    return False
        return True

    def departing(self, given: Given, atoms: Atoms) -> Booleans:
        """Which entries are not what code with these mistakes computes."""
        expected = self.expected(given.quantity, atoms)
        limit = expected.error + given.decimal_error
        return self._outside(given.values, expected, limit, bool(atoms)) & given.known

    def _outside(
        self, values: Floats, expected: Bounded, limit: Floats, mistaken: bool
    ) -> Booleans:
        """Which values are further than the limit from what is expected, and tell something."""
        largest = float(np.finfo(self.submission.unit_dtype).max)
        outside = ~(np.abs(values - expected.value) <= limit)
        same = (values == expected.value) | (np.isnan(values) & np.isnan(expected.value))
        # What overflows, or might in the submission's dtype, tells nothing about correct code.
        unknown = ~(np.abs(expected.value) + limit <= largest)
        if mistaken:
            unknown &= ~np.isfinite(values)
        outside &= ~same & ~unknown
        return outside

    def expected(self, quantity: Quantity, atoms: Atoms) -> Bounded:
        """What the student computes, by the submission's convention for δ."""
        found = self.student.compute(quantity, atoms)
        if self.divided and quantity.kind == "delta":
            rounding = 2 * self.student.rounding
            share = found.times(1 / self.student.case.N)
            return Bounded(share.value, share.error + rounding * np.abs(share.value))
        return found

    def _fits(self, given: Given, atoms: Atoms) -> bool:
        key = (given.quantity, reaching(given.quantity, atoms))
        if key not in self._known:
            apart = self._clearly_departs(given, atoms) or self.departing(given, atoms).any()
            self._known[key] = not apart
        return self._known[key]

    def _clearly_departs(self, given: Given, atoms: Atoms) -> bool:
        """Whether a few rows of many depart already, whose rounding may be another by a little."""
        kind, l, _ = given.quantity
        rows = self.student.few(l) if kind in ("grad", "W_new") else None
        if rows is None:
            return False
        expected = self.student.compute(Quantity(kind, l, few=True), atoms)
        digits = np.broadcast_to(given.decimal_error, given.values.shape)[rows]
        limit = 2 * (expected.error + digits)
        outside = self._outside(given.values[rows], expected, limit, bool(atoms))
        return bool((outside & given.known[rows]).any())


def explanations(comparison: Comparison, candidates: Iterable[Explanation]) -> list[Explanation]:
    """Those of the candidates, all with as many mistakes, that explain everything."""
    with np.errstate(all="ignore"):
        made = ((way, NONE.union(*(finding.atoms for finding in way))) for way in candidates)
        fitting = [(way, atoms) for way, atoms in made if comparison.fits(atoms)]
        found = [way for way, atoms in fitting if not atoms or comparison.tells(atoms)]
    return list(narrowed(shown(found)))


def shown(found: Sequence[Explanation]) -> list[Explanation]:
    """Without those whose backward pass alone tells them from others, where it does not show."""
    named = {frozenset(finding.mistake.name for finding in way) for way in found}

    def hidden(way: Explanation) -> bool:
        mistakes = [finding.mistake for finding in way]
        plain = frozenset(mistake.shows_as or mistake.name for mistake in mistakes)
        return any(mistake.shows_as for mistake in mistakes) and plain in named

    return [way for way in found if not hidden(way)]


def invisible(comparison: Comparison, single: list[Finding]) -> list[Mistake]:
    """Mistakes that concern a given quantity and yet change no number beyond rounding."""
    found: dict[str, Mistake] = {}
    with np.errstate(all="ignore"):
        for finding in single:
            concerned = any(reaching(given.quantity, finding.atoms) for given in comparison.given)
            if concerned and comparison.fits(finding.atoms):
                found.setdefault(finding.mistake.name, finding.mistake)
    return list(found.values())


def narrowed(found: Sequence[Explanation]) -> Iterator[Explanation]:
    """Each combination of mistakes once, in the layers in which they were certainly made.

    The same mistakes in more layers explain the same numbers where nothing was given of the
    others; the fewest layers are said, if they are among those of every way.
    """
    groups: dict[tuple[str, ...], list[Explanation]] = {}
    for explanation in found:
        key = tuple(finding.mistake.name for finding in explanation)
        groups.setdefault(key, []).append(explanation)
    for ways in groups.values():
        least = min(ways, key=lambda way: sum(len(finding.layers) for finding in way))
        surely = all(_within(least, way) for way in ways)
        yield from [least] if surely else ways


def _within(fewer: Explanation, more: Explanation) -> bool:
    """Whether the same mistakes are made in these layers and perhaps in others."""
    both = zip(fewer, more, strict=True)
    return all(set(one.layers) <= set(other.layers) for one, other in both)
