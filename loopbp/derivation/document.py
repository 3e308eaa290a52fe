"""A derivation as data: what its JSON says."""

from __future__ import annotations

import math
from typing import Any

from .names import Symbol
from .paths import Path, work
from .steps import MOST_PRODUCTS, Arithmetic, Factor, Step
from .subject import Subject

FORMAT = "loopbp derivation"
VERSION = 1

HOW = (
    "For each step: multiply the factors of every term from left to right, add the products from "
    "first to last, multiply by times, divide by divided_by; round after each operation to dtype. "
    "A factor that has the symbol (and n) of an earlier step has its value."
)


def to_document(
    subject: Subject, sums: Arithmetic, rule: str, said: tuple[str, ...]
) -> dict[str, Any]:
    """The document, in the types that JSON has; numbers are doubles that hold each dtype."""
    net, (kind, l, at) = subject.net, subject.place
    w = work(net, subject.place)
    return {
        "format": FORMAT,
        "version": VERSION,
        "name": str(subject.place),
        "quantity": {"kind": kind, "l": l, "indices": list(at)},
        "derivative": spell(subject, subject.place.symbol, derivative=True),
        "notation": subject.notation.name,
        "network": {
            "sizes": list(net.sizes),
            "activations": list(net.activations),
            "loss": net.loss,
            "dtype": net.dtype.name,
        },
        "engine": subject.trace.engine,
        "example": subject.number,
        "examples": subject.examples if subject.n is None else 1,
        "reduction": subject.trace.reduction if subject.n is None else None,
        "rule": rule,
        "own_value": plain_number(subject.own_value),
        "value": plain_number(subject.value),
        "remarks": list(said),
        "how": HOW,
        "complete": sums.complete,
        "omitted": None if sums.complete else _omitted(subject, sums),
        "steps": [_step(subject, step) for step in sums.steps],
        "paths": _paths(subject),
        "multiplications": {
            "paths": str(w.paths),
            "backprop": str(w.backprop),
            "all_weights_paths": _digits(w.all_paths),
            "all_weights_backprop": str(w.all_backprop),
            "all_weights_differences": str(w.all_differences),
        },
    }


def spell(subject: Subject, symbol: Symbol, *, derivative: bool = False, value: float = 0) -> str:
    """The symbol in the reader's notation, in plain text."""
    notation = subject.notation
    piece = notation.derivative(symbol) if derivative else notation.spell(symbol, value)
    return piece.plain.replace("\u00a0", " ")


def plain_number(value: float) -> float | str:
    """The number; NaN and infinities are strings, as JSON lacks them."""
    number = float(value)
    if math.isfinite(number):
        return number
    return "NaN" if math.isnan(number) else "Infinity" if number > 0 else "-Infinity"


def _step(subject: Subject, step: Step) -> dict[str, Any]:
    # a weight, or an output that is not of the last layer, is what the loss is derived by
    derivative = step.symbol.kind == "w" or step.symbol.kind == "x"
    written: dict[str, Any] = {"symbol": spell(subject, step.symbol, derivative=derivative)}
    if step.n is not None:
        written["n"] = step.n
    written["terms"] = [[_factor(subject, factor) for factor in term] for term in step.terms]
    if step.times is not None:
        written["times"] = _factor(subject, step.times)
    if step.divided_by is not None:
        written["divided_by"] = _factor(subject, step.divided_by)
    written["value"] = plain_number(step.value)
    return written


def _factor(subject: Subject, factor: Factor) -> dict[str, Any]:
    written: dict[str, Any] = {
        "symbol": spell(subject, factor.symbol, value=float(factor.value)),
        "value": plain_number(factor.value),
    }
    if factor.n is not None and factor.symbol.kind != "w":
        written["n"] = factor.n
    return written


def _paths(subject: Subject) -> dict[str, Any]:
    paths = subject.paths
    return {
        "example": subject.first + subject.example.n,
        "count": _digits(paths.count),
        "shown": "all" if paths.complete else "largest",
        "sum": None if paths.total is None else plain_number(paths.total),
        "value": plain_number(paths.value),
        "rounding_bound": None if paths.total is None else plain_number(paths.bound),
        "agree": paths.agree,
        "paths": [_path(subject, path) for path in paths.shown],
    }


def _path(subject: Subject, path: Path) -> dict[str, Any]:
    return {
        "nodes": [list(node) for node in path.nodes],
        "factors": [_factor(subject, factor) for factor in path.factors],
        "product": plain_number(path.product),
    }


def _omitted(subject: Subject, sums: Arithmetic) -> str:
    most = f"a derivation carries at most {MOST_PRODUCTS:,} products"
    if not sums.steps:
        return f"all steps: {subject.examples:,} examples, and {most}"
    return f"how δ of layer {sums.deepest} comes about: {most}"


def _digits(value: int) -> str:
    """A whole number of any size as a string; beyond 4000 digits in hexadecimal."""
    return str(value) if value < 10**4000 else hex(value)
