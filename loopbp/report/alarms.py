"""The alarms: the rules of a preset, applied to what a run or a checkpoint shows."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import NDArray

from ..checks import choice
from .evidence import Array, Evidence, of_frames
from .measures import MEASURES
from .presets import NON_FINITE, PRESETS, Rule
from .words import WORDS

if TYPE_CHECKING:
    import pandas as pd

COLUMNS = {
    "layer": "Int64",
    "step": "int64",
    "alarm": "object",
    "value": "float64",
    "threshold": "float64",
    "rule": "object",
    "meaning": "object",
    "advice": "object",
    "last_step": "int64",
    "share": "float64",
}


@dataclass(frozen=True)
class Alarm:
    """One thing to act on.

    `name`, a key of `words.WORDS`; `layer`, the layer of weights it is about, None for the whole
    network; `step` and `last_step`, the first and the last recorded step at which the rule held;
    `share`, at how many of the recorded steps; `value`, the measure where it was farthest from the
    rule's limit; `checkpoint`, whether it was seen in the weights at the end rather than in the
    run before.
    """

    name: str
    layer: int | None
    step: int
    last_step: int
    share: float
    value: float
    rule: Rule
    checkpoint: bool = False

    @property
    def order(self) -> tuple[int, int, int]:
        """What is to be said first: by alarm, and in network order."""
        return list(WORDS).index(self.name), -1 if self.layer is None else self.layer, self.step


def alarms(
    statistics: pd.DataFrame,
    layers: pd.DataFrame,
    losses: pd.DataFrame,
    preset: str = "relative",
    *,
    baseline: float | None = None,
) -> pd.DataFrame:
    """What is wrong in a recorded run, a row per alarm and layer, the most important first.

    `statistics`, `layers` and `losses` are the frames of that name of a `History`; `preset`,
    `relative` or `sagemaker`; `baseline`, the loss of the best constant answer, if it is known.

    Columns: layer (missing where it is the whole network), step, the first one at which the rule
    held, alarm, value, threshold, rule, meaning and advice in words, last_step, and share, of the
    recorded steps at which the rule held. Empty if all is well. Raises `ValueError` for an unknown
    preset.
    """
    choice("preset", preset, PRESETS)
    if not len(statistics):
        return frame(())
    return frame(watch(of_frames(statistics, layers, losses, baseline), preset))


def watch(evidence: Evidence, preset: str = "relative") -> tuple[Alarm, ...]:
    """The alarms of a preset, the most important first."""
    at_end = bool(evidence.causes)
    found: list[Alarm] = []
    for rule in PRESETS[choice("preset", preset, PRESETS)]:
        found += _apply(rule, evidence, at_end)
    found = _farthest(_name_all_zero(found, evidence.L))
    if at_end and any(alarm.rule is NON_FINITE for alarm in found):
        found = [alarm for alarm in found if alarm.rule is NON_FINITE]
    return ranked(found)


#: What steps that are too large can bring about.
FOLLOWS = ("all zero", "cut off", "dead", "saturated")


def ranked(found: Iterable[Alarm]) -> tuple[Alarm, ...]:
    """What is to be said first comes first: causes before symptoms, then in network order.

    Steps that are too large go before what only began after the first of them.
    """
    known = sorted(found, key=lambda alarm: alarm.order)
    large = [alarm for alarm in known if alarm.name == "update too large"]
    start = min((alarm.step for alarm in large), default=0)
    later = [alarm for alarm in known if alarm.name in FOLLOWS and alarm.step > start]
    if not large or not later:
        return tuple(known)
    others = [alarm for alarm in known if alarm.name != "update too large"]
    at = others.index(later[0])
    return (*others[:at], *large, *others[at:])


#: What the run tells better than the checkpoint: how it began.
BEGINNINGS = ("non-finite", "poor initialisation")


def merge(run: Sequence[Alarm], checkpoint: Sequence[Alarm]) -> tuple[Alarm, ...]:
    """The alarms of both; one that both have is the checkpoint's, with the steps of the run."""
    earlier = {(alarm.name, alarm.layer): alarm for alarm in run}
    begun = {alarm.name for alarm in run if alarm.name in BEGINNINGS}
    found = []
    for alarm in checkpoint:
        if alarm.name in begun:
            continue
        before = earlier.pop((alarm.name, alarm.layer), None)
        if before is not None:
            alarm = replace(alarm, step=before.step, share=before.share)
        found.append(alarm)
    return ranked([*found, *earlier.values()])


def frame(found: Iterable[Alarm]) -> pd.DataFrame:
    """The alarms as the frame that `alarms` describes."""
    import pandas as pd

    rows = [
        {
            "layer": alarm.layer,
            "step": alarm.step,
            "alarm": alarm.name,
            "value": alarm.value,
            "threshold": alarm.rule.limit,
            "rule": alarm.rule.text,
            "meaning": WORDS[alarm.name].meaning,
            "advice": WORDS[alarm.name].advice,
            "last_step": alarm.last_step,
            "share": alarm.share,
        }
        for alarm in found
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS)).astype(COLUMNS)


def _apply(rule: Rule, evidence: Evidence, at_end: bool) -> list[Alarm]:
    """The alarms of one rule, a layer (or the network) each."""
    values = MEASURES[rule.measure](evidence)
    rows = {"first": slice(1), "last": slice(-1, None), "any": slice(None)}[rule.when]
    values, steps = values[rows], evidence.steps[rows]
    with np.errstate(invalid="ignore"):
        held = _compare(values, rule)
    found = []
    for column in np.flatnonzero(held.any(axis=0)):
        when = held[:, column]
        share = when.sum() / (~np.isnan(values[:, column])).sum()
        if share < rule.share:
            continue
        whole = values.shape[1] != evidence.L or rule.measure in WHOLE
        shown = values[when, column]
        found.append(
            Alarm(
                rule.alarm,
                None if whole else int(column),
                int(steps[when][0]),
                int(steps[when][-1]),
                float(share),
                float(shown.min() if rule.beyond == "below" else shown.max()),
                rule,
                at_end,
            )
        )
    return found


#: Measures of the whole network, which a network of one layer has in one column as well.
WHOLE = ("scale_spread", "flat", "fall", "fall_in_ten_steps")


def _compare(values: Array, rule: Rule) -> NDArray[np.bool_]:
    """Where the measure is beyond the limit; never where it is NaN."""
    if rule.beyond == "below":
        return values < rule.limit
    return values > rule.limit if rule.beyond == "above" else values >= rule.limit


def _name_all_zero(found: list[Alarm], L: int) -> list[Alarm]:
    """Where every layer is cut off, that is one alarm with a name of its own."""
    cut = [alarm for alarm in found if alarm.name == "cut off"]
    if len(cut) < L or len({alarm.step for alarm in cut}) > 1:
        return found
    others = [alarm for alarm in found if alarm.name != "cut off"]
    return [replace(cut[-1], name="all zero", layer=None), *others]


def _farthest(found: list[Alarm]) -> list[Alarm]:
    """Of several rules for the same alarm and layer, the first that held."""
    kept: dict[tuple[str, int | None], Alarm] = {}
    for alarm in found:
        kept.setdefault((alarm.name, alarm.layer), alarm)
    return list(kept.values())
