"""The gates of a computational graph: each forward stands right above its backward.

Forward takes the inputs a, b, … and gives the output f. Backward takes the gradient that arrives
from above (upstream: the derivative of the final output by f), then f and the inputs, and gives
what the gate passes on: upstream · ∂f/∂a, upstream · ∂f/∂b, …, one number for each input.

All numbers are NumPy scalars of one dtype, float32 or float64, and nothing is modified. Each
product and each sum is rounded on its own, and exp, log and their kin are those of the engines,
so that the numbers of a graph can agree with an engine's bit for bit. Nothing is raised: 1/0, ln 0
and overflow give what IEEE arithmetic gives, an infinity or NaN.

Sources: Karpathy, Li and Johnson, CS231n "Backpropagation, Intuitions" (add, multiply, max); Saito,
"Deep Learning from Scratch" (2016), chapter 5 (softmax together with its loss).
"""

from __future__ import annotations

from collections.abc import Callable
from functools import cache, partial
from typing import Any, NamedTuple

import numpy as np

from ..engines import ACTIVATIONS
from ..kernels import activation, elementary, loss
from ..kernels.compile import uncompiled

#: A NumPy scalar, float32 or float64.
Number = Any

#: The kernels' functions of one number, which carry no annotations of their own.
_exp: Callable[..., Number] = elementary.exp
_log: Callable[..., Number] = elementary.log
_sigmoid: Callable[..., Number] = elementary.sigmoid
_binary_term: Callable[..., Number] = loss.binary_term

#: Integer powers up to this size are products; beyond it they lose less as e^(b ln a).
MOST_FACTORS = 64


class Gate(NamedTuple):
    """A gate: its name, the symbol it is drawn with, its two halves, and the backward one in words.

    `forward(*inputs)` gives f; `backward(upstream, f, *inputs)` a tuple with a number per input.
    """

    name: str
    symbol: str
    forward: Callable[..., Number]
    backward: Callable[..., tuple[Number, ...]]
    rule: str


def add(*terms: Number) -> Number:
    """f = a + b + …, starting from the first and adding the others in their order."""
    f = terms[0]
    for term in terms[1:]:
        f = f + term
    return f


def add_backward(upstream: Number, f: Number, *terms: Number) -> tuple[Number, ...]:
    """∂f/∂a = ∂f/∂b = … = 1: the gradient is passed on as it came."""
    return (upstream,) * len(terms)


def subtract(a: Number, b: Number) -> Number:
    """f = a − b."""
    return a - b


def subtract_backward(upstream: Number, f: Number, a: Number, b: Number) -> tuple[Number, ...]:
    """∂f/∂a = 1, ∂f/∂b = −1."""
    return upstream, -upstream


def multiply(a: Number, b: Number) -> Number:
    """f = a b."""
    return a * b


def multiply_backward(upstream: Number, f: Number, a: Number, b: Number) -> tuple[Number, ...]:
    """∂f/∂a = b, ∂f/∂b = a: the inputs are swapped."""
    return upstream * b, upstream * a


def divide(a: Number, b: Number) -> Number:
    """f = a / b."""
    return a / b


def divide_backward(upstream: Number, f: Number, a: Number, b: Number) -> tuple[Number, ...]:
    """∂f/∂a = 1/b, ∂f/∂b = −a/b² = −f/b."""
    return upstream / b, -(upstream * (f / b))


def power(a: Number, b: Number) -> Number:
    """f = a^b: a product for an integer b up to 64, √a for b = ½, e^(b ln a) elsewhere.

    a < 0 has a power only where b is an integer; NaN otherwise.
    """
    if b == 0.5:
        return np.sqrt(a)
    whole = bool(b == np.rint(b))
    if whole and abs(b) <= MOST_FACTORS:
        return _product(a, int(b))
    if not whole:
        return _exp(b * _log(a))
    size = _exp(b * _log(abs(a)))
    return -size if a < 0 and b % 2 else size


def power_backward(upstream: Number, f: Number, a: Number, b: Number) -> tuple[Number, ...]:
    """∂f/∂a = b a^(b−1), ∂f/∂b = f ln a."""
    return upstream * (b * power(a, b - type(b)(1))), upstream * (f * _log(a))


def _product(a: Number, n: int) -> Number:
    """aⁿ by repeated squaring; 1 / a^−n for n < 0."""
    f, square, factors = type(a)(1), a, abs(n)
    while factors:
        if factors % 2:
            f = f * square
        square = square * square
        factors //= 2
    return type(a)(1) / f if n < 0 else f


def log(a: Number) -> Number:
    """f = ln a."""
    return _log(a)


def log_backward(upstream: Number, f: Number, a: Number) -> tuple[Number, ...]:
    """∂f/∂a = 1/a."""
    return (upstream / a,)


def maximum(a: Number, b: Number) -> Number:
    """f = max(a, b); NaN where one of them is."""
    return b if a <= b or np.isnan(b) else a


def maximum_backward(upstream: Number, f: Number, a: Number, b: Number) -> tuple[Number, ...]:
    """∂f/∂a = 1, ∂f/∂b = 0 for a > b, and the other way round for a ≤ b.

    Where the two are equal b counts as the larger, so that max(a, 0) has the derivative of relu.
    """
    zero = type(upstream)(0)
    return (zero, upstream) if a <= b or np.isnan(b) else (upstream, zero)


def slope_backward(
    g_prime: Callable[..., Number], upstream: Number, f: Number, a: Number
) -> tuple[Number, ...]:
    """∂f/∂a = g′(a), for f = g(a): the pairs g, g′ of `kernels.activation`."""
    return (upstream * g_prime(a, f),)


def softmax(k: int, *S: Number) -> Number:
    """f = x_k = e^(S_k − m) / Σ_j e^(S_j − m), where m = max_j S_j; k counts from 0."""
    return _softmax(S)[k]


def softmax_backward(k: int, upstream: Number, f: Number, *S: Number) -> tuple[Number, ...]:
    """∂x_k/∂S_j = x_k ([k = j] − x_j)."""
    one, zero = type(f)(1), type(f)(0)
    return tuple(
        upstream * (f * ((one if j == k else zero) - x_j)) for j, x_j in enumerate(_softmax(S))
    )


def _softmax(S: tuple[Number, ...]) -> Any:
    """All outputs x_j (J,), by the engines' own loops."""
    sums = np.array([S])
    x = np.empty_like(sums)
    uncompiled(activation.softmax)(x, sums)
    return x[0]


def softmax_cross_entropy(*S_and_y: Number) -> Number:
    """f = −Σ_j y_j ln x_j with x = softmax(S); the inputs are S_1 … S_J, then y_1 … y_J."""
    S, y = np.array(S_and_y).reshape(2, 1, -1)
    f = np.empty(1, S.dtype)
    uncompiled(loss.cross_entropy)(f, S, y)
    return f[0]


def softmax_cross_entropy_backward(
    upstream: Number, f: Number, *S_and_y: Number
) -> tuple[Number, ...]:
    """∂f/∂S_j = x_j − y_j, for targets that sum to 1; ∂f/∂y_j = −ln x_j."""
    S, y = np.array(S_and_y).reshape(2, -1)
    minus_log = np.empty_like(S)
    one_target = np.eye(len(S), dtype=S.dtype)
    uncompiled(loss.cross_entropy)(minus_log, np.tile(S, (len(S), 1)), one_target)
    slopes = (*(_softmax(tuple(S)) - y), *minus_log)
    return tuple(upstream * slope for slope in slopes)


def sigmoid_cross_entropy(s: Number, y: Number) -> Number:
    """f = −y ln x − (1 − y) ln(1 − x) with x = σ(s)."""
    return _binary_term(s, y)


def sigmoid_cross_entropy_backward(
    upstream: Number, f: Number, s: Number, y: Number
) -> tuple[Number, ...]:
    """∂f/∂s = x − y, ∂f/∂y = −s."""
    return upstream * (_sigmoid(s) - y), -(upstream * s)


def mean_square(*e: Number) -> Number:
    """f = (e_1² + … + e_n²) / n."""
    return add(*(e_j * e_j for e_j in e)) / type(e[0])(len(e))


def mean_square_backward(upstream: Number, f: Number, *e: Number) -> tuple[Number, ...]:
    """∂f/∂e_j = 2 e_j / n."""
    two, n = type(f)(2), type(f)(len(e))
    return tuple(upstream * (two * e_j / n) for e_j in e)


ADD = Gate("add", "+", add, add_backward, "an add gate passes it on unchanged")
SUBTRACT = Gate(
    "subtract",
    "−",
    subtract,
    subtract_backward,
    "a subtract gate passes it on, with the opposite sign to its second input",
)
MULTIPLY = Gate(
    "multiply",
    "×",
    multiply,
    multiply_backward,
    "a multiply gate swaps its inputs: each gets it times the other",
)
DIVIDE = Gate(
    "divide",
    "÷",
    divide,
    divide_backward,
    "a divide gate a ÷ b passes it on times 1/b to a, and times −a/b² to b",
)
POWER = Gate(
    "power",
    "^",
    power,
    power_backward,
    "a power gate a^b passes it on times b a^(b−1) to a, and times a^b ln a to a variable b",
)
LOG = Gate("log", "ln", log, log_backward, "a log gate divides it by its input")
MAX = Gate(
    "max",
    "max",
    maximum,
    maximum_backward,
    "a max gate passes it on to the larger input, and 0 to the other",
)
SOFTMAX_CROSS_ENTROPY = Gate(
    "softmax with cross-entropy",
    "softmax, CE",
    softmax_cross_entropy,
    softmax_cross_entropy_backward,
    "softmax with cross-entropy passes it on times x_j − y_j to S_j, and times −ln x_j to y_j",
)
SIGMOID_CROSS_ENTROPY = Gate(
    "sigmoid with cross-entropy",
    "σ, CE",
    sigmoid_cross_entropy,
    sigmoid_cross_entropy_backward,
    "sigmoid with cross-entropy passes it on times x − y to S, and times −S to y",
)
MEAN_SQUARE = Gate(
    "mean square",
    "mean ²",
    mean_square,
    mean_square_backward,
    "the mean of n squares passes it on times 2 e_j / n to e_j",
)

#: Symbols of activations that have a shorter one than their name.
_SYMBOLS = {"sigmoid": "σ", "identity": "id", "leaky_relu": "leaky relu"}


@cache
def elementwise(name: str) -> Gate:
    """The gate of an activation that works on one number, by its name in `engines.ACTIVATIONS`."""
    g, g_prime = ACTIVATIONS[name]
    return Gate(
        name.replace("_", " "),
        _SYMBOLS.get(name, name),
        g,
        partial(slope_backward, g_prime),
        f"the {name.replace('_', ' ')} gate multiplies it by its slope there",
    )


@cache
def softmax_output(k: int) -> Gate:
    """The gate of one output of softmax; k counts from 0, the symbol from 1."""
    return Gate(
        "softmax",
        f"softmax {k + 1}",
        partial(softmax, k),
        partial(softmax_backward, k),
        f"output {k + 1} of softmax passes it on times x_k ([k = j] − x_j) to S_j, k = {k + 1}",
    )
