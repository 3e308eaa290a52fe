"""A piece of a formula in three spellings at once: plain text, LaTeX and MathML.

Formulas are sequences of such pieces; a line may be broken between two pieces, never within one.
"""

from __future__ import annotations

import math
import re
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from html import escape

#: Significant digits of a number in a formula.
DIGITS = 6

_LOWERED = str.maketrans("0123456789+-−ijklmn", "₀₁₂₃₄₅₆₇₈₉₊₋₋ᵢⱼₖₗₘₙ")
_RAISED = str.maketrans("0123456789+-−()lnLT", "⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁻⁽⁾ˡⁿᴸᵀ")
_SCRIPTED = re.compile(r"([A-Za-z])(?:_([a-z])|\^(−?[a-z]_?[jk]?))")
_LATEX_LETTERS = {
    "δ": r"\delta",
    "Ω": r"\Omega",
    "β": r"\beta",
    "ℓ": r"\ell",
    "∂": r"\partial ",
    "η": r"\eta",
    "′": "'",
    "⋯": r"\cdots ",
}
_LATEX_SPECIAL = {
    "\\": r"\textbackslash{}",
    "~": r"\textasciitilde{}",
    "^": r"\textasciicircum{}",
    **{sign: "\\" + sign for sign in "&%$#_{}"},
}


@dataclass(frozen=True, slots=True)
class Piece:
    """The same in plain text, LaTeX (math mode) and presentation MathML."""

    plain: str
    latex: str
    mathml: str

    def __add__(self, other: Piece) -> Piece:
        return Piece(self.plain + other.plain, self.latex + other.latex, self.mathml + other.mathml)


def letters(text: str) -> Piece:
    """Letters of a formula, as δ or f."""
    latex = "".join(_LATEX_LETTERS.get(letter, letter) for letter in text)
    return Piece(text, latex, f"<mi>{escape(text)}</mi>")


def operator(plain: str, latex: str | None = None, *, spaced: bool = True) -> Piece:
    """A sign between two pieces, with a space on either side in plain text."""
    text = f" {plain} " if spaced else plain
    written = f" {latex if latex is not None else plain} " if spaced else (latex or plain)
    return Piece(text, written, f'<mo form="infix">{escape(plain)}</mo>')


def code(text: str) -> Piece:
    """A name of a program, in a typewriter's letters; hostile signs are escaped."""
    return Piece(text, rf"\texttt{{{latex_text(text)}}}", f"<mtext>{escape(text)}</mtext>")


def formula(plain: str, latex: str) -> Piece:
    """A formula whose plain text is readable as it is, x_k and e^−s being the most it has."""
    parts, end = [], 0
    for found in _SCRIPTED.finditer(plain):
        parts.append(_text(plain[end : found.start()]))
        base, below, above = (f"<mi>{escape(part or '')}</mi>" for part in found.groups())
        tag = "msub" if found[2] else "msup"
        parts.append(f"<{tag}>{base}{below if found[2] else above}</{tag}>")
        end = found.end()
    return Piece(plain, latex, "".join([*parts, _text(plain[end:])]))


def _text(plain: str) -> str:
    return f"<mtext>{escape(plain)}</mtext>" if plain else ""


def indexed(letter: str, indices: Sequence[int | str], layer: int | str | None = None) -> Piece:
    """The letter with its indices below, and its layer above in brackets."""
    texts = [str(index) for index in indices]
    comma = "," if any(len(text) > 1 for text in texts) and len(texts) > 1 else ""
    below = comma.join(texts)
    plain = letter + below.translate(_LOWERED)
    base = letters(letter)
    latex, sub = base.latex, f"<mn>{escape(below)}</mn>"
    if below:
        latex += f"_{{{below}}}"
    if layer is None:
        mathml = f"<msub>{base.mathml}{sub}</msub>" if below else base.mathml
        return Piece(plain, latex, mathml)
    above = f"({layer})"
    sup = f"<mrow><mo>(</mo><mn>{escape(str(layer))}</mn><mo>)</mo></mrow>"
    inner = (
        f"<msubsup>{base.mathml}{sub}{sup}</msubsup>"
        if below
        else f"<msup>{base.mathml}{sup}</msup>"
    )
    return Piece(plain + above.translate(_RAISED), f"{latex}^{{{above}}}", inner)


def fraction(above: Piece, below: Piece) -> Piece:
    """above/below."""
    return Piece(
        f"{above.plain}/{below.plain}",
        rf"\frac{{{above.latex}}}{{{below.latex}}}",
        f"<mfrac><mrow>{above.mathml}</mrow><mrow>{below.mathml}</mrow></mfrac>",
    )


def bracketed(piece: Piece, left: str = "(", right: str = ")") -> Piece:
    """The piece in brackets."""
    return Piece(
        f"{left}{piece.plain}{right}",
        rf"\left{left}{piece.latex}\right{right}",
        f"<mrow><mo>{left}</mo>{piece.mathml}<mo>{right}</mo></mrow>",
    )


def of_example(piece: Piece) -> Piece:
    """(…)ₙ, what example n has in place of the piece; valid in every notation."""
    inside = bracketed(piece)
    return Piece(
        inside.plain + "ₙ",
        f"{inside.latex}_{{n}}",
        f"<msub>{inside.mathml}<mi>n</mi></msub>",
    )


def transposed(piece: Piece) -> Piece:
    """The transpose of a matrix."""
    return Piece(
        piece.plain + "ᵀ",
        rf"{{{piece.latex}}}^{{\top}}",
        f"<msup><mrow>{piece.mathml}</mrow><mi>⊤</mi></msup>",
    )


def negated(piece: Piece) -> Piece:
    """−piece."""
    minus = '<mo form="prefix">−</mo>'
    return Piece("−" + piece.plain, "-" + piece.latex, minus + piece.mathml)


def sum_sign(index: str, last: int | None, *, first: int = 1) -> Piece:
    """Σ over the index, from `first` up to `last`."""
    below = index if last is None else f"{index}={first}"
    lowered = index.translate(_LOWERED)
    plain = f"Σ{lowered}" if last is None else f"Σ({below}…{last:,})"
    upper = "" if last is None else f"^{{{last}}}"
    tag = "munder" if last is None else "munderover"
    top = "" if last is None else f"<mn>{last}</mn>"
    return Piece(
        plain + "\u00a0",
        rf"\sum_{{{below}}}{upper} ",
        f"<{tag}><mo>∑</mo><mrow><mtext>{escape(below)}</mtext></mrow>{top}</{tag}>",
    )


def join(pieces: Iterable[Piece], sign: Piece) -> Piece:
    """The pieces as one, with the sign between them."""
    first, *others = pieces
    for piece in others:
        first = first + sign + piece
    return first


PLUS = operator("+")
#: Between factors: the space in plain text does not break.
TIMES = Piece("\u00a0·\u00a0", r" \cdot ", "<mo>·</mo>")
THIN = Piece("\u00a0", r"\, ", '<mspace width="0.17em"/>')
DOTS = operator("⋯", r"\cdots", spaced=False)


def number(value: float, digits: int = DIGITS) -> Piece:
    """The number to so many significant digits: 0.31, −4200 or 2.1×10⁻⁶."""
    value = float(value)
    if math.isnan(value):
        return Piece("NaN", r"\mathrm{NaN}", "<mtext>NaN</mtext>")
    sign = value < 0
    if math.isinf(value):
        piece = Piece("∞", r"\infty", "<mi>∞</mi>")
        return negated(piece) if sign else piece
    mantissa, power = f"{abs(value):.{digits - 1}e}".split("e")
    exponent = int(power)
    if value == 0 or -4 < exponent < max(digits, 6):
        decimals = max(0, digits - 1 - exponent) if value else 0
        text = _trimmed(f"{abs(float(f'{value:.{digits - 1}e}')):.{decimals}f}")
        piece = Piece(text, text, f"<mn>{text}</mn>")
    else:
        text = _trimmed(mantissa)
        raised = str(exponent).translate(_RAISED)
        piece = Piece(
            f"{text}×10{raised}",
            rf"{text} \times 10^{{{exponent}}}",
            f"<mrow><mn>{text}</mn><mo>×</mo><msup><mn>10</mn><mn>{exponent}</mn></msup></mrow>",
        )
    return negated(piece) if sign else piece


def shown_exactly(value: float, digits: int = DIGITS) -> bool:
    """Whether `number` shows all of the value."""
    value = float(value)
    return math.isfinite(value) and float(f"{value:.{digits - 1}e}") == value


def operand(value: float) -> Piece:
    """A number as a factor: in brackets where it is negative."""
    piece = number(value)
    return bracketed(piece) if value < 0 else piece


def in_full(value: float, dtype: str) -> str:
    """The shortest decimal that reads back to the same bits of this dtype."""
    import numpy as np

    return str(np.dtype(dtype).type(value)).replace("-", "−")


def count(value: int) -> str:
    """A whole number: 1,234, or 1.2 × 10³⁰ where it is longer than 15 digits."""
    if value < 10**15:
        return f"{value:,}"
    digits = str(value) if value < 10**4000 else None
    if digits is None:  # str() of such an integer is slow, and refused beyond 4300 digits
        exponent = int(value.bit_length() * math.log10(2))
        return "about 10" + str(exponent).translate(_RAISED)
    power = str(len(digits) - 1).translate(_RAISED)
    return f"{digits[0]}.{digits[1]} × 10{power}"


def latex_text(text: str) -> str:
    """`text` such that LaTeX prints it as it is."""
    return "".join(_LATEX_SPECIAL.get(sign, sign) for sign in text)


def _trimmed(digits: str) -> str:
    """Without zeros at the end of a decimal fraction."""
    return digits.rstrip("0").rstrip(".") if "." in digits else digits
