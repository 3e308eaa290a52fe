"""Activations and losses as formulas, for the legend of a derivation."""

from __future__ import annotations

from .spelling import Piece, formula

#: What g and g′ are called in a sentence.
LABELS = {"relu": "ReLU", "leaky_relu": "leaky ReLU", "silu": "SiLU", "gelu": "GELU", "elu": "ELU"}


def _pair(g: tuple[str, str], g_prime: tuple[str, str]) -> tuple[Piece, Piece]:
    return formula(*g), formula(*g_prime)


#: g(s) and g′(s), where x = g(s) and σ is the sigmoid.
ACTIVATIONS: dict[str, tuple[Piece, Piece]] = {
    "identity": _pair(("s", "s"), ("1", "1")),
    "sigmoid": _pair(("1/(1 + e^−s)", r"1 / (1 + e^{-s})"), ("x (1 − x)", "x (1 - x)")),
    "tanh": _pair(("tanh s", r"\tanh s"), ("1 − x²", "1 - x^2")),
    "relu": _pair(
        ("s for s > 0, else 0", r"s \text{ for } s > 0 \text{, else } 0"),
        ("1 for s > 0, else 0", r"1 \text{ for } s > 0 \text{, else } 0"),
    ),
    "leaky_relu": _pair(
        ("s for s > 0, else 0.01 s", r"s \text{ for } s > 0 \text{, else } 0.01 s"),
        ("1 for s > 0, else 0.01", r"1 \text{ for } s > 0 \text{, else } 0.01"),
    ),
    "elu": _pair(
        ("s for s > 0, else e^s − 1", r"s \text{ for } s > 0 \text{, else } e^s - 1"),
        ("1 for s > 0, else e^s", r"1 \text{ for } s > 0 \text{, else } e^s"),
    ),
    "softplus": _pair(("ln(1 + e^s)", r"\ln(1 + e^s)"), ("σ(s)", r"\sigma(s)")),
    "silu": _pair(
        ("s σ(s)", r"s\, \sigma(s)"),
        ("σ(s) (1 + s (1 − σ(s)))", r"\sigma(s) (1 + s (1 - \sigma(s)))"),
    ),
    "gelu": _pair(("s Φ(s)", r"s\, \Phi(s)"), ("Φ(s) + s φ(s)", r"\Phi(s) + s\, \varphi(s)")),
    "sin": _pair(("sin s", r"\sin s"), ("cos s", r"\cos s")),
    "cos": _pair(("cos s", r"\cos s"), ("−sin s", r"-\sin s")),
    "exp": _pair(("e^s", "e^s"), ("x", "x")),
    "softmax": _pair(
        ("e^s_j / Σₖ e^s_k", r"e^{s_j} / \textstyle\sum_k e^{s_k}"),
        ("dense: x_k ([k = j] − x_j)", r"\text{dense: } x_k ([k = j] - x_j)"),
    ),
}

#: f of one example, and ∂f/∂x_k, with outputs x and targets y.
LOSSES: dict[str, tuple[Piece, Piece]] = {
    "sse": _pair(
        ("Σₖ (y_k − x_k)²", r"\textstyle\sum_k (y_k - x_k)^2"),
        ("−2 (y_k − x_k)", "-2 (y_k - x_k)"),
    ),
    "half_sse": _pair(
        ("½ Σₖ (y_k − x_k)²", r"\tfrac12 \textstyle\sum_k (y_k - x_k)^2"),
        ("−(y_k − x_k)", "-(y_k - x_k)"),
    ),
    "mse": _pair(
        ("Σₖ (y_k − x_k)² / n_L", r"\textstyle\sum_k (y_k - x_k)^2 / n_L"),
        ("−2 (y_k − x_k) / n_L", "-2 (y_k - x_k) / n_L"),
    ),
    "cross_entropy": _pair(
        ("−Σₖ y_k ln x_k", r"-\textstyle\sum_k y_k \ln x_k"), ("−y_k / x_k", "-y_k / x_k")
    ),
    "binary_cross_entropy": _pair(
        (
            "−Σₖ (y_k ln x_k + (1 − y_k) ln(1 − x_k))",
            r"-\textstyle\sum_k (y_k \ln x_k + (1 - y_k) \ln(1 - x_k))",
        ),
        ("(x_k − y_k) / (x_k (1 − x_k))", "(x_k - y_k) / (x_k (1 - x_k))"),
    ),
}
