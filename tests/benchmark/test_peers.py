"""Every contender computes what the textbook loops compute; whoever does not is not timed."""

from __future__ import annotations

import hashlib
import sys
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from benchmark.samples import SMALL

from loopbp.benchmark import peers, verification
from loopbp.benchmark.contender import AbsentError, Contender
from loopbp.benchmark.measure import measure
from loopbp.benchmark.peers.by_hand import ByHand
from loopbp.benchmark.record import ABSENT, FAILED, REFUSED, TIMED
from loopbp.benchmark.statistics import NOT_COMPUTED
from loopbp.benchmark.timing import Method
from loopbp.benchmark.workloads import (
    DTYPES,
    EXAMPLE_TASKS,
    NETWORK_TASKS,
    WORKLOADS,
    Problem,
    find,
    problem,
)

QUICK = Method(rounds=10, seconds=1e-6, patience=0.0)

#: torch.compile starts a C++ compiler for every network; one is enough here.
COMPILED = ("torch.compile", "torch.func.compile")

#: Who does what: all do all, but for the gradient that scikit-learn does not give away.
DUTIES = [
    (name, task)
    for name, peer in peers.known().items()
    for task in (*NETWORK_TASKS, *EXAMPLE_TASKS)
    if task in peer.tasks
    and name not in (peers.DEFINITION, *COMPILED)
    and (name, task) != ("sklearn", "gradients")
]


def ready(name: str, small: Problem, task: str) -> Contender:
    """The contender, or a skipped test with the reason."""
    try:
        return peers.get(name).prepare(small, task)
    except AbsentError as absent:
        pytest.skip(f"{name}: {absent}")


@pytest.mark.parametrize("dtype", DTYPES)
@pytest.mark.parametrize("work", SMALL, ids=lambda work: work.name)
@pytest.mark.parametrize(("name", "task"), DUTIES)
def test_everybody_computes_the_same(name: str, work: Any, dtype: str, task: str) -> None:
    """From the start, and again after other calls: `reset` brings everything back."""
    small = problem(work, dtype)
    definition = ready(peers.DEFINITION, small, task)
    definition.run(1)
    contender = ready(name, small, task)
    exact = peers.get(name).exact
    for calls in (1, 2, 1):
        contender.reset()
        assert contender.run(calls) > 0
    found = verification.complaint(
        small, task, contender.result(), definition.result(), exact=exact
    )
    assert found is None


def test_two_epochs_in_succession_go_on_from_each_other() -> None:
    """`run(2)` is two epochs, not the first one twice."""
    small = problem(SMALL[0], "float64")
    results = []
    for name in (peers.subject(), "numpy"):
        contender = ready(name, small, "epoch")
        contender.reset()
        contender.run(2)
        results.append(contender.result())
    twice = small.network()
    for _ in range(2):
        for start in range(0, 24, 4):
            part = slice(start, start + 4)
            gradient = twice.backprop(small.X[part], small.labels[part], engine="numpy").gradient
            twice.theta[...] -= small.eta * gradient
    for result in results:
        np.testing.assert_allclose(result, twice.theta, rtol=1e-12)


def test_torch_compile() -> None:
    """One epoch with the compiled loss; skipped where there is nothing to compile with."""
    small = problem(SMALL[1], "float64")
    definition = ready(peers.DEFINITION, small, "epoch")
    contender = ready("torch.compile", small, "epoch")
    for one in (definition, contender):
        one.reset()
        one.run(1)
    error = verification.error(small, "epoch", contender.result(), definition.result())
    assert error < 1e-10


@pytest.mark.parametrize("dtype", DTYPES)
def test_products(dtype: str) -> None:
    """C = X W with some 64 terms instead of 1,024."""
    work = replace(find("1024x1024x1024"), sizes=(64, 64), examples=48)
    small = problem(work, dtype)
    expected = small.X.astype(np.float64) @ small.network().W[0][1:].astype(np.float64)
    for name in (*peers.engines(), "numpy"):
        contender = peers.get(name).prepare(small, "product")
        contender.run(1)
        np.testing.assert_allclose(contender.result(), expected, atol=64 * np.finfo(dtype).eps)


class Changed(ByHand):
    """NumPy by hand, but for what a test makes of its result."""

    def __init__(self, change: Any) -> None:
        self.change = change
        self.calls = 0

    def prepare(self, problem: Problem, task: str) -> Contender:
        right = super().prepare(problem, task)

        def run(calls: int) -> float:
            self.calls += calls
            return right.run(calls)

        return Contender(right.reset, run, lambda: self.change(right.result()))


def one_weight_moved(result: Any) -> Any:
    """The last weight is off by a thousandth of what training changes."""
    result[-1] *= 1 + 1e-5
    return result


@pytest.mark.parametrize(
    "change",
    [
        one_weight_moved,
        lambda result: result[::-1],
        lambda result: result[:-1],
        lambda result: np.full_like(result, np.nan),
        lambda result: result.astype(np.float32),
    ],
    ids=["one weight", "another order", "too few", "NaN", "another dtype"],
)
def test_a_wrong_peer_is_refused_before_it_is_timed(change: Any) -> None:
    wrong = Changed(change)
    small = problem(SMALL[0], "float64")
    contenders = {peers.subject(): peers.get(peers.subject()), "numpy": wrong}
    cell = measure(small, "epoch", contenders, threads=1, method=QUICK)
    entry = cell.entry("numpy")
    assert entry is not None and wrong.calls == 1
    assert (entry.status, entry.samples, entry.summary) == (REFUSED, (), None)
    assert entry.ratio is not None and entry.ratio.verdict == NOT_COMPUTED
    assert entry.ratio.reason == f"refused: {entry.reason}"
    assert cell.entries[0].status == TIMED


@pytest.mark.parametrize("task", NETWORK_TASKS)
def test_an_exact_engine_with_other_bits_is_refused(task: str) -> None:
    """NumPy's sums are right within rounding, and that is not enough for an exact engine."""
    claimed = ByHand()
    claimed.exact = True  # type: ignore[misc]
    contenders = {peers.subject(): peers.get(peers.subject()), "numpy": claimed}
    cell = measure(problem(SMALL[0], "float32"), task, contenders, threads=1, method=QUICK)
    entry = cell.entry("numpy")
    assert entry is not None and entry.status == REFUSED and "bits" in str(entry.reason)


def test_who_does_nothing_has_an_error_of_one() -> None:
    """Against the weights themselves the error would be a few per mille."""
    small = problem(SMALL[0], "float64")
    contender = ready(peers.DEFINITION, small, "epoch")
    contender.run(1)
    assert verification.error(small, "epoch", small.theta, contender.result()) == 1.0


def test_the_digest_is_of_the_numbers_in_order() -> None:
    """Little-endian float32: 1.0 is 00 00 80 3f, −2.0 is 00 00 00 c0; whatever the strides."""
    values = np.array([[1.0, 9.0, -2.0, 9.0]], np.float32)[:, ::2]
    expected = hashlib.sha256(bytes.fromhex("0000803f000000c0")).hexdigest()
    assert verification.digest(values) == expected == verification.digest(values.astype(">f4"))


class Missing(ByHand):
    """A library that is not there, or that breaks."""

    def __init__(self, problem: Exception) -> None:
        self.problem = problem

    def prepare(self, problem: Problem, task: str) -> Contender:
        raise self.problem


@pytest.mark.parametrize(
    ("problem_found", "status", "reason"),
    [
        (AbsentError("not installed (no jax)"), ABSENT, "not installed (no jax)"),
        (RuntimeError("broken\nand more"), FAILED, "RuntimeError: broken"),
    ],
)
def test_who_cannot_take_part_is_named(problem_found: Exception, status: str, reason: str) -> None:
    done: list[int] = []
    contenders = {peers.subject(): peers.get(peers.subject()), "numpy": Missing(problem_found)}
    cell = measure(
        problem(SMALL[0], "float32"),
        "forward",
        contenders,
        threads=1,
        method=QUICK,
        tell=done.append,
    )
    entry = cell.entry("numpy")
    assert entry is not None and (entry.status, entry.reason) == (status, reason)
    assert entry.ratio is not None and entry.ratio.reason == f"{status}: {reason}"
    assert sum(done) == 20  # the progress bar reaches its end


def test_the_subject_is_measured_and_hashed() -> None:
    subject = peers.subject()
    contenders = {name: peers.get(name) for name in (subject, "numpy")}
    cell = measure(problem(SMALL[0], "float32"), "epoch", contenders, threads=1, method=QUICK)
    ours, theirs = cell.entries
    assert ours.digest == cell.digest and ours.ratio is None and ours.error == 0
    assert len(ours.samples) == len(theirs.samples) == 10
    assert theirs.ratio is not None and theirs.ratio.value == pytest.approx(
        np.median(theirs.samples) / np.median(ours.samples), rel=1e-15
    )
    assert (cell.examples, cell.batch_size, cell.tolerance) == (24, 4, 1e-4)


def test_scikit_learn_gives_no_gradient() -> None:
    pytest.importorskip("sklearn", reason="scikit-learn is not installed")
    with pytest.raises(AbsentError, match="no public call for the gradient"):
        peers.get("sklearn").prepare(problem(SMALL[0], "float32"), "gradients")


def test_absent_libraries_say_why(monkeypatch: pytest.MonkeyPatch) -> None:
    for module in ("jax", "torch", "sklearn.neural_network"):
        monkeypatch.setitem(sys.modules, module, None)
    small = problem(SMALL[0], "float32")
    for name in ("jax", "torch", "torch.compile", "sklearn"):
        with pytest.raises(AbsentError, match="not installed"):
            peers.get(name).prepare(small, "epoch")
    for name in ("torch.func", "torch.func.compile"):
        with pytest.raises(AbsentError, match="not installed"):
            peers.get(name).prepare(small, "examples")


def test_torch_compile_without_a_compiler(monkeypatch: pytest.MonkeyPatch) -> None:
    pytest.importorskip("torch", reason="PyTorch is not installed")
    monkeypatch.setattr("shutil.which", lambda name: None)
    for name, task in zip(COMPILED, ("epoch", "matrix"), strict=True):
        with pytest.raises(AbsentError, match=r"C\+\+ compiler"):
            peers.get(name).prepare(problem(SMALL[0], "float32"), task)


#: Sizes and batch sizes of the published benchmark.
PUBLISHED = {
    "64-32-10": ([64, 32, 10], 32),
    "784-30-10": ([784, 30, 10], 10),
    "784-50-10": ([784, 50, 10], 100),
    "784-16-16-10": ([784, 16, 16, 10], 32),
    "784-128-10": ([784, 128, 10], 1),
    "784-512-512-10": ([784, 512, 512, 10], 128),
    "784-1024-1024-1024-10": ([784, 1024, 1024, 1024, 10], 256),
    "64-[64]x20-10": ([64] + [64] * 20 + [10], 64),
}


def test_workloads() -> None:
    networks = {name: work for name, work in WORKLOADS.items() if "epoch" in work.tasks}
    found = {name: (list(work.sizes), work.batch_size) for name, work in networks.items()}
    assert found == PUBLISHED
    assert all(work.examples % work.batch_size == 0 for work in networks.values())
    assert WORKLOADS["784-30-10"].parameters == 784 * 30 + 30 + 30 * 10 + 10


def test_the_networks_whose_single_gradients_are_timed() -> None:
    """A matrix takes 512 MiB at the most: 2²⁹ bytes / (669,706 · 4) = 200 rows."""
    chosen = [name for name, work in WORKLOADS.items() if set(EXAMPLE_TASKS) <= set(work.tasks)]
    assert chosen == ["784-50-10", "784-512-512-10"]
    large = problem(find("784-512-512-10"), "float32")
    assert (large.rows, large.examples("matrix")) == (200, 200)
    assert (large.examples("examples"), large.examples("epoch")) == (1024, 2560)
    assert problem(SMALL[0], "float32").rows == 24


@pytest.mark.parametrize("task", EXAMPLE_TASKS)
def test_one_wrong_example_is_noticed(task: str) -> None:
    """And in the layer in which it is wrong, however small that layer's gradients are."""
    small = problem(SMALL[0], "float64")
    contender = ready(peers.DEFINITION, small, task)
    contender.run(1)
    right = contender.result()
    wrong = right.copy()
    wrong[5, 0] *= 1 + 1e-6
    assert verification.error(small, task, right, right) == 0
    assert 1e-9 < verification.error(small, task, wrong, right) < 1e-6
    assert verification.complaint(small, task, wrong, right, exact=False) is not None


def test_compiled_single_gradients() -> None:
    """One network; skipped where there is nothing to compile with."""
    small = problem(SMALL[0], "float64")
    for task in EXAMPLE_TASKS:
        definition = ready(peers.DEFINITION, small, task)
        contender = ready("torch.func.compile", small, task)
        for one in (definition, contender):
            one.run(1)
        error = verification.error(small, task, contender.result(), definition.result())
        assert error < 1e-12


def test_a_problem_is_the_same_every_time_and_in_both_dtypes() -> None:
    """And the labels are not all the same, or there would be nothing to learn."""
    double = problem.__wrapped__(SMALL[0], "float64")
    again = problem.__wrapped__(SMALL[0], "float64")
    single = problem.__wrapped__(SMALL[0], "float32")
    for name in ("theta", "X", "labels"):
        ours, theirs = getattr(double, name), getattr(again, name)
        assert ours.tobytes() == theirs.tobytes()
        assert getattr(single, name).tobytes() == ours.astype(getattr(single, name).dtype).tobytes()
        with pytest.raises(ValueError, match="read-only"):
            ours[0] = 0
    assert len(np.unique(double.labels)) == 3


@pytest.mark.parametrize(
    ("hidden", "dtype", "task", "expected"),
    [
        ("relu", "float32", "epoch", 3e-2),
        ("relu", "float32", "forward", 1e-5),
        ("relu", "float64", "epoch", 1e-10),
        ("tanh", "float32", "epoch", 1e-4),
    ],
)
def test_only_kinks_have_a_wider_tolerance(
    hidden: str, dtype: str, task: str, expected: float
) -> None:
    """And a batch that is left out is never within it: 1 / T of what training does."""
    work = next(work for work in SMALL if work.hidden == hidden)
    assert verification.tolerance(problem(work, dtype), task) == expected
    for network in (work for work in WORKLOADS.values() if work.hidden == hidden):
        steps = network.examples / network.batch_size
        assert task != "epoch" or 1 / steps > 1.5 * expected
