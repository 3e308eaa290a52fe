"""Names of arrays, as people call them, in the notations that they come with.

`parse("dW1")` is a gradient with the number 1; what number counts from where, `numbering` finds out
from all names together. A name is one or several words and one number. The words are compared
without case, spaces and punctuation, after those that only say where it belongs (layers, fc, net
and so on) have gone:

| quantity | words |
|---|---|
| S | S, z, u, f, sum, pre, preactivation; of the last layer: logits, scores |
| x | x, a, h, y, activation, output; of the last layer: probs, y_hat; of the only hidden one: h |
| δ | delta, δ, d, and derivatives by S: dz, dS, du, df, z.grad, dlogits, ∂ℓ/∂f, … |
| ∂f/∂w | grad, and derivatives by w: dW, W.grad, nabla_w, weight.grad, coef_grads, ∂ℓ/∂Ω, … |
| ∂f/∂w_0j | derivatives by the bias: db, bias.grad, intercept_grads, ∂ℓ/∂β, … |
| new w | W, weight, kernel, Theta, coefs_, Ω; also with _new, new_, _after, updated |
| new w_0j | b, bias, intercepts_, β; likewise |

Derivatives by x, as dA or dh, are no such quantity; they are left out, as unknown names are.
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
#: Letters of a word from which on another can be taken for its misspelling.
LEAST_LETTERS = 4
#: Names that are listed where they are not understood; the others are counted.
MOST_SHOWN = 8

_SUMS = ("s", "z", "zs", "u", "f", "sum", "sums", "pre", "preactivation", "preactivations")
_OUTPUTS = ("x", "a", "h", "y", "activation", "activations", "output", "outputs", "out")
_LAST_SUMS = ("logit", "logits", "score", "scores")
_LAST_OUTPUTS = ("prob", "probs", "probabilities", "yhat")
_WEIGHTS = ("w", "weight", "weights", "omega", "coef", "coefs", "kernel", "theta")
_BIASES = ("b", "bias", "biases", "beta", "intercept", "intercepts")
#: Whether the notation that uses this word stores weights as (to, from).
_OUTWARD = {"weight": True, "omega": True, "coef": False, "coefs": False, "kernel": False}
_BY = (
    "d{}", "dfd{}", "dld{}", "ded{}", "djd{}", "dcd{}", "dlossd{}", "dcostd{}", "nabla{}",
    "grad{}", "gradient{}", "{}grad", "{}grads", "{}gradient", "{}gradients",
)  # fmt: skip
_NEW = ("{}new", "new{}", "{}after", "{}updated", "updated{}", "{}next")
_GREEK = str.maketrans(
    {"δ": "delta", "Δ": "delta", "Ω": "omega", "ω": "omega", "β": "beta", "∂": "d", "ℓ": "l",
     "∇": "nabla"}
)  # fmt: skip
_PLACES = re.compile(r"^(?:(?:layers?|modules?|model|net|network|linear|dense|fc|seq)(?=.))+")
_NUMBER = re.compile(r"\d+")


class Words(NamedTuple):
    """What a name's words mean.

    kind: S, x, delta, grad or W_new; bias: of the biases alone; outward: whether an array of
    weights is stored (to, from), None where the words do not say; bare: weights that are not said
    to be the new ones; last: without a number it is the last layer; hidden: it is the
    only hidden one.
    """

    kind: str
    bias: bool = False
    outward: bool | None = None
    bare: bool = False
    last: bool = False
    hidden: bool = False


class Name(NamedTuple):
    """A name that was understood: its words and its number, None where it has none."""

    text: str
    words: Words
    number: int | None


def _table() -> dict[str, Words]:
    """Every spelling that is understood."""
    table = {word: Words("S") for word in _SUMS} | {word: Words("x") for word in _OUTPUTS}
    table |= {word: Words("x", last=True) for word in _LAST_OUTPUTS}
    table |= dict.fromkeys(("delta", "deltas", "d"), Words("delta"))
    table["h"] = Words("x", hidden=True)
    for word in _SUMS:
        table |= {form.format(word): Words("delta") for form in _BY}
    for word in _LAST_SUMS:
        table[word] = Words("S", last=True)
        table |= {form.format(word): Words("delta", last=True) for form in _BY}
    for word in _WEIGHTS:
        outward = _OUTWARD.get(word)
        table |= {form.format(word): Words("grad", outward=outward) for form in _BY}
        table |= {form.format(word): Words("W_new", outward=outward) for form in _NEW}
        table[word] = Words("W_new", outward=outward, bare=True)
    for word in _BIASES:
        table |= {form.format(word): Words("grad", bias=True) for form in _BY}
        table |= {form.format(word): Words("W_new", bias=True) for form in _NEW}
        table[word] = Words("W_new", bias=True, bare=True)
    # Last, since "grads" is no derivative by s.
    table |= dict.fromkeys(("grad", "grads", "gradient", "gradients", "g"), Words("grad"))
    return table | {"gw": Words("grad"), "gb": Words("grad", bias=True)}


_TABLE = _table()
_BY_OUTPUT = frozenset(
    form.format(word) for word in (*_OUTPUTS, *_LAST_OUTPUTS, "hidden") for form in _BY
) - set(_TABLE)
_GROUPS = {"S": "sums", "delta": "sums", "grad": "weights", "W_new": "weights", "x": "outputs"}


def key(text: str) -> str:
    """A name's words without number, case, spaces and punctuation."""
    plain = unicodedata.normalize("NFKC", text.translate(_GREEK)).translate(_GREEK).lower()
    letters = re.sub(r"[^a-z]+", "", _NUMBER.sub("", plain))
    if letters in _TABLE:
        return letters
    word = _PLACES.sub("", letters)
    # The net of node h is its weighted sum in some books, and its output in none.
    return letters if word == "h" and letters.endswith(("neth", "networkh")) else word


def lookup(text: str) -> Words | None:
    """What the words mean; None for those that are not known, or are not fit to be shown."""
    return _TABLE.get(key(text)) if text.isprintable() and len(text) <= LONGEST else None


def understood(text: str) -> bool:
    """Whether `parse` takes the name."""
    return lookup(text) is not None and _number(text) is not None


def _number(text: str) -> str | None:
    """The number in the name, "" if it has none; None for several, and for one that is no layer's.

    >>> _number("dW12"), _number("db"), _number("W1_2")
    ('12', '', None)
    """
    numbers = _NUMBER.findall(unicodedata.normalize("NFKC", text)) or [""]
    return numbers[0] if len(numbers) == 1 and len(numbers[0]) <= 6 else None


def ignored(text: str) -> bool:
    """Whether it is the name of something that stands beside the results."""
    return key(text) in IGNORED and not _NUMBER.search(text)


def parse(text: str) -> Name:
    """The name's words and number; `ValueError` names a near spelling that is understood."""
    words, number = lookup(text), _number(text)
    if words is None:
        why = ", a derivative by x" if key(text) in _BY_OUTPUT else hint(text)
        raise ValueError(f"computed: got {shorten(repr(text))}{why}; expected names as {EXAMPLES}")
    if number is None:
        raise ValueError(
            f"computed: expected one number, the layer, in the name; got {shorten(repr(text))}"
        )
    return Name(text, words, int(number) if number else None)


def shown(text: str) -> str:
    """A stranger's name as people are shown it: short, and nothing that a terminal obeys."""
    return text if text.isprintable() and len(text) <= LONGEST else shorten(repr(text))


def listed(texts: Sequence[str]) -> str:
    """Strangers' names on a line; of many, the first."""
    more = len(texts) - MOST_SHOWN
    return ", ".join(texts[:MOST_SHOWN]) + (f" and {more} more" if more > 0 else "")


def unknown(texts: Sequence[str]) -> list[str]:
    """Sentences for derivatives by x, for names with several numbers, and for what is not known."""
    by_output = [shown(text) for text in texts if key(text) in _BY_OUTPUT]
    several = [shown(text) for text in texts if lookup(text) is not None]
    others = [text for text in texts if key(text) not in _BY_OUTPUT and lookup(text) is None]
    told = []
    if by_output:
        told.append(f"not compared: {listed(by_output)}, since derivatives by x are not")
    if several:
        told.append(f"not compared: {listed(several)}, since one number is the layer")
    if others:
        hinted = [f"{shown(text)}{hint(text)}" for text in others[:MOST_SHOWN]]
        names = listed(hinted + others[MOST_SHOWN:])
        told.append(f"not compared: {names}, since such names are not known")
    return told


def hint(text: str) -> str:
    """` (did you mean delta1?)`, where a spelling that is understood is near; else nothing.

    Words of few letters are near to each other and mean other things: dA is no misspelt d.
    """
    word = key(text)
    known = [spelling for spelling in _TABLE if len(spelling) >= LEAST_LETTERS]
    near = difflib.get_close_matches(word, known, n=1, cutoff=0.7)
    if len(word) < LEAST_LETTERS or not near:
        return ""
    return f" (did you mean {near[0]}{''.join(_NUMBER.findall(text)[:1]) or '0'}?)"


class Numbering(NamedTuple):
    """The layer of each name, as the legend counts.

    apart: weights, sums and outputs are not numbered in the way that their numbers together
    suggest first; where that way explains the numbers, this one is not asked.
    """

    layers: dict[str, int]
    apart: bool


def layers(names: Sequence[Name], L: int) -> list[Numbering]:
    """Each way to number the names, the usual ones first.

    S, δ, gradients and weights of the first layer of weights may be numbered 0, or 1, or (as in a
    container of layers and activations) as L increasing numbers. S and δ may be numbered on their
    own, also from 2, with the outputs that they belong to. Outputs are numbered from 0, the input,
    to L, or from 1, or from 0 without the input.
    Raises `ValueError` for numbers that the network has not.
    """
    fixed = {name.text: layer for name in names if (layer := _fixed(name, L)) is not None}
    groups: dict[str, dict[str, int]] = {"weights": {}, "sums": {}, "outputs": {}}
    for name in names:
        if name.text not in fixed:
            groups[_GROUPS[name.words.kind]][name.text] = name.number or 0
    weights, sums, outputs = groups.values()
    together = _ways(weights | sums, L, (0, 1))
    others = together + [
        by for w in _ways(weights, L, (0, 1)) for s in _ways(sums, L, (0, 1, 2))
        if (by := w | s) not in together
    ]  # fmt: skip
    for given, ways, most in ((weights | sums, others, L - 1), (outputs, _outputs(outputs, L), L)):
        if not ways:
            text = next((t for t, n in given.items() if not 0 <= n <= most), next(iter(given)))
            raise ValueError(
                f"computed: expected layers from 0 to {most}; got {shorten(repr(text))}"
            )
    found = [
        Numbering(
            {name.text: (by | to | fixed)[name.text] for name in names},
            by not in together or k > 0,
        )
        for k, to in enumerate(_outputs(outputs, L))
        for by in others
    ]
    return sorted(found, key=lambda one: one.apart)


def _fixed(name: Name, L: int) -> int | None:
    """The layer of a name without a number: the last of outputs and of what says so."""
    if name.number is not None:
        return None
    if name.words.hidden and L == 2:
        return 1
    if name.words.kind == "x" and not name.words.hidden:
        return L
    if name.words.last or (L == 1 and not name.words.hidden):
        return L - 1
    most, text = L if name.words.kind == "x" else L - 1, shorten(repr(name.text))
    raise ValueError(f"computed: expected the layer in the name, from 0 to {most}; got {text}")


def _outputs(given: dict[str, int], L: int) -> list[dict[str, int]]:
    """The layers of x."""
    ways = [{text: n - first for text, n in given.items()} for first in (0, 1, -1)]
    return [way for way in ways if all(0 <= l <= L for l in way.values())][: 3 if given else 1]


def _ways(given: dict[str, int], L: int, firsts: Sequence[int]) -> list[dict[str, int]]:
    """The layers of weights or of sums, whose first may have one of these numbers."""
    numbers = sorted(set(given.values()))
    if len(numbers) == L:
        return [{text: numbers.index(number) for text, number in given.items()}]
    ways = [{text: n - first for text, n in given.items()} for first in firsts]
    return [way for way in ways if all(0 <= l < L for l in way.values())][: 3 if given else 1]
