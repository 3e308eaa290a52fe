"""What is to be said where nothing is wrong: how the layers compare, and where zeros come from."""

from __future__ import annotations

from collections.abc import Sequence
from typing import NamedTuple

from .formats import listing, percent, prose
from .statistics import LayerGradient, Nodes

#: The largest ratio between the mean |∂f/∂w| of two layers that passes without remark.
EVEN = 10.0

#: The share of exact zeros in a layer's gradient that is remarked on.
ZEROS = 0.01


class Remark(NamedTuple):
    """A finding that is no alarm: its name, layer, value and threshold, and the words."""

    name: str
    layer: int
    value: float
    threshold: float | None
    clause: str


def comparison(layers: Sequence[LayerGradient]) -> Remark:
    """How the layers compare where nothing is wrong."""
    alive = [layer for layer in layers if layer.mean_abs > 0] or list(layers)
    low, high = min(alive, key=_mean), max(alive, key=_mean)
    if len(layers) == 1:
        clause = (
            f"the network has one layer of weights, so that no gradient has to travel back: its "
            f"mean |∂f/∂w| is {prose(low.mean_abs)}, its largest {prose(low.max_abs)}, and it "
            "does not explode"
        )
        return Remark("single", 0, low.mean_abs, None, clause)
    spread = high.mean_abs / low.mean_abs
    if spread <= EVEN:
        first, last = alive[0], alive[-1]
        ratio = first.mean_abs / last.mean_abs
        clause = (
            f"the gradient reaches every layer: layer {first.l} carries "
            f"{ratio:.2f} times the mean |∂f/∂w| of layer {last.l}, "
            "the last, and none vanishes or explodes"
        )
        return Remark("even", first.l, ratio, None, clause)
    clause = (
        f"the gradient reaches every layer, but unevenly: layer {low.l}'s mean |∂f/∂w| is "
        f"{prose(1 / spread)} times that of layer {high.l}, so that with one learning rate a step "
        f"of gradient descent moves its weights {prose(spread)} times less on average"
    )
    return Remark("uneven", low.l, spread, EVEN, clause)


def zeros(layers: Sequence[LayerGradient]) -> Remark | None:
    """Dead ReLU nodes, or else the layer with the largest share of exact zeros and why."""
    dead = [layer for layer in layers if layer.dead.count]
    if dead:
        worst = max(dead, key=lambda layer: layer.dead.count / layer.n_out)
        return Remark("dead nodes", worst.l, worst.dead.count / worst.n_out, None, dead_nodes(dead))
    layer = max(layers, key=lambda layer: layer.zeros)
    if layer.zeros < ZEROS:
        return None
    clause = f"{percent(layer.zeros)} of layer {layer.l}'s entries are exactly 0{_reasons(layer)}"
    return Remark("zeros", layer.l, layer.zeros, ZEROS, clause)


def dead_nodes(layers: Sequence[LayerGradient]) -> str:
    """The layer with the largest share of dead ReLU nodes, and what they do to its gradient."""
    worst = max(layers, key=lambda layer: layer.dead.count / layer.n_out)
    share = worst.dead.count / worst.n_out
    clause = (
        f"{worst.dead.count:,} of {worst.n_out:,} ReLU nodes of layer {worst.l + 1} "
        f"{are_dead(worst.dead.count)}{_numbers('j', worst.dead)}, which makes {percent(share)} "
        f"of layer {worst.l}'s entries exactly 0"
        + (f" ({percent(worst.zeros)} with other causes)" if _beyond(worst, share) else "")
    )
    others = sum(layer.dead.count for layer in layers) - worst.dead.count
    if others:
        clause += f"; {others:,} more {'is' if others == 1 else 'are'} dead in other layers"
    return clause


def why_zero(layer: LayerGradient) -> str:
    """The reason why every entry of a layer's gradient is 0."""
    if layer.dead.count == layer.n_out:
        nodes = "the only ReLU node" if layer.n_out == 1 else f"all {layer.n_out} ReLU nodes"
        return f"{nodes} of layer {layer.l + 1} {are_dead(layer.n_out)}"
    if layer.zero_deltas.count < layer.n_out:
        return f"the products of δ and x in layer {layer.l} add up to 0 over the examples"
    if layer.cut_off:
        return f"all weights of layer {layer.l + 1} that would carry it back are 0"
    return f"δ of layer {layer.l} is 0 in every example"


def are_dead(count: int) -> str:
    """is dead, or are dead."""
    return f"{'is' if count == 1 else 'are'} dead, 0 in every example"


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


def _mean(layer: LayerGradient) -> float:
    return layer.mean_abs
