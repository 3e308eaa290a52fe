"""What a comparison of gradients found, and how it is told."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any

import numpy as np

from ..network import Network
from ..trace import Trace
from .tensor import RESOLVED, Difference, Tensor, counted

if TYPE_CHECKING:
    import pandas as pd

VERDICTS = {
    "agree": "Gradients agree: {entries} within rounding",
    "differ": "Gradients differ: {beyond:,} of {entries} beyond rounding",
    "undecided": "Gradients not verified: rounding could hide an error in them",
}


class VerificationError(AssertionError):
    """Gradients that differ, or could not be told apart; `verification`: the comparison."""

    def __init__(self, verification: Verification) -> None:
        super().__init__(str(verification))
        self.verification = verification


@dataclass(frozen=True, eq=False)
class Verification:
    """What `verify` found.

    tensors, compared ones in the order of the layers; net, the network at the model's weights;
    trace, the exact backprop; source, the other library and its loss, in words; loss, what the
    library gave (None where only gradients were given); factor, what theirs were expected to be
    times ours; kinks, how many sums lie so near a kink that rounding decides their g′ (the bounds
    allow for it); explanations of a constant factor between theirs and ours; notes; before, where
    gradients differ, a sentence on the outputs and the loss, which come before them.
    """

    tensors: tuple[Tensor, ...]
    net: Network
    trace: Trace
    source: str
    loss: float | None
    factor: float
    kinks: int
    explanations: tuple[str, ...]
    notes: tuple[str, ...]
    before: str = ""

    @cached_property
    def verdict(self) -> str:
        """`agree`, `differ`, or `undecided` where the bounds say too little."""
        if self.beyond:
            return "differ"
        return "agree" if self.resolution <= RESOLVED else "undecided"

    @property
    def passed(self) -> bool:
        """Whether the gradients agree, and the bounds are tight enough to say so."""
        return self.verdict == "agree"

    @property
    def entries(self) -> int:
        """How many derivatives were compared."""
        return sum(tensor.ours.size for tensor in self.tensors)

    @property
    def beyond(self) -> int:
        """How many entries rounding does not explain."""
        return sum(tensor.beyond for tensor in self.tensors)

    @property
    def resolution(self) -> float:
        """The worst of the tensors."""
        return max(tensor.resolution for tensor in self.tensors)

    @cached_property
    def worst(self) -> Difference:
        """The entry with the largest |theirs − ours| / bound."""
        tensor = max(self.tensors, key=lambda tensor: float(tensor.excess.max()))
        return tensor.at(int(np.argmax(tensor.excess)))

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per tensor.

        Columns: layer; tensor, weights or biases; name, the library's; entries; max_ulps and
        median_ulps; max_error, the largest relative error; i, j, ours, theirs of the worst entry,
        the one with the largest share of its bound; of_bound, that share; beyond, how many entries
        rounding does not explain; likely, whether the bounds are the likely ones; resolution;
        ratio, the factor that theirs come nearest to.
        """
        import pandas as pd

        return pd.DataFrame(list(self._rows()))

    @cached_property
    def entries_frame(self) -> pd.DataFrame:
        """A row per entry: layer, i, j, ours, theirs, ulps, bound."""
        import pandas as pd

        parts = []
        for tensor in self.tensors:
            rows, columns = np.indices(tensor.ours.shape)
            parts.append(
                pd.DataFrame(
                    {
                        "layer": tensor.layer,
                        "i": (rows + (tensor.block == "weights")).ravel(),
                        "j": columns.ravel() + 1,
                        "ours": tensor.ours.ravel(),
                        "theirs": tensor.theirs.ravel(),
                        "ulps": tensor.ulps.ravel(),
                        "bound": tensor.bound.ravel(),
                    }
                )
            )
        return pd.concat(parts, ignore_index=True)

    def raise_if_failed(self) -> None:
        """Raises `VerificationError` with the text, unless the gradients agree."""
        if not self.passed:
            raise VerificationError(self)

    def _rows(self) -> Iterator[dict[str, Any]]:
        """The rows of `frame`."""
        for tensor in self.tensors:
            worst = tensor.at(int(np.argmax(tensor.excess)))
            yield {
                "layer": tensor.layer,
                "tensor": tensor.block,
                "name": tensor.name,
                "entries": tensor.ours.size,
                "max_ulps": float(tensor.ulps.max()),
                "median_ulps": float(np.median(tensor.ulps)),
                "max_error": float(tensor.error.max()),
                "i": worst.i,
                "j": worst.j,
                "ours": worst.ours,
                "theirs": worst.theirs,
                "of_bound": float(tensor.excess.max()),
                "beyond": tensor.beyond,
                "likely": tensor.likely,
                "resolution": tensor.resolution,
                "ratio": tensor.ratio,
            }

    def sentences(self) -> list[str]:
        """The verdict, what was compared, and what explains a difference."""
        entries = f"{self.entries:,} entries" if self.entries > 1 else "1 entry"
        lines = [VERDICTS[self.verdict].format(entries=entries, beyond=self.beyond)]
        lines += [self.before] if self.before else []
        lines.append(f"worst: {self.worst}")
        last = max((tensor.layer for tensor in self.tensors if tensor.beyond), default=None)
        if last is not None and last < self.net.L - 1:
            lines.append(f"on the way back, layer {last} is the first that differs")
        lines += [f"theirs = {explanation}" for explanation in self.explanations]
        lines += [f"note: {note}" for note in self.notes]
        examples = len(self.trace.x[0])
        lines.append(
            f"{self.source}, against {repr(self.net).strip('<>')}; "
            f"{examples:,} example{'s' if examples > 1 else ''}, engine {self.trace.engine}"
        )
        expected = "" if self.factor == 1 else f"; theirs expected to be {self.factor:.6g} times it"
        theirs = "" if self.loss is None else f", theirs {self.loss:.9g}"
        lines.append(
            f"loss: ours {self.trace.loss:.9g} ({self.net.loss}, {self.trace.reduction})"
            f"{theirs}{expected}"
        )
        if self.kinks:
            lines.append(f"{self.kinks:,} sums within rounding of a kink: the bounds allow for it")
        blurred = sum(tensor.likely for tensor in self.tensors)
        if blurred:
            lines.append(
                f"{blurred} of {len(self.tensors)} tensors: bounds of independent roundings, "
                "since the worst case would hide errors"
            )
        if self.verdict == "undecided":
            worst = max(self.tensors, key=lambda tensor: tensor.resolution)
            lines.append(
                f"in the {worst.block} of layer {worst.layer} the bound is typically "
                f"{worst.resolution:.1g} times the gradient"
                + ("" if self.net.dtype == np.float64 else '; dtype="float64" tells')
            )
        else:
            lines.append(
                f"a relative error of {self.resolution:.0e} would be seen in half of any tensor"
            )
        return lines

    def __str__(self) -> str:
        table = [
            f"{'layer':>5}  {'tensor':<7}  {'entries':>9}  {'median ulps':>11}  {'max ulps':>9}  "
            f"{'max error':>9}  {'of bound':>8}  {'beyond':>7}"
        ]
        for row in self._rows():
            table.append(
                f"{row['layer']:>5}  {row['tensor']:<7}  {row['entries']:>9,}  "
                f"{counted(row['median_ulps']):>11}  {counted(row['max_ulps']):>9}  "
                f"{row['max_error']:>9.1e}  {row['of_bound']:>8.1e}  {row['beyond']:>7,}"
            )
        return "\n".join([*self.sentences(), "", *table])

    def __repr__(self) -> str:
        return (
            f"<Verification {self.verdict}: {self.entries:,} entries, {self.beyond:,} beyond "
            f"rounding; worst {self.worst.error:.1e}>"
        )

    def _repr_html_(self) -> str:
        text = escape("\n".join(self.sentences())).replace("\n", "<br>")
        return f"<p>{text}</p>{self.frame.to_html(index=False, float_format='{:.3g}'.format)}"
