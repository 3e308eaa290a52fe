"""The page's numbers against the engine's, bit for bit, in a real browser."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from problems import ELEMENTWISE, PAIRS

from loopbp.engines import ACTIVATIONS, OUTPUT_LOSSES, SUM_LOSSES
from loopbp.kernels import elementary
from loopbp.kernels.compile import uncompiled
from loopbp.network import Network
from loopbp.optimizers import SGD
from loopbp.training import NonFiniteError

FUNCTIONS = ("exp", "expm1", "log", "log1p", "tanh", "sigmoid", "softplus", "erf", "sin", "cos")

SHAPES = ((3, 4, 3, 2), (2, 5, 2, 3), (1, 1, 1, 1), (8, 3, 6, 4), (2, 2, 2, 8))
STEPS = 5


def bits(value: Any) -> Any:
    """As the codec of the pages has it: 16 hexadecimal digits, every NaN the same."""
    if isinstance(value, list | tuple | np.ndarray):
        return [bits(item) for item in value]
    return "nan" if np.isnan(value) else format(int(np.float64(value).view(np.uint64)), "016x")


def arguments() -> np.ndarray:
    """Usual numbers, all magnitudes, random bit patterns, neighbours of the edges, specials."""
    random = np.random.default_rng(0)
    edges = np.array(
        [
            *(0.0, 5e-324, 2.0**-1022, 2.0**-54, 2.0**-27, 2.0**-26, 0.5**0.5, 0.7071, 0.7854),
            *(1.0, 2.0, 6.0, 20.0, 36.0, 40.0, 54.0, 709.0, 709.79, 709.8, 710.0, 744.0, 745.2),
            *(750.0, 2.0**19, 2.0**20, 2.0**53, 1e308, np.pi / 2, np.pi),
        ]
    )
    around = np.concatenate([edges, np.nextafter(edges, np.inf), np.nextafter(edges, 0)])
    positive = np.concatenate(
        [
            random.exponential(1, 600),
            random.uniform(0, 60, 600),
            random.uniform(0, 760, 300),
            10 ** random.uniform(-320, 308, 600),
            random.uniform(0, 2.0**20, 300),
            around,
        ]
    )
    patterns = random.integers(-(2**63), 2**63 - 1, 1000).view(np.float64)
    near_one = 1 + random.normal(size=200) * 2.0 ** random.uniform(-50, -1, 200)
    specials = [np.inf, -np.inf, np.nan, np.finfo(np.float64).max]
    return np.concatenate([positive, -positive, patterns, near_one, specials])


@pytest.mark.parametrize("name", FUNCTIONS)
def test_elementary_functions(name: str, open_page: Callable[..., Any], two_paths: Any) -> None:
    function = uncompiled(getattr(elementary, name))
    x = arguments()
    assert len(x) > 5000
    with np.errstate(all="ignore"):
        expected = [bits(function(np.float64(value))) for value in x]
    computed = open_page(*two_paths).call(f"(x) => x.map(elementary.{name})", bits(x))
    wrong = [
        (value.hex(), a, b)
        for value, a, b in zip(x.tolist(), computed, expected, strict=True)
        if a != b
    ]
    assert wrong == []


def problem(k: int, output: str, loss: str, shape: tuple[int, ...]) -> tuple[Network, Any, Any]:
    """A random network with biases, and an example; hidden activations change with k."""
    if output == "softmax" and shape[-1] == 1:
        shape = (*shape[:-1], 2)
    random = np.random.default_rng(k)
    weights = []
    for i, j in itertools.pairwise(shape):
        W = random.uniform(-1.5, 1.5, (i + 1, j))
        W[1:] /= np.sqrt(i)
        weights.append(W)
    hidden = (ELEMENTWISE[5 * k % 12], ELEMENTWISE[(7 * k + 3) % 12])
    y = random.uniform(0, 1, shape[-1])
    if loss == "cross_entropy":
        y /= y.sum()
    return Network(shape, hidden, output, loss, weights), random.uniform(-1.5, 1.5, shape[0]), y


def description(net: Network, x: Any, y: Any, eta: float) -> dict[str, Any]:
    """A network as the page's scripts take it."""
    return {
        "sizes": list(net.sizes),
        "activations": list(net.activations),
        "loss": net.loss,
        "W": bits(net.W),
        "x": bits(x),
        "y": bits(y),
        "eta": bits(eta),
    }


def quantities(net: Network, x: Any, y: Any) -> dict[str, Any]:
    """What the textbook engine makes of one example."""
    trace = net.backprop([x], [y], engine="textbook")
    return {
        "S": [bits(S[0]) for S in trace.S],
        "x": [bits(layer[0]) for layer in trace.x],
        "delta": [bits(delta[0]) for delta in trace.delta],
        "grad": bits(trace.grad),
        "loss": bits(trace.loss),
    }


QUANTITIES = """(net) => {
  const { S, x, delta, grad, loss } = network.pass(net);
  return { S, x, delta, grad, loss };
}"""


@pytest.mark.parametrize("shape", SHAPES, ids=lambda shape: "-".join(map(str, shape)))
def test_every_quantity_of_every_activation_and_loss(
    shape: tuple[int, ...], open_page: Callable[..., Any], two_paths: Any
) -> None:
    tab = open_page(*two_paths)
    for k, (output, loss) in enumerate(PAIRS):
        net, x, y = problem(k, output, loss, shape)
        computed = tab.call(QUANTITIES, description(net, x, y, 0.1))
        assert computed == quantities(net, x, y), (output, loss, net.hidden)


@pytest.mark.parametrize("loss", ["sse", "cross_entropy", "binary_cross_entropy"])
def test_large_sums(loss: str, open_page: Callable[..., Any], two_paths: Any) -> None:
    """Saturated, underflowing and overflowing: the same bits, infinities included."""
    output = SUM_LOSSES[loss][1] if loss in SUM_LOSSES else "exp"
    tab = open_page(*two_paths)
    for scale in (30.0, 400.0, 1000.0):
        net, x, y = problem(3, output, loss, (3, 4, 3, 2))
        net.W[2][...] *= scale
        with np.errstate(all="ignore"):
            expected = quantities(net, x, y)
        assert tab.call(QUANTITIES, description(net, x, y, 0.1)) == expected, scale


@pytest.mark.parametrize("k", range(len(PAIRS)), ids=["-".join(pair) for pair in PAIRS])
def test_weights_after_steps_of_descent(
    k: int, open_page: Callable[..., Any], two_paths: Any
) -> None:
    """The whole page: its own weights, losses and steps, as its buttons take them."""
    net, x, y = problem(k, *PAIRS[k], SHAPES[k % len(SHAPES)])
    tab = open_page(net, x, y, eta=0.05)
    losses = [net.backprop([x], [y]).loss]
    for _ in range(STEPS):
        try:
            net.fit([x], [y], optimizer=SGD(eta=0.05), engine="textbook")
        except NonFiniteError:
            break
        losses.append(net.backprop([x], [y]).loss)
        tab.click("#one")
    assert len(losses) == STEPS + 1
    state = tab.call(f"() => {STATE}")
    assert state["W"] == bits(net.W)
    assert state["losses"] == bits(losses)
    assert state["pass"] == quantities(net, x, y)


STATE = """(({ net, run, pass: { S, x, delta, grad, loss } }) => ({
  W: net.W, losses: run.losses, wrong: run.wrong, y: net.y, x: net.x,
  activations: net.activations, loss: net.loss, eta: net.eta,
  pass: { S, x, delta, grad, loss },
}))(model.state)"""


def number(digits: str) -> float:
    """The float64 with these bits."""
    return float(np.uint64(int(digits, 16)).view(np.float64))


def test_everything_that_the_page_offers(open_page: Callable[..., Any], two_paths: Any) -> None:
    """Each activation in a hidden layer and in the last, and each loss, by the page's own lists;
    the network that the page then has goes back to the engine."""
    tab = open_page(*two_paths)
    choices = tab.page.locator("#activations select")
    offered = [choices.nth(k).locator("option").all_inner_texts() for k in range(choices.count())]
    assert offered[0] == offered[1] == list(ACTIVATIONS)
    assert offered[2] == [*ACTIVATIONS, "softmax"]
    assert set(offered[3]) == {*OUTPUT_LOSSES, *SUM_LOSSES}
    taken = set()
    for k in (0, 2, 3):
        for name in offered[k]:
            choices.nth(k).select_option(name)
            state = tab.call(f"() => {STATE}")
            W = [[[number(w) for w in row] for row in layer] for layer in state["W"]]
            *hidden, output = state["activations"]
            net = Network([2, 2, 2, 2], hidden, output, state["loss"], W)
            x, y = ([number(v) for v in state[name]] for name in "xy")
            assert state["pass"] == quantities(net, x, y), (k, name)
            taken.add((output, state["loss"]))
    assert {output for output, _ in taken} == {*ACTIVATIONS, "softmax"}
    assert {loss for _, loss in taken} == {*OUTPUT_LOSSES, *SUM_LOSSES}
    assert tab.messages == []


def mistaken(net: Network, x: Any, y: Any, eta: float) -> list[np.ndarray]:
    """The weights after a step in which each layer is updated before the δ below it."""
    trace = net.backprop([x], [y], engine="textbook")
    W = [layer.copy() for layer in net.W]
    delta = list(trace.delta[-1][0])
    for l in reversed(range(net.L)):
        if l < net.L - 1:
            prime = uncompiled(ACTIVATIONS[net.activations[l]][1])
            above, delta = delta, []
            for j, s in enumerate(trace.S[l][0]):
                total = above[0] * W[l + 1][j + 1, 0]
                for k in range(1, len(above)):
                    total = total + above[k] * W[l + 1][j + 1, k]
                delta.append(total * prime(s, trace.x[l + 1][0][j + 1]))
        for i, value in enumerate(trace.x[l][0]):
            for j, d in enumerate(delta):
                W[l][i, j] -= eta * (d * value)
    return W


@pytest.mark.parametrize("k", [0, 7, 13, 39, 40])
def test_the_mistaken_run(k: int, open_page: Callable[..., Any], two_paths: Any) -> None:
    net, x, y = problem(k, *PAIRS[k], (3, 4, 3, 2))
    tab = open_page(net, x, y, eta=0.05)
    right, wrong = net.copy(), net.copy()
    for step in range(3):
        after = mistaken(wrong, x, y, 0.05)
        for W, new in zip(wrong.W, after, strict=True):
            W[...] = new
        right.fit([x], [y], optimizer=SGD(eta=0.05), engine="textbook")
        tab.click("#one")
        assert tab.call(f"() => {STATE}")["wrong"] == bits(wrong.W)
        if step == 0:  # the last layer's gradient needs no weight that has changed
            assert right.W[2].tobytes() == wrong.W[2].tobytes()
            assert (right.W[0] != wrong.W[0]).any()
    differing = sum(int((a != b).sum()) for a, b in zip(right.W, wrong.W, strict=True))
    tab.click("#compare")
    assert f"{differing} of {net.theta.size} weights" in tab.text("#different")


def test_rewinding_gives_the_same_bits(open_page: Callable[..., Any], two_paths: Any) -> None:
    net, x, y = two_paths
    tab = open_page(net, x, y, eta=0.5)
    tab.click("#ten")
    for _ in range(3):
        tab.click("#undo")
    net.fit([x], [y], epochs=7, optimizer=SGD(eta=0.5), engine="textbook")
    assert tab.call(f"() => {STATE}")["W"] == bits(net.W)
