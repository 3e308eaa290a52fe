"""`explain`: why the derivative by one weight is what it is."""

from __future__ import annotations

import json
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import ArrayLike

from ..checks import describe, integer, numeric
from ..network import Network
from ..trace import Trace
from . import matrices, recursion, render, sums
from .blocks import Block, Heading, Paragraph, Remark
from .document import to_document
from .names import Place, parse
from .notation import find
from .paths import Paths, Work, work
from .remarks import Sentence, remarks
from .spelling import DIGITS, Piece, in_full
from .steps import Arithmetic, arithmetic
from .subject import Subject
from .values import Example


class Derivation:
    """Why ∂f/∂ a weight, a sum, an output or δ is what it is: formula, numbers and paths.

    Prints itself in 80 columns, renders itself in a notebook, and writes itself as LaTeX, HTML,
    Markdown and JSON. Made by `explain`.
    """

    def __init__(self, subject: Subject) -> None:
        self._subject = subject

    @property
    def name(self) -> str:
        """What is derived, as w_12^(1)."""
        return str(self._subject.place)

    @property
    def rule(self) -> str:
        """The rule with this place's indices, as ∂f/∂w₁₂⁽¹⁾ = δ₂⁽¹⁾ x₁⁽¹⁾."""
        return render.plain_rule(self._rule)

    @property
    def value(self) -> float:
        """The derivative: the engine's number, of one example or of all of them."""
        return self._subject.value

    @property
    def own_value(self) -> float:
        """The weight, sum, output or δ itself (of the shown example)."""
        return self._subject.own_value

    @property
    def example(self) -> int | None:
        """The example, from 0; None for all of them together."""
        return self._subject.number

    @property
    def notation(self) -> str:
        """The name of the notation."""
        return self._subject.notation.name

    def paths(self) -> Paths:
        """The sum over all paths to the loss, of the shown example.

        All paths if there are at most 12, else the 8 largest; their exact count in any case, and
        their sum up to 10⁶ of them.
        """
        return self._subject.paths

    @property
    def work(self) -> Work:
        """How many multiplications paths, backpropagation and differences cost."""
        return work(self._subject.net, self._subject.place)

    @property
    def remarks(self) -> tuple[str, ...]:
        """Zeros, kinks and numbers that are not finite, explained; often none."""
        return tuple(render.plain(sentence) for sentence in self._remarks)

    @cached_property
    def blocks(self) -> tuple[Block, ...]:
        """The derivation as headings, sentences, equations and tables, for any format."""
        with np.errstate(all="ignore"):
            return (
                *self._head,
                *self._rule,
                *recursion.legend(self._subject),
                *recursion.forward(self._subject),
                *recursion.recursion(self._subject),
                *sums.path_sum(self._subject),
                *matrices.matrix_form(self._subject),
                *sums.costs(self._subject),
            )

    def to_text(self, width: int = render.WIDTH, *, ascii_only: bool = False) -> str:
        """For a terminal: lines of at most `width` characters, 40 or more."""
        width = integer("width", width, low=40)
        return render.terminal(self.blocks, width, ascii_only=ascii_only)

    def to_markdown(self) -> str:
        """Markdown with LaTeX formulas between dollar signs."""
        return render.markdown(self.blocks)

    def to_latex(self, *, standalone: bool = False) -> str:
        """LaTeX that needs amsmath; with `standalone` a whole document."""
        return render.latex(self.blocks, standalone=standalone)

    def to_html(self, *, standalone: bool = False) -> str:
        """HTML with MathML formulas, to be put into a page; with `standalone` the page."""
        return render.html(self.blocks, self.name, standalone=standalone)

    def to_dict(self) -> dict[str, Any]:
        """What `to_json` writes, in Python's own types."""
        with np.errstate(all="ignore"):
            return to_document(self._subject, self.arithmetic, self.rule, self.remarks)

    def to_json(self) -> str:
        """JSON with every factor; doing its steps in order gives `value` to the last bit.

        It carries at most 20,000 products. Where there are more, it goes as many layers towards
        the loss as fit, with the δ beyond them as numbers, and says so (`complete` is false). Of
        the paths it has those of `paths()`.
        """
        return json.dumps(self.to_dict(), ensure_ascii=False, allow_nan=False, indent=1) + "\n"

    @cached_property
    def arithmetic(self) -> Arithmetic:
        """The steps to the value, in the order in which an exact engine does them."""
        subject = self._subject
        ns = range(subject.examples) if subject.n is None else [subject.n]
        with np.errstate(all="ignore"):
            return arithmetic(
                [Example(subject.trace, n) for n in ns], subject.place, subject.divisor
            )

    @cached_property
    def _rule(self) -> list[Block]:
        with np.errstate(all="ignore"):
            return recursion.rule(self._subject)

    @cached_property
    def _remarks(self) -> tuple[Sentence, ...]:
        s = self._subject
        with np.errstate(all="ignore"):
            return remarks(s.example, s.place, s.notation, s.example_value)

    @property
    def _head(self) -> list[Block]:
        """What it is about, its value in full, and what is remarkable."""
        s = self._subject
        net = s.net
        sizes = "-".join(map(str, net.sizes)) if net.L < 12 else f"{net.L} layers of weights"
        names = ", ".join(dict.fromkeys(net.activations))
        network = f"Network {sizes} ({names}; {net.loss}; {net.dtype.name})"
        sentence: list[str | Piece] = [f"{network}, {s.which}. "]
        if s.place.kind != "delta":
            sentence += [s.name, f" = {in_full(s.own_value, net.dtype.name)}, "]
        sentence += [s.derivative, f" = {in_full(s.value, net.dtype.name)}."]
        return [
            Heading((s.derivative,), level=1),
            Paragraph(sentence),
            *(Remark(sentence) for sentence in self._remarks),
            Paragraph((f"Numbers below have {DIGITS} significant digits; ≈ marks rounding.",)),
        ]

    def __str__(self) -> str:
        return self.to_text()

    def __repr__(self) -> str:
        derivative = self._subject.derivative.plain.replace("\u00a0", " ")
        return f"<Derivation {derivative} = {self.value:.6g}, {self._subject.which}>"

    def _repr_html_(self) -> str:
        return self.to_html()

    def _repr_latex_(self) -> str:
        return self.to_latex()


def explain(
    net: Network | Trace,
    name: str,
    X: ArrayLike | None = None,
    Y: ArrayLike | None = None,
    *,
    n: int | str = 0,
    notation: str = "C",
    engine: str = "auto",
) -> Derivation:
    """∂f/∂w_ij^(l) = δ_j^(l) x_i^(l), derived for one weight, with all its numbers.

    Parameters
    ----------
    net : Network or Trace
        A network, with X (N, n_0) and Y as in `Network.backprop`; or a trace of `backprop`.
    name : str
        What the loss is derived by: a weight `w_12^(1)` or `1,1,2` (l, i, j), a bias `b_2^(1)`, a
        sum `S_2^(1)` or `δ_2^(1)`, which is its derivative, or an output `x_1^(1)`; or the same
        as another notation writes it, as `layers[1].weight[1, 0]`.
    n : int or "mean"
        The example, from 0; "mean" for the gradient of the whole batch (weights and biases only),
        which is the sum where the trace was made with reduction="sum".
    notation : str
        `C`, `D`, `E`, `PyTorch` or `scikit-learn`.
    engine : str
        Of the passes, where `net` is a network.

    Raises
    ------
    TypeError, ValueError
        For a name that is not understood or that the network does not have, naming the nearest;
        and for what `Network.backprop` raises.
    """
    letters_of = find(notation)
    if isinstance(n, str) and n != "mean":
        raise ValueError(f"n: expected the number of an example or 'mean'; got {describe(n)}")
    trace, first = _traced(net, X, Y, n, engine)
    only = None if isinstance(n, str) else _example(n, first + len(trace.x[0])) - first
    place = parse(name, trace.architecture.sizes)
    if isinstance(n, str) and place.kind != "w":
        hint = Place("w", place.l, (0, place.indices[0]))
        wanted = f"; the mean of δ is that of the bias {hint}" if place.kind != "x" else ""
        raise ValueError(
            f"n: expected the number of an example for {place}, which each example has its own "
            f"of; got 'mean'{wanted}"
        )
    return Derivation(Subject(trace, place, only, letters_of, first))


def _traced(
    net: object, X: ArrayLike | None, Y: ArrayLike | None, n: int | str, engine: str
) -> tuple[Trace, int]:
    """A trace with the example in it, and the number of the trace's first example."""
    if isinstance(net, Trace):
        if X is not None or Y is not None:
            raise ValueError("X, Y: expected none with a trace, which has its examples already")
        if net.delta is None:
            raise ValueError("net: expected a trace of backprop; got one of forward")
        return net, 0
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a Network or a Trace; got {describe(net)}")
    if X is None or Y is None:
        raise TypeError("X, Y: expected both with a network")
    if isinstance(n, str):
        return net.backprop(X, Y, engine=engine), 0
    X, Y = numeric("X", X), numeric("Y", Y)
    if X.ndim != 2 or Y.shape[:1] != X.shape[:1]:
        return net.backprop(X, Y, engine=engine), 0  # which says what is wrong
    first = _example(n, len(X))
    return net.backprop(X[first : first + 1], Y[first : first + 1], engine=engine), first


def _example(n: object, examples: int) -> int:
    """n, if there is such an example."""
    return integer("n", n, low=0, high=examples - 1)
