"""Numbers that are not finite are found by the sums that they spoil, wherever they stand."""

from __future__ import annotations

import copy
import pickle
import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
from problems import EXACT

from loopbp import training
from loopbp.kernels import blocks, epoch
from loopbp.network import Network
from loopbp.workspace import for_loops

N = 300  # blocks of examples in `tiled`

pytestmark = pytest.mark.usefixtures("blocks_of_100")

USES: dict[str, Callable[..., Any]] = {
    "forward": lambda net, X, engine: net.forward(X, engine=engine),
    "predict": lambda net, X, engine: net.predict(X, engine=engine, batch_size=290),
    "evaluate": lambda net, X, engine: net.evaluate(X, [0] * N, engine=engine, batch_size=290),
    "backprop": lambda net, X, engine: net.backprop(X, [0] * N, engine=engine),
    "gradients": lambda net, X, engine: net.gradients(X, [0] * N, engine=engine),
}


def inputs() -> Any:
    return np.random.default_rng(0).uniform(-1, 1, (N, 3))


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_input_anywhere(bad, engine, use):
    net = Network([3, 4, 4, 2], "relu", seed=1)
    net.W[0][1] = 0  # of which 0 · ∞ makes a NaN too
    for place in ((0, 0), (0, 2), (99, 1), (100, 0), (N - 1, 2)):
        X = inputs()
        X[place] = bad
        message = f"got {bad} in row {place[0]}, column {place[1]} (1 of 900 entries are not fini"
        with pytest.raises(ValueError, match=re.escape(message)):
            use(net, X, engine)


@pytest.mark.parametrize("use", USES.values(), ids=USES)
@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
@pytest.mark.parametrize("bad", [np.nan, np.inf, -np.inf])
def test_one_weight_anywhere(bad, engine, use):
    for l, shape in enumerate([(4, 4), (5, 4), (5, 2)]):
        for place in ((0, 0), (0, shape[1] - 1), (shape[0] - 1, shape[1] - 1)):
            net = Network([3, 4, 4, 2], "relu", seed=1)
            net.W[0][0] = -9  # all x^(1) are 0
            net.W[l][place] = bad
            message = f"net.W[{l}]: expected finite float64 numbers; got {bad} in row {place[0]}, "
            with pytest.raises(ValueError, match=re.escape(message)):
                use(net, inputs(), engine)


@pytest.mark.parametrize("engine", [*EXACT, "numpy"])
def test_sums_that_become_too_large_are_no_fault_of_the_input(engine):
    net = Network([3, 2, 2], "identity", "identity", "sse", init=np.full(14, 1e200))
    np.testing.assert_array_equal(net.predict(np.ones((N, 3)), engine=engine), np.inf)
    assert USES["gradients"](net, np.ones((N, 3)), engine).loss == np.inf


def test_the_first_weight_that_is_not_finite_is_reported_after_the_inputs():
    net = Network([3, 2], seed=0)
    net.theta[3] = np.nan
    with pytest.raises(ValueError, match="^X: expected finite"):
        net.predict([[1, np.inf, 2]])
    with pytest.raises(ValueError, match=r"^net\.W\[0\]: expected finite"):
        net.predict([[1, 1, 2]])


def test_arrays_that_cannot_be_written_compile_nothing_anew():
    net = Network([3, 4, 2], seed=0)
    X, Y = inputs(), np.eye(2)[np.arange(N) % 2]
    loops = (epoch.descend, epoch.pass_examples, blocks.predict, blocks.backpropagate)

    def use(X: Any, Y: Any) -> list[Any]:
        other = net.copy()
        other.fit(X, Y, progress=False)
        return [other.theta, net.predict(X), *net.gradients(X, Y).grad]

    expected = use(X, Y)
    compiled = [len(getattr(loop, "signatures", ())) for loop in loops]
    X.flags.writeable = Y.flags.writeable = False
    assert np.shares_memory(for_loops(X), X)
    for found, known in zip(use(X, Y), expected, strict=True):
        assert found.tobytes() == known.tobytes()
    assert [len(getattr(loop, "signatures", ())) for loop in loops] == compiled


def test_training_keeps_no_second_copy_of_the_inputs():
    X = inputs()
    descent = training._descent(Network([3, 2]), X, [0] * N, 32, None)
    assert np.shares_memory(descent.inputs, X)


@pytest.mark.parametrize("engine", EXACT)
def test_inputs_and_targets_that_are_the_weights_themselves(engine):
    def trained(taken: Callable[[Any], Any]) -> Any:
        net = Network([3, 3, 3], "tanh", "identity", "sse", seed=0)
        shared, weights = taken(net.W[1]), taken(net.W[0])
        net.fit(shared, weights, epochs=3, batch_size=2, engine=engine, progress=False)
        return net.theta

    assert trained(lambda W: W).tobytes() == trained(np.copy).tobytes()


def test_inputs_that_change_while_they_are_used():
    X = inputs()
    known, calls = X.copy(), []

    def change(_: Any) -> None:
        calls.append(_)
        X[...] = np.nan if len(calls) % 2 else known

    net = Network([3, 4, 2], "relu", "identity", "sse", seed=0)
    with pytest.raises(RuntimeError, match="^X, Y: expected arrays that stay as they are"):
        net.fit(X, [0, 1] * (N // 2), epochs=9, batch_size=1, progress=change)


def test_weights_and_gradients_are_plain_tuples():
    # JAX, torch.utils and Numba take another type of tuple for something else
    net = Network([3, 2], seed=0)
    trace, found = net.backprop(inputs(), [0] * N), net.gradients(inputs(), [0] * N)
    for arrays in (net.W, trace.W, trace.grad, found.grad, net.forward(inputs()).W):
        assert type(arrays) is tuple


@pytest.mark.parametrize("copied", [copy.deepcopy, lambda v: pickle.loads(pickle.dumps(v))])
def test_copied_weights_are_arrays_of_their_own(copied):
    net = Network([3, 2], seed=0)
    views = copied(net.W)
    views[0][...] = 7
    assert not (net.theta == 7).any()
    other = copied(net)
    other.theta[...] = 7
    assert (other.W[0] == 7).all() and not (net.theta == 7).any()
