"""The engine `tiled` and the textbook: the same bits, for all sizes, batches and threads.

Every comparison is exact. The expected values are the textbook's loops, which have tests of their
own; NaN equals NaN, since IEEE 754 leaves open which of two NaNs an operation passes on.
"""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest

from loopbp.engines import ACTIVATIONS, ENGINES, Engine
from loopbp.engines import tiled as tiled_engine
from loopbp.engines.tiled import TiledEngine
from loopbp.kernels import epoch, product, tiled
from loopbp.kernels.address import address, call, copy, window
from loopbp.optimizers import SGD, Adam, Optimizer, OptimizerState
from loopbp.recording import Recording
from loopbp.workspace import Architecture, Descent, Observer, Workspace

TILED = TiledEngine()
TEXTBOOK = ENGINES["textbook"]
COMPILED = not numba.config.DISABLE_JIT
LANES = product.REGISTERS.bytes // 4
OPTIMIZERS: dict[str, Optimizer] = {
    "sgd": SGD(0.5),
    "momentum": SGD(0.1, momentum=0.9),
    "nesterov": SGD(0.1, momentum=0.9, nesterov=True),
    "adam": Adam(0.01),
}


@dataclass(frozen=True)
class Case:
    """A network, N examples and mini-batches of B."""

    sizes: tuple[int, ...]
    activations: tuple[str, ...]
    loss: str
    N: int
    B: int
    dtype: str = "float64"
    optimizer: str = "sgd"
    watch: int = 0  # record every so many steps
    biases: bool = False
    scale: float = 0.4

    def __str__(self) -> str:
        names = ",".join((*self.activations, self.loss, self.optimizer))
        return f"{'-'.join(map(str, self.sizes))}:{names}:N{self.N}:B{self.B}:{self.dtype}"

    @property
    def net(self) -> Architecture:
        return Architecture(self.sizes, self.activations, self.loss, np.dtype(self.dtype))

    @property
    def recording(self) -> Recording:
        return Recording(every=self.watch, biases=self.biases)

    def data(self) -> tuple[Any, Any, Any]:
        """theta, inputs, targets."""
        random = np.random.default_rng([*self.sizes, self.N])
        dtype = self.dtype
        theta = (random.standard_normal(self.net.parameters) * self.scale).astype(dtype)
        inputs = random.standard_normal((self.N, self.sizes[0]))
        classes = random.integers(0, self.sizes[-1], self.N)
        return theta, inputs.astype(dtype), np.eye(self.sizes[-1], dtype=dtype)[classes]


def classifier(sizes: tuple[int, ...], N: int, B: int, **more: Any) -> Case:
    """Sigmoid layers, then softmax with cross-entropy."""
    activations = (*["sigmoid"] * (len(sizes) - 2), "softmax")
    return Case(sizes, activations, "cross_entropy", N, B, **more)


def passes(engine: Engine, case: Case, divisor: int, theta: Any = None) -> dict[str, Any]:
    """All quantities of one pass, by name: in one call, and forward and backward apart."""
    own_theta, inputs, targets = case.data()
    theta = own_theta if theta is None else theta
    net = case.net
    found: dict[str, Any] = {}
    for way in ("gradient", "apart"):
        work = Workspace.allocate(net, case.N)
        work.x[0][:, 1:], work.y[...] = inputs, targets
        grad = np.empty_like(theta)
        W, g = net.views(theta), net.views(grad)
        with np.errstate(all="ignore"):
            if way == "gradient":
                engine.gradient(net, W, work, g, divisor)
            else:
                engine.forward(net, W, work)
                engine.losses(net, work)
                engine.backward(net, W, work, g, divisor)
            found[f"{way}: loss"] = np.array(engine.total_loss(work.losses, divisor))
        for name in ("S", "x", "delta"):
            for l, values in enumerate(getattr(work, name)):
                found[f"{way}: {name}[{l}]"] = values
        found[f"{way}: losses"], found[f"{way}: grad"] = work.losses, grad
    return found


def run(engine: Engine, case: Case, calls: int = 2, **more: Any) -> dict[str, Any]:
    """What some calls of `descend` leave, by name; the last batch is ragged where B says so.

    more: what else a `Descent` has.
    """
    theta, inputs, targets = case.data()
    optimizer = OPTIMIZERS[case.optimizer]
    work = more.pop("work", None) or Workspace.allocate(case.net, min(case.B, case.N))
    state = OptimizerState.start(optimizer, theta)
    grad = np.zeros_like(theta)
    descent = Descent(theta, grad, inputs, targets, work, case.B, optimizer, state, **more)
    if case.watch:
        last = calls * -(-case.N // case.B)
        descent.observer = Observer.start(case.recording, case.net, last)
    order = np.random.default_rng(0).permutation(case.N)
    found: dict[str, Any] = {}
    for c in range(calls):
        with np.errstate(all="ignore"):
            steps = engine.descend(case.net, descent, order)
        found[f"call {c}: loss"] = steps.loss
        if steps.records is not None:
            for name in ("steps", "numbers", "layers", "histograms"):
                found[f"call {c}: {name}"] = getattr(steps.records, name)
        found[f"call {c}: theta"] = theta.copy()
    for v, vector in enumerate(state.vectors):
        found[f"vector {v}"] = vector
    found["step"], found["powers"] = np.array(state.step), np.array(state.powers)
    if descent.observer is not None:
        found["previous gradient"] = descent.observer.previous
        found["state of the cosine"] = descent.observer.state
    return found


def assert_same(found: dict[str, Any], expected: dict[str, Any]) -> None:
    """The same names, shapes, dtypes and bits; NaN where NaN is expected."""
    assert found.keys() == expected.keys()
    for name, values in expected.items():
        assert found[name].shape == values.shape and found[name].dtype == values.dtype, name
        bits = [np.where(np.isnan(v), np.nan, v).tobytes() for v in (found[name], values)]
        assert bits[0] == bits[1], f"{name}: {np.argwhere(found[name] != values)[:3]}"


def sizes_of_all_kinds() -> Iterator[Case]:
    """Widths around the vectors' and panels' edges, N around the tiles', both dtypes."""
    random = np.random.default_rng(0)
    widths = (1, 2, 3, 7, 8, 9, 15, 16, 17, 31, 32, 33, 47, 48, 49, 63, 64, 65)
    examples = (1, 2, 3, 4, 11, 12, 13, 24, 25, 37, 70)
    for n in range(60 if COMPILED else 6):
        depth = int(random.integers(1, 4))
        sizes = tuple(int(s) for s in random.choice(widths, depth + 1))
        N = int(random.choice(examples))
        B = int(random.integers(1, N + 1))
        if not COMPILED:
            sizes, N = tuple(min(s, 17) for s in sizes), min(N, 5)
        yield classifier(
            sizes,
            N,
            min(B, N),
            dtype=("float32", "float64")[n % 2],
            optimizer=tuple(OPTIMIZERS)[n // 2 % 4],
            watch=(0, 1, 0, 3)[n % 4],
            biases=n % 8 == 3,
        )


LARGE = (
    classifier((129, 300, 10), 70, 37),
    classifier((129, 300, 10), 70, 37, dtype="float32", optimizer="adam"),
    classifier((600, 300, 129), 30, 8, dtype="float32"),  # sums of more than one block
    classifier((40, 33, 5), 530, 530, dtype="float32"),  # blocks of examples
    classifier((40, 33, 5), 530, 530, watch=1, optimizer="momentum"),
    classifier((784, 128, 10), 3, 1, dtype="float32"),
)


@pytest.mark.parametrize("case", tuple(sizes_of_all_kinds()), ids=str)
def test_all_sizes(case: Case) -> None:
    assert_same(passes(TILED, case, case.N), passes(TEXTBOOK, case, case.N))
    assert_same(run(TILED, case), run(TEXTBOOK, case))


@pytest.mark.skipif(not COMPILED, reason="too large for loops that are not compiled")
@pytest.mark.parametrize("case", LARGE, ids=str)
def test_large_sizes(case: Case) -> None:
    assert_same(passes(TILED, case, 1), passes(TEXTBOOK, case, 1))
    assert_same(run(TILED, case), run(TEXTBOOK, case))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("watch", [0, 1, 3])
@pytest.mark.parametrize("optimizer", OPTIMIZERS)
def test_single_examples(optimizer: str, watch: int, dtype: str) -> None:
    """One layer and several, of one vector, of several panels and of a part of one."""
    for sizes in ((5, 3), (3, 2 * LANES + 1, 2), (6, LANES, 5, 2)):
        case = classifier(sizes, 7, 1, dtype=dtype, optimizer=optimizer, watch=watch)
        assert_same(run(TILED, case), run(TEXTBOOK, case))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_single_examples_that_are_no_plain_descent(dtype: str) -> None:
    """With a penalty; with an importance; and where the loss overflows on the way."""
    case = classifier((3, 5, 2), 7, 1, dtype=dtype)
    penalty = run(TILED, case, penalty=0.1)
    assert_same(penalty, run(TEXTBOOK, case, penalty=0.1))
    importance = np.arange(1, 8).astype(dtype)
    work = Workspace.allocate(case.net, 1, weighted=True)
    counted = run(TILED, case, importance=importance, work=work)
    assert_same(counted, run(TEXTBOOK, case, importance=importance, work=work))
    N = 400 if dtype == "float32" else 1500
    wild = Case((4, 3), ("identity",), "sse", N, 1, dtype)
    found = run(TILED, wild, calls=1)
    assert 10 < len(found["call 0: loss"]) < N and np.isinf(found["call 0: loss"][-1])
    assert_same(found, run(TEXTBOOK, wild, calls=1))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("name", ACTIVATIONS)
def test_all_activations(name: str, dtype: str) -> None:
    case = Case((4, 5, 3), (name, name), "sse", 7, 3, dtype)
    assert_same(passes(TILED, case, 7), passes(TEXTBOOK, case, 7))
    assert_same(run(TILED, case), run(TEXTBOOK, case))


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(
    ("output", "loss"),
    [
        ("softmax", "cross_entropy"),
        ("softmax", "sse"),
        ("softmax", "half_sse"),
        ("softmax", "mse"),
        ("sigmoid", "binary_cross_entropy"),
        ("identity", "sse"),
        ("sigmoid", "half_sse"),
        ("tanh", "mse"),
    ],
)
def test_all_losses(output: str, loss: str, dtype: str) -> None:
    case = Case((4, 5, 3), ("tanh", output), loss, 7, 3, dtype)
    assert_same(passes(TILED, case, 7), passes(TEXTBOOK, case, 7))
    assert_same(run(TILED, case), run(TEXTBOOK, case))


@pytest.mark.parametrize("special", [-0.0, np.inf, -np.inf, np.nan, 5e-324, 1e308])
@pytest.mark.parametrize("activation", ["identity", "sigmoid"])
def test_special_weights(special: float, activation: str) -> None:
    """Weights of each layer are special, signed zeros and numbers that are not finite included."""
    case = Case((4, 5, 3), (activation, "identity"), "sse", 5, 5)
    theta, _, _ = case.data()
    theta[[2, 8, 25, 33]] = special
    assert_same(passes(TILED, case, 5, theta), passes(TEXTBOOK, case, 5, theta))


def test_only_minus_zeros() -> None:
    """With inputs and weights of zeros, every sign of zero is the textbook's."""
    case = Case((3, 4, 2), ("identity", "identity"), "sse", 3, 3)
    for zero in (0.0, -0.0):
        theta = np.full(case.net.parameters, zero)
        assert_same(passes(TILED, case, 3, theta), passes(TEXTBOOK, case, 3, theta))


@pytest.mark.parametrize("watch", [0, 1, 4])
def test_stops_at_the_first_loss_that_is_not_finite(watch: int) -> None:
    case = Case((2, 2), ("identity",), "sse", 6, 1, scale=1e160, watch=watch)
    found, expected = run(TILED, case, calls=1), run(TEXTBOOK, case, calls=1)
    assert len(found["call 0: loss"]) < 6 and not np.isfinite(found["call 0: loss"][-1])
    assert_same(found, expected)


@pytest.mark.parametrize("scale", [0.0, 1e-60, 1e-100, 1e60, 1e100])
def test_statistics_where_squares_leave_the_range(scale: float) -> None:
    """Gradients from 0 to the end of float64, of which the sum of squares is 0 or infinite."""
    case = Case((4, 5, 3), ("identity", "identity"), "sse", 6, 3, watch=1, scale=scale)
    assert_same(run(TILED, case, calls=1), run(TEXTBOOK, case, calls=1))


@pytest.mark.parametrize(
    ("sizes", "examples", "dtype", "workers"),
    [
        ((64, 100, 10), 266, "float32", 1),  # 266 x 7,510 x 4 = 7,990,640
        ((64, 100, 10), 267, "float32", 2),  # 8,020,680
        ((64, 100, 10), 200, "float64", 3),  # 12,016,000
        ((784, 512, 512, 10), 128, "float64", 16),
        ((784, 128, 10), 1, "float64", 1),
    ],
)
def test_threads_in_proportion_to_the_work(
    sizes: tuple[int, ...],
    examples: int,
    dtype: str,
    workers: int,
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    """One for every 4 million products of a forward pass times the bytes of a number, of 16."""
    monkeypatch.setattr("loopbp.kernels.threads.present", lambda: 16)
    net = Architecture(sizes, ("relu",) * (len(sizes) - 1), "sse", np.dtype(dtype))
    assert tiled_engine._workers(net, examples) == workers


@pytest.mark.skipif(not COMPILED, reason="one thread only")
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("threads", [2, 3, 8])
def test_threads(threads: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    if threads > numba.config.NUMBA_NUM_THREADS:
        pytest.skip("NUMBA_NUM_THREADS is smaller")
    monkeypatch.setattr("loopbp.engines.tiled.WORK_PER_THREAD", 1)
    before = numba.get_num_threads()
    numba.set_num_threads(threads)
    try:
        for case in (
            classifier((20, 17, 5), 40, 13, dtype=dtype),
            classifier((20, 300, 5), 7, 2, dtype=dtype, optimizer="adam", watch=1),
            classifier((200, 300, 5), 7, 3, dtype=dtype, watch=1),
            classifier((5, 3), 2, 1, dtype=dtype),
        ):
            assert_same(passes(TILED, case, case.N), passes(TEXTBOOK, case, case.N))
            assert_same(run(TILED, case), run(TEXTBOOK, case))
    finally:
        numba.set_num_threads(before)


@pytest.mark.skipif(not COMPILED, reason="one thread only")
def test_eight_threads() -> None:
    """The tests above in a process of eight threads, however few the processor has."""
    if numba.config.NUMBA_NUM_THREADS >= 8:
        pytest.skip("this process has eight threads")
    here = Path(__file__)
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "no:cacheprovider", f"{here}::test_threads"],
        env={**os.environ, "NUMBA_NUM_THREADS": "8"},
        cwd=here.parents[2],
        capture_output=True,
        text=True,
    )
    assert done.returncode == 0 and "6 passed" in done.stdout, done.stdout + done.stderr


def widths(panel: int) -> list[int]:
    """Columns of a single panel: one vector or two; where it may be, a half, one and a half."""
    return [panel // 2, panel] + [panel // 4, panel * 3 // 4] * product.REGISTERS.halves


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("rows", [1, 2, 3, 4, 12, 13, 25])
def test_add_products(rows: int, dtype: str) -> None:
    """Every number against the plain loop; with sums that depend on the order of their terms.

    B has a panel more than C, of which no number may get into C.
    """
    random = np.random.default_rng(rows)
    width = product.PANEL_BYTES // np.dtype(dtype).itemsize
    M = 9
    for panels, columns in ((5, width), *((1, columns) for columns in widths(width))):
        A = random.standard_normal((rows, M)).astype(dtype) * np.array(10, dtype) ** np.arange(M)
        A = A.astype(dtype)
        B = random.standard_normal((panels + 1, M, width)).astype(dtype)[:, :, :columns]
        for start in (product.NOTHING, product.SUM, product.FIRST_ROW):
            C = random.standard_normal((rows, (panels + 1) * width)).astype(dtype)
            C[:, panels * columns : panels * width] = 0  # where a whole vector may end
            expected = C.copy()
            for p in range(panels):
                for j in range(columns):
                    above = 1 if start == product.FIRST_ROW else 0
                    total = -np.zeros(rows, dtype)
                    if start == product.SUM:
                        total = C[:, p * columns + j]
                    elif start == product.FIRST_ROW:
                        total = np.full(rows, B[p, 0, j])
                    for m in range(M - above):
                        total = total + A[:, m] * B[p, above + m, j]
                    expected[:, p * columns + j] = total
            product.add(C[:, : panels * columns], A[:, : M - above], B, start)
            assert C.tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("M", "divisor"), [(1, 1), (1, 2), (1, 3), (3, 1), (3, 3), (3, 4)])
def test_descend_products(M: int, divisor: int, dtype: str) -> None:
    """Sums of one term and of more, divided by 1, by a power of 2 and by another number.

    B has a panel more than W, of which no number may get into W or behind it.
    """
    random = np.random.default_rng(M)
    width = product.PANEL_BYTES // np.dtype(dtype).itemsize
    number = np.dtype(dtype).type
    single = ((14, 1, columns) for columns in widths(width))
    for rows, panels, columns in ((1, 5, width), (13, 2, width), *single):
        A = random.standard_normal((rows, M)).astype(dtype)
        B = random.standard_normal((panels + 1, M, width)).astype(dtype)[:, :, :columns]
        A[0, 0], B[0, 0, 1] = -0.0, 0.0
        given = random.standard_normal((rows, (panels + 1) * width)).astype(dtype)
        behind = given[:, panels * width :].tobytes()
        W = given[:, : panels * columns]
        W[0, :2] = -0.0
        flat = B[:panels].transpose(1, 0, 2).reshape(M, -1)
        d = A[:, :1] * flat[0]
        for m in range(1, M):
            d = d + A[:, m : m + 1] * flat[m]
        expected = W - number(0.3) * (d / number(divisor))
        inverse = tiled.inverse_of(number(divisor))
        product.descend(W, A[:, :], B, number(divisor), inverse, number(0.3))
        assert W.tobytes() == expected.tobytes()
        assert given[:, panels * width :].tobytes() == behind


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("workers", [1, 2])
def test_product_of_matrices(workers: int, dtype: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Each sum in ascending order, for whole vectors and others, longer and shorter each time."""
    if workers > 1:
        if not COMPILED or workers > numba.config.NUMBA_NUM_THREADS:
            pytest.skip("one thread only")
        monkeypatch.setattr("loopbp.engines.tiled.WORK_PER_THREAD", 1)
    random = np.random.default_rng(workers)
    long = 1030 if COMPILED else 5  # more terms and, below, more rows than a block has
    for N, M, J in ((61, 4, 2 * LANES), (60, long, 5), (1, 3, 2 * LANES + 1)):
        A = random.standard_normal((N, M)).astype(dtype)
        B = random.standard_normal((M, J)).astype(dtype)
        expected = A[:, :1] * B[0]
        for m in range(1, M):
            expected = expected + A[:, m : m + 1] * B[m]
        C = np.full((N, J), np.nan, dtype)
        TILED.product(C, A, B)
        assert C.tobytes() == expected.tobytes()


def test_panels() -> None:
    """Every weight goes where it belongs, for widths around a panel's, and comes back."""
    for sizes in ((3, 5, 4), (3, LANES, 2 * LANES + 1), (1, 2 * LANES, LANES + 3), (2, 70, 65)):
        net = Architecture(sizes, ("identity", "identity"), "sse", np.dtype("float32"))
        layers = TILED._memory(net, 1).plan.layers
        flat = np.arange(1, net.parameters + 1, dtype=np.float32)
        panels = np.empty(layers[-1, epoch.PANELS], np.float32)
        epoch.load_weights(panels, flat, layers)
        back = np.empty_like(flat)
        epoch.save_weights(back, panels, layers)
        assert np.array_equal(back, flat)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_sum_over_paths(dtype: str) -> None:
    """Each sum in ascending order of k, for few rows and many, and more terms than one block."""
    random = np.random.default_rng(0)
    number = numba.from_dtype(np.dtype(dtype))
    strided = [numba.types.Array(number, d, "A") for d in (2, 2, 3)]
    add = address(product.add, *strided, numba.types.int64)

    def loops(d, delta_above, W_above, room, J, K, add):  # type: ignore[no-untyped-def]
        tiled.sum_over_paths(d, delta_above, W_above, room, J, K, add)

    run = numba.njit(loops) if COMPILED else loops
    many = (60, 5 * LANES + 3, int(tiled.block_terms(4)) + 5) if COMPILED else (4, LANES + 3, 3)
    for N, J, K in ((1, 9 * LANES + 1, 7), (3, 2 * LANES, 2 * LANES + 1), (4, 1, 1), many):
        W = random.standard_normal((J + 1, K)).astype(dtype)
        delta = random.standard_normal((N, K)).astype(dtype)
        expected = delta[:, :1] * W[1:, 0]
        for k in range(1, K):
            expected = expected + delta[:, k : k + 1] * W[1:, k]
        itemsize = delta.itemsize
        panels = np.full((J + 1) * int(tiled.padded(K, itemsize)), np.nan, dtype)
        tiled.pack(panels, W)
        d = np.full((N, int(tiled.padded(J, itemsize))), np.nan, dtype)
        room = np.full(int(tiled.room_for(J, K, itemsize)), np.nan, dtype)
        run(d, delta, panels, room, J, K, add)
        assert d[:, :J].tobytes() == expected.tobytes()


@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_descend_ahead(dtype: str) -> None:
    """The step of each weight, then the sums with the new ones in ascending order of i."""
    random = np.random.default_rng(0)
    width = product.PANEL_BYTES // np.dtype(dtype).itemsize
    eta = np.dtype(dtype).type(0.3)
    for I, columns in ((1, width), (2, width // 2), (9, width), (9, width // 2)):
        W = random.standard_normal((I, columns)).astype(dtype)
        x, x_next = random.standard_normal((2, 1, I - 1)).astype(dtype)
        x_next *= np.array(10, dtype) ** np.arange(I - 1)
        delta = random.standard_normal((1, columns)).astype(dtype)
        S = np.full((1, columns), np.nan, dtype)
        expected = [W[0] - eta * delta[0]]
        for i in range(1, I):
            expected.append(W[i] - eta * (x[0, i - 1] * delta[0]))
        sums = expected[0]
        for i in range(1, I):
            sums = sums + expected[i] * x_next[0, i - 1]
        product.ahead(W[:, :], S[:, :], x[:, :], delta[:, :], x_next[:, :], eta)
        assert W.tobytes() == np.array(expected).tobytes()
        assert S.tobytes() == sums.tobytes()


def test_call_and_window() -> None:
    """A kernel called by its address writes through a window to where the window says."""
    number = numba.float64
    where = address(
        product.add, *[numba.types.Array(number, d, "A") for d in (2, 2, 3)], numba.types.int64
    )
    lanes = product.REGISTERS.bytes // 8
    flat = np.zeros(3 + 2 * 50)
    C = window(flat, 3, (2, lanes), (50, 1))
    A = np.array([[2.0, 3.0], [5.0, 7.0]])[:, :]
    B = np.ones((1, 2, lanes))
    if COMPILED:
        called = numba.njit(lambda at, C, A, B: call(at, (C, A, B, product.NOTHING)))
        strided = [np.lib.stride_tricks.as_strided(v, v.shape, v.strides) for v in (A, B)]
        called(where, C, *strided)
    else:
        call(where, (C, A, B, product.NOTHING))
    assert flat[3] == 5 and flat[3 + lanes - 1] == 5 and flat[53] == 12
    assert np.count_nonzero(flat) == 2 * lanes


def test_copy() -> None:
    """All numbers and none beside them, from and to any place."""
    copied = numba.njit(lambda out, source: copy(out, source)) if COMPILED else copy
    for dtype, size in (("float32", 70), ("float64", 3), ("float64", 0)):
        source = np.arange(1, size + 4, dtype=dtype)
        out = np.zeros(size + 2, dtype)
        copied(out[1:-1], source[2:-1])
        assert np.array_equal(out, [0, *range(3, size + 3), 0])


def test_divide_multiplies_only_where_that_is_the_same() -> None:
    values = np.random.default_rng(0).standard_normal(1000)
    for divisor in (1.0, 2.0, 3.0, 10.0, 1024.0, 784.0):
        quotient = values.copy()
        tiled.divide(quotient, divisor, tiled.inverse_of(divisor))
        assert np.array_equal(quotient, values / divisor)
    assert tiled.inverse_of(8.0) == 0.125 and tiled.inverse_of(10.0) == 0
