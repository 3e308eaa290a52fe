"""Warm-up and rounds, with contenders whose times are made up."""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterator

import numpy as np
import pytest

from loopbp.benchmark.contender import Contender
from loopbp.benchmark.timing import Method, rounds, warm_up

METHOD = Method(rounds=4, seconds=0.1)


class Clock:
    """A contender whose calls take the seconds that an iterator gives; keeps what was asked."""

    def __init__(self, name: str, times: Iterator[float], log: list[str]) -> None:
        self.name, self.times, self.log = name, times, log
        self.asked: list[int] = []

    def contender(self) -> Contender:
        return Contender(self.reset, self.run, lambda: np.zeros(1))

    def reset(self) -> None:
        self.log.append(f"{self.name} reset")

    def run(self, calls: int) -> float:
        self.log.append(self.name)
        self.asked.append(calls)
        return calls * next(self.times)


def always(seconds: float) -> Iterator[float]:
    while True:
        yield seconds


def test_the_warm_up_ends_when_three_samples_agree() -> None:
    """1 s, 0.5 s, then 0.2 s: the fifth sample is the third that is within 5 %."""
    clock = Clock("a", iter([1.0, 0.5, 0.2, 0.201, 0.199]), [])
    state = warm_up(clock.contender(), METHOD)
    assert (len(clock.asked), state.stable, state.calls) == (5, True, 1)


def test_the_warm_up_gives_up_on_times_that_never_settle() -> None:
    clock = Clock("a", iter([1.0, 2.0] * 50), [])
    state = warm_up(clock.contender(), METHOD)
    assert not state.stable and len(clock.asked) == 3


def test_short_calls_are_repeated_until_a_round_is_long_enough() -> None:
    """3 ms: 34 calls fill 0.1 s."""
    assert warm_up(Clock("a", always(0.003), []).contender(), METHOD).calls == 34


def test_rounds_are_interleaved_and_begin_in_turn() -> None:
    log: list[str] = []
    clocks = {name: Clock(name, always(0.2), log) for name in ("a", "b", "c")}
    contenders = {name: clock.contender() for name, clock in clocks.items()}
    told: list[int] = []
    samples = rounds(contenders, dict.fromkeys(clocks, 1), METHOD, lambda: told.append(1))
    runs = [line for line in log if "reset" not in line]
    assert "".join(runs) == "abcbcacababc"
    assert log[::2] == [f"{name} reset" for name in runs]
    assert samples == {name: [0.2] * 4 for name in clocks}
    assert len(told) == 12


def test_every_sample_is_preceded_by_a_rest(monkeypatch: pytest.MonkeyPatch) -> None:
    log: list[str] = []
    monkeypatch.setattr(time, "sleep", lambda seconds: log.append(f"{seconds} s"))
    clocks = {name: Clock(name, always(0.2), log).contender() for name in ("a", "b")}
    rounds(clocks, dict.fromkeys(clocks, 1), Method(rounds=2), rest=0.5)
    lines = [line for line in log if "reset" not in line]
    assert lines == ["0.5 s", "a", "0.5 s", "b", "0.5 s", "b", "0.5 s", "a"]
    rounds(clocks, dict.fromkeys(clocks, 1), Method(rounds=1))
    assert log.count("0.5 s") == 4


def test_a_round_goes_on_when_it_was_too_short_after_all() -> None:
    """2 calls of 10 ms are 0.02 s; 8 more fill the 0.1 s. A sample is the mean of all 10."""
    clock = Clock("a", always(0.01), [])
    samples = rounds({"a": clock.contender()}, {"a": 2}, Method(rounds=1, seconds=0.0999))
    assert clock.asked == [2, 8]
    assert samples["a"] == pytest.approx([0.01])


@pytest.mark.parametrize("enabled", [True, False])
def test_no_garbage_is_collected_meanwhile(enabled: bool) -> None:
    seen: list[bool] = []

    def run(calls: int) -> float:
        seen.append(gc.isenabled())
        return 1.0

    was = gc.isenabled()
    switch: Callable[[], None] = gc.enable if enabled else gc.disable
    switch()
    try:
        rounds({"a": Contender(lambda: None, run, lambda: np.zeros(1))}, {"a": 1}, METHOD)
        assert gc.isenabled() == enabled
    finally:
        (gc.enable if was else gc.disable)()
    assert seen == [False] * 4
