"""Computes the pieces of a study: here, in processes on all cores, or on a Dask cluster.

Whatever computes them, a piece's rows go through the same text, finished pieces are kept at once,
and the rows come out in the order of the grid: the result has the same bits.
"""

from __future__ import annotations

import os
import signal
from collections.abc import Callable, Generator, Iterator, Mapping, Sequence
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any, NamedTuple

from ..progress import Progress, reporter
from . import store
from .store import DamagedError, Store
from .study import Parameters, Rows, Study

#: Seconds to wait for a cluster that does not answer.
CLUSTER_TIMEOUT = 10


class Run(NamedTuple):
    """The rows of every piece, how many were there already, and what there is to say about it."""

    rows: list[Rows]
    reused: int
    notices: tuple[str, ...]


class StudyInterrupted(KeyboardInterrupt):
    """Ctrl-C during a study; `finished` of its `pieces` are kept, if there is a folder."""

    def __init__(self, finished: int, pieces: int, folder: Path | None) -> None:
        self.finished, self.pieces, self.folder = finished, pieces, folder
        kept = "no folder was given, so that nothing is kept"
        if folder is not None:
            kept = f"{finished:,} of {pieces:,} pieces are kept in {folder}; the next run goes on"
        super().__init__(f"interrupted; {kept}")


@contextmanager
def all_computed(pieces: int, folder: Path | None) -> Iterator[None]:
    """What is made of so many pieces, all computed: Ctrl-C becomes `StudyInterrupted`.

    folder : of the study, where its pieces are kept; None: nowhere.
    """
    try:
        yield
    except KeyboardInterrupt:
        kept = None if folder is None else folder / store.FOLDER
        raise StudyInterrupted(pieces, pieces, kept) from None


def run_pieces(
    study: Study,
    pieces: Sequence[Parameters],
    *,
    folder: Path | None = None,
    jobs: int | None = None,
    dask: Any = None,
    progress: Callable[[Progress], None] | bool | None = None,
) -> Run:
    """The rows of every piece: those kept in `folder`, and the others, which are computed.

    jobs : processes, each with one Numba thread; None: one per core; 1: this process.
    dask : the address of a Dask scheduler, or a `distributed.Client`; `jobs` has no effect then.

    Raises `StudyInterrupted` on Ctrl-C, `ImportError` for a cluster without `distributed`,
    `OSError` where it does not answer or the folder cannot be written, and what a piece raises.
    """
    kept = Store(folder)
    identities = [store.identity(study, piece) for piece in pieces]
    rows: list[Rows | None] = [None] * len(pieces)
    notices = []
    try:
        for index, identity in enumerate(identities):
            try:
                rows[index] = kept.read(identity)
            except DamagedError as damage:
                notices.append(f"{damage}; it is computed again")
        missing = [index for index, found in enumerate(rows) if found is None]
        tasks = [(index, study.run_piece, identities[index]) for index in missing]
        reused = len(pieces) - len(missing)
        with (
            reporter(progress, f"pieces of {study.name}", len(pieces)) as tell,
            closing(_computed(tasks, jobs, dask)) as results,
        ):
            tell(reused)
            for index, text in results:
                kept.write(identities[index], text)
                rows[index] = store.decode(text)
                tell(1)
    except KeyboardInterrupt:
        pairs = zip(rows, identities, strict=True)
        finished = sum(found is not None or kept.has(identity) for found, identity in pairs)
        raise StudyInterrupted(finished, len(pieces), kept.folder) from None
    return Run([found for found in rows if found is not None], reused, tuple(notices))


#: The number of a piece, what computes it, and its identity.
Task = tuple[int, Callable[[Parameters], Rows], Mapping[str, Any]]

#: The number of a piece, and its rows as text.
Results = Generator[tuple[int, str], None, None]


def _computed(tasks: Sequence[Task], jobs: int | None, dask: Any) -> Results:
    """Number and encoded rows of each task, in whatever order they are finished."""
    if dask is not None and tasks:
        yield from _on_cluster(tasks, dask)
        return
    from joblib import cpu_count

    processes = min(cpu_count() if jobs is None else jobs, len(tasks))
    yield from map(_compute, tasks) if processes <= 1 else _in_processes(tasks, processes)


def _compute(task: Task) -> tuple[int, str]:
    """Computes one piece, where it has come to; another version of the code does not.

    Raises `RuntimeError` there.
    """
    index, run_piece, identity = task
    here = store.made_by()
    if here != identity["made_by"]:
        raise RuntimeError(
            f"a worker computes with {here}; expected the same code as where the study was "
            f"started: {identity['made_by']}"
        )
    return index, store.encode(run_piece(identity["parameters"]))


def _in_processes(tasks: Sequence[Task], processes: int) -> Results:
    """By joblib, in processes with one thread each, so that there are as many as cores."""
    from joblib import Parallel, delayed, parallel_config

    with parallel_config("loky", inner_max_num_threads=1), _deaf_to_ctrl_c():
        parallel = Parallel(n_jobs=processes, return_as="generator_unordered", batch_size=1)
        results = parallel(delayed(_compute)(task) for task in tasks)
    with closing(results):
        yield from results


@contextmanager
def _deaf_to_ctrl_c() -> Iterator[None]:
    """Processes that are started in this block never see Ctrl-C; this one sees it after the block.

    A terminal sends it to all of them; the one that started the others ends them. A blocked signal
    stays blocked in the children (on POSIX).
    """
    if os.name != "posix":
        yield
        return
    from multiprocessing import resource_tracker

    resource_tracker.ensure_running()  # to start it unblocks Ctrl-C, before Python 3.14
    mask = signal.pthread_sigmask(signal.SIG_BLOCK, {signal.SIGINT})
    try:
        yield
    finally:
        signal.pthread_sigmask(signal.SIG_SETMASK, mask)


def _on_cluster(tasks: Sequence[Task], cluster: Any) -> Results:
    """By the workers of a Dask cluster; what has not begun is cancelled when nobody waits."""
    from distributed import Client, as_completed

    client = cluster
    if not isinstance(cluster, Client):
        _check_address(cluster)
        client = Client(cluster, timeout=CLUSTER_TIMEOUT, set_as_default=False)
    futures = []
    try:
        with client.as_current():
            futures = client.map(_compute, tasks, pure=False)
            finished = as_completed(futures)
        for future in finished:
            yield future.result()
    except BaseException:  # also where the caller takes no more
        client.cancel(futures)
        raise
    finally:
        if client is not cluster:
            client.close()


def _check_address(address: Any) -> None:
    """Raises `ValueError` for what is no address; a client would need 20 s more to give up."""
    from distributed.comm import get_address_host_port, parse_address

    if not isinstance(address, str):
        return
    try:
        if parse_address(address)[0] != "inproc":  # which has neither host nor port
            get_address_host_port(address)
    except ValueError as problem:
        raise ValueError(f"dask: expected tcp://HOST:PORT; got {address!r}: {problem}") from None
