"""What the numbers say: findings with their thresholds, and the one sentence made of them.

Layers of one network are compared with each other, since the absolute size of a gradient depends
on the loss, its scale and the number of weights. Two rules are absolute and say so.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from .formats import listing, percent, prose
from .statistics import LayerGradient, Nodes

#: When a finding is made. `vanishing` and `exploding` are ratios of a layer's mean |∂f/∂w| to that
#: of a layer nearer the output, `even` is the largest ratio between two layers that passes without
#: remark, `exploding_norm` the L2 norm of a layer's gradient, absolute and in multiples of its
#: weights' L2 norm (both must be exceeded), `flat` a mean |∂f/∂w| that no layer reaches, `zeros`
#: the share of exact zeros that is remarked on, and `dead` the share of dead nodes in a layer
#: beyond which they are an alarm. Absolute ones refer to the mean over the examples. `flat` and
#: `dead` are numbers of the rules VanishingGradient and DeadRelu of Amazon SageMaker Debugger.
THRESHOLDS = {
    "vanishing": 1e-3,
    "exploding": 1e3,
    "exploding_norm": 1e3,
    "even": 10.0,
    "flat": 1e-7,
    "zeros": 0.01,
    "dead": 0.5,
}


@dataclass(frozen=True)
class Finding:
    """One thing that the numbers say.

    `name` is `non-finite`, `all zero`, `cut off`, `exploding`, `vanishing`, `flat`, `uneven`,
    `even`, `single`, `dead` or `zeros`; `layer` the layer it is about; `value` the number that
    decided, and `threshold` what it was compared with, where there is one; `clause` the finding in
    words, without capital and full stop; `alarm`, whether a reader should act on it.
    """

    name: str
    layer: int
    value: float
    threshold: float | None
    clause: str
    alarm: bool = True


def findings(layers: Sequence[LayerGradient], examples: int = 1) -> tuple[Finding, ...]:
    """What is to be said of these layers, the most important first; at least one finding.

    `examples`: what the gradient must be divided by to be a mean over the examples; 1 if it is.
    """
    first = (
        _non_finite(layers)
        or _all_zero(layers)
        or _cut_off(layers)
        or _exploding_norm(layers, examples)
        or _vanishing(layers)
        or _exploding(layers)
        or _flat(layers, examples)
        or _comparison(layers)
    )
    if first.name in ("non-finite", "all zero"):
        return (first,)
    second = _zeros([layer for layer in layers if layer.zeros < 1])
    return (first,) if second is None else (first, second)


def sentence(found: Sequence[Finding]) -> str:
    """The findings as one sentence."""
    text = "; ".join(finding.clause for finding in found)
    return text[:1].upper() + text[1:] + "."


def _non_finite(layers: Sequence[LayerGradient]) -> Finding | None:
    """A NaN or an infinity; it arises going backward, so the last such layer is the origin."""
    bad = [layer for layer in layers if not layer.finite]
    if not bad:
        return None
    origin = bad[-1]
    numbers = f"mean |∂f/∂w| {prose(origin.mean_abs)}, norm of δ {prose(origin.delta_norm)}"
    return Finding(
        "non-finite",
        origin.l,
        origin.mean_abs,
        None,
        f"the gradient is not finite in {_layers(bad)}: going backward this begins in layer "
        f"{origin.l} ({numbers}), and no step along it makes sense",
    )


def _all_zero(layers: Sequence[LayerGradient]) -> Finding | None:
    """Every entry of every layer is exactly 0."""
    if any(layer.zeros < 1 for layer in layers):
        return None
    last = layers[-1]
    where = "in every layer" if len(layers) > 1 else "in every entry"
    clause = f"the gradient is exactly 0 {where}, so training cannot move: {_why_zero(last)}"
    return Finding("all zero", last.l, 1.0, 1.0, clause)


def _cut_off(layers: Sequence[LayerGradient]) -> Finding | None:
    """Layers whose every entry is exactly 0, beneath one that has a gradient."""
    cut = [layer for layer in layers if layer.zeros == 1]
    if not cut:
        return None
    last = cut[-1]
    clause = (
        f"no gradient reaches {_layers(cut)}: every entry is exactly 0, because {_why_zero(last)}"
    )
    return Finding("cut off", last.l, 1.0, 1.0, clause)


def _why_zero(layer: LayerGradient) -> str:
    """The reason why every entry of a layer's gradient is 0."""
    if layer.dead.count == layer.n_out:
        return f"{_all(layer.n_out, 'ReLU node')} of layer {layer.l + 1} {_are_dead(layer.n_out)}"
    if layer.zero_deltas.count < layer.n_out:
        return f"the products of δ and x in layer {layer.l} add up to 0 over the examples"
    if layer.cut_off:
        return f"all weights of layer {layer.l + 1} that would carry it back are 0"
    return f"δ of layer {layer.l} is 0 in every example"


def _exploding_norm(layers: Sequence[LayerGradient], examples: int) -> Finding | None:
    """A gradient that dwarfs the weights that it is to change."""
    limit = THRESHOLDS["exploding_norm"]
    bad = [
        layer
        for layer in layers
        if layer.l2 / examples > limit and 0 < layer.weight_l2 * limit < layer.l2 / examples
    ]
    if not bad:
        return None
    worst = max(bad, key=lambda layer: layer.l2 / layer.weight_l2)
    times = worst.l2 / examples / worst.weight_l2
    clause = (
        f"the gradient explodes in {_layers(bad)}: its L2 norm is {prose(times)} times that of "
        f"the weights in layer {worst.l} (threshold {prose(limit)}), so that a step with any "
        "usual learning rate throws them away"
    )
    return Finding("exploding", worst.l, times, limit, clause)


def _vanishing(layers: Sequence[LayerGradient]) -> Finding | None:
    """A layer whose mean |∂f/∂w| is tiny beside that of a layer nearer the output."""
    limit = THRESHOLDS["vanishing"]
    reached = [layer for layer in layers if layer.zeros < 1]
    bad = [
        (layer, above)
        for layer in reached[:-1]
        if layer.mean_abs < limit * (above := _largest(reached, layer.l + 1)).mean_abs
    ]
    if not bad:
        return None
    layer, above = min(bad, key=lambda pair: pair[0].mean_abs / pair[1].mean_abs)
    ratio = layer.mean_abs / above.mean_abs
    clause = (
        f"the gradient vanishes towards the input: layer {layer.l}'s mean |∂f/∂w| is "
        f"{prose(ratio)} times that of layer {above.l} (threshold {prose(limit)}"
        + (f", passed in {_layers([low for low, _ in bad])}" if len(bad) > 1 else "")
        + f"), {_cause(layer, above)}"
    )
    return Finding("vanishing", layer.l, ratio, limit, clause)


def _exploding(layers: Sequence[LayerGradient]) -> Finding | None:
    """A layer whose mean |∂f/∂w| is huge beside that of a layer nearer the output."""
    limit = THRESHOLDS["exploding"]
    alive = [layer for layer in layers if layer.mean_abs > 0]
    bad = [
        (layer, above)
        for layer in alive[:-1]
        if layer.mean_abs > limit * (above := _smallest(alive, layer.l + 1)).mean_abs
    ]
    if not bad:
        return None
    layer, above = max(bad, key=lambda pair: pair[0].mean_abs / pair[1].mean_abs)
    ratio = layer.mean_abs / above.mean_abs
    clause = (
        f"the gradient explodes towards the input: layer {layer.l}'s mean |∂f/∂w| is "
        f"{prose(ratio)} times that of layer {above.l} (threshold {prose(limit)}"
        + (f", passed in {_layers([low for low, _ in bad])}" if len(bad) > 1 else "")
        + f"), {_cause(layer, above)}"
    )
    return Finding("exploding", layer.l, ratio, limit, clause)


def _cause(layer: LayerGradient, above: LayerGradient) -> str:
    """Whether δ or x makes the larger part (in orders of magnitude) of a ratio of mean |δ x|."""
    ratio = layer.mean_abs / above.mean_abs
    halfway = math.sqrt(ratio) * _delta_per_node(above)
    by_delta = (_delta_per_node(layer) < halfway) == (ratio < 1)
    change = "smaller" if ratio < 1 else "larger"
    if by_delta:
        verb = "shrinks" if ratio < 1 else "grows"
        return f"because δ {verb} on its way back"
    return f"mostly because the x that enter layer {layer.l} are {change}"


def _delta_per_node(layer: LayerGradient) -> float:
    """The root mean square of δ_j over examples and nodes."""
    return layer.delta_norm / math.sqrt(layer.n_out)


def _flat(layers: Sequence[LayerGradient], examples: int) -> Finding | None:
    """Every layer's gradient is tiny: a place where descent hardly moves."""
    limit = THRESHOLDS["flat"]
    largest = _largest(layers, 0)
    if largest.mean_abs / examples >= limit:
        return None
    value = largest.mean_abs / examples
    clause = (
        f"the loss is flat here: the mean |∂f/∂w| is at most {prose(value)} in every layer "
        f"(threshold {prose(limit)}), so either training has arrived or it is stuck on a plateau"
    )
    return Finding("flat", largest.l, value, limit, clause)


def _comparison(layers: Sequence[LayerGradient]) -> Finding:
    """How the layers compare where nothing is wrong."""
    alive = [layer for layer in layers if layer.mean_abs > 0]
    low, high = min(alive, key=_mean), max(alive, key=_mean)
    if len(layers) == 1:
        clause = (
            f"the network has one layer of weights, so that no gradient has to travel back: its "
            f"mean |∂f/∂w| is {prose(low.mean_abs)}, its largest {prose(low.max_abs)}, and it "
            "does not explode"
        )
        return Finding("single", 0, low.mean_abs, None, clause, alarm=False)
    spread = high.mean_abs / low.mean_abs
    if spread <= THRESHOLDS["even"]:
        first, last = alive[0], alive[-1]
        ratio = first.mean_abs / last.mean_abs
        clause = (
            f"the gradient reaches every layer: layer {first.l} carries "
            f"{ratio:.2f} times the mean |∂f/∂w| of layer {last.l}, "
            "the last, and none vanishes or explodes"
        )
        return Finding("even", first.l, ratio, None, clause, alarm=False)
    clause = (
        f"the gradient reaches every layer, but unevenly: layer {low.l}'s mean |∂f/∂w| is "
        f"{prose(1 / spread)} times that of layer {high.l}, so that with one learning rate a step "
        f"of gradient descent moves its weights {prose(spread)} times less on average"
    )
    return Finding("uneven", low.l, spread, THRESHOLDS["even"], clause, alarm=False)


def _zeros(layers: Sequence[LayerGradient]) -> Finding | None:
    """Dead ReLU nodes, or else the layer with the largest share of exact zeros and why."""
    dead = [layer for layer in layers if layer.dead.count]
    if dead:
        return _dead(dead)
    layer = max(layers, key=lambda layer: layer.zeros, default=None)
    if layer is None or layer.zeros < THRESHOLDS["zeros"]:
        return None
    clause = f"{percent(layer.zeros)} of layer {layer.l}'s entries are exactly 0{_reasons(layer)}"
    return Finding("zeros", layer.l, layer.zeros, THRESHOLDS["zeros"], clause, alarm=False)


def _dead(layers: Sequence[LayerGradient]) -> Finding:
    """The layer with the largest share of dead ReLU nodes, and what they do to its gradient."""
    worst = max(layers, key=lambda layer: layer.dead.count / layer.n_out)
    share = worst.dead.count / worst.n_out
    clause = (
        f"{worst.dead.count:,} of {worst.n_out:,} ReLU nodes of layer {worst.l + 1} "
        f"{_are_dead(worst.dead.count)}{_numbers('j', worst.dead)}, which makes {percent(share)} "
        f"of layer {worst.l}'s entries exactly 0"
        + (f" ({percent(worst.zeros)} with other causes)" if _beyond(worst, share) else "")
    )
    others = sum(layer.dead.count for layer in layers) - worst.dead.count
    if others:
        clause += f"; {others:,} more {'is' if others == 1 else 'are'} dead in other layers"
    threshold = THRESHOLDS["dead"]
    return Finding("dead", worst.l, share, threshold, clause, alarm=share > threshold)


def _beyond(layer: LayerGradient, share: float) -> bool:
    """Whether more than that share of the entries, in whole numbers, is exactly 0."""
    return round(layer.zeros * layer.parameters) > round(share * layer.parameters)


def _reasons(layer: LayerGradient) -> str:
    """Where the exact zeros of a layer come from, as an apposition."""
    entries = layer.parameters
    by_input = round(layer.zeros_from_inputs * entries)
    by_delta = round(layer.zeros_from_deltas * entries)
    other = round(layer.zeros * entries) - by_input - by_delta
    noun = "input" if layer.l == 0 else "node"
    parts = []
    if by_input:
        group = _group(layer.zero_inputs, noun, "that", "i")
        parts.append((by_input, f"weights from {group}"))
    if by_delta:
        group = _group(layer.zero_deltas, "node", "whose δ", "j")
        parts.append((by_delta, f"weights into {group}"))
    if other:
        parts.append((other, "sums that come out as 0 though neither x nor δ always is"))
    if len(parts) == 1:
        return f", all of them {parts[0][1]}"
    return ": " + listing([f"{percent(count / entries)} {reason}" for count, reason in parts])


def _group(nodes: Nodes, noun: str, what: str, index: str) -> str:
    """The 3 inputs that are 0 in every example (i = 1, 33 and 40)."""
    name = f"the one {noun}" if nodes.count == 1 else f"the {nodes.count:,} {noun}s"
    verb = "are" if nodes.count > 1 and what == "that" else "is"
    return f"{name} {what} {verb} 0 in every example{_numbers(index, nodes)}"


def _numbers(index: str, nodes: Nodes) -> str:
    """(i = 1, 33 and 40); nothing where it is all of them."""
    if nodes.count == nodes.of:
        return ""
    items = [str(number) for number in nodes.first]
    return f" ({index} = {listing(items, more=nodes.count > len(items))})"


def _are_dead(count: int) -> str:
    return f"{'is' if count == 1 else 'are'} dead, 0 in every example"


def _all(count: int, noun: str) -> str:
    return f"the only {noun}" if count == 1 else f"all {count} {noun}s"


def _layers(layers: Sequence[LayerGradient]) -> str:
    """Layer 2; layers 0 and 1; layers 0 to 5; every layer is named, in network order."""
    numbers = [layer.l for layer in layers]
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if len(numbers) > 2 and numbers == list(range(numbers[0], numbers[-1] + 1)):
        return f"layers {numbers[0]} to {numbers[-1]}"
    return f"layers {listing([str(l) for l in numbers])}"


def _mean(layer: LayerGradient) -> float:
    return layer.mean_abs


def _largest(layers: Sequence[LayerGradient], start: int) -> LayerGradient:
    """The layer from number `start` on with the largest mean |∂f/∂w|."""
    return max((layer for layer in layers if layer.l >= start), key=_mean)


def _smallest(layers: Sequence[LayerGradient], start: int) -> LayerGradient:
    """The layer from number `start` on with the smallest mean |∂f/∂w|."""
    return min((layer for layer in layers if layer.l >= start), key=_mean)
