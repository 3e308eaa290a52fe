"""Several Python threads, forked processes, and how Numba's threads wait."""

import os
import subprocess
import sys

import pytest

PROGRAM = """
import multiprocessing, sys, threading
import numpy as np
import loopbp
from loopbp.engines import tiled

tiled.WORK_PER_THREAD = 1  # small work is divided among threads too
net = loopbp.Network([5, 9, 3], seed=1)
X = np.linspace(-1, 1, 60).reshape(12, 5)
Y = np.arange(12) % 3

def gradient(_=None):
    return net.backprop(X, Y).gradient.tobytes()

expected = net.backprop(X, Y, engine="textbook").gradient.tobytes()
assert gradient() == expected
found = []
threads = [threading.Thread(target=lambda: found.append(gradient())) for _ in range(4)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
if "fork" in multiprocessing.get_all_start_methods():
    with multiprocessing.get_context("fork").Pool(1) as pool:
        found.append(pool.apply(gradient))
else:
    found.append(gradient())
print(len(found), set(found) == {expected})
"""


@pytest.mark.parametrize("layer", ["default", "workqueue"])
def test_the_same_bits_from_threads_and_a_forked_process(layer: str) -> None:
    environment = {**os.environ, "NUMBA_NUM_THREADS": "2", "NUMBA_THREADING_LAYER": layer}
    run = subprocess.run(
        [sys.executable, "-W", "ignore::DeprecationWarning", "-c", PROGRAM],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert (run.returncode, run.stdout) == (0, "5 True\n"), run.stderr


WAITING = """
import os
from loopbp.kernels import threads

threads.present()
print(os.environ.get("OMP_WAIT_POLICY"), os.environ.get("GOMP_SPINCOUNT"))
"""


@pytest.mark.parametrize(
    ("given", "rounds", "left"), [(None, "2000", "None None"), ("7", "7", "None 7")]
)
def test_threads_spin_briefly_before_they_sleep(given: str | None, rounds: str, left: str) -> None:
    """As OpenMP itself shows what it was told; the environment, and a user's setting, stay."""
    names = ("OMP_WAIT_POLICY", "GOMP_SPINCOUNT")
    environment = {name: value for name, value in os.environ.items() if name not in names}
    environment |= {"NUMBA_NUM_THREADS": "2", "OMP_DISPLAY_ENV": "VERBOSE"}
    environment |= {} if given is None else {"GOMP_SPINCOUNT": given}
    run = subprocess.run(
        [sys.executable, "-c", WAITING],
        env=environment,
        capture_output=True,
        text=True,
        timeout=120,
    )
    assert run.stdout == f"{left}\n", run.stderr
    if "GOMP_SPINCOUNT" not in run.stderr:
        pytest.skip("Numba's threads are not those of GNU OpenMP")
    assert f"GOMP_SPINCOUNT = '{rounds}'" in run.stderr
