"""The rule, the recursion down to the loss, and the same with the numbers in it."""

from __future__ import annotations

from collections.abc import Sequence

from .blocks import Block, Equation, Heading, Paragraph, Sentence, Side, Table
from .formulas import ACTIVATIONS, LABELS, LOSSES
from .names import Symbol
from .notation import GAP
from .spelling import (
    DOTS,
    PLUS,
    THIN,
    TIMES,
    Piece,
    count,
    formula,
    join,
    negated,
    number,
    of_example,
    operand,
    operator,
    shown_exactly,
    sum_sign,
)
from .steps import Builder, Factor, Step
from .subject import Subject

#: Terms of a sum that are written out; of a longer one, the largest.
MOST_TERMS = 6
LARGEST_TERMS = 4
#: Layers whose δ are written out, from the first on and before the loss.
FIRST_LAYERS = 4
LAST_LAYERS = 4
#: Rows of the table of examples: all of them, or so many of the largest.
MOST_EXAMPLES = 12
LARGEST_EXAMPLES = 8

_OPEN = Piece("(", r"\bigl(", "<mo>(</mo>")
_CLOSE = Piece(")", r"\bigr)", "<mo>)</mo>")


def rule(subject: Subject) -> list[Block]:
    """The rule, with this place's indices, and its numbers."""
    if subject.n is None:
        return _mean_rule(subject)
    kind, l, at = subject.place
    blocks: list[Block] = [Heading(("Rule",))]
    builder = Builder(subject.example)
    if kind == "w":
        blocks.append(equation(subject, builder.gradient(subject.place), subject.derivative))
    elif kind == "x" and l < subject.net.L:
        blocks.append(equation(subject, builder.wish(subject.place), subject.derivative))
    elif kind == "x":
        blocks += _outer(subject, at[0], subject.derivative)
    else:
        spelled = subject.notation.spell(Symbol("delta", l, at))
        if spelled != subject.derivative:
            blocks.append(Equation(subject.derivative, (("=", (spelled,)),)))
        blocks += _delta(subject, l, at[0])
    return blocks


def recursion(subject: Subject) -> list[Block]:
    """Every δ that the rule stands on, layer by layer down to the loss."""
    kind, l, at = subject.place
    net, L = subject.net, subject.net.L
    if kind == "x" and l == L:
        return []
    blocks: list[Block] = []
    if kind == "w":
        nodes, layers = [at[1]], range(l, L)
    elif kind == "x":
        nodes = _largest_nodes(subject, Builder(subject.example).wish(subject.place))
        layers = range(l, L)
    else:
        nodes, layers = _above(subject, l, at[0]), range(l + 1, L)
    hidden = _left_out(layers)
    for m in layers:
        if m in hidden:
            if m == hidden[0]:
                text = f"δ of the layers {hidden[0]} to {hidden[-1]} follows by the same rule."
                blocks.append(Paragraph((text,)))
                nodes = _all_or_first(net.sizes[hidden[-1] + 2])
            continue
        for node in nodes:
            blocks += _delta(subject, m, node)
        if len(nodes) < _needed(subject, m):
            blocks.append(
                Paragraph(
                    (f"The other {_needed(subject, m) - len(nodes):,} δ of this layer likewise.",)
                )
            )
        nodes = _above(subject, m, nodes[0])
    if not blocks:
        return []
    # the outputs of a softmax stand under every δ of the last layer
    return [Heading(("Down to the loss",)), *dict.fromkeys(blocks)]


def legend(subject: Subject) -> list[Block]:
    """Every symbol, defined once."""
    net, notation = subject.net, subject.notation
    total, output = notation.total("l", "j"), notation.output("l", "i")
    delta = notation.delta("l", "j")
    weighted = sum_sign("i", None) + notation.weight("l", "i", "j") + GAP + output
    rows: list[tuple[tuple[str | Piece, ...], ...]] = []
    bias = notation.weight("l", 0, "j")
    rows.append(((total,), ("weighted sum into node j of layer l+1: ", bias, " + ", weighted)))
    rows.append(
        (
            (notation.output("l+1", "j"),),
            ("output of that node: ", notation.apply(notation.activation, total)),
        )
    )
    derivative = notation.derivative(Symbol("S", "l", ("j",)))
    if derivative != delta:
        rows.append(((delta,), ("derivative of the loss by the sum: ", derivative)))
    else:
        rows.append(((delta,), ("derivative of the loss by the sum",)))
    rows.append(((notation.goal("k"),), ("target of output k",)))
    rows.append(
        (
            (notation.loss,),
            (f"loss of one example ({net.loss}): ", _loss_formula(subject)),
        )
    )
    for name in dict.fromkeys(net.activations):
        g, g_prime = ACTIVATIONS[name]
        layers = [str(l) for l, other in enumerate(net.activations) if other == name]
        shown = ", ".join(layers[:3]) + (f", … {layers[-1]}" if len(layers) > 3 else "")
        where = f"l = {shown}: {LABELS.get(name, name)} of the sum s, "
        symbol = formula(
            f"{notation.activation}, {notation.activation}′",
            f"{notation.activation}, {notation.activation}'",
        )
        rows.append(((symbol,), (where, g, "; derivative ", g_prime)))
    blocks: list[Block] = [Heading(("Symbols",)), Table((("symbol",), ("meaning",)), tuple(rows))]
    if notation.name != "C":
        blocks.append(Paragraph((f"Notation {notation.name}: {notation.words}.",)))
    return blocks


def forward(subject: Subject) -> list[Block]:
    """How the sum or output that is asked for comes about (S and x only)."""
    kind, l, at = subject.place
    if kind == "w" or kind == "delta" or (kind == "x" and l == 0):
        return []
    layer, j = (l, at[0]) if kind == "S" else (l - 1, at[0])
    step = Builder(subject.example).weighted_sum(layer, j)
    left = subject.notation.total(layer, j)
    blocks: list[Block] = [Heading(("Its own value",)), equation(subject, step, left)]
    if kind == "x":
        name = subject.net.activations[l - 1]
        if name == "softmax":
            side = formula("softmax", r"\mathrm{softmax}"), THIN, left
            spelled = side[0] + side[1] + left
        else:
            spelled = subject.notation.apply(subject.notation.activation, left)
        blocks.append(
            Equation(
                subject.name,
                (("=", (spelled,)), _value_side(subject.own_value)),
            )
        )
    return blocks


def _loss_formula(subject: Subject) -> Piece:
    """f with the reader's letters for outputs and targets."""
    notation, written = subject.notation, LOSSES[subject.net.loss][0]
    x, y = notation.output("L", "k"), notation.goal("k")
    plain = written.plain.replace("y_k", y.plain).replace("x_k", x.plain)
    # the output's letter may be y, but then it has its layer: y_k is replaced first
    return formula(plain, written.latex.replace("y_k", y.latex).replace("x_k", x.latex))


def _mean_rule(subject: Subject) -> list[Block]:
    """∂f/∂w_ij as the mean over the examples, and the examples' rows."""
    l, (i, j) = subject.place.l, subject.place.indices
    notation, N = subject.notation, subject.examples
    divisor = subject.divisor
    assert divisor is not None
    delta, source = notation.delta(l, j), notation.output(l, i)
    product = of_example(delta if i == 0 else delta + GAP + source)
    over = Piece(f"1/{N:,}\u00a0", rf"\frac{{1}}{{{N}}} ", f"<mfrac><mn>1</mn><mn>{N}</mn></mfrac>")
    sign = sum_sign("n", N - 1, first=0)
    formula_side = (sign + product,) if divisor == 1 else (over + sign + product,)
    products = subject.products
    sides = (("=", formula_side), _value_side(subject.value))
    order = list(range(N))
    what = "Each example's product"
    if N > MOST_EXAMPLES:
        by_size = sorted(range(N), key=lambda n: -abs(products[n]))
        order = by_size[:LARGEST_EXAMPLES]
        what = f"The {LARGEST_EXAMPLES} largest of the {N:,} examples' products, by size"
        if not any(products):
            what = f"The first {LARGEST_EXAMPLES} of the {N:,} examples' products, all of them 0"
    rows: list[tuple[Sentence, ...]] = []
    for n in order:
        assert subject.trace.delta is not None
        numbers = (subject.trace.delta[l][n, j - 1], subject.trace.x[l][n, i], products[n])
        rows.append(((str(n),), *((number(float(v)),) for v in numbers)))
    shown = subject.example.n
    return [
        Heading(("Rule",)),
        Paragraph(
            (f"The {subject.which}, n counted from 0; what is in brackets is that of example n:",)
        ),
        Equation(subject.derivative, sides),
        Paragraph((f"{what}:",)),
        Table((("n",), (delta,), (source if i else "1",), ("product",)), tuple(rows)),
        Paragraph((f"From here on: example {shown}, {_why_shown(products, shown)}.",)),
        equation(subject, Builder(subject.example).gradient(subject.place), subject.derivative),
    ]


def _why_shown(products: Sequence[float], shown: int) -> str:
    """What is true of the example that stands for all of them."""
    if len(products) == 1:
        return "the only one"
    if not any(products):
        return "the first of them, whose products are all 0"
    alike = sum(abs(product) == abs(products[shown]) for product in products)
    if alike > 1:
        return f"the first of {alike:,} whose products are the largest by size"
    return "whose product is the largest by size"


def _delta(subject: Subject, l: int, j: int) -> list[Block]:
    """δ_j^(l), and in the last layer what it is made of."""
    example, notation = subject.example, subject.notation
    builder = Builder(example)
    left = notation.delta(l, j)
    blocks: list[Block] = [equation(subject, builder.delta(l, j), left)]
    if l < subject.net.L - 1 or example.absorbed:
        return blocks
    outputs = _all_or_first(subject.net.sizes[-1]) if example.dense else [j]
    for k in outputs:
        blocks += _outer(subject, k, notation.spell(Symbol("dfdx", l + 1, (k,))))
        if example.dense:
            jacobian = Symbol("jacobian", l, (k, j))
            steps = builder.softmax(k, j)
            blocks.append(equation(subject, steps[-1], notation.spell(jacobian)))
    return blocks


def _outer(subject: Subject, k: int, left: Piece) -> list[Block]:
    """∂f/∂x_k of an output, with numbers."""
    net, notation, example = subject.net, subject.notation, subject.example
    x, y = notation.output(net.L, k), notation.goal(k)
    L = net.L
    xv, yv = (float(example.value(Symbol(kind, L, (k,)))) for kind in ("x", "y"))
    value = float(example.value(Symbol("dfdx", L, (k,))))
    sides = []
    for a, b, exact in ((x, y, True), (operand(xv), operand(yv), _exact(xv, yv))):
        sides.append(("=" if exact else "≈", (_loss_slope(net.loss, a, b, net.sizes[-1]),)))
    return [Equation(left, (*sides, _value_side(value)))]


def _loss_slope(loss: str, x: Piece, y: Piece, outputs: int) -> Piece:
    """∂f/∂x with x and y in it."""
    minus = operator("−", "-")
    over = operator("/", "/")
    if loss == "cross_entropy":
        return negated(y) + over + x
    one = number(1)
    if loss == "binary_cross_entropy":
        return (
            _OPEN
            + x
            + minus
            + y
            + _CLOSE
            + over
            + _OPEN
            + x
            + GAP
            + (_OPEN + one + minus + x + _CLOSE + _CLOSE)
        )
    error = _OPEN + y + minus + x + _CLOSE
    if loss == "half_sse":
        return negated(error)
    twice = number(-2) + GAP + error
    return twice + over + number(outputs) if loss == "mse" else twice


def equation(subject: Subject, step: Step, left: Piece) -> Equation:
    """A step as symbols, as numbers, and its value."""
    if len(step.terms[0]) == 1:
        return _difference(subject, step, left)
    value = _value_side(float(step.value))
    terms, times = step.terms, step.times
    chosen = _chosen(step)
    spelled = [_symbols(subject, term) for term in terms] if len(chosen) == len(terms) else []
    numbers = [_numbers(terms[at], leading=at == chosen[0]) for at in chosen]
    after = None if times is None else subject.notation.spell(times.symbol)
    after_number = None if times is None else operand(float(times.value))
    used = [float(f.value) for at in chosen for f in terms[at]]
    used += [] if times is None else [float(times.value)]
    sign = "=" if _exact(*used) and len(chosen) == len(terms) else "≈"
    if len(chosen) == len(terms):
        sides = [("=", _sum(spelled, after, GAP)), (sign, _sum(numbers, after_number, TIMES))]
    else:
        general = _general(subject, step)
        if after is not None:
            general = _OPEN + general + _CLOSE
        sides = [("=", _sum([general], after, GAP))]
        rest = _rest(step, chosen)
        largest = [*(_symbols(subject, terms[at]) for at in chosen), DOTS]
        sides.append(("=", _sum(largest, after, GAP)))
        sides.append(("≈", _sum([*numbers, rest], after_number, TIMES)))
    if sides[-1][1] == value[1]:
        sides.pop()
    return Equation(left, (*sides, value))


def _difference(subject: Subject, step: Step, left: Piece) -> Equation:
    """first − second, whose terms are single numbers, the second with a minus sign."""
    (first,), (second,) = step.terms
    symbol = subject.notation.spell(second.symbol._replace(negative=False))
    values = float(first.value), -float(second.value)
    minus = operator("−", "-")
    sides = (
        ("=", (subject.notation.spell(first.symbol) + minus + symbol,)),
        ("=" if _exact(*values) else "≈", (number(values[0]) + minus + operand(values[1]),)),
        _value_side(float(step.value)),
    )
    return Equation(left, sides)


def _general(subject: Subject, step: Step) -> Piece:
    """Σ_k of the general term; the index letter is the one that runs."""
    first, second = step.terms[0][0].symbol, step.terms[0][1].symbol
    letter = "j" if step.symbol.kind == "x" else "i" if step.symbol.kind == "S" else "k"
    symbols = []
    for symbol in (first, second):
        at = symbol.indices
        if symbol.kind == "w":
            i, j = at
            at = (letter, j) if step.symbol.kind == "S" else (i, letter)
        elif symbol.kind == "jacobian":
            at = (letter, at[1])
        else:
            at = (letter,)
        symbols.append(subject.notation.spell(Symbol(symbol.kind, symbol.l, at)))
    shift = step.symbol.kind == "S"
    sign = sum_sign(letter, len(step.terms) - shift)
    body = sign + join(symbols, GAP)
    if not shift:
        return body
    bias = subject.notation.spell(first._replace(indices=(0, first.indices[1])))
    return bias + PLUS + body


def _rest(step: Step, chosen: Sequence[int]) -> Piece:
    """The sum of the terms that are not written out, as one number in braces."""
    kept = set(chosen)
    rest = 0.0
    for at, term in enumerate(step.terms):
        if at not in kept:
            rest += float(term[0].value) * float(term[1].value)
    others = count(len(step.terms) - len(chosen))
    value = number(rest)
    label = Piece(f"[{others}\u00a0others:\u00a0", rf"[\text{{{others} others: }}", "<mo>[</mo>")
    words = Piece("", "", f"<mtext>{others} others:\u00a0</mtext>")
    return label + words + value + Piece("]", "]", "<mo>]</mo>")


def _chosen(step: Step) -> list[int]:
    """Which terms are written out."""
    if len(step.terms) <= MOST_TERMS:
        return list(range(len(step.terms)))
    sizes = [abs(float(term[0].value) * float(term[1].value)) for term in step.terms]
    by_size = sorted(range(len(sizes)), key=lambda at: -sizes[at])
    return sorted(by_size[:LARGEST_TERMS])


def _symbols(subject: Subject, term: Sequence[Factor]) -> Piece:
    """A term in symbols; the constant input of a bias is left out."""
    shown = [f for f in term if not (f.symbol.kind == "x" and f.symbol.indices == (0,))]
    return join([subject.notation.spell(f.symbol, float(f.value)) for f in shown], GAP)


def _numbers(term: Sequence[Factor], *, leading: bool) -> Piece:
    """A term in numbers; the first number of a sum needs no brackets."""
    shown = [f for f in term if not (f.symbol.kind == "x" and f.symbol.indices == (0,))]
    first, *others = (float(f.value) for f in shown)
    head = number(first) if leading else operand(first)
    return join([head, *map(operand, others)], TIMES)


def _sum(terms: Sequence[Piece], after: Piece | None, gap: Piece) -> Side:
    """Terms between which a line may be broken, in brackets if a factor comes after them."""
    terms = list(terms)
    if after is not None and len(terms) > 1:
        terms = [_OPEN + terms[0], *terms[1:-1], terms[-1] + _CLOSE]
    if after is not None:
        terms[-1] = terms[-1] + gap + after
    return (terms[0], *(PLUS + term for term in terms[1:]))


def _value_side(value: float) -> tuple[str, Side]:
    return "=" if shown_exactly(value) else "≈", (number(value),)


def _exact(*values: float) -> bool:
    return all(shown_exactly(value) for value in values)


def _needed(subject: Subject, m: int) -> int:
    """How many δ of layer m the derivative stands on."""
    kind, l, _ = subject.place
    return 1 if m == l and kind != "x" else subject.net.sizes[m + 1]


def _above(subject: Subject, m: int, j: int) -> list[int]:
    """The nodes above node j of layer m+1 whose δ are written out."""
    if m + 1 >= subject.net.L:
        return []
    return _largest_nodes(subject, Builder(subject.example).delta(m, j))


def _largest_nodes(subject: Subject, step: Step) -> list[int]:
    """The nodes of the terms that a step writes out."""
    return [at + 1 for at in _chosen(step)]


def _all_or_first(nodes: int) -> list[int]:
    return list(range(1, (nodes if nodes <= MOST_TERMS else LARGEST_TERMS) + 1))


def _left_out(layers: range) -> range:
    """The layers in the middle whose δ are not written out."""
    if len(layers) <= FIRST_LAYERS + LAST_LAYERS:
        return range(0)
    return layers[FIRST_LAYERS : len(layers) - LAST_LAYERS]
