/* The page's own elements, and what they do when they are used. */

"use strict";

(() => {
  const { state } = model;
  const { parts, inputField, targetField } = view;
  const $ = (id) => document.getElementById(id);

  let refreshers = [];

  function buildFields() {
    const { net } = state;
    const L = net.W.length;
    const single = net.sizes[L] === 1;
    const inputs = net.x.map((_, k) => fields.numberField(inputField(k + 1)));
    const targets = net.y.map((_, k) => fields.numberField(targetField(k + 1)));
    const names = Object.keys(network.ACTIVATIONS).map((name) => ({ name }));
    const activations = net.activations.map((_, l) =>
      fields.choice({
        label: `layer ${l + 1}`,
        options: l < L - 1 ? names : [...names, { name: "softmax", disabled: single }],
        read: () => state.net.activations[l],
        write: (name) => model.setActivation(l, name),
      }),
    );
    const loss = fields.choice({
      label: "loss",
      options: Object.entries(network.LOSSES).map(([name, { output }]) => ({
        name,
        disabled: single && output === "softmax",
      })),
      read: () => state.net.loss,
      write: model.setLoss,
    });
    const eta = fields.numberField({
      tokens: ["η ="],
      name: "learning rate",
      least: 0,
      read: () => state.net.eta,
      write: model.setEta,
    });
    const places = { inputs, targets, activations: [...activations, loss], eta: [eta] };
    for (const [id, made] of Object.entries(places)) $(id).append(...made.map(({ root }) => root));
    refreshers = Object.values(places)
      .flat()
      .map(({ refresh }) => refresh);
  }

  /* Marks a symbol's place in the drawing. */
  function pointAt(key) {
    const drawn = key?.replace(/^(grad|new) /, "w ").replace(/^dfdx /, "to-loss ");
    for (const node of parts.svg.querySelectorAll(".pointed")) node.classList.remove("pointed");
    if (!drawn) return;
    const places = parts.svg.querySelectorAll(`[data-key="${drawn}"]`);
    for (const node of places) node.classList.add("pointed");
  }

  function listenToDrawing(svg) {
    svg.addEventListener("click", (event) => {
      const part = event.target.closest("[role=button]");
      model.select(part ? part.dataset.key : null);
      if (part) focusPart(part);
    });
    svg.addEventListener("keydown", (event) => {
      const part = event.target.closest("[role=button]");
      if (!part || event.ctrlKey || event.metaKey || event.altKey) return;
      if (event.key === "Enter" || event.key === " ") model.select(part.dataset.key);
      else if (event.key.startsWith("Arrow")) focusPart(drawing.neighbour(parts, part, event.key));
      else return;
      event.preventDefault();
    });
  }

  /* One element of the drawing is a stop of the Tab key: the one that had the focus last. */
  function focusPart(part) {
    parts.svg.querySelector("[tabindex='0']")?.setAttribute("tabindex", -1);
    part.setAttribute("tabindex", 0);
    part.focus();
  }

  function listenToPanel() {
    const body = $("panel-body");
    const overPath = (event) => {
      const row = event.target.closest?.("[data-path]");
      const path = row ? state.paths[row.dataset.path] : null;
      if (path === state.path) return;
      state.path = path;
      view.renderDrawing();
    };
    for (const kind of ["mouseover", "focusin"]) body.addEventListener(kind, overPath);
    for (const kind of ["mouseleave", "focusout"]) {
      body.addEventListener(kind, () => {
        if (!state.path) return;
        state.path = null;
        view.renderDrawing();
      });
    }
    body.addEventListener("toggle", unfold, true);
    const symbolAt = (event) => event.target.closest?.(".symbol[data-key]")?.dataset.key;
    document.addEventListener("mouseover", (event) => pointAt(symbolAt(event)));
    $("derivation").addEventListener("click", (event) => {
      const key = symbolAt(event);
      if (key) model.select(view.owner(key));
    });
  }

  function unfold({ target }) {
    const level = Number(target.dataset.level);
    if (target.open === state.unfolded.has(level)) return;
    if (target.open) state.unfolded.add(level);
    else state.unfolded.delete(level);
    view.renderPanel();
    $("panel-body").querySelector(`[data-level="${level}"] summary`).focus();
  }

  function listenToControls() {
    const clicks = {
      start: () => model.goTo(0),
      back: () => model.move(-1),
      next: () => model.move(1),
      "phase-back": () => model.goTo(steps.jump(state.all, state.position, -1)),
      "phase-next": () => model.goTo(steps.jump(state.all, state.position, 1)),
      play: model.play,
      everything: model.everything,
      one: () => model.descend(1),
      ten: () => model.descend(10),
      run: model.runOrPause,
      undo: () => model.rewind(state.run.losses.length - 2),
      rewind: () => model.rewind(0),
      reset: model.reset,
      close: () => model.select(null),
      theme: switchTheme,
    };
    for (const [id, action] of Object.entries(clicks)) $(id).addEventListener("click", action);
    $("position").addEventListener("input", () => model.goTo($("position").valueAsNumber));
    $("compare").addEventListener("change", () => {
      model.compare($("compare").checked);
    });
    $("logarithm").addEventListener("change", () => {
      state.logarithm = $("logarithm").checked;
      view.renderDescent();
    });
    $("digits").addEventListener("change", () => {
      notation.setDigits(Number($("digits").value));
      view.render();
    });
    for (const radio of document.querySelectorAll("[name=colour]")) {
      radio.addEventListener("change", () => model.colour(radio.value));
    }
  }

  function switchTheme() {
    const root = document.documentElement;
    const system = matchMedia("(prefers-color-scheme: dark)").matches ? "dark" : "light";
    const now = root.style.colorScheme || system;
    root.style.colorScheme = now === "dark" ? "light" : "dark";
  }

  parts.svg.querySelector(".node").setAttribute("tabindex", 0);
  buildFields();
  listenToDrawing(parts.svg);
  listenToPanel();
  listenToControls();
  model.onChange = () => {
    view.render();
    for (const refresh of refreshers) refresh();
  };
  model.onMessage = (message) => {
    $("status").textContent = message;
  };
  model.begin();
})();
