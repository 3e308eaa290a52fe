"""The examples that all tests of training use."""

from __future__ import annotations

import numpy as np
import pytest

from .cases import N


@pytest.fixture
def data() -> tuple[np.ndarray, np.ndarray]:
    """23 examples, a prime number, with labels that a line almost separates."""
    random = np.random.default_rng(11)
    X = random.uniform(-1, 1, (N, 4))
    return X, (X[:, 0] + X[:, 1] + random.normal(0, 0.2, N) > 0).astype(int)
