/* The panel: the derivation of what is selected, or the step that is taken. */

"use strict";

const panel = (() => {
  const { element, html, number, num, w, x, S, delta, f, grad } = notation;

  const MOST_PATHS = 10;
  const MOST_UNFOLDED = 6; // equations of the recursion that are shown without being asked for
  const ALL_DIGITS = 17;

  function equationElement({ left, chain }, size = "") {
    const rows = chain.map((tokens, k) => [
      k ? element("span") : html(left),
      element(
        "span",
        { className: k === chain.length - 1 ? "right result" : "right" },
        "= ",
        html(tokens),
      ),
    ]);
    return element("div", { className: `equation ${size}` }, ...rows.flat());
  }

  function section(title, ...children) {
    return element("section", {}, element("h3", {}, title), ...children);
  }

  function headline(symbol, value) {
    const whole = String(value).replace("-", "−");
    const title = element("p", { className: "headline" }, html([symbol, " = ", num(value)]));
    const digits = element("p", { className: "exact" }, `in full: ${whole}`);
    return number(value).length < number(value, ALL_DIGITS).length ? [title, digits] : [title];
  }

  function note(...tokens) {
    const node = html(tokens);
    node.classList.add("note");
    return node;
  }

  /* The δ up to the loss, layer by layer; many of them are folded away. */
  function recursion(net, pass, l, j, unfolded) {
    const layers = derivation.ancestors(net, l, j);
    const few = layers.flat().length <= MOST_UNFOLDED;
    return layers.map((keys, level) => {
      const equations = () =>
        keys.map((key) => equationElement(derivation.equation(net, pass, key)));
      if (few || level === 0) return element("div", {}, ...equations());
      const open = unfolded.has(level);
      const what = keys[0].startsWith("dfdx")
        ? `${keys.length} × ∂f/∂x of layer ${net.W.length}`
        : `the ${keys.length} δ of layer ${keys[0].split(" ")[1]}`;
      const details = element("details", { open }, element("summary", {}, what));
      details.dataset.level = level;
      if (open) details.append(...equations());
      return details;
    });
  }

  function pathRow(factors, product, k) {
    const symbols = factors.flatMap(({ tokens }, n) => (n ? [" · ", ...tokens] : tokens));
    const values = factors.flatMap(({ value }, n) => {
      const tokens = value < 0 && factors.length > 1 ? ["(", num(value), ")"] : [num(value)];
      return n ? [" · ", ...tokens] : tokens;
    });
    const row = element("li", { tabIndex: 0 });
    row.dataset.path = k;
    row.append(
      element("div", { className: "factors" }, html(symbols)),
      element(
        "div",
        { className: "values" },
        html(values),
        " = ",
        element("b", {}, number(product)),
      ),
    );
    return row;
  }

  /* The sum over all paths from node j of layer l + 1, after the factors `first`; the largest ones
     are written out. */
  function pathsSection({ net, pass }, l, j, first, total) {
    const products = derivation.paths(net, pass, l, j, first);
    const count = products.length;
    const listed =
      count > MOST_PATHS ? derivation.largest(products, MOST_PATHS) : [...products.keys()];
    const shown = listed.map((k) => derivation.path(net, pass, l, j, k));
    const written = shown.map((path) => derivation.factors(net, pass, l, path, first));
    const rows = listed.map((k, n) => pathRow(written[n], products[k], n));
    const add = (sum, product) => sum + product;
    const sum = products.reduce(add);
    const children = [element("ol", { className: "paths" }, ...rows)];
    if (listed.length < count) {
      const rest = sum - listed.map((k) => products[k]).reduce(add);
      children.push(note(`… and ${count - listed.length} smaller ones, together `, num(rest), "."));
    }
    const factors = written[0].length;
    const counted = derivation.multiplications(net, l, first.length);
    children.push(
      note(
        "Sum of all paths: ",
        num(sum),
        sum === total ? "." : "; the recursion gives the same but for rounding.",
      ),
      note(
        `${count} ${count === 1 ? "path" : "paths"} of ${factors} factors: ` +
          `${count * (factors - 1)} multiplications. By the recursion: ${counted}.`,
      ),
    );
    return {
      shown,
      node: section(
        `${count === 1 ? "The one path" : `The ${count} paths`} to the loss`,
        ...children,
      ),
    };
  }

  function weight(view, l, i, j) {
    const { net, pass } = view;
    const total = pass.grad[l][i][j - 1];
    const paths = pathsSection(view, l, j, derivation.firstFactors(pass, l, i), total);
    const zero = derivation.zeroNote(net, pass, l, i, j);
    const rule = section(
      "Rule",
      equationElement(derivation.equation(net, pass, `grad ${l} ${i} ${j}`), "big"),
    );
    if (zero) rule.append(note(...zero));
    return {
      title: i
        ? `Weight from node ${i} of layer ${l} to node ${j} of layer ${l + 1}`
        : `Bias of node ${j} of layer ${l + 1}`,
      head: headline(grad(l, i, j), total),
      body: [
        rule,
        section("Recursion up to the loss", ...recursion(net, pass, l, j, view.unfolded)),
        paths.node,
        section("Update", equationElement(derivation.equation(net, pass, `new ${l} ${i} ${j}`))),
      ],
      paths: paths.shown,
    };
  }

  function node(view, l, k) {
    const { net, pass } = view;
    if (k === 0) {
      return {
        title: `Constant node of layer ${l}`,
        head: [element("p", { className: "headline" }, html([x(l, 0), " = 1"]))],
        body: [note("It carries the biases ", w(l, 0, 1), ", … and has no δ.")],
        paths: [],
      };
    }
    const value = steps.value(net, pass, `x ${l} ${k}`);
    const answer = () =>
      section("How the loss answers to it", equationElement(derivation.wishes(net, pass, l, k)));
    if (l === 0) {
      return { title: `Input ${k}`, head: headline(x(0, k), value), body: [answer()], paths: [] };
    }
    const d = pass.delta[l - 1][k - 1];
    const paths = pathsSection(view, l - 1, k, [], d);
    const forward = ["S", "x"].map((kind) =>
      equationElement(derivation.equation(net, pass, `${kind} ${kind === "S" ? l - 1 : l} ${k}`)),
    );
    const name = net.activations[l - 1];
    if (name !== "softmax") {
      const [g, prime] = derivation.FORMULAS[name];
      const value = pass.slope[l - 1][k - 1];
      forward.push(
        equationElement({ left: [notation.slope(l - 1, k)], chain: [[prime], [num(value)]] }),
        note(`${name}: g(S) = ${g}`),
      );
    }
    return {
      title: `Node ${k} of layer ${l}`,
      head: [...headline(x(l, k), value), ...headline(delta(l - 1, k), d)],
      body: [
        section("Forward", ...forward),
        section("Backward", ...recursion(net, pass, l - 1, k, view.unfolded)),
        ...(l < net.W.length ? [answer()] : []),
        paths.node,
      ],
      paths: paths.shown,
    };
  }

  function loss(view) {
    const { net, pass } = view;
    const L = net.W.length;
    const kind = network.LOSSES[net.loss].output ? `delta ${L - 1}` : "dfdx";
    const body = [section("Rule", equationElement(derivation.equation(net, pass, "f"), "big"))];
    if (network.LOSSES[net.loss].output) {
      body.push(
        note("Computed from ", S(L - 1, 1), ", …, so that it neither overflows nor takes ln 0."),
      );
    }
    body.push(
      section(
        "Where the way back begins",
        ...steps
          .nodes(net, L)
          .map((j) => equationElement(derivation.equation(net, pass, `${kind} ${j}`))),
      ),
    );
    return { title: `Loss: ${net.loss}`, head: headline(f(), pass.loss), body, paths: [] };
  }

  function step(view) {
    const { net, pass } = view;
    const { phase, key } = view.step;
    return {
      title: phase,
      head: [],
      body: [
        element("p", { className: "sentence" }, derivation.sentence(net, key)),
        equationElement(derivation.equation(net, pass, key), "huge"),
      ],
      paths: [],
    };
  }

  function ofSelection(view) {
    const [kind, ...index] = view.selected.split(" ");
    const numbers = index.map(Number);
    if (kind === "w") return weight(view, ...numbers);
    return kind === "n" ? node(view, ...numbers) : loss(view);
  }

  /* Fills the elements title, head and body; returns the paths that the body lists. */
  function draw(places, view) {
    const content = view.step ? step(view) : ofSelection(view);
    places.title.textContent = content.title;
    places.head.replaceChildren(...content.head);
    places.body.replaceChildren(...content.body);
    return content.paths;
  }

  return { draw };
})();
