"""Blocks as text for a terminal, as Markdown, as LaTeX and as HTML."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Sequence
from html import escape

from .blocks import (
    Block,
    Equation,
    Heading,
    Matrix,
    MatrixEquation,
    Paragraph,
    Remark,
    Sentence,
    Side,
    Table,
)
from .spelling import Piece, latex_text

WIDTH = 80
#: Characters of plain text after which a formula goes on in a new line.
_LINE = 90

# --- Terminal -------------------------------------------------------------------------------------

_HARD = "\u00a0"


def terminal(blocks: Iterable[Block], width: int = WIDTH, *, ascii_only: bool = False) -> str:
    """Lines of at most `width` characters; with `ascii_only` in ASCII, and no wider."""
    spell = to_ascii if ascii_only else str
    parts = [_terminal(block, width, spell) for block in blocks]
    return "\n".join(_separated(parts))


def _separated(parts: Sequence[list[str]]) -> list[str]:
    lines: list[str] = []
    for part in parts:
        lines += [*([""] if lines else []), *part]
    return lines


def _terminal(block: Block, width: int, spell: Callable[[str], str]) -> list[str]:
    if isinstance(block, Heading):
        text = spell(_plain(block.content))
        rule = spell("═" if block.level == 1 else "─")
        return [*_wrap(text, width), rule * min(width, len(text))]
    if isinstance(block, Paragraph | Remark):
        mark = "! " if isinstance(block, Remark) else ""
        return _wrap(mark + spell(_plain(block.content)), width)
    if isinstance(block, Equation):
        return _terminal_equation(block, width, spell)
    if isinstance(block, MatrixEquation):
        return _terminal_matrices(block, width, spell)
    return _terminal_table(block, width, spell)


def _terminal_equation(block: Equation, width: int, spell: Callable[[str], str]) -> list[str]:
    left = spell(block.left.plain)
    indent = len(left) if len(left) <= width // 3 else 4
    lines = [] if indent == len(left) else [_soft(line) for line in _wrap(left, width)]
    for at, (sign, side) in enumerate(block.sides):
        text = spell(_spaced(side))
        lead = left if at == 0 and indent == len(left) else " " * indent
        head = f"{lead} {spell(sign)} "
        lines += _wrap(text, width, head, " " * (len(head) + 2 * (len(head) < width // 2)))
    return [_soft(line) for line in lines]


def _spaced(side: Side) -> str:
    return "".join(piece.plain for piece in side)


def _wrap(text: str, width: int, head: str = "", indent: str = "") -> list[str]:
    """Broken at spaces; at hard spaces where there is no other way; within a word at last."""
    lines, line, empty = [], head, True
    for word in _words(text.split(" "), width - max(len(head), len(indent))):
        if not empty and len(line) + 1 + len(word) > width:
            lines.append(line)
            line, empty = indent, True
        line = line + word if empty else f"{line} {word}"
        empty = False
    return [_soft(line) for line in [*lines, line]]


def _words(words: Iterable[str], room: int) -> Iterable[str]:
    """The words, those that do not fit into any line in parts."""
    room = max(room, 8)
    for word in words:
        if len(word) <= room:
            yield word
            continue
        part = ""
        for bit in re.split(f"(?<={_HARD})", word):
            if part and len(part) + len(bit) > room:
                yield part.rstrip(_HARD)
                part = ""
            part += bit
            while len(part) > room:
                yield part[:room]
                part = part[room:]
        if part:
            yield part


def _soft(text: str) -> str:
    return text.replace(_HARD, " ")


def _terminal_matrices(block: MatrixEquation, width: int, spell: Callable[[str], str]) -> list[str]:
    left = spell(_soft(block.left.plain))
    lines = _wrap(f"{left} = {spell(block.names.plain)}", width)
    drawn = [_drawn(matrix, spell, width - 6) for matrix in (*block.matrices, block.result)]
    signs = [spell(" = "), *[" "] * (len(drawn) - 2), spell(" = ")][: len(drawn)]
    current: list[list[str]] = []
    for sign, matrix in zip(signs, drawn, strict=True):
        candidate = [*current, _beside(sign, matrix)]
        if current and sum(len(part[0]) for part in candidate) > width - 2:
            lines += _joined(current)
            candidate = [_beside(sign, matrix)]
        current = candidate
    return [*lines, *_joined(current)]


def _drawn(matrix: Matrix, spell: Callable[[str], str], room: int) -> list[str]:
    """The matrix in brackets, columns aligned to the right; in parts where that is too wide."""
    cells = [[spell(_soft(cell.plain)) for cell in row] for row in matrix.rows]
    widths = [max(len(row[k]) for row in cells) for k in range(len(cells[0]))]
    rows = [" ".join(c.rjust(w) for c, w in zip(row, widths, strict=True)) for row in cells]
    if len(rows[0]) + 2 > room:
        parts = [line for row in cells for line in _wrap(" ".join(row), room - 4, "", "  ")]
        rows = [part.ljust(room - 2) for part in parts]
    if len(rows) == 1:
        return [f"[{rows[0]}]"]
    last = len(rows) - 1
    edges = ["⎡⎤" if r == 0 else "⎣⎦" if r == last else "⎢⎥" for r in range(len(rows))]
    return [spell(f"{e[0]}{row}{e[1]}") for e, row in zip(edges, rows, strict=True)]


def _beside(sign: str, drawn: list[str]) -> list[str]:
    """The sign before the middle line of the matrix."""
    middle = (len(drawn) - 1) // 2
    return [(sign if r == middle else " " * len(sign)) + line for r, line in enumerate(drawn)]


def _joined(parts: list[list[str]]) -> list[str]:
    """Matrices side by side, their middles on one line."""
    above = max((len(part) - 1) // 2 for part in parts)
    below = max(len(part) - 1 - (len(part) - 1) // 2 for part in parts)
    lines = []
    for r in range(-above, below + 1):
        line = ""
        for part in parts:
            at = r + (len(part) - 1) // 2
            line += part[at] if 0 <= at < len(part) else " " * len(part[0])
        lines.append(("  " + line).rstrip())
    return lines


def _terminal_table(block: Table, width: int, spell: Callable[[str], str]) -> list[str]:
    """Two columns: words that may be broken; more: numbers, or a list where they do not fit."""
    rows = [[spell(_soft(_plain(cell))) for cell in row] for row in (block.headings, *block.rows)]
    widths = [max(len(row[k]) for row in rows) for k in range(len(rows[0]))]
    if len(widths) == 2:
        return _terminal_words(rows, widths, width, spell)
    if sum(widths) + 2 * (len(widths) - 1) > width:
        return _terminal_list(rows, width)
    lines = []
    for row in rows:
        first, *others = [
            c.ljust(w) if k == 0 else c.rjust(w)
            for k, (c, w) in enumerate(zip(row, widths, strict=True))
        ]
        lines.append("  ".join([first, *others]).rstrip())
    lines.insert(1, "  ".join(spell("─") * w for w in widths))
    return lines


def _terminal_words(
    rows: list[list[str]], widths: list[int], width: int, spell: Callable[[str], str]
) -> list[str]:
    """A symbol and its meaning, which is broken between words."""
    first = min(widths[0], width // 3)
    lines: list[str] = []
    for r, (symbol, meaning) in enumerate(rows):
        head = symbol.ljust(first) + "  "
        if len(symbol) > first:
            lines += _wrap(symbol, width)
            head = " " * (first + 2)
        lines += [line.rstrip() for line in _wrap(meaning, width, head, " " * (first + 2))]
        if r == 0:
            last = min(widths[1], width - first - 2)
            lines.append(f"{spell('─') * first}  {spell('─') * last}")
    return lines


def _terminal_list(rows: list[list[str]], width: int) -> list[str]:
    """A paragraph for each row: its name, then heading and value of each cell."""
    headings, *others = rows
    lines: list[str] = []
    for name, *cells in others:
        lines += _wrap(name, width)
        for heading, cell in zip(headings[1:], cells, strict=True):
            if cell:
                lines += _wrap(f"{heading}: {cell}" if heading else cell, width, "  ", "    ")
    return lines


_ASCII = {
    "∂": "d",
    "δ": "delta",
    "Ω": "Omega",
    "β": "beta",
    "ℓ": "loss",
    "σ": "sigma",
    "Φ": "Phi",
    "φ": "phi",
    "Σ": "sum",
    "η": "eta",
    "′": "'",
    "·": "*",
    "×": "*",
    "−": "-",
    "→": "->",
    "≈": "~",
    "½": "1/2",
    "²": "^2",
    "…": "...",
    "⋯": "...",
    "⋮": ":",
    "⋱": "...",
    "─": "-",
    "═": "=",
    "∞": "inf",
    "ᵀ": "^T",
    **dict.fromkeys("⎡⎢⎣", "["),
    **dict.fromkeys("⎤⎥⎦", "]"),
}
_LOW = str.maketrans("₀₁₂₃₄₅₆₇₈₉₊₋ᵢⱼₖₗₘₙ", "0123456789+-ijklmn")
_HIGH = str.maketrans("⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ˡⁿᴸ", "0123456789+-()lnL")
_LOW_RUN = re.compile("[₀-₉₊₋ᵢⱼₖₗₘₙ](?:,?[₀-₉₊₋ᵢⱼₖₗₘₙ])*")
_HIGH_RUN = re.compile("[⁰¹²³⁴⁵⁶⁷⁸⁹⁺⁻⁽⁾ˡⁿᴸ]+")


def to_ascii(text: str) -> str:
    """w_12^(1) for w₁₂⁽¹⁾, delta for δ, and so on; hard spaces stay."""
    text = _LOW_RUN.sub(lambda run: "_" + run[0].translate(_LOW), text)
    text = _HIGH_RUN.sub(lambda run: "^" + run[0].translate(_HIGH), text)
    return "".join(c if c.isascii() or c == _HARD else _ASCII.get(c, "?") for c in text)


def _plain(content: Sentence) -> str:
    return "".join(part if isinstance(part, str) else part.plain for part in content)


def plain(content: Sentence) -> str:
    """The sentence in one line of plain text."""
    return _soft(_plain(content))


def plain_rule(blocks: Iterable[Block]) -> str:
    """The first equation's first two sides, as plain text."""
    for block in blocks:
        if isinstance(block, Equation):
            return _soft(f"{block.left.plain} = {_spaced(block.sides[0][1])}")
    return ""


# --- Markdown -------------------------------------------------------------------------------------


def markdown(blocks: Iterable[Block]) -> str:
    """Markdown with LaTeX formulas in dollar signs, as GitHub, Jupyter and Pandoc read it."""
    return "\n\n".join(_markdown(block) for block in blocks) + "\n"


def _markdown(block: Block) -> str:
    if isinstance(block, Heading):
        return f"{'#' * block.level} {_markdown_text(block.content)}"
    if isinstance(block, Remark):
        return f"> {_markdown_text(block.content)}"
    if isinstance(block, Paragraph):
        return _markdown_text(block.content)
    if isinstance(block, Table):
        lines = [block.headings, *block.rows]
        cells = [[_markdown_text(c) or " " for c in row] for row in lines]
        align = [":--"] + [":--" if len(block.headings) == 2 else "--:"] * (len(cells[0]) - 1)
        cells.insert(1, align)
        return "\n".join(f"| {' | '.join(row)} |" for row in cells)
    return f"$$\n{_display(block)}\n$$"


def _markdown_text(content: Sentence) -> str:
    parts = []
    for part in content:
        if isinstance(part, Piece):
            # within a table a stroke would end the cell
            parts.append(f"${part.latex.strip()}$".replace("|", r"\vert "))
        else:
            parts.append(escape_markdown(part))
    return "".join(parts)


def escape_markdown(text: str) -> str:
    """`text` such that Markdown shows it as it is."""
    text = text.replace("&", "&amp;")
    for sign in "\\`*_[]<>|#~$":
        text = text.replace(sign, "\\" + sign)
    return text.replace("\n", " ")


# --- LaTeX ----------------------------------------------------------------------------------------

PREAMBLE = r"""\documentclass{article}
\usepackage[a4paper,margin=2cm]{geometry}
\usepackage{amsmath,amssymb}
\usepackage[T1]{fontenc}
\usepackage[utf8]{inputenc}
\usepackage{lmodern}
\setlength{\parindent}{0pt}
\setlength{\parskip}{6pt}
\begin{document}
"""
CLOSING = "\n\\end{document}\n"

_LATEX_WORDS = {
    "Ω": r"$\Omega$",
    "δ": r"$\delta$",
    "Σ": r"$\Sigma$",
    "∂": r"$\partial$",
    "′": "$'$",
    "−": "$-$",
    "≈": r"$\approx$",
    "×": r"$\times$",
    "→": r"$\to$",
    "²": "$^2$",
    "∞": r"$\infty$",
    "\u00a0": "~",
    "…": r"\dots{}",
    "·": r"$\cdot$",
    **{raised: f"$^{{{digit}}}$" for raised, digit in zip("⁰¹³⁴⁵⁶⁷⁸⁹⁻", "013456789-", strict=True)},
}


def latex(blocks: Iterable[Block], *, standalone: bool = False) -> str:
    """LaTeX with amsmath; with `standalone` a whole document."""
    body = "\n\n".join(_latex(block) for block in blocks)
    return f"{PREAMBLE}{body}{CLOSING}" if standalone else body + "\n"


def _latex(block: Block) -> str:
    if isinstance(block, Heading):
        command = "section*" if block.level == 1 else "subsection*"
        return rf"\{command}{{{_latex_text(block.content)}}}"
    if isinstance(block, Remark):
        return rf"\emph{{{_latex_text(block.content)}}}"
    if isinstance(block, Paragraph):
        return _latex_text(block.content)
    if isinstance(block, Table):
        columns = (
            "lp{0.75\\textwidth}"
            if len(block.headings) == 2
            else ("l" + "r" * (len(block.headings) - 1))
        )
        rows = [" & ".join(_latex_text(cell) for cell in row) for row in block.rows]
        head = " & ".join(_latex_text(cell) for cell in block.headings)
        body = " \\\\\n".join(rows)
        return f"\\begin{{tabular}}{{{columns}}}\n{head} \\\\ \\hline\n{body}\n\\end{{tabular}}"
    return f"\\[\n{_display(block)}\n\\]"


def _latex_text(content: Sentence) -> str:
    parts = []
    for part in content:
        if isinstance(part, Piece):
            parts.append(f"${part.latex.strip()}$")
        else:
            text = "".join(_LATEX_WORDS.get(sign, latex_text(sign)) for sign in part)
            parts.append(text)
    return "".join(parts)


def _display(block: Equation | MatrixEquation) -> str:
    """A displayed formula in LaTeX, aligned at its signs."""
    if isinstance(block, MatrixEquation):
        matrices = " ".join(_bmatrix(matrix) for matrix in block.matrices)
        middle = rf" &= {matrices} \\" + "\n" if block.matrices else ""
        lines = f"{block.left.latex} &= {block.names.latex} \\\\\n{middle} &= "
        return f"\\begin{{aligned}}\n{lines}{_bmatrix(block.result)}\n\\end{{aligned}}"
    rows = []
    for at, (sign, side) in enumerate(block.sides):
        left = block.left.latex if at == 0 else ""
        written = r"\approx" if sign == "≈" else sign
        broken = r" \\ &\quad ".join(_broken(side))
        rows.append(f"{left} &{written} {broken}")
    body = " \\\\\n".join(rows)
    return f"\\begin{{aligned}}\n{body}\n\\end{{aligned}}"


def _broken(side: Side) -> list[str]:
    """The pieces in lines of about `_LINE` characters of plain text."""
    lines, width = [""], 0
    for piece in side:
        if width and width + len(piece.plain) > _LINE:
            lines.append("")
            width = 0
        lines[-1] += piece.latex
        width += len(piece.plain)
    return lines


def _bmatrix(matrix: Matrix) -> str:
    rows = r" \\ ".join(" & ".join(cell.latex for cell in row) for row in matrix.rows)
    return rf"\begin{{bmatrix}} {rows} \end{{bmatrix}}"


# --- HTML -----------------------------------------------------------------------------------------

STYLE = """
.loopbp-derivation { font-family: system-ui, sans-serif; line-height: 1.5; max-width: 60rem; }
.loopbp-derivation math { font-size: 1.1em; }
.loopbp-derivation .equation { display: grid; grid-template-columns: max-content 1.5em 1fr;
  gap: .35em .3em; margin: .8em 0; align-items: center; overflow-x: auto; }
.loopbp-derivation .matrices { margin: .8em 0; padding: .3em 0; overflow: auto hidden; }
.loopbp-derivation .matrix { margin: 0 .2em; border: solid; border-width: 0 1.5px;
  border-radius: .4em; }
.loopbp-derivation table { border-collapse: collapse; margin: .8em 0; }
.loopbp-derivation th, .loopbp-derivation td { padding: .2em .8em .2em 0; text-align: left;
  border-bottom: 1px solid #8886; vertical-align: top; }
.loopbp-derivation .numbers td + td, .loopbp-derivation .numbers th + th { text-align: right; }
.loopbp-derivation .remark { border-left: 4px solid #c77700; padding-left: .8em; }
"""
_PAGE_STYLE = """:root { color-scheme: light dark; }
body { margin: 2rem auto; padding: 0 1rem; max-width: 60rem; }"""


def html(blocks: Iterable[Block], title: str, *, standalone: bool = False) -> str:
    """A part of a page, or a whole page that needs nothing else; formulas are MathML."""
    body = "\n".join(_html(block) for block in blocks)
    part = f'<div class="loopbp-derivation">\n<style>{STYLE}</style>\n{body}\n</div>\n'
    if not standalone:
        return part
    return (
        '<!doctype html>\n<html lang="en">\n<head>\n<meta charset="utf-8">\n'
        '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
        f"<title>{escape(title)}</title>\n<style>{_PAGE_STYLE}</style>\n</head>\n"
        f"<body>\n{part}</body>\n</html>\n"
    )


def _html(block: Block) -> str:
    if isinstance(block, Heading):
        return f"<h{block.level}>{_html_text(block.content)}</h{block.level}>"
    if isinstance(block, Remark):
        return f'<p class="remark">{_html_text(block.content)}</p>'
    if isinstance(block, Paragraph):
        return f"<p>{_html_text(block.content)}</p>"
    if isinstance(block, Equation):
        return _html_equation(block)
    if isinstance(block, MatrixEquation):
        equals = "<mo>=</mo>"
        drawn = "".join(_mtable(matrix) for matrix in block.matrices)
        middle = f"{equals}{drawn}" if drawn else ""
        inner = f"{block.left.mathml}{equals}{block.names.mathml}{middle}{equals}"
        return f'<p class="matrices">{_math(inner + _mtable(block.result), large=True)}</p>'
    kind = "" if len(block.headings) == 2 else ' class="numbers"'
    head = "".join(f"<th>{_html_text(cell)}</th>" for cell in block.headings)
    rows = "".join(
        "<tr>" + "".join(f"<td>{_html_text(cell)}</td>" for cell in row) + "</tr>\n"
        for row in block.rows
    )
    return f"<table{kind}>\n<tr>{head}</tr>\n{rows}</table>"


def _html_equation(block: Equation) -> str:
    cells = []
    for at, (sign, side) in enumerate(block.sides):
        left = _math(block.left.mathml, large=True) if at == 0 else ""
        pieces = " ".join(_math(piece.mathml, large=True) for piece in side)
        cells.append(f"<span>{left}</span><span>{sign}</span><span>{pieces}</span>")
    return '<div class="equation">\n' + "\n".join(cells) + "\n</div>"


def _math(inner: str, *, large: bool = False) -> str:
    """A formula; `large` as in a display, where fractions are not reduced."""
    style = ' displaystyle="true"' if large else ""
    return f"<math{style}>{inner}</math>"


def _mtable(matrix: Matrix) -> str:
    rows = "".join(
        "<mtr>" + "".join(f"<mtd>{cell.mathml}</mtd>" for cell in row) + "</mtr>"
        for row in matrix.rows
    )
    # drawn by the style sheet: not every browser has a font whose brackets grow
    return f'<mtable class="matrix">{rows}</mtable>'


def _html_text(content: Sentence) -> str:
    return "".join(
        escape(part) if isinstance(part, str) else _math(part.mathml) for part in content
    )
