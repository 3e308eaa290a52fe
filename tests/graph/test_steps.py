"""Steps: every gate once forward and once backward, in an order of computation, in words."""

from __future__ import annotations

import pytest

from loopbp import graph
from loopbp.network import Network


def apple():
    x, m, t, y = graph.inputs(x=100, m=2, t=1.1, y=219)
    f = ((x * m).named("z") * t).named("f")
    return (0.5 * (f - y) ** 2).named("L")


def test_apple_step_by_step():
    texts = [str(step) for step in apple().steps()]
    assert texts[0] == "1. Forward: × z receives x = 100 and m = 2, and passes on 200."
    assert texts[2] == "3. Forward: −₆ receives f = 220 and y = 219, and passes on 1."
    assert texts[3] == "4. Forward: ( )²₈ receives −₆ = 1 and 2, and passes on 1."
    assert texts[5] == (
        "6. Backward: × L starts with ∂L/∂L = 1; a multiply gate swaps its inputs: each gets it "
        "times the other; it passes on 0.5 to ( )²₈."
    )
    assert texts[8] == (
        "9. Backward: × f receives 1 from −₆; a multiply gate swaps its inputs: each gets it times "
        "the other; it passes on 1.1 to z and 200 to t."
    )
    assert texts[-1] == "14. Backward: x receives 2.2 from × z: ∂L/∂x = 2.2."
    assert len(texts) == 5 + 5 + 4


def test_records_hold_the_numbers():
    L = apple()
    steps = L.steps()
    assert [step.number for step in steps] == list(range(1, 15))
    forward, backward = steps[:5], steps[5:]
    assert {step.direction for step in forward} == {"forward"}
    for step in forward:
        assert step.receives == tuple(a.value for a in step.node.inputs)
        assert step.passes == (step.node.value,)
    for step in backward:
        assert step.direction == "backward"
        assert sum(step.receives) == step.node.grad
        assert len(step.passes) == len(step.node.inputs)


def test_a_gate_receives_before_it_passes_on():
    nodes = graph.from_network(Network([2, 3, 2], "tanh", "sigmoid", "sse", seed=2), [1, 2], [0, 1])
    done: set[object] = set()
    for step in nodes.f.steps():
        above = {gate for gate, _ in step.node.consumers}
        if step.direction == "forward":
            assert all(a in done for a in step.node.inputs if a.gate is not None)
            done.add(step.node)
        else:
            done.discard(step.node)
            assert not above & done, step.text


def test_fan_out_says_what_came_from_where():
    (x,) = graph.inputs(x=3)
    text = (x * x + 4 * x).named("f").steps()[-1].text
    assert (
        text == "Backward: x receives 3 from ×₁, 3 from ×₁ and 4 from ×₃, together 10: ∂f/∂x = 10."
    )


@pytest.mark.parametrize(
    ("make", "words"),
    [
        (lambda x: x + 1, "an add gate passes it on unchanged; it passes on 1 to x"),
        (lambda x: 1 - x, "with the opposite sign to its second input; it passes on −1 to x"),
        (
            lambda x: graph.maximum(x, 5),
            "to the larger input, and 0 to the other; it passes on 0 to x",
        ),
        (graph.tanh, "the tanh gate multiplies it by its slope there"),
        (graph.log, "a log gate divides it by its input; it passes on 0.5 to x"),
        (lambda x: x.graph.constant(2) * 3, "has only constants below it"),
    ],
)
def test_each_gate_says_what_it_does(make, words):
    (x,) = graph.inputs(x=2)
    assert any(words in step.text for step in make(x).steps())


def test_steps_follow_a_change_and_belong_to_their_output():
    L = apple()
    L.graph.nodes[3].value = 210
    assert str(L.steps()[-1]).endswith("∂L/∂x = 22.")
    f = next(node for node in L.ancestors() if node.name == "f")
    assert len(f.steps()) == 2 + 2 + 3
