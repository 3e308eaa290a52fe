"""The derivation's equations as loops: one loop nest per equation, and every bit of the result.

The letters are the derivation's own. A layer's nodes are numbered from 1, and node 0 is the
constant 1 that carries the bias:

    S_j^(l)      = Σ_i w_ij^(l) x_i^(l)                    i = 0, 1, …; x_0 = 1      weighted_sum
    x_j^(l+1)    = g(S_j^(l))                                                        output
    δ_j^(L-1)    = ∂f/∂x_j · g′(S_j)                       last layer                output_delta
    δ_j^(l)      = (Σ_k δ_k^(l+1) w_jk^(l+1)) g′(S_j^(l))  hidden layers             hidden_delta
    ∂f/∂w_ij^(l) = δ_j^(l) x_i^(l), averaged over the N examples                     weight_gradient

In the arrays the first index n is the example, and j, k count from 0 as Python does. Every sum
starts from its first product and adds the others in ascending order of its index; every product
and every sum is rounded on its own in the dtype of the arrays. That order is the definition of
the result: the other exact engines compute these very sums in this very order.

Arguments run outputs, inputs, functions. Nothing is checked here: shapes and dtypes are checked
once, where data comes in. All arrays have one dtype, float32 or float64.

Sources: Rumelhart, Hinton and Williams, "Learning representations by back-propagating errors",
Nature 323 (1986), equations (1) to (7); Nielsen, "Neural Networks and Deep Learning" (2015),
chapter 2, equations BP1 to BP4.
"""

from .compile import kernel


@kernel
def weighted_sum(S, W, x):
    """S_j = Σ_i w_ij x_i, where x_0 = 1 and w_0j is the bias.

    Modified in place: S (N, J). Read: W (I, J), row 0 the biases; x (N, I), column 0 is 1.
    """
    N, J = S.shape
    I = x.shape[1]
    for n in range(N):
        for j in range(J):
            s = W[0, j] * x[n, 0]
            for i in range(1, I):
                s += W[i, j] * x[n, i]
            S[n, j] = s


@kernel
def output(x, S, g):
    """x_j = g(S_j).

    Modified in place: x (N, J), the nodes 1, 2, … of a layer. Read: S (N, J).
    """
    N, J = S.shape
    for n in range(N):
        for j in range(J):
            x[n, j] = g(S[n, j])


@kernel
def output_delta(delta, dfdx, S, x, g_prime):
    """δ_j = ∂f/∂x_j · g′(S_j), in the last layer.

    Modified in place: delta (N, J). Read: dfdx = ∂f/∂x, S and x = g(S), all (N, J).
    """
    N, J = S.shape
    for n in range(N):
        for j in range(J):
            delta[n, j] = dfdx[n, j] * g_prime(S[n, j], x[n, j])


@kernel
def hidden_delta(delta, delta_above, W_above, S, x, g_prime):
    """δ_j = (Σ_k δ_k w_jk) g′(S_j), where δ_k and w_jk belong to the layer above.

    Modified in place: delta (N, J). Read: delta_above (N, K); W_above (J, K), without the row of
    the biases, since the constant node has no δ; S and x = g(S), both (N, J).
    """
    N, J = S.shape
    K = delta_above.shape[1]
    for n in range(N):
        for j in range(J):
            d = delta_above[n, 0] * W_above[j, 0]
            for k in range(1, K):
                d += delta_above[n, k] * W_above[j, k]
            delta[n, j] = d * g_prime(S[n, j], x[n, j])


@kernel
def weight_gradient(grad, delta, x, divisor):
    """∂f/∂w_ij = Σ_n δ_j x_i / divisor; for the bias x_0 = 1, so that ∂f/∂w_0j is the sum of δ_j.

    Modified in place: grad (I, J). Read: delta (N, J); x (N, I), column 0 is 1; divisor, a number
    of the arrays' dtype: N for the mean over the examples, 1 for their sum.
    """
    I, J = grad.shape
    N = x.shape[0]
    for i in range(I):
        for j in range(J):
            d = delta[0, j] * x[0, i]
            for n in range(1, N):
                d += delta[n, j] * x[n, i]
            grad[i, j] = d / divisor


@kernel
def total_loss(losses, divisor):
    """f = Σ_n f_n / divisor, returned.

    Read: losses (N,); divisor as in `weight_gradient`.
    """
    f = losses[0]
    for n in range(1, losses.shape[0]):
        f += losses[n]
    return f / divisor
