"""What each alarm means and what usually helps, in words for who has never trained a network."""

from __future__ import annotations

from typing import NamedTuple


class Words(NamedTuple):
    """An alarm's name beside a line and in a heading, what it means, and what usually helps."""

    label: str
    title: str
    meaning: str
    advice: str


#: From what stops everything, by way of causes, to what is merely a symptom of the others.
WORDS = {
    "non-finite": Words(
        "non-finite",
        "numbers that are not finite",
        "A calculation gave infinity or NaN (not a number). From there on every result is "
        "meaningless, and training cannot go on.",
        "A learning rate 10 times smaller; smaller initial weights; inputs scaled to about 1; "
        "float64 in place of float32.",
    ),
    "all zero": Words(
        "all zero",
        "no gradient at all",
        "Every layer is told to change by exactly nothing, so training stands still.",
        "Other initial weights than zeros; for dead ReLU nodes a smaller learning rate or "
        "leaky_relu.",
    ),
    "cut off": Words(
        "cut off",
        "no gradient arrives",
        "The signal that says how to change the weights stops on its way back from the output; "
        "the layers named get exactly nothing and do not learn.",
        "Look at the layer after the last one named: dead ReLU nodes want a smaller learning "
        "rate, the he initialisation or leaky_relu; weights of 0 want a random start.",
    ),
    "poor initialisation": Words(
        "poor start",
        "poor initial weights",
        "The weights that training started from are of the wrong size, or all the same. Too "
        "small, the signal fades from layer to layer; too large, it saturates or explodes; all "
        "the same, the nodes of a layer remain copies of each other.",
        "The glorot initialisation for sigmoid and tanh, he for relu; never all zeros.",
    ),
    "dead": Words(
        "dead ReLU",
        "dead ReLU nodes",
        "These nodes give 0 for every example. A ReLU that gives 0 passes no gradient back, so "
        "they do not recover by themselves.",
        "A smaller learning rate; the he initialisation; biases of 0 at the start; leaky_relu or "
        "elu in place of relu.",
    ),
    "saturated": Words(
        "saturated",
        "saturated nodes",
        "The weighted sums are so large that the activation is flat there: the output hardly "
        "changes, and neither does the gradient get through.",
        "Inputs scaled to about 1; smaller initial weights (the glorot initialisation); a smaller "
        "learning rate; relu in place of sigmoid.",
    ),
    "exploding": Words(
        "exploding",
        "exploding gradient",
        "The gradient is so large that a step throws away what has been learned; usually the "
        "numbers cease to be finite soon after.",
        "A learning rate 10 times smaller; smaller initial weights; inputs and targets scaled to "
        "about 1.",
    ),
    "vanishing": Words(
        "vanishing",
        "vanishing gradient",
        "The signal that says how to change the weights gets weaker from layer to layer on its way "
        "back; the layers named, near the input, hardly learn.",
        "Fewer layers; relu with the he initialisation, or tanh, in place of sigmoid; Adam in "
        "place of SGD.",
    ),
    "update too large": Words(
        "large steps",
        "steps that are too large",
        "One step changes the weights of a layer by a large part of their own size, so that it "
        "overshoots.",
        "A smaller learning rate: a step of about 1/1000 of the weights is usual.",
    ),
    "update too small": Words(
        "small steps",
        "steps that are too small",
        "No step changes the weights of the layer noticeably, so that training takes forever.",
        "A larger learning rate: a step of about 1/1000 of the weights is usual. If the gradient "
        "vanishes as well, begin with that.",
    ),
    "uneven learning": Words(
        "uneven",
        "much slower learning than elsewhere",
        "With one learning rate for all, some layers have changed completely before others have "
        "moved.",
        "Adam, which scales the step of every weight by itself; or another initialisation "
        "(glorot, he).",
    ),
    "plateau": Words(
        "plateau",
        "a loss that does not fall",
        "Training goes on but does not get better than an answer that ignores the input.",
        "If there is another alarm, begin with that. Otherwise a larger learning rate, more "
        "epochs, or a look at the data: labels in the wrong order give the same picture.",
    ),
}

GLOSSARY = {
    "gradient": "for every weight, how much and in which direction the loss changes if the weight "
    "is made a little larger; training moves each weight the other way",
    "layer": "numbered from the input: layer 0's weights lead from the input to the first hidden "
    "layer, the last layer's to the output",
    "loss": "how wrong the network's answers are; training makes it smaller",
    "step": "one change of all weights, after looking at one mini-batch of examples",
    "epoch": "one pass over all examples of the training set",
    "update": "the change of the weights in one step; its size relative to the weights says how "
    "fast a layer learns",
    "activation": "the function g that turns a node's weighted sum S into its output",
    "quantile": "the 5 % quantile is the size that 5 % of the entries do not reach",
    "checkpoint": "the weights as they are at the end, looked at with all examples together",
}
