"""Ctrl-C, in a terminal and before there is anything to keep."""

from __future__ import annotations

import os
import pty
import re
import select
import signal
import subprocess
import sys
import textwrap
import time
from collections.abc import Callable
from pathlib import Path

import pytest

import loopbp

from .command import COMMAND, NOT_COMPILED, files, run


class Terminal:
    """A command with a terminal as its stderr."""

    def __init__(self, *arguments: str) -> None:
        self.master, slave = pty.openpty()
        self.shown = ""
        self.process = subprocess.Popen(
            [*COMMAND, *arguments],
            stdout=subprocess.PIPE,
            stderr=slave,
            encoding="utf-8",
            env={**os.environ, "TERM": "xterm"},
            # A shell's background jobs ignore SIGINT, and their children would, too.
            preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        )
        os.close(slave)

    def wait_for(self, found: Callable[[str], bool], seconds: float = 60) -> None:
        """Reads the terminal until its text is as wanted, or the command has ended."""
        end = time.monotonic() + seconds
        while not found(self.shown):
            assert time.monotonic() < end, self.shown
            if not select.select([self.master], [], [], 0.1)[0]:
                continue
            try:
                self.shown += os.read(self.master, 4096).decode("utf-8", "replace")
            except OSError:  # the command has closed it
                return

    def finish(self) -> tuple[int, str]:
        """Exit code and stdout."""
        self.wait_for(lambda shown: False)
        stdout, _ = self.process.communicate(timeout=60)
        os.close(self.master)
        return self.process.returncode, stdout


def python(program: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    """A program in a process of its own, to which Ctrl-C is what it is to a terminal's."""
    return subprocess.run(
        [sys.executable, "-c", program, *arguments],
        capture_output=True,
        encoding="utf-8",
        preexec_fn=lambda: signal.signal(signal.SIGINT, signal.default_int_handler),
        timeout=60,
    )


@pytest.mark.parametrize("command", ["train", "report"])
def test_ctrl_c_keeps_the_last_finished_epoch(
    flowers: str, empty_folder: Path, command: str
) -> None:
    sizes = "40,40" if NOT_COMPILED else "500,500"  # an epoch of some 50 ms
    arguments = ["--sizes", sizes, "--epochs", "1000000", "--batch-size", "4"]
    job = Terminal(command, "--data", flowers, *arguments)
    job.wait_for(lambda shown: re.search(r"training.*\d:\d\d:\d\d", shown) is not None)
    time.sleep(2)  # many epochs
    job.process.send_signal(signal.SIGINT)
    code, stdout = job.finish()
    assert code == 130
    message = re.search(r"interrupted; everything is as after epoch (\d+)", job.shown)
    assert message, job.shown
    assert "Traceback" not in job.shown
    if command == "train":
        epochs = re.findall(r"^ *(\d+) +[\d,]+ ", stdout, re.MULTILINE)
        assert epochs[-1] == message[1]
        assert loopbp.load(empty_folder / "network.npz").sizes[0] == 2
    else:
        assert "loopbp-report/report.html" in files(empty_folder)


#: Ctrl-C while a module is imported for the first time.
IMPORTS = """
import sys
module = sys.argv.pop(1)
class Interrupting:
    def find_spec(name, path=None, target=None):
        if name == module:
            sys.meta_path.remove(Interrupting)
            raise KeyboardInterrupt
sys.meta_path.insert(0, Interrupting)
from loopbp.__main__ import main
main()
"""


@pytest.mark.parametrize(
    ("module", "command"),
    [("typer", "train"), ("loopbp.cli.train", "train"), ("numpy", "train"), ("rich", "--help")],
)
def test_ctrl_c_while_the_command_is_imported(module: str, command: str) -> None:
    process = python(IMPORTS, module, command)
    assert (process.returncode, process.stderr) == (130, "Error: interrupted\n")
    assert process.stdout == ""


#: Ctrl-C where Python can raise it to nobody, as in LLVM's callbacks while it compiles.
LOST = {
    "callback": """
import ctypes
ctypes.CFUNCTYPE(None)(interrupt)()
""",
    "finalizer": """
class Lost:
    def __del__(self):
        interrupt()
Lost()
""",
    "weak reference": """
import weakref
class Lost:
    pass
lost = Lost()
kept = weakref.ref(lost, lambda gone: interrupt())
del lost
""",
    "twice": """
import ctypes, time
ctypes.CFUNCTYPE(None)(interrupt)()
ctypes.CFUNCTYPE(None)(lambda: time.sleep(0.5))()  # where it comes again, and is lost again
""",
}

#: What the handler of SIGINT does, which comes before the next instruction of Python.
INTERRUPT = """
import signal
def interrupt():
    signal.raise_signal(signal.SIGINT)
"""


@pytest.mark.parametrize("where", LOST)
def test_ctrl_c_that_nobody_could_catch_comes_again(where: str) -> None:
    program = f"""
import time
from loopbp import interrupts
{INTERRUPT}
interrupts.hear_all()
try:
{textwrap.indent(LOST[where], "    ")}
    time.sleep(10)
except KeyboardInterrupt:
    print("heard")
time.sleep(0.2)  # once is enough
"""
    process = python(program)
    assert (process.stdout, process.stderr) == ("heard\n", "")
    assert process.returncode == 0


def test_other_errors_that_nobody_could_catch_are_shown() -> None:
    program = """
import ctypes
from loopbp import interrupts
interrupts.hear_all()
ctypes.CFUNCTYPE(None)(lambda: 1 / 0)()
"""
    assert "ZeroDivisionError" in python(program).stderr


def test_ctrl_c_that_is_lost_while_the_command_runs(empty_folder: Path) -> None:
    """Before the epochs, of which there would be hours."""
    program = f"""
import ctypes, sys
from loopbp import training
from loopbp.__main__ import main
{INTERRUPT}
fit = training.fit
def losing(*arguments, **options):
    ctypes.CFUNCTYPE(None)(interrupt)()
    return fit(*arguments, **options)
training.fit = losing
sys.argv[1:] = ["train", "--epochs", "1000000000"]
main()
"""
    process = python(program)
    assert re.match("Error: interrupted(; nothing was written)?\n$", process.stderr), process.stderr
    assert process.returncode == 130
    assert files(empty_folder) == []


def test_ctrl_c_before_training(empty_folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def load(*arguments: object, **options: object) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr("loopbp.datasets.load", load)
    for command in ("report", "train", "check"):
        result = run(command, code=130)
        assert (result.stdout, result.stderr) == ("", "Error: interrupted\n")
    assert files(empty_folder) == []


def test_ctrl_c_before_the_first_epoch_is_finished(
    flowers: str, empty_folder: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def fit(*arguments: object, **options: object) -> None:
        raise loopbp.TrainingInterrupted(loopbp.History())

    monkeypatch.setattr("loopbp.network.Network.fit", fit)
    for command in ("report", "train"):
        result = run(command, "--data", flowers, code=130)
        assert result.stdout == ""
        assert result.stderr == "Error: interrupted; nothing was written\n"
    assert files(empty_folder) == []
