"""Names of arrays, as people call them, in the notations that they come with.

`parse("dW1")` is a gradient with the number 1; what number counts from where, `numbering` finds out
from all names together. A name is one or several words and one number. The words are compared
without case, spaces and punctuation, after those that only say where it belongs (layers, fc, net
and so on) have gone:

| quantity | words |
|---|---|
| S | S, z, u, f, sum, pre, preactivation |
| x | x, a, h, y, activation, output |
| δ | delta, δ, d, and derivatives by S: dz, dS, du, df, z.grad, ∂ℓ/∂f, … |
| ∂f/∂w | grad, and derivatives by w: dW, W.grad, weight.grad, coef_grads, ∂ℓ/∂Ω, … |
| ∂f/∂w_0j | derivatives by the bias: db, bias.grad, intercept_grads, ∂ℓ/∂β, … |
| new w | W, weight, coefs_, Ω; also with _new, new_, _after, updated |
| new w_0j | b, bias, intercepts_, β; likewise |
"""

from __future__ import annotations

import difflib
import re
import unicodedata
from collections.abc import Sequence
from typing import NamedTuple

from ..checks import shorten

#: What is understood, for messages.
EXAMPLES = "S0, x1, delta0, grad0, db0, W0_new, weight0.grad, coef_grads[0], dz1, …"

#: Names that people store beside their results; they are no results of backpropagation.
IGNORED = frozenset(
    "x y xs ys inputs targets labels t ytrue ypred loss losses cost eta lr learningrate seed "
    "n batchsize epoch epochs step theta sizes network".split()
)

#: Characters of a name.
LONGEST = 80

_SUMS = ("s", "z", "u", "f", "sum", "sums", "pre", "preactivation", "preactivations")
_OUTPUTS = ("x", "a", "h", "y", "activation", "activations", "output", "outputs", "out")
_WEIGHTS = ("w", "weight", "weights", "omega", "coef", "coefs")
_BIASES = ("b", "bias", "biases", "beta", "intercept", "intercepts")
#: Whether the notation that uses this word stores weights as (to, from).
_OUTWARD = {"weight": True, "omega": True, "coef": False, "coefs": False}
_BY = ("d{}", "dfd{}", "dld{}", "ded{}", "dlossd{}", "grad{}", "{}grad", "{}grads", "{}gradient")
_NEW = ("{}new", "new{}", "{}after", "{}updated", "updated{}", "{}next")
_GREEK = str.maketrans(
    {"δ": "delta", "Δ": "delta", "Ω": "omega", "ω": "omega", "β": "beta", "∂": "d", "ℓ": "l"}
)
_PLACES = re.compile(r"^(?:(?:layers?|modules?|model|net|network|linear|dense|fc|seq)(?=.))+")
_NUMBER = re.compile(r"\d+")


class Words(NamedTuple):
    """What a name's words mean.

    kind: S, x, delta, grad or W_new; bias: of the biases alone; outward: whether an array of
    weights is stored (to, from), None where the words do not say; bare: weights that are not said
    to be the new ones.
    """

    kind: str
    bias: bool = False
    outward: bool | None = None
    bare: bool = False


class Name(NamedTuple):
    """A name that was understood: its words and its number, None where it has none."""

    text: str
    words: Words
    number: int | None


def _table() -> dict[str, Words]:
    """Every spelling that is understood."""
    table = {word: Words("S") for word in _SUMS} | {word: Words("x") for word in _OUTPUTS}
    table |= dict.fromkeys(("delta", "deltas", "d"), Words("delta"))
    table |= dict.fromkeys(("grad", "grads", "gradient", "gradients", "g"), Words("grad"))
    for word in _SUMS:
        table |= {form.format(word): Words("delta") for form in _BY}
    for word in _WEIGHTS:
        outward = _OUTWARD.get(word)
        table |= {form.format(word): Words("grad", outward=outward) for form in _BY}
        table |= {form.format(word): Words("W_new", outward=outward) for form in _NEW}
        table[word] = Words("W_new", outward=outward, bare=True)
    for word in _BIASES:
        table |= {form.format(word): Words("grad", bias=True) for form in _BY}
        table |= {form.format(word): Words("W_new", bias=True) for form in _NEW}
        table[word] = Words("W_new", bias=True, bare=True)
    return table


_TABLE = _table()


def key(text: str) -> str:
    """A name's words without number, case, spaces and punctuation."""
    plain = unicodedata.normalize("NFKC", text.translate(_GREEK)).translate(_GREEK).lower()
    letters = re.sub(r"[^a-z]+", "", _NUMBER.sub("", plain))
    return _PLACES.sub("", letters) if letters not in _TABLE else letters


def lookup(text: str) -> Words | None:
    """What the words mean; None for those that are not known."""
    return _TABLE.get(key(text))


def ignored(text: str) -> bool:
    """Whether it is the name of something that stands beside the results."""
    return key(text) in IGNORED and not _NUMBER.search(text)


def parse(text: str) -> Name:
    """The name's words and number; `ValueError` names the nearest spelling that is understood.

    A name is shown to people: it has to be short, and without characters that a terminal obeys.
    """
    words = lookup(text) if text.isprintable() and len(text) <= LONGEST else None
    numbers = _NUMBER.findall(unicodedata.normalize("NFKC", text))
    if words is None:
        near = difflib.get_close_matches(key(text), _TABLE, n=1, cutoff=0.6)
        number = numbers[0] if numbers else "0"
        hint = f"; did you mean {near[0]}{number}?" if near else ""
        raise ValueError(
            f"computed: got {shorten(repr(text))}{hint or ';'} expected names as {EXAMPLES}"
        )
    if len(numbers) > 1 or any(len(number) > 6 for number in numbers):
        raise ValueError(
            f"computed: expected one number, the layer, in the name; got {shorten(repr(text))}"
        )
    return Name(text, words, int(numbers[0]) if numbers else None)


def layers(names: Sequence[Name], L: int) -> list[dict[str, int]]:
    """The layer of each name, as the legend counts, by its text: each way to number them.

    S, δ, gradients and weights of the first layer of weights may be numbered 0, or 1, or (as in a
    container of layers and activations) as L increasing numbers; there are two ways where neither
    0 nor L is among the numbers. Outputs are numbered from 0, the input, to L, or all from 1.
    Raises `ValueError` for numbers that the network has not.
    """
    found = []
    for others in _others(names, L):
        way = _outputs(names, L) | others
        for name in names:
            most = L if name.words.kind == "x" else L - 1
            if not 0 <= way[name.text] <= most:
                raise ValueError(
                    f"computed: expected layers from 0 to {most}; got {shorten(repr(name.text))}"
                )
        found.append(way)
    return found


def _outputs(names: Sequence[Name], L: int) -> dict[str, int]:
    """The layers of x; without a number it is the last."""
    given = {
        name.text: L if name.number is None else name.number
        for name in names
        if name.words.kind == "x"
    }
    first = 1 if L + 1 in given.values() and 0 not in given.values() else 0
    return {text: number - first for text, number in given.items()}


def _others(names: Sequence[Name], L: int) -> list[dict[str, int]]:
    """The layers of S, δ, gradients and weights."""
    given: dict[str, int] = {}
    for name in names:
        if name.words.kind == "x":
            continue
        if name.number is None and L > 1:
            raise ValueError(
                f"computed: expected the layer in the name, from 0 to {L - 1}; got "
                f"{shorten(repr(name.text))}"
            )
        given[name.text] = name.number or 0
    numbers = sorted(set(given.values()))
    if len(numbers) == L:
        return [{text: numbers.index(number) for text, number in given.items()}]
    firsts = [0] if 0 in numbers or not numbers else [1] if L in numbers else [0, 1]
    return [{text: number - first for text, number in given.items()} for first in firsts]
