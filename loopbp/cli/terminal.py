"""What the commands say: results on stdout, everything else on stderr, on any terminal."""

from __future__ import annotations

import codecs
import re
import sys
import textwrap
import threading
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager
from typing import TYPE_CHECKING, TextIO

if TYPE_CHECKING:
    from rich.console import Console
    from rich.table import Table

    from loopbp.progress import Progress

#: Seconds before a progress bar appears.
PATIENCE = 1.0

#: What is written for a character that an encoding does not have.
SPELLED = {
    "∂": "d",
    "δ": "delta",
    "η": "eta",
    "μ": "mu",
    "→": "->",
    "‖": "|",
    "≥": ">=",
    "≤": "<=",
    "≈": "~",
    "±": "+-",
    "×": "x",
    "·": "*",
    "Σ": "sum",
    "′": "'",
    "½": "1/2",
    "∝": "~",
    "←": "<-",
    "≠": "!=",
    "−": "-",
    "–": "-",
    "—": "-",
    "…": "...",
    "Δ": "d",
    "∞": "inf",
    "σ": "sigma",
    "Ω": "Omega",
    "ω": "omega",
    "β": "beta",
    "ℓ": "l",
    "𝟙": "1",
    "¼": "1/4",
    "ᵀ": "^T",
    "⊙": "*",
    "⌈": "ceil(",
    "⌉": ")",
    "⌊": "floor(",
    "⌋": ")",
    "═": "=",
    "─": "-",
    "│": "|",
    **dict.fromkeys("┌┐└┘├┤┬┴┼", "+"),
    **{chr(0x2080 + digit): str(digit) for digit in range(10)},  # ₀ … ₉
}
DIGITS = str.maketrans("⁻⁰¹²³⁴⁵⁶⁷⁸⁹", "-0123456789")
SUPERSCRIPT = re.compile("[⁻⁰¹²³⁴⁵⁶⁷⁸⁹]+")


def _spell(problem: UnicodeError) -> tuple[str, int]:
    """A codec error handler: what cannot be encoded is spelled in ASCII."""
    if not isinstance(problem, UnicodeEncodeError):
        raise problem
    text = problem.object[problem.start : problem.end]
    text = SUPERSCRIPT.sub(lambda power: "^" + power[0].translate(DIGITS), text)
    spelled = (c if c.isascii() else SPELLED.get(c, "?") for c in text)
    return "".join(spelled), problem.end


codecs.register_error("loopbp.spell", _spell)


def prepare_streams() -> None:
    """Lets stdout and stderr take any character, whatever their encoding."""
    for stream in (sys.stdout, sys.stderr):
        reconfigure = getattr(stream, "reconfigure", None)
        if reconfigure is not None:
            reconfigure(errors="loopbp.spell")


def printable(text: str, stream: TextIO) -> str:
    """`text` in characters that the stream's encoding has, so that its length is known."""
    encoding = stream.encoding or "utf-8"
    return text.encode(encoding, "loopbp.spell").decode(encoding)


def console(stream: TextIO) -> Console:
    """A console that prints text as it is: no markup, no highlighting of numbers."""
    from rich.console import Console

    return Console(file=stream, highlight=False, markup=False, emoji=False)


def say(text: str) -> None:
    """Lines of results on stdout."""
    _print(sys.stdout, text)


def notes(texts: Iterable[str]) -> None:
    """Notes on the results, on stdout beside them."""
    for text in texts:
        say(f"note: {text}")


def error(text: str) -> None:
    """An error on stderr."""
    _print(sys.stderr, f"Error: {text}", style="red")


def _print(stream: TextIO, text: str, style: str = "") -> None:
    """Prints the text, with lines that are too long broken between words, never within one.

    So a path stays whole and can be copied. Lines that begin with a space are laid out already.
    """
    screen = console(stream)
    for line in printable(text, stream).splitlines():
        wrapped = line if line[:1] in ("", " ") else _wrap(line, screen.width)
        screen.print(wrapped, style=style, no_wrap=True, overflow="ignore", crop=False)


def _wrap(line: str, width: int) -> str:
    return textwrap.fill(line, width, break_long_words=False, break_on_hyphens=False)


def table(headings: Sequence[str], rows: Iterable[Sequence[str]]) -> None:
    """A table of results on stdout; right-justified, since it holds numbers.

    One that is too wide is printed in parts, each with the first column, so that no number loses
    its end.
    """
    screen = console(sys.stdout)
    printed = [[printable(cell, sys.stdout) for cell in row] for row in (headings, *rows)]
    widths = [
        max(len(line) for cell in column for line in cell.split("\n"))
        for column in zip(*printed, strict=True)
    ]
    gap = 2 if sum(widths) + 2 * (len(widths) - 1) <= screen.width else 1
    for number, part in enumerate(_parts(widths, gap, screen.width)):
        if number:
            screen.print()
        screen.print(_grid([[row[k] for k in part] for row in printed], gap), crop=False)


def _parts(widths: Sequence[int], gap: int, room: int) -> list[list[int]]:
    """The columns of each part of a table: the first of all, and as many others as there is room.

    At least one, even where there is none.
    """
    parts, taken = [[0]], widths[0]
    for k, width in enumerate(widths[1:], start=1):
        if len(parts[-1]) > 1 and taken + gap + width > room:
            parts.append([0])
            taken = widths[0]
        parts[-1].append(k)
        taken += gap + width
    return parts


def _grid(rows: Sequence[Sequence[str]], gap: int) -> Table:
    """The rows, headings first, with so many spaces after each column."""
    from rich.table import Table

    grid = Table(box=None, padding=(0, gap, 0, 0), pad_edge=False, header_style="bold")
    for heading in rows[0]:
        grid.add_column(heading, justify="right", vertical="bottom", no_wrap=True)
    for cells in rows[1:]:
        grid.add_row(*cells)
    return grid


def listing(rows: Iterable[Sequence[str]]) -> None:
    """Words in columns on stdout, the last one broken between words where the terminal ends."""
    screen = console(sys.stdout)
    printed = [[printable(cell, sys.stdout) for cell in row] for row in rows]
    widths = [max(map(len, column)) for column in zip(*printed, strict=True)][:-1]
    for *cells, last in printed:
        head = "".join(f"  {cell:<{width}}" for cell, width in zip(cells, widths, strict=True))
        hanging = " " * (len(head) + 2)
        say(
            textwrap.fill(
                last,
                max(screen.width, len(hanging) + 20),
                initial_indent=f"{head}  ",
                subsequent_indent=hanging,
                break_long_words=False,
                break_on_hyphens=False,
            )
        )


class Activity:
    """What a command is doing, on a bar."""

    def __init__(self) -> None:
        from rich.console import Console
        from rich.progress import BarColumn, TaskProgressColumn, TextColumn, TimeRemainingColumn
        from rich.progress import Progress as Bar

        self.bar = Bar(
            TextColumn("{task.description}", markup=False),
            BarColumn(),
            TaskProgressColumn(),
            TimeRemainingColumn(),
            console=Console(file=sys.stderr),
            transient=True,
        )
        self._task = self.bar.add_task("", total=None)

    @property
    def progress(self) -> Callable[[Progress], None] | bool:
        """For the `progress` of the library's functions: False where there is no terminal."""
        return self._update if sys.stderr.isatty() else False

    def begin(self, what: str) -> None:
        """From now on the command is doing this; nobody knows how long it takes."""
        self.bar.remove_task(self._task)
        self._task = self.bar.add_task(what, total=None)

    def _update(self, state: Progress) -> None:
        self.bar.update(self._task, description=state.task, completed=state.done, total=state.total)


@contextmanager
def activity(what: str) -> Iterator[Activity]:
    """An `Activity` whose bar appears on a terminal if the block takes longer than `PATIENCE`."""
    running = Activity()
    running.begin(what)
    timer = threading.Timer(PATIENCE, running.bar.start)
    timer.daemon = True
    if sys.stderr.isatty():
        timer.start()
    try:
        yield running
    finally:
        timer.cancel()
        if timer.ident is not None:  # it was started, and might be about to start the bar
            timer.join()
        if running.bar.live.is_started:
            running.bar.stop()
