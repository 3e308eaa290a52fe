"""C[r, j] = Σ_m A[r, m] B[m, j] in vector registers: the loop nest that all three sums share.

Each function here is written twice. The Python function is the definition. The compiled form
computes several rows of C and one or two vectors of neighbouring j at once, and keeps these sums
in registers while m runs:

                     j: 2 vectors
                   ┌────────┬────────┐
    rows r of C    │  sums  │  sums  │   += A[r, m], the same number in each lane, × B[m, j]
                   └────────┴────────┘

A lane of a vector holds one sum and never meets another lane: neither the width of the vectors
nor the number of rows can change a bit. Multiplication and addition stay two instructions (no
contraction, no fast-math flag). Sums start from −0.0, the one number with −0.0 + p = p for every
p, zeros of both signs included.

Source of the scheme: Goto and van de Geijn, "Anatomy of High-Performance Matrix Multiplication",
ACM Transactions on Mathematical Software 34 (2008).
"""

from typing import NamedTuple

from llvmlite import ir
from numba.core import cgutils, config, types
from numba.core.registry import cpu_target
from numba.extending import intrinsic, overload

from .compile import kernel


class Registers(NamedTuple):
    """A tile: the bytes of a vector, the rows of C held at once, and the vectors of each.

    `block`: so many rows of C meet a panel, tile by tile, while it is in the cache. `halves`:
    whether half a vector takes half the time; only with one vector.
    """

    bytes: int
    rows: int
    vectors: int = 2
    block: int = 56
    halves: bool = False


def registers() -> Registers:
    """The tile for the processor that Numba compiles for.

    Two vectors of sums per row, two vectors of B, a number of A and a product must fit into the
    processor's vector registers: 32 of 64 bytes (AVX-512) or of 16 (ARM), else 16 of 32 or 16.
    With one vector per row, the multiplication itself reads the number of A from memory and
    broadcasts it; on Zen 4 a broadcast of its own takes the time of a multiplication. Zen 4 works
    on a vector of 64 bytes as on two of 32.
    """
    triple, processor, features = cpu_target.target_context.codegen().magic_tuple()
    if processor == "znver4" and "+avx512f" in features:
        return Registers(bytes=64, rows=14, vectors=1, block=28, halves=True)
    if "+avx512f" in features:
        return Registers(bytes=64, rows=12)
    if "+avx" in features:
        return Registers(bytes=32, rows=6)
    return Registers(bytes=16, rows=12 if triple.startswith(("aarch64", "arm64")) else 6)


REGISTERS = registers()

#: A panel is two vectors wide.
PANEL_BYTES = 2 * REGISTERS.bytes

#: A tile of at least so many rows asks for the next panel of B while it works on its own: what
#: waits for memory is B, of which each number is needed once for all rows of a block.
FETCHING_ROWS = 8

#: With few rows of C, several panels at once: enough sums that do not wait for one another.
_PANELS_AT_ONCE = {1: 4, 2: 2, 3: 2}  # rows: panels


#: How to prefetch, in the codes of LLVM: what is written soon goes into the first cache; what is
#: read later, into the second.
_TO_WRITE, _TO_READ, _DATA = (1, 3), (0, 2), 1

#: What a sum starts from: −0.0; the number in C; the number in the first row of B.
NOTHING, SUM, FIRST_ROW = range(3)


def add_products(C, A, B, start):
    """C[r, j] = Σ_m A[r, m] B[p, m, j − p w], for the p-th panel of w columns of C.

    Modified in place: C (R, P w). Read: A (R, M); B (P or more, M, w), where w is one or two
    vectors; start: what the sums start from. With FIRST_ROW, B is (·, 1 + M, w), and its rows after
    the first are multiplied. With `REGISTERS.halves`, w may also be half a vector or one and a
    half; C, then of one panel, goes on to the end of the vector, and what stands there becomes 0.
    A panel of B behind the P is only fetched into the cache.
    """
    w = B.shape[2]
    above = 1 if start == FIRST_ROW else 0
    for r in range(C.shape[0]):
        for j in range(C.shape[1]):
            s = -C.dtype.type(0)
            if start == SUM:
                s = C[r, j]
            elif start == FIRST_ROW:
                s = B[j // w, 0, j % w]
            for m in range(A.shape[1]):
                s += A[r, m] * B[j // w, above + m, j % w]
            C[r, j] = s


def descend_products(W, A, B, divisor, inverse, eta):
    """w ← w − η d / divisor with d[r, j] = Σ_m A[r, m] B[p, m, j − p w]: sum and step in one.

    Modified in place: W (R, P w), and any numbers behind it up to the end of a vector. Read: A and
    B as in `add_products`; inverse, 1 / divisor where d × inverse is the same number as
    d / divisor, otherwise 0.
    """
    w = B.shape[2]
    for r in range(W.shape[0]):
        for j in range(W.shape[1]):
            d = -W.dtype.type(0)
            for m in range(A.shape[1]):
                d += A[r, m] * B[j // w, m, j % w]
            W[r, j] -= eta * (d / divisor)


def descend_ahead(W, S, x, delta, x_next, eta):
    """w_ij ← w_ij − η x_i δ_j, and S_j = w_0j + Σ_{i≥1} w_ij x′_i with these weights, in one pass.

    The step for one example, and the weighted sums for the next. Modified in place: W (I, w), where
    w is one or two vectors, and S (1, w). Read: delta (1, w); x and x_next (1, I − 1), without
    x_0 = 1, whose products are δ_j and w_0j.
    """
    for j in range(W.shape[1]):
        W[0, j] -= eta * delta[0, j]
        s = W[0, j]
        for i in range(1, W.shape[0]):
            W[i, j] -= eta * (x[0, i - 1] * delta[0, j])
            s += W[i, j] * x_next[0, i - 1]
        S[0, j] = s


def transpose_tile(out, tile):
    """out[b, r] = tile[r, b], for at most as many rows and columns as a vector has lanes.

    Modified in place: out (B, R), of which each row lies without gaps, and then to the end of a
    vector: what stands there is any number afterwards. Read: tile (R, B), its rows likewise.
    """
    R, B = tile.shape
    for r in range(R):
        for b in range(B):
            out[b, r] = tile[r, b]


def fetch(rows):
    """Asks for the first vector of each row, which will be read later: nothing else happens.

    Read: rows (R, ·), each without gaps.
    """


@intrinsic
def _add_products(typing_context, C, A, B, start):
    def generate(context, builder, signature, arguments):
        for code in _vectors(context, builder, signature.args[:3], arguments[:3]):

            def finish(sums, code=code):
                for total, target in sums:
                    code.store(code.whole(total), target)

            code.start_from(arguments[3])
            code.products(finish)
        return context.get_dummy_value()

    return types.void(C, A, B, types.intp), generate


@intrinsic
def _descend_products(typing_context, W, A, B, divisor, inverse, eta):
    def generate(context, builder, signature, arguments):
        widths = _vectors(context, builder, signature.args[:3], arguments[:3])
        (_, (_, _, (_, M)), _), number = widths[0].arrays, widths[0].number
        is_product = builder.and_(
            builder.icmp_signed("==", M, _integer(1)),
            builder.fcmp_ordered("==", arguments[3], ir.Constant(number, 1)),
        )
        with builder.if_else(is_product) as (product, sums):
            with product:
                widths[0].descend_product(arguments[5])
            with sums:
                for code in widths:
                    code.start_from(_integer(NOTHING))
                    code.products(_descent(builder, code, *arguments[3:]))
        return context.get_dummy_value()

    return types.void(W, A, B, W.dtype, W.dtype, W.dtype), generate


def _descent(builder, code, divisor, inverse, eta):
    """What `descend_products` does with some vectors of sums: see `_Vectors.products`."""
    is_exact = builder.fcmp_ordered("!=", inverse, ir.Constant(code.number, 0))
    divisor, inverse, eta = (code.broadcast(value) for value in (divisor, inverse, eta))

    def finish(sums):
        with builder.if_else(is_exact) as (by_inverse, by_divisor):
            for branch, operation, factor in (
                (by_inverse, builder.fmul, inverse),
                (by_divisor, builder.fdiv, divisor),
            ):
                with branch:
                    for d, target in sums:
                        change = builder.fmul(eta, operation(d, factor))
                        code.store(builder.fsub(code.load(target), change), target)

    return finish


@intrinsic
def _descend_ahead(typing_context, W, S, x, delta, x_next, eta):
    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, signature.args[:5], arguments[:5])
        code.descend_ahead(code.broadcast(arguments[5]))
        return context.get_dummy_value()

    return types.void(W, S, x, delta, x_next, W.dtype), generate


@intrinsic
def _fetch(typing_context, rows):
    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, signature.args, arguments)
        ((data, strides, (R, _)),) = code.arrays
        with cgutils.for_range(builder, R) as row:
            code.prefetch(code.address(data, strides, row.index, _integer(0)), *_TO_READ)
        return context.get_dummy_value()

    return types.void(rows), generate


@intrinsic
def _transpose_tile(typing_context, out, tile):
    def generate(context, builder, signature, arguments):
        code = _Vectors(context, builder, signature.args, arguments)
        (out, out_strides, _), (tile, tile_strides, (R, B)) = code.arrays
        last = builder.sub(R, _integer(1))
        rows = []
        for r in range(code.lanes):
            within = builder.icmp_signed("<", _integer(r), R)
            row = builder.select(within, _integer(r), last)  # what follows need not be memory
            rows.append(code.load(code.address(tile, tile_strides, row, _integer(0))))
        half, pairs = code.lanes // 2, range(code.lanes)
        low = [lane // 2 + lane % 2 * code.lanes for lane in pairs]  # 0, n, 1, n + 1, …
        high = [lane + half for lane in low]
        # A perfect shuffle of rows and lanes at once; log2(lanes) of them exchange the two.
        for _ in range(code.lanes.bit_length() - 1):
            rows = [
                code.shuffle(rows[r], rows[r + half], lanes)
                for r in range(half)
                for lanes in (low, high)
            ]
        for b, row in enumerate(rows):
            with builder.if_then(builder.icmp_signed("<", _integer(b), B), likely=True):
                code.store(row, code.address(out, out_strides, _integer(b), _integer(0)))
        return context.get_dummy_value()

    return types.void(out, tile), generate


if config.DISABLE_JIT:
    _add_products, _descend_products = add_products, descend_products
    _descend_ahead = descend_ahead


@overload(transpose_tile)
def _compiled_transpose_tile(out, tile):
    return lambda out, tile: _transpose_tile(out, tile)


@overload(fetch)
def _compiled_fetch(rows):
    return lambda rows: _fetch(rows)


@kernel
def add(C, A, B, start):
    """`add_products` as a kernel, so that it is compiled once and called by its address."""
    _add_products(C, A, B, start)


@kernel
def descend(W, A, B, divisor, inverse, eta):
    """`descend_products` as a kernel, so that it is compiled once and called by its address."""
    _descend_products(W, A, B, divisor, inverse, eta)


def _vectors(context, builder, kinds, values):
    """Those who write the code: for whole vectors, and for half of one."""
    widths = [_Vectors, _HalfVectors] if REGISTERS.halves else [_Vectors]
    return [width(context, builder, kinds, values) for width in widths]


@kernel
def ahead(W, S, x, delta, x_next, eta):
    """`descend_ahead` as a kernel, so that it is compiled once and called by its address."""
    _descend_ahead(W, S, x, delta, x_next, eta)


class _Vectors:
    """Writes vector code that works on arrays of one dtype."""

    bytes = REGISTERS.bytes

    def __init__(self, context, builder, kinds, values):
        self.builder = builder
        self.number = context.get_value_type(kinds[0].dtype)
        self.lanes = self.bytes // context.get_abi_sizeof(self.number)
        self.vector = ir.VectorType(self.number, self.lanes)
        self.arrays = []  # (data, strides in bytes, shape)
        for kind, value in zip(kinds, values, strict=True):
            array = context.make_array(kind)(context, builder, value)
            strides, shape = (
                cgutils.unpack_tuple(builder, part) for part in (array.strides, array.shape)
            )
            self.arrays.append((array.data, strides, shape))

    def start_from(self, start):
        """Sets what the sums start from, as for `add_products`: an address and its strides."""
        builder = self.builder
        (C, C_strides, _), _, (B, B_strides, (_, _, w)) = self.arrays
        minus_zero = ir.Constant(self.vector, [-0.0] * self.lanes)
        nothing = cgutils.global_constant(builder, "minus_zero", minus_zero)
        is_sum, is_row = (
            builder.icmp_signed("==", start, _integer(code)) for code in (SUM, FIRST_ROW)
        )

        def choose(sum_, row, other):
            return builder.select(is_sum, sum_, builder.select(is_row, row, other))

        zero = _integer(0)
        addresses = (builder.bitcast(data, cgutils.voidptr_t) for data in (C, B, nothing))
        self.start = choose(*addresses)
        self.start_strides = (  # p, r, v
            choose(builder.mul(w, C_strides[1]), B_strides[0], zero),
            choose(C_strides[0], zero, zero),
            choose(_integer(self.bytes), _integer(self.bytes), zero),
        )
        self.above = builder.zext(is_row, zero.type)

    def products(self, finish):
        """The sums of C[r, j] = Σ_m A[r, m] B[p, m, j − p w], for the arrays C, A and B.

        finish([(sums, address), …]) does what remains to be done with some vectors of sums, which
        belong at these addresses in C.
        """
        (_, _, (R, J)), _, (_, _, (_, _, w)) = self.arrays
        builder, first = self.builder, _integer(0)
        P = builder.sdiv(J, w)
        is_wide = builder.icmp_signed("==", w, _integer(2 * self.lanes))
        with cgutils.for_range_slice(
            builder, self._panels_at_once(is_wide, R, P, finish), P, _integer(1), inc=True
        ) as (p, _):
            if REGISTERS.vectors == 1:
                vectors = builder.sdiv(w, _integer(self.lanes))
                with cgutils.for_range(builder, vectors) as loop:
                    self._panel(R, [(p, loop.index)], finish)
            else:
                with builder.if_else(is_wide) as (two, one):
                    with two:
                        self._panel(R, [(p, first), (p, _integer(1))], finish)
                    with one:
                        self._panel(R, [(p, first)], finish)

    def descend_product(self, eta):
        """C[r, j] −= eta (A[r, 0] B[p, 0, j − p w]): sums of one term, divided by 1."""
        (C, C_strides, (R, J)), (A, A_strides, _), (B, B_strides, (_, _, w)) = self.arrays
        builder, zero, eta = self.builder, _integer(0), self.broadcast(eta)

        def descend(p, vectors):
            offsets = [_integer(v * self.lanes) for v in range(vectors)]
            b = [self.load(self.address(B, B_strides, p, zero, v)) for v in offsets]
            with cgutils.for_range(builder, R) as row:
                a = self.broadcast(self.load_number(self.address(A, A_strides, row.index, zero)))
                for v, b_v in zip(offsets, b, strict=True):
                    j = builder.add(builder.mul(p, w), v)
                    target = self.address(C, C_strides, row.index, j)
                    change = builder.fmul(eta, builder.fmul(a, b_v))
                    self.store(builder.fsub(self.load(target), change), target)

        is_wide = builder.icmp_signed(">", w, _integer(self.lanes))
        with cgutils.for_range(builder, builder.sdiv(J, w)) as panel:
            with builder.if_else(is_wide) as (two, one):
                with two:
                    descend(panel.index, 2)
                with one:
                    descend(panel.index, 1)

    def descend_ahead(self, eta):
        """What `descend_ahead` says, for the arrays W, S, x, delta and x_next."""
        (W, W_strides, (I, w)), S, x, delta, x_next = self.arrays
        builder, zero, one = self.builder, _integer(0), _integer(1)

        def number(array, i):
            data, strides, _ = array
            return self.broadcast(self.load_number(self.address(data, strides, zero, i)))

        def run(vectors):
            offsets = [_integer(v * self.lanes) for v in range(vectors)]
            places = [[self.address(*array[:2], zero, j) for j in offsets] for array in (delta, S)]
            deltas = [self.load(place) for place in places[0]]
            sums = [cgutils.alloca_once(builder, self.vector) for _ in offsets]

            def descend(i, product, add):
                for j, d, s in zip(offsets, deltas, sums, strict=True):
                    target = self.address(W, W_strides, i, j)
                    w = builder.fsub(self.load(target), builder.fmul(eta, product(d)))
                    self.store(w, target)
                    builder.store(add(builder.load(s), w), s)

            descend(zero, lambda d: d, lambda s, w: w)
            with cgutils.for_range(builder, builder.sub(I, one)) as loop:
                here, there = number(x, loop.index), number(x_next, loop.index)
                descend(
                    builder.add(loop.index, one),
                    lambda d: builder.fmul(here, d),
                    lambda s, w: builder.fadd(s, builder.fmul(w, there)),
                )
            for s, place in zip(sums, places[1], strict=True):
                self.store(builder.load(s), place)

        is_wide = builder.icmp_signed(">", w, _integer(self.lanes))
        with builder.if_else(is_wide) as (two_vectors, one_vector):
            with two_vectors:
                run(2)
            with one_vector:
                run(1)

    def _panels_at_once(self, is_wide, R, P, finish):
        """Several panels at a time where C has few rows; returns the number of panels done."""
        builder = self.builder
        done = cgutils.alloca_once_value(builder, _integer(0))
        for rows, panels in _PANELS_AT_ONCE.items():
            is_case = builder.and_(is_wide, builder.icmp_signed("==", R, _integer(rows)))
            with builder.if_then(is_case):
                groups = builder.sdiv(P, _integer(panels))
                with cgutils.for_range(builder, groups) as loop:
                    first = builder.mul(loop.index, _integer(panels))
                    columns = [
                        (builder.add(first, _integer(p)), _integer(v))
                        for p in range(panels)
                        for v in (0, 1)
                    ]
                    self._tile(_integer(0), rows, columns, finish)
                builder.store(builder.mul(groups, _integer(panels)), done)
        return builder.load(done)

    def _panel(self, R, columns, finish):
        """Some columns of C, each a (panel, vector), cut into tiles of about as many rows."""
        builder = self.builder
        tiles = builder.sdiv(builder.add(R, _integer(REGISTERS.rows - 1)), _integer(REGISTERS.rows))
        fewest, larger = builder.sdiv(R, tiles), builder.srem(R, tiles)
        first = cgutils.alloca_once_value(builder, _integer(0))
        with cgutils.for_range(builder, tiles) as loop:
            top = builder.load(first)
            is_larger = builder.icmp_signed("<", loop.index, larger)
            count = builder.add(fewest, builder.zext(is_larger, fewest.type))
            builder.store(builder.add(top, count), first)
            end = builder.append_basic_block("end")
            switch = builder.switch(count, end)
            for rows in range(1, REGISTERS.rows + 1):
                block = builder.append_basic_block(f"rows.{rows}")
                switch.add_case(_integer(rows), block)
                builder.position_at_end(block)
                self._tile(top, rows, columns, finish)
                builder.branch(end)
            builder.position_at_end(end)

    def _tile(self, first, rows, columns, finish):
        """Rows first … first + rows − 1 of C in some columns, each a (panel, vector)."""
        builder = self.builder
        (C, C_strides, _), (A, A_strides, (_, M)), (B, B_strides, (given, _, w)) = self.arrays
        tile = []  # row of C, then for each column: where it is stored, and the sums
        for r in range(rows):
            row = builder.add(first, _integer(r))
            for p, v in columns:
                j = builder.add(builder.mul(p, w), self._column(v))
                target = self.address(C, C_strides, row, j)
                self.prefetch(target, *_TO_WRITE)
                tile.append((row, target, cgutils.alloca_once(builder, self.vector)))
                begin = self.address(self.start, self.start_strides, p, row, v)
                builder.store(self.load(begin), tile[-1][2])
        later = builder.add(columns[0][0], _integer(1))
        later = builder.select(builder.icmp_signed("<", later, given), later, columns[0][0])
        with cgutils.for_range(builder, M) as loop:
            m, row_m = loop.index, builder.add(self.above, loop.index)
            b = [
                self.load(self.address(B, B_strides, p, row_m, self._column(v))) for p, v in columns
            ]
            for _, v in columns if rows >= FETCHING_ROWS else ():
                next_ = self.address(B, B_strides, later, row_m, self._column(v))
                self.prefetch(next_, *_TO_READ)
            for t, (row, _, sums) in enumerate(tile):
                if t % len(columns) == 0:
                    a = self.broadcast(self.load_number(self.address(A, A_strides, row, m)))
                p_m = builder.fmul(a, b[t % len(columns)])
                builder.store(builder.fadd(builder.load(sums), p_m), sums)
        finish([(builder.load(sums), target) for _, target, sums in tile])

    def _column(self, vector):
        """The first column of a vector in its panel."""
        return self.builder.mul(vector, _integer(self.lanes))

    def address(self, data, strides, *indices):
        """Where an element of an array stands."""
        builder = self.builder
        pointer = builder.bitcast(data, cgutils.voidptr_t)
        for index, stride in zip(indices, strides, strict=True):
            pointer = builder.gep(pointer, [builder.mul(index, stride)])
        return builder.bitcast(pointer, self.vector.as_pointer())

    def load(self, address):
        """The vector that begins there, at any element."""
        return self.builder.load(address, align=4)

    def load_number(self, address):
        """The number that stands there."""
        return self.builder.load(self.builder.bitcast(address, self.number.as_pointer()))

    def store(self, value, address):
        """Stores a vector there."""
        address = self.builder.bitcast(address, value.type.as_pointer())
        self.builder.store(value, address, align=4)

    def prefetch(self, address, access, nearness):
        """Asks for what stands there, which will be read or written later."""
        byte, word = cgutils.voidptr_t, ir.IntType(32)
        function = ir.FunctionType(ir.VoidType(), [byte, word, word, word])
        prefetch = self.builder.module.declare_intrinsic("llvm.prefetch", [byte], function)
        codes = (ir.Constant(word, code) for code in (access, nearness, _DATA))
        self.builder.call(prefetch, [self.builder.bitcast(address, byte), *codes])

    def broadcast(self, number):
        """A vector with the same number in each lane."""
        undefined = ir.Constant(self.vector, ir.Undefined)
        zero = ir.Constant(ir.IntType(32), 0)
        return self.shuffle(
            self.builder.insert_element(undefined, number, zero), undefined, [0] * self.lanes
        )

    def whole(self, vector):
        """The vector as it is stored: it is whole."""
        return vector

    def shuffle(self, a, b, lanes):
        """A vector of the given lanes of a, then b."""
        mask = ir.Constant(ir.VectorType(ir.IntType(32), len(lanes)), list(lanes))
        return self.builder.shuffle_vector(a, b, mask)


class _HalfVectors(_Vectors):
    """Writes the code for the half of a vector that a panel may end with."""

    bytes = REGISTERS.bytes // 2

    def products(self, finish):
        (_, _, (R, _)), _, (_, _, (_, _, w)) = self.arrays
        builder, halves = self.builder, self.builder.sdiv(w, _integer(self.lanes))
        last = builder.sub(halves, _integer(1))
        with builder.if_then(
            builder.icmp_signed("==", builder.and_(last, _integer(1)), _integer(0))
        ):
            self._panel(R, [(_integer(0), last)], finish)

    def whole(self, vector):
        """A whole vector, to be stored: the second half is 0."""
        zeros = ir.Constant(self.vector, [0.0] * self.lanes)
        return self.shuffle(vector, zeros, range(2 * self.lanes))


def _integer(value):
    return ir.Constant(ir.IntType(64), value)
