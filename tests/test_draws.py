"""Draws: bits of PCG64, whole-number operations, nothing of the machine."""

import numpy as np
import pytest

from loopbp import draws


def test_uniform_is_the_leading_53_bits() -> None:
    raw = np.random.PCG64(7).random_raw(6)
    expected = [int(word) // 2**11 / 2**53 for word in raw]
    assert draws.uniform(draws.source(7), (2, 3)).ravel().tolist() == expected


def test_permutation_sorts_the_draws() -> None:
    raw = [int(word) for word in np.random.PCG64(3).random_raw(50)]
    expected = sorted(range(50), key=raw.__getitem__)
    assert draws.permutation(draws.source(3), 50).tolist() == expected


def test_every_order_of_three_is_as_likely() -> None:
    bits = draws.source(0)
    orders = [tuple(draws.permutation(bits, 3)) for _ in range(6000)]
    counts = [orders.count(order) for order in set(orders)]
    assert len(counts) == 6
    # 1,000 expected of each; the standard deviation is √(6000 · 1/6 · 5/6) = 29.
    assert max(abs(count - 1000) for count in counts) < 5 * 29


@pytest.mark.parametrize("seed", [-1, 1.5, "0", None, True])
def test_a_seed_is_a_whole_number(seed: object) -> None:
    with pytest.raises((TypeError, ValueError), match="seed: expected an integer"):
        draws.source(seed)
