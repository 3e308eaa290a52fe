"""An alarm in words, with its cause: from the checkpoint, or from the run."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence

import numpy as np

from .alarms import Alarm
from .evidence import Evidence
from .formats import listing, percent, prose
from .remarks import dead_nodes, why_zero
from .statistics import LayerGradient

#: What went wrong, in the legend's letters.
LETTERS = {"delta": "δ", "gradient": "∂f/∂w", "weight": "w", "update": "the change of w"}

Clause = Callable[[Sequence[Alarm], Alarm, Evidence], str]


def at_checkpoint(alarms: Sequence[Alarm], e: Evidence) -> tuple[Alarm, str]:
    """The worst of the alarms (of one name) and all of them in words."""
    worst = _worst(alarms)
    clause = _CHECKPOINT.get(worst.name) or _RUN[worst.name]
    return worst, clause(alarms, worst, e)


def in_run(alarms: Sequence[Alarm], e: Evidence) -> tuple[Alarm, str]:
    """The worst of the alarms (of one name) and all of them in words, with the steps."""
    worst = _worst(alarms)
    return worst, _RUN[worst.name](alarms, worst, e) + _when(worst, e)


def layer_names(numbers: Sequence[int]) -> str:
    """Layer 2; layers 0 and 1; layers 0 to 5; every layer is named, in network order."""
    if len(numbers) == 1:
        return f"layer {numbers[0]}"
    if len(numbers) > 2 and list(numbers) == list(range(numbers[0], numbers[-1] + 1)):
        return f"layers {numbers[0]} to {numbers[-1]}"
    return f"layers {listing([str(l) for l in numbers])}"


def _layers(alarms: Sequence[Alarm]) -> str:
    return layer_names([alarm.layer for alarm in alarms if alarm.layer is not None])


def _worst(alarms: Sequence[Alarm]) -> Alarm:
    """The alarm that is farthest from its limit; where zeros or a NaN travel, the origin."""
    if alarms[0].name in ("non-finite", "cut off"):
        return alarms[-1]
    if alarms[0].rule.beyond == "below":
        return min(alarms, key=lambda alarm: alarm.value)
    return max(alarms, key=lambda alarm: alarm.value)


def _when(alarm: Alarm, e: Evidence) -> str:
    """The steps at which an alarm was seen, as a parenthesis."""
    if alarm.rule.when == "first" or len(e.steps) == 1:
        return ""
    if alarm.rule.when == "last" or alarm.name in ("non-finite", "plateau"):
        return ""
    if alarm.share == 1:
        return ", at every recorded step"
    if alarm.step == alarm.last_step:
        return f", at step {alarm.step:,}"
    return (
        f", at {percent(alarm.share)} of the recorded steps, from {alarm.step:,} to "
        f"{alarm.last_step:,}"
    )


def _limit(alarm: Alarm) -> str:
    return f"(threshold {prose(alarm.rule.limit)}"


def _non_finite(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    origin = e.causes[worst.layer or 0]
    numbers = f"mean |∂f/∂w| {prose(origin.mean_abs)}, norm of δ {prose(origin.delta_norm)}"
    return (
        f"the gradient is not finite in {_layers(alarms)}: going backward this begins in layer "
        f"{origin.l} ({numbers}), and no step along it makes sense"
    )


def _non_finite_run(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    if e.origin is None:
        return f"numbers are not finite in {_layers(alarms)}"
    letter = LETTERS.get(e.origin.quantity, e.origin.quantity)
    where = letter if e.origin.layer is None else f"{letter} of layer {e.origin.layer}"
    return f"training stops at step {e.origin.step:,}, because {where} is no longer finite"


def _all_zero(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    where = "in every layer" if e.L > 1 else "in every entry"
    because = f": {why_zero(e.causes[-1])}" if e.causes else ""
    return f"the gradient is exactly 0 {where}, so training cannot move{because}"


def _cut_off(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    text = f"no gradient reaches {_layers(alarms)}: every entry is exactly 0"
    assert worst.layer is not None
    if e.causes:
        return f"{text}, because {why_zero(e.causes[worst.layer])}"
    at = int(np.searchsorted(e.steps, worst.step))
    if e.get("dead")[at, worst.layer] == 1:
        return f"{text}, because all ReLU nodes of layer {worst.layer + 1} are dead"
    return text


def _poor(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    if worst.rule.measure == "copies":
        share = "all" if worst.value == 1 else percent(worst.value)
        return (
            f"{'' if e.causes else 'training started with '}nodes that are copies of each other in "
            f"{_nodes(alarms)}: {share} of them have the same weights as another one, so that they "
            "cannot learn different things"
        )
    if worst.rule.measure == "scale_spread":
        return (
            f"training started with weights of very different size: the largest variance of a "
            f"layer is {prose(worst.value)} times the smallest {_limit(worst)})"
        )
    large = worst.value > 1
    times = f"{prose(worst.value if large else 1 / worst.value)} times "
    return (
        f"training started with weights that are too {'large' if large else 'small'} in "
        f"{_layers(alarms)}: in layer {worst.layer} {times}{'larger' if large else 'smaller'} than "
        f"LeCun, Glorot and He advise {_limit(worst)})"
    )


def _dead(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    return dead_nodes([layer for layer in e.causes if layer.dead.count])


def _dead_run(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    assert worst.layer is not None
    others = [alarm for alarm in alarms if alarm is not worst]
    also = f" (and more than half of those of {_nodes(others)})" if others else ""
    return (
        f"up to {percent(worst.value)} of the ReLU nodes of layer {worst.layer + 1}{also} are "
        "dead, 0 in every example of a mini-batch"
    )


def _saturated(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    assert worst.layer is not None
    passed = f", passed in {_nodes(alarms)}" if len(alarms) > 1 else ""
    hard = " far" if worst.rule.measure == "saturated_hard" else ""
    return (
        f"{'' if e.causes else 'up to '}{percent(worst.value)} of the outputs of layer "
        f"{worst.layer + 1} are{hard} in saturation, where g′ is next to 0 (threshold "
        f"{percent(worst.rule.limit)}{passed}), so that hardly any gradient gets through"
    )


def _nodes(alarms: Sequence[Alarm]) -> str:
    """The layers of nodes that the alarms' weights lead to."""
    return layer_names([alarm.layer + 1 for alarm in alarms if alarm.layer is not None])


def _exploding(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    times = prose(worst.value)
    if worst.rule.measure == "norm_to_weights":
        return (
            f"the gradient explodes in {_layers(alarms)}: its L2 norm is {times} times that of "
            f"the weights in layer {worst.layer} {_limit(worst)}), so that a step with any usual "
            "learning rate throws them away"
        )
    if worst.rule.measure == "growth":
        return (
            f"the gradient explodes in {_layers(alarms)}: in layer {worst.layer} its L2 norm comes "
            f"to {times} times the whole network's first {_limit(worst)}), and the loss rises"
        )
    passed = f", passed in {_layers(alarms)}" if len(alarms) > 1 else ""
    cause = ""
    if e.causes and worst.layer is not None:
        layer = e.causes[worst.layer]
        above = min(
            (one for one in e.causes[layer.l + 1 :] if one.zeros < 1), key=lambda one: one.mean_abs
        )
        cause = f", {_cause(layer, above)}"
        return (
            f"the gradient explodes towards the input: layer {layer.l}'s mean |∂f/∂w| is {times} "
            f"times that of layer {above.l} {_limit(worst)}{passed}){cause}"
        )
    return (
        f"the gradient explodes towards the input: layer {worst.layer}'s mean |∂f/∂w| is up to "
        f"{times} times that of a layer nearer the output {_limit(worst)}{passed})"
    )


def _vanishing(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    passed = f", passed in {_layers(alarms)}" if len(alarms) > 1 else ""
    if worst.rule.measure == "mean_abs":
        return (
            f"the gradient vanishes in {_layers(alarms)}: layer {worst.layer}'s mean |∂f/∂w| is "
            f"{prose(worst.value)} {_limit(worst)})"
        )
    if not e.causes or worst.layer is None:
        return (
            f"the gradient vanishes towards the input: layer {worst.layer}'s mean |∂f/∂w| is down "
            f"to {prose(worst.value)} times that of a layer nearer the output "
            f"{_limit(worst)}{passed}){_prediction(worst, e)}"
        )
    layer = e.causes[worst.layer]
    above = max(
        (one for one in e.causes[layer.l + 1 :] if one.zeros < 1), key=lambda one: one.mean_abs
    )
    return (
        f"the gradient vanishes towards the input: layer {layer.l}'s mean |∂f/∂w| is "
        f"{prose(worst.value)} times that of layer {above.l} {_limit(worst)}{passed}), "
        f"{_cause(layer, above)}{_prediction(worst, e)}"
    )


def _prediction(worst: Alarm, e: Evidence) -> str:
    """By how much δ shrinks from layer to layer, and whether the weights' size foretells it."""
    at = int(np.searchsorted(e.steps, worst.step)) if len(e.steps) > 1 else 0
    found = e.get("delta_ratio")[at, worst.layer : -1]
    expected = e.get("delta_ratio_predicted")[at, worst.layer : -1]
    if not len(found) or not (found > 0).all() or not (expected > 0).all():
        return ""
    per_layer, foretold = (float(np.exp(np.log(v).mean())) for v in (found, expected))
    if per_layer < foretold / 3:
        return (
            f"; δ shrinks to {prose(per_layer)} of itself from layer to layer, though the size of "
            f"the weights foretells {prose(foretold)}: the nodes are saturated or off"
        )
    return (
        f"; δ comes to {prose(per_layer)} of itself from layer to layer, and the size of the "
        f"weights with g′(0) foretells {prose(foretold)}"
    )


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


def _too_large(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    passed = f", passed in {_layers(alarms)}" if len(alarms) > 1 else ""
    return (
        f"steps are too large: one changes the weights of layer {worst.layer} by "
        f"{prose(worst.value)} times their L2 norm {_limit(worst)}{passed})"
    )


def _too_small(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    passed = f", passed in {_layers(alarms)}" if len(alarms) > 1 else ""
    return (
        f"steps are too small: they change the weights of layer {worst.layer} by as little as "
        f"{prose(worst.value)} times their L2 norm {_limit(worst)}{passed})"
    )


def _uneven(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    moves = np.nan_to_num(e.get("update_weight"), posinf=0.0)
    fastest = int(np.argmax(np.median(moves, axis=0)))
    return (
        f"layer {fastest} learns up to {prose(worst.value)} times faster than layer "
        f"{worst.layer}, relative to the size of their weights {_limit(worst)})"
    )


def _plateau(alarms: Sequence[Alarm], worst: Alarm, e: Evidence) -> str:
    answer = (
        f", where one constant answer for all examples gives {prose(e.baseline, 3)}"
        if e.baseline is not None
        else ""
    )
    if worst.rule.measure == "flat":
        return (
            f"the loss is flat here: the mean |∂f/∂w| is at most {prose(worst.value)} in every "
            f"layer {_limit(worst)}), so training has arrived or is stuck on a plateau"
        )
    tenth = max(1, len(e.losses) // 10)
    early, last = e.losses[tenth : 2 * tenth].mean(), e.losses[-tenth:].mean()
    if worst.rule.measure == "fall_in_ten_steps":
        early, last = e.losses[-20:-10].mean(), e.losses[-10:].mean()
    return (
        f"the loss does not fall: {prose(float(early), 3)} early in the run and "
        f"{prose(float(last), 3)} at the end{answer}"
    )


_CHECKPOINT: dict[str, Clause] = {"non-finite": _non_finite, "dead": _dead}

_RUN: dict[str, Clause] = {
    "non-finite": _non_finite_run,
    "all zero": _all_zero,
    "cut off": _cut_off,
    "poor initialisation": _poor,
    "dead": _dead_run,
    "saturated": _saturated,
    "exploding": _exploding,
    "vanishing": _vanishing,
    "update too large": _too_large,
    "update too small": _too_small,
    "uneven learning": _uneven,
    "plateau": _plateau,
}
