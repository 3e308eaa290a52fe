"""`python -m loopbp`, and the command `loopbp`: quiet from its first import on after Ctrl-C."""

import signal
import sys

from . import interrupts


def main() -> None:
    """Runs the command line of this process, and exits."""
    interrupts.hear_all()
    try:
        from .cli import main as command

        command()
    except KeyboardInterrupt:  # before the commands, which say it themselves, or after them
        sys.stderr.write("Error: interrupted\n")
        sys.exit(128 + signal.SIGINT)


if __name__ == "__main__":
    main()
