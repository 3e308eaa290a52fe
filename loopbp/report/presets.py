"""The rules of the alarms as data: which measure is compared with which limit, in each preset.

`relative`, the default, compares the layers of a network with each other, and its weights with
what LeCun, Glorot and He advise, since the absolute size of a gradient depends on the loss, its
scale and the number of weights. `sagemaker` has the limits that Amazon publishes for the built-in
rules of SageMaker Debugger; what those rules measure differs in detail, as the remarks say.
"""

from __future__ import annotations

from typing import Literal, NamedTuple

from .formats import percent, prose
from .measures import LARGE_STEP


class Rule(NamedTuple):
    """When an alarm is given.

    `measure` (a name in `measures.MEASURES`) is compared with `limit`: `beyond` says on which side
    of it, or `reaches` for ≥. `when`: at the first recorded step, at the last, or at any; with any,
    the comparison must hold at more than no step and at `share` or more of those where the measure
    is known. `words`: the comparison, with {limit} in it.
    """

    alarm: str
    measure: str
    beyond: Literal["below", "above", "reaches"]
    limit: float
    words: str
    share: float = 0.0
    when: Literal["first", "any", "last"] = "any"

    @property
    def text(self) -> str:
        """The rule in words."""
        limit = percent(self.limit) if "{limit:%}" in self.words else prose(self.limit)
        words = self.words.replace("{limit:%}", "{limit}").format(limit=limit)
        if self.when != "any":
            return f"{words}, at the {self.when} recorded step"
        if self.share:
            return f"{words}, in {percent(self.share)} or more of the recorded steps"
        return words


NON_FINITE = Rule("non-finite", "nonfinite", "above", 0, "a number of the layer is NaN or infinite")
#: Of a layer's mean |∂f/∂w| over that of a layer nearer the output: below, it has vanished.
VANISHED = 1e-3

CUT_OFF = Rule(
    "cut off", "zero_share", "reaches", 1, "every entry of the layer's gradient is exactly 0", 0.5
)

RELATIVE = (
    NON_FINITE,
    CUT_OFF,
    Rule(
        "poor initialisation",
        "copies",
        "above",
        0.5,
        "more than {limit:%} of a hidden layer's nodes are copies of another",
        when="first",
    ),
    Rule(
        "poor initialisation",
        "scale",
        "above",
        10,
        "standard deviation of the weights more than {limit} times the largest that LeCun, Glorot "
        "and He advise",
        when="first",
    ),
    Rule(
        "poor initialisation",
        "scale",
        "below",
        0.1,
        "standard deviation of the weights below {limit} times the smallest that LeCun, Glorot and "
        "He advise",
        when="first",
    ),
    Rule(
        "dead",
        "dead",
        "above",
        0.5,
        "more than {limit:%} of the layer's ReLU nodes are 0 in every one of 16 or more examples",
        0.5,
    ),
    Rule(
        "saturated",
        "saturated",
        "above",
        0.5,
        "|g′(S)| below 1 % of its maximum in more than {limit:%} of a hidden layer's outputs",
        0.25,
    ),
    Rule(
        "exploding",
        "norm_to_weights",
        "above",
        1e3,
        "L2 norm of the gradient above {limit}, and above {limit} times that of the weights",
    ),
    Rule(
        "exploding",
        "growth",
        "above",
        100,
        "L2 norm of the gradient above {limit} times that of the whole network's first, with a "
        "loss above the first",
    ),
    Rule(
        "exploding",
        "to_smallest_above",
        "above",
        1e3,
        "mean |∂f/∂w| more than {limit} times that of a layer nearer the output",
        0.25,
    ),
    Rule(
        "vanishing",
        "to_largest_above",
        "below",
        VANISHED,
        "mean |∂f/∂w| below {limit} times that of a layer nearer the output",
        0.25,
    ),
    Rule(
        "update too large",
        "overshoot",
        "above",
        LARGE_STEP,
        "a step changes the layer's weights by more than {limit} times their L2 norm, and by more "
        "than {limit} times that of the smallest weights that LeCun, Glorot and He advise; not in "
        "the first tenth of a run that ends with less than half the loss of one constant answer",
    ),
    Rule(
        "update too small",
        "update_weight",
        "below",
        1e-5,
        "a step changes the layer's weights by less than {limit} times their L2 norm",
        1.0,
    ),
    Rule(
        "uneven learning",
        "lag",
        "above",
        100,
        "the layer's update, relative to its weights, is more than {limit} times smaller than "
        "another layer's",
        0.5,
    ),
    Rule(
        "plateau",
        "fall",
        "below",
        0.02,
        "over 100 or more steps the loss falls by less than {limit:%} of itself, from the second "
        "tenth of the run to the last, and stays above 90 % of what one constant answer gives",
    ),
    Rule(
        "plateau",
        "flat",
        "below",
        1e-7,
        "mean |∂f/∂w| below {limit} in every layer, with a loss above half of what one constant "
        "answer gives",
        when="last",
    ),
)

#: Limits of VanishingGradient, DeadRelu, SaturatedActivation, PoorWeightInitialization,
#: WeightUpdateRatio, ExplodingTensor, AllZero and LossNotDecreasing, from the list of built-in
#: rules in the Amazon SageMaker developer guide. A node that is active in less than 1 % of the
#: examples counts there as dead, here one that never is; LossNotDecreasing compares single losses,
#: here means of ten.
SAGEMAKER = (
    NON_FINITE,
    CUT_OFF._replace(share=0.0),
    Rule(
        "poor initialisation",
        "scale_spread",
        "above",
        10,
        "largest variance of a layer's weights more than {limit} times the smallest",
        when="first",
    ),
    Rule("dead", "dead", "above", 0.5, "more than {limit:%} of the layer's ReLU nodes are dead"),
    Rule(
        "saturated",
        "saturated_hard",
        "above",
        0.5,
        "S outside (−23, 17) for sigmoid or ±9.5 for tanh in more than {limit:%} of a hidden "
        "layer's outputs",
    ),
    Rule("vanishing", "mean_abs", "below", 1e-7, "mean |∂f/∂w| below {limit}"),
    Rule(
        "update too large",
        "update_weight",
        "above",
        10,
        "a step changes the layer's weights by more than {limit} times their L2 norm",
    ),
    Rule(
        "update too small",
        "update_weight",
        "below",
        1e-8,
        "a step changes the layer's weights by less than {limit} times their L2 norm",
    ),
    Rule(
        "plateau",
        "fall_in_ten_steps",
        "below",
        1e-3,
        "the mean loss of ten steps is less than {limit:%} below that of the ten before",
        when="last",
    ),
)

PRESETS = {"relative": RELATIVE, "sagemaker": SAGEMAKER}
