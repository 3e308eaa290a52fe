"""Which entries of a large network are checked."""

from __future__ import annotations

import numpy as np

from loopbp.network import Network

from .cases import BIG, BIG_X, BIG_Y, check, problem, right, statuses


def test_every_layer_and_its_biases_are_in_the_sample():
    result = check(BIG, BIG_X, BIG_Y, sample=100)
    # six blocks share 100: the 3 biases of the last layer are all there are, 97 are left for the
    # other five: 19, 19, 19, 20, 20, the smaller blocks first
    blocks = result.summary.set_index(["layer", "block"])["checked"].to_dict()
    assert blocks == {
        (0, "biases"): 19,
        (0, "weights"): 20,
        (1, "biases"): 19,
        (1, "weights"): 20,
        (2, "biases"): 3,
        (2, "weights"): 19,
    }
    assert len(np.unique(result.frame[["layer", "i", "j"]], axis=0)) == 100
    assert result.parameters == BIG.theta.size == 3443
    assert "100 of 3,443 parameters" in str(result)
    assert result.passed


def test_the_sample_belongs_to_its_seed():
    first, second, other = (check(BIG, BIG_X, BIG_Y, sample=60, seed=seed) for seed in (4, 4, 5))
    assert first.frame.equals(second.frame)
    assert statuses(first) != statuses(other)


def test_the_entries_of_a_sample_are_those_of_the_gradient():
    result = check(BIG, BIG_X, BIG_Y, sample=80)
    grad = right(BIG, BIG_X, BIG_Y)
    for entry in result.frame.itertuples():
        assert entry.analytic == grad[entry.layer][entry.i, entry.j - 1]


def test_large_networks_are_sampled_by_default():
    # 3,443 parameters are more than 3,000; 40-50-17 has 50·41 + 17·51 = 2,917
    assert len(check(BIG, BIG_X, BIG_Y).frame) == 1000
    net = Network([40, 50, 17], hidden="tanh")
    assert len(check(net, np.ones((1, 40)), [3]).frame) == net.theta.size == 2917


def test_a_missing_bias_row_is_caught_in_the_smallest_sample():
    wrong = right(BIG, BIG_X, BIG_Y)
    wrong[1][0] = 0
    result = check(BIG, BIG_X, BIG_Y, gradient=wrong, sample=6)
    assert (result.errors, len(result.frame)) == (1, 6)
    assert result.worst is not None and result.worst[:2] == (1, 0)


def test_more_than_all_is_all():
    data = problem()
    net, (X, Y) = data.network(), data.data()
    assert len(check(net, X, Y, sample=10**9).frame) == net.theta.size
