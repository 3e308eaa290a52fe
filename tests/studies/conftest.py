"""What the tests of the studies share: their quick results, computed once, and a study of none."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

import numba
import pytest

from loopbp import studies
from loopbp.studies import STUDIES, Column, Study, StudyResult

NAMES = [study.name for study in STUDIES]
NOT_COMPILED = bool(numba.config.DISABLE_JIT)


@pytest.fixture(autouse=True)
def _quiet(loops_as_quiet_as_compiled: None) -> None:
    """Runs diverge here, and are meant to."""


@functools.cache
def _quick(name: str) -> StudyResult:
    return studies.run(name, quick=True, jobs=1, progress=False)


@pytest.fixture
def quick() -> Callable[[str], StudyResult]:
    """The quick result of a study by name."""
    return _quick


@pytest.fixture(params=NAMES)
def result(request: pytest.FixtureRequest) -> StudyResult:
    """The quick result of every study."""
    return _quick(str(request.param))


class Squares:
    """A study that computes k² and k/3, and counts how often it does; one piece may fail."""

    def __init__(self) -> None:
        self.computed: list[int] = []
        self.fails_at: int | None = None
        self.study = Study(
            name="squares",
            title="Squares",
            version=1,
            columns=(
                Column("k", "int64", "a number"),
                Column("square", "int64", "its square"),
                Column("third", "float64", "a third of it"),
                Column("none", "float64", "missing"),
            ),
            sizes={"numbers": (3, 1, 2, 5, 4), "seeds": 1},
            quick={},
            grid=lambda settings: [{"k": k} for k in settings["numbers"]],
            run_piece=self.run_piece,
            summarise=lambda frame: frame,
            read=lambda frame: [f"{len(frame)} rows"],
            draw=lambda frame: None,  # type: ignore[arg-type,return-value]
        )

    def run_piece(self, piece: dict[str, Any]) -> list[dict[str, Any]]:
        k = piece["k"]
        if k == self.fails_at:
            raise KeyboardInterrupt
        self.computed.append(k)
        return [{"square": k * k, "third": k / 3, "none": None}]


@pytest.fixture
def squares() -> Squares:
    return Squares()
