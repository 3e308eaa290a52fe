"""Ctrl-C is heard also where Python cannot raise it: in callbacks, finalizers and weak references.

LLVM, which compiles the loops, calls Python back when it is done with one. A Ctrl-C that came
meanwhile is raised there, where it has no caller that could catch it: Python shows it to
`sys.unraisablehook`, forgets it and goes on.
"""

import signal
import sys

#: Seconds until a Ctrl-C that was lost comes again: after the callback, and before the next one.
AGAIN = 0.001


def hear_all() -> None:
    """From now on a `KeyboardInterrupt` that nobody could catch comes again, until one is caught.

    For a program of its own, not for a library: it takes `sys.unraisablehook` and SIGALRM. Without
    effect where there are no timers with signals (on Windows).
    """
    if sys.platform == "win32":
        return
    show = sys.unraisablehook

    def lost(what: "sys.UnraisableHookArgs") -> None:
        if issubclass(what.exc_type, KeyboardInterrupt):
            # not a thread: it would have to wait for Python, and come too late
            signal.setitimer(signal.ITIMER_REAL, AGAIN)
        else:
            show(what)

    signal.signal(signal.SIGALRM, lambda *_: signal.raise_signal(signal.SIGINT))
    sys.unraisablehook = lost
