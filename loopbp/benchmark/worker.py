"""A process of its own for what is measured: its threads are set before anything is loaded.

`python -m loopbp.benchmark.worker` reads a job as JSON from stdin and answers on stdout, a JSON
object per line: {"doing": …}, {"tell": samples}, {"cell": …}, {"start": …} or {"mnist": …}.
Whatever libraries print goes to stderr.
"""

from __future__ import annotations

import dataclasses
import importlib
import json
import os
import sys
import time
from typing import Any

from . import machine


def main() -> None:
    """Does the job on stdin."""
    answers = os.fdopen(os.dup(1), "w", encoding="utf-8")
    os.dup2(2, 1)

    def answer(kind: str, value: Any) -> None:
        answers.write(json.dumps({kind: value}, allow_nan=False) + "\n")
        answers.flush()

    job = json.load(sys.stdin)
    machine.confine(job["threads"])
    if job["kind"] == "start":
        answer("start", start(job))
        return
    if job["kind"] == "mnist":
        from . import mnist

        answer("mnist", mnist.train(mnist.RECIPES[job["recipe"]], job["rounds"], answer))
        return
    # Imported only now: Numba and BLAS count the processors when they are loaded.
    from . import peers, workloads
    from .measure import measure
    from .timing import Method

    for name in job["workloads"]:
        workload = workloads.find(name)
        for task in (task for task in job["tasks"] if task in workload.tasks):
            answer("doing", f"{name} {job['dtype']} {task}, threads: {job['threads']}")
            cell = measure(
                workloads.problem(workload, job["dtype"]),
                task,
                peers.asked(job["contenders"], task),
                threads=job["threads"],
                method=Method(**job["method"]),
                tell=lambda samples: answer("tell", samples),
            )
            answer("cell", dataclasses.asdict(cell))


def start(job: dict[str, Any]) -> dict[str, float]:
    """Seconds of a contender's first steps in this process, its library imported."""
    from . import peers, workloads

    peer = peers.get(job["contender"])
    problem = workloads.problem(workloads.find(job["workload"]), job["dtype"])
    for module in peer.imports:
        importlib.import_module(module)
    started = time.perf_counter()
    contender = peer.prepare(problem, "epoch")
    contender.reset()
    prepared = time.perf_counter()
    contender.run(1)
    first = time.perf_counter()
    contender.reset()
    second = contender.run(1)
    return {"prepare": prepared - started, "first": first - prepared, "second": second}


if __name__ == "__main__":
    main()
