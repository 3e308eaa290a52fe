"""Gradient check: backpropagation against central differences, aware of kinks.

How the differences are taken, and how uncertain they are: see `differences`. They never look at
the gradient that is being checked.

The relative error is |analytic − numeric| / max(|analytic|, |numeric|, floor). The floor of w_ij is
`FLOOR` · max_n |x_i| · s, where s is the largest |∂f/∂w_ij| / max_n |x_i| of its layer. So an
entry of 1e-12 left by cancellation among entries of 1 is not asked for digits that no float64
has, while a layer whose gradients have all but vanished is judged by its own measure.

At a kink of g there is no derivative. Where, even with the smallest step, the signs of S in a
layer of relu or leaky_relu are not the same at all weights that were tried, the entry is
reported as a kink. elu has a derivative at 0, but a bent one, across which differences converge
slowly. An entry at such a bend, or one whose step had to become small beside a kink, is
compared; it counts as a kink only where its uncertainty is too large to decide.

Source: Goodfellow, Bengio and Courville, "Deep Learning" (2016), section 11.5.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from . import draws, engines
from .checks import choice, describe, finite, integer, matrix, numeric, real
from .differences import (
    FLOAT64,
    STEP,
    Booleans,
    Derivatives,
    Floats,
    Integers,
    Loss,
    LowestLayer,
    derivatives,
)
from .network import REDUCTIONS, Network
from .progress import Progress, reporter
from .workspace import Architecture, Workspace

if TYPE_CHECKING:
    import pandas as pd

#: Up to so many parameters are all checked; of more, a sample.
ALL = 3000
SAMPLE = 1000

STATUSES = ("ok", "error", "kink", "unresolved")


class GradientCheckError(ArithmeticError):
    """A gradient check did not pass; the message is its text. `check`: the result."""

    def __init__(self, check: GradientCheck) -> None:
        super().__init__(str(check))
        self.check = check


class Entry(NamedTuple):
    """One checked parameter w_ij^(layer): i = 0 is the bias, j counts from 1."""

    layer: int
    i: int
    j: int
    analytic: float
    numeric: float
    error: float
    status: str

    @property
    def name(self) -> str:
        """w_21^(2); with a comma, w_2,10^(2), where an index has more than one digit."""
        comma = "," if max(self.i, self.j) > 9 else ""
        return f"w_{self.i}{comma}{self.j}^({self.layer})"


@dataclass(frozen=True, eq=False)
class GradientCheck:
    """What a gradient check found.

    Arrays with an entry per checked parameter, in the order of `Network.theta`: layer, i and j
    (M,) int64, numbered as in the legend (i = 0 is the bias row, j from 1); analytic, numeric and
    error (M,) float64, also for a float32 network; status (M,) str:

    - `ok`: the relative error is at most the tolerance;
    - `error`: it is larger;
    - `kink`: not compared, because of a kink of an activation within the step;
    - `unresolved`: not compared, because the numerical derivative is too uncertain to decide, as
      happens where gradients are smaller than the rounding of the loss.

    `parameters`, how many the network has; `examples`; `dtype`, the network's; `engine`, whose
    losses were differenced; `given`, whether the gradient came from the caller; `reduction`,
    `tolerance`, `step` and `seed` as in `gradcheck`.
    """

    layer: Integers
    i: Integers
    j: Integers
    analytic: Floats
    numeric: Floats
    error: Floats
    status: NDArray[np.str_]
    parameters: int
    examples: int
    dtype: str
    engine: str
    given: bool
    reduction: str
    tolerance: float
    step: float
    seed: int

    @property
    def passed(self) -> bool:
        """No entry is in error, and at least one is ok."""
        return self.errors == 0 and self._count("ok") > 0

    @property
    def errors(self) -> int:
        """How many entries have a relative error beyond the tolerance."""
        return self._count("error")

    @property
    def kinks(self) -> int:
        """How many entries were not compared because of a kink."""
        return self._count("kink")

    @property
    def unresolved(self) -> int:
        """How many entries were not compared because their differences are too uncertain."""
        return self._count("unresolved")

    @cached_property
    def worst(self) -> Entry | None:
        """The compared entry with the largest relative error; None if none was compared."""
        compared = np.flatnonzero(self._compared)
        if len(compared) == 0:
            return None
        k = compared[np.argmax(self.error[compared])]
        return Entry(*(getattr(self, name)[k].item() for name in Entry._fields))

    @property
    def max_error(self) -> float:
        """The largest relative error of a compared entry; NaN if none was compared."""
        return float("nan") if self.worst is None else self.worst.error

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per checked parameter: layer, i, j, analytic, numeric, error, status."""
        import pandas as pd

        return pd.DataFrame({name: getattr(self, name) for name in Entry._fields})

    @cached_property
    def summary(self) -> pd.DataFrame:
        """A row per layer and block of parameters, biases and weights apart.

        Columns: layer; block; checked, the number of entries; mean_analytic and mean_difference,
        the means of |analytic| and |analytic − numeric| over the compared entries, and max_error,
        their largest relative error (NaN where none was compared); then how many entries are
        ok, error, kink and unresolved.
        """
        import pandas as pd

        return pd.DataFrame(list(self._blocks()))

    def raise_if_failed(self) -> None:
        """Raises `GradientCheckError` with the check's text, unless the check has passed."""
        if not self.passed:
            raise GradientCheckError(self)

    @property
    def _compared(self) -> Booleans:
        return np.isin(self.status, ("ok", "error"))

    def _count(self, status: str) -> int:
        return int(np.count_nonzero(self.status == status))

    def _blocks(self) -> Iterator[dict[str, Any]]:
        """The rows of `summary`."""
        compared, difference = self._compared, np.abs(self.analytic - self.numeric)
        for l in range(int(self.layer[-1]) + 1):
            for block, rows in (("biases", self.i == 0), ("weights", self.i > 0)):
                here = rows & (self.layer == l)
                use = here & compared
                yield {
                    "layer": l,
                    "block": block,
                    "checked": int(np.count_nonzero(here)),
                    "mean_analytic": _mean(np.abs(self.analytic[use])),
                    "mean_difference": _mean(difference[use]),
                    "max_error": float(self.error[use].max()) if use.any() else float("nan"),
                    **{name: int(np.count_nonzero(self.status[here] == name)) for name in STATUSES},
                }

    def _sentences(self) -> list[str]:
        """The verdict, the worst entry, what was compared with what, and what was not."""
        source = "the given gradient" if self.given else f"backprop (engine {self.engine})"
        examples = "1 example" if self.examples == 1 else f"{self.examples:,} examples"
        lines = [
            *self._verdict(),
            f"{source} against central differences in float64",
            f"{len(self.error):,} of {self.parameters:,} parameters, {examples}, reduction "
            f"{self.reduction}, tolerance {self.tolerance:g}",
        ]
        if self.dtype != "float64":
            lines.append(f"the {self.dtype} network was checked on a float64 copy")
        if self.kinks:
            lines.append(f"{self.kinks:,} not compared: a kink of an activation within the step")
        if self.unresolved:
            lines.append(
                f"{self.unresolved:,} not compared: the differences are too uncertain to decide"
            )
        return lines

    def _verdict(self) -> list[str]:
        """Passed or failed, and the worst entry by name."""
        compared, worst = int(np.count_nonzero(self._compared)), self.worst
        if worst is None:
            return ["Gradient check failed: no entry could be compared"]
        return [
            f"Gradient check {'passed' if self.passed else 'failed'}: {compared:,} entries "
            f"compared, {self.errors or 'none'} beyond tolerance",
            f"worst: {worst.name}, relative error {worst.error:.1e}",
            f"       analytic {worst.analytic:.12g}, numeric {worst.numeric:.12g}",
        ]

    def __str__(self) -> str:
        table = [
            f"{'layer':>5}  {'block':<7}  {'checked':>7}  {'mean |analytic|':>15}  "
            f"{'mean |diff.|':>12}  {'max error':>9}  {'errors':>6}"
        ]
        for row in self._blocks():
            table.append(
                f"{row['layer']:>5}  {row['block']:<7}  {row['checked']:>7,}  "
                f"{row['mean_analytic']:>15.2e}  {row['mean_difference']:>12.1e}  "
                f"{row['max_error']:>9.1e}  {row['error']:>6,}"
            )
        return "\n".join([*self._sentences(), "", *table])

    def __repr__(self) -> str:
        verdict = "passed" if self.passed else "failed"
        counts = ", ".join(f"{self._count(name):,} {name}" for name in STATUSES)
        worst = "" if self.worst is None else f"; worst {self.worst.name} {self.max_error:.1e}"
        return f"<GradientCheck {verdict}: {counts}{worst}>"

    def _repr_html_(self) -> str:
        text = escape("\n".join(self._sentences())).replace("\n", "<br>")
        table = self.summary.to_html(index=False, float_format="{:.3g}".format)
        return f"<p>{text}</p>{table}"


def gradcheck(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    engine: str = "auto",
    gradient: ArrayLike | Sequence[ArrayLike] | None = None,
    reduction: str = "mean",
    tolerance: float = 1e-6,
    step: float = STEP,
    sample: int | None = None,
    seed: int = 0,
    progress: Callable[[Progress], None] | bool | None = None,
) -> GradientCheck:
    """∂f/∂w_ij^(l) ≈ (f(w_ij + h) − f(w_ij − h)) / 2h, compared with backpropagation.

    Parameters
    ----------
    net : Network
        Is not modified. A float32 network is checked on a float64 copy, X and Y rounded to
        float32 first: in float32 itself a difference would have three or four digits.
    X, Y : array (N, n_0); array (N, n_L) or integer labels (N,)
        Examples as in `Network.backprop`. For cross_entropy each row of targets is scaled to the
        sum 1 in float64, which δ_j = x_j − y_j takes for granted.
    engine : str
        Whose losses are differenced and, unless `gradient` is given, whose gradient is checked.
    gradient : array (P,), or L arrays like net.W, optional
        A gradient from elsewhere, to be checked instead; of the same reduction. One computed in
        float32 is off by about 1e-6 to 1e-4 and wants a larger tolerance.
    reduction : str
        `mean` or `sum` over the examples.
    tolerance : float
        The largest relative error that is ok; between 0 and 1.
    step : float
        σ, the largest change of a weighted sum S in the first attempt; from 1e-6 to 1.
    sample : int, optional
        How many parameters to check, at least 2L; they are divided among the biases and the
        weights of every layer as equally as the sizes allow. By default all of up to 3,000
        parameters, 1,000 of more.
    seed : int
        Of the sample.
    progress : callable or bool, optional
        Called with a `Progress` now and then. By default a bar appears on a terminal after two
        seconds; False: never.

    Returns the result. How the step is chosen and what the relative error is, the text of this
    module says. Raises `TypeError` or `ValueError` for what does not fit, and for examples whose
    outputs or loss are not finite, before any difference is taken.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    solver = engines.find(engine)
    choice("reduction", reduction, REDUCTIONS)
    limit = real("tolerance", tolerance, low=0, high=1, open_low=True, open_high=True)
    sigma = real("step", step, low=1e-6, high=1)
    chosen = _sample(net.architecture, sample, integer("seed", seed, low=0))
    given = None if gradient is None else _given(net.architecture, gradient)
    loss, theta = _prepared(net, X, Y, solver, reduction)
    analytic = (loss.gradient() if given is None else given)[chosen]
    layer, i, j = _indices(net.architecture, chosen)
    noise = loss.scatter(theta)
    parts = []
    with reporter(progress, "checking the gradient", len(chosen)) as tell:
        for l in range(net.L):
            here = layer == l
            above = LowestLayer(loss.above(l))
            parts.append(derivatives(above, i[here], j[here], sigma, limit, noise, tell))
    found = Derivatives.joined([derivatives for derivatives, _ in parts])
    floor = np.concatenate([floor for _, floor in parts])
    error = _relative_error(analytic, found.value, floor)
    return GradientCheck(
        layer=layer,
        i=i,
        j=j + 1,
        analytic=analytic,
        numeric=found.value,
        error=error,
        status=_status(analytic, found, error, limit),
        parameters=net.architecture.parameters,
        examples=len(loss.work.losses),
        dtype=net.dtype.name,
        engine=solver.name,
        given=given is not None,
        reduction=reduction,
        tolerance=limit,
        step=sigma,
        seed=int(seed),
    )


# --- What comes in. -----------------------------------------------------------------------------


def _sample(net: Architecture, sample: int | None, seed: int) -> Integers:
    """Positions in theta, ascending; all, or so many, divided among the 2L blocks."""
    least = 2 * net.L
    if sample is None:
        wanted = net.parameters if net.parameters <= ALL else max(SAMPLE, least)
    else:
        wanted = min(integer("sample", sample, low=least), net.parameters)
    if wanted == net.parameters:
        return np.arange(wanted)
    sizes = np.array([size for n, m in _shapes(net) for size in (m, n * m)])
    counts = np.zeros_like(sizes)
    for block in np.argsort(sizes, kind="stable"):  # the small ones first: they may be used up
        share = (wanted - counts.sum()) // np.count_nonzero(counts == 0)
        counts[block] = min(share, sizes[block])
    starts = np.cumsum(sizes) - sizes
    bits = draws.source(seed)
    drawn = [
        start + draws.permutation(bits, size)[:count]
        for start, size, count in zip(starts, sizes, counts, strict=True)
    ]
    return np.sort(np.concatenate(drawn))


def _shapes(net: Architecture) -> list[tuple[int, int]]:
    """(n_l, n_{l+1}) of every layer of weights."""
    return list(zip(net.sizes, net.sizes[1:], strict=False))


def _indices(net: Architecture, positions: Integers) -> tuple[Integers, Integers, Integers]:
    """l, and the row and column of W[l], of positions in theta."""
    sizes = np.array([(n + 1) * m for n, m in _shapes(net)])
    starts = np.cumsum(sizes) - sizes
    layer = np.searchsorted(starts, positions, side="right") - 1
    i, j = np.divmod(positions - starts[layer], np.array(net.sizes[1:])[layer])
    return layer, i, j


def _given(net: Architecture, gradient: Any) -> Floats:
    """A gradient given as the flat vector or as L matrices, checked, as a float64 vector."""
    flat = np.empty(net.parameters)
    layered = isinstance(gradient, list | tuple) and len(gradient) == net.L
    if layered and numeric("gradient[0]", gradient[0]).ndim == 2:
        for l, (block, part) in enumerate(zip(net.views(flat), gradient, strict=True)):
            given = numeric(f"gradient[{l}]", part)
            if given.shape != block.shape:
                raise ValueError(
                    f"gradient[{l}]: expected shape {block.shape}, like net.W[{l}]; got "
                    f"{given.shape}"
                )
            block[...] = finite(f"gradient[{l}]", given, FLOAT64)
        return flat
    given = numeric("gradient", gradient)
    if given.shape != flat.shape:
        raise ValueError(
            f"gradient: expected the {net.parameters} derivatives as one vector, or {net.L} "
            f"arrays like net.W; got shape {given.shape}"
        )
    flat[...] = finite("gradient", given, FLOAT64)
    return flat


def _prepared(
    net: Network, X: ArrayLike, Y: ArrayLike, solver: engines.Engine, reduction: str
) -> tuple[Loss, Floats]:
    """The loss in float64 and the copy of theta that it is a function of; validates."""
    inputs = matrix("X", X, net.dtype, columns=net.sizes[0])
    targets = net.targets(Y, len(inputs)).astype(FLOAT64)
    net.check_weights()
    if net.loss == "cross_entropy":
        targets /= targets.sum(axis=1, keepdims=True)
    architecture = replace(net.architecture, dtype=FLOAT64)
    theta = net.theta.astype(np.float64)
    work = Workspace.allocate(architecture, len(inputs))
    work.x[0][:, 1:] = inputs
    work.y[...] = targets
    divisor = len(inputs) if reduction == "mean" else 1
    loss = Loss(architecture, architecture.views(theta), work, solver, divisor)
    rows = np.isfinite(loss.losses())
    for x in work.x:
        rows &= np.isfinite(x).all(axis=1)
    if not rows.all():
        raise ValueError(
            "X: expected examples whose outputs in every layer and whose loss are finite at these "
            f"weights; got overflow in row {np.argmin(rows)}"
        )
    return loss, theta


def _relative_error(analytic: Floats, values: Floats, floor: Floats) -> Floats:
    """|a − v| / max(|a|, |v|, floor); 0 where a = v, infinite where one of them is not finite."""
    size = np.maximum(np.maximum(np.abs(analytic), np.abs(values)), floor)
    with np.errstate(invalid="ignore", divide="ignore"):
        error = np.where(analytic == values, 0.0, np.abs(analytic - values) / size)
    return np.where(np.isfinite(error), error, np.inf)


def _status(analytic: Floats, found: Derivatives, error: Floats, limit: float) -> Any:
    """The status of every entry, as `GradientCheck` says."""
    close = np.abs(analytic - found.value) <= found.uncertainty
    undecided = np.isfinite(analytic) & (close | ~np.isfinite(found.value))
    return np.select(
        [undecided & found.corner, error <= limit, undecided & found.near, undecided],
        ["kink", "ok", "kink", "unresolved"],
        "error",
    )


def _mean(values: Floats) -> float:
    """The mean, NaN of nothing."""
    return float(values.mean()) if len(values) else float("nan")
