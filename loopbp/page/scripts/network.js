/* The equations as loops, for one example: loopbp/kernels/textbook.py, activation.py and loss.py.

   Every sum starts from its first product and adds the others in ascending order of its index, so
   that every number has the bits of the exact engines. A network is an object with `sizes`,
   `activations` (L names), `loss`, `W` (W[l][i][j − 1] is w_ij, i = 0 the bias), the inputs `x`
   and the targets `y`. The mean over one example is a division by 1, which is left out. */

"use strict";

const network = (() => {
  const normalCdf = (s) => 0.5 * (1 + elementary.erf(s * 0.7071067811865476));

  /* g(s) beside g′(s), which may use x = g(s). */
  const ACTIVATIONS = {
    identity: { g: (s) => s, prime: () => 1 },
    sigmoid: { g: elementary.sigmoid, prime: (s, x) => x * (1 - x) },
    tanh: { g: elementary.tanh, prime: (s, x) => 1 - x * x },
    relu: { g: (s) => (s <= 0 ? 0 : s), prime: (s) => (s <= 0 ? 0 : 1) },
    leaky_relu: { g: (s) => (s <= 0 ? 0.01 * s : s), prime: (s) => (s <= 0 ? 0.01 : 1) },
    elu: {
      g: (s) => (s <= 0 ? elementary.expm1(s) : s),
      prime: (s) => (s <= 0 ? elementary.exp(s) : 1),
    },
    softplus: { g: elementary.softplus, prime: elementary.sigmoid },
    silu: {
      g: (s) => s * elementary.sigmoid(s),
      prime: (s) => {
        const sigma = elementary.sigmoid(s);
        return sigma * (1 + s * (1 - sigma));
      },
    },
    gelu: {
      g: (s) => s * normalCdf(s),
      prime: (s) => {
        const phi = 0.3989422804014327 * elementary.exp(-0.5 * s * s);
        return normalCdf(s) + s * phi;
      },
    },
    sin: { g: elementary.sin, prime: elementary.cos },
    cos: { g: elementary.cos, prime: (s) => -elementary.sin(s) },
    exp: { g: elementary.exp, prime: (s, x) => x },
  };

  function largest(S) {
    let m = S[0];
    for (let k = 1; k < S.length; k++) if (S[k] > m) m = S[k];
    return m;
  }

  /* x_j = e^(S_j − m) / Σ_k e^(S_k − m) with m = max_k S_k. */
  function softmax(S) {
    const m = largest(S);
    const x = S.map((s) => elementary.exp(s - m));
    let z = x[0];
    for (let k = 1; k < x.length; k++) z += x[k];
    return x.map((value) => value / z);
  }

  /* ∂x_k/∂S_j of softmax: x_k ([k = j] − x_j). */
  function softmaxSlope(x, k, j) {
    return x[k] * ((k === j ? 1 : 0) - x[j]);
  }

  function softmaxDelta(dfdx, x) {
    return x.map((_, j) => {
      let d = dfdx[0] * softmaxSlope(x, 0, j);
      for (let k = 1; k < x.length; k++) d += dfdx[k] * softmaxSlope(x, k, j);
      return d;
    });
  }

  /* Σ_j (y_j − x_j)². */
  function squares(x, y) {
    let f = (y[0] - x[0]) * (y[0] - x[0]);
    for (let j = 1; j < x.length; j++) f += (y[j] - x[j]) * (y[j] - x[j]);
    return f;
  }

  function crossEntropy(S, y) {
    const m = largest(S);
    let z = elementary.exp(S[0] - m);
    for (let k = 1; k < S.length; k++) z += elementary.exp(S[k] - m);
    const lnZ = elementary.log(z);
    let f = y[0] * (lnZ - (S[0] - m));
    for (let j = 1; j < S.length; j++) f += y[j] * (lnZ - (S[j] - m));
    return f;
  }

  function binaryTerm(s, y) {
    const rest = elementary.log1p(elementary.exp(s > 0 ? -s : s));
    return (s > 0 ? s : 0) - y * s + rest;
  }

  function binaryCrossEntropy(S, y) {
    let f = binaryTerm(S[0], y[0]);
    for (let j = 1; j < S.length; j++) f += binaryTerm(S[j], y[j]);
    return f;
  }

  /* f beside ∂f/∂x, losses of the outputs; f alone and the output it goes with, losses of S. */
  const LOSSES = {
    sse: { f: (S, x, y) => squares(x, y), dfdx: (x, y) => -2 * (y - x) },
    half_sse: { f: (S, x, y) => 0.5 * squares(x, y), dfdx: (x, y) => -(y - x) },
    mse: { f: (S, x, y) => squares(x, y) / x.length, dfdx: (x, y, n) => (-2 * (y - x)) / n },
    cross_entropy: { f: (S, x, y) => crossEntropy(S, y), output: "softmax" },
    binary_cross_entropy: { f: (S, x, y) => binaryCrossEntropy(S, y), output: "sigmoid" },
  };

  /* S_j = Σ_i w_ij x_i. */
  function weightedSum(W, x) {
    return W[0].map((_, j) => {
      let s = W[0][j] * x[0];
      for (let i = 1; i < x.length; i++) s += W[i][j] * x[i];
      return s;
    });
  }

  /* S[l][j − 1] and x[l][i], where x[l][0] = 1 but in the last layer, which has no constant. */
  function forward(net) {
    const L = net.W.length;
    const S = [];
    const x = [[1, ...net.x]];
    for (let l = 0; l < L; l++) {
      S.push(weightedSum(net.W[l], x[l]));
      const name = net.activations[l];
      const outputs = name === "softmax" ? softmax(S[l]) : S[l].map(ACTIVATIONS[name].g);
      x.push(l === L - 1 ? outputs : [1, ...outputs]);
    }
    return { S, x, loss: LOSSES[net.loss].f(S[L - 1], x[L], net.y) };
  }

  /* g′(S_j) in layer l; softmax has none of its own. */
  function slopes(net, l, S, x) {
    if (net.activations[l] === "softmax") return null;
    const { prime } = ACTIVATIONS[net.activations[l]];
    const outputs = l === net.W.length - 1 ? x[l + 1] : x[l + 1].slice(1);
    return S[l].map((s, j) => prime(s, outputs[j]));
  }

  /* δ of the last layer, and the ∂f/∂x that it comes from (null where f is computed from S). */
  function outputDelta(net, x, slope) {
    const { dfdx, output } = LOSSES[net.loss];
    if (output) return { delta: x.map((value, j) => value - net.y[j]), dfdx: null };
    const derivative = x.map((value, j) => dfdx(value, net.y[j], x.length));
    const delta = slope ? derivative.map((d, j) => d * slope[j]) : softmaxDelta(derivative, x);
    return { delta, dfdx: derivative };
  }

  /* δ_j = (Σ_k δ_k w_jk) g′(S_j), with the weights W of the layer above. */
  function hiddenDelta(deltaAbove, W, slope) {
    return slope.map((g, j) => {
      const w = W[j + 1];
      let d = deltaAbove[0] * w[0];
      for (let k = 1; k < deltaAbove.length; k++) d += deltaAbove[k] * w[k];
      return d * g;
    });
  }

  /* ∂f/∂w_ij = δ_j x_i. */
  function weightGradient(delta, x) {
    return x.map((value) => delta.map((d) => d * value));
  }

  /* w − η ∂f/∂w, a new matrix. */
  function descended(W, grad, eta) {
    return W.map((row, i) => row.map((w, j) => w - eta * grad[i][j]));
  }

  /* Forward, loss and backward: every quantity of the legend. */
  function pass(net) {
    const { S, x, loss } = forward(net);
    const L = net.W.length;
    const slope = net.W.map((_, l) => slopes(net, l, S, x));
    const { delta: last, dfdx } = outputDelta(net, x[L], slope[L - 1]);
    const delta = Array(L);
    delta[L - 1] = last;
    for (let l = L - 2; l >= 0; l--) delta[l] = hiddenDelta(delta[l + 1], net.W[l + 1], slope[l]);
    const grad = delta.map((d, l) => weightGradient(d, x[l]));
    return { S, x, loss, slope, dfdx, delta, grad };
  }

  /* One step of descent: all gradients at the old weights, then all weights. */
  function step(net, eta) {
    const { grad } = pass(net);
    return net.W.map((W, l) => descended(W, grad[l], eta));
  }

  /* The classic mistake: every layer is updated on the way back, before the δ below it, which
     are then computed with weights that have changed already. */
  function mistakenStep(net, eta) {
    const { S, x } = forward(net);
    const L = net.W.length;
    const W = [...net.W];
    let { delta } = outputDelta(net, x[L], slopes(net, L - 1, S, x));
    for (let l = L - 1; l >= 0; l--) {
      if (l < L - 1) delta = hiddenDelta(delta, W[l + 1], slopes(net, l, S, x));
      W[l] = descended(net.W[l], weightGradient(delta, x[l]), eta);
    }
    return W;
  }

  return { ACTIVATIONS, LOSSES, forward, pass, step, mistakenStep, descended, softmaxSlope };
})();
