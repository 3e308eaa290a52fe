"""Writing numbers past the caches: for results that are larger than any cache.

A processor that stores a number first fetches the whole cache line into which it goes. Where many
lines are overwritten from beginning to end this doubles the traffic to memory; stores past the
caches ("non-temporal") leave the fetching out. They change no number, only the way it takes.

Source: Drepper, "What every programmer should know about memory" (2007), section 6.1.
"""

from llvmlite import ir
from numba.core import types
from numba.extending import intrinsic, overload

from .address import block
from .compile import part

#: The bytes of a cache line, written at once.
LINE = 64


def store_line(target, source, k):
    """target[k …] = source[k …], for as many numbers as a line of the cache has.

    Modified in place: target (K,), whose number k begins a line. Read: source. Both without gaps.
    """
    numbers = LINE // target.itemsize
    target[k : k + numbers] = source[k : k + numbers]


def finish():
    """Whatever has been stored past the caches is seen by other threads from now on."""


@part
def stream(target, first, source, K):
    """target[first + k] = source[k] for k = 0 … K − 1, past the caches.

    Modified in place: target (P,). Read: source (K or more,). Both without gaps, of one dtype.
    """
    numbers = LINE // target.itemsize
    out = block(target, first, (K,))
    begin = min(K, -out.ctypes.data % LINE // target.itemsize)
    end = begin + (K - begin) // numbers * numbers
    for k in range(begin):
        out[k] = source[k]
    for k in range(begin, end, numbers):
        store_line(out, source, k)
    for k in range(end, K):
        out[k] = source[k]


@overload(store_line)
def _compiled_store_line(target, source, k):
    return lambda target, source, k: _store_line(target, source, k)


@intrinsic
def _store_line(typing_context, target, source, k):
    def generate(context, builder, signature, arguments):
        number = context.get_value_type(target.dtype)
        line = ir.VectorType(number, LINE // context.get_abi_sizeof(number)).as_pointer()
        to, of = (
            builder.bitcast(
                builder.gep(context.make_array(kind)(context, builder, value).data, [arguments[2]]),
                line,
            )
            for kind, value in zip((target, source), arguments[:2], strict=True)
        )
        stored = builder.store(builder.load(of, align=4), to, align=LINE)
        once = builder.module.add_metadata([ir.Constant(ir.IntType(32), 1)])
        stored.set_metadata("nontemporal", once)
        return context.get_dummy_value()

    return types.void(target, source, types.intp), generate


@overload(finish)
def _compiled_finish():
    return lambda: _finish()


@intrinsic
def _finish(typing_context):
    def generate(context, builder, signature, arguments):
        builder.fence("seq_cst")
        return context.get_dummy_value()

    return types.void(), generate
