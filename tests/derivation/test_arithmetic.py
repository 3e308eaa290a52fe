"""The JSON's steps, done in order, give the engine's bits; the paths add up to the derivative."""

from __future__ import annotations

import itertools
import json
import math
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest
from problems import PROBLEMS, Problem

from loopbp.derivation import explain
from loopbp.derivation import steps as steps_module
from loopbp.derivation.names import Place
from loopbp.network import Network
from loopbp.workspace import Architecture

#: Small enough to be spelled out down to the loss.
SMALL = [problem for problem in PROBLEMS if max(problem.sizes) < 34]


def some_places(problem: Problem) -> Iterator[Place]:
    """A weight and a bias of the first and the last layer, and one of everything else."""
    sizes, last = problem.sizes, len(problem.sizes) - 2
    for l in sorted({0, last}):
        yield Place("w", l, (sizes[l], sizes[l + 1]))
        yield Place("w", l, (0, 1))
    yield Place("delta", 0, (1,))
    yield Place("S", last, (sizes[-1],))
    yield Place("x", 0, (1,))
    yield Place("x", last + 1, (1,))


def replay(document: dict[str, Any]) -> Any:
    """The value of the last step; every factor that an earlier step gave is taken from there.

    Written from the document's own words, without the package.
    """
    number = {"float32": np.float32, "float64": np.float64}[document["network"]["dtype"]]
    known: dict[tuple[str, int | None], Any] = {}

    def value(factor: dict[str, Any]) -> Any:
        given = number(factor["value"])
        computed = known.get((factor["symbol"], factor.get("n")), given)
        assert same(computed, given)
        return computed

    result = None
    with np.errstate(all="ignore"):
        for step in document["steps"]:
            products = []
            for term in step["terms"]:
                product, *others = [value(factor) for factor in term]
                for other in others:
                    product = product * other
                products.append(product)
            result, *others = products
            for other in others:
                result = result + other
            if "times" in step:
                result = result * value(step["times"])
            if "divided_by" in step:
                result = result / value(step["divided_by"])
            assert same(result, number(step["value"]))
            known[step["symbol"], step.get("n")] = result
    return result


def same(a: Any, b: Any) -> bool:
    """The same bits, or both NaN."""
    return a.tobytes() == b.tobytes() or (np.isnan(a) and np.isnan(b))


@pytest.mark.parametrize("problem", SMALL, ids=str)
def test_replaying_the_steps_gives_the_engines_bits(problem, exact):
    net = problem.network()
    X, Y = problem.data()
    number = net.dtype.type
    single = net.backprop(X[:1], Y[:1], engine=exact)
    whole = net.backprop(X, Y, engine=exact)
    for place in some_places(problem):
        kind, l, at = place
        document = json.loads(explain(single, str(place)).to_json())
        assert document["complete"]
        assert document["network"]["dtype"] == problem.dtype
        result = replay(document)
        assert same(result, number(document["value"]))
        if kind == "w":
            assert same(result, single.grad[l][at[0], at[1] - 1])
            for trace in (whole, net.backprop(X, Y, engine=exact, reduction="sum")):
                document = json.loads(explain(trace, str(place), n="mean").to_json())
                assert same(replay(document), trace.grad[l][at[0], at[1] - 1])
        if kind in ("delta", "S"):
            assert same(result, single.delta[l][0, at[0] - 1])


def test_forward_sums_stand_in_the_derivation_of_a_sum():
    problem = PROBLEMS[0]
    net, (X, Y) = problem.network(), problem.data()
    d = explain(net, "S_2^(1)", X, Y, n=3)
    assert d.own_value == net.forward(X).S[1][3, 1]
    assert "Its own value" in str(d)


def test_a_derivation_that_is_too_long_stops_at_a_layer_and_says_so(monkeypatch):
    problem = next(p for p in PROBLEMS if p.sizes == (2, 3, 5, 8, 13))
    net, (X, Y) = problem.network(), problem.data()
    # 1 for δ x, 5 for δ^(0), 5 · 8 for δ^(1); 8 · 13 for δ^(2) is too much
    monkeypatch.setattr(steps_module, "MOST_PRODUCTS", 100)
    d = explain(net, "w_11^(0)", X, Y)
    document = json.loads(d.to_json())
    assert not document["complete"]
    assert document["omitted"].startswith("how δ of layer 2 comes about")
    assert sum(len(step["terms"]) for step in document["steps"]) == 1 + 5 + 5 * 8
    assert same(replay(document), np.dtype(problem.dtype).type(d.value))
    monkeypatch.setattr(steps_module, "MOST_PRODUCTS", problem.N - 1)
    document = explain(net, "w_11^(0)", X, Y, n="mean").to_dict()
    assert document["steps"] == [] and not document["complete"]
    assert document["omitted"].startswith("all steps: 15 examples")


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_the_paths_add_up_to_the_gradient(problem):
    net = problem.network()
    X, Y = problem.data()
    trace = net.backprop(X, Y)
    for place in some_places(problem):
        if place.kind == "x" and place.l == len(problem.sizes) - 1:
            continue
        d = explain(trace, str(place), n=problem.N - 1)
        paths = d.paths()
        assert paths.count == brute_count(net.architecture, place)
        assert len(paths.shown) == (paths.count if paths.count <= 12 else 8)
        if paths.total is None:
            assert paths.count > 10**6
            continue
        assert paths.agree
        # a bound that allowed everything would be worthless
        products = brute_products(trace, place, problem.N - 1)
        size = sum(map(abs, products))
        tolerance = 500 * float(np.finfo(problem.dtype).eps) * size + 1e-37
        assert paths.bound <= tolerance
        assert paths.total == pytest.approx(math.fsum(products), rel=0, abs=tolerance)
        if paths.complete:
            assert math.fsum(p.product for p in paths) == pytest.approx(
                paths.total, rel=0, abs=1e-14 * size
            )


def brute_nodes(net: Architecture, place: Place) -> list[range]:
    """The nodes of each layer that a path may pass freely."""
    first = place.l + (1 if place.kind == "x" else 2)
    ranges = [range(n) for n in net.sizes[first:]]
    if net.activations[-1] == "softmax" and net.loss != "cross_entropy":
        ranges.append(range(net.sizes[-1]))
    return ranges


def brute_count(net: Architecture, place: Place) -> int:
    """Paths, by walking: how many lead from each node to the next layer."""
    into = 1
    for nodes in brute_nodes(net, place):
        into = sum(into for _ in nodes)
    return into


def brute_products(trace: Any, place: Place, n: int) -> list[float]:
    """The product of every path, in plain Python; those through one last S are taken together.

    g′ is read off the trace, as δ / Σ δ w; the sum over what lies beyond S of the last layer is
    its δ.
    """
    net = trace.architecture
    L, total = net.L, [np.float64(1)]
    ends = np.asarray(trace.delta[L - 1][n], np.float64)
    slopes = {}
    for l in range(place.l, L - 1):
        inner = trace.W[l + 1][1:].astype(np.float64) @ trace.delta[l + 1][n]
        delta = trace.delta[l][n].astype(np.float64)
        slopes[l] = np.divide(delta, inner, out=np.zeros_like(delta), where=inner != 0)
    start = place.indices[-1] - 1
    layer = place.l
    if place.kind == "x":
        rows, nodes = trace.W[layer][1:].astype(np.float64)[start], range(net.sizes[layer + 1])
        total = [rows[j] for j in nodes]
    else:
        nodes = range(start, start + 1)
        if place.kind == "w":
            total = [np.float64(trace.x[layer][n, place.indices[0]])]
    while layer < L - 1:
        weights = trace.W[layer + 1][1:].astype(np.float64)
        width = len(nodes)
        total = [
            total[p] * slopes[layer][nodes[p % width]] * weights[nodes[p % width], k]
            for p, k in itertools.product(range(len(total)), range(net.sizes[layer + 2]))
        ]
        layer += 1
        nodes = range(net.sizes[layer + 1])
    width = len(nodes)
    return [float(t * ends[nodes[p % width]]) for p, t in enumerate(total)]


def wide(seed: int = 0) -> tuple[Network, np.ndarray, np.ndarray]:
    random = np.random.default_rng(seed)
    net = Network([3, 6, 5, 4, 3], "tanh", "identity", "sse", init="normal", std=1, seed=seed)
    return net, random.normal(size=(1, 3)), random.normal(size=(1, 3))


@pytest.mark.parametrize("name", ["w_12^(0)", "b_3^(0)", "x_2^(0)", "δ_1^(0)"])
def test_the_largest_paths_are_the_largest(name):
    net, X, Y = wide()
    trace = net.backprop(X, Y)
    d = explain(trace, name)
    place = Place(*d._subject.place)
    everything = sorted((abs(p) for p in brute_products(trace, place, 0)), reverse=True)
    shown = [abs(path.product) for path in d.paths()]
    assert len(shown) == 8 < d.paths().count
    assert shown == pytest.approx(everything[:8], rel=1e-9)
    assert len({path.nodes for path in d.paths()}) == 8
    # each path's nodes are those of its factors: S_j^(l) of a slope, j from and to of a weight
    for path in d.paths():
        slopes = [
            (f.symbol.l, f.symbol.indices[0]) for f in path.factors if f.symbol.kind == "slope"
        ]
        assert tuple(reversed(slopes)) == path.nodes


def test_too_many_paths_are_counted_and_the_largest_found():
    # 30 layers of 20 nodes: 20^29 paths from the first S
    random = np.random.default_rng(0)
    net = Network([1, *[20] * 30, 1], "tanh", "identity", "sse", init="glorot")
    d = explain(net, "w_11^(0)", random.normal(size=(1, 1)), [[1]])
    assert d.paths().count == 20**29
    assert d.paths().total is None and d.paths().agree is None
    products = [abs(path.product) for path in d.paths()]
    assert products == sorted(products, reverse=True)
    # no single exchange of one node gives a larger product than the largest path
    best = d.paths().shown[0]
    for at in range(1, 30):
        for node in range(1, 21):
            nodes = [*best.nodes]
            nodes[at] = (nodes[at][0], node)
            assert abs(product_along(d, nodes)) <= products[0] * (1 + 1e-12)
    assert "5.3 × 10³⁷ paths" in str(d)


def product_along(d: Any, nodes: list[tuple[int, int]]) -> float:
    """x, then g′ and w in turn, then ∂f/∂x."""
    example = d._subject.example
    product = float(example.x(0)[0])
    for at, (l, j) in enumerate(nodes):
        if at:
            product *= float(example.W(l)[nodes[at - 1][1] - 1, j - 1])
        product *= float(1 - example.x(l + 1)[j - 1] ** 2) if l < example.net.L - 1 else 1
    return product * float(example.dfdx[0])


def test_multiplications_are_counted():
    """3-4-2-3 with sse, by hand."""
    net = Network([3, 4, 2, 3], "tanh", "identity", "sse", init="normal", std=1)
    d = explain(net, "w_12^(0)", [[1, 2, 3]], [[1, 2, 3]])
    # 2 · 3 paths of x, g′, w, g′, w, g′ and ∂f/∂x: 6 multiplications each
    assert d.paths().count == 6 and d.work.paths == 36
    # δ^(2): 3; δ^(1): 2 · (3 + 1); δ_2^(0): 2 + 1; δ x: 1
    assert d.work.backprop == 3 + 8 + 3 + 1
    # all: δ^(0) four times 3; δ x of 3·4, 4·2 and 2·3 weights
    assert d.work.all_backprop == 3 + 8 + 12 + (12 + 8 + 6)
    # weights of layer 2: 6 with 2 each, biases 3 with 1; of layer 1: 8 · 3 · 4 and 2 · 3 · 3;
    # of layer 0: 12 · 6 · 6 and 4 · 6 · 5
    assert d.work.all_paths == (12 + 3) + (96 + 18) + (432 + 120)
    # 16 + 10 + 9 parameters, two passes of 12 + 8 + 6 each
    assert d.work.all_differences == 35 * 2 * 26
    assert d.work.parameters == 35
