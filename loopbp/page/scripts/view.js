/* Shows the state: drawing, panel, steps and descent. */

"use strict";

const view = (() => {
  const { element, html } = notation;
  const { state, known, stepNow } = model;
  const $ = (id) => document.getElementById(id);
  const LARGE = document.querySelector("main").classList.contains("large");
  const LABEL_DELAY = 150; // milliseconds of rest before screen readers get new texts
  const SHOWN_DIFFERENCES = 5;

  const parts = drawing.build($("drawing"), state.net);
  let labelling = 0;
  let editor = { key: null, refresh: () => {} };

  function coloured(l, i, j) {
    if (state.colour === "gradient") {
      return known(`grad ${l} ${i} ${j}`) ? state.pass.grad[l][i][j - 1] : null;
    }
    if (state.colour === "difference")
      return state.run.wrong[l][i][j - 1] - state.run.W[l][i][j - 1];
    const key = known(`new ${l} ${i} ${j}`) ? "new" : "w";
    return steps.value(state.net, state.pass, `${key} ${l} ${i} ${j}`);
  }

  function spoken(key) {
    const { net, pass } = state;
    const [kind, ...index] = key.split(" ");
    const [l, i, j] = index.map(Number);
    const read = (quantity) => notation.number(steps.value(net, pass, quantity), 3);
    if (kind === "f") return `loss ${net.loss}: ${known("f") ? read("f") : "not computed yet"}`;
    if (kind === "w") {
      const what = i ? `weight from node ${i} of layer ${l} to node ${j}` : `bias of node ${j}`;
      const slope = known(`grad ${l} ${i} ${j}`)
        ? `, derivative ${read(`grad ${l} ${i} ${j}`)}`
        : "";
      return `${what} of layer ${l + 1}: ${read(key)}${slope}`;
    }
    if (i === 0) return `constant node of layer ${l}`;
    if (l === 0) return `input ${i}: ${read(`x 0 ${i}`)}`;
    const output = known(`x ${l} ${i}`) ? `: ${read(`x ${l} ${i}`)}` : "";
    const back = known(`delta ${l - 1} ${i}`) ? `, delta ${read(`delta ${l - 1} ${i}`)}` : "";
    return `node ${i} of layer ${l}${output}${back}`;
  }

  function renderDrawing() {
    const { keys, labelled } = highlight.of(state, stepNow());
    drawing.update(parts, {
      net: state.net,
      pass: state.pass,
      known,
      coloured,
      dimming: keys !== null,
      lit: (key) => keys === null || keys.has(key),
      labelled: (key) => labelled.has(key),
      selected: state.stepping ? null : state.selected,
      current: stepNow()?.key ?? null,
    });
    clearTimeout(labelling);
    labelling = setTimeout(() => drawing.label(parts, spoken), LABEL_DELAY);
    document.querySelector(`[name=colour][value=${state.colour}]`).checked = true;
    const most = notation.number(parts.most, 3);
    $("most-minus").textContent = parts.most ? `−${most}` : "";
    $("most-plus").textContent = parts.most ? most : "0";
  }

  function renderPanel() {
    const step = stepNow();
    const shown = step || (state.selected && !state.stepping);
    $("hint").hidden = Boolean(shown);
    $("derivation").hidden = !shown;
    if (!shown) {
      state.paths = [];
      renderEditor();
      return;
    }
    const { net, pass, selected, unfolded } = state;
    const places = { title: $("panel-title"), head: $("panel-head"), body: $("panel-body") };
    state.paths = panel.draw(places, { net, pass, selected, unfolded, step });
    renderEditor();
  }

  /* The field for the selected weight, input or target; it stays while the selection does. */
  function renderEditor() {
    const key = state.stepping ? null : state.selected;
    if (key !== editor.key) {
      const field = key && editable(key);
      const made = field ? [fields.numberField(field), fields.slider(field)] : [];
      $("editor").replaceChildren(...made.map(({ root }) => root));
      editor = { key, refresh: () => made.forEach(({ refresh }) => refresh()) };
    }
    editor.refresh();
  }

  function editable(key) {
    const [kind, ...index] = key.split(" ");
    const [l, i, j] = index.map(Number);
    if (kind === "w") {
      return {
        tokens: [notation.w(l, i, j), " ="],
        name: "the selected weight",
        read: () => state.net.W[l][i][j - 1],
        write: (value) => model.setWeight(l, i, j, value),
      };
    }
    if (kind === "n" && i && l === 0) return inputField(i);
    if (kind === "n" && l === state.net.W.length) return targetField(i);
    return null;
  }

  function inputField(i) {
    return {
      tokens: [notation.x(0, i), " ="],
      name: `input ${i}`,
      read: () => state.net.x[i - 1],
      write: (value) => model.setInput(i, value),
    };
  }

  function targetField(j) {
    return {
      tokens: [notation.y(j), " ="],
      name: `target ${j}`,
      read: () => state.net.y[j - 1],
      write: (value) => model.setTarget(j, value),
    };
  }

  function renderSteps() {
    const slider = $("position");
    const step = state.position ? state.all[state.position - 1] : null;
    const L = state.net.W.length;
    slider.max = state.all.length;
    slider.value = state.position;
    const symbol = step ? [notation.symbol(step.key, L)] : ["nothing is computed yet"];
    const whole = !state.stepping;
    const count = `${state.position} of ${state.all.length}`;
    slider.setAttribute(
      "aria-valuetext",
      `${count}: ${step ? `${step.phase}, ` : ""}${notation.text(symbol)}`,
    );
    $("step-count").textContent = count;
    $("step-name").replaceChildren(html(caption(step, symbol)));
    for (const phase of steps.PHASES) {
      const label = $(`phase-${phase}`);
      const length = state.all.filter((other) => other.phase === phase).length;
      label.style.flexGrow = length;
      label.setAttribute("aria-current", !whole && step?.phase === phase ? "step" : "false");
      label.classList.toggle("done", state.position >= steps.end(state.all, phase));
    }
    $("play").textContent = state.playing ? "Pause" : "Play";
    $("back").disabled = !state.position && state.run.losses.length < 2;
  }

  /* What stands below the drawing: where one is; below a large one, far from the panel, also the
     equation of the step or of the selection. */
  function caption(step, symbol) {
    const key = state.stepping ? step?.key : explained(state.selected);
    const phase = state.stepping && step ? [`${step.phase}: `] : [];
    if (LARGE && key) {
      const { left, chain } = derivation.equation(state.net, state.pass, key);
      return [...phase, ...left, ...chain.flatMap((tokens) => [" = ", ...tokens])];
    }
    return state.stepping ? [...phase, ...symbol] : ["The whole pass is shown, before the update."];
  }

  /* The quantity that a selection is about first of all. */
  function explained(selected) {
    if (!selected || selected === "f") return selected;
    const [kind, l, i, j] = selected.split(" ");
    if (kind === "w") return `grad ${l} ${i} ${j}`;
    return l === "0" || i === "0" ? null : `delta ${l - 1} ${i}`;
  }

  function renderDescent() {
    const { run } = state;
    const runs = [{ losses: run.losses, name: state.compare ? "correct" : "", kind: "right" }];
    if (state.compare) runs.push({ losses: run.wrongLosses, name: "mistaken", kind: "wrong" });
    curve.draw($("curve"), runs, state.logarithm);
    const taken = run.losses.length - 1;
    $("taken").replaceChildren(
      `${taken} ${taken === 1 ? "step" : "steps"}, `,
      html([notation.f(), " = ", notation.num(run.losses.at(-1))]),
    );
    $("compare").checked = state.compare;
    $("run").textContent = state.running ? "Pause" : "Run";
    $("undo").disabled = $("rewind").disabled = taken === 0;
    for (const id of ["one", "ten", "run"]) $(id).disabled = Boolean(run.stopped);
    $("comparison").hidden = !state.compare;
    if (state.compare) renderComparison();
  }

  function renderComparison() {
    const found = descent.differences(state.run);
    const { length } = state.net.W.flat(2);
    const taken = state.run.losses.length - 1;
    const after = `After ${taken} ${taken === 1 ? "step" : "steps"}`;
    const agree = " Those of the last layer agree: their δ needs no weight that has changed.";
    $("different").textContent = taken
      ? `${after} the mistake has changed ${found.length} of ${length} weights.` +
        (taken === 1 ? agree : "")
      : "Take a step to see which weights come out differently.";
    const rows = found
      .slice(0, SHOWN_DIFFERENCES)
      .map(({ l, i, j, w, wrong, difference }) =>
        element(
          "tr",
          {},
          element("th", { scope: "row" }, html([notation.w(l, i, j)])),
          ...[w, wrong, difference].map((value) => element("td", {}, notation.number(value))),
        ),
      );
    $("differences").replaceChildren(...rows);
    $("difference-table").hidden = !rows.length;
  }

  function render() {
    renderDrawing();
    renderPanel();
    renderSteps();
    renderDescent();
    reveal();
  }

  /* What to select when a symbol is clicked. */
  function owner(key) {
    const [kind, ...index] = key.split(" ");
    const L = state.net.W.length;
    const [a, b] = index.map(Number);
    if (kind === "S" || kind === "delta") return `n ${a + 1} ${b}`;
    if (kind === "x") return `n ${a} ${b}`;
    if (kind === "y" || kind === "dfdx") return `n ${L} ${a}`;
    return kind === "f" ? "f" : ["w", ...index].join(" ");
  }

  /* Scrolls a drawing that is wider than the screen to what the step explains. */
  function reveal() {
    const step = stepNow();
    const part = step && parts.svg.querySelector(`[data-key="${owner(step.key)}"]`);
    if (!part) return;
    const scroll = parts.svg.parentElement;
    const [inner, outer] = [part.getBoundingClientRect(), scroll.getBoundingClientRect()];
    if (inner.left >= outer.left && inner.right <= outer.right) return;
    scroll.scrollLeft += (inner.left + inner.right - outer.left - outer.right) / 2;
  }

  return {
    parts,
    render,
    renderDrawing,
    renderDescent,
    renderPanel,
    inputField,
    targetField,
    owner,
  };
})();
