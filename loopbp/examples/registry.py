"""The examples by their names and rows, and running one of them."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from ..checks import choice
from . import composite, descent, graphs, indices, intuition
from .options import Options
from .result import Result


class ExampleFailedError(AssertionError):
    """A number of an example is not what it has to be; `result` says which."""

    def __init__(self, result: Result) -> None:
        self.result = result
        wrong = [str(check) for check in result.checks if not check.passed]
        super().__init__(f"{result.row} {result.name}: " + "; ".join(wrong or ["nothing checked"]))


@dataclass(frozen=True)
class Example:
    """A worked example: its name, its place in the material (A1 … E2), and what it computes."""

    name: str
    row: str
    title: str
    run: Callable[[Result, Options], None]


#: A: intuition; B: computational graphs and layers; C: index notation; D: composite functions
#: and matrix form; E: descent, layer by layer.
EXAMPLES: tuple[Example, ...] = (
    Example("digit-cost", "A1", "the cost of handwritten digits", intuition.digit_cost),
    Example("sensitivity", "A2", "the gradient says what matters", intuition.sensitivity),
    Example("three-levers", "A3", "what a 2 asks of the network", intuition.three_levers),
    Example("wishes", "A4", "the mean of all examples' wishes", intuition.wishes),
    Example("two-walks", "A5", "full-batch and stochastic descent", intuition.two_walks),
    Example("apple", "B1", "price, count and tax, forward and backward", graphs.apple),
    Example("one-step", "B2", "what one step of each input changes", graphs.one_step),
    Example("gates", "B3", "add passes on, multiply swaps", graphs.gates),
    Example("affine", "B4", "Y = XW + B, and its three derivatives", graphs.affine),
    Example("activations", "B5", "sigmoid, ReLU, softmax with cross-entropy", graphs.activations),
    Example("two-layer-net", "B6", "the network n-50-10 on digits", graphs.two_layer_net),
    Example("learning-loop", "B7", "mini-batch, gradient, update, repeat", graphs.learning_loop),
    Example("index-notation", "C1", "every S, x and f by its indices", indices.index_notation),
    Example("two-paths", "C2", "a weight that reaches two outputs", indices.two_paths),
    Example("delta", "C3", "the general rules for δ and ∂f/∂w", indices.delta),
    Example("old-weights", "C4", "backward first, then all updates", indices.old_weights),
    Example("toy-composite", "D1", "sin, exp and cos, module by module", composite.toy_composite),
    Example("matrix-form", "D2", "Ω transposed, and ReLU's switches", composite.matrix_form),
    Example("updates", "D3", "updates per epoch", composite.updates),
    Example("work", "D4", "what each way to the gradient costs", composite.work),
    Example("memory", "D5", "the bytes held for the backward pass", composite.memory),
    Example("seeds", "D6", "where descent starts decides where it ends", composite.seeds),
    Example("learning-rate", "E1", "too small, right, too large", descent.learning_rate),
    Example("layer-by-layer", "E2", "all that two layers hand back", descent.layer_by_layer),
)


def find(name: str) -> Example:
    """The example of this name or row, in any case: apple, B1.

    Raises `TypeError` for anything but a string, `ValueError` for an unknown name, with the known
    ones and the nearest.
    """
    by_row = {example.row.lower(): example for example in EXAMPLES}
    by_name = {example.name: example for example in EXAMPLES}
    if isinstance(name, str):
        wanted = name.strip().lower()
        if wanted in by_row:
            return by_row[wanted]
        name = wanted if wanted in by_name else name
    return by_name[choice("example", name, by_name)]


def run(name: str, *, data: str | None = None, full: bool = False, check: bool = True) -> Result:
    """Runs an example and checks its numbers.

    name : of the example, or its row: "apple", "B1".
    data : "digits" (shipped) or "mnist", for the examples on digits; None: MNIST where
        LOOPBP_DATA names its folder, else the shipped digits.
    full : the whole of a training that is otherwise cut to a second or two.
    check : raise where a number is wrong; False: the result says so.

    Raises `ExampleFailedError`, which holds the result, if a check fails; `TypeError` or
    `ValueError` for unknown names.
    """
    example = find(name)
    result = Result(example.name, example.row, example.title)
    example.run(result, Options.checked(data, full))
    if check and not result.passed:
        raise ExampleFailedError(result)
    return result
