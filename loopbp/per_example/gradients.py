"""The gradient of every example: lengths, directions, noise; its entries only if asked for.

One example's gradient in layer l is the outer product ∂f_n/∂w_ij = δ_j x_i. Its length, and its
projection onto the mean gradient, follow from δ and x without it (see `kernels.per_example`), so
that N examples of a network with P parameters take N · Σ_l n_l numbers, not N · P.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from html import escape
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from .. import engines
from ..checks import FloatArray, amount, describe, integer, memory
from ..engines import Engine
from ..kernels import per_example as kernels
from ..network import Network
from ..progress import Progress, reporter
from ..trace import Trace
from ..workspace import Architecture, Workspace
from .noise import Noise, noise

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Floats = NDArray[np.float64]


class Block(NamedTuple):
    """The gradients of some examples: rows (B, P) of the examples first … first + B − 1."""

    first: int
    rows: FloatArray


@dataclass(frozen=True, eq=False)
class PerExampleGradients:
    """What the gradients of N single examples are like; g_n is the gradient of example n.

    norms (N, L) float64, |g_n| in each layer, biases included; along (N, L) float64, the length
    of g_n along the mean gradient ḡ, negative where it points against it; mean_norms (L,) float64,
    |ḡ| in each layer; trace, the pass that it all comes from, with the losses and with ḡ as
    trace.grad. The gradients themselves: `matrix` and `blocks`.
    """

    trace: Trace
    norms: Floats
    along: Floats
    mean_norms: Floats

    @property
    def losses(self) -> FloatArray:
        """f_n, the loss of each example (N,), in the network's dtype."""
        assert self.trace.losses is not None
        return self.trace.losses

    @cached_property
    def norm(self) -> Floats:
        """|g_n| over all layers (N,)."""
        return _joined(self.norms)

    @cached_property
    def mean_norm(self) -> float:
        """|ḡ| over all layers."""
        return float(_joined(self.mean_norms[None])[0])

    @cached_property
    def along_mean(self) -> Floats:
        """g_n · ḡ / |ḡ| over all layers (N,); its mean over the examples is |ḡ|, but for rounding.

        NaN where ḡ is 0.
        """
        total = np.zeros(len(self.norms))
        with np.errstate(invalid="ignore", divide="ignore"):
            for l, share in enumerate(self.mean_norms / self.mean_norm):
                total += self.along[:, l] * share
        return total

    @cached_property
    def cosines(self) -> Floats:
        """The cosine of the angle between g_n and ḡ in each layer (N, L); NaN where one is 0."""
        return _cosine(self.along, self.norms, self.mean_norms)

    @cached_property
    def cosine(self) -> Floats:
        """The cosine of the angle between g_n and ḡ over all layers (N,); NaN where one is 0."""
        return _cosine(self.along_mean, self.norm, self.mean_norm)

    @cached_property
    def noise(self) -> Noise:
        """The noise of the whole gradient; what it means, `loopbp.per_example.noise` says."""
        return noise(self.norm, self.mean_norm)

    @property
    def noise_scale(self) -> float:
        """B_simple = tr(Σ)/|G|²: the batch size at which noise and gradient are equally large."""
        return self.noise.scale

    @property
    def snr(self) -> float:
        """|G|²/tr(Σ), the signal-to-noise ratio of one example's gradient."""
        return self.noise.snr

    @cached_property
    def examples(self) -> pd.DataFrame:
        """A row per example: n, loss, norm, along, cosine and share.

        norm, |g_n|; along, its length along the mean gradient ḡ; cosine, of the angle between
        them; share, what the example contributes to |ḡ|: along / (N |ḡ|), so that the shares add
        up to 1.
        """
        import pandas as pd

        with np.errstate(invalid="ignore", divide="ignore"):
            share = self.along_mean / (len(self.norm) * self.mean_norm)
        return pd.DataFrame(
            {
                "n": np.arange(len(self.norm)),
                "loss": self.losses.astype(np.float64),
                "norm": self.norm,
                "along": self.along_mean,
                "cosine": self.cosine,
                "share": share,
            }
        )

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per example and layer: n, layer, norm, along and cosine, as in `examples`."""
        import pandas as pd

        N, L = self.norms.shape
        return pd.DataFrame(
            {
                "n": np.repeat(np.arange(N), L),
                "layer": np.tile(np.arange(L), N),
                "norm": self.norms.ravel(),
                "along": self.along.ravel(),
                "cosine": self.cosines.ravel(),
            }
        )

    @cached_property
    def layers(self) -> pd.DataFrame:
        """A row per layer, and one for all of them, whose layer is <NA>.

        parameters; mean_norm, std_norm (divided by N − 1), min_norm, median_norm and max_norm of
        |g_n|; norm_of_mean, |ḡ|; mean_cosine, over the examples that have one; trace, tr(Σ);
        signal, |G|²; noise_scale, B_simple; snr: see `loopbp.per_example.noise`.
        """
        import pandas as pd

        sizes = [W.size for W in self.trace.W]
        rows = [
            _row(l, size, self.norms[:, l], float(self.mean_norms[l]), self.cosines[:, l])
            for l, size in enumerate(sizes)
        ]
        rows.append(_row(pd.NA, sum(sizes), self.norm, self.mean_norm, self.cosine))
        return pd.DataFrame(rows).astype({"layer": "Int64"})

    def hardest(self, count: int = 10) -> pd.DataFrame:
        """The rows of `examples` with the largest |g_n|, the largest first."""
        number = integer("count", count, low=1)
        return self.examples.sort_values(
            ["norm", "n"], ascending=[False, True], ignore_index=True
        ).head(number)

    def contrary(self, count: int = 10) -> pd.DataFrame:
        """The rows of `examples` whose gradient points most against the mean, the worst first."""
        number = integer("count", count, low=1)
        return self.examples.sort_values(["cosine", "n"], ignore_index=True).head(number)

    def matrix(self, *, memory: int | str = "1 GiB", out: NDArray[Any] | None = None) -> FloatArray:
        """All gradients, (N, P), of the network's dtype, columns in the order of `Network.theta`.

        Entry (n, p) is one product δ_j x_i, rounded once. The sum of the rows, one after another
        in the network's dtype, divided by N is `trace.gradient`, bit for bit with an exact engine.

        memory : int or str
            The most that the matrix may take: bytes, or as "1.5 GiB".
        out : array (N, P), optional
            C-contiguous, of the network's dtype, to be filled instead of new memory, which takes as
            long to be cleared as to be filled; `memory` is then of no effect. Modified in place.

        Raises `ValueError` for a matrix that takes more, saying how much (see `blocks`), and
        `TypeError` or `ValueError` for an `out` that does not fit.
        """
        N, P = len(self.norms), self.trace.architecture.parameters
        if out is None:
            self._check_memory("the matrix", N, memory)
            out = np.empty((N, P), self.trace.architecture.dtype)
        else:
            _check_out(out, (N, P), self.trace.architecture.dtype)
        self._fill(out, 0)
        return out

    def blocks(self, *, memory: int | str = "64 MiB") -> Iterator[Block]:
        """The rows of `matrix` in blocks of as many examples as fit into `memory`, in their order.

        Every block has memory of its own. Raises `ValueError` where not even one row fits.
        """
        size = self._check_memory("one example", 1, memory)
        P, dtype = self.trace.architecture.parameters, self.trace.architecture.dtype
        count = size // (P * dtype.itemsize)

        def blocks() -> Iterator[Block]:
            for first in range(0, len(self.norms), count):
                rows = np.empty((min(count, len(self.norms) - first), P), dtype)
                self._fill(rows, first)
                yield Block(first, rows)

        return blocks()

    def plot(self) -> Figure:
        """The lengths and directions of the gradients as a matplotlib figure."""
        from .plot import draw

        return draw(self)

    def text(self, count: int = 5) -> str:
        """The noise of every layer, and the examples that stand out; in 80 columns."""
        from .text import describe

        return describe(self, count)

    def _fill(self, rows: FloatArray, first: int) -> None:
        """Writes the gradients of the examples from `first` on into rows (B, P)."""
        part, column = slice(first, first + len(rows)), 0
        assert self.trace.delta is not None
        for W, delta, x in zip(self.trace.W, self.trace.delta, self.trace.x, strict=False):
            with np.errstate(all="ignore"):  # where the loops are not compiled
                kernels.gradients(rows, column, delta[part], x[part])
            column += W.size

    def _check_memory(self, what: str, examples: int, given: int | str) -> int:
        """The memory in bytes; raises `ValueError` if the gradients of so many take more."""
        limit = memory("memory", given)
        P, dtype = self.trace.architecture.parameters, self.trace.architecture.dtype
        need = examples * P * dtype.itemsize
        if need > limit:
            raise ValueError(
                f"memory: expected at least {amount(need)} for {what}, {examples:,} × {P:,} "
                f"{dtype.name} numbers; got {amount(limit)}"
                + ("; `blocks` goes through the examples in parts" if examples > 1 else "")
            )
        return limit

    def __str__(self) -> str:
        return self.text()

    def __repr__(self) -> str:
        sizes = "-".join(str(n) for n in self.trace.architecture.sizes)
        N = len(self.norm)
        examples = "1 example" if N == 1 else f"{N:,} examples"
        return (
            f"<PerExampleGradients {sizes}: {examples}, noise scale {self.noise.scale:.4g}, "
            f"engine {self.trace.engine}>"
        )

    def _repr_html_(self) -> str:
        tables = (
            ("", self.layers),
            ("The longest gradients", self.hardest(5)),
            ("Most against the mean", self.contrary(5)),
        )
        parts = [f"<p>{escape(repr(self))}</p>"]
        for title, frame in tables:
            parts.append(f"<p>{title}</p>" if title else "")
            parts.append(frame.to_html(index=False, float_format="{:.4g}".format))
        return "".join(parts)


def per_example_gradients(
    net: Network,
    X: ArrayLike,
    Y: ArrayLike,
    *,
    engine: str = "auto",
    progress: Callable[[Progress], None] | bool | None = None,
) -> PerExampleGradients:
    """g_n = ∂f_n/∂w of every example n: its length, and its direction beside the mean's.

    Parameters
    ----------
    net : Network
        Is not modified.
    X, Y : array (N, n_0); array (N, n_L) or integer labels (N,)
        Examples as in `Network.backprop`.
    engine : str
        Who computes δ and x. All exact engines give the same bits.
    progress : callable or bool, optional
        Called with a `Progress` after the backward pass and after every layer. By default a bar
        appears on a terminal after two seconds; False: never.

    Returns the result, which holds N · Σ_l n_l numbers; the N · P entries of the gradients are
    computed when they are asked for. Raises `TypeError` or `ValueError` for what does not fit, and
    for examples whose gradients overflow.

    Source: Goodfellow, "Efficient per-example gradient computations" (2015), arXiv:1510.01799.
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    solver = engines.find(engine)
    with reporter(progress, "gradients of single examples", 1 + net.L) as tell:
        trace = net.backprop(X, Y, engine=engine)
        tell(1)
        N = len(trace.x[0])
        norms, along, mean_norms = np.empty((N, net.L)), np.empty((N, net.L)), np.empty(net.L)
        for l in range(net.L):
            norms[:, l], along[:, l], mean_norms[l] = _layer(trace, l, solver)
            tell(1)
    if not (np.isfinite(norms).all() and np.isfinite(mean_norms).all()):
        row = int(np.argmax(~np.isfinite(norms).all(axis=1)))
        raise ValueError(
            "X: expected examples whose gradients are finite at these weights; got overflow in "
            f"row {row}"
        )
    return PerExampleGradients(trace, norms, along, mean_norms)


@np.errstate(all="ignore")
def _layer(trace: Trace, l: int, solver: Engine) -> tuple[Floats, Floats, float]:
    """|g_n| and g_n · ḡ / |ḡ|, both (N,), and |ḡ| in layer l.

    The mean is scaled by a power of 2 first, which rounds nothing, and keeps products from
    leaving the range of the dtype. What is not finite stays so.
    """
    assert trace.delta is not None and trace.grad is not None
    x, delta, mean = trace.x[l], trace.delta[l], trace.grad[l]
    norms, along = np.empty(len(x)), np.empty(len(x))
    kernels.norms(norms, delta, x)
    largest = float(np.abs(mean).max())
    if largest == 0 or not math.isfinite(largest):
        return norms, np.zeros(len(x)), largest
    exponent = math.frexp(largest)[1]
    scaled = np.ldexp(mean, -exponent).astype(mean.dtype, copy=False)
    one, length = np.ones((1, 1), mean.dtype), np.empty(1)
    kernels.norms(length, scaled.reshape(1, -1), one)
    kernels.dots(along, delta, _weighted_sums(solver, x, scaled))
    return norms, along / length[0], math.ldexp(float(length[0]), exponent)


def _weighted_sums(solver: Engine, x: FloatArray, W: FloatArray) -> FloatArray:
    """Σ_i x_i W_ij as (N, J): the engine's own weighted sum, that of a layer of identities."""
    net = Architecture((W.shape[0] - 1, W.shape[1]), ("identity",), "sse", W.dtype)
    S, outputs, y = (np.zeros((len(x), W.shape[1]), W.dtype) for _ in range(3))
    work = Workspace((x, outputs), (S,), (S,), S, y, np.empty(len(x), W.dtype))
    solver.forward(net, (W,), work)
    return S


def _joined(norms: Floats) -> Floats:
    """√(Σ_l |g^(l)|²) of norms (N, L), layer after layer; scaled, so that no square overflows."""
    largest = norms.max(axis=1)
    scale = np.where(largest == 0, 1.0, largest)
    total = np.zeros(len(norms))
    for column in norms.T:
        total += (column / scale) ** 2
    joined: Floats = scale * np.sqrt(total)
    return joined


def _cosine(along: Floats, norms: Floats, mean_norms: Floats | float) -> Floats:
    """along / norms within ±1; NaN where one of the two vectors is 0."""
    with np.errstate(invalid="ignore", divide="ignore"):
        cosine = np.clip(along / norms, -1.0, 1.0)
    found: Floats = np.where(np.equal(mean_norms, 0), math.nan, cosine)
    return found


def _row(layer: Any, size: int, norms: Floats, mean_norm: float, cosine: Floats) -> dict[str, Any]:
    """A row of `PerExampleGradients.layers`."""
    N, largest = len(norms), float(norms.max())
    unit = largest or 1.0
    mean = math.fsum(norms / unit) / N
    scatter = math.fsum((norms / unit - mean) ** 2)
    known = cosine[~np.isnan(cosine)]
    found = noise(norms, mean_norm)
    return {
        "layer": layer,
        "parameters": size,
        "mean_norm": mean * unit,
        "std_norm": math.sqrt(scatter / (N - 1)) * unit if N > 1 else math.nan,
        "min_norm": float(norms.min()),
        "median_norm": float(np.median(norms)),
        "max_norm": largest,
        "norm_of_mean": mean_norm,
        "mean_cosine": math.fsum(known) / len(known) if len(known) else math.nan,
        "trace": found.trace,
        "signal": found.signal,
        "noise_scale": found.scale,
        "snr": found.snr,
    }


def _check_out(out: object, shape: tuple[int, int], dtype: np.dtype[Any]) -> None:
    """Raises unless `out` is an array that the gradients can be written into."""
    if not isinstance(out, np.ndarray):
        raise TypeError(f"out: expected an array {shape}; got {describe(out)}")
    if out.shape != shape or out.dtype != dtype:
        raise ValueError(
            f"out: expected shape {shape} of {dtype.name}; got {out.shape} of {out.dtype.name}"
        )
    if not (out.flags.c_contiguous and out.flags.writeable):
        raise ValueError("out: expected a C-contiguous array that can be written")
