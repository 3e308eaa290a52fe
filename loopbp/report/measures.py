"""The numbers that the rules compare with their limits, made from the evidence.

A measure is an array (T, L), a number for each recorded step and layer of weights, or (T, 1) where
it is about the whole network; NaN where it has no meaning.
"""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from .evidence import Array, Evidence

#: A node that is off in fewer examples than this proves nothing.
FEWEST_EXAMPLES = 16

#: Whether a loss has stopped falling is asked from so many steps on.
FEWEST_LOSSES = 100

#: A step that changes weights by more than this share of their L2 norm may overshoot.
LARGE_STEP = 0.5

#: A loss that has reached this share of where it began has not merely stopped falling.
STILL_HIGH = 0.9


def nonfinite(e: Evidence) -> Array:
    """How many numbers of the layer are NaN or infinite."""
    return e.get("nonfinite")


def zero_share(e: Evidence) -> Array:
    """The share of the layer's gradient that is exactly 0."""
    return e.get("zeros")


def mean_abs(e: Evidence) -> Array:
    """The mean |∂f/∂w| of the layer."""
    return e.get("mean_abs")


def to_largest_above(e: Evidence) -> Array:
    """Mean |∂f/∂w| over the largest of the layers nearer the output."""
    return _to_above(e, np.fmax, -np.inf)


def to_smallest_above(e: Evidence) -> Array:
    """Mean |∂f/∂w| over the smallest of the layers nearer the output."""
    return _to_above(e, np.fmin, np.inf)


def _to_above(e: Evidence, choose: np.ufunc, nothing: float) -> Array:
    """Layers that no gradient reaches are left out."""
    mean = np.where(e.get("zeros") < 1, e.get("mean_abs"), np.nan)
    found = np.full(mean.shape, np.nan)
    chosen = np.full(len(mean), nothing)
    for l in reversed(range(e.L)):
        known = np.isfinite(chosen) & (chosen > 0)
        found[known, l] = mean[known, l] / chosen[known]
        chosen = choose(chosen, mean[:, l])
    return found


def norm_to_weights(e: Evidence) -> Array:
    """√(Σ (∂f/∂w)²), or that over √(Σ w²) where it is smaller."""
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(e.get("weight_l2") > 0, e.get("l2") / e.get("weight_l2"), np.nan)
    return np.minimum(e.get("l2"), ratio)


def growth(e: Evidence) -> Array:
    """√(Σ (∂f/∂w)²) over that of the whole network's first gradient, where the loss has risen."""
    l2 = e.get("l2")
    first = float(np.sqrt(np.nansum(np.square(l2[0])))) if len(l2) else 0.0
    if len(l2) < 2 or not 0 < first < np.inf:
        return np.full(l2.shape, np.nan)
    loss = np.interp(e.steps, e.loss_steps, e.losses) if len(e.losses) else np.full(len(l2), np.inf)
    risen = ~(loss <= loss[0]) if len(e.losses) else np.ones(len(l2), bool)
    return np.where(risen[:, None], l2 / first, np.nan)


def dead(e: Evidence) -> Array:
    """The share of ReLU nodes that are 0 in every example, where there are enough examples."""
    if e.examples is None or e.examples < FEWEST_EXAMPLES:
        return np.full_like(e.get("dead"), np.nan)
    return e.get("dead")


def saturated(e: Evidence) -> Array:
    """The share of outputs of a hidden layer at which |g′(S)| is below 1 % of its maximum."""
    return _hidden(e, e.get("saturated"))


def saturated_hard(e: Evidence) -> Array:
    """The share of S of a hidden layer outside (−23, 17) for sigmoid, ±9.5 for tanh."""
    return _hidden(e, e.get("saturated_hard"))


def _hidden(e: Evidence, values: Array) -> Array:
    """Without the output, which may well be sure of its answers."""
    return np.where(np.arange(e.L) < e.L - 1, values, np.nan)


def copies(e: Evidence) -> Array:
    """The share of a hidden layer's nodes that are copies of another one of the layer.

    Such nodes have the same weights in and out, so that the same step changes them the same way.
    """
    if "copies" in e.numbers:
        return e.numbers["copies"]
    alike = e.get("alike")
    both = np.minimum(alike, np.hstack([alike[:, 1:], np.full((len(alike), 1), np.nan)]))
    alone = np.array([e.sizes is not None and n == 1 for n in (e.sizes or (0,) * (e.L + 1))[1:]])
    return np.where(alone, np.nan, both)


def scale(e: Evidence) -> Array:
    """The standard deviation of the weights over the nearest that LeCun, Glorot or He advise.

    √(1/n_l), √(2/(n_l + n_{l+1})) and √(2/n_l); 1 between the smallest and the largest of them. NaN
    where all weights are the same, which is for `copies`.
    """
    std = e.get("weight_std")
    if e.sizes is None:
        return np.full(std.shape, np.nan)
    into, out = np.array(e.sizes[:-1], float), np.array(e.sizes[1:], float)
    low, high = _advised(into, out)
    same = std <= 1e-9 * e.get("weight_l2") / np.sqrt((into + 1) * out)
    return np.where(same, np.nan, std / np.clip(std, low, high))


def _advised(into: Array, out: Array) -> tuple[Array, Array]:
    """The smallest and the largest standard deviation that LeCun, Glorot and He advise (L,).

    into and out (L,): n_l and n_{l+1}.
    """
    advised = np.sqrt([1 / into, 2 / (into + out), 2 / into])
    return advised.min(axis=0), advised.max(axis=0)


def scale_spread(e: Evidence) -> Array:
    """The largest variance of a layer's weights over the smallest."""
    variance = np.square(e.get("weight_std"))
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio: Array = variance.max(axis=1, keepdims=True) / variance.min(axis=1, keepdims=True)
    return ratio


def update_weight(e: Evidence) -> Array:
    """√(Σ (change of w)²) over √(Σ w²) in one step; a step of exactly 0 is for `zero_share`."""
    values = e.get("update_weight")
    known = np.isfinite(values) & (values > 0) & (e.get("weight_l2") > 0)
    return np.where(known, values, np.nan)


def overshoot(e: Evidence) -> Array:
    """`update_weight` of steps of some size, but not in the first tenth of a run that ends well.

    A step of some size would be large for weights of the usual size as well: weights that are 0 or
    tiny hold nothing that it could throw away. A run ends well where the last tenth of the losses
    is below half of the best constant answer's or, where that is not known, of the first tenth: a
    rough start did no harm.
    """
    moves = update_weight(e)
    with np.errstate(invalid="ignore"):
        moves[moves * e.get("weight_l2") <= LARGE_STEP * _usual_l2(e)] = np.nan
    tenth = max(1, len(e.losses) // 10)
    if not len(e.losses):
        return moves
    reference = float(np.mean(e.losses[:tenth])) if e.baseline is None else e.baseline
    if np.mean(e.losses[-tenth:]) < reference / 2:
        moves[: math.ceil(len(moves) / 10)] = np.nan
    return moves


def _usual_l2(e: Evidence) -> Array:
    """The smallest L2 norm of weights as LeCun, Glorot and He advise (L,); 0 if it is not known."""
    if e.sizes is None:
        return np.zeros(e.L)
    into, out = np.array(e.sizes[:-1], float), np.array(e.sizes[1:], float)
    usual: Array = np.sqrt(into * out) * _advised(into, out)[0]
    return usual


def lag(e: Evidence) -> Array:
    """The relative update of the layer that moves fastest over that of this one."""
    moves = update_weight(e)
    return np.fmax.reduce(moves, axis=1, keepdims=True) / moves


def flat(e: Evidence) -> Array:
    """The largest mean |∂f/∂w| of a layer, unless the loss has come down to half its baseline.

    A gradient of exactly 0 is for `zero_share`.
    """
    largest: Array = e.get("mean_abs").max(axis=1, keepdims=True)
    largest = np.where(largest > 0, largest, np.nan)
    if e.baseline is None or not len(e.losses) or not len(e.steps):
        return largest
    loss = np.interp(e.steps, e.loss_steps, e.losses)[:, None]
    return np.where(loss <= e.baseline / 2, np.nan, largest)


def fall(e: Evidence) -> Array:
    """By which share of itself the loss fell, from the second tenth of the run to the last.

    Known from `FEWEST_LOSSES` steps on, for a loss that is still at `STILL_HIGH` of the best
    constant answer's, or, where that is not known, of its own first tenth.
    """
    found = np.full((len(e.steps), 1), np.nan)
    tenth = len(e.losses) // 10
    if len(e.losses) < FEWEST_LOSSES or not len(found):
        return found
    begin, early, last = (
        float(np.mean(e.losses[part]))
        for part in (slice(tenth), slice(tenth, 2 * tenth), slice(-tenth, None))
    )
    reference = e.baseline if e.baseline is not None else begin
    if np.isfinite([early, last]).all() and last > STILL_HIGH * reference and early > 0:
        found[e.steps > e.loss_steps[tenth]] = 1 - last / early
    return found


def fall_in_ten_steps(e: Evidence) -> Array:
    """By which share the mean loss of the last ten steps is below that of the ten before."""
    found = np.full((len(e.steps), 1), np.nan)
    if len(e.losses) >= 20 and len(found):
        before, last = e.losses[-20:-10].mean(), e.losses[-10:].mean()
        with np.errstate(divide="ignore", invalid="ignore"):
            found[-1] = 1 - last / before
    return found


MEASURES: dict[str, Callable[[Evidence], Array]] = {
    measure.__name__: measure
    for measure in (
        nonfinite,
        zero_share,
        mean_abs,
        to_largest_above,
        to_smallest_above,
        norm_to_weights,
        growth,
        dead,
        saturated,
        saturated_hard,
        copies,
        scale,
        scale_spread,
        update_weight,
        overshoot,
        lag,
        flat,
        fall,
        fall_in_ten_steps,
    )
}
