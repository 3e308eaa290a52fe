"""Gradients of another library against the exact engine, entry by entry, up to rounding.

Both computed the same derivatives at the same weights and examples, so that they differ by rounding
alone, or one of them is wrong. How far rounding can go is no matter of taste: `rounding` bounds
the distance E of any careful computation from the exact value, so that two of them are at most 2E
apart. That is the bound of an entry; it grows with the number of terms in the sums, with their
cancellation and, layer by layer, with Σ |w|. An entry beyond it is an error, not rounding.

What a bound lets through is told: the *resolution* of a tensor is the median of bound / |∂f/∂w|
over its entries that are not 0. A relative error of that size would be seen in half of them. The
bounds hold in the worst case, and seen differences are a hundredth of them or less. In wide and
deep float32 networks the worst case is too far from anything that happens: where the resolution is
worse than `RESOLVED`, a tensor is judged by *likely* bounds, for roundings that are independent of
each other. Where these say too little as well, the comparison is *undecided*. With dtype="float64"
both libraries compute in float64, at the same weights, and bounds are 5·10⁸ times smaller.

Where gradients differ, what comes before them is told as far as it is known: whether the outputs
differ already (the model is not the network described), or the losses, or neither, so that the
difference arises on the way back. That is said only where outputs and loss are known a hundred
times better than the error in the gradients.
"""

from __future__ import annotations

from .comparison import assert_gradients, verify
from .result import Verification, VerificationError

__all__ = ["Verification", "VerificationError", "assert_gradients", "verify"]
