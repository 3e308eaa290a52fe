"""The check of the processor's mode: every mode that changes bits is refused, in every thread."""

from __future__ import annotations

import os
import subprocess
import sys
import threading
from pathlib import Path

import numpy as np
import pytest
from problems import EXACT
from processor_mode import MODES, processor_mode

import loopbp
from loopbp.kernels import environment

ROOT = Path(__file__).parents[2]

pytestmark = pytest.mark.skipif(not MODES, reason="no control register of this processor is known")

MESSAGES = {"ftz": "flushed to zero", "daz": "flushed to zero"}


def test_an_untouched_processor_passes():
    environment.check()
    environment.check_threads(1)


@pytest.mark.parametrize("mode", MODES)
def test_the_mode_changes_numbers_and_is_refused(mode):
    smallest, ulp = np.array([2.0**-1022]), np.array([2.0**-52])
    with processor_mode(mode):
        with np.errstate(all="ignore"):
            changed = [
                (smallest * 0.5 * 2.0 != smallest)[0],  # lost on the way
                (1.0 + ulp * 0.25 != 1.0)[0],  # to nearest: 1
                (1.0 + ulp * 0.75 != 1.0 + ulp)[0],  # to nearest: the next number
                (-1.0 - ulp * 0.25 != -1.0)[0],
            ]
        with pytest.raises(FloatingPointError, match=MESSAGES.get(mode, "not rounded to nearest")):
            environment.check()
    assert any(changed)
    environment.check()


@pytest.fixture
def problem():
    net = loopbp.Network([3, 4, 2], seed=1)
    X = np.arange(12.0).reshape(4, 3) / 12
    return net, X, np.array([0, 1, 1, 0])


CALLS = {
    "forward": lambda net, X, Y, engine: net.forward(X, engine=engine),
    "backprop": lambda net, X, Y, engine: net.backprop(X, Y, engine=engine),
    "predict": lambda net, X, Y, engine: net.predict(X, engine=engine),
    "evaluate": lambda net, X, Y, engine: net.evaluate(X, Y, engine=engine),
    "fit": lambda net, X, Y, engine: net.fit(X, Y, engine=engine, progress=False),
}


@pytest.mark.parametrize("name", CALLS)
def test_an_exact_engine_refuses_to_compute(exact, name, problem):
    net, X, Y = problem
    before = net.theta.copy()
    with processor_mode("ftz"):
        with pytest.raises(FloatingPointError, match=r"flushed to zero.*engine='numpy'"):
            CALLS[name](net, X, Y, exact)
    np.testing.assert_array_equal(net.theta, before)
    CALLS[name](net, X, Y, exact)


@pytest.mark.parametrize("name", CALLS)
def test_the_engine_within_tolerance_does_not_mind(name, problem):
    with processor_mode("ftz"):
        CALLS[name](*problem, "numpy")


def test_the_mode_of_another_thread_is_its_own(problem):
    net, X, _ = problem
    refused = []

    def compute():
        with processor_mode("ftz"):
            try:
                net.forward(X, engine=EXACT[0])
            except FloatingPointError:
                refused.append(True)

    thread = threading.Thread(target=compute)
    thread.start()
    net.forward(X, engine=EXACT[0])
    thread.join()
    assert refused == [True]


@pytest.mark.skipif(os.environ.get("NUMBA_DISABLE_JIT") == "1", reason="without Numba's threads")
def test_numbas_threads_are_looked_at_too():
    """Threads that were started in the mode keep it, after the thread that started them left it."""
    script = """
from loopbp.kernels import environment
from processor_mode import processor_mode
with processor_mode("ftz"):
    try:
        environment.check_threads(4)
    except FloatingPointError:
        pass
environment.check()
try:
    environment.check_threads(4)
except FloatingPointError as problem:
    print(problem)
"""
    result = subprocess.run(
        [sys.executable, "-c", script],
        env={
            **os.environ,
            "PYTHONPATH": os.pathsep.join(
                [str(ROOT), str(ROOT / "tests"), *filter(None, sys.path)]
            ),
            "NUMBA_NUM_THREADS": "4",
        },
        capture_output=True,
        text=True,
        check=True,
    )
    assert "flushed to zero in a thread of Numba's" in result.stdout
