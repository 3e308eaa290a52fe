"""The sum over all paths written out, what it costs, and why naming factors makes it cheap."""

from __future__ import annotations

import math

from .blocks import Block, Equation, Heading, Paragraph, Side, Table
from .names import Symbol
from .notation import GAP
from .paths import MOST_SUMMED, Path, work
from .spelling import (
    TIMES,
    Piece,
    count,
    indexed,
    join,
    letters,
    number,
    operand,
    operator,
    shown_exactly,
)
from .subject import Subject

#: Paths that are also written as a chain of derivatives, each over the next.
MOST_CHAINS = 4
#: Factors that one line holds; of a longer product, so many from either end.
MOST_FACTORS = 24

_ARROW = operator("→", r"\to")


def path_sum(subject: Subject) -> list[Block]:
    """Before any δ is named: the paths, their products, and their sum."""
    paths, net = subject.paths, subject.net
    many = "1 path leads" if paths.count == 1 else f"{count(paths.count)} paths lead"
    start = (f"{many} from ", subject.name, " to ", subject.notation.loss)
    blocks: list[Block] = [Heading(("The sum over all paths",))]
    if paths.complete:
        each = "it" if paths.count == 1 else "each"
        blocks.append(Paragraph((*start, f"; the product of the derivatives along {each}:")))
    elif any(path.product for path in paths.shown):
        blocks.append(Paragraph((*start, f". The {len(paths.shown)} with the largest |product|:")))
    else:  # the largest are 0, and so are the others
        blocks.append(Paragraph((*start, f". All products are 0; {len(paths.shown)} of them:")))
    for p, path in enumerate(paths.shown, 1):
        blocks.append(Paragraph((f"Path {p}: ", _route(subject, path))))
        blocks.append(_product(subject, path, p))
    blocks += _check(subject)
    if net.L - subject.place.l > 1 or subject.example.dense:
        blocks += _repeated(subject)
    return blocks


def costs(subject: Subject) -> list[Block]:
    """Multiplications by paths, by δ, and by differences."""
    w = work(subject.net, subject.place)
    rows = [
        ("every path on its own", w.paths, w.all_paths),
        ("backpropagation, each δ once", w.backprop, w.all_backprop),
    ]
    table = [((words,), (count(one),), (count(every),)) for words, one, every in rows]
    table.append((("central differences",), ("",), (count(w.all_differences),)))
    this = "this derivative"
    every = f"all {w.parameters:,} weights and biases" if w.parameters > 1 else "all weights"
    return [
        Heading(("Multiplications",)),
        Table((("",), (this,), (every,)), tuple(table)),
        Paragraph(
            (
                "For one example, once S, x, the slopes and the derivative of the loss by the "
                "outputs are known. Differences: two forward passes per parameter.",
            )
        ),
    ]


def _route(subject: Subject, path: Path) -> Piece:
    """w_12^(1) → S_2^(1) → S_1^(2) → f."""
    notation, L = subject.notation, subject.net.L
    stations = [
        notation.output(layer, node) if layer == L else notation.total(layer, node)
        for layer, node in path.nodes
    ]
    if stations and subject.place.kind in ("S", "delta"):
        stations = stations[1:]
    begin = (
        subject.name
        if subject.place.kind != "delta"
        else notation.total(subject.place.l, subject.place.indices[0])
    )
    stations = [begin, *stations]
    if len(stations) > MOST_FACTORS:
        dots = Piece("⋯", r"\cdots", "<mo>⋯</mo>")
        stations = [*stations[: MOST_FACTORS // 2], dots, *stations[-MOST_FACTORS // 2 :]]
    return join([*stations, notation.loss], _ARROW)


def _product(subject: Subject, path: Path, p: int) -> Equation:
    """A path's product: as derivatives, as factors, as numbers."""
    symbols = [
        _absorbed(subject, factor.symbol)
        if factor.symbol.kind == "delta"
        else subject.notation.spell(factor.symbol)
        for factor in path.factors
    ]
    values = [float(factor.value) for factor in path.factors]
    exact = all(shown_exactly(value) for value in values)
    numbers = [number(values[0]), *(operand(value) for value in values[1:])]
    sides: list[tuple[str, Side]] = [("=", _factors(symbols, GAP))]
    if len(values) > 1:
        sides.append(("=" if exact else "≈", _factors(numbers, TIMES)))
    product = path.product
    sides.append(("=" if shown_exactly(product) else "≈", (number(product),)))
    links = _chain(subject, path)
    if subject.paths.count <= MOST_CHAINS and len(links) > 1:
        sides.insert(0, ("=", _factors(links, GAP)))
    return Equation(_name(p), tuple(sides))


def _name(p: int) -> Piece:
    """P_1, the product along path 1."""
    return indexed("P", (p,))


def _absorbed(subject: Subject, symbol: Symbol) -> Piece:
    """(x_k − y_k), δ of the last layer where loss and output are differentiated in one step."""
    k, L = symbol.indices[0], subject.net.L
    minus = operator("−", "-")
    piece = subject.notation.output(L, k) + minus + subject.notation.goal(k)
    return Piece("(", "(", "<mo>(</mo>") + piece + Piece(")", ")", "<mo>)</mo>")


def _chain(subject: Subject, path: Path) -> list[Piece]:
    """∂f/∂x_1^(3), ∂x_1^(3)/∂S_1^(2), ∂S_1^(2)/∂x_2^(2) …, from the loss to the place."""
    notation, place, L = subject.notation, subject.place, subject.net.L
    stations = [subject.name] if place.kind in ("w", "x") else []
    previous = place.indices[-1]
    for at, (layer, node) in enumerate(path.nodes):
        if layer == L:
            stations.append(notation.output(L, node))
            continue
        if at:
            stations.append(notation.output(layer, previous))
        stations.append(notation.total(layer, node))
        previous = node
    absorbed, dense = subject.example.absorbed, subject.example.dense
    if path.nodes and not absorbed and not dense:
        stations.append(notation.output(L, previous))
    stations.append(notation.loss)
    pairs = zip(stations[1:], stations, strict=False)
    return [notation.quotient(above, below) for above, below in pairs][::-1]


def _factors(pieces: list[Piece], sign: Piece) -> Side:
    """Factors between which a line may be broken; the middle of a very long product is dots."""
    if len(pieces) > MOST_FACTORS:
        half = MOST_FACTORS // 2
        pieces = [*pieces[:half], Piece("⋯", r"\cdots", "<mo>⋯</mo>"), *pieces[-half:]]
    first, *others = pieces
    lead = Piece(" " + sign.plain.strip("\u00a0 "), sign.latex, sign.mathml)
    gap = Piece("\u00a0", "", "") if sign is TIMES else Piece("", "", "")
    return (first, *(lead + gap + piece for piece in others))


def _check(subject: Subject) -> list[Block]:
    """Whether the sum over the paths is the derivative."""
    paths = subject.paths
    if paths.total is None:
        text = (
            f"Their sum is not formed: more than {MOST_SUMMED:,} paths. Backpropagation needs none "
            "of them: "
        )
        return [Paragraph((text, subject.derivative, " = ", number(paths.value), "."))]
    if paths.agree is None:
        return [Paragraph(("Their sum is not a finite number, nor is the derivative.",))]
    sides: list[tuple[str, Side]] = []
    plus = operator("+")
    if paths.complete:
        names = [_name(p) for p in range(1, paths.count + 1)]
    else:
        names = [_name(1), _name(2), letters("⋯"), indexed("P", (paths.count,))]
    sides.append(("=", (names[0], *(plus + name for name in names[1:]))))
    if paths.complete and paths.count > 1:
        first, *others = (path.product for path in paths.shown)
        terms = [number(first), *(operand(product) for product in others)]
        exact = all(shown_exactly(path.product) for path in paths.shown)
        sides.append(("=" if exact else "≈", (terms[0], *(plus + t for t in terms[1:]))))
    sides.append(("=" if shown_exactly(paths.total) else "≈", (number(paths.total),)))
    if paths.agree and paths.total == paths.value:
        words = "This is what backpropagation gives, to the last bit."
    elif paths.agree:
        off = number(abs(paths.total - paths.value), 2)
        words = (
            f"This is what backpropagation gives, up to {off.plain}; rounding may make it "
            f"{number(paths.bound, 2).plain}."
        )
    else:
        words = (
            f"This differs from backpropagation's {number(paths.value, 17).plain} by more than "
            "rounding can."
        )
    return [Equation(subject.derivative, tuple(sides)), Paragraph((words,))]


def _repeated(subject: Subject) -> list[Block]:
    """Which factors come again, and what they are called."""
    net, place, notation = subject.net, subject.place, subject.notation
    first = place.l if place.kind == "x" else place.l + 1
    rows = []
    layers = range(first, net.L)
    for m in layers if len(layers) <= 6 else [*layers[:3], *layers[-3:]]:
        into = math.prod(net.sizes[first + 1 : m + 1]) if m > first else 1
        on = math.prod(net.sizes[m + 2 :]) * (net.sizes[-1] if subject.example.dense else 1)
        delta = notation.delta(m, "k")
        rows.append(((delta,), (count(net.sizes[m + 1]),), (count(into),), (count(on),)))
    if not rows:
        return []
    left_out = len(layers) - len(rows)
    note = f" ({left_out:,} layers in the middle are left out.)" if left_out else ""
    return [
        Paragraph(
            (
                "What stands above a node is the same in every path through it. The sum of it is "
                "computed once and called δ; then the sum over paths collapses to the rule." + note,
            )
        ),
        Table((("name",), ("nodes k",), ("stands in",), ("sums up",)), tuple(rows)),
        Paragraph(("Stands in so many products for each k; sums up so many paths to the loss.",)),
    ]
