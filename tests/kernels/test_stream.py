"""Stores past the caches: every number arrives, at every alignment, and nothing beside it."""

from __future__ import annotations

import numpy as np
import pytest

from loopbp.kernels.compile import kernel
from loopbp.kernels.stream import LINE, finish, stream


@kernel
def copy(target, first, source, K):
    stream(target, first, source, K)
    finish()


@pytest.mark.parametrize("first", range(17))
def test_every_length_at_every_alignment(call, number, first):
    numbers = LINE // np.dtype(number).itemsize
    source = np.arange(1, 4 * numbers, dtype=number)
    for K in range(len(source) + 1):
        target = np.zeros(first + len(source) + 1, number)
        call(copy, target, first, source, K)
        assert target[first : first + K].tolist() == source[:K].tolist()
        assert not target[:first].any() and not target[first + K :].any()
