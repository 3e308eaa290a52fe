/* What stands out in the drawing: the keys of the nodes, weights and lines to the loss that belong
   to a selection, a path or a step. */

"use strict";

const highlight = (() => {
  /* All weights and nodes between node k of layer l and the loss. */
  function downstream(net, l, k) {
    const L = net.W.length;
    const keys = [`n ${l} ${k}`, "f"];
    let from = [k];
    for (let m = l; m < L; m++) {
      const to = steps.nodes(net, m + 1);
      for (const i of from) for (const j of to) keys.push(`w ${m} ${i} ${j}`);
      for (const j of to) keys.push(`n ${m + 1} ${j}`);
      from = to;
    }
    for (const j of from) keys.push(`to-loss ${j}`);
    return keys;
  }

  function incoming(net, l, j) {
    const from = l ? steps.numbers(0, net.sizes[l - 1]) : [];
    return from.flatMap((i) => [`n ${l - 1} ${i}`, `w ${l - 1} ${i} ${j}`]);
  }

  function ofPath(net, { nodes, output }, key) {
    const [kind, l, i, j] = key.split(" ");
    const first = kind === "w" ? Number(l) + 1 : Number(l);
    const keys = kind === "w" ? [key, `n ${l} ${i}`, `n ${first} ${j}`] : [key];
    nodes.forEach((node, k) => {
      keys.push(`n ${first + k} ${node}`);
      if (k) keys.push(`w ${first + k - 1} ${nodes[k - 1]} ${node}`);
    });
    const L = net.W.length;
    return [...keys, `n ${L} ${output}`, `to-loss ${output}`, "f"];
  }

  function outputs(net) {
    const L = net.W.length;
    return ["f", ...steps.nodes(net, L).flatMap((j) => [`n ${L} ${j}`, `to-loss ${j}`])];
  }

  function ofSelection(net, key) {
    const [kind, ...index] = key.split(" ");
    const [l, i, j] = index.map(Number);
    if (kind === "f") return outputs(net);
    if (kind === "w") return [key, `n ${l} ${i}`, ...downstream(net, l + 1, j)];
    return [...incoming(net, l, i), ...downstream(net, l, i)];
  }

  function ofStep(net, key) {
    const [kind, ...index] = key.split(" ");
    const [a, b, c] = index.map(Number);
    const L = net.W.length;
    switch (kind) {
      case "S":
        return [`n ${a + 1} ${b}`, ...incoming(net, a + 1, b)];
      case "x":
        return net.activations[a - 1] === "softmax" ? outputs(net) : [`n ${a} ${b}`];
      case "f":
        return outputs(net);
      case "dfdx":
        return [`n ${L} ${a}`, `to-loss ${a}`, "f"];
      case "delta": {
        if (a === L - 1) return [`n ${L} ${b}`, `to-loss ${b}`, "f"];
        const above = steps.nodes(net, a + 2);
        return [
          `n ${a + 1} ${b}`,
          ...above.flatMap((k) => [`n ${a + 2} ${k}`, `w ${a + 1} ${b} ${k}`]),
        ];
      }
      case "grad":
        return [`w ${a} ${b} ${c}`, `n ${a} ${b}`, `n ${a + 1} ${c}`];
      default:
        return [`w ${a} ${b} ${c}`];
    }
  }

  function touches(selected, key) {
    const [, l, i, j] = key.split(" ").map(Number);
    return selected === `n ${l} ${i}` || selected === `n ${l + 1} ${j}`;
  }

  /* { keys, labelled }: the keys that stand out (null: none does), and those of them whose weights
     have their numbers written even where there are many. */
  function of({ net, path, selected, stepping }, step) {
    if (path || step) {
      const keys = new Set(path ? ofPath(net, path, selected) : ofStep(net, step.key));
      return { keys, labelled: keys };
    }
    if (!selected || stepping) return { keys: null, labelled: new Set() };
    const keys = ofSelection(net, selected);
    const near = selected.startsWith("w")
      ? [selected]
      : keys.filter((key) => key.startsWith("w") && touches(selected, key));
    return { keys: new Set(keys), labelled: new Set(near) };
  }

  return { of };
})();
