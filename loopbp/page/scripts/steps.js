/* A pass as a list of quantities, in the order in which they are computed.

   A quantity has a key: "S l j", "x l j", "f", "dfdx j", "delta l j", "grad l i j" and, for the
   weight after the update, "new l i j"; also "w l i j" and "y j", which are given. */

"use strict";

const steps = (() => {
  const PHASES = ["forward", "loss", "backward", "update"];

  const numbers = (from, to) => Array.from({ length: to - from + 1 }, (_, k) => from + k);

  /* The nodes 1 … n of a layer. */
  const nodes = (net, l) => numbers(1, net.sizes[l]);

  /* The weights [i, j] of a layer, row by row. */
  function weights(net, l) {
    return numbers(0, net.sizes[l]).flatMap((i) => nodes(net, l + 1).map((j) => [i, j]));
  }

  /* [{ phase, key }, …] of a whole step of descent. */
  function list(net) {
    const all = [];
    const add = (phase, ...key) => all.push({ phase, key: key.join(" ") });
    const L = net.W.length;
    for (let l = 0; l < L; l++) {
      for (const j of nodes(net, l + 1)) add("forward", "S", l, j);
      for (const j of nodes(net, l + 1)) add("forward", "x", l + 1, j);
    }
    add("loss", "f");
    if (!network.LOSSES[net.loss].output) {
      for (const j of nodes(net, L)) add("backward", "dfdx", j);
    }
    for (let l = L - 1; l >= 0; l--) {
      for (const j of nodes(net, l + 1)) add("backward", "delta", l, j);
      for (const [i, j] of weights(net, l)) add("backward", "grad", l, i, j);
    }
    for (let l = 0; l < L; l++) for (const [i, j] of weights(net, l)) add("update", "new", l, i, j);
    return all;
  }

  /* The position at which a phase is complete. */
  function end(all, phase) {
    return all.findLastIndex((step) => PHASES.indexOf(step.phase) <= PHASES.indexOf(phase)) + 1;
  }

  /* The next (or previous) position at which a phase is complete. */
  function jump(all, position, direction) {
    const stops = [0, ...PHASES.map((phase) => end(all, phase))];
    return direction > 0
      ? (stops.find((stop) => stop > position) ?? position)
      : (stops.findLast((stop) => stop < position) ?? position);
  }

  /* The value of a key. */
  function value(net, pass, key) {
    const [kind, ...index] = key.split(" ");
    const [l, i, j] = index.map(Number);
    const L = net.W.length;
    switch (kind) {
      case "w":
        return net.W[l][i][j - 1];
      case "y":
        return net.y[l - 1];
      case "S":
        return pass.S[l][i - 1];
      case "x":
        return l === L ? pass.x[l][i - 1] : pass.x[l][i];
      case "f":
        return pass.loss;
      case "dfdx":
        return pass.dfdx[l - 1];
      case "delta":
        return pass.delta[l][i - 1];
      case "grad":
        return pass.grad[l][i][j - 1];
      case "new":
        return net.W[l][i][j - 1] - net.eta * pass.grad[l][i][j - 1];
      default:
        throw new Error(`no quantity ${key}`);
    }
  }

  return { PHASES, list, end, jump, value, nodes, numbers };
})();
