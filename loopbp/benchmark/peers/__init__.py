"""Who is timed: loopbp's own engines, and the libraries that people train with.

One file per library; it is imported only when it is asked for.
"""

from __future__ import annotations

from collections.abc import Iterable

from ...checks import choice
from ...engines import ENGINES, find
from ..contender import Peer
from .by_hand import ByHand
from .jax import Jax
from .ours import Engine
from .sklearn import Sklearn
from .torch import Torch
from .torch_func import TorchFunc

#: The engine that the definition of every bit belongs to.
DEFINITION = "textbook"


def subject() -> str:
    """The engine that the peers are compared with: the default one."""
    return find("auto").name


def engines() -> list[str]:
    """The exact engines that are worth timing: all but the one that is not compiled."""
    return [
        name for name, engine in ENGINES.items() if engine.exact and name not in ("auto", "python")
    ]


def known() -> dict[str, Peer]:
    """All contenders by name, our engines first, the subject before the others."""
    names = sorted(engines(), key=lambda name: name != subject())
    peers: list[Peer] = [Engine(name) for name in names]
    peers += [Jax(), Torch(compiled=False), Torch(compiled=True), Sklearn(), ByHand()]
    peers += [TorchFunc(compiled=False), TorchFunc(compiled=True)]
    return {peer.name: peer for peer in peers}


def asked(names: Iterable[str], task: str) -> dict[str, Peer]:
    """Those of the contenders who are asked to do a task."""
    peers = known()
    return {name: peers[name] for name in names if task in peers[name].tasks}


def get(name: object) -> Peer:
    """The contender of that name; raises `TypeError` or `ValueError` for anything else."""
    peers = known()
    return peers[choice("peers", name, peers)]
