"""Several vectors of numbers side by side: the same number in each place, for any length."""

from __future__ import annotations

import numpy as np
import pytest

from loopbp.kernels import activation, textbook, tiled
from loopbp.kernels.compile import bind


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ["identity", "relu", "tanh", "softplus"])
def test_every_number_has_its_own_g(name: str, dtype: str) -> None:
    """Lengths on both sides of each number of vectors; what stands behind is left alone."""
    g = getattr(activation, name)
    one_by_one, at_once = bind(textbook.output, g), bind(tiled.output, g)
    numbers = np.linspace(-9, 9, 150).astype(dtype)[::-1].copy()
    for length in (0, 1, 3, 4, 7, 8, 15, 16, 17, 31, 32, 63, 64, 65, 127, 128, 150):
        S = numbers[:length].reshape(1, length)
        expected, room = np.empty_like(S), np.full(length + 16, 7, dtype)
        one_by_one(expected, S)
        at_once(room[:length].reshape(1, length), S)
        assert room[:length].tobytes() == expected.tobytes()
        assert (room[length:] == 7).all()


def test_relu_by_hand() -> None:
    S = np.array([[-2.0, 0.0, 3.0], [np.inf, -np.inf, 0.5]])
    x = np.empty_like(S)
    bind(tiled.output, activation.relu)(x, S)
    np.testing.assert_array_equal(x, [[0, 0, 3], [np.inf, 0, 0.5]])
