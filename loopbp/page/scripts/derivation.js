/* Why a number is what it is: its rule, the rule with numbers in it, and the paths to the loss.

   An equation is { left, chain }: tokens, and the lists of tokens that they equal one after the
   other. Nothing here touches the document. */

"use strict";

const derivation = (() => {
  const { w, x, S, delta, y, f, grad, dfdx, slope, num } = notation;

  const FORMULAS = {
    identity: ["S", "1"],
    sigmoid: ["1 / (1 + e⁻ˢ)", "x (1 − x)"],
    tanh: ["tanh S", "1 − x²"],
    relu: ["max(0, S)", "1 for S > 0, else 0"],
    leaky_relu: ["S for S > 0, else 0.01 S", "1 for S > 0, else 0.01"],
    elu: ["S for S > 0, else eˢ − 1", "1 for S > 0, else eˢ"],
    softplus: ["ln(1 + eˢ)", "1 / (1 + e⁻ˢ)"],
    silu: ["S σ(S)", "σ(S) (1 + S (1 − σ(S)))"],
    gelu: ["S Φ(S)", "Φ(S) + S φ(S)"],
    sin: ["sin S", "cos S"],
    cos: ["cos S", "−sin S"],
    exp: ["eˢ", "eˢ"],
  };

  /* A number as a factor: negative ones in parentheses. */
  function factor(value) {
    return value < 0 ? ["(", num(value), ")"] : [num(value)];
  }

  function joined(parts, separator) {
    return parts.flatMap((part, k) => (k ? [separator, ...part] : part));
  }

  const times = (...values) => joined(values.map(factor), " · ");
  const bracketed = (tokens, needed) => (needed ? ["(", ...tokens, ")"] : tokens);

  /* The nodes 1 … n of a layer. */
  const nodesOf = (net, l) => steps.nodes(net, l);

  function sum(net, pass, l, j) {
    const from = steps.numbers(0, net.sizes[l]);
    const W = net.W[l];
    const symbols = from.map((i) => (i ? [w(l, i, j), " ", x(l, i)] : [w(l, 0, j)]));
    const values = from.map((i) => (i ? times(W[i][j - 1], pass.x[l][i]) : factor(W[0][j - 1])));
    return {
      left: [S(l, j)],
      chain: [joined(symbols, " + "), joined(values, " + "), [num(pass.S[l][j - 1])]],
    };
  }

  function output(net, pass, l, j) {
    const value = steps.value(net, pass, `x ${l} ${j}`);
    if (l === 0) return { left: [x(0, j)], chain: [["the input"], [num(value)]] };
    const name = net.activations[l - 1];
    if (name === "softmax") return softmaxOutput(net, pass, l, j);
    return {
      left: [x(l, j)],
      chain: [["g(", S(l - 1, j), ")"], [`${name}(`, num(pass.S[l - 1][j - 1]), ")"], [num(value)]],
    };
  }

  function softmaxOutput(net, pass, l, j) {
    const all = nodesOf(net, l);
    const sums = pass.S[l - 1];
    const symbols = joined(
      all.map((k) => ["exp ", S(l - 1, k)]),
      " + ",
    );
    const values = joined(
      all.map((k) => ["exp ", ...factor(sums[k - 1])]),
      " + ",
    );
    return {
      left: [x(l, j)],
      chain: [
        ["exp ", S(l - 1, j), " / (", ...symbols, ")"],
        ["exp ", ...factor(sums[j - 1]), " / (", ...values, ")"],
        [num(pass.x[l][j - 1])],
      ],
    };
  }

  /* The terms of the loss, in symbols and in numbers, and what stands around their sum. */
  const LOSS_TERMS = {
    sse: { around: ["", ""] },
    half_sse: { around: ["½ (", ")"] },
    mse: { around: ["(", ")"] },
    cross_entropy: { around: ["−(", ")"] },
    binary_cross_entropy: { around: ["−(", ")"] },
  };

  function lossTerm(net, pass, j) {
    const L = net.W.length;
    const [out, target] = [pass.x[L][j - 1], net.y[j - 1]];
    if (net.loss === "cross_entropy") {
      return [
        [y(j), " ln ", x(L, j)],
        [num(target), " ln ", num(out)],
      ];
    }
    if (net.loss === "binary_cross_entropy") {
      return [
        [y(j), " ln ", x(L, j), " + (1 − ", y(j), ") ln(1 − ", x(L, j), ")"],
        [num(target), " ln ", num(out), " + (1 − ", num(target), ") ln(1 − ", num(out), ")"],
      ];
    }
    return [
      ["(", y(j), " − ", x(L, j), ")²"],
      ["(", num(target), " − ", ...factor(out), ")²"],
    ];
  }

  function loss(net, pass) {
    const L = net.W.length;
    const terms = nodesOf(net, L).map((j) => lossTerm(net, pass, j));
    const [before, after] = LOSS_TERMS[net.loss].around;
    const divided = net.loss === "mse" ? ` / ${net.sizes[L]}` : "";
    const around = (which) => [
      before,
      ...joined(
        terms.map((term) => term[which]),
        " + ",
      ),
      after + divided,
    ];
    return { left: [f()], chain: [around(0), around(1), [num(pass.loss)]] };
  }

  function lossDerivative(net, pass, j) {
    const L = net.W.length;
    const [out, target] = [pass.x[L][j - 1], net.y[j - 1]];
    const before = net.loss === "half_sse" ? "−(" : "−2 (";
    const after = net.loss === "mse" ? `) / ${net.sizes[L]}` : ")";
    return {
      left: [dfdx(L, j)],
      chain: [
        [before, y(j), " − ", x(L, j), after],
        [before, num(target), " − ", ...factor(out), after],
        [num(pass.dfdx[j - 1])],
      ],
    };
  }

  /* ∂x_k/∂S_j of the last layer. */
  const softmaxSymbol = (L, k, j) => ["∂", x(L, k), "/∂", S(L - 1, j)];

  function outputDelta(net, pass, j) {
    const L = net.W.length;
    const value = [num(pass.delta[L - 1][j - 1])];
    if (!pass.dfdx) {
      return [[x(L, j), " − ", y(j)], [num(pass.x[L][j - 1]), " − ", num(net.y[j - 1])], value];
    }
    if (pass.slope[L - 1]) {
      return [
        [dfdx(L, j), " · ", slope(L - 1, j)],
        times(pass.dfdx[j - 1], pass.slope[L - 1][j - 1]),
        value,
      ];
    }
    const all = nodesOf(net, L);
    return [
      joined(
        all.map((k) => [dfdx(L, k), " · ", ...softmaxSymbol(L, k, j)]),
        " + ",
      ),
      joined(
        all.map((k) => times(pass.dfdx[k - 1], network.softmaxSlope(pass.x[L], k - 1, j - 1))),
        " + ",
      ),
      value,
    ];
  }

  function deltaOf(net, pass, l, j) {
    const L = net.W.length;
    if (l === L - 1) return { left: [delta(l, j)], chain: outputDelta(net, pass, j) };
    const above = nodesOf(net, l + 2);
    const symbols = joined(
      above.map((k) => [delta(l + 1, k), " ", w(l + 1, j, k)]),
      " + ",
    );
    const values = joined(
      above.map((k) => times(pass.delta[l + 1][k - 1], net.W[l + 1][j][k - 1])),
      " + ",
    );
    const several = above.length > 1;
    return {
      left: [delta(l, j)],
      chain: [
        [...bracketed(symbols, several), " · ", slope(l, j)],
        [...bracketed(values, several), " · ", ...factor(pass.slope[l][j - 1])],
        [num(pass.delta[l][j - 1])],
      ],
    };
  }

  function gradient(net, pass, l, i, j) {
    const value = [num(pass.grad[l][i][j - 1])];
    const left = [grad(l, i, j)];
    if (i === 0) return { left, chain: [[delta(l, j), " · 1"], value] };
    return {
      left,
      chain: [[delta(l, j), " · ", x(l, i)], times(pass.delta[l][j - 1], pass.x[l][i]), value],
    };
  }

  function update(net, pass, l, i, j) {
    const [weight, slopeOfLoss] = [net.W[l][i][j - 1], pass.grad[l][i][j - 1]];
    return {
      left: ["new ", w(l, i, j)],
      chain: [
        [w(l, i, j), " − η ", grad(l, i, j)],
        [...factor(weight), " − ", ...times(net.eta, slopeOfLoss)],
        [num(steps.value(net, pass, `new ${l} ${i} ${j}`))],
      ],
    };
  }

  /* ∂f/∂x of a node below the last layer: the wishes of all nodes above, added. */
  function wishes(net, pass, l, i) {
    const above = nodesOf(net, l + 1);
    const products = above.map((j) => pass.delta[l][j - 1] * net.W[l][i][j - 1]);
    return {
      left: ["∂f/∂", x(l, i)],
      chain: [
        joined(
          above.map((j) => [delta(l, j), " ", w(l, i, j)]),
          " + ",
        ),
        joined(
          above.map((j) => times(pass.delta[l][j - 1], net.W[l][i][j - 1])),
          " + ",
        ),
        [num(products.reduce((total, product) => total + product))],
      ],
    };
  }

  /* The equation of a key of steps.js. */
  function equation(net, pass, key) {
    const [kind, ...index] = key.split(" ");
    const [a, b, c] = index.map(Number);
    const L = net.W.length;
    switch (kind) {
      case "S":
        return sum(net, pass, a, b);
      case "x":
        return output(net, pass, a, b);
      case "f":
        return loss(net, pass);
      case "dfdx":
        return lossDerivative(net, pass, a);
      case "delta":
        return deltaOf(net, pass, a, b);
      case "grad":
        return gradient(net, pass, a, b, c);
      case "new":
        return update(net, pass, a, b, c);
      default:
        throw new Error(`no equation of ${key} in ${L} layers`);
    }
  }

  /* What a step does, in a sentence. */
  function sentence(net, key) {
    const [kind, a, b] = key.split(" ");
    const L = net.W.length;
    switch (kind) {
      case "S":
        return `The weighted sum into node ${b} of layer ${Number(a) + 1}.`;
      case "x":
        return `The output of node ${b} of layer ${a}: the activation of its sum.`;
      case "f":
        return `The loss of this example: how far the outputs are from the targets.`;
      case "dfdx":
        return `The way back begins: how the loss answers to output ${a}.`;
      case "delta":
        return Number(a) === L - 1
          ? `δ of output node ${b}: how the loss answers to its sum.`
          : `δ of node ${b} of layer ${Number(a) + 1}: the δ above come back along the weights.`;
      case "grad":
        return `δ at the weight's end times the output at its beginning.`;
      default:
        return `A step against the gradient. All gradients were computed with the old weights.`;
    }
  }

  /* Why a derivative is exactly 0. */
  function zeroNote(net, pass, l, i, j) {
    if (pass.grad[l][i][j - 1] !== 0) return null;
    if (pass.x[l][i] === 0) return ["It is 0 because ", x(l, i), " = 0."];
    const g = pass.slope[l]?.[j - 1];
    if (g !== 0) return ["It is 0 because ", delta(l, j), " = 0."];
    const name = net.activations[l];
    if (name === "relu")
      return ["It is 0 because ", S(l, j), " = ", num(pass.S[l][j - 1]), " ≤ 0: relu is off."];
    return ["It is 0 because ", slope(l, j), " = 0."];
  }

  /* The last factors of a path, from S of output node m through output node k to the loss. */
  function lastFactors(net, pass, m, k) {
    const L = net.W.length;
    if (!pass.dfdx) return [{ tokens: ["∂f/∂", S(L - 1, m)], value: pass.delta[L - 1][m - 1] }];
    const slopeOfOutput = pass.slope[L - 1]
      ? { tokens: [slope(L - 1, m)], value: pass.slope[L - 1][m - 1] }
      : { tokens: softmaxSymbol(L, k, m), value: network.softmaxSlope(pass.x[L], k - 1, m - 1) };
    return [slopeOfOutput, { tokens: [dfdx(L, k)], value: pass.dfdx[k - 1] }];
  }

  /* The output nodes that S of output node m acts on: all with softmax, m itself without. */
  function reached(net, pass, m) {
    return pass.dfdx && !pass.slope[net.W.length - 1] ? nodesOf(net, net.W.length) : [m];
  }

  /* The factors of a path { nodes, output } that starts in node nodes[0] of layer l + 1; `first`
     are the factors before it. */
  function factors(net, pass, l, { nodes, output: k }, first) {
    const all = [...first];
    for (let n = 0; n + 1 < nodes.length; n++) {
      const [m, i, j] = [l + 1 + n, nodes[n], nodes[n + 1]];
      all.push(
        { tokens: [slope(m - 1, i)], value: pass.slope[m - 1][i - 1] },
        { tokens: [w(m, i, j)], value: net.W[m][i][j - 1] },
      );
    }
    return [...all, ...lastFactors(net, pass, nodes.at(-1), k)];
  }

  /* The products of all paths from node j of layer l + 1 to the loss, each that of `factors` from
     left to right; the last node changes first. `path` gives the nodes of one of them. */
  function paths(net, pass, l, j, first = []) {
    const L = net.W.length;
    const last = nodesOf(net, L).map((m) =>
      reached(net, pass, m).map((k) => lastFactors(net, pass, m, k).map(({ value }) => value)),
    );
    const products = [];
    const walk = (layer, node, product) => {
      if (layer === L) {
        for (const values of last[node - 1]) {
          products.push(values.reduce((p, value) => p * value, product));
        }
        return;
      }
      const here = product * pass.slope[layer - 1][node - 1];
      const weights = net.W[layer][node];
      for (let k = 1; k <= weights.length; k++) walk(layer + 1, k, here * weights[k - 1]);
    };
    walk(
      l + 1,
      j,
      first.reduce((p, { value }) => p * value, 1),
    );
    return products;
  }

  /* The nodes { nodes, output } of the path with this number among `paths`: nodes of the layers
     l + 1 … L, and the output through which it reaches the loss. */
  function path(net, pass, l, j, number) {
    const L = net.W.length;
    const branches = reached(net, pass, 1).length;
    const nodes = [];
    let rest = Math.floor(number / branches);
    for (let m = L; m > l + 1; m--) {
      nodes.unshift(1 + (rest % net.sizes[m]));
      rest = Math.floor(rest / net.sizes[m]);
    }
    nodes.unshift(j);
    return { nodes, output: branches > 1 ? 1 + (number % branches) : nodes.at(-1) };
  }

  /* The numbers of the paths with the largest products, the largest first. */
  function largest(products, count) {
    const best = [];
    products.forEach((product, k) => {
      const size = Math.abs(product);
      if (best.length === count && !(size > Math.abs(products[best.at(-1)]))) return;
      const place = best.findIndex((other) => size > Math.abs(products[other]));
      best.splice(place < 0 ? best.length : place, 0, k);
      if (best.length > count) best.pop();
    });
    return best;
  }

  /* What a path from a weight w_ij^(l) begins with. */
  function firstFactors(pass, l, i) {
    return i ? [{ tokens: [x(l, i)], value: pass.x[l][i] }] : [];
  }

  /* The δ that a δ is made of, layer by layer up to the loss, as keys. */
  function ancestors(net, l, j) {
    const L = net.W.length;
    const layers = [[`delta ${l} ${j}`]];
    for (let m = l + 1; m < L; m++) layers.push(nodesOf(net, m + 1).map((k) => `delta ${m} ${k}`));
    if (!network.LOSSES[net.loss].output) {
      const used = l === L - 1 && net.activations[L - 1] !== "softmax" ? [j] : nodesOf(net, L);
      layers.push(used.map((k) => `dfdx ${k}`));
    }
    return layers;
  }

  /* Multiplications by the recursion, for δ_j^(l) and so many more factors. */
  function multiplications(net, l, more) {
    const L = net.W.length;
    const ofOutput = network.LOSSES[net.loss].output
      ? 0
      : net.activations[L - 1] === "softmax"
        ? 2 * net.sizes[L]
        : 1;
    let count = more;
    for (let m = l; m < L; m++) {
      const nodes = m === l ? 1 : net.sizes[m + 1];
      count += nodes * (m === L - 1 ? ofOutput : net.sizes[m + 2] + 1);
    }
    return count;
  }

  return {
    FORMULAS,
    equation,
    sentence,
    wishes,
    zeroNote,
    paths,
    path,
    largest,
    factors,
    firstFactors,
    ancestors,
    multiplications,
  };
})();
