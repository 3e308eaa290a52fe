"""The proof of exactness: problems with names, and the SHA-256 of every quantity in them.

S, x, δ, ∂f/∂w, the losses, and the weights after an epoch have the same bits for every exact
engine, number of threads, batch size, place of an example in its batch, and processor. The hashes
that ship with the package are those of the definition, the engine `textbook`; `check` computes
them again here. What is hashed: `DEFINITION`.
"""

from __future__ import annotations

import hashlib
import itertools
import json
import os
import platform
import queue
import subprocess
import sys
import threading
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import ExitStack, suppress
from dataclasses import dataclass
from importlib import resources
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple

import numpy as np

from . import draws
from .checks import FloatArray
from .engines import ENGINES, tiled
from .kernels import environment, threads
from .network import DTYPES, Network
from .optimizers import SGD, Adam, Optimizer
from .progress import Progress, reporter

if TYPE_CHECKING:
    import pandas as pd

#: Problem, dtype and key -> SHA-256; the key is the quantity, with /batch where it depends on it.
Hashes = dict[str, dict[str, dict[str, str]]]

BATCHES = ("1", "8", "9", "37", "all")
THREADS = (1, 2, 3, 8)

#: Processors that a process can compile for, and the environment that makes Numba do it.
PROCESSORS: dict[str, dict[str, str]] = {
    "this": {},
    "generic": {"NUMBA_CPU_NAME": "generic"},
    "avx2": {
        "NUMBA_CPU_NAME": "haswell",
        "NUMBA_CPU_FEATURES": "+sse4.2,+popcnt,+avx,+avx2,+bmi,+bmi2,+fma,+f16c,+lzcnt,+movbe",
    },
}

#: What is hashed, for whoever wants to compute the hashes with other means.
DEFINITION = """\
A quantity is a list of arrays. Its hash is the SHA-256 of, for one array after another, a line of
ASCII with its dtype and shape, such as `<f4 45 6` and a newline, and then its numbers in C order,
little-endian. No number may be NaN or infinite.

| quantity | arrays |
|---|---|
| given | X, Y, and W[0], W[1], … as the problem begins |
| S, delta | S[l], or delta[l], for l = 0, 1, …, (N, n_{l+1}), of all examples |
| x | x[l] for l = 0, 1, …, with the constant column: (N, n_l + 1), and (N, n_L) the last |
| losses | f of each example, (N,) |
| gradient | grad[l] for l = 0, 1, …, the mean over a batch, for one batch after another |
| weights | W[l] for l = 0, 1, … after an epoch of the problem's optimiser |

The first five do not depend on batches; gradient and weights do by their definition, so they have
one hash for each batch size. All inputs follow from whole numbers (see `draws`) by exact or
correctly rounded operations, so `given` is the same everywhere too.
"""

FORMAT = "loopbp exactness"
FORMAT_VERSION = 1


@dataclass(frozen=True)
class Problem:
    """A network, N examples and an optimiser; every bit of them follows from the seed.

    `kind` of the numbers: "uniform" inputs in ±1; "pixels" k/255, more than half of them 0; or
    "subnormal": the first weights and the targets are so small that S and δ are subnormal.
    """

    name: str
    sizes: tuple[int, ...]
    hidden: tuple[str, ...]
    output: str
    loss: str
    examples: int
    optimizer: Optimizer
    kind: str = "uniform"
    seed: int = 0

    def network(self, dtype: str) -> Network:
        """The network: weights by glorot, biases uniform in ±½."""
        net = Network(self.sizes, self.hidden, self.output, self.loss, seed=self.seed, dtype=dtype)
        bits = draws.source(self.seed + 1)
        for W in net.W:
            W[0] = draws.uniform(bits, W[0].shape) - 0.5
        if self.kind == "subnormal":
            net.W[0][...] *= 4 * np.finfo(dtype).tiny
            net.W[1][0] = 0
        return net

    def data(self, dtype: str) -> tuple[FloatArray, FloatArray]:
        """Inputs (N, n_0) and targets (N, n_L) of the dtype."""
        bits = draws.source(self.seed + 2)
        X = draws.uniform(bits, (self.examples, self.sizes[0]))
        Y = draws.uniform(bits, (self.examples, self.sizes[-1]))
        if self.kind == "pixels":
            X = np.maximum(np.floor(X * 600) - 345, 0) / 255
        else:
            X = 2 * X - 1
        if self.kind == "subnormal":
            Y *= np.finfo(dtype).tiny
        if self.loss == "cross_entropy":
            Y = (Y == Y.max(axis=1, keepdims=True)).astype(np.float64)
        return X.astype(dtype), Y.astype(dtype)

    def __str__(self) -> str:
        sizes = "-".join(map(str, self.sizes))
        names = ", ".join((*dict.fromkeys(self.hidden), self.output, self.loss))
        return f"{sizes}, {names}, {self.examples} examples, {self.optimizer}"

    @property
    def work(self) -> int:
        """Multiplications and additions of one pass over all examples."""
        return self.examples * sum(i * j for i, j in itertools.pairwise(self.sizes))


#: Together: every activation and loss, every rule of update, widths on both sides of a vector's,
#: sums that are longer than a block, numbers of examples that no batch size divides.
PROBLEMS = {
    problem.name: problem
    for problem in (
        Problem("sigmoid", (5, 7, 6, 3), ("sigmoid", "tanh"), "softmax", "cross_entropy", 45,
                SGD(0.5)),
        Problem("kinks", (9, 16, 15, 8, 2), ("relu", "leaky_relu", "elu"), "identity", "sse", 41,
                SGD(0.01, momentum=0.9)),
        Problem("smooth", (7, 8, 9, 17, 5), ("softplus", "silu", "gelu"), "sigmoid",
                "binary_cross_entropy", 43, SGD(0.1, momentum=0.5, nesterov=True)),
        Problem("chain", (1, 1, 1, 1, 1), ("sin", "exp", "cos"), "identity", "sse", 38, SGD(0.05)),
        Problem("waves", (3, 5, 4, 3, 4), ("cos", "exp", "sin"), "tanh", "mse", 53, Adam(0.01)),
        Problem("wide", (33, 65, 17, 10), ("tanh", "relu"), "softmax", "half_sse", 39, SGD(0.5)),
        Problem("deep", (4, *[6] * 12, 2), ("silu", "identity") * 6, "softplus", "mse", 40,
                SGD(0.1)),
        Problem("many", (3, 4, 2), ("gelu",), "sigmoid", "half_sse", 601, SGD(1.0)),
        Problem("subnormal", (6, 5, 3), ("relu",), "identity", "sse", 38, SGD(0.1),
                kind="subnormal"),
        Problem("pixels", (784, 50, 10), ("relu",), "softmax", "cross_entropy", 100, SGD(0.1),
                kind="pixels"),
    )
}  # fmt: skip

#: Problems with more work than this are too long for an engine that is not compiled.
MOST_WORK_UNCOMPILED = 1_000_000


class Hash(NamedTuple):
    """The hash of one quantity, computed in batches of a size, in one order of the examples."""

    quantity: str
    batch: str
    order: str
    sha256: str


class Case(NamedTuple):
    """Who computes what."""

    processor: str
    problem: str
    dtype: str
    engine: str
    threads: int


def sha256(arrays: Iterable[FloatArray]) -> str:
    """The SHA-256 of some arrays of float32 or float64, as the head of this module says.

    Raises `ArithmeticError` for a number that is not finite.
    """
    digest = hashlib.sha256()
    for array in arrays:
        if not np.isfinite(array).all():
            raise ArithmeticError("a quantity is not finite; its bits are not defined")
        little = np.ascontiguousarray(array, dtype=array.dtype.newbyteorder("<"))
        digest.update(" ".join((little.dtype.str, *map(str, little.shape))).encode() + b"\n")
        digest.update(little.tobytes())
    return digest.hexdigest()


def hashes(
    problem: Problem, dtype: str, engine: str, batches: Sequence[str] = BATCHES
) -> Iterator[Hash]:
    """Every quantity of a problem, by an engine, in this process.

    For each batch size: the examples in their order; once more in a random order, with the rows
    put back; and an epoch of training.
    """
    net, (X, Y) = problem.network(dtype), problem.data(dtype)
    N = problem.examples
    yield Hash("given", "all", "given", sha256([X, Y, *net.W]))
    for batch in batches:
        size = N if batch == "all" else int(batch)
        orders = {"given": np.arange(N), "random": draws.permutation(draws.source(size), N)}
        for order, rows in orders.items():
            parts = [rows[start : start + size] for start in range(0, N, size)]
            traces = [net.backprop(X[part], Y[part], engine=engine) for part in parts]
            place = np.argsort(rows)
            for quantity in ("S", "x", "delta"):
                layers = zip(*(getattr(trace, quantity) for trace in traces), strict=True)
                whole = [np.concatenate(layer)[place] for layer in layers]
                yield Hash(quantity, batch, order, sha256(whole))
            losses = np.concatenate([trace.losses for trace in traces])[place]
            yield Hash("losses", batch, order, sha256([losses]))
            if order == "given":
                gradients = [g for trace in traces for g in trace.grad or ()]
                yield Hash("gradient", batch, order, sha256(gradients))
        trained = net.copy()
        trained.fit(
            X, Y, batch_size=size, optimizer=problem.optimizer, engine=engine, progress=False
        )
        yield Hash("weights", batch, "given", sha256(trained.W))


def key(quantity: str, batch: str) -> str:
    """Under which key a hash is published: gradient and weights depend on the batch size."""
    return f"{quantity}/{batch}" if quantity in ("gradient", "weights") else quantity


def published(path: str | os.PathLike[str] | None = None) -> Hashes:
    """The hashes in a file that `write` wrote; by default those that ship with the package.

    Raises `OSError` when it cannot be read, `ValueError` when it is another file.
    """
    shipped = resources.files("loopbp") / "data" / "exactness.json"
    text = shipped.read_text("utf-8") if path is None else Path(path).read_text("utf-8")
    try:
        content = json.loads(text)
        if (content["format"], content["version"]) != (FORMAT, FORMAT_VERSION):
            raise ValueError
        found: Hashes = content["hashes"]
    except (ValueError, KeyError, TypeError):
        raise ValueError(f"{path or shipped}: expected a file of hashes; got another") from None
    return found


def to_json(found: Hashes) -> str:
    """The hashes as the text of a file for `published`."""
    content = {"format": FORMAT, "version": FORMAT_VERSION, "hashes": found}
    return json.dumps(content, indent=1) + "\n"


def exact_engines() -> list[str]:
    """The names of the exact engines, without aliases."""
    return [name for name, engine in ENGINES.items() if engine.exact and engine.name == name]


def cases(
    problems: Iterable[str] = tuple(PROBLEMS),
    dtypes: Iterable[str] = DTYPES,
    engines: Iterable[str] | None = None,
    threads: Iterable[int] = THREADS,
    processors: Iterable[str] = ("this", "generic"),
) -> list[Case]:
    """All combinations, but engine `python` neither compiles nor divides: it comes once, and not
    with the large problems."""
    names = exact_engines() if engines is None else list(engines)
    chosen: dict[Case, None] = {}
    for problem, dtype, engine, processor, number in itertools.product(
        problems, dtypes, names, processors, threads
    ):
        case = Case(processor, problem, dtype, engine, number)
        if case.engine != "python":
            chosen[case] = None
        elif PROBLEMS[case.problem].work <= MOST_WORK_UNCOMPILED:
            chosen[case._replace(processor="this", threads=1)] = None
    return list(chosen)


def check(
    chosen: Sequence[Case],
    expected: Hashes,
    batches: Sequence[str] = BATCHES,
    progress: Callable[[Progress], None] | bool | None = None,
) -> pd.DataFrame:
    """Computes the hashes of some cases, and compares them with expected ones.

    Each processor gets a process of its own, in which work of any size is divided among the
    threads. Columns: those of `Case` and `Hash`; expected, missing where nothing is known of it;
    equal. Raises `ValueError` for a processor whose code this one cannot run,
    `ChildProcessError` when a process fails.
    """
    import pandas as pd

    for processor in {case.processor: None for case in chosen}:
        lacking = environment.lacking(PROCESSORS[processor].get("NUMBA_CPU_FEATURES", ""))
        if lacking:
            raise ValueError(
                f"processor: this one cannot run the code for {processor}; it lacks "
                f"{', '.join(lacking)}"
            )
    computed: dict[Case, list[Hash]] = {}
    with reporter(progress, "exactness", len(chosen)) as tell:
        for case, found in _computed(chosen, batches):
            computed[case] = found
            tell(1)
    rows = []
    for case in chosen:  # in this order, whichever process was faster
        known = expected.get(case.problem, {}).get(case.dtype, {})
        for each in computed[case]:
            wanted = known.get(key(each.quantity, each.batch))
            rows.append((*case, *each, wanted, each.sha256 == wanted))
    return pd.DataFrame(rows, columns=[*Case._fields, *Hash._fields, "expected", "equal"])


def agreed(frame: pd.DataFrame) -> Hashes:
    """The hashes on which all rows of a check agree; `ValueError` where two rows do not."""
    found: Hashes = {}
    for row in frame.to_dict("records"):
        hashes_of_problem = found.setdefault(row["problem"], {}).setdefault(row["dtype"], {})
        name = key(row["quantity"], row["batch"])
        if hashes_of_problem.setdefault(name, row["sha256"]) != row["sha256"]:
            raise ValueError(
                f"the engines do not agree on {name} of {row['problem']} in {row['dtype']}; there "
                "is nothing to be published"
            )
    return found


def to_markdown(frame: pd.DataFrame, command: str) -> str:
    """A check as a page: what was compared, and all hashes; `command` makes the page again."""
    found = agreed(frame)
    listed = {name: ", ".join(map(str, frame[name].unique())) for name in Case._fields}
    used = set(frame["batch"])
    batches = [batch for batch in BATCHES if batch in used]
    lines = [
        "# The hashes of named problems",
        "",
        "Check your machine against them; a bit that differs ends with exit code 1:",
        "",
        "```",
        "loopbp exactness",
        "```",
        "",
        f"This page shows what came out on a {platform.machine()} processor "
        f"({environment.processor()}) with NumPy {np.__version__} and Numba "
        f"{version('numba')}. All {len(frame):,} computed hashes agree:",
        "",
        f"- engines: {listed['engine']}",
        f"- threads: {listed['threads']}, work of any size divided among them",
        f"- batches: {', '.join(batches)} examples, in their order and in a random one with the "
        "rows put back",
        f"- compiled for processors: {listed['processor']}",
        f"- dtypes: {listed['dtype']}",
        "",
        "Engine `python` is not compiled; it computes all problems but the largest, once.",
        "",
        "The page and the hashes that ship with the package are made again by",
        "",
        "```",
        command,
        "```",
        "",
        "## What is hashed",
        "",
        DEFINITION.rstrip(),
    ]
    for name, dtypes in found.items():
        lines += ["", f"## {name}", "", str(PROBLEMS[name]), ""]
        lines += [f"| quantity | {' | '.join(dtypes)} |", "|---" * (1 + len(dtypes)) + "|"]
        for each in next(iter(dtypes.values())):
            cells = (f"`{of_dtype[each]}`" for of_dtype in dtypes.values())
            lines.append(f"| {each} | {' | '.join(cells)} |")
    return "\n".join(lines) + "\n"


def _computed(chosen: Sequence[Case], batches: Sequence[str]) -> Iterator[tuple[Case, list[Hash]]]:
    """The hashes of each case, from a process for each processor; the processes work at once."""
    answers: queue.SimpleQueue[tuple[Case, str]] = queue.SimpleQueue()
    with ExitStack() as stack:
        processes = {}
        for processor in dict.fromkeys(case.processor for case in chosen):
            group = [case for case in chosen if case.processor == processor]
            process = _process(processor, max(case.threads for case in group))
            processes[processor] = stack.enter_context(process)
            reader = threading.Thread(target=_ask, args=(process, group, batches, answers))
            reader.start()
            stack.callback(reader.join)
            stack.callback(process.kill)  # without effect where it has ended
        for _ in chosen:
            case, line = answers.get()
            if not line:
                raise ChildProcessError(
                    f"the process that computes for processor {case.processor!r} ended with exit "
                    f"code {processes[case.processor].wait()}"
                )
            yield case, [Hash(*each) for each in json.loads(line)]


def _process(processor: str, most_threads: int) -> subprocess.Popen[str]:
    """A process that serves, compiles for a processor, and has so many threads."""
    settings = {
        "OMP_WAIT_POLICY": "PASSIVE",  # eight threads on two cores must not wait by spinning
        **os.environ,
        **PROCESSORS[processor],
        "NUMBA_NUM_THREADS": str(most_threads),
        "PYTHONPATH": os.pathsep.join(filter(None, sys.path)),
    }
    return subprocess.Popen(
        [sys.executable, "-P", "-m", "loopbp.exactness"],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        env=settings,
        text=True,
    )


def _ask(
    process: subprocess.Popen[str],
    group: Sequence[Case],
    batches: Sequence[str],
    answers: queue.SimpleQueue[tuple[Case, str]],
) -> None:
    """Sends cases to a process; puts each with its answer, which is empty if the process ends."""
    assert process.stdin is not None and process.stdout is not None
    with suppress(BrokenPipeError):
        json.dump({"cases": group, "batches": list(batches)}, process.stdin)
        process.stdin.close()
    for case in group:
        answers.put((case, process.stdout.readline()))


def serve() -> None:
    """Answers a request on stdin, from `_ask`: a line on stdout for each case.

    Whatever else is written to stdout meanwhile goes to stderr.
    """
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)
    request: Mapping[str, Any] = json.load(sys.stdin)
    divide_work_of_any_size()
    for case in itertools.starmap(Case, request["cases"]):
        with threads.limited_to(case.threads):
            environment.check_threads(case.threads)
            found = list(
                hashes(PROBLEMS[case.problem], case.dtype, case.engine, request["batches"])
            )
        print(json.dumps(found), file=answers, flush=True)


def divide_work_of_any_size() -> None:
    """From now on threads share work that is too little to be worth it, in this process."""
    tiled.WORK_PER_THREAD = 1


if __name__ == "__main__":
    serve()
