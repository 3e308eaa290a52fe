"""ONNX: a chain of Gemm and activations, bit for bit; checked by `onnx.checker`.

`to_onnx` writes a Gemm with the weights as PyTorch names and stores them, (out, in), for each
layer, and its activation in the operators of opset 20:

| here | there |
|---|---|
| identity | nothing |
| sigmoid, tanh, relu, elu, softplus, gelu | Sigmoid, Tanh, Relu, Elu, Softplus, Gelu |
| sin, cos, exp | Sin, Cos, Exp |
| silu | Mul(S, Sigmoid(S)) |
| leaky_relu | LeakyRelu; in float64 Max(S, 0.01 S), since the operator's slope is a float32 |
| softmax | Softmax over the outputs |

`from_onnx` reads these, and MatMul followed by Add in place of Gemm, weights (in, out) or
transposed; LogSoftmax at the end, which is softmax under cross_entropy; and what makes the inputs
flat before the first layer. Other operators, branches and shapes are refused by name and index.
The loss stands in the model's metadata, entry `loopbp`, a JSON object.

Not every runtime has every operator in float64: of onnxruntime 1.31 on a CPU, Elu, Softplus and
Gelu are missing there. `net.copy(dtype="float32")` can be run everywhere.
"""

from __future__ import annotations

import json
import os
from collections.abc import Callable
from pathlib import Path as FilePath
from typing import Any

import numpy as np
from numpy.typing import NDArray

from ..checks import describe, shorten
from ..network import DTYPES, Network, Path
from ..npz import FileError, replacing
from .layers import (
    ALPHA,
    SLOPE,
    Layer,
    MissingLibraryError,
    build,
    check_total,
    expect_value,
    refuse,
    tensors_of,
)

try:
    import onnx
    from onnx import TensorProto, helper, numpy_helper
except ImportError as missing:
    raise MissingLibraryError("onnx", "onnx") from missing

#: Gelu came with opset 20; the format of the file that goes with it.
OPSET, IR_VERSION = 20, 9
ENTRY = "loopbp"

#: A protocol buffer cannot be larger.
MOST_BYTES = 2**31 - 1

#: One operator per activation, where that is all.
OPERATORS = {
    "sigmoid": "Sigmoid",
    "tanh": "Tanh",
    "relu": "Relu",
    "leaky_relu": "LeakyRelu",
    "elu": "Elu",
    "softplus": "Softplus",
    "sin": "Sin",
    "cos": "Cos",
    "exp": "Exp",
    "gelu": "Gelu",
    "softmax": "Softmax",
}
ACTIVATIONS = {operator: name for name, operator in OPERATORS.items()}
ACTIVATIONS["LogSoftmax"] = "log_softmax"

#: LeakyRelu's and Elu's parameters are stored in float32.
SLOPES, ALPHAS = {SLOPE, float(np.float32(SLOPE))}, {ALPHA}


def to_onnx(net: Network) -> Any:
    """The network as an onnx.ModelProto: input `X` (N, n_0), output `outputs` (N, n_L).

    Raises `ValueError` if a parameter is not finite, or for more than 2 GiB of them, which the
    format cannot hold in one file.

    >>> [node.op_type for node in to_onnx(Network([4, 8, 3], hidden="tanh")).graph.node]
    ['Gemm', 'Tanh', 'Gemm', 'Softmax']
    """
    if not isinstance(net, Network):
        raise TypeError(f"net: expected a loopbp.Network; got {describe(net)}")
    net.check_weights()
    if net.theta.nbytes > MOST_BYTES - 2**20:
        raise ValueError(f"net: expected less than 2 GiB of parameters; got {net.theta.nbytes:,}")
    tensors: dict[str, NDArray[Any]] = dict(tensors_of(net))
    nodes: list[Any] = []
    x = "X"
    for l, name in enumerate(net.activations):
        last = l == net.L - 1
        S = "outputs" if last and name == "identity" else f"S{l}"
        nodes.append(
            helper.make_node("Gemm", [x, f"{2 * l}.weight", f"{2 * l}.bias"], [S], transB=1)
        )
        x = "outputs" if last else S if name == "identity" else f"x{l + 1}"
        nodes += _activation(name, S, x, tensors, net.dtype)
    kind = helper.np_dtype_to_tensor_dtype(net.dtype)
    graph = helper.make_graph(
        nodes,
        "loopbp",
        [helper.make_tensor_value_info("X", kind, ["N", net.sizes[0]])],
        [helper.make_tensor_value_info("outputs", kind, ["N", net.sizes[-1]])],
        [numpy_helper.from_array(array, name) for name, array in tensors.items()],
    )
    model = helper.make_model(
        graph,
        opset_imports=[helper.make_opsetid("", OPSET)],
        ir_version=IR_VERSION,
        producer_name="loopbp",
    )
    helper.set_model_props(model, {ENTRY: json.dumps({"loss": net.loss})})
    onnx.checker.check_model(model, full_check=True)
    return model


def from_onnx(model: Any, *, loss: str | None = None) -> Network:
    """The network of an onnx.ModelProto; inputs are flat, (N, n_0).

    loss : by default what the model's metadata says, else what goes with the output. With
        loss="cross_entropy" a model that ends with the logits becomes a network with the output
        softmax, and likewise binary_cross_entropy and sigmoid.

    A layer without biases gets biases of 0, with a warning. Raises `ValueError` for a model that is
    not valid, keeps weights in other files, has more than one input or output, or a node that no
    network here can have, by its name and index.
    """
    if not isinstance(model, onnx.ModelProto):
        raise TypeError(f"model: expected an onnx.ModelProto; got {describe(model)}")
    for tensor in model.graph.initializer:  # the checker would look for the other file
        _check_inside("model", tensor)
    try:
        onnx.checker.check_model(model)
    except onnx.checker.ValidationError as problem:
        raise ValueError(f"model: not a valid ONNX model: {_first_line(problem)}") from None
    said = _loss(model)
    if said is not None and loss not in (None, said):
        raise ValueError(f"loss: the model says {said}; leave it out")
    chain = _Chain(model)
    layers, activations = chain.read()
    return build(layers, activations[:-1], activations[-1], said or loss)


def save(net: Network, path: Path) -> None:
    """Writes `to_onnx(net)`: the whole file or nothing; the same network gives the same bytes."""
    content = to_onnx(net).SerializeToString(deterministic=True)
    with replacing(path) as file:
        file.write(content)


def load(path: Path, *, loss: str | None = None) -> Network:
    """The network in an ONNX file; see `from_onnx`.

    Nothing is executed, and no other file is opened. Raises `OSError` when it cannot be opened,
    and `ValueError` (`npz.FileError` for a damaged file).
    """
    name = os.fspath(path)
    file = FilePath(path)
    if file.stat().st_size > MOST_BYTES:
        raise FileError(f"{name}: expected at most {MOST_BYTES:,} bytes")
    model = onnx.ModelProto()
    try:
        model.ParseFromString(file.read_bytes())
    except Exception as problem:  # the protocol buffer's own kinds differ between its versions
        if isinstance(problem, OSError):
            raise
        raise FileError(f"{name}: not an ONNX file, or a damaged one") from None
    try:
        return from_onnx(model, loss=loss)
    except ValueError as problem:
        raise FileError(f"{name}: {problem}") from None


def _activation(
    name: str, S: str, x: str, tensors: dict[str, NDArray[Any]], dtype: np.dtype[Any]
) -> list[Any]:
    """The nodes from S to x; a constant that they need goes into `tensors`."""
    if name == "identity":
        return []
    if name == "silu":
        return [
            helper.make_node("Sigmoid", [S], [f"{S}.sigmoid"]),
            helper.make_node("Mul", [S, f"{S}.sigmoid"], [x]),
        ]
    if name == "leaky_relu" and dtype == np.float64:
        tensors["slope"] = np.array(SLOPE, dtype)
        return [
            helper.make_node("Mul", [S, "slope"], [f"{S}.small"]),
            helper.make_node("Max", [S, f"{S}.small"], [x]),
        ]
    parameters: dict[str, dict[str, Any]] = {
        "leaky_relu": {"alpha": SLOPE},
        "elu": {"alpha": ALPHA},
        "gelu": {"approximate": "none"},
        "softmax": {"axis": 1},
    }
    return [helper.make_node(OPERATORS[name], [S], [x], **parameters.get(name, {}))]


def _loss(model: Any) -> str | None:
    """The loss that the model's metadata says."""
    entries = {entry.key: entry.value for entry in model.metadata_props}
    if ENTRY not in entries:
        return None
    try:
        loss = json.loads(entries[ENTRY])["loss"]
    except (ValueError, KeyError, TypeError, RecursionError):
        loss = None
    if not isinstance(loss, str):
        raise ValueError(f"model: expected a loss in the metadata {ENTRY!r}; got another entry")
    return loss


def _first_line(problem: Exception) -> str:
    return shorten(str(problem).strip().partition("\n")[0], 200)


class _Chain:
    """The graph of a model, followed from its input to its output, node by node."""

    def __init__(self, model: Any) -> None:
        graph = model.graph
        self.nodes = [(index, node) for index, node in enumerate(graph.node)]
        self.tensors = {tensor.name: tensor for tensor in graph.initializer}
        if graph.sparse_initializer or model.functions:
            raise ValueError("model: expected neither sparse tensors nor functions of its own")
        inputs = [value.name for value in graph.input if value.name not in self.tensors]
        outputs = [value.name for value in graph.output]
        for argument, names in (("inputs", inputs), ("outputs", outputs)):
            if len(names) != 1:
                raise ValueError(f"{argument}: expected one of the model; got {len(names)}")
        self.shape, self.flat = _declared(graph, inputs[0]), False
        for index, node in self.nodes:
            if node.op_type == "Constant":
                self._constant(index, node)
        check_total(sum(_size(tensor) for tensor in self.tensors.values()))
        self.present, self.end = inputs[0], outputs[0]
        self.left = {index: node for index, node in self.nodes if node.op_type != "Constant"}
        self.layers: list[Layer] = []
        self.activations: list[str | None] = []

    def read(self) -> tuple[list[Layer], list[str]]:
        """The layers, and an activation for each."""
        while self.present != self.end:
            self._step(self._next())
        for index, node in self.left.items():
            raise refuse(_called(index, node), "expected on the way from the input to the output")
        if not self.layers:
            raise ValueError("model: expected at least one Gemm or MatMul; got none")
        names = [name or "identity" for name in self.activations]
        for name, operator in (("softmax", "Softmax"), ("log_softmax", "LogSoftmax")):
            if name in names[:-1]:
                raise ValueError(f"{operator}: expected it at the end only")
        return self.layers, names

    def _constant(self, index: int, node: Any) -> None:
        """A node that holds a tensor, as an initializer does."""
        values = [a for a in node.attribute if a.name == "value" and a.type == a.TENSOR]
        if len(values) != 1:
            raise refuse(_called(index, node), "expected a tensor")
        self.tensors[node.output[0]] = values[0].t

    def _next(self) -> tuple[int, Any]:
        """The node that takes what is there; of two, the first of a pair that belongs together."""
        users = [(k, node) for k, node in self.left.items() if self.present in node.input]
        if not users:
            raise ValueError(f"model: expected a way from {self.present!r} to {self.end!r}")
        for index, node in users:
            if len(node.output) != 1:
                raise refuse(_called(index, node), "expected one output")
        if len(users) > 1:
            index, node = users[-1]
            pair = users[0][1].op_type, node.op_type
            if len(users) > 2 or pair not in (("Sigmoid", "Mul"), ("Mul", "Max")):
                raise refuse(_called(index, node), "expected a chain of layers; here it branches")
            return self._pair(*users)
        return users[0]

    def _pair(self, first: tuple[int, Any], second: tuple[int, Any]) -> tuple[int, Any]:
        """Mul(S, Sigmoid(S)) and Max(S, 0.01 S): taken at once, as an activation of that name."""
        between = first[1].output[0]
        if set(second[1].input) != {self.present, between} or len(second[1].input) != 2:
            raise refuse(_called(*second), "expected a chain of layers; here it branches")
        name = "silu"
        if second[1].op_type == "Max":
            name = "leaky_relu"
            factors = [part for part in first[1].input if part != self.present]
            slope = self._tensor(first, factors[0]) if factors else np.zeros(0)
            if slope.size != 1 or slope.item() not in SLOPES:
                raise refuse(_called(*first), f"expected the factor {SLOPE:g}, for leaky_relu")
        del self.left[first[0]]
        self._activate(second, name)
        return second

    def _step(self, at: tuple[int, Any]) -> None:
        """One node further."""
        index, node = at
        if index in self.left:  # else it was the second of a pair
            if node.domain not in ("", "ai.onnx"):
                raise refuse(_called(index, node), "expected an operator of ONNX itself")
            self._read(at)
            del self.left[index]
        self.present = node.output[0]

    def _read(self, at: tuple[int, Any]) -> None:
        """Takes what a node means."""
        readers: dict[str, Callable[[tuple[int, Any]], None]] = {
            "Gemm": self._gemm,
            "MatMul": self._matmul,
            "Add": self._add,
            "Identity": lambda at: None,
            "Dropout": self._dropout,
            "Flatten": self._flatten,
            "Reshape": self._reshape,
        }
        operator = at[1].op_type
        if operator in readers:
            readers[operator](at)
        elif operator in ACTIVATIONS:
            self._check_parameters(at)
            self._activate(at, ACTIVATIONS[operator], taken=False)
        else:
            known = ", ".join(sorted([*readers, *ACTIVATIONS]))
            raise refuse(
                _called(*at), f"no network here has such an operator; expected one of {known}"
            )

    def _gemm(self, at: tuple[int, Any]) -> None:
        """S = x W + b, W perhaps transposed."""
        node, parameters = at[1], _parameters(at[1])
        layer = _called(*at)
        expect_value(layer, "alpha", parameters.get("alpha", 1.0), 1, {1.0})
        expect_value(layer, "beta", parameters.get("beta", 1.0), 1, {1.0})
        expect_value(layer, "transA", parameters.get("transA", 0), 0, {0})
        self._expect_first(at)
        weight = self._matrix(at, node.input[1])
        if parameters.get("transB", 0):
            weight = weight.T
        has_bias = len(node.input) > 2 and node.input[2]
        bias = self._bias(at, node.input[2], weight.shape[1]) if has_bias else None
        self._append(at, Layer(weight, bias, node.input[1], node.input[2] if has_bias else ""))

    def _matmul(self, at: tuple[int, Any]) -> None:
        """S = x W; biases may follow."""
        self._expect_first(at)
        name = at[1].input[1]
        self._append(at, Layer(self._matrix(at, name), None, name, ""))

    def _add(self, at: tuple[int, Any]) -> None:
        """+ b, right after a MatMul."""
        node = at[1]
        open_ = bool(self.layers) and self.layers[-1].bias is None and self.activations[-1] is None
        if not open_:
            raise refuse(_called(*at), "expected biases, right after a MatMul")
        names = [name for name in node.input if name != self.present]
        if len(names) != 1:
            raise refuse(_called(*at), "expected biases that are stored in the model")
        layer = self.layers[-1]
        bias = self._bias(at, names[0], layer.weight.shape[1])
        self.layers[-1] = layer._replace(bias=bias, bias_name=names[0])

    def _dropout(self, at: tuple[int, Any]) -> None:
        """Passed over, unless it is told to drop."""
        training = at[1].input[2] if len(at[1].input) > 2 else ""
        if training and self._tensor(at, training).any():
            raise refuse(_called(*at), "expected a model that was exported for inference")

    def _flatten(self, at: tuple[int, Any]) -> None:
        """Passed over: inputs are flat."""
        expect_value(_called(*at), "axis", _parameters(at[1]).get("axis", 1), 1, {1})
        self.flat = True

    def _reshape(self, at: tuple[int, Any]) -> None:
        """Passed over before the first layer, where it makes the inputs flat, (N, n_0)."""
        shape = self._tensor(at, at[1].input[1]).ravel().tolist()
        rows, columns = shape if len(shape) == 2 else (0, 0)
        inputs = int(np.prod(self.shape[1:])) if all(self.shape[1:]) else columns
        no_rows = rows == 0 and _parameters(at[1]).get("allowzero", 0)
        if self.layers or no_rows or columns not in (-1, inputs) or columns == 0:
            raise refuse(
                _called(*at), f"expected it before the first layer, to shape (N, n_0); got {shape}"
            )
        self.flat = True

    def _check_parameters(self, at: tuple[int, Any]) -> None:
        """Raises for other parameters than an activation has here."""
        layer, operator, given = _called(*at), at[1].op_type, _parameters(at[1])
        if operator == "LeakyRelu":
            expect_value(layer, "alpha", given.get("alpha", SLOPE), SLOPE, SLOPES)
        elif operator == "Elu":
            expect_value(layer, "alpha", given.get("alpha", ALPHA), ALPHA, ALPHAS)
        elif operator == "Gelu" and given.get("approximate", b"none") != b"none":
            raise refuse(layer, "expected approximate='none'")
        elif operator in ("Softmax", "LogSoftmax"):
            expect_value(layer, "axis", given.get("axis", -1), 1, {1, -1})

    def _append(self, at: tuple[int, Any], layer: Layer) -> None:
        """Adds a layer; the first one takes flat inputs."""
        if not self.layers and not self.flat and len(self.shape) > 2:
            raise refuse(
                _called(*at),
                f"expected flat inputs, (N, n_0), or a Flatten first; got {len(self.shape)} axes",
            )
        self.layers.append(layer)
        self.activations.append(None)

    def _activate(self, at: tuple[int, Any], name: str, *, taken: bool = True) -> None:
        """Sets the activation of the last layer."""
        if not self.layers:
            raise refuse(_called(*at), "expected a Gemm or MatMul before the first activation")
        if self.activations[-1] is not None:
            raise refuse(_called(*at), f"expected one activation; {self.activations[-1]} is there")
        self.activations[-1] = name
        if taken:
            del self.left[at[0]]

    def _expect_first(self, at: tuple[int, Any]) -> None:
        """Raises unless the first factor is x, the second stored."""
        if at[1].input[0] != self.present:
            raise refuse(_called(*at), "expected x W, with the weights as the second factor")

    def _tensor(self, at: tuple[int, Any], name: str) -> NDArray[Any]:
        """A stored tensor."""
        tensor = self.tensors.get(name)
        if tensor is None:
            raise refuse(_called(*at), f"expected {shorten(name)!r} to be stored in the model")
        _check_inside(_called(*at), tensor)
        try:
            array: NDArray[Any] = numpy_helper.to_array(tensor)
        except (ValueError, TypeError) as problem:
            raise refuse(_called(*at), f"{shorten(name)!r}: damaged: {problem}") from None
        return array

    def _matrix(self, at: tuple[int, Any], name: str) -> NDArray[Any]:
        """Weights."""
        array = self._tensor(at, name)
        if array.ndim != 2 or array.dtype.name not in DTYPES:
            raise refuse(
                _called(*at),
                f"expected a matrix of float32 or float64; got {array.dtype} {array.shape}",
            )
        return array

    def _bias(self, at: tuple[int, Any], name: str, outputs: int) -> NDArray[Any]:
        """Biases: (n,), (1, n), or one number for all of them."""
        array = self._tensor(at, name)
        if array.shape not in ((), (1,), (1, 1), (outputs,), (1, outputs)):
            raise refuse(_called(*at), f"expected {outputs} biases; got shape {array.shape}")
        return np.broadcast_to(array.reshape(-1), (outputs,))


def _check_inside(place: str, tensor: Any) -> None:
    """Raises where a tensor is kept in another file."""
    if tensor.data_location == TensorProto.EXTERNAL:
        raise refuse(
            place,
            f"{shorten(tensor.name)!r} is kept in another file, which is not read: export with "
            "external_data=False, or make one of the two, onnx.save(onnx.load(FILE), FILE)",
        )


def _declared(graph: Any, name: str) -> list[int]:
    """The shape of an input as far as the model says it, 0 where it does not."""
    value = next(value for value in graph.input if value.name == name)
    return [max(axis.dim_value, 0) for axis in value.type.tensor_type.shape.dim]


def _called(index: int, node: Any) -> str:
    """A node's index, operator and name."""
    return (
        f"node {index} ({shorten(node.op_type)}{f' {shorten(node.name)!r}' if node.name else ''})"
    )


def _parameters(node: Any) -> dict[str, Any]:
    """A node's attributes."""
    return {part.name: helper.get_attribute_value(part) for part in node.attribute}


def _size(tensor: Any) -> int:
    """How many numbers a tensor claims."""
    size = 1
    for length in tensor.dims:
        size *= max(length, 0)
    return size
