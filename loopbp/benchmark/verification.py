"""Before anything is timed: whether a contender computes the same thing.

Exact engines must give the textbook's bits. A library must agree within a tolerance that is
stated, layer by layer, so that a wrong layer is not hidden by the larger ones:

    error = max over layers of ‖theirs − ours‖ / ‖ours‖

For an epoch the difference is not measured against the weights, which hardly move, but against
what training has done to them, ‖w after − w before‖: whoever does nothing has an error of 1, and
whoever leaves out one batch of T has one of about 1 / T. No workload has more than 5,000 batches.

The tolerances are those for rounding, not for mistakes. A sum of 1,024 terms has a relative error
of some 1024^½ u (random signs) to 1024 u, u = 6·10⁻⁸ in float32 and 1.1·10⁻¹⁶ in float64. Over an
epoch these errors add up, and w loses the low bits of η ∂f/∂w in every step.

relu is another matter in float32: of the million sums S of an epoch one or two lie so near 0 that
the order of summation decides their sign, and with it whether all that passes through that node
counts (seen: 7·10⁻³; those who sum in the same order agree to 4·10⁻⁶). There the tolerance lets
a few such nodes pass, and no batch that is left out of 20. In float64 no sum lies so near.
"""

from __future__ import annotations

import hashlib

import numpy as np

from ..checks import FloatArray
from .workloads import Problem

#: (task, dtype) -> the largest error that passes.
TOLERANCES = {
    ("epoch", "float32"): 1e-4,
    ("epoch", "float64"): 1e-10,
    ("gradients", "float32"): 1e-4,
    ("gradients", "float64"): 1e-12,
    ("forward", "float32"): 1e-5,
    ("forward", "float64"): 1e-13,
    ("product", "float32"): 1e-5,
    ("product", "float64"): 1e-13,
    ("examples", "float32"): 1e-4,
    ("examples", "float64"): 1e-10,
    ("matrix", "float32"): 1e-4,
    ("matrix", "float64"): 1e-12,
}

#: The same for networks whose hidden activation has a kink, in float32.
KINK_TOLERANCES = {"epoch": 3e-2, "gradients": 1e-2, "examples": 1e-2, "matrix": 1e-2}

#: Rows of a matrix that are compared at a time, so that float64 copies stay small.
ROWS = 16


def tolerance(problem: Problem, task: str) -> float:
    """The largest error that passes."""
    usual = TOLERANCES[task, problem.dtype.name]
    if problem.workload.hidden == "relu" and problem.dtype == np.float32:
        return KINK_TOLERANCES.get(task, usual)
    return usual


def digest(result: FloatArray) -> str:
    """SHA-256 of the numbers' bytes, little-endian, in C order."""
    portable = np.ascontiguousarray(result, dtype=result.dtype.newbyteorder("<"))
    return hashlib.sha256(portable.data).hexdigest()


def error(problem: Problem, task: str, theirs: FloatArray, ours: FloatArray) -> float:
    """The error of a result, as above; infinite if it has another shape or is not finite."""
    if theirs.shape != ours.shape or not np.isfinite(theirs).all():
        return np.inf
    if task in ("forward", "product"):
        return _relative(theirs, ours, np.zeros_like(ours))
    if task == "examples":  # a column for each layer, and one for the cosines
        return max(_relative(a, b, np.zeros_like(b)) for a, b in zip(theirs.T, ours.T, strict=True))
    if task == "matrix":
        return _matrix_error(problem, theirs, ours)
    before = problem.theta if task == "epoch" else np.zeros_like(problem.theta)
    layers = zip(*(problem.layers(flat) for flat in (theirs, ours, before)), strict=True)
    return max(_relative(*layer) for layer in layers)


def complaint(
    problem: Problem, task: str, theirs: FloatArray, ours: FloatArray, *, exact: bool
) -> str | None:
    """Why a result is refused; None where it is right."""
    if theirs.dtype != problem.dtype:
        return f"expected a result in {problem.dtype.name}; got {theirs.dtype.name}"
    if exact:
        same = theirs.shape == ours.shape and digest(theirs) == digest(ours)
        return None if same else "its bits are not those of the textbook loops"
    found, limit = error(problem, task, theirs, ours), tolerance(problem, task)
    if found <= limit:
        return None
    return f"its result is not ours: error {found:.1e}, tolerance {limit:.0e}"


def _matrix_error(problem: Problem, theirs: FloatArray, ours: FloatArray) -> float:
    """The largest ‖theirs − ours‖ / ‖ours‖ of a layer's columns, in float64."""
    squares = np.zeros((2, problem.network().L))
    for start in range(0, len(ours), ROWS):
        part = (np.asarray(rows[start : start + ROWS], np.float64) for rows in (theirs, ours))
        for their_row, our_row in zip(*part, strict=True):
            layers = zip(problem.layers(their_row), problem.layers(our_row), strict=True)
            for l, (a, b) in enumerate(layers):
                squares[:, l] += np.square(a - b).sum(), np.square(b).sum()
    difference, size = np.sqrt(squares)
    with np.errstate(divide="ignore", invalid="ignore"):
        return float(np.where(difference == 0, 0.0, difference / size).max())


def _relative(theirs: FloatArray, ours: FloatArray, before: FloatArray) -> float:
    """‖theirs − ours‖ / ‖ours − before‖, in float64."""
    a, b, c = (np.asarray(part, np.float64) for part in (theirs, ours, before))
    size = float(np.linalg.norm(b - c))
    difference = float(np.linalg.norm(a - b))
    return difference / size if size else (0.0 if difference == 0 else np.inf)
