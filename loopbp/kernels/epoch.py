"""Steps of mini-batch descent as one compiled call, from the sums of `tiled`.

A step has two halves. Each can be divided among threads, over outputs:

- `pass_examples`: forward, losses and backward of some examples. Examples never meet.
- `pass_weights`: the gradient of some weights, and their update. Weights never meet.

One machine code serves all networks: what a network is made of comes as tables.

- layers (L + 1, 4) int64: a row per layer of nodes, columns `SIZE` … `PANELS`.
- functions (L + 1, 2) int64, addresses of kernels (see `address`): row l < L has g and g′ of
  layer l + 1; row L the loss and its derivative. 0 stands for softmax in the place of g (then the
  place of g′ has `softmax_delta`), for cross-entropy in the place of the loss, and for
  δ = x − y in the place of the derivative.
- code (10,) int64: the addresses of this package's own kernels, `ADD` … `AHEAD`.

Arrays that belong together come as tuples:

- data: batch (N,) int64, the numbers of the examples; inputs (·, n_0); targets (·, n_L);
  importance (·,), what each example counts for, or (0,) where all count alike
- weights: theta (P,), in panels; room (parts, ·), for a block of the transpose, a row for each
  thread
- rows: work (4, R), the rows of x, S, Σ δ w and δ of the layers 1 … L; y (B, stride); sums
  (4, B), m and z of softmax, the losses, and the importance; inputs (B, ·), rows of x^(0), and the
  number of the column of x_1 in them. B is the number of examples that there is room for.
- records: due (T,) bool, which steps are recorded; numbers, histograms and layers, a row for each
  recorded step, as in `observation.observe`, and one more. T = 0 where nothing is recorded.
- watch: wanted (7,) int64, bounds (L, 4) and state (L, 2) float64 as there; before and previous,
  the weights before a step and the last recorded gradient, in panels; columns, counts and
  scratch, the memory of `statistics.measure`, a row for each thread.
"""

import numba
import numpy as np

from . import observation, textbook, tiled, update
from .address import block, call, copy, part_of, view, window
from .compile import kernel, part
from .loss import cross_entropy_delta, weigh

# Columns of `layers`: n_l; the stride of the layer's rows; where its rows begin, in numbers per
# example; where the panels of W^(l) begin.
SIZE, STRIDE, ROWS, PANELS = range(4)

# Entries of `code`.
ADD, DESCEND, EXAMPLES, WEIGHTS, DIVIDE_EXAMPLES, DIVIDE_WEIGHTS = range(6)
OBSERVE, STATISTICS, DIVIDE_STATISTICS, AHEAD = 6, 7, 8, 9

# Rows of `work`.
X, S, SUM, DELTA = range(4)

# Entries of `rows`.
WORK, TARGETS, SUMS, INPUTS, FIRST = range(5)

# What `pass_examples` does; to be added up. LOAD gathers inputs and ANSWERS the rest of some
# examples; SUMMED: the sums of layer 1 are there already.
LOAD, FORWARD, LOSS, BACKWARD, SUMMED, ANSWERS = 1, 2, 4, 8, 16, 32

# What `pass_weights` does: go on from the sums in grad; leave the result in grad; divide; update.
# OTHERS: all but the first layer's weights.
RESUME, KEEP, FINISH, UPDATE, OTHERS = 1, 2, 4, 8, 16

# The rules of update.
DESCENT, MOMENTUM, NESTEROV, ADAM = range(4)

# Rows of `sums`.
LARGEST, TOTAL, LOSSES, IMPORTANCE = range(4)

#: How many numbers come with a rule, and which of them are λ of the weight decay, and α where each
#: step has λ = α / divisor. The others are the arguments of the rule's kernel, in order.
NUMBERS, DECAY, PENALTY = 10, 8, 9

#: Rows of W that `pass_weights` takes at a time: a multiple of the width of every panel. Half as
#: many with several threads, so that these have about as much to do.
CHUNK = 128

#: With fewer examples it takes more rows, since a row of W then meets fewer numbers of x.
FEW = 64


@part
def rows_of(rows, quantity, layers, l, start, stop):
    """Examples start … stop − 1 of a quantity in layer l ≥ 1: (stop − start, stride)."""
    stride = layers[l, STRIDE]
    first = layers[l, ROWS] * rows[TARGETS].shape[0] + start * stride
    return block(rows[WORK][quantity], first, (stop - start, stride))


@part
def outputs_of(rows, layers, l, start, stop):
    """x of examples start … stop − 1 in layer l: (stop − start, stride), and the column of x_1."""
    if l > 0:
        return rows_of(rows, X, layers, l, start, stop), 0
    stride = rows[INPUTS].shape[1]
    every = rows[INPUTS].ravel()
    return block(every, start * stride, (stop - start, stride)), rows[FIRST]


@part
def line(rows):
    """The same numbers in one line: (1, N stride)."""
    return block(rows.ravel(), 0, (1, rows.size))


@part
def columns_of(rows, J):
    """The first J columns, without the padding: (N, J)."""
    return window(rows.ravel(), 0, (rows.shape[0], J), (rows.shape[1], 1))


@kernel
def pass_examples(do, part, start, stop, data, weights, rows, layers, functions, code):
    """What `do` says, for one part of a batch: the examples start … stop − 1.

    Modified in place: rows, and the part's row of room in weights.
    """
    if do & LOAD:
        load(start, stop, data, rows)
    if do & ANSWERS:
        load_answers(start, stop, data, rows)
    if do & FORWARD:
        forward(start, stop, do & SUMMED != 0, weights, rows, layers, functions, code)
    is_weighted = data[3].size > 0
    if do & LOSS:
        losses(start, stop, rows, layers, functions, is_weighted)
    if do & BACKWARD:
        last_delta(start, stop, rows, layers, functions)
        if is_weighted:
            weigh_rows(rows_of(rows, DELTA, layers, layers.shape[0] - 1, start, stop), start, rows)
        hidden_deltas(part, start, stop, weights, rows, layers, functions, code)


@part
def load(start, stop, data, rows):
    """Gathers the inputs of a batch. Modified in place: x^(0) in rows."""
    batch, inputs, _, _ = data
    gather(rows[INPUTS], rows[FIRST], inputs, batch, start, stop)


@part
def load_answers(start, stop, data, rows):
    """Gathers targets and importance of a batch. Modified in place: y and importance in rows."""
    batch, _, targets, importance = data
    gather(rows[TARGETS], 0, targets, batch, start, stop)
    if importance.size > 0:
        for n in range(start, stop):
            rows[SUMS][IMPORTANCE, n] = importance[batch[n]]


@part
def gather(out, first, source, batch, start, stop):
    """out[n, first:] = source[batch[n]] for rows n = start … stop − 1. Modified in place: out."""
    stride, J = out.shape[1], source.shape[1]
    to, from_ = out.ravel(), source.ravel()
    for n in range(start, stop):
        copy(block(to, n * stride + first, (J,)), block(from_, batch[n] * J, (J,)))


@part
def forward(start, stop, summed, weights, rows, layers, functions, code):
    """S_j = Σ_i w_ij x_i and x_j = g(S_j), layer by layer. Modified in place: S, x in rows.

    summed: whether the S of layer 1 are there already.
    """
    theta, _ = weights
    for l in range(layers.shape[0] - 1):
        I, J = layers[l, SIZE] + 1, layers[l + 1, SIZE]
        W = theta[layers[l, PANELS] : layers[l + 1, PANELS]]
        s = rows_of(rows, S, layers, l + 1, start, stop)
        x, first = outputs_of(rows, layers, l, start, stop)
        if l > 0 or not summed:
            tiled.weighted_sum(s, W, x, first, I, J, code[ADD])
        x = rows_of(rows, X, layers, l + 1, start, stop)
        if functions[l, 0] == 0:
            sums = rows[SUMS]
            tiled.softmax(x, s, sums[LARGEST, start:stop], sums[TOTAL, start:stop], J)
        else:
            call(functions[l, 0], (line(x), line(s)))


@part
def losses(start, stop, rows, layers, functions, is_weighted):
    """f of each example, times its importance if weighted. Modified in place: losses in rows."""
    L = layers.shape[0] - 1
    J = layers[L, SIZE]
    y, sums = rows[TARGETS][start:stop], rows[SUMS]
    f = sums[LOSSES, start:stop]
    s = rows_of(rows, S, layers, L, start, stop)
    x = rows_of(rows, X, layers, L, start, stop)
    if functions[L, 0] == 0:
        tiled.cross_entropy(f, s, y, sums[LARGEST, start:stop], sums[TOTAL, start:stop], J)
    elif functions[L, 1] == 0:  # the other loss that is computed from S
        call(functions[L, 0], (f, columns_of(s, J), columns_of(y, J)))
    else:
        call(functions[L, 0], (f, columns_of(x, J), columns_of(y, J)))
    if is_weighted:
        column = block(sums.ravel(), LOSSES * sums.shape[1] + start, (stop - start, 1))
        weigh_rows(column, start, rows)


@part
def weigh_rows(values, start, rows):
    """`loss.weigh` for the examples from `start` on. Modified in place: values (N, ·)."""
    weigh(values, rows[SUMS][IMPORTANCE, start : start + values.shape[0]])


@part
def last_delta(start, stop, rows, layers, functions):
    """δ of the last layer. Modified in place: δ in rows."""
    L = layers.shape[0] - 1
    J = layers[L, SIZE]
    y = rows[TARGETS][start:stop]
    s = rows_of(rows, S, layers, L, start, stop)
    x = rows_of(rows, X, layers, L, start, stop)
    dfdx = rows_of(rows, SUM, layers, L, start, stop)
    delta = rows_of(rows, DELTA, layers, L, start, stop)
    if functions[L, 1] == 0:
        cross_entropy_delta(line(delta), line(x), line(y))
        return
    call(functions[L, 1], (columns_of(dfdx, J), columns_of(x, J), columns_of(y, J)))
    if functions[L - 1, 0] == 0:
        call(functions[L - 1, 1], (columns_of(delta, J), columns_of(dfdx, J), columns_of(x, J)))
    else:
        call(functions[L - 1, 1], (line(delta), line(dfdx), line(s), line(x)))


@part
def hidden_deltas(part, start, stop, weights, rows, layers, functions, code):
    """δ_j = (Σ_k δ_k w_jk) g′(S_j), from the last layer down. Modified in place: δ in rows."""
    theta, room = weights
    room = part_of(room, part)
    for l in range(layers.shape[0] - 2, 0, -1):
        J, K = layers[l, SIZE], layers[l + 1, SIZE]
        W = theta[layers[l, PANELS] : layers[l + 1, PANELS]]
        d = rows_of(rows, SUM, layers, l, start, stop)
        delta_above = rows_of(rows, DELTA, layers, l + 1, start, stop)
        tiled.sum_over_paths(d, delta_above, W, room, J, K, code[ADD])
        delta = rows_of(rows, DELTA, layers, l, start, stop)
        s = rows_of(rows, S, layers, l, start, stop)
        x = rows_of(rows, X, layers, l, start, stop)
        call(functions[l - 1, 1], (line(delta), line(d), line(s), line(x)))


@kernel
def pass_weights(do, part, parts, N, divisor, weights, rows, gradient, step, layers, code):
    """The gradient over N examples of one part of the weights, and what `do` says.

    gradient: grad (P,), in panels, written with KEEP; scratch (parts, ·), for a block and x_0.
    step: vectors (2, P) of the optimiser, in panels; rule (1,) int64 and numbers (9,), as in
    `take_step`. Modified in place: weights, gradient and vectors.
    """
    theta, _ = weights
    grad, scratch = gradient
    room, here, behind = scratch.ravel(), part * scratch.shape[1], (part + 1) * scratch.shape[1]
    room[behind - 1] = 1
    x_0 = window(room, behind - 1, (1, N), (0, 0))
    width, inverse = tiled.panel_width(theta.itemsize), tiled.inverse_of(divisor)
    decay = step[2][DECAY]
    at_once = do & (RESUME + KEEP + FINISH + UPDATE) == FINISH + UPDATE
    at_once = at_once and step[1][0] == DESCENT and N <= tiled.block_terms(theta.itemsize)
    at_once = at_once and decay == 0
    rows_at_once = CHUNK if parts == 1 else CHUNK // 2
    if at_once:
        rows_at_once *= max(1, FEW // N)
    for l in range(1 if do & OTHERS else 0, layers.shape[0] - 1):
        I, K = layers[l, SIZE] + 1, layers[l + 1, SIZE]
        J = tiled.padded(K, theta.itemsize)
        x, x_1 = outputs_of(rows, layers, l, 0, N)
        delta = rows_of(rows, DELTA, layers, l + 1, 0, N)
        chunks, panels = (I - 2) // rows_at_once + 1, (J - 1) // width + 1
        for b in range(chunks * panels):
            c, p = divmod(b, panels)
            j, j_stop = p * width, min(J, (p + 1) * width)
            i, i_stop = c * rows_at_once, min(I, (c + 1) * rows_at_once + 1)
            if c > 0:
                i += 1  # the first chunk has the biases beside its rows
            top, columns_W = 1 if c == 0 else 0, j_stop - j  # the row of biases, if it is here
            first, size = layers[l, PANELS] + j * I + i * columns_W, (i_stop - i) * columns_W
            if (2 * first + size) * parts // (2 * theta.size) != part:
                continue  # its middle is in another part
            i += top
            W_0 = block(theta, first, (1, columns_W))
            W = block(theta, first + top * columns_W, (i_stop - i, columns_W))
            x_i = window(x.ravel(), x_1 + i - 1, (i_stop - i, N), (1, x.shape[1]))
            if do & KEEP:
                g = block(grad, first, (size,))
            else:
                g = block(room, here, (0 if at_once else size,))
            if at_once:
                eta = step[2][0]
                add = code[DESCEND]
                if top > 0:
                    tiled.descend_gradient(W_0, delta, x_0, j, K, divisor, inverse, eta, add)
                tiled.descend_gradient(W, delta, x_i, j, K, divisor, inverse, eta, add)
            else:
                resume = do & RESUME != 0
                if top > 0:
                    g_0 = block(g, 0, W_0.shape)
                    tiled.weight_gradient(g_0, delta, x_0, j, K, resume, code[ADD])
                g_i = block(g, top * columns_W, W.shape)
                tiled.weight_gradient(g_i, delta, x_i, j, K, resume, code[ADD])
            if do & FINISH:
                tiled.divide(g, divisor, inverse)
            if do & UPDATE and decay != 0:  # what is kept stays ∂f/∂w
                kept, biases = g, top * columns_W
                g = block(room, here, (size,))
                copy(block(g, 0, (biases,)), block(kept, 0, (biases,)))
                others = (size - biases,)
                update.add_decay(
                    block(g, biases, others), block(kept, biases, others), W.ravel(), decay
                )
            if do & UPDATE:
                take_step(theta, first, g, step)


@part
def first_weights(n, inputs, eta, weights, rows, layers, code):
    """The step of the first layer's weights for one example, and the sums of example n with them.

    Modified in place: weights; S of layer 1 in rows. Read: inputs, as in data.
    """
    theta, _ = weights
    I, J = layers[0, SIZE] + 1, layers[1, SIZE]
    W = theta[layers[0, PANELS] : layers[1, PANELS]]
    x, first = outputs_of(rows, layers, 0, 0, 1)
    s = rows_of(rows, S, layers, 1, 0, 1)
    delta = rows_of(rows, DELTA, layers, 1, 0, 1)
    x_next = window(inputs.ravel(), n * (I - 1), (1, I - 1), (I - 1, 1))
    tiled.descend_ahead(W, s, x, first, delta, x_next, eta, I, J, code[AHEAD])


@part
def take_step(theta, first, grad, step):
    """One step of the optimiser on some weights from `first` on, by the kernels of `update`.

    Modified in place: theta (P,) and the vectors. Read: grad, as many numbers; step: vectors
    (2, P), rule (1,) and numbers (9,), the arguments of the rule's kernel in order and then λ.
    """
    vectors, rule, numbers = step
    w = block(theta, first, grad.shape)
    flat = vectors.ravel()
    v = block(flat, first, grad.shape)
    v_2 = block(flat, theta.size + first, grad.shape)
    eta, mu = numbers[0], numbers[1]
    if rule[0] == DESCENT:
        update.descent(w, grad, eta)
    elif rule[0] == MOMENTUM:
        update.momentum(w, v, grad, eta, mu)
    elif rule[0] == NESTEROV:
        update.nesterov(w, v, grad, eta, mu)
    else:
        update.adam(
            w,
            v,
            v_2,
            grad,
            eta,
            numbers[1],
            numbers[2],
            numbers[3],
            numbers[4],
            numbers[5],
            numbers[6],
            numbers[7],
        )


@kernel(parallel=True)
def divide_examples(threads, do, N, data, weights, rows, layers, functions, code):
    """`pass_examples` for examples 0 … N − 1, divided among threads."""
    for t in numba.prange(threads):
        start, stop = N * np.int64(t) // threads, N * (np.int64(t) + 1) // threads
        if start < stop:
            call(
                code[EXAMPLES],
                (do, np.int64(t), start, stop, data, weights, rows, layers, functions, code),
            )


@kernel(parallel=True)
def divide_weights(threads, do, N, divisor, weights, rows, gradient, step, layers, code):
    """`pass_weights` for all weights, divided among threads."""
    for t in numba.prange(threads):
        call(
            code[WEIGHTS],
            (do, np.int64(t), threads, N, divisor, weights, rows, gradient, step, layers, code),
        )


@part
def all_examples(threads, do, N, data, weights, rows, layers, functions, code):
    """`pass_examples` for a batch, on so many threads."""
    if threads == 1:
        zero = N - N
        call(code[EXAMPLES], (do, zero, zero, N, data, weights, rows, layers, functions, code))
    else:
        call(
            code[DIVIDE_EXAMPLES],
            (threads, do, N, data, weights, rows, layers, functions, code),
        )


@part
def all_weights(threads, do, N, divisor, weights, rows, gradient, step, layers, code):
    """`pass_weights` for all weights, on so many threads."""
    if threads == 1:
        zero = N - N
        call(
            code[WEIGHTS],
            (do, zero, threads, N, divisor, weights, rows, gradient, step, layers, code),
        )
    else:
        call(
            code[DIVIDE_WEIGHTS],
            (threads, do, N, divisor, weights, rows, gradient, step, layers, code),
        )


@kernel
def pass_statistics(part, parts, row, N, records, watch, weights, rows, gradient, layers, code):
    """The statistics of a step with KEEP over N examples: one part of the layers and quantities.

    None meets another. Arrays are passed on as views without an owner, whose references nobody
    counts. Modified in place: a row of records; watch.
    """
    _, numbers, histograms, of_layers = records
    wanted, bounds, state, before, previous, columns, counts, scratch = watch
    memory = part_of(columns, part), part_of(counts, part), part_of(scratch, part)
    work, L = rows[WORK], layers.shape[0] - 1
    arrays = (
        view(gradient[0]),
        view(weights[0]),
        view(before),
        part_of(work, DELTA),
        part_of(work, S),
        part_of(work, X),
        view(previous),
    )
    row_numbers, row_histograms, row_layers = (
        part_of(numbers, row),
        part_of(histograms, row),
        part_of(of_layers, row),
    )
    width = tiled.panel_width(before.itemsize)
    for l in range(L):
        I, J = layers[l, SIZE] + 1, layers[l + 1, SIZE]
        wide, stride = tiled.padded(J, before.itemsize), layers[l + 1, STRIDE]
        row_place = (N, J, wide, stride, stride, layers[l + 1, ROWS] * rows[TARGETS].shape[0])
        places = ((I, J, wide, width, wide, layers[l, PANELS]), row_place, row_place, row_place)
        for quantity in range(len(observation.QUANTITIES)):
            if (l + quantity) % parts == part:
                call(
                    code[OBSERVE],
                    (
                        part_of(row_numbers, l),
                        part_of(row_histograms, l),
                        part_of(row_layers, l),
                        part_of(state, l),
                        memory,
                        wanted,
                        part_of(bounds, l),
                        np.int64(quantity),
                        np.int64(quantity) + 1,
                        arrays,
                        places,
                    ),
                )


@kernel(parallel=True)
def divide_statistics(threads, row, N, records, watch, weights, rows, gradient, layers, code):
    """`pass_statistics` for all layers and quantities, divided among threads."""
    for t in numba.prange(threads):
        call(
            code[STATISTICS],
            (np.int64(t), threads, row, N, records, watch, weights, rows, gradient, layers, code),
        )


@part
def all_statistics(threads, row, N, records, watch, weights, rows, gradient, layers, code):
    """`pass_statistics` for all layers and quantities, on so many threads."""
    if threads == 1:
        zero = N - N
        call(
            code[STATISTICS],
            (zero, threads, row, N, records, watch, weights, rows, gradient, layers, code),
        )
    else:
        call(
            code[DIVIDE_STATISTICS],
            (threads, row, N, records, watch, weights, rows, gradient, layers, code),
        )


@kernel
def descend(
    loss,
    threads,
    batch_size,
    data,
    weights,
    rows,
    gradient,
    step,
    powers,
    records,
    watch,
    layers,
    functions,
    code,
):
    """Steps of mini-batch descent; returns the number of steps taken.

    A step's loss and gradient are means over its examples, or Σ_n c_n f_n / Σ_n c_n where they
    have an importance c_n. A step whose loss is not finite is the last, and changes no weight; it
    is recorded where anything is. Plain descent with single examples passes once over the weights
    of the first layer: see `first_weights`. Modified in place: loss (T,) float64; weights, rows,
    gradient, step, records and watch; powers (2, 2) float64, β₁ and β₂ above β₁^t and β₂^t. The
    numbers of the examples in data are the order of the whole run.
    """
    order, inputs, targets, importance = data
    theta, _ = weights
    _, rule, numbers = step
    due = records[0]
    row = order.shape[0] - order.shape[0]
    plain = rule[0] == DESCENT and numbers[PENALTY] == 0 and numbers[DECAY] == 0
    single = threads == 1 and batch_size == 1 and importance.size == 0
    summed = False
    for t in range(loss.shape[0]):
        batch = order[t * batch_size : (t + 1) * batch_size]
        N = batch.shape[0]
        divisor = theta.dtype.type(N)
        do = LOAD + ANSWERS + FORWARD + LOSS + BACKWARD + (SUMMED if summed else 0)
        examples = (batch, inputs, targets, importance)
        all_examples(threads, do, N, examples, weights, rows, layers, functions, code)
        if importance.size > 0:
            divisor = textbook.total_loss(rows[SUMS][IMPORTANCE, :N], theta.dtype.type(1))
        loss[t] = textbook.total_loss(rows[SUMS][LOSSES, :N], divisor)
        if numbers[PENALTY] != 0:
            numbers[DECAY] = numbers[PENALTY] / divisor
        finite = np.isfinite(loss[t])
        if rule[0] == ADAM and finite:
            for k in range(2):
                powers[1, k] = powers[1, k] * powers[0, k]
                numbers[6 + k] = 1.0 - powers[1, k]
        observed = due.shape[0] > 0 and (due[t] or not finite)
        if observed:
            watch[3][:] = theta
        do = FINISH + (KEEP if observed else 0) + (UPDATE if finite else 0)
        summed = single and plain and finite and not observed and t + 1 < loss.shape[0]
        if summed:
            first_weights(order[t + 1], inputs, numbers[0], weights, rows, layers, code)
            do += OTHERS
        all_weights(threads, do, N, divisor, weights, rows, gradient, step, layers, code)
        if observed:
            all_statistics(threads, row, N, records, watch, weights, rows, gradient, layers, code)
            row += 1
        if not finite:
            return t
    return loss.shape[0]


@kernel
def load_weights(panels, flat, layers):
    """Copies the weights of all layers into panels.

    Modified in place: panels (P,). Read: flat, the weights one layer after another, as in theta.
    """
    first = 0
    for l in range(layers.shape[0] - 1):
        I, J = layers[l, SIZE] + 1, layers[l + 1, SIZE]
        W = flat[first : first + I * J].reshape(I, J)
        tiled.to_panels(panels[layers[l, PANELS] : layers[l + 1, PANELS]], W)
        first += I * J


@kernel
def save_weights(flat, panels, layers):
    """Copies the weights of all layers out of panels: `load_weights` the other way round."""
    first = 0
    for l in range(layers.shape[0] - 1):
        I, J = layers[l, SIZE] + 1, layers[l + 1, SIZE]
        W = flat[first : first + I * J].reshape(I, J)
        tiled.from_panels(W, panels[layers[l, PANELS] : layers[l + 1, PANELS]])
        first += I * J
