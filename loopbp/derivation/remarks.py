"""What a reader would stumble over, said in words: zeros, kinks, numbers that are not finite.

A remark is a sentence, a sequence of words and pieces of formulas.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence

import numpy as np

from .names import Place, Symbol
from .notation import Notation
from .spelling import Piece, number
from .values import Example

Sentence = tuple[str | Piece, ...]

#: Activations with a kink at 0: their label, and g′ there, from the left and from the right.
KINKS = {"relu": ("ReLU", "0", "1"), "leaky_relu": ("leaky ReLU", "0.01", "1")}
#: Nodes that one remark names, and how many zeros back a reason is followed.
MOST_NAMED = 3
DEEPEST = 3


def remarks(
    example: Example, place: Place, notation: Notation, value: float
) -> tuple[Sentence, ...]:
    """All that there is to say about this derivative of one example, most important first."""
    said: list[Sentence] = []
    spell = notation.spell
    if value == 0:
        subject = notation.derivative(place.symbol)
        reason = _why(example, place.symbol, notation, DEEPEST)
        said.append((subject, " is 0 because ", *reason, "."))
    elif not np.isfinite(value):
        culprit = _first_not_finite(example)
        if culprit is not None:
            said.append(
                (
                    "Not every number is finite; the first that is not: ",
                    spell(culprit),
                    " = ",
                    number(example.value(culprit)),
                    ".",
                )
            )
    for l in range(place.l, example.net.L):
        name = example.net.activations[l]
        if name in KINKS:
            said += _kinks(example, place, l, notation)
    return tuple(said)


def _why(example: Example, symbol: Symbol, notation: Notation, depth: int) -> Sentence:
    """Why the derivative by this symbol is 0."""
    kind, l, at, _ = symbol
    assert isinstance(l, int)
    if kind == "w":
        i, j = at
        source, delta = Symbol("x", l, (i,)), Symbol("delta", l, (j,))
        reasons = []
        if example.value(source) == 0:
            reasons.append(_why_output(example, source, notation))
        if example.value(delta) == 0:
            reasons.append(_why_delta(example, delta, notation, depth))
        return _together(reasons) or ("the product of its factors is too small for the dtype",)
    if kind == "x" and l == example.net.L:
        return _why_outer(example, symbol, notation)
    if kind == "x":
        above = range(1, example.net.sizes[l + 1] + 1)
        terms = [(Symbol("delta", l, (j,)), Symbol("w", l, (at[0], j))) for j in above]
        return _why_sum(example, terms, notation, depth)
    return _why_delta(example, Symbol("delta", l, at), notation, depth)


def _why_output(example: Example, symbol: Symbol, notation: Notation) -> Sentence:
    """x_i = 0, and where that comes from."""
    _, l, at, _ = symbol
    assert isinstance(l, int)
    zero: Sentence = (notation.spell(symbol), " = 0")
    if l == 0:
        return (*zero, ", which is the input")
    S = Symbol("S", l - 1, at)
    return (*zero, ", since ", *_state(example, S, example.net.activations[l - 1], notation))


def _state(example: Example, S: Symbol, name: str, notation: Notation) -> Sentence:
    """S_3^(1) = −0.41 and ReLU is off."""
    value = float(example.value(S))
    sum_is: Sentence = (notation.spell(S), " = ", number(value))
    if name == "relu":
        return (*sum_is, " and ReLU is off") if value else (*sum_is, ", the kink of ReLU, is off")
    return (*sum_is, f" and {name} is 0 there")


def _why_delta(example: Example, symbol: Symbol, notation: Notation, depth: int) -> Sentence:
    """δ_j = 0, and where that comes from."""
    _, l, at, _ = symbol
    assert isinstance(l, int)
    net, last = example.net, example.net.L - 1
    zero: Sentence = (notation.spell(symbol), " = 0, since ")
    if l == last and example.absorbed:
        return (*zero, notation.spell(Symbol("x", l + 1, at)), " equals its target")
    if l == last and example.dense:
        outputs = range(1, net.sizes[-1] + 1)
        terms = [(Symbol("dfdx", l + 1, (k,)), Symbol("jacobian", l, (k, at[0]))) for k in outputs]
        return (*zero, *_why_sum(example, terms, notation, 0))
    slope, S, name = Symbol("slope", l, at), Symbol("S", l, at), net.activations[l]
    if example.value(slope) == 0:
        if name == "relu":
            return (*zero, *_state(example, S, name, notation))
        sum_is = (notation.spell(S), " = ", number(example.value(S)))
        flat = " is flat there" if name not in ("sigmoid", "tanh") else " is saturated there"
        return (*zero, *sum_is, f" and {name}{flat}")
    if l == last:
        return (*zero, *_why_outer(example, Symbol("x", l + 1, at), notation))
    above = range(1, net.sizes[l + 2] + 1)
    terms = [(Symbol("delta", l + 1, (k,)), Symbol("w", l + 1, (at[0], k))) for k in above]
    return (*zero, *_why_sum(example, terms, notation, depth - 1))


def _why_outer(example: Example, symbol: Symbol, notation: Notation) -> Sentence:
    """∂f/∂x_k = 0 of an output."""
    if example.value(symbol) == example.value(Symbol("y", example.net.L, symbol.indices)):
        return (notation.spell(symbol), " equals its target")
    return ("the product of its factors is too small for the dtype",)


def _why_sum(
    example: Example,
    terms: Sequence[tuple[Symbol, Symbol]],
    notation: Notation,
    depth: int,
) -> Sentence:
    """Why Σ (first · second) is 0, where first is a δ or ∂f/∂x and second a weight."""
    values = [(example.value(first), example.value(second)) for first, second in terms]
    if any(first * second != 0 for first, second in values):
        return ("its terms cancel exactly",)
    if not all(0 in pair for pair in values):
        return ("the products in its sum are too small for the dtype",)
    firsts = [terms[at][0] for at, (first, second) in enumerate(values) if second != 0]
    if not firsts:
        return (
            (f"all {len(terms)} weights in its sum are 0",)
            if len(terms) > 1
            else (
                notation.spell(terms[0][1]),
                " = 0",
            )
        )
    if depth > 0 and len(firsts) <= MOST_NAMED and firsts[0].kind == "delta":
        return _together([_why_delta(example, first, notation, depth) for first in firsts])
    number_of = "the only term" if len(terms) == 1 else f"each of its {len(terms)} terms"
    return (f"{number_of} has a factor that is 0",)


def _kinks(example: Example, place: Place, l: int, notation: Notation) -> Iterable[Sentence]:
    """Sums that lie exactly on a kink, of the nodes that the derivative depends on."""
    nodes: Iterable[int] = np.flatnonzero(example.S(l) == 0) + 1
    if l == place.l and place.kind != "x":
        nodes = [node for node in nodes if node == place.indices[-1]]
    nodes = [int(node) for node in nodes]
    if not nodes:
        return
    label, left, right = KINKS[example.net.activations[l]]
    names = [notation.spell(Symbol("S", l, (node,))) for node in nodes[:MOST_NAMED]]
    listed: list[str | Piece] = [names[0]]
    for name in names[1:]:
        listed += [" = ", name]
    more = f" (and {len(nodes) - MOST_NAMED:,} more)" if len(nodes) > MOST_NAMED else ""
    yield (
        *listed,
        f" = 0{more} is exactly the kink of {label}: its derivative is {left} from the left and "
        f"{right} from the right; {left} is taken.",
    )


def _first_not_finite(example: Example) -> Symbol | None:
    """The first number of the pass that is NaN or infinite: forward, then backward."""
    L = example.net.L
    for l in range(L):
        for kind, values, layer in (("S", example.S(l), l), ("x", example.x(l + 1), l + 1)):
            bad = np.flatnonzero(~np.isfinite(values))
            if len(bad):
                return Symbol(kind, layer, (int(bad[0]) + 1,))
    for l in reversed(range(L)):
        bad = np.flatnonzero(~np.isfinite(example.delta(l)))
        if len(bad):
            return Symbol("delta", l, (int(bad[0]) + 1,))
    return None


def _together(reasons: Sequence[Sentence]) -> Sentence:
    """a, and b."""
    joined: list[str | Piece] = []
    for reason in reasons:
        joined += [*([" and "] if joined else []), *reason]
    return tuple(joined)
