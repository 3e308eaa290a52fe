"""Calling a compiled kernel by its address, so that the caller is compiled once for all of them.

A compiled loop that takes g as a function is compiled again for every g. The epoch would be
compiled again for every combination of activations and loss. It takes addresses instead: numbers,
which it calls through.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
from numba.core import cgutils, types
from numba.extending import intrinsic, is_jitted, overload
from numba.np.arrayobj import populate_array

# Kernels by address. Machine code lives as long as what is kept here. Not compiled (with
# NUMBA_DISABLE_JIT), the "address" of a function is its id.
_KERNELS: dict[int, Callable[..., Any]] = {}
_ADDRESSES: dict[tuple[Any, ...], int] = {}


def address(kernel: Any, *kinds: Any) -> int:
    """Where the machine code of a kernel for arguments of these Numba types begins.

    Compiles it, or loads it from the cache. The kernel must return nothing.
    """
    if (kernel, kinds) not in _ADDRESSES:
        where = id(kernel)
        if is_jitted(kernel):
            _, signature = kernel._compiler.fold_argument_types(kinds, {})  # *arrays is one tuple
            kernel.compile(signature)
            result = kernel.overloads[signature]
            where = result.library.get_pointer_to_function(result.fndesc.llvm_func_name)
        _KERNELS[where] = kernel
        _ADDRESSES[kernel, kinds] = where
    return _ADDRESSES[kernel, kinds]


def call(address, arguments):
    """Calls the kernel at that address; arguments is a tuple of the types it was compiled for."""
    _KERNELS[address](*arguments)


@overload(call)
def _compiled_call(address, arguments):
    return lambda address, arguments: _call(address, arguments)


@intrinsic
def _call(typing_context, address, arguments):
    def generate(context, builder, signature, values):
        convention = context.call_conv
        kinds = tuple(arguments)
        function = convention.get_function_type(types.none, kinds)
        pointer = builder.inttoptr(values[0], function.as_pointer())
        parts = [builder.extract_value(values[1], i) for i in range(len(kinds))]
        convention.call_function(builder, pointer, types.none, kinds, parts)
        return context.get_dummy_value()

    return types.void(types.intp, arguments), generate


def window(flat, first, shape, strides):
    """A view of `shape` on flat (P,): element (i, j, …) is flat[first + i strides[0] + …].

    Strides count numbers, not bytes. Unlike slicing and reshaping, it costs no time at all. The
    view does not keep flat alive.
    """
    strides = tuple(stride * flat.itemsize for stride in strides)
    return np.lib.stride_tricks.as_strided(flat[first:], shape, strides)


@overload(window)
def _compiled_window(flat, first, shape, strides):
    return lambda flat, first, shape, strides: _window(flat, first, shape, strides)


@intrinsic
def _window(typing_context, flat, first, shape, strides):
    kind = types.Array(flat.dtype, len(shape), "A")

    def generate(context, builder, signature, arguments):
        lengths, steps = (cgutils.unpack_tuple(builder, value) for value in arguments[2:])
        return _view(context, builder, kind, flat, arguments[0], arguments[1], lengths, steps)

    integers = types.UniTuple(types.intp, len(shape))
    return kind(flat, types.intp, integers, integers), generate


def block(flat, first, shape):
    """A view of `shape` on flat (P,) from `first` on, without gaps; see `window`."""
    size = 1
    for length in shape:
        size *= length
    return flat[first : first + size].reshape(shape)


@overload(block)
def _compiled_block(flat, first, shape):
    return lambda flat, first, shape: _block(flat, first, shape)


@intrinsic
def _block(typing_context, flat, first, shape):
    kind = types.Array(flat.dtype, len(shape), "C")

    def generate(context, builder, signature, arguments):
        lengths = cgutils.unpack_tuple(builder, arguments[2])
        return _view(context, builder, kind, flat, arguments[0], arguments[1], lengths, None)

    return kind(flat, types.intp, types.UniTuple(types.intp, len(shape))), generate


def part_of(values, index):
    """values[index] of a C-contiguous array, as a view that does not keep it alive."""
    return values[index]


@overload(part_of)
def _compiled_part_of(values, index):
    return lambda values, index: _part_of(values, index)


@intrinsic
def _part_of(typing_context, values, index):
    kind = types.Array(values.dtype, values.ndim - 1, "C")

    def generate(context, builder, signature, arguments):
        source = context.make_array(values)(context, builder, arguments[0])
        _, *lengths = cgutils.unpack_tuple(builder, source.shape)
        first = arguments[1]
        for length in lengths:
            first = builder.mul(first, length)
        return _view(context, builder, kind, values, arguments[0], first, lengths, None)

    return kind(values, types.intp), generate


def view(values):
    """A C-contiguous array as a view that does not keep it alive."""
    return values[:]


@overload(view)
def _compiled_view(values):
    return lambda values: _whole(values)


@intrinsic
def _whole(typing_context, values):
    kind = types.Array(values.dtype, values.ndim, "C")

    def generate(context, builder, signature, arguments):
        source = context.make_array(values)(context, builder, arguments[0])
        lengths = cgutils.unpack_tuple(builder, source.shape)
        nothing = context.get_constant(types.intp, 0)
        return _view(context, builder, kind, values, arguments[0], nothing, lengths, None)

    return kind(values), generate


def copy(out, source):
    """out[j] = source[j]: numbers that lie without gaps, in both (P,), moved at once.

    A loop of assignments is not always vectorised, and seldom well where P is small.
    """
    out[...] = source


@overload(copy)
def _compiled_copy(out, source):
    return lambda out, source: _copy(out, source)


@intrinsic
def _copy(typing_context, out, source):
    def generate(context, builder, signature, arguments):
        to, from_ = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip(signature.args, arguments, strict=True)
        )
        (size,) = cgutils.unpack_tuple(builder, to.shape)
        cgutils.raw_memcpy(builder, to.data, from_.data, size, to.itemsize)
        return context.get_dummy_value()

    return types.void(out, source), generate


def _view(context, builder, kind, flat, source, first, lengths, steps):
    """An array of that kind on the memory of another; steps in numbers, None for no gaps."""
    source = context.make_array(flat)(context, builder, source)
    view = context.make_array(kind)(context, builder)
    size = context.get_constant(types.intp, context.get_abi_sizeof(source.data.type.pointee))
    if steps is None:
        steps = [context.get_constant(types.intp, 1)]
        for length in reversed(lengths[1:]):
            steps.insert(0, builder.mul(steps[0], length))
    populate_array(
        view,
        data=builder.gep(source.data, [first]),
        shape=lengths,
        strides=[builder.mul(step, size) for step in steps],
        itemsize=size,
        meminfo=None,
    )
    return view._getvalue()
