"""Names of weights and other quantities, as people write them.

`parse("w_12^(1)", sizes)` gives the symbol w_12^(1), whose indices are within the network, or says
what is wrong with it. Nodes are numbered from 1 and node 0 is the constant, layers from 0, as in
`Trace`; names in another notation are understood as that notation counts.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator, Sequence
from typing import NamedTuple

from ..checks import describe, shorten


class Symbol(NamedTuple):
    """A symbol of the derivation: its kind, its layer and its node numbers.

    Kinds that can be asked for: w (i, j), S (j), x (i), delta (j). Kinds that stand in a
    derivation beside them: slope (j), g′(S_j); dfdx (k), ∂f/∂x_k; jacobian (k, j), ∂x_k/∂S_j;
    y (k); error (k), y_k − x_k; switch (k, j), [k = j] − x_j; and number (), whose value is all.
    A layer or an index may be a letter, in a general rule.
    """

    kind: str
    l: int | str
    indices: tuple[int | str, ...]
    #: Whether the symbol stands with a minus sign.
    negative: bool = False


class Place(NamedTuple):
    """A symbol that a person named: numbers only."""

    kind: str
    l: int
    indices: tuple[int, ...]

    @property
    def symbol(self) -> Symbol:
        """The same as a symbol."""
        return Symbol(self.kind, self.l, self.indices)

    def __str__(self) -> str:
        """As in `w_12^(1)`; with a comma where a node number has more digits than one."""
        comma = "," if max(self.indices) > 9 else ""
        letter = "δ" if self.kind == "delta" else self.kind
        return f"{letter}_{comma.join(map(str, self.indices))}^({self.l})"


#: What is understood, for messages.
FORMS = "w_12^(1), b_2^(1), δ_2^(1), S_2^(1), x_1^(1) or l,i,j as in 1,1,2"

_LONGEST = 100
_SCRIPTS = str.maketrans("₀₁₂₃₄₅₆₇₈₉⁰¹²³⁴⁵⁶⁷⁸⁹⁽⁾", "01234567890123456789()")
_SUBSCRIPTS = re.compile("[₀-₉](?:,?[₀-₉])*")
_SUPERSCRIPTS = re.compile("⁽[⁰¹²³⁴⁵⁶⁷⁸⁹]+⁾")
_LETTERS = {
    **{letter: "w" for letter in ("w", "W")},
    **{letter: "b" for letter in ("b", "B")},
    **{letter: "delta" for letter in ("δ", "delta", "Delta")},
    **{letter: "S" for letter in ("S", "s", "u")},
    **{letter: "x" for letter in ("x", "X", "y")},
}
_N = "([0-9]{1,9})"
_INDEXED = re.compile(
    r"(?P<letter>[^\W\d_]+)_?\(?(?P<indices>[0-9]{1,18}|[0-9]{1,9},[0-9]{1,9})\)?"
    r"(?:\^?\(?(?<=[\^(])(?P<layer>[0-9]{1,9})\)?)?"
)
_LAYER_FIRST = re.compile(r"([^\W\d_]+)\^\(?([0-9]{1,9})\)?_\(?([0-9,]+)\)?")
_DERIVATIVE = re.compile("(?:∂[fEℓ]/∂|d[fE]/d(?!elta))")
_TRIPLE = re.compile(rf"\(?{_N},{_N},{_N}\)?")


def _pattern(text: str) -> re.Pattern[str]:
    """A regular expression, written with N for a number and with brackets as they are."""
    return re.compile(re.escape(text).replace("N", _N))


#: Names in the notations that write brackets; numbers as they stand in the name, to a place.
_FOREIGN: tuple[tuple[re.Pattern[str], Callable[[int, int, int], Place]], ...] = (
    (_pattern("Ω_N[N,N]"), lambda l, j, i: Place("w", l, (i, j))),
    (_pattern("β_N[N]"), lambda l, j, _: Place("w", l, (0, j))),
    (_pattern("f_N[N]"), lambda l, j, _: Place("S", l, (j,))),
    (_pattern("h_N[N]"), lambda l, i, _: Place("x", l, (i,))),
    (_pattern("layers[N].weight[N,N]"), lambda l, j, i: Place("w", l, (i + 1, j + 1))),
    (_pattern("layers[N].weight.grad[N,N]"), lambda l, j, i: Place("w", l, (i + 1, j + 1))),
    (_pattern("layers[N].bias[N]"), lambda l, j, _: Place("w", l, (0, j + 1))),
    (_pattern("layers[N].bias.grad[N]"), lambda l, j, _: Place("w", l, (0, j + 1))),
    (_pattern("z[N][N]"), lambda l, j, _: Place("S", l, (j + 1,))),
    (_pattern("z[N].grad[N]"), lambda l, j, _: Place("delta", l, (j + 1,))),
    (_pattern("a[N][N]"), lambda l, i, _: Place("x", l, (i + 1,))),
    (_pattern("coefs_[N][N,N]"), lambda l, i, j: Place("w", l, (i + 1, j + 1))),
    (_pattern("intercepts_[N][N]"), lambda l, j, _: Place("w", l, (0, j + 1))),
    (_pattern("coef_grads[N][N,N]"), lambda l, i, j: Place("w", l, (i + 1, j + 1))),
    (_pattern("intercept_grads[N][N]"), lambda l, j, _: Place("w", l, (0, j + 1))),
    (_pattern("deltas[N][N]"), lambda l, j, _: Place("delta", l, (j + 1,))),
    (_pattern("activations[N][N]"), lambda l, i, _: Place("x", l, (i + 1,))),
)


def parse(name: object, sizes: Sequence[int]) -> Place:
    """The quantity that `name` means in a network of these sizes.

    Raises `TypeError` for anything but a string, `ValueError` for a name that is not understood
    and for indices that the network does not have; the message says which there are.
    """
    if not isinstance(name, str):
        raise TypeError(f"name: expected a name such as {FORMS}; got {describe(name)}")
    if len(name) > _LONGEST:
        raise _unknown(name)
    text = _normalise(name)
    prefix = _DERIVATIVE.match(text)
    place = _read(text[prefix.end() :] if prefix else text, sizes, name)
    # ∂f/∂S_j is what δ_j stands for
    return Place("delta", *place[1:]) if prefix and place.kind == "S" else place


def _read(text: str, sizes: Sequence[int], name: str) -> Place:
    """The place that this normalised text, a part of `name`, means."""
    for pattern, place in _FOREIGN:
        if found := pattern.fullmatch(text):
            numbers = [int(number) for number in found.groups()]
            return _within(place(*numbers, *[0] * (3 - len(numbers))), sizes, name)
    if triple := _TRIPLE.fullmatch(text):
        l, i, j = (int(number) for number in triple.groups())
        return _within(Place("w", l, (i, j)), sizes, name)
    return _indexed(_LAYER_FIRST.sub(r"\1_\3^(\2)", text), sizes, name)


def _normalise(name: str) -> str:
    """Without what only dresses: braces, spaces, dollar signs, raised and lowered digits."""
    text = _SUBSCRIPTS.sub(lambda run: "_" + run[0].translate(_SCRIPTS), name)
    text = _SUPERSCRIPTS.sub(lambda run: "^" + run[0].translate(_SCRIPTS), text)
    text = re.sub(r"[\s${}\\]", "", text)
    return text.replace("Omega", "Ω").replace("beta", "β").replace("partial", "∂")


def _indexed(text: str, sizes: Sequence[int], name: str) -> Place:
    """w_12^(1) and its like."""
    found = _INDEXED.fullmatch(text)
    kind = _LETTERS.get(found["letter"]) if found else None
    if found is None or kind is None:
        raise _unknown(name)
    choices = list(_split(kind, found["indices"]))
    if not choices:
        expected = "two node numbers, i and j" if kind == "w" else "one node number"
        raise ValueError(f"name: expected {expected} in {shorten(name)!r}; as in {FORMS}")
    if found["layer"] is None:
        layers = range(len(sizes) - (kind != "x"))
        near = _inside([Place(c.kind, l, c.indices) for l in layers for c in choices], sizes)
        raise ValueError(
            f"name: expected a layer in {shorten(name)!r}, as in "
            f"{_listing(near) if near else FORMS}"
        )
    places = [Place(c.kind, int(found["layer"]), c.indices) for c in choices]
    fitting = _inside(places, sizes)
    if len(fitting) > 1:
        raise ValueError(
            f"name: {shorten(name)!r} can be read as {_listing(fitting)}; expected a comma "
            "between i and j"
        )
    return _within(fitting[0] if fitting else places[0], sizes, name)


def _split(kind: str, indices: str) -> Iterator[Place]:
    """The ways to read the indices: 112 is 1 and 12, or 11 and 2; the layer is left open."""
    parts = indices.split(",")
    if kind != "w":
        if len(parts) == 1:
            number = int(indices)
            yield Place("w", 0, (0, number)) if kind == "b" else Place(kind, 0, (number,))
    elif len(parts) == 2:
        yield Place("w", 0, (int(parts[0]), int(parts[1])))
    else:
        for cut in range(1, len(indices)):
            # no node number begins with 0; j is not 0, which w_10 is told later
            if indices[cut] != "0" or len(indices) == 2:
                yield Place("w", 0, (int(indices[:cut]), int(indices[cut:])))


def _inside(places: Sequence[Place], sizes: Sequence[int]) -> list[Place]:
    """Those that the network has."""
    return [place for place in places if _problem(place, sizes) is None]


def _within(place: Place, sizes: Sequence[int], name: str) -> Place:
    """The place, if the network has it; raises, with the nearest that it has, otherwise."""
    problem = _problem(place, sizes)
    if problem is None:
        return place
    near = _nearest(place, sizes)
    raise ValueError(f"name: {shorten(name)!r}: {problem}; did you mean {near}?")


def _bounds(kind: str, l: int, sizes: Sequence[int]) -> list[tuple[str, int, int]]:
    """For each index: its letter, the lowest number and the highest."""
    if kind == "w":
        return [("i", 0, sizes[l]), ("j", 1, sizes[l + 1])]
    if kind == "x":
        return [("i", 1, sizes[l])]
    return [("j", 1, sizes[l + 1])]


def _problem(place: Place, sizes: Sequence[int]) -> str | None:
    """Why the network does not have this place, in words; None if it has."""
    kind, l, indices = place
    last = len(sizes) - 1 - (kind != "x")
    if l > last:
        what = {"w": "weights", "x": "nodes"}.get(kind, "sums")
        return f"expected a layer of {what} from 0 to {last}; got {l}"
    for number, (letter, low, high) in zip(indices, _bounds(kind, l, sizes), strict=True):
        if low <= number <= high:
            continue
        layer = l if letter == "i" else l + 1
        if number == 0 and kind == "x":
            return "node 0 is the constant 1, which depends on nothing"
        if number == 0:
            return f"{letter} is a node with a sum, numbered from 1; the constant node 0 has none"
        nodes = f"layer {layer} has {sizes[layer]} node" + "s" * (sizes[layer] > 1)
        return f"expected {letter} from {low} to {high}, since {nodes}; got {number}"
    return None


def _nearest(place: Place, sizes: Sequence[int]) -> Place:
    """The place with each number moved to the nearest that exists."""
    l = min(place.l, len(sizes) - 1 - (place.kind != "x"))
    bounds = _bounds(place.kind, l, sizes)
    moved = [
        min(max(number, low), high)
        for number, (_, low, high) in zip(place.indices, bounds, strict=True)
    ]
    return Place(place.kind, l, tuple(moved))


def _unknown(name: str) -> ValueError:
    return ValueError(f"name: expected a name such as {FORMS}; got {shorten(name)!r}")


def _listing(places: Sequence[Place], most: int = 4) -> str:
    """a, b or c."""
    names = [str(place) for place in places[:most]]
    return " or ".join(filter(None, [", ".join(names[:-1]), names[-1]]))
