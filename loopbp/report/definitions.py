"""What each number of a report is, in the notation of the project: one text for every format.

In words and formulas alike, `_{…}` is a subscript and `^{…}` a superscript.
"""

from __future__ import annotations

import re
from html import escape
from typing import NamedTuple


class Definition(NamedTuple):
    """A column of the report: its key, its heading, what it is in words, and the formula."""

    key: str
    heading: str
    meaning: str
    formula: str


DEFINITIONS = (
    Definition(
        "l",
        "layer",
        "the number l of the layer that the weights w^{(l)} leave; they enter layer l+1; "
        "layer 0 is the input",
        "S_{j}^{(l)} = w_{0j}^{(l)} + Σ_{i≥1} w_{ij}^{(l)} x_{i}^{(l)},  "
        "x_{j}^{(l+1)} = g(S_{j}^{(l)})",
    ),
    Definition(
        "nodes",
        "nodes",
        "how many nodes the layer and the next one have, without the constant node",
        "n_{l} → n_{l+1}",
    ),
    Definition(
        "parameters",
        "weights and biases",
        "how many entries the layer's gradient has; biases (i = 0) are among them everywhere",
        "(n_{l} + 1) n_{l+1}",
    ),
    Definition(
        "mean_abs",
        "mean |∂f/∂w|",
        "the mean of the absolute entries of the gradient; with learning rate η, one step of "
        "gradient descent moves a weight by η times this on average",
        "Σ_{i} Σ_{j} |∂f/∂w_{ij}^{(l)}| / ((n_{l} + 1) n_{l+1}),  "
        "where ∂f/∂w_{ij}^{(l)} is δ_{j}^{(l)} x_{i}^{(l)}, combined over the examples",
    ),
    Definition(
        "l2",
        "L2 norm",
        "the length of the layer's gradient as a vector",
        "√( Σ_{i} Σ_{j} (∂f/∂w_{ij}^{(l)})^{2} )",
    ),
    Definition(
        "max_abs", "max |∂f/∂w|", "the largest absolute entry", "max_{ij} |∂f/∂w_{ij}^{(l)}|"
    ),
    Definition(
        "zeros",
        "exact zeros",
        "the share of entries that are 0, not merely small",
        "#{ij : ∂f/∂w_{ij}^{(l)} = 0} / ((n_{l} + 1) n_{l+1})",
    ),
    Definition(
        "delta_norm",
        "norm of δ",
        "how strong the signal is that arrives going backward: the root mean square over the N "
        "examples of the length of δ",
        "√( Σ_{n} Σ_{j} (δ_{j}^{(l)})^{2} / N ),  where δ_{j}^{(l)} = ∂f/∂S_{j}^{(l)} "
        "of one example",
    ),
    Definition(
        "ratio",
        "ratio to layer l+1",
        "mean |∂f/∂w| over that of the next layer, nearer the output; below 1 the gradient shrinks "
        "towards the input; the last layer has none",
        "mean |∂f/∂w^{(l)}| / mean |∂f/∂w^{(l+1)}|",
    ),
)

#: The other columns of `GradientReport.frame`, in words.
MORE_COLUMNS = {
    "n_in": "nodes of layer l, without the constant node",
    "n_out": "nodes of layer l+1",
    "activation": "g of layer l+1",
    "weight_l2": "L2 norm of the layer's weights and biases",
    "zero_inputs": "nodes i of layer l with x_i = 0 in every example",
    "zero_deltas": "nodes j of layer l+1 with δ_j = 0 in every example",
    "dead": "nodes j of layer l+1 with g = relu and x_j = 0 in every example",
}

_SCRIPT = re.compile(r"([_^])\{([^}]*)\}")


def plain(formula: str) -> str:
    """The formula as plain text: w_ij^(l), n_(l+1)."""

    def script(match: re.Match[str]) -> str:
        sign, text = match.groups()
        return sign + (text if text.isalnum() or text.startswith("(") else f"({text})")

    return _SCRIPT.sub(script, formula)


def html(formula: str) -> str:
    """The formula as HTML, with <sub> and <sup>; everything else is escaped."""

    def script(match: re.Match[str]) -> str:
        tag = "sub" if match[1] == "_" else "sup"
        return f"<{tag}>{match[2]}</{tag}>"

    return _SCRIPT.sub(script, escape(formula))
