/* The network as SVG: a card for every node, a line for every weight.

   `build` makes the elements once for a network's sizes; `update` sets what changes. The elements
   carry the keys of steps.js: a node "n l j", a weight "w l i j", the loss "f". */

"use strict";

const drawing = (() => {
  const { svgElement, svgSymbol, short } = notation;

  const CARD = { width: 120, row: 21, padding: 7 };
  const LABEL = { width: 78, plate: 36, height: 22 };
  const LOSS = { width: 98, gap: 74 };
  const MARGIN = { top: 64, side: 10, bottom: 14 };
  const GAP = 152; // between columns
  const GAP_OF_MANY = 120;
  const BIAS_RADIUS = 16;
  const SIZE = 16; // of the text
  const MOST_LABELLED = 4; // nodes in a layer, for all weights to have their numbers written
  const MOST_NAMED = 2; // … and their names
  const THINNEST = 1;
  const THICKEST = 8;
  const THICKEST_OF_MANY = 5;

  /* Positions: node k of layer l at (x(l), y(l, k)), the constant node above the others. */
  function layout(sizes) {
    const tallest = Math.max(...sizes);
    const dense = tallest > MOST_LABELLED;
    const step = dense ? 84 : 108;
    const gap = dense ? GAP_OF_MANY : GAP;
    const centre = MARGIN.top + ((tallest + 1) / 2) * step;
    const x = (l) => MARGIN.side + l * (CARD.width + gap);
    const y = (l, k) => centre + (k - (sizes[l] + 1) / 2) * step;
    const L = sizes.length - 1;
    const lossX = x(L) + CARD.width + LOSS.gap;
    return {
      dense,
      x,
      y,
      lossX,
      centre,
      top: Math.min(...sizes.map((_, l) => y(l, l < L ? 0 : 1))),
      width: lossX + LOSS.width + MARGIN.side,
      height: centre + ((tallest - 1) / 2) * step + CARD.row * 1.5 + MARGIN.bottom + CARD.padding,
    };
  }

  function group(parent, kind, key) {
    const g = svgElement("g", { class: kind, role: "button", tabindex: -1, "data-key": key });
    parent.append(g);
    return g;
  }

  function textAt(parent, x, y, attributes = {}) {
    const text = svgElement("text", { x, y, ...attributes });
    parent.append(text);
    return text;
  }

  /* A row of a card: the symbol on the left, the number on the right. */
  function row(parent, symbol, x, y, width) {
    const g = svgElement("g", { class: `row ${symbol.key.split(" ")[0]}`, "data-key": symbol.key });
    g.append(
      svgElement("rect", { x: x + 3, y: y - 15.5, width: width - 6, height: CARD.row, rx: 4 }),
    );
    textAt(g, x + 8, y).append(...svgSymbol(symbol, SIZE));
    const value = textAt(g, x + width - 8, y, { class: "value", "text-anchor": "end" });
    parent.append(g);
    return { g, value };
  }

  function card(parent, key, x, centre, width, symbols, place) {
    const g = group(parent, "node", key);
    const height = symbols.length * CARD.row + 2 * CARD.padding - 4;
    const top = centre - height / 2;
    g.append(svgElement("rect", { class: "card", x, y: top, width, height, rx: 9 }));
    const rows = symbols.map((symbol, k) => {
      const y = top + CARD.padding + k * CARD.row + 13.5;
      return [symbol.key, row(g, symbol, x, y, width)];
    });
    return { g, rows, place };
  }

  function caption(parent, net, l, at) {
    const x = at.x(l) + CARD.width / 2;
    const title = textAt(parent, x, at.top - 36, { class: "caption", "text-anchor": "middle" });
    const what = textAt(parent, x, at.top - 36 + 17, { class: "kind", "text-anchor": "middle" });
    title.textContent = `layer ${l}`;
    return what;
  }

  /* The end of a line at a node: the right side, or the left. */
  function anchor(at, l, k, side) {
    if (k === 0) return [at.x(l) + CARD.width, at.y(l, 0)];
    return [at.x(l) + (side === "right" ? CARD.width : 0), at.y(l, k)];
  }

  function edge(parent, labels, net, at, l, i, j) {
    const [x1, y1] = anchor(at, l, i, "right");
    const [x2, y2] = anchor(at, l + 1, j, "left");
    const key = `w ${l} ${i} ${j}`;
    const g = group(parent, "edge", key);
    const ends = { x1, y1, x2, y2 };
    const hit = svgElement("line", { class: "hit", ...ends });
    const line = svgElement("line", { class: "line", ...ends });
    g.append(hit, line);
    // At 1/(J + 1) of the way all lines between two columns are evenly spaced; where there are too
    // many for that, those of one node are far enough apart.
    const left = at.x(l) + CARD.width;
    const share = at.dense ? 0.42 : 1 / (net.sizes[l + 1] + 1);
    const labelX = left + (x2 - left) * share;
    const along = (labelX - x1) / (x2 - x1);
    const named = !at.dense && net.sizes[l + 1] <= MOST_NAMED;
    const symbol = named ? notation.w(l, i, j) : null;
    const { label, value } = weightLabel(labels, key, symbol, labelX, y1 + (y2 - y1) * along);
    return { key, g, hit, line, label, value, l, i, j };
  }

  /* The number of a weight, centred; with its symbol on a plate that hides the lines below. */
  function weightLabel(parent, key, symbol, x, y) {
    const label = svgElement("g", { class: "weight", "data-key": key });
    const text = textAt(label, x, y + 5, { "text-anchor": symbol ? "start" : "middle" });
    if (symbol) {
      const left = x - LABEL.width / 2;
      const { plate, height } = LABEL;
      text.setAttribute("x", left);
      text.append(...svgSymbol(symbol, SIZE - 1));
      text.before(
        svgElement("rect", { x: left - 2, y: y - height / 2, width: plate, height, rx: 4 }),
      );
    }
    const value = svgElement("tspan", { class: "value", dx: symbol ? 7 : 0 });
    text.append(value);
    parent.append(label);
    return { label, value };
  }

  function lossCard(parent, at, L, sizes) {
    for (const j of steps.numbers(1, sizes[L])) {
      const [x1, y1] = anchor(at, L, j, "right");
      const line = svgElement("line", { class: "to-loss", x1, y1, x2: at.lossX, y2: at.centre });
      line.dataset.key = `to-loss ${j}`;
      parent.append(line);
    }
    return card(parent, "f", at.lossX, at.centre, LOSS.width, [notation.f()], { l: L + 1, k: 1 });
  }

  function target(parent, at, L, j) {
    const [x, y] = anchor(at, L, j, "right");
    const key = `y ${j}`;
    const g = svgElement("g", { class: "target", "data-key": key });
    const name = textAt(g, x + 8, y + (y > at.centre ? 24 : -13));
    name.append(...svgSymbol(notation.y(j), SIZE));
    const value = svgElement("tspan", { class: "value", dx: 6 });
    name.append(value);
    parent.append(g);
    return [key, { g, value }];
  }

  /* The elements of a network, by key. */
  function build(svg, net) {
    const at = layout(net.sizes);
    const L = net.W.length;
    const layers = ["edges", "labels", "nodes"].map((name) => svgElement("g", { class: name }));
    const [edgeLayer, labelLayer, nodeLayer] = layers;
    svg.replaceChildren(...layers);
    svg.setAttribute("viewBox", `0 0 ${at.width} ${at.height}`);
    svg.style.setProperty("--natural-width", `${at.width}px`);
    const parts = { svg, at, net, edges: [], nodes: [], rows: new Map(), kinds: [] };
    net.sizes.forEach((size, l) => {
      parts.kinds.push(caption(nodeLayer, net, l, at));
      for (const k of steps.numbers(l < L ? 0 : 1, size))
        parts.nodes.push(node(nodeLayer, at, l, k));
    });
    parts.nodes.push(lossCard(nodeLayer, at, L, net.sizes));
    for (const { rows } of parts.nodes) for (const [key, part] of rows) parts.rows.set(key, part);
    parts.targets = net.y.map((_, k) => target(nodeLayer, at, L, k + 1));
    for (let l = 0; l < L; l++) {
      for (const i of steps.numbers(0, net.sizes[l])) {
        for (const j of steps.nodes(net, l + 1)) {
          parts.edges.push(edge(edgeLayer, labelLayer, net, at, l, i, j));
        }
      }
    }
    return parts;
  }

  function node(parent, at, l, k) {
    const place = { l, k };
    if (k === 0) {
      const x = at.x(l) + CARD.width - BIAS_RADIUS;
      const g = group(parent, "node constant", `n ${l} 0`);
      g.append(svgElement("circle", { class: "card", cx: x, cy: at.y(l, 0), r: BIAS_RADIUS }));
      textAt(g, x, at.y(l, 0) + 5.5, { class: "value", "text-anchor": "middle" }).textContent = "1";
      return { g, rows: [], place };
    }
    const { x, S, delta } = notation;
    const symbols = l ? [S(l - 1, k), x(l, k), delta(l - 1, k)] : [x(0, k)];
    return card(parent, `n ${l} ${k}`, at.x(l), at.y(l, k), CARD.width, symbols, place);
  }

  function largestOf(numbers) {
    return numbers.reduce(
      (most, v) => (Number.isFinite(v) ? Math.max(most, Math.abs(v)) : most),
      0,
    );
  }

  function show(element, value) {
    if (element.textContent !== value) element.textContent = value;
  }

  function sign(value) {
    return value > 0 ? "plus" : value < 0 ? "minus" : "zero";
  }

  /* Sets numbers, colours and widths from a view: { net, pass, known, coloured, lit, dimming,
     labelled, selected, current }, functions of keys but for the objects and the last two. */
  function update(parts, view) {
    const { net, pass, known } = view;
    parts.kinds.forEach((what, l) => show(what, l ? net.activations[l - 1] : "input"));
    for (const [key, { g, value }] of parts.rows) {
      const given = key.startsWith("x 0 ");
      const shown = given || known(key);
      show(value, shown ? short(steps.value(net, pass, key)) : "");
      g.classList.toggle("unknown", !shown);
      g.classList.toggle("current", key === view.current);
    }
    for (const [key, { g, value }] of parts.targets) {
      show(value, short(steps.value(net, pass, key)));
      g.classList.toggle("dim", view.dimming && !view.lit("f"));
    }
    for (const part of parts.nodes) state(part.g, view);
    for (const line of parts.svg.querySelectorAll(".to-loss")) {
      line.classList.toggle("dim", view.dimming && !view.lit(line.dataset.key));
    }
    updateEdges(parts, view);
  }

  /* What a screen reader says of every element. */
  function label(parts, spoken) {
    for (const { g } of [...parts.nodes, ...parts.edges])
      g.setAttribute("aria-label", spoken(g.dataset.key));
  }

  function state(g, view) {
    const { key } = g.dataset;
    g.classList.toggle("dim", view.dimming && !view.lit(key));
    const selected = key === view.selected;
    g.classList.toggle("selected", selected);
    g.setAttribute("aria-pressed", selected);
  }

  function updateEdges(parts, view) {
    const values = parts.edges.map(({ l, i, j }) => view.coloured(l, i, j));
    const most = largestOf(values.filter((value) => value !== null));
    const thickest = parts.at.dense ? THICKEST_OF_MANY : THICKEST;
    parts.edges.forEach((part, k) => {
      const value = values[k];
      const share = value && most ? Math.min(1, Math.abs(value) / most) : 0;
      const width = THINNEST + (thickest - THINNEST) * (Number.isNaN(share) ? 0 : share);
      part.line.setAttribute("class", `line ${value === null ? "unknown" : sign(value)}`);
      part.line.setAttribute("stroke-width", width.toFixed(2));
      state(part.g, view);
      const current =
        view.current?.endsWith(part.key.slice(1)) && /^(grad|new) /.test(view.current);
      part.g.classList.toggle("current", Boolean(current));
      const hidden =
        value === null ||
        (view.dimming && !view.lit(part.key)) ||
        (parts.at.dense && !view.labelled(part.key));
      part.label.classList.toggle("hidden", hidden);
      if (!hidden) show(part.value, short(value));
    });
    parts.most = most;
  }

  /* Columns for the arrow keys: nodes, weights, nodes, …, the loss. */
  function columns(parts) {
    const result = [];
    for (const part of parts.nodes) (result[2 * part.place.l] ??= []).push(part.g);
    for (const part of parts.edges) (result[2 * part.l + 1] ??= []).push(part.g);
    return result.filter(Boolean);
  }

  /* The element that an arrow key leads to from another. */
  function neighbour(parts, from, arrow) {
    const all = columns(parts);
    const c = all.findIndex((column) => column.includes(from));
    const k = all[c].indexOf(from);
    if (arrow === "ArrowUp") return all[c][Math.max(0, k - 1)];
    if (arrow === "ArrowDown") return all[c][Math.min(all[c].length - 1, k + 1)];
    const next = all[c + (arrow === "ArrowRight" ? 1 : -1)];
    if (!next) return from;
    return next.find((g) => touches(from.dataset.key, g.dataset.key)) ?? nearest(next, from);
  }

  /* Whether a weight begins or ends at a node. */
  function touches(a, b) {
    const [node, weight] = a.startsWith("n") ? [a, b] : [b, a];
    const [, l, i, j] = weight.split(" ").map(Number);
    return node === `n ${l} ${i}` || node === `n ${l + 1} ${j}`;
  }

  function nearest(column, from) {
    const height = (g) => {
      const box = g.getBoundingClientRect();
      return box.top + box.height / 2;
    };
    const y = height(from);
    return column.reduce((best, g) =>
      Math.abs(height(g) - y) < Math.abs(height(best) - y) ? g : best,
    );
  }

  return { build, update, label, neighbour };
})();
