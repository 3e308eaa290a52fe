"""The derivation of backpropagation for two hidden layers, as one document to be read.

Everything is derived for the network of `worked`, every formula with its numbers.
"""

from __future__ import annotations

from collections.abc import Iterator

from . import matrices, recursion, render, sums
from .blocks import Block, Equation, Heading, Paragraph, Remark, Sentence, Table
from .explanation import explain
from .names import Place, Symbol, parse
from .notation import GAP, NOTATIONS
from .spelling import PLUS, Piece, formula, letters, number, operand, sum_sign
from .steps import Builder
from .subject import Subject
from .worked import INPUT, TARGET, WEIGHTS, worked_network

COMMAND = "loopbp explain --lecture --out reports/derivation/README.md"
ETA = 0.125

_C = NOTATIONS["C"]


def lecture() -> str:
    """The document, Markdown with LaTeX formulas."""
    return render.markdown(_blocks())


def _blocks() -> Iterator[Block]:
    yield Heading(("Backpropagation, derived by its indices",), level=1)
    yield Paragraph(
        (
            "A network with two hidden layers, small enough to compute every number on paper. "
            f"Made by: {COMMAND}. The derivation of any weight of any network: loopbp explain.",
        )
    )
    yield from _forward()
    yield from _one_path()
    yield from _two_paths()
    yield from _collapse()
    yield from _rules()
    yield from _steps()
    yield from _matrix()
    yield from _cost()
    yield from _switch()


def _subject(name: str, hidden: str = "identity") -> Subject:
    net = worked_network(hidden)
    return Subject(net.backprop(INPUT, TARGET), parse(name, net.sizes), 0, _C)


def _forward() -> Iterator[Block]:
    """The network, its numbers, its loss."""
    subject = _subject("w_12^(1)")
    builder, example = Builder(subject.example), subject.example
    yield Heading(("1. The network",))
    yield Paragraph(
        (
            "Layers 0 to 3 have two nodes each; node 0 of a layer is the constant 1 that carries "
            "the bias. The input is ",
            _C.output(0, 1)
            + formula(" = 1, ", " = 1,\\ ")
            + _C.output(0, 2)
            + formula(" = 2", "=2"),
            ", the target ",
            _C.goal(1) + formula(" = 1, ", " = 1,\\ ") + _C.goal(2) + formula(" = 0", "=0"),
            ". The activation g is the identity, so that every number below is exact; "
            "the slopes g′ are written all the same, as any other g would have them.",
        )
    )
    yield from recursion.legend(subject)[1:]
    yield from _weights()
    yield Heading(("2. Forward",))
    yield Paragraph(("Each sum is the bias and the weighted outputs of the layer before it.",))
    for l in range(3):
        for j in (1, 2):
            yield recursion.equation(subject, builder.weighted_sum(l, j), _C.total(l, j))
    outputs = [float(example.value(Symbol("x", 3, (k,)))) for k in (1, 2)]
    terms = [_squared(_C.goal(k) + _minus() + _C.output(3, k)) for k in (1, 2)]
    values = zip(TARGET[0], outputs, strict=True)
    numbers = [_squared(number(y) + _minus() + operand(x)) for y, x in values]
    loss = float(sum((y - x) ** 2 for y, x in zip(TARGET[0], outputs, strict=True)))
    yield Paragraph(("The loss is the sum of the squared errors:",))
    yield Equation(
        letters("f"),
        (
            ("=", (terms[0], PLUS + terms[1])),
            ("=", (numbers[0], PLUS + numbers[1])),
            ("=", (number(loss),)),
        ),
    )


def _weights() -> Iterator[Block]:
    """A row for each layer of weights."""
    heads: tuple[Sentence, ...] = (("layer",), ("to node 1",), ("",), ("",))
    heads += (("to node 2",), ("",), ("",))
    rows: list[tuple[Sentence, ...]] = []
    for l, W in enumerate(WEIGHTS):
        cells: list[Sentence] = [
            (_C.weight(l, i, j), " = ", number(W[i][j - 1])) for j in (1, 2) for i in (0, 1, 2)
        ]
        rows.append(((f"{l}",), *cells))
    yield Table(heads, tuple(rows))


def _one_path() -> Iterator[Block]:
    subject = _subject("w_21^(2)")
    yield Heading(("3. A weight with one path",))
    yield Paragraph(
        (
            subject.name,
            " acts on the loss through one sum alone, so that the chain rule is one product.",
        )
    )
    yield from sums.path_sum(subject)[1:]


def _two_paths() -> Iterator[Block]:
    subject = _subject("w_12^(1)")
    yield Heading(("4. A weight with two paths",))
    yield Paragraph(
        (
            subject.name,
            " changes ",
            _C.total(1, 2),
            ", whose node feeds both outputs. There is one path through each, and the derivative "
            "is the sum over them.",
        )
    )
    yield from sums.path_sum(subject)[1:]


def _collapse() -> Iterator[Block]:
    """The repeated factors get a name."""
    subject = _subject("w_12^(1)")
    yield Heading(("5. What comes again gets a name",))
    ends = [
        _C.spell(Symbol("dfdx", 3, (k,))) + GAP + _C.quotient(_C.output(3, k), _C.total(2, k))
        for k in (1, 2)
    ]
    yield Paragraph(("The first two factors of each product belong to its output alone:",))
    for k in (1, 2):
        symbol = Symbol("delta", 2, (k,))
        value = number(float(subject.example.value(symbol)))
        yield Equation(_C.delta(2, k), (("=", (ends[k - 1],)), ("=", (value,))))
    yield Remark(
        (
            "A slip to look out for: δ of output 2 is made of the derivative by x of output 2. "
            "Each δ has the output of its own index.",
        )
    )
    yield Paragraph(("What is left is common to both paths, and the sum collapses:",))
    inner = [_C.delta(2, k) + GAP + _C.weight(2, 2, k) for k in (1, 2)]
    tail = GAP + _C.slope(1, 2) + GAP + _C.output(1, 1)
    opening = Piece("(", r"\bigl(", "<mo>(</mo>")
    closing = Piece(")", r"\bigr)", "<mo>)</mo>")
    yield Equation(
        subject.derivative,
        (
            ("=", (inner[0] + tail, PLUS + inner[1] + tail)),
            ("=", (opening + inner[0], PLUS + inner[1] + closing + tail)),
            ("=", (_C.delta(1, 2) + GAP + _C.output(1, 1),)),
            ("=", (number(subject.value),)),
        ),
    )
    yield from recursion.recursion(subject)[1:2]


def _rules() -> Iterator[Block]:
    yield Heading(("6. The rules",))
    yield Paragraph(
        ("The same for every layer, whatever g and f are. In the last layer, l = L−1:",)
    )
    delta, slope = _C.delta("l", "j"), _C.slope("l", "j")
    outer = _C.derivative(Symbol("x", "L", ("j",)))
    yield Equation(delta, (("=", (outer + GAP + slope,)),))
    yield Paragraph(("In a hidden layer, from the δ above it:",))
    above = sum_sign("k", None) + _C.delta("l+1", "k") + GAP + _C.weight("l+1", "j", "k")
    opening = Piece("(", r"\bigl(", "<mo>(</mo>")
    closing = Piece(")", r"\bigr)", "<mo>)</mo>")
    yield Equation(delta, (("=", (opening + above + closing + GAP + slope,)),))
    yield Paragraph(("For a weight, and for a bias, whose input is the constant 1:",))
    weight = _C.derivative(Symbol("w", "l", ("i", "j")))
    yield Equation(weight, (("=", (delta + GAP + _C.output("l", "i"),)),))
    yield Equation(_C.derivative(Symbol("w", "l", (0, "j"))), (("=", (delta,)),))
    net = worked_network()
    trace = net.backprop(INPUT, TARGET)
    yield Paragraph(("All of them, for this network:",))
    rows: list[tuple[Sentence, ...]] = []
    for l in range(3):
        for j in (1, 2):
            derivation = [Subject(trace, Place("w", l, (i, j)), 0, _C) for i in (0, 1, 2)]
            cells: list[Sentence] = [(d.derivative, " = ", number(d.value)) for d in derivation]
            value = number(float(derivation[0].value))
            rows.append(((_C.delta(l, j), " = ", value), *cells))
    yield Table((("δ",), ("bias",), ("from node 1",), ("from node 2",)), tuple(rows))


def _steps() -> Iterator[Block]:
    derivation = explain(worked_network(), "w_12^(1)", INPUT, TARGET)
    w, slope = derivation.own_value, derivation.value
    yield Heading(("7. Why backward, and the four steps",))
    yield Paragraph(
        (
            "δ of a layer needs δ of the layer above it, so the layers are taken from the last to "
            "the first. Training repeats four steps: 1. initialise the weights (once); "
            "2. forward: all S and x; 3. backward: all δ, and with them all derivatives; "
            "4. update every weight against its derivative.",
        )
    )
    name, eta = _C.weight(1, 1, 2), letters("η")
    arrow = Piece("←", r"\leftarrow", "<mo>←</mo>")
    step = eta + GAP + _C.derivative(Symbol("w", 1, (1, 2)))
    new = w - ETA * slope
    yield Paragraph(("With η = 0.125: ", name + GAP + arrow + GAP + name + _minus() + step, ":"))
    written = number(w) + _minus() + number(ETA) + GAP + formula("·", r"\cdot") + GAP
    yield Equation(name, (("=", (written + operand(slope),)), ("=", (number(new),))))
    yield Remark(
        (
            "A slip to look out for: all derivatives are computed with the old weights, before any "
            "weight is updated. Updating layer by layer on the way back is a different algorithm.",
        )
    )


def _matrix() -> Iterator[Block]:
    subject = _subject("w_12^(1)")
    form = matrices.matrix_form(subject)
    yield Heading(("8. The same in matrix form",))
    yield from form[1:]


def _cost() -> Iterator[Block]:
    subject = _subject("w_12^(1)")
    yield Heading(("9. What naming saves",))
    yield from sums.costs(subject)[1:]


def _switch() -> Iterator[Block]:
    """ReLU instead of the identity."""
    derivation = explain(worked_network("relu"), "w_12^(1)", INPUT, TARGET)
    subject = _subject("w_12^(1)", "relu")
    yield Heading(("10. With ReLU: a switch that is off",))
    yield Paragraph(
        (
            "With ReLU in the hidden layers, the first node of layer 1 is off; its output and its "
            "slope are 0:",
        )
    )
    yield from (Remark((remark,)) for remark in derivation.remarks)
    yield from recursion.rule(subject)[1:]


def _minus() -> Piece:
    return Piece("\u00a0−\u00a0", " - ", "<mo>−</mo>")


def _squared(piece: Piece) -> Piece:
    return Piece(
        f"({piece.plain})²",
        rf"({piece.latex})^2",
        f"<msup><mrow><mo>(</mo>{piece.mathml}<mo>)</mo></mrow><mn>2</mn></msup>",
    )
