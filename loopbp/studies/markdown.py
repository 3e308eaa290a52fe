"""A study as Markdown, for a reader on a code host: what one sees, the picture, the numbers."""

from __future__ import annotations

from ..report.text import escape, markdown_table
from .page import footer, settings, summary
from .result import StudyResult


def markdown(result: StudyResult, command: str | None, seconds: float, picture: str) -> str:
    """The whole text; `picture` is the name of the image file beside it."""
    blocks = [f"# {escape(result.study.title)}"]
    blocks += [escape(paragraph) for paragraph in result.reading]
    blocks.append(f"![{escape(result.study.title)}]({picture})")
    blocks += ["## The numbers", markdown_table(*summary(result))]
    blocks.append("## How it was made")
    if command:
        blocks.append(f"    {command}")
    blocks.append(markdown_table(["setting", "value"], settings(result), align=":--"))
    blocks.append(f"## What stands in frame.csv, {len(result.frame):,} rows")
    blocks.append(
        "\n".join(f"- `{name}`: {escape(meaning)}" for name, _, meaning in result.study.columns)
    )
    blocks += ["---", escape(footer(seconds))]
    return "\n\n".join(blocks) + "\n"
