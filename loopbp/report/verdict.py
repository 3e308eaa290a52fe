"""What the alarms say: findings in words, with their causes, and the one sentence made of them.

Where there is no alarm, the findings are remarks on how the layers compare.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from .alarms import Alarm
from .clauses import at_checkpoint, in_run, layer_names
from .evidence import Evidence
from .remarks import comparison, zeros
from .words import WORDS

#: Alarms about the nodes of layer l+1, to which the weights of layer l lead.
ABOUT_NODES = ("dead", "saturated")


@dataclass(frozen=True)
class Finding:
    """One thing that the numbers say.

    `name` is that of an alarm (a key of `words.WORDS`) or of a remark: `uneven`, `even`, `single`,
    `dead nodes` or `zeros`; `layer`, the layer it is about, None for the whole network; `value`,
    the number that decided, and `threshold`, what it was compared with, where there is one;
    `clause`, the finding in words, without capital and full stop; `alarms`, those it stands for,
    empty for a remark.
    """

    name: str
    layer: int | None
    value: float
    threshold: float | None
    clause: str
    alarms: tuple[Alarm, ...] = ()

    @property
    def alarm(self) -> bool:
        """Whether a reader should act on it."""
        return bool(self.alarms)

    @property
    def title(self) -> str:
        """What it is, where, and since when: dead ReLU nodes in layer 0, from step 11 on."""
        nodes = self.name in ABOUT_NODES
        where = [alarm.layer + nodes for alarm in self.alarms if alarm.layer is not None]
        place = f" in {layer_names(where)}" if where else ""
        return f"{WORDS[self.name].title}{place}{self._when}"

    @property
    def _when(self) -> str:
        """The steps of the run at which it was seen."""
        first = min(alarm.step for alarm in self.alarms)
        last = max(alarm.last_step for alarm in self.alarms)
        if not last:
            return ""
        if all(alarm.checkpoint for alarm in self.alarms) and first == last:
            return ", at the end"
        if any(alarm.checkpoint for alarm in self.alarms) or first == last:
            return f", {'from' if first < last else 'at'} step {first:,}" + (
                " to the end" if first < last else ""
            )
        return f", step {first:,} to {last:,}"


def findings(
    alarms: Sequence[Alarm], checkpoint: Evidence, run: Evidence | None = None
) -> tuple[Finding, ...]:
    """What is to be said, the most important first; at least one finding.

    `alarms` in their order; `checkpoint` and `run`, what they were found in.
    """
    groups: dict[str, list[Alarm]] = {}
    for alarm in alarms:
        groups.setdefault(alarm.name, []).append(alarm)
    found = [_finding(group, checkpoint, run) for group in groups.values()]
    if found:
        return tuple(found)
    remarks = [comparison(checkpoint.causes), zeros(checkpoint.causes)]
    return tuple(Finding(*remark) for remark in remarks if remark is not None)


def sentence(found: Sequence[Finding]) -> str:
    """The first alarm in words, and the others by name; or the remarks."""
    if found[0].alarm:
        text = found[0].clause
        others = [finding.title for finding in found[1:]]
        if others:
            text += f"; also: {'; '.join(others)}"
    else:
        text = "; ".join(finding.clause for finding in found)
    return text[:1].upper() + text[1:] + "."


def _finding(group: Sequence[Alarm], checkpoint: Evidence, run: Evidence | None) -> Finding:
    """The alarms of one name as one finding; what the checkpoint shows comes before the run."""
    here = [alarm for alarm in group if alarm.checkpoint]
    if here or run is None:
        worst, clause = at_checkpoint(here or group, checkpoint)
    else:
        worst, clause = in_run(group, run)
    return Finding(
        worst.name, worst.layer, worst.value, worst.rule.limit, clause, alarms=tuple(group)
    )
