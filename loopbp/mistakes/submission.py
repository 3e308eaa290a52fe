"""What somebody computed, brought into the legend's shapes.

Arrays may be stored with the examples as rows or as columns, weights as (from, to) or (to, from),
with the row of the biases or without it: shapes tell, and where they are square the names do, or
the other arrays, or the caller. What nothing tells is read both ways (`readings`).
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from ..checks import describe, numeric, shorten
from . import names
from .catalogue import Case
from .digits import Way, ways
from .problem import Quantity
from .rounding import Floats

Booleans = NDArray[np.bool_]

#: What else weights can mean that are the old ones, where the learning rate is known.
NOT_UPDATED = "; if they should be the new ones, nothing was updated"
#: So many arrays are plenty: five kinds of a hundred layers, weights and biases apart.
MOST_ARRAYS = 1000


@dataclass(frozen=True)
class Part:
    """An array as it was given: its name, and how its axes lie in the legend's array.

    swapped: it is the transpose; first: the row of the legend's array that its row 0 is.
    """

    name: str
    shape: tuple[int, ...]
    swapped: bool = False
    first: int = 0

    def position(self, row: int, column: int) -> str | None:
        """`dz1[0, 2]` for this entry of the legend's array; None if it lies in another part."""
        at = (row - self.first, column)
        at = at[::-1] if self.swapped else at
        if not self.shape:
            return None
        if len(self.shape) == 1:
            return f"{self.name}[{column}]" if row == self.first else None
        inside = 0 <= at[0] < self.shape[0] and 0 <= at[1] < self.shape[1]
        return f"{self.name}[{at[0]}, {at[1]}]" if inside else None


@dataclass
class Given:
    """One quantity as it was computed.

    values in the legend's shape, without the constant node: S, x, δ (N, n), gradient and new
    weights (n_l + 1, n_{l+1}); known, of the same shape, what of it was given; decimal_error: half
    a unit of the last digit that was written; rows: where each part lies.
    """

    quantity: Quantity
    values: Floats
    known: Booleans
    dtype: np.dtype[Any]
    parts: list[Part] = field(default_factory=list)
    decimal_error: Floats | float = 0.0
    label: str = ""
    rows: list[slice] = field(default_factory=list)

    def read(self, way: Way) -> Given:
        """The same with the last digits that this way of reading tells."""
        error = np.zeros(self.values.shape)
        for part, rows in zip(self.parts, self.rows, strict=True):
            error[rows] = way.by_name[part.name].error(self.values[rows])
        if not self.parts:
            error += way.by_name[self.key].error(self.values)
        return replace(self, decimal_error=error)

    @property
    def key(self) -> str:
        """A name of quantities that came without arrays."""
        return f"{self.quantity.kind}{self.quantity.l}"

    @property
    def name(self) -> str:
        """The names that the arrays came with."""
        return ", ".join(part.name for part in self.parts) or self.label

    def position(self, row: int, column: int) -> str | None:
        """Where the entry stands in the arrays as they came."""
        return next(filter(None, (part.position(row, column) for part in self.parts)), None)


@dataclass
class Submission:
    """Everything that somebody computed: quantities in order, u, and what there is to say.

    unit_dtype: the dtype with the fewest digits that the numbers were computed in; proven: whether
    the numbers prove that they were rounded as they are read; level: how many ways to read the
    digits are stricter; apart: as in `names.Numbering`.
    """

    given: list[Given]
    unit_dtype: np.dtype[Any]
    notes: list[str]
    reading: str = ""
    proven: bool = True
    level: int = 0
    apart: bool = False

    @property
    def whole(self) -> bool:
        """Whether no number has decimals."""
        return all((one.values == np.round(one.values)).all() for one in self.given)


@dataclass(frozen=True)
class Layout:
    """How arrays are stored: `outward`, weights as (to, from); `columns`, examples as columns."""

    outward: bool
    columns: bool

    def __str__(self) -> str:
        weights = "(to, from)" if self.outward else "(from, to)"
        return f"weights as {weights}, examples as {'columns' if self.columns else 'rows'}"


class Tidy(NamedTuple):
    """A table's quantities in the legend's shapes, and its names that are not understood."""

    given: list[Given]
    unknown: tuple[str, ...] = ()


def flattened(computed: Mapping[Any, Any]) -> tuple[dict[str, NDArray[Any]], list[str]]:
    """Arrays by name, a list of arrays numbered by layer; and the names that are not understood.

    Raises `TypeError` for what is no array of real numbers under a name that is understood, and
    `ValueError` where no name is.
    """
    found: dict[str, NDArray[Any]] = {}
    unknown: list[str] = []
    for name, value in computed.items():
        if not isinstance(name, str):
            raise TypeError(f"computed: expected names of arrays; got {describe(name)}")
        several = isinstance(value, list | tuple) and not any(c.isdecimal() for c in name)
        if names.ignored(name) and not several:
            continue
        if not names.understood(name):
            unknown.append(name)
        elif several and not names.parse(name).words.last:
            for l, part in enumerate(value):
                found[f"{name}[{l}]"] = _array(name, part)
        else:
            found[name] = _array(name, value)
    count = len(found) + len(unknown)
    if count > MOST_ARRAYS:
        raise ValueError(f"computed: expected at most {MOST_ARRAYS} arrays; got {count}")
    if unknown and not found:
        names.parse(unknown[0])
    return found, unknown


def _array(name: str, value: object) -> NDArray[Any]:
    if hasattr(value, "detach"):  # a tensor that remembers how it was computed
        value = value.detach()
    return numeric(f"computed[{shorten(repr(name))}]", value)


def readings(
    arrays: Mapping[str, NDArray[Any]],
    case: Case,
    W: Sequence[Floats],
    *,
    weights: str = "auto",
    examples: str = "auto",
    decimals: int | None = None,
    inputs: Floats | None = None,
) -> list[Submission]:
    """The submission, once for each way of reading it that nothing decides between.

    weights: `in,out`, `out,in` or `auto`; examples: `rows`, `columns` or `auto`. The strictest
    reading of rounded digits comes first.
    Raises `ValueError` for names that are not understood and shapes that do not fit.
    """
    parsed = [names.parse(text) for text in arrays]
    if not parsed:
        raise ValueError(
            f"computed: expected arrays of backpropagation, as {names.EXAMPLES}; got none"
        )
    kinds = {name.text: name.words.kind for name in parsed}
    written = ways(arrays, kinds, _chosen(W, inputs), decimals)
    found: list[Submission] = []
    problem: ValueError | None = None
    numberings = names.layers(parsed, case.L)
    for layers, apart in numberings:
        try:
            for layout in _layouts(parsed, layers, arrays, case, weights, examples):
                given, notes = _aligned(parsed, layers, arrays, case, W, layout)
                lowest = f"the lowest layer as {min(layers.values())}"
                firsts = {name.words.kind: name.text for name in reversed(parsed)}.values()
                numbered = ", ".join(f"{text} as layer {layers[text]}" for text in firsts)
                reading = f"{layout}, {numbered if apart else lowest}"
                one = Submission(given, written[0].dtype, notes, reading, apart=apart)
                found.append(one)
        except ValueError as error:  # the shapes are those of other layers
            problem = problem or error
    if not found and problem is not None:
        raise problem
    if len(found) == 1:
        found[0].reading = ""
    return [_read(one, way, level) for level, way in enumerate(written) for one in found]


def aligned(
    given: list[Given],
    W: Sequence[Floats],
    decimals: int | None = None,
    inputs: Floats | None = None,
) -> list[Submission]:
    """A submission of quantities that are in the legend's shapes already, each way to read it."""
    if not given:
        raise ValueError("computed: expected results of backpropagation; got none")
    arrays = {one.key: one.values[one.known] for one in given}
    kinds = {one.key: one.quantity.kind for one in given}
    written = ways(arrays, kinds, _chosen(W, inputs), decimals)
    one = Submission(given, written[0].dtype, [])
    return [_read(one, way, level) for level, way in enumerate(written)]


def _read(one: Submission, way: Way, level: int) -> Submission:
    """A submission whose digits are read in this way."""
    given = [quantity.read(way) for quantity in one.given]
    notes = one.notes + way.notes
    return replace(one, given=given, notes=notes, proven=way.proven, level=level)


def _chosen(W: Sequence[Floats], inputs: Floats | None) -> dict[str, Floats]:
    """Numbers that are given and not computed, by the quantity that they may stand in."""
    found = {"W_new": np.concatenate([w.ravel() for w in W])}
    return found if inputs is None else found | {"x": inputs.ravel()}


def _layouts(
    parsed: Sequence[names.Name],
    layers: Mapping[str, int],
    arrays: Mapping[str, NDArray[Any]],
    case: Case,
    weights: str,
    examples: str,
) -> list[Layout]:
    """The ways to store arrays that are possible here."""
    outward: set[bool] = set() if weights == "auto" else {weights == "out,in"}
    columns: set[bool] = set() if examples == "auto" else {examples == "columns"}
    doubtful = [False, False]
    for name in parsed:
        shape, l = arrays[name.text].shape, layers[name.text]
        if len(shape) != 2 or name.words.bias:
            continue
        if name.words.kind in ("grad", "W_new"):
            ways = _weight_ways(shape, case.sizes[l], case.sizes[l + 1])
            if name.words.outward is None and weights == "auto":
                doubtful[0] |= len(ways) > 1
                outward |= ways if len(ways) == 1 else set()
        elif examples == "auto":
            ways = _example_ways(shape, case, name.words.kind, l)
            doubtful[1] |= len(ways) > 1
            columns |= ways if len(ways) == 1 else set()
    both = [False, True]
    return [
        Layout(to, by)
        for by in (sorted(columns)[:1] or (both if doubtful[1] else [False]))
        for to in (sorted(outward)[:1] or (both if doubtful[0] else [False]))
    ]


def _weight_ways(shape: tuple[int, ...], n: int, m: int) -> set[bool]:
    """Whether an array of this shape can be stored (from, to) (False) or (to, from) (True)."""
    inward = {(n, m), (n + 1, m)}
    return {way for way in (False, True) if (shape[::-1] if way else shape) in inward}


def _example_ways(shape: tuple[int, ...], case: Case, kind: str, l: int) -> set[bool]:
    """Whether an array of this shape can have examples as rows (False), as columns (True)."""
    fits = {(case.N, width) for width in _widths(case, kind, l)}
    return {way for way in (False, True) if (shape[::-1] if way else shape) in fits}


def _widths(case: Case, kind: str, l: int) -> tuple[int, ...]:
    """How many numbers an example has; for x also with the constant node."""
    n = case.sizes[l] if kind == "x" else case.sizes[l + 1]
    return (n, n + 1) if kind == "x" else (n,)


def _aligned(
    parsed: Sequence[names.Name],
    layers: Mapping[str, int],
    arrays: Mapping[str, NDArray[Any]],
    case: Case,
    W: Sequence[Floats],
    layout: Layout,
) -> tuple[list[Given], list[str]]:
    """The quantities in the legend's shapes, without the old weights."""
    found: dict[Quantity, Given] = {}
    placed = [_placed(name, arrays[name.text], case, layers[name.text], layout) for name in parsed]
    old = _old_weights(parsed, layers, placed, W)
    for name, (values, part) in zip(parsed, placed, strict=True):
        if name.text in old:
            continue
        l = layers[name.text]
        quantity = Quantity(name.words.kind, l)
        shape = W[l].shape if name.words.kind in ("grad", "W_new") else values.shape
        rows = slice(part.first, part.first + len(values))
        one = found.get(quantity)
        if one is None:
            dtype = arrays[name.text].dtype
            one = found[quantity] = Given(quantity, np.zeros(shape), np.zeros(shape, bool), dtype)
        if one.known[rows].any():
            raise ValueError(
                f"computed: expected each quantity once; got {one.name} and {name.text}"
            )
        one.values[rows], one.known[rows] = values, True
        one.parts.append(part)
        one.rows.append(rows)
    told = f"{', '.join(old)}: the weights before the step; not results"
    notes = [told + (NOT_UPDATED if case.has_eta else "")] if old else []
    return list(found.values()), notes


def _old_weights(
    parsed: Sequence[names.Name],
    layers: Mapping[str, int],
    placed: Sequence[tuple[Floats, Part]],
    W: Sequence[Floats],
) -> list[str]:
    """Names of weights that stand beside the results as they were before the step.

    They are not said to be new, and all of them are what the network has: where only some are,
    those were not updated.
    """
    bare = [both for both in zip(parsed, placed, strict=True) if both[0].words.bare]
    for name, (values, part) in bare:
        present = W[layers[name.text]][part.first : part.first + len(values)]
        single = present.astype(np.float32)
        if not (np.array_equal(values, present) or np.array_equal(values, single)):
            return []
    return [name.text for name, _ in bare]


def _placed(
    name: names.Name, array: NDArray[Any], case: Case, l: int, layout: Layout
) -> tuple[Floats, Part]:
    """One array in the legend's shape."""
    if name.words.kind in ("grad", "W_new"):
        return _weights(name, array, case, l, layout)
    return _rows(name, array, case, l, layout)


def _weights(
    name: names.Name, array: NDArray[Any], case: Case, l: int, layout: Layout
) -> tuple[Floats, Part]:
    """A matrix of weights or a vector of biases as rows of the legend's (n + 1, m)."""
    text, shape, n, m = name.text, array.shape, case.sizes[l], case.sizes[l + 1]
    part = Part(text, shape)
    if name.words.bias:
        # a sum over all nodes is one number, which NumPy takes for every bias
        one = array.size == 1 and name.words.kind == "grad"
        if (array.size != m and not one) or array.ndim > 2:
            why = _not_summed(shape, case.N, m) if name.words.kind == "grad" else ""
            raise ValueError(f"{text}: expected shape ({m},) of the biases; got {shape}{why}")
        values = np.broadcast_to(array.reshape(1, -1), (1, m)).astype(np.float64)
        return values, replace(part, shape=(m,))
    ways = _weight_ways(shape, n, m) if array.ndim == 2 else set()
    if not ways:
        raise ValueError(
            f"{text}: expected shape {(n, m)} or {(m, n)}, or {(n + 1, m)} with the row of the "
            f"biases; got {shape}"
        )
    wanted = layout.outward if name.words.outward is None else name.words.outward
    swapped = wanted if len(ways) == 2 else ways.pop()
    values = (array.T if swapped else array).astype(np.float64)
    return values, replace(part, swapped=swapped, first=n + 1 - len(values))


def _not_summed(shape: tuple[int, ...], N: int, m: int) -> str:
    """What such an array is in the place of a bias gradient (m,); nothing if that is not known."""
    if shape in ((N, m), (m, N)) or (m == 1 and shape == (N,)):
        return ": not summed over the examples"
    if shape in ((N,), (N, 1), (1, N)):
        return ", one number per example: summed along the wrong axis"
    return ""


def _rows(
    name: names.Name, array: NDArray[Any], case: Case, l: int, layout: Layout
) -> tuple[Floats, Part]:
    """S, x or δ as (N, n), without the constant node."""
    text, kind = name.text, name.words.kind
    widths = _widths(case, kind, l)
    if array.ndim == 1 and case.N == 1 and len(array) in widths:
        array = array[None, :]
    elif array.ndim == 1 and widths[0] == 1 and len(array) == case.N:
        array = array[:, None]
    ways = _example_ways(array.shape, case, kind, l) if array.ndim == 2 else set()
    if not ways:
        raise ValueError(
            f"{text}: expected shape {(case.N, widths[0])}, a row per example; got {array.shape}"
        )
    swapped = layout.columns if len(ways) == 2 else ways.pop()
    shape = array.shape
    values = (array.T if swapped else array).astype(np.float64)
    if values.shape[1] == widths[0]:
        return values, Part(text, shape, swapped)
    if (values[:, 0] == 1).all():
        return values[:, 1:], Part(text, ())
    if (values[:, -1] == 1).all():
        return values[:, :-1], Part(text, ())
    raise ValueError(f"{text}: expected the constant 1 in the first column; got others")
