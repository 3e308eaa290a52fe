"""Pieces anywhere and in any order give the same bits; what is finished is not done again."""

from __future__ import annotations

import itertools
import os
import re
import signal
import subprocess
import sys
import time
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import pandas as pd
import pytest

from loopbp import studies
from loopbp.progress import Progress
from loopbp.studies import StudyInterrupted, find, memory, runner, store
from loopbp.studies.runner import run_pieces

from .conftest import NOT_COMPILED, Squares

TENTHS = [1.0, 1 / 3, 2 / 3, 5 / 3, 4 / 3]


def run(squares: Squares, folder: Path | None = None, **options: Any) -> studies.StudyResult:
    return studies.run(squares.study, folder=folder, jobs=1, progress=False, **options)


def test_the_frame_is_in_the_order_of_the_grid(squares: Squares) -> None:
    frame = run(squares).frame
    assert list(frame["k"]) == [3, 1, 2, 5, 4]
    assert list(frame["square"]) == [9, 1, 4, 25, 16]
    assert list(frame["third"]) == TENTHS
    assert frame["none"].isna().all() and frame["none"].dtype == "float64"


def test_nothing_is_computed_twice(squares: Squares, tmp_path: Path) -> None:
    first = run(squares, tmp_path)
    again = run(squares, tmp_path)
    assert squares.computed == [3, 1, 2, 5, 4]
    assert (first.reused, again.reused, again.pieces) == (0, 5, 5)
    pd.testing.assert_frame_equal(first.frame, again.frame, check_exact=True)


def test_more_settings_add_their_pieces(squares: Squares, tmp_path: Path) -> None:
    run(squares, tmp_path, numbers=(2, 4))
    result = run(squares, tmp_path, numbers=(4, 7, 2))
    assert squares.computed == [2, 4, 7]
    assert list(result.frame["square"]) == [16, 49, 4]
    assert result.reused == 2


def test_an_interrupted_study_goes_on(squares: Squares, tmp_path: Path) -> None:
    squares.fails_at = 5
    with pytest.raises(StudyInterrupted, match="3 of 5 pieces are kept in .*pieces") as stop:
        run(squares, tmp_path)
    assert (stop.value.finished, stop.value.pieces) == (3, 5)
    squares.fails_at = None
    result = run(squares, tmp_path)
    assert result.reused == 3
    assert squares.computed == [3, 1, 2, 5, 4]
    assert list(result.frame["third"]) == TENTHS


def test_interrupted_while_earlier_pieces_are_read(
    squares: Squares, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    run(squares, tmp_path, numbers=(2, 4, 7))
    read, calls = store.Store.read, []

    def interrupted(self: store.Store, identity: Any) -> Any:
        calls.append(identity)
        if len(calls) == 2:
            raise KeyboardInterrupt
        return read(self, identity)

    monkeypatch.setattr(store.Store, "read", interrupted)
    with pytest.raises(StudyInterrupted, match="3 of 4 pieces are kept in .*pieces"):
        run(squares, tmp_path, numbers=(2, 4, 7, 9))


def test_interrupted_without_a_folder(squares: Squares) -> None:
    squares.fails_at = 2
    with pytest.raises(StudyInterrupted, match="nothing is kept"):
        run(squares)


def test_a_damaged_piece_is_computed_again_with_a_notice(squares: Squares, tmp_path: Path) -> None:
    run(squares, tmp_path)
    files = sorted((tmp_path / "pieces").glob("*.json"))
    assert len(files) == 5
    content = files[2].read_text()
    files[2].write_text(content.replace('"rows": "', '"rows": "#'))
    result = run(squares, tmp_path)
    assert (result.reused, len(squares.computed)) == (4, 6)
    (notice,) = result.notices
    assert files[2].name in notice and notice.endswith("it is computed again")
    assert list(result.frame["third"]) == TENTHS
    assert files[2].read_text() == content
    assert run(squares, tmp_path).notices == ()


def test_progress_counts_pieces_and_those_that_are_there(squares: Squares, tmp_path: Path) -> None:
    run(squares, tmp_path, numbers=(2, 4))
    seen: list[Progress] = []
    studies.run(squares.study, folder=tmp_path, jobs=1, progress=seen.append)
    assert [state.done for state in seen] == [2, 3, 4, 5]
    assert {(state.task, state.total) for state in seen} == {("pieces of squares", 5)}


def test_a_worker_with_other_code_computes_nothing(squares: Squares) -> None:
    identity = store.identity(squares.study, {"k": 3})
    assert runner._compute((7, squares.run_piece, identity))[0] == 7
    foreign = {**identity, "made_by": {**identity["made_by"], "sources": "other"}}
    with pytest.raises(RuntimeError, match="expected the same code"):
        runner._compute((7, squares.run_piece, foreign))


NAME = "saturation"  # NumPy's sums, training and a missing number: all that could differ


def reference() -> str:
    """One process, one piece after the other."""
    study, pieces = _pieces()
    return flat(run_pieces(study, pieces, jobs=1, progress=False).rows)


def flat(rows: list[store.Rows]) -> str:
    """All rows as text, with every bit of their numbers."""
    return store.encode(list(itertools.chain.from_iterable(rows)))


def _pieces() -> tuple[studies.Study, list[dict[str, Any]]]:
    study = find(NAME)
    data = {"data": "digits", "reading": "", "digest": _digest()}
    return study, study.grid({**data, **study.settings(quick=True, changes={})})


def _digest() -> str:
    from loopbp import datasets
    from loopbp.studies.data import digest

    return digest(datasets.load("digits"))


def test_any_number_of_jobs_any_order_the_same_bits() -> None:
    study, pieces = _pieces()
    expected = reference()
    backwards = run_pieces(study, pieces[::-1], jobs=1, progress=False).rows
    assert flat(backwards[::-1]) == expected
    in_processes = run_pieces(study, pieces, jobs=2, progress=False).rows
    assert flat(in_processes) == expected


def test_results_that_arrive_in_any_order_are_put_in_theirs(
    squares: Squares, monkeypatch: pytest.MonkeyPatch
) -> None:
    computed = runner._computed

    def late(*arguments: Any) -> runner.Results:
        yield from reversed(list(computed(*arguments)))

    monkeypatch.setattr(runner, "_computed", late)
    assert list(run(squares).frame["third"]) == TENTHS


def test_a_dask_cluster_gives_the_same_bits(tmp_path: Path) -> None:
    distributed = pytest.importorskip("distributed", reason="needs loopbp[dask]")
    study, pieces = _pieces()
    with distributed.LocalCluster(
        n_workers=2, threads_per_worker=2, dashboard_address=None, local_directory=str(tmp_path)
    ) as cluster:
        address = cluster.scheduler_address
        by_address = run_pieces(study, pieces, dask=address, progress=False).rows
        with distributed.Client(cluster) as client:
            by_client = run_pieces(study, pieces[::-1], dask=client, progress=False).rows
            assert client.status == "running"  # a client that was given is not closed
            frames = [
                studies.run("memory", quick=True, dask=client, jobs=None, progress=False).frame,
                studies.run("memory", quick=True, jobs=1, progress=False).frame,
            ]
    expected = reference()
    assert flat(by_address) == expected
    assert flat(by_client[::-1]) == expected
    pd.testing.assert_frame_equal(*frames, check_exact=True)


def test_memory_is_measured_by_one_thread_at_a_time(monkeypatch: pytest.MonkeyPatch) -> None:
    """tracemalloc sees the arrays of all threads; workers of a cluster may have several."""
    study = find("memory")
    settings = {"depths": (1, 2, 3, 4), "batch_sizes": (1, 3, 50)}
    data = {"data": "digits", "reading": "", "digest": _digest()}
    pieces = study.grid({**data, **study.settings(quick=True, changes=settings)})
    alone = [study.run_piece(piece) for piece in pieces]
    allocated = memory._allocated

    def slowly() -> int:
        time.sleep(0.005)  # others may run
        return allocated()

    monkeypatch.setattr(memory, "_allocated", slowly)
    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(study.run_piece, pieces)) == alone


def test_a_cluster_that_does_not_answer(monkeypatch: pytest.MonkeyPatch, squares: Squares) -> None:
    pytest.importorskip("distributed", reason="needs loopbp[dask]")
    monkeypatch.setattr(runner, "CLUSTER_TIMEOUT", 0.5)
    with pytest.raises(OSError):
        run(squares, dask="tcp://127.0.0.1:9")


@pytest.mark.parametrize("address", ["nowhere", "tcp://nowhere", "zzz://nowhere:1", "nowhere:x"])
def test_what_is_no_address(squares: Squares, address: str) -> None:
    pytest.importorskip("distributed", reason="needs loopbp[dask]")
    with pytest.raises(ValueError, match=f"dask: expected tcp://HOST:PORT; got {address!r}: "):
        run(squares, dask=address)


#: Enough pieces that Ctrl-C comes in between; fewer where each takes long.
SEEDS = "6" if NOT_COMPILED else "80"
COMMAND = ["-m", "loopbp", "study", "starting-points", "--quick", "--seeds", SEEDS, "--jobs", "2"]


def start(folder: Path) -> subprocess.Popen[str]:
    """The command as the leader of a group of processes, as a shell starts it."""
    return subprocess.Popen(
        [sys.executable, *COMMAND, "--out", str(folder)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        encoding="utf-8",
        start_new_session=True,
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.SIG_DFL),  # ignored in background
    )


def finish(folder: Path) -> str:
    """The same command to its end."""
    process = start(folder)
    out, err = process.communicate(timeout=300)
    assert process.returncode == 0, err
    return out


def pieces_in(folder: Path) -> list[Path]:
    return sorted((folder / "starting-points" / "pieces").glob("*.json"))


def stop_in_between(process: subprocess.Popen[str], folder: Path, number: int) -> tuple[str, str]:
    """Sends a signal to all of the group once there are some pieces, as a terminal does."""
    for _ in range(100_000):
        if len(pieces_in(folder)) >= 3 or process.poll() is not None:
            break
        time.sleep(0.002)
    os.killpg(process.pid, number)
    return process.communicate(timeout=60)


def gone(group: int) -> bool:
    """Whether no process of the group is left; those that are told to end have some seconds."""
    for _ in range(100):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_ctrl_c_keeps_what_is_finished(tmp_path: Path) -> None:
    process = start(tmp_path / "a")
    out, err = stop_in_between(process, tmp_path / "a", signal.SIGINT)
    kept = pieces_in(tmp_path / "a")
    assert process.returncode == 130, err
    assert out == ""
    assert "Traceback" not in err
    told = re.search(r"interrupted; ([\d,]+) of", " ".join(err.split()))
    assert told is not None, err
    # Each of two processes may finish a piece while the message is written.
    assert 0 <= len(kept) - int(told[1].replace(",", "")) <= 2
    assert 3 <= len(kept) < 3 * int(SEEDS)
    assert gone(process.pid)
    assert not list((tmp_path / "a").rglob("*.tmp"))
    before = {path: path.stat().st_mtime_ns for path in kept}
    out = finish(tmp_path / "a")
    assert f"{3 * int(SEEDS):,} pieces, {len(kept):,} of them finished earlier" in out
    assert {path: path.stat().st_mtime_ns for path in kept} == before
    finish(tmp_path / "b")
    frames = [tmp_path / name / "starting-points" / "frame.csv" for name in "ab"]
    assert frames[0].read_bytes() == frames[1].read_bytes()


@pytest.mark.skipif(not Path("/proc/self/stat").exists(), reason="needs Linux's /proc")
def test_ctrl_c_while_the_processes_start(tmp_path: Path) -> None:
    """They have just begun to import, and no one has finished a piece."""
    process = start(tmp_path)
    for _ in range(10_000):
        group = [path.parent for path in Path("/proc").glob("[0-9]*/stat")
                 if _group_of(path) == process.pid]  # fmt: skip
        if len(group) >= 4 or process.poll() is not None:  # the command, a tracker, two workers
            break
        time.sleep(0.005)
    time.sleep(0.2)
    os.killpg(process.pid, signal.SIGINT)
    _, err = process.communicate(timeout=60)
    assert process.returncode == 130, err
    assert "interrupted" in err and "Traceback" not in err
    assert gone(process.pid)


def _group_of(stat: Path) -> int | None:
    """The group of a process, from Linux's table; None where there is none any more."""
    try:
        return int(stat.read_text().rpartition(")")[2].split()[2])
    except OSError:
        return None


@pytest.mark.skipif(os.name != "posix", reason="signals as POSIX has them")
def test_killed_between_pieces(tmp_path: Path) -> None:
    process = start(tmp_path)
    stop_in_between(process, tmp_path, signal.SIGKILL)
    kept = pieces_in(tmp_path)
    assert process.returncode == -signal.SIGKILL
    assert 3 <= len(kept) < 3 * int(SEEDS)
    assert f"{len(kept):,} of them finished earlier" in finish(tmp_path)
