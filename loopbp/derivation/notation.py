"""The notations that readers come with: how each of them spells the symbols of a derivation.

| here, and C | D | E | PyTorch | scikit-learn |
|---|---|---|---|---|
| w_ij^(l) | Ω_l[j, i] | w_ij^(l) | layers[l].weight[j−1, i−1] | coefs_[l][i−1, j−1] |
| w_0j^(l) | β_l[j] | b_j^(l) | layers[l].bias[j−1] | intercepts_[l][j−1] |
| S_j^(l) | f_l[j] | u_j^(l) | z[l][j−1] | z[l][j−1] |
| x_i^(l) | h_l[i] | y_i^(l) | a[l][i−1] | activations[l][i−1] |
| δ_j^(l) | ∂ℓ/∂f_l[j] | δ_j^(l) | z[l].grad[j−1] | deltas[l][j−1] |

The sources of E write no layer; it is kept here, so that symbols of two layers differ. Index
letters (i, j, k) in the two programs' notations count from 0, as the numbers do.
"""

from __future__ import annotations

from abc import ABC, abstractmethod

from ..checks import choice
from .names import Symbol
from .spelling import (
    THIN,
    Piece,
    bracketed,
    code,
    formula,
    fraction,
    indexed,
    letters,
    negated,
    number,
    transposed,
)

_MINUS = Piece("\u00a0−\u00a0", " - ", "<mo>−</mo>")


class Notation(ABC):
    """How symbols are spelled. Derived classes give the letters."""

    name: str
    words: str
    loss: Piece
    activation: str
    target: str = "y"
    brackets: tuple[str, str] = ("(", ")")

    @abstractmethod
    def weight(self, l: int | str, i: int | str, j: int | str) -> Piece:
        """w_ij^(l); the bias for i = 0."""

    @abstractmethod
    def total(self, l: int | str, j: int | str) -> Piece:
        """S_j^(l)."""

    @abstractmethod
    def output(self, l: int | str, i: int | str) -> Piece:
        """x_i^(l)."""

    @abstractmethod
    def delta(self, l: int | str, j: int | str) -> Piece:
        """δ_j^(l)."""

    @abstractmethod
    def matrix(self, l: int) -> Piece:
        """The weights without the biases, (n_l, n_{l+1}): row i, column j holds w_ij."""

    @abstractmethod
    def vector(self, kind: str, l: int) -> Piece:
        """All δ_j^(l), S_j^(l) or x_i^(l), a column; `kind` is delta, S or x."""

    def goal(self, k: int | str) -> Piece:
        """y_k, the target."""
        return indexed(self.target, (k,))

    def slope(self, l: int | str, j: int | str) -> Piece:
        """g′(S_j^(l))."""
        return self.apply(self.activation + "′", self.total(l, j))

    def apply(self, function: str, argument: Piece) -> Piece:
        """g(S_j^(l))."""
        return letters(function) + bracketed(argument, *self.brackets)

    def derivative(self, symbol: Symbol) -> Piece:
        """∂f/∂ the symbol."""
        if symbol.kind == "delta":
            symbol = symbol._replace(kind="S")
        return self.quotient(self.loss, self.spell(symbol))

    def quotient(self, above: Piece, below: Piece) -> Piece:
        """∂above/∂below."""
        return fraction(letters("∂") + above, letters("∂") + below)

    def spell(self, symbol: Symbol, value: float | None = None) -> Piece:
        """Any symbol; `value` is what a `number` shows."""
        piece = self._spell(symbol, value)
        return negated(piece) if symbol.negative else piece

    def _spell(self, symbol: Symbol, value: float | None) -> Piece:
        kind, l, at, _ = symbol
        if kind == "w":
            return self.weight(l, *at)
        if kind == "number":
            return number(0 if value is None else value)
        if kind == "jacobian":
            k, j = at
            return self.quotient(self.output(_next(l), k), self.total(l, j))
        if kind == "switch":
            k, j = at
            one = formula(f"[{k}\u00a0=\u00a0{j}]", f"[{k} = {j}]")
            return bracketed(one + _MINUS + self.output(_next(l), j))
        if kind == "error":
            return bracketed(self.goal(*at) + _MINUS + self.output(l, *at))
        if kind == "dfdx":
            return self.derivative(Symbol("x", l, at))
        if kind == "y":
            return self.goal(*at)
        spellers = {"S": self.total, "x": self.output, "delta": self.delta, "slope": self.slope}
        return spellers[kind](l, *at)


class Indexed(Notation):
    """Letters with node numbers below and the layer above: C, and E."""

    def __init__(
        self, name: str, words: str, loss: str, activation: str, total: str, output: str
    ) -> None:
        self.name, self.words = name, words
        self.loss, self.activation = letters(loss), activation
        self._total, self._output = total, output

    def weight(self, l: int | str, i: int | str, j: int | str) -> Piece:
        return indexed("w", (i, j), l)

    def total(self, l: int | str, j: int | str) -> Piece:
        return indexed(self._total, (j,), l)

    def output(self, l: int | str, i: int | str) -> Piece:
        return indexed(self._output, (i,), l)

    def delta(self, l: int | str, j: int | str) -> Piece:
        return indexed("δ", (j,), l)

    def matrix(self, l: int) -> Piece:
        return indexed("W", (), l)

    def vector(self, kind: str, l: int) -> Piece:
        return indexed({"delta": "δ", "S": self._total, "x": self._output}[kind], (), l)


class Layered(Indexed):
    """E: the bias is a b, the target a t."""

    target = "t"

    def weight(self, l: int | str, i: int | str, j: int | str) -> Piece:
        return indexed("b", (j,), l) if i == 0 else indexed("w", (i, j), l)


class Matrices(Notation):
    """D: entries of matrices and vectors, the layer below, no letter for δ."""

    name = "D"
    words = "Ω_l[j, i] leads from node i to node j; h_0 is the input"
    loss = letters("ℓ")
    activation = "a"
    brackets = ("[", "]")

    def weight(self, l: int | str, i: int | str, j: int | str) -> Piece:
        return _entry("β", l, j) if i == 0 else _entry("Ω", l, j, i)

    def total(self, l: int | str, j: int | str) -> Piece:
        return _entry("f", l, j)

    def output(self, l: int | str, i: int | str) -> Piece:
        return _entry("h", l, i)

    def delta(self, l: int | str, j: int | str) -> Piece:
        return self.quotient(self.loss, self.total(l, j))

    def matrix(self, l: int) -> Piece:
        return transposed(indexed("Ω", (l,)))

    def vector(self, kind: str, l: int) -> Piece:
        if kind == "x":
            return indexed("h", (l,))
        if kind == "S":
            return indexed("f", (l,))
        return self.quotient(self.loss, indexed("f", (l,)))

    def goal(self, k: int | str) -> Piece:
        return letters("y") + bracketed(_index(k), "[", "]")


class Program(Notation):
    """Names of variables, every index from 0."""

    loss = letters("f")
    activation = "g"

    def __init__(self, name: str, words: str, names: dict[str, str]) -> None:
        self.name, self.words = name, words
        self._names = names

    def _write(self, key: str, l: int | str, *at: int | str) -> Piece:
        shifted = [index - 1 if isinstance(index, int) else index for index in at]
        return code(self._names[key].format(l, *shifted))

    def weight(self, l: int | str, i: int | str, j: int | str) -> Piece:
        return self._write("b", l, j) if i == 0 else self._write("w", l, i, j)

    def total(self, l: int | str, j: int | str) -> Piece:
        return self._write("S", l, j)

    def output(self, l: int | str, i: int | str) -> Piece:
        return number(1) if i == 0 else self._write("x", l, i)

    def delta(self, l: int | str, j: int | str) -> Piece:
        return self._write("delta", l, j)

    def derivative(self, symbol: Symbol) -> Piece:
        if symbol.kind == "w" and symbol.indices[0] == 0:
            return self._write("db", symbol.l, symbol.indices[1])
        if symbol.kind == "w":
            return self._write("dw", symbol.l, *symbol.indices)
        if symbol.kind in ("delta", "S"):
            return self.delta(symbol.l, *symbol.indices)
        return super().derivative(symbol)

    def goal(self, k: int | str) -> Piece:
        return code(f"y[{k - 1 if isinstance(k, int) else k}]")

    def matrix(self, l: int) -> Piece:
        return code(self._names["W"].format(l))

    def vector(self, kind: str, l: int) -> Piece:
        return code(self._names[kind].format(l, "", "").removesuffix("[]"))


def _entry(letter: str, l: int | str, *at: int | str) -> Piece:
    """Ω_1[2, 1]."""
    inside = ",\u00a0".join(str(index) for index in at)
    latex = ", ".join(str(index) for index in at)
    mathml = f"<mo>[</mo><mn>{latex}</mn><mo>]</mo>"
    return indexed(letter, (l,)) + Piece(f"[{inside}]", f"[{latex}]", mathml)


def _index(k: int | str) -> Piece:
    """A node number."""
    return Piece(str(k), str(k), f"<mn>{k}</mn>")


def _next(l: int | str) -> int | str:
    """The layer after l."""
    return l + 1 if isinstance(l, int) else f"{l}+1"


NOTATIONS: dict[str, Notation] = {
    notation.name: notation
    for notation in (
        Indexed("C", "w_ij^(l) leads from node i of layer l to node j", "f", "g", "S", "x"),
        Matrices(),
        Layered("E", "u is the sum, y the output, t the target, E the loss", "E", "f", "u", "y"),
        Program(
            "PyTorch",
            "indices from 0; z[l] = layers[l](a[l]), with z[l].retain_grad()",
            {
                "w": "layers[{0}].weight[{2}, {1}]",
                "b": "layers[{0}].bias[{1}]",
                "dw": "layers[{0}].weight.grad[{2}, {1}]",
                "db": "layers[{0}].bias.grad[{1}]",
                "S": "z[{0}][{1}]",
                "x": "a[{0}][{1}]",
                "delta": "z[{0}].grad[{1}]",
                "W": "layers[{0}].weight.T",
            },
        ),
        Program(
            "scikit-learn",
            "indices from 0; z[l] = activations[l] @ coefs_[l] + intercepts_[l]",
            {
                "w": "coefs_[{0}][{1}, {2}]",
                "b": "intercepts_[{0}][{1}]",
                "dw": "coef_grads[{0}][{1}, {2}]",
                "db": "intercept_grads[{0}][{1}]",
                "S": "z[{0}][{1}]",
                "x": "activations[{0}][{1}]",
                "delta": "deltas[{0}][{1}]",
                "W": "coefs_[{0}]",
            },
        ),
    )
}


def find(name: object) -> Notation:
    """The notation of that name; raises `TypeError` or `ValueError` for another."""
    given = {known.lower(): known for known in NOTATIONS}
    if isinstance(name, str):
        name = given.get(name.lower().replace("sklearn", "scikit-learn"), name)
    return NOTATIONS[choice("notation", name, NOTATIONS)]


#: Between the factors of a product of symbols.
GAP = THIN
