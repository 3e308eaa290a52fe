"""What people write, and what it means."""

from __future__ import annotations

import re

import pytest
from hypothesis import given
from hypothesis import strategies as st

from loopbp.derivation.names import Place, parse
from loopbp.derivation.notation import NOTATIONS, find
from loopbp.derivation.render import to_ascii

#: 3 inputs, 12 and 4 hidden nodes, 2 outputs.
SIZES = (3, 12, 4, 2)


@pytest.mark.parametrize(
    ("text", "kind", "l", "indices"),
    [
        ("w_12^(1)", "w", 1, (1, 2)),
        ("w_{12}^{(1)}", "w", 1, (1, 2)),
        ("$w_{12}^{(1)}$", "w", 1, (1, 2)),
        ("w₁₂⁽¹⁾", "w", 1, (1, 2)),
        ("w12^1", "w", 1, (1, 2)),
        ("w^(1)_12", "w", 1, (1, 2)),
        ("1,1,2", "w", 1, (1, 2)),
        ("(1, 1, 2)", "w", 1, (1, 2)),
        ("∂f/∂w_12^(1)", "w", 1, (1, 2)),
        ("df/dw_12^(1)", "w", 1, (1, 2)),
        ("w_3,12^(0)", "w", 0, (3, 12)),
        ("w_{3,12}^{(0)}", "w", 0, (3, 12)),
        ("w₃,₁₂⁽⁰⁾", "w", 0, (3, 12)),
        ("w_121^(1)", "w", 1, (12, 1)),  # 1, 21 does not exist: layer 2 has 4 nodes
        ("w_02^(1)", "w", 1, (0, 2)),
        ("b_2^(1)", "w", 1, (0, 2)),
        ("δ_2^(1)", "delta", 1, (2,)),
        (r"\delta_2^{(1)}", "delta", 1, (2,)),
        ("delta_2^(1)", "delta", 1, (2,)),
        ("∂f/∂S_2^(1)", "delta", 1, (2,)),
        ("S_12^(0)", "S", 0, (12,)),
        ("x_12^(1)", "x", 1, (12,)),
        ("x_2^(3)", "x", 3, (2,)),
        ("u_2^(1)", "S", 1, (2,)),
        ("y_2^(1)", "x", 1, (2,)),
        ("Ω_1[2, 1]", "w", 1, (1, 2)),
        ("Omega_1[2,1]", "w", 1, (1, 2)),
        ("β_1[2]", "w", 1, (0, 2)),
        ("∂ℓ/∂f_1[2]", "delta", 1, (2,)),
        ("h_1[2]", "x", 1, (2,)),
        ("layers[1].weight[1, 0]", "w", 1, (1, 2)),
        ("layers[1].bias[1]", "w", 1, (0, 2)),
        ("z[1].grad[1]", "delta", 1, (2,)),
        ("coefs_[1][0, 1]", "w", 1, (1, 2)),
        ("intercepts_[1][1]", "w", 1, (0, 2)),
        ("activations[3][1]", "x", 3, (2,)),
    ],
)
def test_what_a_name_means(text, kind, l, indices):
    assert parse(text, SIZES) == Place(kind, l, indices)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        # layer 3 has nodes 1 and 2
        (
            "w_13^(2)",
            "expected j from 1 to 2, since layer 3 has 2 nodes; got 3; did you mean w_12^(2)?",
        ),
        (
            "w_51^(2)",
            "expected i from 0 to 4, since layer 2 has 4 nodes; got 5; did you mean w_41^(2)?",
        ),
        ("w_11^(3)", "expected a layer of weights from 0 to 2; got 3; did you mean w_11^(2)?"),
        ("x_1^(4)", "expected a layer of nodes from 0 to 3; got 4"),
        ("S_1^(3)", "expected a layer of sums from 0 to 2; got 3"),
        (
            "w_10^(1)",
            "numbered from 1; the constant node 0 has none; did you mean w_11",
        ),
        ("δ_0^(1)", "constant node 0 has none; did you mean δ_1"),
        ("x_0^(1)", "node 0 is the constant 1, which depends on nothing"),
        ("2,1,3", "expected j from 1 to 2"),
        ("w_12", "expected a layer in 'w_12', as in w_12^(0), w_12^(1) or w_12^(2)"),
        ("w_1^(1)", "expected two node numbers"),
        ("S_1,2^(1)", "expected one node number"),
        ("q_12^(1)", "expected a name such as w_12"),
        ("", "expected a name"),
        ("<script>alert(1)</script>", "expected a name"),
        ("w_12^(1)" * 1000, "expected a name"),
        ("w_99999999999999999999^(1)", "expected a name"),
    ],
)
def test_errors_say_what_there_is(text, message):
    with pytest.raises(ValueError) as problem:
        parse(text, SIZES)
    assert message in str(problem.value)
    assert len(str(problem.value)) < 300


def test_a_name_with_two_readings_asks_for_a_comma():
    # 1, 11 and 11, 1 both exist between two layers of 12
    with pytest.raises(ValueError, match=r"w_1,11\^\(0\) or w_11,1\^\(0\); expected a comma"):
        parse("w_111^(0)", (12, 12))


@pytest.mark.parametrize("value", [None, 3, ("w", 1), b"w_12^(1)"])
def test_only_strings_are_names(value):
    with pytest.raises(TypeError, match="name: expected"):
        parse(value, SIZES)


@st.composite
def places(draw):
    kind = draw(st.sampled_from(["w", "S", "x", "delta"]))
    l = draw(st.integers(0, 3 if kind == "x" else 2))
    if kind == "x":
        return Place(kind, l, (draw(st.integers(1, SIZES[l])),))
    j = draw(st.integers(1, SIZES[l + 1]))
    return Place(kind, l, (draw(st.integers(0, SIZES[l])), j) if kind == "w" else (j,))


@given(places(), st.sampled_from(list(NOTATIONS)), st.booleans())
def test_every_notation_reads_what_it_writes(place, notation, ascii_only):
    written = NOTATIONS[notation].spell(place.symbol).plain
    if ascii_only:
        written = to_ascii(written)
    if "loss" in written:  # dℓ/df in ASCII is for reading only
        written = re.sub("dloss/d", "∂ℓ/∂", written)
    assert parse(written, SIZES) == place
    assert parse(str(place), SIZES) == place


def test_notations_are_found_by_name():
    assert find("pytorch").name == "PyTorch"
    assert find("sklearn").name == "scikit-learn"
    with pytest.raises(ValueError, match="did you mean 'PyTorch'"):
        find("PyTroch")
