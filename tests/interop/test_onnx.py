"""ONNX: the same bits both ways, what other programs compute from the file, what is refused."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from architectures import networks, same, two_two_one
from hypothesis import given, settings
from problems import PROBLEMS, Problem

from loopbp.npz import FileError
from loopbp.rounding import forward_bounds

onnx = pytest.importorskip("onnx", reason="needs onnx: pip install loopbp[onnx]")
from onnx import TensorProto, helper, numpy_helper  # noqa: E402

from loopbp.interop import onnx as interop  # noqa: E402
from loopbp.interop.onnx import from_onnx, to_onnx  # noqa: E402

#: Operators that onnxruntime has for a CPU in float32 only, by the activation.
FLOAT32_ONLY = {"elu", "softplus", "gelu"}


def model_of(
    nodes: list[Any], tensors: dict[str, Any], *, inputs: int = 2, kind: int = TensorProto.DOUBLE
) -> Any:
    """A model from X to Y, as another program might write it."""
    graph = helper.make_graph(
        nodes,
        "theirs",
        [helper.make_tensor_value_info("X", kind, ["N", inputs])],
        [helper.make_tensor_value_info("Y", kind, ["N", "M"])],
        [numpy_helper.from_array(np.asarray(array), name) for name, array in tensors.items()],
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 20)], ir_version=9)


#: The weights of `two_two_one`.
W0, B0 = np.array([[1.0, 3.0], [-2.0, 4.0]]), np.array([0.25, 0.5])
W1, B1 = np.array([[5.0], [-6.0]]), np.array([-1.0])
WEIGHTS = {"A": W0, "a": B0, "B": W1, "b": B1}


def typed_in() -> Any:
    """`two_two_one` as MatMul and Add, weights (in, out)."""
    return model_of(
        [
            helper.make_node("MatMul", ["X", "A"], ["XA"]),
            helper.make_node("Add", ["a", "XA"], ["S"]),
            helper.make_node("Tanh", ["S"], ["x"]),
            helper.make_node("MatMul", ["x", "B"], ["xB"]),
            helper.make_node("Add", ["xB", "b"], ["Y"]),
        ],
        WEIGHTS,
    )


def test_weights_that_were_typed_in_go_to_their_places() -> None:
    assert same(from_onnx(typed_in()), two_two_one())
    stored = {t.name: numpy_helper.to_array(t) for t in to_onnx(two_two_one()).graph.initializer}
    assert stored["0.weight"].tolist() == [[1, -2], [3, 4]]
    assert stored["2.weight"].tolist() == [[5, -6]]
    assert stored["2.bias"].tolist() == [-1]


@given(networks())
@settings(deadline=None, max_examples=60)
def test_a_round_trip_keeps_every_bit(net: Any) -> None:
    model = to_onnx(net)
    assert same(from_onnx(model), net)
    assert to_onnx(net).SerializeToString() == model.SerializeToString()


@pytest.mark.parametrize("problem", PROBLEMS, ids=str)
def test_onnxruntime_computes_the_same_within_rounding(problem: Problem) -> None:
    runtime = pytest.importorskip("onnxruntime", reason="needs onnxruntime")
    net, (X, _) = problem.network(), problem.data()
    content = to_onnx(net).SerializeToString()
    if net.dtype == np.float64 and FLOAT32_ONLY & set(net.activations):
        with pytest.raises(Exception, match="NOT_IMPLEMENTED"):  # as the text of the module says
            runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
        return
    session = runtime.InferenceSession(content, providers=["CPUExecutionProvider"])
    (theirs,) = session.run(None, {"X": X})
    trace = net.forward(X)
    assert theirs.dtype == net.dtype
    gap = np.abs(theirs.astype(float) - trace.x[-1])
    assert (gap <= 2 * forward_bounds(trace).x[-1]).all()


@pytest.mark.parametrize("name", ["elu", "softplus", "leaky_relu", "silu"])
def test_the_operators_definition_computes_the_same_in_float64(name: str) -> None:
    from onnx.reference import ReferenceEvaluator

    problem = Problem((3, 6, 4, 2), (name, name), name, "sse", 9, "float64", seed=3)
    net, (X, _) = problem.network(), problem.data()
    (theirs,) = ReferenceEvaluator(to_onnx(net)).run(None, {"X": X})
    trace = net.forward(X)
    assert (np.abs(theirs - trace.x[-1]) <= 2 * forward_bounds(trace).x[-1]).all()


def test_a_gemm_may_keep_its_weights_either_way() -> None:
    nodes = [
        helper.make_node("Flatten", ["X"], ["F"], axis=1),
        helper.make_node("Gemm", ["F", "A", "a"], ["S"]),
        helper.make_node("Tanh", ["S"], ["x"]),
        helper.make_node("Dropout", ["x"], ["d"]),
        helper.make_node("Identity", ["d"], ["i"]),
        helper.make_node("Gemm", ["i", "BT", "b"], ["Y"], transB=1),
    ]
    tensors = {"A": W0, "a": B0, "BT": W1.T.copy(), "b": B1}
    assert same(from_onnx(model_of(nodes, tensors)), two_two_one())


def test_weights_may_be_constants_and_biases_one_number() -> None:
    constant = helper.make_node("Constant", [], ["A"], value=numpy_helper.from_array(W0))
    nodes = [constant, helper.make_node("Gemm", ["X", "A", "a"], ["Y"])]
    net = from_onnx(model_of(nodes, {"a": np.array([7.0])}))
    assert net.W[0].tolist() == [[7, 7], [1, 3], [-2, 4]]


def test_missing_biases_become_zeros_and_that_is_said() -> None:
    with pytest.warns(UserWarning, match="A: this layer has no biases"):
        net = from_onnx(model_of([helper.make_node("MatMul", ["X", "A"], ["Y"])], WEIGHTS))
    assert net.W[0].tolist() == [[0, 0], [1, 3], [-2, 4]]


def test_the_loss_is_kept_and_can_be_chosen_for_others() -> None:
    assert from_onnx(to_onnx(two_two_one(loss="half_sse"))).loss == "half_sse"
    with pytest.raises(ValueError, match="loss: the model says half_sse"):
        from_onnx(to_onnx(two_two_one(loss="half_sse")), loss="mse")
    logits = model_of([helper.make_node("Gemm", ["X", "A", "a"], ["Y"])], WEIGHTS)
    assert from_onnx(logits).output == "identity"
    assert from_onnx(logits, loss="cross_entropy").output == "softmax"


GEMM = helper.make_node("Gemm", ["X", "A", "a"], ["S"], name="first")


def then(operator: str, *more: str, **parameters: Any) -> Callable[[], Any]:
    """A Gemm, and this operator after it."""
    return lambda: model_of(
        [GEMM, helper.make_node(operator, ["S", *more], ["Y"], **parameters)], WEIGHTS
    )


def gemm(**parameters: Any) -> Callable[[], Any]:
    return lambda: model_of(
        [helper.make_node("Gemm", ["X", "A", "a"], ["Y"], **parameters)], WEIGHTS
    )


def branching() -> Any:
    nodes = [
        GEMM,
        helper.make_node("Tanh", ["S"], ["t"]),
        helper.make_node("Add", ["S", "t"], ["Y"], name="skip"),
    ]
    return model_of(nodes, WEIGHTS)


def other_slope() -> Any:
    nodes = [
        GEMM,
        helper.make_node("Mul", ["S", "k"], ["small"]),
        helper.make_node("Max", ["S", "small"], ["Y"]),
    ]
    return model_of(nodes, {**WEIGHTS, "k": np.array(0.2)})


def external() -> Any:
    model = model_of([helper.make_node("Gemm", ["X", "A", "a"], ["Y"])], WEIGHTS)
    tensor = model.graph.initializer[0]
    tensor.ClearField("raw_data")
    tensor.data_location = TensorProto.EXTERNAL
    tensor.external_data.add(key="location", value="/etc/hostname")
    return model


def reshaped(shape: list[int], **parameters: Any) -> Callable[[], Any]:
    """Inputs of this shape for a Gemm of two inputs."""
    nodes = [
        helper.make_node("Reshape", ["X", "shape"], ["flat"], **parameters),
        helper.make_node("Gemm", ["flat", "A", "a"], ["Y"]),
    ]
    return lambda: model_of(nodes, {**WEIGHTS, "shape": np.array(shape)})


def reshaped_later() -> Any:
    nodes = [GEMM, helper.make_node("Reshape", ["S", "shape"], ["Y"])]
    return model_of(nodes, {**WEIGHTS, "shape": np.array([-1, 2])})


def gemm_of_images() -> Any:
    model = model_of([helper.make_node("Gemm", ["X", "A", "a"], ["Y"])], WEIGHTS)
    del model.graph.input[:]
    model.graph.input.append(helper.make_tensor_value_info("X", TensorProto.DOUBLE, ["N", 1, 2]))
    return model


def column_of_biases() -> Any:
    nodes = [
        helper.make_node("MatMul", ["X", "A"], ["XA"]),
        helper.make_node("Add", ["XA", "column"], ["Y"]),
    ]
    return model_of(nodes, {**WEIGHTS, "column": B0.reshape(2, 1)})


def claiming() -> Any:
    model = model_of([helper.make_node("Gemm", ["X", "A", "a"], ["Y"])], WEIGHTS)
    model.graph.initializer[0].dims[:] = [2**20, 2**20]
    return model


def two_inputs() -> Any:
    model = typed_in()
    model.graph.input.append(helper.make_tensor_value_info("Z", TensorProto.DOUBLE, ["N", 2]))
    return model


REFUSED: list[tuple[Callable[[], Any], str]] = [
    (then("Relu6"), "model: not a valid ONNX model"),
    (then("HardSigmoid"), r"node 1 \(HardSigmoid\): no network here.*Sigmoid"),
    (then("LeakyRelu", alpha=0.2), r"node 1 \(LeakyRelu\): expected alpha = 0.01; got 0.2"),
    (then("Elu", alpha=0.5), r"node 1 \(Elu\): expected alpha = 1; got 0.5"),
    (then("Gelu", approximate="tanh"), r"node 1 \(Gelu\): expected approximate='none'"),
    (then("Softmax", axis=0), r"node 1 \(Softmax\): expected axis = 1; got 0"),
    (then("Add", "a"), r"node 1 \(Add\): expected biases, right after a MatMul"),
    (then("Flatten", axis=0), r"node 1 \(Flatten\): expected axis = 1"),
    (gemm(alpha=0.5), r"node 0 \(Gemm\): expected alpha = 1; got 0.5"),
    (gemm(beta=0.0), "expected beta = 1; got 0.0"),
    (gemm(transA=1), "expected transA = 0; got 1"),
    (lambda: model_of([helper.make_node("Tanh", ["X"], ["Y"])], {}), "before the first activ"),
    (lambda: model_of([helper.make_node("MatMul", ["A", "X"], ["Y"])], WEIGHTS), "second factor"),
    (branching, r"node 2 \(Add 'skip'\): expected a chain of layers; here it branches"),
    (other_slope, r"node 1 \(Mul\): expected the factor 0.01, for leaky_relu"),
    (external, "model: 'A' is kept in another file, which .*external_data=False"),
    (then("LogSoftmax", axis=0), r"node 1 \(LogSoftmax\): expected axis = 1; got 0"),
    (reshaped([-1, 3]), r"node 0 \(Reshape\): expected it before .*, to shape \(N, n_0\)"),
    (reshaped([2]), r"node 0 \(Reshape\): expected it before the first layer"),
    (reshaped([0, 2], allowzero=1), r"node 0 \(Reshape\): expected it before the first layer"),
    (gemm_of_images, r"node 0 \(Gemm\): expected flat inputs, .*; got 3 axes"),
    (column_of_biases, r"node 1 \(Add\): expected 2 biases; got shape \(2, 1\)"),
    (reshaped_later, r"node 1 \(Reshape\): expected it before the first layer"),
    (claiming, "too small for the declared shape|expected at most 1,073,741,824 parameters"),
    (two_inputs, "inputs: expected one of the model; got 2"),
]


@pytest.mark.parametrize(("make", "message"), REFUSED)
def test_what_no_network_has_is_refused_by_name(make: Callable[[], Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        from_onnx(make())


@pytest.mark.parametrize("shape", [[-1, 2], [0, 2], [0, -1], [-1, -1], [5, 2]])
def test_inputs_may_be_made_flat_first(shape: list[int]) -> None:
    net = from_onnx(reshaped(shape)())
    assert net.sizes == (2, 2) and net.W[0].tolist() == [B0.tolist(), *W0.tolist()]


def test_logarithms_of_a_softmax_are_a_softmax_under_cross_entropy() -> None:
    model = then("LogSoftmax", axis=-1)()
    for loss in (None, "cross_entropy"):
        net = from_onnx(model, loss=loss)
        assert (net.output, net.loss) == ("softmax", "cross_entropy")
    with pytest.raises(ValueError, match="LogSoftmax goes with cross_entropy; got 'mse'"):
        from_onnx(model, loss="mse")


def test_two_activations_and_nodes_aside_are_refused() -> None:
    twice = [GEMM, helper.make_node("Tanh", ["S"], ["t"]), helper.make_node("Relu", ["t"], ["Y"])]
    with pytest.raises(ValueError, match=r"node 2 \(Relu\): expected one activation; tanh is"):
        from_onnx(model_of(twice, WEIGHTS))
    whole = helper.make_node("Gemm", ["X", "A", "a"], ["Y"])
    with pytest.raises(ValueError, match=r"node 1 \(Tanh\): expected on the way"):
        from_onnx(model_of([whole, helper.make_node("Tanh", ["Y"], ["t"])], WEIGHTS))
    with pytest.raises(ValueError, match=r"node 0 \(Gemm\): .*got float16 \(2, 2\)"):
        half = {name: array.astype(np.float16) for name, array in WEIGHTS.items()}
        nodes = [helper.make_node("Gemm", ["X", "A", "a"], ["Y"])]
        from_onnx(model_of(nodes, half, kind=TensorProto.FLOAT16))


def test_a_file_and_damaged_ones(tmp_path: Path) -> None:
    net = two_two_one("float32", hidden="leaky_relu")
    interop.save(net, tmp_path / "net.onnx")
    assert same(interop.load(tmp_path / "net.onnx"), net)
    content = (tmp_path / "net.onnx").read_bytes()
    for case in (b"", b"text", content[:40], content[:-9], bytes(100)):
        (tmp_path / "bad.onnx").write_bytes(case)
        with pytest.raises(FileError, match=r"bad\.onnx: "):
            interop.load(tmp_path / "bad.onnx")
    with pytest.raises(FileNotFoundError):
        interop.load(tmp_path / "none.onnx")


def test_a_model_that_pytorch_exports(tmp_path: Path) -> None:
    torch = pytest.importorskip("torch", reason="needs torch")
    from loopbp.interop.torch import to_torch

    net = two_two_one("float32", hidden="leaky_relu", output="sigmoid")
    path = tmp_path / "theirs.onnx"
    with pytest.warns(DeprecationWarning):  # the exporter that needs no further library
        torch.onnx.export(to_torch(net), (torch.ones(1, 2),), str(path), dynamo=False)
    assert same(interop.load(path, loss="mse"), net)
