"""The same in matrix form, layer by layer, with the Jacobians of the activations.

δ and x are columns, W is written without its biases: row j, column k holds w_jk.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from .blocks import Block, Heading, Matrix, MatrixEquation, Paragraph
from .formulas import LABELS
from .names import Symbol
from .notation import GAP
from .spelling import Piece, bracketed, formula, letters, number, transposed
from .subject import Subject

#: Rows or columns of a matrix that are shown; of a larger one the first ones and the last.
MOST_ENTRIES = 6
FIRST_ENTRIES = 4
#: Layers whose matrices are shown, from the derivative's own on.
MOST_LAYERS = 4
DIGITS = 4

_DOWN = Piece("⋮", r"\vdots", "<mo>⋮</mo>")
_ACROSS = Piece("⋯", r"\cdots", "<mo>⋯</mo>")
_DIAGONAL = Piece("⋱", r"\ddots", "<mo>⋱</mo>")
_ZERO = number(0)


def matrix_form(subject: Subject) -> list[Block]:
    """δ^(l) = D^(l) W^(l+1) δ^(l+1) for each layer, and what follows for the derivative."""
    place, net, notation, example = subject.place, subject.net, subject.notation, subject.example
    blocks: list[Block] = []
    l = place.l
    if place.kind == "w":
        x, delta = example.x(l), example.delta(l)
        blocks.append(
            MatrixEquation(
                notation.quotient(notation.loss, notation.matrix(l)),
                notation.vector("x", l) + GAP + transposed(notation.vector("delta", l)),
                (_column(x), _row(delta)),
                _matrix(np.multiply.outer(*(_thinned(v) for v in (x, delta))), len(x), len(delta)),
            )
        )
    if place.kind == "x" and l < net.L:
        gradient = np.array([float(v) for v in _wishes(subject)])
        blocks.append(
            MatrixEquation(
                notation.quotient(notation.loss, notation.vector("x", l)),
                notation.matrix(l) + GAP + notation.vector("delta", l),
                (_of(example.W(l)), _column(example.delta(l))),
                _column(gradient),
            )
        )
    layers = range(l, net.L)
    for m in layers[:MOST_LAYERS]:
        blocks += _layer(subject, m)
    if len(layers) > MOST_LAYERS:
        blocks.append(Paragraph((f"And so on up to layer {net.L - 1}.",)))
    if not blocks:
        return []
    return [Heading(("In matrix form",)), *blocks]


def _layer(subject: Subject, m: int) -> list[Block]:
    """δ^(m) as a product, and the Jacobian in words."""
    net, notation, example = subject.net, subject.notation, subject.example
    name = net.activations[m]
    delta = notation.vector("delta", m)
    if m == net.L - 1 and example.absorbed:
        return [*_absorption(subject)]
    if m == net.L - 1:
        ends = notation.quotient(notation.loss, notation.vector("x", net.L))
        factors: tuple[Matrix, ...] = (_column(example.dfdx),)
        tail = ends
    else:
        factors = (_of(example.W(m + 1)), _column(example.delta(m + 1)))
        tail = notation.matrix(m + 1) + GAP + notation.vector("delta", m + 1)
    total = notation.vector("S", m)
    if m == net.L - 1 and example.dense:
        jacobian = example.jacobian.T
        head, first = (
            transposed(notation.quotient(notation.vector("x", net.L), total)),
            _of(jacobian),
        )
        words = "The Jacobian of softmax is dense: every output depends on every sum."
    else:
        slopes = example.slopes(m)
        head = formula("diag", r"\operatorname{diag}") + bracketed(
            letters(notation.activation + "′") + bracketed(total, *notation.brackets)
        )
        first = _diagonal(slopes)
        words = _jacobian_words(name, slopes)
    product = MatrixEquation(delta, head + GAP + tail, (first, *factors), _column(example.delta(m)))
    return [product, Paragraph((words,))]


def _jacobian_words(name: str, slopes: Any) -> str:
    """What the diagonal matrix is."""
    label = LABELS.get(name, name)
    if name == "relu":
        on, n = int(np.count_nonzero(slopes)), len(slopes)
        return f"The Jacobian of ReLU is a diagonal of switches: {on:,} of {n:,} are on."
    if name == "identity":
        return "The Jacobian of identity is the unit matrix."
    return f"The Jacobian of {label} is diagonal: node j depends on its own sum alone."


def _absorption(subject: Subject) -> list[Block]:
    """δ = x − y, and where it comes from."""
    net, notation, example = subject.net, subject.notation, subject.example
    m, L = net.L - 1, net.L
    y = letters(notation.target)
    minus = Piece("\u00a0−\u00a0", " - ", "<mo>−</mo>")
    product = MatrixEquation(
        notation.vector("delta", m),
        notation.vector("x", L) + minus + y,
        (),
        _column(example.delta(m)),
    )
    x, S = notation.output(L, "k"), notation.total(m, "j")
    loss, xj, yj = notation.loss, notation.output(L, "j"), notation.goal("j")
    outer = notation.quotient(loss, x) + GAP + notation.quotient(x, S)
    if net.loss == "cross_entropy":
        words: tuple[str | Piece, ...] = (
            "The Jacobian of softmax is dense, ",
            notation.spell(Symbol("jacobian", m, ("k", "j"))),
            " = ",
            x + GAP + notation.spell(Symbol("switch", m, ("k", "j"))),
            ", but cross-entropy absorbs it: ",
            formula("Σₖ ", r"\textstyle\sum_k ") + outer,
            " = ",
            formula("−Σₖ ", r"-\textstyle\sum_k ")
            + notation.goal("k")
            + GAP
            + notation.spell(Symbol("switch", m, ("k", "j"))),
            " = ",
            xj + formula("\u00a0Σₖ\u00a0", r" \textstyle\sum_k ") + notation.goal("k") + minus + yj,
            " = ",
            xj + minus + yj,
            ", as the targets add up to 1. No division by x is left.",
        )
    else:
        words = (
            "Each output has its own sum, and the slope of the sigmoid, ",
            xj + GAP + bracketed(number(1) + minus + xj),
            ", cancels against the denominator of ",
            notation.quotient(loss, xj),
            ": what is left is ",
            xj + minus + yj,
            ".",
        )
    return [product, Paragraph(words)]


def _wishes(subject: Subject) -> Any:
    """∂f/∂x^(l), in float64: only shown, to a few digits."""
    example, l = subject.example, subject.place.l
    with np.errstate(all="ignore"):
        return example.W(l).astype(np.float64) @ example.delta(l)


def _thinned(values: Any) -> Any:
    """The entries of a vector that are shown."""
    values = np.asarray(values)
    if len(values) <= MOST_ENTRIES:
        return values
    return np.concatenate([values[:FIRST_ENTRIES], values[-1:]])


def _column(values: Any) -> Matrix:
    return _matrix(_thinned(values)[:, None], len(values), 1)


def _row(values: Any) -> Matrix:
    return _matrix(_thinned(values)[None], 1, len(values))


def _of(values: Any) -> Matrix:
    rows, columns = values.shape
    kept = [_thinned(np.arange(n)) for n in (rows, columns)]
    return _matrix(values[np.ix_(*kept)], rows, columns)


def _diagonal(values: Any) -> Matrix:
    return _matrix(np.diag(_thinned(values)), len(values), len(values))


def _matrix(values: Any, rows: int, columns: int) -> Matrix:
    """The entries, `values` being those that are shown of a matrix with so many rows, columns."""
    entries = [[number(float(v), DIGITS) if v else _ZERO for v in row] for row in values]
    if columns > MOST_ENTRIES:
        entries = [[*row[:FIRST_ENTRIES], _ACROSS, row[-1]] for row in entries]
    if rows > MOST_ENTRIES:
        width = len(entries[0])
        dots = [_DOWN] * width
        if columns > MOST_ENTRIES:
            dots[FIRST_ENTRIES] = _DIAGONAL
        entries.insert(FIRST_ENTRIES, dots)
    return Matrix(tuple(tuple(row) for row in entries))
