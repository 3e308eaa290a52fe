"""What was recorded, as pandas frames: `statistics`, `layers`, `histograms` and `losses`.

`statistics`: a row per recorded step, layer, quantity and part. v are the numbers of the array.

| column | formula |
|---|---|
| step, epoch | from 1; 0 for a checkpoint |
| l | the legend's index: of x the layer itself, 1 … L, of all others 0 … L − 1 |
| quantity, part | gradient, update, weight, delta, S, x; all, weights or biases |
| count | n, how many numbers the array has |
| l1, l2, max_abs | Σ |v|, √(Σ v²), max |v| |
| mean_abs, mean, std | Σ |v| / n, m = Σ v / n, √(Σ (v − m)² / n) |
| q01, q05, q50, q95, q99 | the ⌈q n⌉-th of |v| in ascending order, off by less than 1/16 of it |
| zeros, subnormals, nonfinite | how many v are 0; are subnormal in their format; ±∞ or NaN |

`layers`: a row per recorded step and layer of weights w^(l), which lead to layer l+1.

| column | formula |
|---|---|
| activation | g of layer l+1 |
| gradient_weight | √(Σ (∂f/∂w)²) / √(Σ w²) |
| update_weight | √(Σ Δw²) / √(Σ w²), Δw the step that was taken |
| dead | relu: the share of nodes j of layer l+1 with x_j = 0 for every example; others NaN |
| saturated | sigmoid, tanh: the share of (example, node) with |g′(S)| below 1 % of its largest |
| saturated_hard | the share with S outside of (−23, 17) for sigmoid, (−9.5, 9.5) for tanh |
| delta_ratio | rms of δ^(l) / rms of δ^(l+1); NaN for the last |
| delta_ratio_predicted | √(n_{l+2} Var(w^(l+1)) E g′²), Var without the biases |
| cosine | Σ a b / (√(Σ a²) √(Σ b²)), a the gradient and b that of the recorded step before |

E g′² is g′(0)² where g is about linear at 0 (Glorot and Bengio, "Understanding the difficulty of
training deep feedforward neural networks", 2010, eq. 6), ½ for relu and (1 + 0.01²)/2 for
leaky_relu (He et al., "Delving deep into rectifiers", 2015, section 2.2). What rests on a
quantity that was not recorded is NaN.

`histograms`: a row per recorded step, layer, quantity, part, sign and bin that is not empty; the
bin holds 2^exponent ≤ |v| < 2^(exponent+1). What is more than 64 powers of 2 beneath the largest
is in the lowest bin; zeros, subnormal numbers and what is not finite are in none.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING, Any

import numpy as np
from numpy.typing import NDArray

from .kernels.observation import LAYER_NAMES
from .kernels.statistics import NAMES
from .recording import SATURATION, Records
from .workspace import Architecture

if TYPE_CHECKING:
    import pandas as pd

KEYS = ("step", "epoch", "l", "quantity", "part")
COUNTS = ("count", "zeros", "subnormals", "nonfinite")
STATISTICS = (
    *KEYS,
    "count",
    "l1",
    "l2",
    "max_abs",
    "mean_abs",
    "mean",
    "std",
    "q01",
    "q05",
    "q50",
    "q95",
    "q99",
    "zeros",
    "subnormals",
    "nonfinite",
)
LAYERS = (
    "step",
    "epoch",
    "l",
    "activation",
    "gradient_weight",
    "update_weight",
    "dead",
    "saturated",
    "saturated_hard",
    "delta_ratio",
    "delta_ratio_predicted",
    "cosine",
)
HISTOGRAMS = ("step", "l", "quantity", "part", "sign", "exponent", "count")

#: E g′² of Glorot's and He's formulas.
MEAN_SQUARED_SLOPE = {
    "identity": 1.0,
    "sigmoid": 0.25**2,
    "tanh": 1.0,
    "relu": 0.5,
    "leaky_relu": (1 + 0.01**2) / 2,
    "elu": 1.0,
    "softplus": 0.5**2,
    "silu": 0.5**2,
    "gelu": 0.5**2,
    "sin": 1.0,
    "cos": 0.0,
    "exp": 1.0,
}

Numbers = NDArray[np.float64]


def statistics(records: Records | None, epochs: NDArray[np.int64]) -> pd.DataFrame:
    """The frame `statistics`; epochs (K,), that of each recorded step."""
    import pandas as pd

    if records is None:
        return pd.DataFrame(columns=list(STATISTICS))
    K, L, Q, _ = records.numbers.shape
    flat = records.numbers.reshape(K * L * Q, -1)
    columns: dict[str, Any] = {
        "step": np.repeat(records.steps, L * Q),
        "epoch": np.repeat(epochs, L * Q),
        "l": np.tile((np.arange(L)[:, None] + _is_output(records)).ravel(), K),
        **{
            name: np.tile(np.array([row[k] for row in records.rows], dtype=object), K * L)
            for k, name in enumerate(("quantity", "part"))
        },
        **{name: flat[:, k] for k, name in enumerate(NAMES)},
    }
    with np.errstate(invalid="ignore"):
        columns["mean_abs"] = columns["l1"] / columns["count"]
    columns |= {name: columns[name].astype(np.int64) for name in COUNTS}
    return pd.DataFrame({name: columns[name] for name in STATISTICS})


def layers(
    records: Records | None, epochs: NDArray[np.int64], net: Architecture | None
) -> pd.DataFrame:
    """The frame `layers`; epochs (K,), that of each recorded step."""
    import pandas as pd

    if records is None or net is None:
        return pd.DataFrame(columns=list(LAYERS))
    K, L = records.layers.shape[:2]
    columns: dict[str, Any] = {
        "step": np.repeat(records.steps, L),
        "epoch": np.repeat(epochs, L),
        "l": np.tile(np.arange(L), K),
        "activation": np.tile(np.array(net.activations, dtype=object), K),
        **{name: values.ravel() for name, values in _of_layers(records, net).items()},
    }
    return pd.DataFrame({name: columns[name] for name in LAYERS})


def histograms(records: Records | None) -> pd.DataFrame:
    """The frame `histograms`."""
    import pandas as pd

    if records is None:
        return pd.DataFrame(columns=list(HISTOGRAMS))
    k, l, q, s, b = np.nonzero(records.histograms)
    exponents = records.numbers[..., NAMES.index("exponent")].astype(np.int64)
    quantities, parts = (np.array([row[n] for row in records.rows], dtype=object) for n in range(2))
    return pd.DataFrame(
        {
            "step": records.steps[k],
            "l": l + _is_output(records)[q],
            "quantity": quantities[q],
            "part": parts[q],
            "sign": np.array([1, -1])[s],
            "exponent": exponents[k, l, q] - b,
            "count": records.histograms[k, l, q, s, b].astype(np.int64),
        }
    )


def losses(blocks: Sequence[Numbers]) -> pd.DataFrame:
    """A row per step: step and epoch (from 1), and loss; blocks, the losses of each epoch."""
    import pandas as pd

    loss = np.concatenate([np.empty(0), *blocks])
    epochs = np.repeat(np.arange(1, len(blocks) + 1), [len(block) for block in blocks])
    return pd.DataFrame({"step": np.arange(1, len(loss) + 1), "epoch": epochs, "loss": loss})


def _is_output(records: Records) -> NDArray[np.int64]:
    """1 for the rows of x, whose l is that of the layer that the weights lead to, else 0."""
    return np.array([quantity == "x" for quantity, _ in records.rows], np.int64)


def _of_layers(records: Records, net: Architecture) -> dict[str, Numbers]:
    """The columns of `layers` that are computed, each (K, L)."""
    shape = records.layers.shape[:2]
    found = dict(zip(LAYER_NAMES, np.moveaxis(records.layers, -1, 0), strict=True))
    is_relu = np.array([name == "relu" for name in net.activations])
    saturates = np.array([name in SATURATION for name in net.activations])
    rms_delta = _norm(records, "delta") / np.sqrt(_number(records, "delta", "count"))
    weight = _norm(records, "weight")
    ratio, predicted = np.full(shape, np.nan), np.full(shape, np.nan)
    spread = _spread(records)
    with np.errstate(all="ignore"):
        ratio[:, :-1] = rms_delta[:, :-1] / rms_delta[:, 1:]
        for l in range(net.L - 1):
            slope = MEAN_SQUARED_SLOPE[net.activations[l]]
            predicted[:, l] = np.sqrt(net.sizes[l + 2] * slope) * spread[:, l + 1]
        return {
            "gradient_weight": _norm(records, "gradient") / weight,
            "update_weight": _norm(records, "update") / weight,
            "dead": np.where(is_relu, found["dead"] / np.array(net.sizes[1:]), np.nan),
            **{
                name: np.where(saturates, found[name] / _number(records, "S", "count"), np.nan)
                for name in ("saturated", "saturated_hard")
            },
            "delta_ratio": ratio,
            "delta_ratio_predicted": predicted,
            "cosine": found["cosine"],
        }


def _number(records: Records, quantity: str, name: str, part: str | None = None) -> Numbers:
    """A number of a quantity, of its (first, or given) part: (K, L); NaN if not recorded."""
    for q, row in enumerate(records.rows):
        if row[0] == quantity and part in (None, row[1]):
            return records.numbers[:, :, q, NAMES.index(name)]
    return np.full(records.layers.shape[:2], np.nan)


def _norm(records: Records, quantity: str) -> Numbers:
    """l2 of a quantity, of its parts together: (K, L)."""
    weights = _number(records, quantity, "l2")
    if (quantity, "biases") not in records.rows:
        return weights
    return np.hypot(weights, _number(records, quantity, "l2", "biases"))


def _spread(records: Records) -> Numbers:
    """The standard deviation of each layer's weights, without the biases: (K, L)."""
    apart = ("weight", "weights") in records.rows
    return _number(records, "weight", "std" if apart else "inner_std")
