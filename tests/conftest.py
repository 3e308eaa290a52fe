"""What tests share: the kernels, called both ways, and a browser."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import numba
import numpy as np
import pytest
from hypothesis import settings
from problems import DTYPES, EXACT

from loopbp.kernels.compile import bind, uncompiled

# The same random cases every time; `pytest --hypothesis-profile=search` draws new ones.
settings.register_profile("same", derandomize=True)
settings.register_profile("search")
settings.load_profile("same")

#: Nothing but the page: no first run, no updates, no look-ups.
ARGUMENTS = (
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)

#: The tests that take minutes.
LONG = ("test_the_bits_are_the_published_ones", "test_vectors_of_another_width_give_the_same_bits")


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    """The long tests first: on several cores the others run beside them."""
    items.sort(key=lambda item: item.name not in LONG)


@pytest.fixture(scope="session")
def browser() -> Iterator[Any]:
    """A headless Chromium: one for all tests, since playwright allows no second in a process."""
    playwright = pytest.importorskip(
        "playwright.sync_api", reason="needs playwright: pip install loopbp[browser]"
    )
    names = ("chromium", "chromium-browser", "chrome")
    chromium = next(filter(None, map(shutil.which, names)), None)
    with playwright.sync_playwright() as driver:
        if chromium is None and not Path(driver.chromium.executable_path).exists():
            pytest.skip("needs Chromium: a system package, or `playwright install chromium`")
        browser = driver.chromium.launch(executable_path=chromium, args=ARGUMENTS)
        yield browser
        browser.close()


@pytest.fixture(params=DTYPES)
def number(request: pytest.FixtureRequest) -> Any:
    """np.float32 or np.float64."""
    return np.dtype(request.param).type


@pytest.fixture(params=EXACT)
def exact(request: pytest.FixtureRequest) -> str:
    """The name of every exact engine."""
    return str(request.param)


@pytest.fixture(params=["compiled", "python"])
def call(request: pytest.FixtureRequest) -> Callable[..., Any]:
    """Calls a kernel, `call(loops, *arrays, g=…)`: compiled, and as plain Python."""

    def run(loops: Any, *arrays: Any, g: Callable[..., Any] | None = None) -> Any:
        if request.param == "python":
            loops = uncompiled(loops)
        with np.errstate(all="ignore"):
            return (bind(loops, g) if g else loops)(*arrays)

    return run


@pytest.fixture
def loops_as_quiet_as_compiled() -> Iterator[None]:
    """With NUMBA_DISABLE_JIT=1 kernels are plain Python, which warns where numbers overflow."""
    with np.errstate(all="ignore" if numba.config.DISABLE_JIT else None):
        yield
