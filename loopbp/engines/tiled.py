"""The engine `tiled`: the textbook's bits at the speed of the processor.

The public arrays keep the legend's shapes. The compiled loops work on layouts of their own (see
`kernels.tiled`), which are filled from the public arrays and copied back to them: a few numbers
moved for each sum that is computed.
"""

from __future__ import annotations

import functools
import threading
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager, nullcontext
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import FloatArray
from ..kernels import blocks, environment, epoch, product, threads, tiled
from ..kernels.plan import Plan, Table, code, plan, row_stride
from ..optimizers import Adam, Optimizer
from ..recording import Records
from ..workspace import (
    Architecture,
    Descent,
    Indices,
    Observer,
    Steps,
    Views,
    Workspace,
    for_loops,
    statistics_memory,
)
from .loops import LoopEngine
from .tables import ACTIVATIONS, OUTPUT_LOSSES, SUM_LOSSES

#: Examples that go through all layers together where a batch is larger: so many at least, and as
#: many as have so many bytes of x, S, Σ δ w and δ, or so many times the bytes of all weights.
BLOCK_EXAMPLES = 256
BLOCK_BYTES = 1 << 19
BLOCK_WEIGHTS = 2

#: Multiply-adds of a forward pass (examples × weights) times the bytes of a number that a thread is
#: worth waking for; with less than twice as much, one thread does the work. A step starts and joins
#: threads twice. One of twice as much takes some 130 µs on one thread; with less, two threads
#: gained nothing at rest, and took up to 2.5 times as long where others wanted the second core.
WORK_PER_THREAD = 4_000_000


_THREADS = threading.Lock()
_NO_EXAMPLES = np.empty(0, np.int64)


@functools.lru_cache(maxsize=64)
def _plan(net: Architecture) -> Plan:
    """The plan for an architecture."""
    loss: tuple[Any, Any] | None = OUTPUT_LOSSES.get(net.loss)
    if net.loss in SUM_LOSSES and net.loss != "cross_entropy":
        loss = SUM_LOSSES[net.loss][0], None
    return plan(net.sizes, net.dtype, [ACTIVATIONS.get(name) for name in net.activations], loss)


class Memory:
    """What the loops of one plan work on: the weights in panels, and rows for some examples."""

    def __init__(
        self, net: Architecture, examples: int, workers: int, vectors: int, watched: bool
    ) -> None:
        self.workers = workers
        self.plan = _plan(net)
        dtype = net.dtype
        self.examples = examples
        self.theta = _aligned((self.plan.panels,), dtype)
        self.grad = _aligned((self.plan.panels,), dtype)
        self.vectors = _aligned((vectors, self.plan.panels), dtype)
        self.room = _aligned((workers, self.plan.room), dtype)
        self.room[...] = 0  # the padding is multiplied too, if read by nobody
        self.scratch = _aligned(
            (workers, (epoch.CHUNK + 2) * product.PANEL_BYTES // dtype.itemsize), dtype
        )
        self.before = _aligned((self.plan.panels if watched else 0,), dtype)
        self.previous = np.zeros_like(self.before)
        self.statistics = self._statistics(net, workers if watched else 0)
        self.work = _aligned((4, self.plan.rows * examples), dtype)
        self.work[...] = 0
        self.inputs = _aligned((examples, int(self.plan.layers[0, epoch.STRIDE])), dtype)
        self.y = _aligned((examples, int(self.plan.layers[-1, epoch.STRIDE])), dtype)
        self.y[...] = 0
        self.sums = np.empty((4, examples), dtype)
        self.alike = np.empty(0, dtype)  # no importance: all examples count alike

    @property
    def weights(self) -> tuple[FloatArray, FloatArray]:
        return self.theta, self.room

    def rows(self, inputs: FloatArray | None = None, first: int = 0) -> tuple[Any, ...]:
        """The rows of `kernels.epoch`, with these inputs, x_1 in column `first`, or its own."""
        return self.work, self.y, self.sums, self.inputs if inputs is None else inputs, first

    @property
    def gradient(self) -> tuple[FloatArray, FloatArray]:
        return self.grad, self.scratch

    @staticmethod
    def _statistics(net: Architecture, workers: int) -> tuple[Any, Any, Any]:
        """The memory of `kernels.statistics.measure`, a row for each worker."""
        width = int(max(net.sizes)) + epoch.CHUNK
        columns, counts, scratch = statistics_memory(width, net.dtype)
        shape = (workers, len(counts))
        return (
            np.empty((workers, *columns.shape)),
            np.zeros(shape, counts.dtype),
            np.empty((workers, len(scratch)), net.dtype),
        )

    def records(self, due: NDArray[np.bool_], records: Records | None) -> tuple[Any, ...]:
        """The records of `kernels.epoch.descend`."""
        if records is None:
            records = Records.allocate((), 0, 0)
            due = due[:0]
        return due, records.numbers, records.histograms, records.layers

    def watch(self, observer: Observer | None) -> tuple[Any, ...]:
        """The watch of `kernels.epoch.descend`."""
        if observer is None:
            wanted, bounds, state = np.zeros(0, np.int64), np.empty((0, 4)), np.empty((0, 2))
        else:
            wanted, bounds = observer.recording.wanted, observer.bounds
            state = observer.state
        return wanted, bounds, state, self.before, self.previous, *self.statistics

    def step(self, rule: int, numbers: FloatArray) -> tuple[FloatArray, Table, FloatArray]:
        return self.vectors, np.array([rule]), numbers

    @functools.cached_property
    def no_step(self) -> tuple[FloatArray, Table, FloatArray]:
        """What stands for a step where none is taken."""
        return self.step(0, np.zeros(epoch.NUMBERS, self.theta.dtype))

    @functools.cached_property
    def layers(self) -> tuple[tuple[FloatArray, FloatArray, FloatArray], ...]:
        """S, x and δ of the layers 1 … L, each (examples, n_l) (views)."""
        return tuple(
            (self._of(epoch.S, l), self._of(epoch.X, l), self._of(epoch.DELTA, l))
            for l in range(1, len(self.plan.layers))
        )

    def _of(self, quantity: int, l: int) -> FloatArray:
        """The numbers (examples, n_l) of a quantity in layer l (a view)."""
        size, stride, first = (int(v) for v in self.plan.layers[l, :3])
        first *= self.examples
        block = self.work[quantity, first : first + self.examples * stride]
        return block.reshape(self.examples, stride)[:, :size]


def _aligned(shape: tuple[int, ...], dtype: np.dtype[Any]) -> FloatArray:
    """An array that begins at a multiple of 64 bytes, not initialised."""
    size = int(np.prod(shape)) * dtype.itemsize
    memory = np.empty(size + 64, np.uint8)
    first = -memory.ctypes.data % 64
    return memory[first : first + size].view(dtype).reshape(shape)


class TiledEngine(LoopEngine):
    """The sums of `kernels.tiled`. Single steps and the sum of losses are the textbook's."""

    def __init__(self) -> None:
        super().__init__("tiled", compiled=True)
        self._kept = threading.local()

    def _memory(
        self, net: Architecture, examples: int, vectors: int = 0, watched: bool = False
    ) -> Memory:
        """Working memory; that of the last call, where it fits, since new memory costs time."""
        key = net, examples, _workers(net, examples), vectors, watched
        if getattr(self._kept, "key", None) != key:
            self._kept.memory = Memory(*key)
            self._kept.key = key
        memory: Memory = self._kept.memory
        return memory

    def forward(self, net: Architecture, W: Sequence[FloatArray], work: Workspace) -> None:
        self._run_pass(net, W, work, epoch.FORWARD)

    def predict(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        inputs: FloatArray,
        outputs: FloatArray,
    ) -> bool:
        memory, plan = self._loaded(net, W, len(inputs)), _plan(net)
        no_targets = np.empty((len(inputs), 0), net.dtype)
        data = np.arange(len(inputs)), for_loops(inputs), no_targets, memory.alike
        with self._alone(memory.workers):
            sound: bool = blocks.predict(
                outputs,
                memory.workers,
                memory.examples,
                epoch.FORWARD + (epoch.LOAD if _collide(inputs) else 0),
                data,
                memory.weights,
                memory.rows(),
                plan.layers,
                plan.functions,
                code(net.dtype, memory.workers > 1),
            )
        return sound

    def backward(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        self._run_pass(net, W, work, epoch.BACKWARD, grad, divisor)

    def gradient(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> None:
        self._run_pass(net, W, work, epoch.FORWARD + epoch.LOSS + epoch.BACKWARD, grad, divisor)

    def gradient_only(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        inputs: FloatArray,
        targets: FloatArray,
        losses: FloatArray,
        grad: Sequence[FloatArray],
        divisor: float,
    ) -> bool:
        memory, plan = self._loaded(net, W, len(inputs)), _plan(net)
        data = np.arange(len(inputs)), for_loops(inputs), for_loops(targets), memory.alike
        do = epoch.ANSWERS + epoch.FORWARD + epoch.LOSS + epoch.BACKWARD
        do += epoch.LOAD if _collide(inputs) else 0
        with self._alone(memory.workers):
            sound: bool = blocks.backpropagate(
                losses,
                memory.workers,
                memory.examples,
                do,
                net.dtype.type(divisor),
                data,
                memory.weights,
                memory.rows(),
                memory.gradient,
                memory.no_step,
                plan.layers,
                plan.functions,
                code(net.dtype, memory.workers > 1),
            )
        _save_gradient(memory, net, grad)
        return sound

    def _loaded(self, net: Architecture, W: Sequence[FloatArray], examples: int) -> Memory:
        """Memory for a block of so many examples, with these weights in panels."""
        memory = self._memory(net, _block(net, examples))
        theta = _vector(W, net)
        if theta is None:
            theta = np.concatenate([w.ravel() for w in W])
        epoch.load_weights(memory.theta, theta, memory.plan.layers)
        return memory

    def _run_pass(
        self,
        net: Architecture,
        W: Sequence[FloatArray],
        work: Workspace,
        do: int,
        grad: Sequence[FloatArray] = (),
        divisor: float = 1,
    ) -> None:
        """One pass over the examples of a workspace, block by block; `do` as in the kernel."""
        N = len(work.losses)
        memory = self._loaded(net, W, N)
        importance = memory.alike if work.importance is None else work.importance
        with self._alone(memory.workers):
            for start, stop in _blocks(N, memory.examples):
                rows = memory.rows(*_readable(memory, work.x[0][start:stop], 1, do))
                _load(memory, work, start, stop, do)
                _pass_examples(memory, rows, importance, stop - start, do)
                _save(memory, work, start, stop, do)
                if do & epoch.BACKWARD:
                    _add_gradient(memory, rows, start, stop, N, divisor)
        if do & epoch.BACKWARD:
            _save_gradient(memory, net, grad)

    def descend(self, net: Architecture, descent: Descent, order: Indices) -> Steps:
        """All steps in one compiled call; descent.grad is left alone."""
        T = -(-len(order) // descent.batch_size)
        steps, due = Steps.allocate(net, descent, T), descent.due(T)
        observer, taken_before = descent.observer, descent.state.step
        memory = self._memory(net, len(descent.work.losses), 2, observer is not None)
        state, optimizer = descent.state, descent.optimizer
        layers = memory.plan.layers
        epoch.load_weights(memory.theta, descent.theta, layers)
        for panels, vector in zip(memory.vectors, state.vectors, strict=False):
            epoch.load_weights(panels, vector, layers)
        if observer is not None:
            epoch.load_weights(memory.previous, observer.previous, layers)
        importance = memory.alike if descent.importance is None else descent.importance
        rule, numbers = _rule(optimizer, net.dtype)
        numbers[epoch.PENALTY] = descent.penalty
        betas = (optimizer.beta1, optimizer.beta2) if isinstance(optimizer, Adam) else (0.0, 0.0)
        powers = np.array([betas, state.powers])
        with self._alone(memory.workers):
            taken = epoch.descend(
                steps.loss,
                memory.workers,
                descent.batch_size,
                (order, descent.inputs, descent.targets, importance),
                memory.weights,
                memory.rows(),
                memory.gradient,
                memory.step(rule, numbers),
                powers,
                memory.records(due, steps.records),
                memory.watch(observer),
                layers,
                memory.plan.functions,
                code(net.dtype, memory.workers > 1, observer is not None),
            )
        epoch.save_weights(descent.theta, memory.theta, layers)
        for panels, vector in zip(memory.vectors, state.vectors, strict=False):
            epoch.save_weights(vector, panels, layers)
        if observer is not None:
            epoch.save_weights(observer.previous, memory.previous, layers)
        state.step += taken
        state.powers = float(powers[1, 0]), float(powers[1, 1])
        return steps.first(min(T, taken + 1), taken_before)

    def product(self, C: FloatArray, A: FloatArray, B: FloatArray) -> None:
        """C[n, j] = Σ_m A[n, m] B[m, j]: each sum on its own, in ascending order of m.

        Modified in place: C (N, J). Read: A (N, M) and B (M, J). All are C-contiguous and of one
        dtype, float32 or float64; nothing is checked.
        """
        (_, M), (N, J) = A.shape, C.shape
        wide, workers = int(tiled.padded(J, C.itemsize)), _divided(N * M * J * C.itemsize)
        stride = row_stride(int(tiled.block_terms(C.itemsize)), C.itemsize)
        panels, room = self._operands((M * wide,), (workers, tiled.BLOCK_ROWS, stride), C.dtype)
        tiled.pack(panels, B)
        out = C if wide == J else np.empty((N, wide), C.dtype)
        add = code(C.dtype, False)[epoch.ADD]
        if workers == 1:
            tiled.multiply(out, A, panels, room[0], add)
        else:
            with self._alone(workers):
                tiled.divide_product(workers, out, A, panels, room, add)
        if out is not C:
            C[...] = out[:, :J]

    def _alone(self, workers: int) -> AbstractContextManager[None]:
        """`_dividing`, if there are several threads.

        Loops that are not compiled are as quiet about what overflows as compiled ones.
        """
        if not self._compiled:
            return np.errstate(all="ignore")
        return nullcontext() if workers == 1 else _dividing(workers)

    def _operands(
        self, panels: tuple[int, ...], room: tuple[int, ...], dtype: np.dtype[Any]
    ) -> tuple[FloatArray, FloatArray]:
        """Memory for the operands of a product; that of the last call, where it fits."""
        kept: tuple[FloatArray, FloatArray] | None = getattr(self._kept, "operands", None)
        if kept is None or (kept[0].shape, kept[1].shape, kept[0].dtype) != (panels, room, dtype):
            kept = self._kept.operands = _aligned(panels, dtype), _aligned(room, dtype)
        return kept


def _workers(net: Architecture, examples: int) -> int:
    """How many threads a pass over so many examples is divided among."""
    return _divided(examples * net.parameters * net.dtype.itemsize)


def _divided(work: int) -> int:
    """How many threads so much work is divided among, in the unit of `WORK_PER_THREAD`."""
    most = work // WORK_PER_THREAD
    return 1 if most <= 1 else min(most, threads.present())


@contextmanager
def _dividing(workers: int) -> Iterator[None]:
    """Within the block, this thread divides work among so many threads, and nobody else does.

    Not every threading layer can serve two callers at a time; and those that have nothing to do
    would be woken too.
    """
    with _THREADS, threads.limited_to(workers):
        environment.check_threads(workers)
        yield


def _rule(optimizer: Optimizer, dtype: np.dtype[Any]) -> tuple[int, FloatArray]:
    """The rule of update and its numbers, as `epoch.take_step` wants them."""
    numbers = np.zeros(epoch.NUMBERS, dtype)
    numbers[epoch.DECAY] = optimizer.weight_decay
    if isinstance(optimizer, Adam):
        first, second = optimizer.beta1, optimizer.beta2
        numbers[:6] = optimizer.eta, first, 1 - first, second, 1 - second, optimizer.epsilon
        return epoch.ADAM, numbers
    numbers[:2] = optimizer.eta, optimizer.momentum
    if optimizer.momentum == 0:
        return epoch.DESCENT, numbers
    return (epoch.NESTEROV if optimizer.nesterov else epoch.MOMENTUM), numbers


def _block(net: Architecture, examples: int) -> int:
    """How many examples go through all layers together, of so many."""
    numbers = net.sizes[0] + 4 * sum(net.sizes[1:])
    few = BLOCK_BYTES // (numbers * net.dtype.itemsize)
    return min(examples, max(BLOCK_EXAMPLES, few, BLOCK_WEIGHTS * net.parameters // numbers))


def _blocks(examples: int, size: int) -> Iterator[tuple[int, int]]:
    """Where blocks of examples start and stop."""
    for start in range(0, examples, size):
        yield start, min(examples, start + size)


def _readable(memory: Memory, inputs: FloatArray, first: int, do: int) -> tuple[FloatArray, int]:
    """Rows of x^(0) that the loops can read, and the column of x_1 in them.

    For a forward pass alone the given rows, where x_1 is in column `first`. Otherwise a copy: it
    is read again and again for the gradient, faster where rows are whole lines of the cache. What
    cannot be written is another type to Numba, compiled anew; and what is not aligned, compiled
    loops may not touch.
    """
    if do == epoch.FORWARD and inputs.flags.behaved and not _collide(inputs):
        return inputs, first
    memory.inputs[: len(inputs), : inputs.shape[1] - first] = inputs[:, first:]
    return memory.inputs, 0


def _collide(rows: FloatArray) -> bool:
    """Whether rows are so many times 4,096 bytes long: they push each other out of the cache."""
    return bool(rows.shape[1] * rows.itemsize % 4096 == 0)


def _pass_examples(
    memory: Memory, rows: tuple[Any, ...], importance: FloatArray, examples: int, do: int
) -> None:
    """`epoch.pass_examples` for so many examples, whose inputs stand in rows."""
    plan = memory.plan
    addresses = code(memory.theta.dtype, memory.workers > 1)
    data = _NO_EXAMPLES, memory.inputs, memory.y, importance  # nothing is gathered
    passed = data, memory.weights, rows, plan.layers, plan.functions, addresses
    if memory.workers == 1:
        epoch.pass_examples(do, 0, 0, examples, *passed)
    else:
        epoch.divide_examples(memory.workers, do, examples, *passed)


def _pass_weights(
    memory: Memory, rows: tuple[Any, ...], examples: int, what: int, divisor: Any
) -> None:
    """`epoch.pass_weights` for all weights, without a step; `what` as in the kernel."""
    addresses = code(memory.theta.dtype, memory.workers > 1)
    parameters = (
        memory.weights,
        rows,
        memory.gradient,
        memory.no_step,
        memory.plan.layers,
        addresses,
    )
    if memory.workers == 1:
        epoch.pass_weights(what, 0, 1, examples, divisor, *parameters)
    else:
        epoch.divide_weights(memory.workers, what, examples, divisor, *parameters)


def _add_gradient(
    memory: Memory, rows: tuple[Any, ...], start: int, stop: int, N: int, divisor: float
) -> None:
    """Adds examples start … stop − 1 of N to the gradient; divides it after the last."""
    what = epoch.KEEP
    what += epoch.RESUME if start > 0 else 0
    what += epoch.FINISH if stop == N else 0
    _pass_weights(memory, rows, stop - start, what, memory.theta.dtype.type(divisor))


def _vector(layers: Sequence[FloatArray], net: Architecture) -> FloatArray | None:
    """The flat vector (P,) whose views these are, of the network's dtype and in order; or None."""
    if not isinstance(layers, Views):
        return None
    flat = layers.flat
    fits = (flat.shape, flat.dtype) == ((net.parameters,), net.dtype)
    return flat if fits and flat.flags.carray else None


def _save_gradient(memory: Memory, net: Architecture, grad: Sequence[FloatArray]) -> None:
    """Copies the gradient out of the panels."""
    flat = _vector(grad, net)
    out = np.empty(net.parameters, net.dtype) if flat is None else flat
    epoch.save_weights(out, memory.grad, memory.plan.layers)
    if flat is None:
        for g, values in zip(grad, net.views(out), strict=True):
            g[...] = values


def _load(memory: Memory, work: Workspace, start: int, stop: int, do: int) -> None:
    """Copies some examples' targets into the rows; S and x too if they are not computed anew."""
    n = stop - start
    if do & epoch.BACKWARD:
        memory.y[:n, : work.y.shape[1]] = work.y[start:stop]
        if work.importance is not None:
            memory.sums[epoch.IMPORTANCE, :n] = work.importance[start:stop]
    if do & epoch.FORWARD:
        return
    for l, (S, x, _) in enumerate(memory.layers):
        S[:n] = work.S[l][start:stop]
        x[:n] = work.outputs(l + 1)[start:stop]


def _save(memory: Memory, work: Workspace, start: int, stop: int, do: int) -> None:
    """Copies what a pass has computed for some examples into the workspace."""
    n = stop - start
    for l, (S, x, delta) in enumerate(memory.layers):
        if do & epoch.FORWARD:
            work.S[l][start:stop] = S[:n]
            work.outputs(l + 1)[start:stop] = x[:n]
        if do & epoch.BACKWARD:
            work.delta[l][start:stop] = delta[:n]
    if do & epoch.LOSS:
        work.losses[start:stop] = memory.sums[epoch.LOSSES, :n]
