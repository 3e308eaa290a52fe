"""Numbers as people read them: in prose, in a column of a table, as a share."""

from __future__ import annotations

import math

SUPERSCRIPTS = str.maketrans("-.0123456789", "⁻·⁰¹²³⁴⁵⁶⁷⁸⁹")


def prose(value: float, digits: int = 2) -> str:
    """`value` to so many significant digits: 0.31, 4,200 or 2.1 × 10⁻⁶."""
    if not math.isfinite(value) or value == 0:
        return _special(value)
    rounded = f"{value:.{digits - 1}e}"
    mantissa, exponent = rounded.split("e")
    power = int(exponent)
    if -3 <= power < 5:
        return f"{float(rounded):,.{max(digits, power + 1)}g}"
    return f"{float(mantissa):.{digits}g} × {ten_to(power)}"


def ten_to(power: float) -> str:
    """10⁻⁶, 10⁻²·⁵."""
    return "10" + f"{power:g}".translate(SUPERSCRIPTS)


def column(value: float | None) -> str:
    """`value` for a column of magnitudes: 1.23e-03; — where it is missing."""
    if value is None:
        return "—"
    return f"{value:.2e}" if math.isfinite(value) and value else _special(value)


def ratio(value: float | None) -> str:
    """`value` for a column of ratios: 0.312; — where it is missing."""
    if value is None:
        return "—"
    if math.isfinite(value) and 1e-3 <= abs(value) < 1e4:
        return f"{value:#.3g}".rstrip(".")
    return f"{value:.1e}" if math.isfinite(value) and value else _special(value)


def percent(share: float) -> str:
    """A share as a percentage; 0 % and 100 % only where that is exact."""
    if share in (0, 1):
        return f"{share:.0%}".replace("%", " %")
    if share < 0.001:
        return "< 0.1 %"
    if share > 0.999:
        return "> 99.9 %"
    return f"{round(100 * share, 1):g} %"


def listing(items: list[str], more: bool = False) -> str:
    """a; a and b; a, b and c; with `more`: a, b, c, …"""
    if more:
        return ", ".join([*items, "…"])
    if len(items) < 2:
        return "".join(items)
    return f"{', '.join(items[:-1])} and {items[-1]}"


def _special(value: float) -> str:
    """0, NaN and the infinities."""
    if value == 0:
        return "0"
    if math.isnan(value):
        return "NaN"
    return "∞" if value > 0 else "−∞"
