"""x_p = g(S_p) for many numbers p, several vectors of them at a time.

LLVM makes vector code of such a loop, and takes one vector after the other. Where g is a long
chain of operations that wait for each other, as tanh is, a processor could do more in that time.
The compiled loop here asks LLVM to work on some vectors side by side, each as long as those of
`product`: left alone, LLVM takes half of them on Intel's processors with AVX-512. Each number goes
through the same operations as ever, so that no bit can change.

Source: LLVM Language Reference Manual, "llvm.loop.interleave.count", "llvm.loop.vectorize.width".
"""

from llvmlite import ir
from numba.core import cgutils, types
from numba.extending import intrinsic, overload

from .product import REGISTERS

#: Vectors side by side: a power of 2.
VECTORS = 4

_BLOCKS = "each.head", "each.body", "each.end"


def each(x, S, g):
    """x[p] = g(S[p]).

    Modified in place: x (P,). Read: S (P,), other memory. Both without gaps, of one dtype; g is a
    `scalar`.
    """
    for p in range(x.shape[0]):
        x[p] = g(S[p])


@overload(each)
def _compiled_each(x, S, g):
    return lambda x, S, g: _each(x, S, g)


@intrinsic
def _each(typing_context, x, S, g):
    number = g.get_call_type(typing_context, (S.dtype,), {})

    def generate(context, builder, signature, arguments):
        function = context.get_function(g, number)
        out, source = (
            context.make_array(kind)(context, builder, value)
            for kind, value in zip((x, S), arguments[:2], strict=True)
        )
        (P,) = cgutils.unpack_tuple(builder, out.shape)
        before, (head, body, end) = builder.block, map(builder.append_basic_block, _BLOCKS)
        builder.branch(head)
        builder.position_at_end(head)
        p = builder.phi(P.type)
        p.add_incoming(ir.Constant(P.type, 0), before)
        builder.cbranch(builder.icmp_signed("<", p, P), body, end)
        builder.position_at_end(body)
        value = function(builder, (builder.load(builder.gep(source.data, [p])),))
        value = context.cast(builder, value, number.return_type, x.dtype)
        builder.store(value, builder.gep(out.data, [p]))
        p.add_incoming(builder.add(p, ir.Constant(P.type, 1), flags=["nsw"]), builder.block)
        lanes = REGISTERS.bytes // context.get_abi_sizeof(value.type)
        builder.branch(head).set_metadata("llvm.loop", _side_by_side(builder.module, lanes))
        builder.position_at_end(end)
        return context.get_dummy_value()

    return types.void(x, S, g), generate


def _side_by_side(module, lanes):
    """A loop's metadata: vectors of so many numbers; its first operand is itself, as LLVM asks."""
    loop = module.add_metadata([ir.MetaDataString(module, f"loop {len(module.metadata)}")])
    loop.operands = (
        loop,
        _option(module, "llvm.loop.vectorize.width", lanes),
        _option(module, "llvm.loop.interleave.count", VECTORS),
    )
    return loop


def _option(module, name, value):
    """An option of a loop."""
    return module.add_metadata(
        [ir.MetaDataString(module, name), ir.Constant(ir.IntType(32), value)]
    )
