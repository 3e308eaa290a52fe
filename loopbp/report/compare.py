"""Two reports side by side: their alarms, their layers from the output down, and their losses."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import TYPE_CHECKING, Any

import numpy as np

from ..checks import describe
from .formats import prose
from .gradient import FORMAT, FORMAT_VERSION, GradientReport

if TYPE_CHECKING:
    import pandas as pd
    from matplotlib.figure import Figure

Source = GradientReport | str | os.PathLike[str]

NUMBERS = ("mean_abs", "l2", "max_abs", "zeros", "delta_norm")
LETTERS = ("A", "B")


@dataclass(frozen=True, eq=False)
class Comparison:
    """Two gradient reports, A and B, as the JSON documents that `GradientReport.to_dict` gives.

    `names`: what each is called.
    """

    documents: tuple[Mapping[str, Any], Mapping[str, Any]]
    names: tuple[str, str]

    @cached_property
    def frame(self) -> pd.DataFrame:
        """A row per layer of weights, counted from the output, where the gradient comes from.

        Columns: from_output (1 is the last layer), l_a and l_b, the layer's number in A and in B;
        n_in_a, n_out_a and the same of B; then for each of mean_abs, l2, max_abs, zeros and
        delta_norm its value in A, in B, and `…_ratio`, B's over A's; and in the same way
        update_weight, the mean over the run. Missing where a network has no such layer, where A
        has 0, and where no run was recorded.
        """
        import pandas as pd

        depth = max(len(document["layers"]) for document in self.documents)
        rows = [self._row(k) for k in range(1, depth + 1)]
        whole = {
            f"{name}_{side}": "Int64" for name in ("l", "n_in", "n_out") for side in ("a", "b")
        }
        frame = pd.DataFrame(rows)
        floats = {name: "float64" for name in frame if name not in whole and name != "from_output"}
        return frame.astype({**whole, **floats})

    @cached_property
    def alarms(self) -> pd.DataFrame:
        """The alarms of both: report (A or B), and the columns of `GradientReport.alarms`."""
        import pandas as pd

        from .alarms import COLUMNS

        rows = [
            {"report": letter, **alarm}
            for letter, document in zip(LETTERS, self.documents, strict=True)
            for alarm in document["alarms"]
        ]
        frame = pd.DataFrame(rows, columns=["report", *COLUMNS])
        frame["value"] = frame["value"].map(number)
        return frame.astype(COLUMNS)

    @cached_property
    def losses(self) -> pd.DataFrame:
        """The losses of both runs: report (A or B), step, loss, low and high."""
        import pandas as pd

        parts = [
            pd.DataFrame({name: list(map(number, values)) for name, values in table.items()})
            for table in (document["losses"] for document in self.documents)
        ]
        for letter, part in zip(LETTERS, parts, strict=True):
            part.insert(0, "report", letter)
        columns = {"report": "object", **dict.fromkeys(("step", "loss", "low", "high"), "float64")}
        return pd.concat([part.astype(columns) for part in parts], ignore_index=True)

    @property
    def differences(self) -> list[tuple[str, str, str]]:
        """What is not the same in how the two were made: name, A's value, B's value."""
        described = [_description(document) for document in self.documents]
        names = dict.fromkeys([*described[0], *described[1]])
        values = [
            (name, described[0].get(name, "—"), described[1].get(name, "—")) for name in names
        ]
        return [(name, a, b) for name, a, b in values if a != b]

    @property
    def verdicts(self) -> str:
        """What is wrong in each, without a full stop."""
        pairs = zip(LETTERS, self.documents, strict=True)
        return "; ".join(f"{letter}: {_verdict(document)}" for letter, document in pairs)

    @property
    def sentence(self) -> str:
        """What is wrong in each, and where they differ most."""
        return f"{self.verdicts}; {self.largest_difference}"

    @property
    def largest_difference(self) -> str:
        """Where the gradients differ most, and the losses."""
        parts = []
        ratios = self.frame["mean_abs_ratio"]
        known = ratios[(ratios > 0) & (ratios < math.inf)]
        if len(known):
            at = int(np.argmax(np.abs(np.log(known.to_numpy()))))
            row = self.frame.loc[known.index[at]]
            l_a, l_b = (int(row[name]) for name in ("l_a", "l_b"))
            where = f"layer {l_a} of A" + ("" if l_a == l_b else f", layer {l_b} of B")
            times = prose(float(row["mean_abs_ratio"]))
            parts.append(
                f"the largest difference of mean |∂f/∂w|: B's is {times} times A's ({where})"
            )
        losses = [number(document["loss"]) for document in self.documents]
        parts.append(f"loss {prose(losses[0], 3)} in A, {prose(losses[1], 3)} in B")
        return "; ".join(parts) + "."

    def plot(self) -> Figure:
        """Mean |∂f/∂w| by layer, and the losses: a matplotlib figure that belongs to no window."""
        from .compare_plot import draw

        return draw(self)

    def to_markdown(self) -> str:
        """The sentence, the alarms of both and the table of the layers as Markdown."""
        from .compare_text import markdown

        return markdown(self)

    def to_dict(self) -> dict[str, Any]:
        """Everything as plain Python values, ready for JSON."""
        from .writing import plain_values, records

        content = {
            "format": f"{FORMAT} comparison",
            "version": FORMAT_VERSION,
            "sentence": self.sentence,
            "names": dict(zip(LETTERS, self.names, strict=True)),
            "layers": records(self.frame),
            "alarms": records(self.alarms),
            "differences": [list(row) for row in self.differences],
        }
        checked: dict[str, Any] = plain_values(content)
        return checked

    def write(self, folder: str | os.PathLike[str]) -> list[Path]:
        """Writes the comparison into `folder`, which is made if need be; returns the paths.

        compare.html, one page that needs nothing else; compare.md, compare.tex, compare.json,
        compare.png and compare.svg; compare.csv (`frame`), compare-alarms.csv and
        compare-losses.csv. Each is written whole or not at all.
        """
        from . import canvas, compare_text
        from .writing import csv, prepare_folder, to_json, write_files

        path = prepare_folder(folder)
        figure = self.plot()
        contents = {
            "compare.html": compare_text.page(self).encode(),
            "compare.md": self.to_markdown().encode(),
            "compare.tex": compare_text.latex(self).encode(),
            "compare.json": to_json(self.to_dict()),
            "compare.png": canvas.png(figure),
            "compare.svg": canvas.svg_file(figure),
            "compare.csv": csv(self.frame),
            "compare-alarms.csv": csv(self.alarms),
            "compare-losses.csv": csv(self.losses),
        }
        return write_files(path, contents)

    def __str__(self) -> str:
        from .compare_text import table

        return f"{self.sentence}\n\n{table(self)}"

    def __repr__(self) -> str:
        return f"<Comparison of {self.names[0]} and {self.names[1]}>"

    def _repr_html_(self) -> str:
        from .compare_text import fragment

        return fragment(self)

    def _row(self, from_output: int) -> dict[str, Any]:
        """The row of `frame` for one layer."""
        row: dict[str, Any] = {"from_output": from_output}
        layers = [_layer(document, from_output) for document in self.documents]
        for name in ("l", "n_in", "n_out"):
            row |= {f"{name}_{s}": layer.get(name) for s, layer in zip("ab", layers, strict=True)}
        for name in (*NUMBERS, "update_weight"):
            a, b = (number(layer.get(name)) for layer in layers)
            row |= {f"{name}_a": a, f"{name}_b": b, f"{name}_ratio": b / a if a else math.nan}
        return row


def compare_reports(a: Source, b: Source) -> Comparison:
    """Two reports side by side: B against A.

    a, b: a `GradientReport`, or the folder (or report.json) that one was written to. Networks of
    different depth are aligned at the output, where the gradient comes from. Raises `TypeError`
    for anything else, `OSError` where a file cannot be read, `ValueError` where it holds no report,
    or where the gradients are those of different losses, or of a sum and of a mean, which have no
    common scale.
    """
    documents = _document("a", a), _document("b", b)
    for name, words in (("loss", "loss"), ("reduction", "reduction over the examples")):
        one, other = (
            document["network"]["loss"] if name == "loss" else document["reduction"]
            for document in documents
        )
        if one != other:
            raise ValueError(
                f"a, b: expected reports with the same {words}; got {one} and {other}, whose "
                "gradients have no common scale"
            )
    return Comparison(documents, (_name(a), _name(b)))


def _document(argument: str, source: object) -> Mapping[str, Any]:
    """The report as its JSON document, checked."""
    if isinstance(source, GradientReport):
        return source.to_dict()
    if not isinstance(source, str | os.PathLike):
        raise TypeError(
            f"{argument}: expected a GradientReport, or the folder or the report.json of one; got "
            f"{describe(source)}"
        )
    path = Path(source)
    if path.is_dir():
        path = path / "report.json"
    if not path.exists():
        raise FileNotFoundError(f"{argument}: expected a folder with a report.json; got {source}")
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
    except (UnicodeDecodeError, json.JSONDecodeError):
        document = None
    if not isinstance(document, dict) or document.get("format") != FORMAT:
        raise ValueError(f"{argument}: expected a gradient report; {path} is something else")
    if document.get("version") != FORMAT_VERSION:
        raise ValueError(
            f"{argument}: expected version {FORMAT_VERSION} of a report; {path} has version "
            f"{document.get('version')}: make it again with this version of loopbp"
        )
    return document


def _name(source: object) -> str:
    """What a report is called: the name of its folder."""
    if isinstance(source, GradientReport):
        return repr(source).strip("<>")
    path = Path(str(source))
    return str(path.parent if path.suffix == ".json" else path)


def number(value: Any) -> float:
    """A number of the JSON document; NaN for what is missing."""
    return math.nan if value is None else float(value)


def _layer(document: Mapping[str, Any], from_output: int) -> dict[str, Any]:
    """The layer that is so far from the output, with the mean update of the run; empty if none."""
    layers = document["layers"]
    if from_output > len(layers):
        return {}
    layer = dict(layers[-from_output])
    course = document["history"]
    found = [
        number(value)
        for l, value in zip(course["l"], course["update_weight"], strict=True)
        if l == layer["l"]
    ]
    known = [value for value in found if math.isfinite(value)]
    layer["update_weight"] = sum(known) / len(known) if known else None
    return layer


def _description(document: Mapping[str, Any]) -> dict[str, str]:
    """How a report was made, in names and values."""
    net = document["network"]
    return {
        "layers": "-".join(str(n) for n in net["sizes"]),
        "activations": ", ".join(net["activations"]),
        "dtype": net["dtype"],
        "examples": f"{document['examples']:,}",
        "preset": document["preset"],
        **{name: str(value) for name, value in (document.get("settings") or {}).items()},
    }


def _verdict(document: Mapping[str, Any]) -> str:
    """The first alarm, and how many kinds there are besides."""
    alarms = [finding for finding in document["findings"] if finding["alarm"]]
    if not alarms:
        return "no alarm"
    more = len(alarms) - 1
    others = f" (and {more} more alarm{'s' if more > 1 else ''})" if more else ""
    return f"{alarms[0]['title']}{others}"
