/* Fields for numbers, and what a loss asks of the targets and the output. */

"use strict";

const fields = (() => {
  const { element, html } = notation;
  const STEP = 0.1;

  /* A labelled number: { root, refresh }; `read` gives the value, `write` takes a new one. */
  function numberField({ tokens, name, read, write, least = -Infinity }) {
    const input = element("input", { type: "number", step: STEP, ariaLabel: name });
    input.addEventListener("input", () => {
      const value = input.valueAsNumber;
      const valid = Number.isFinite(value) && value > least;
      input.setAttribute("aria-invalid", !valid);
      if (valid) write(value);
    });
    input.addEventListener("blur", refresh);
    function refresh() {
      if (document.activeElement === input) return;
      input.value = read();
      input.setAttribute("aria-invalid", false);
    }
    refresh();
    return { root: element("label", { className: "field" }, html(tokens), input), refresh };
  }

  /* The same number on a slider that reaches twice as far as the number does. */
  function slider({ name, read, write }) {
    const reach = Math.max(2, 2 * Math.abs(read()));
    const input = element("input", {
      type: "range",
      min: -reach,
      max: reach,
      step: "any",
      ariaLabel: name,
    });
    input.addEventListener("input", () => write(Math.round(input.valueAsNumber * 100) / 100));
    function refresh() {
      if (document.activeElement !== input) input.value = read();
    }
    refresh();
    return { root: input, refresh };
  }

  function choice({ label, options, read, write }) {
    const select = element("select", {});
    const entries = options.map(({ name, disabled }) =>
      element("option", { value: name, disabled: Boolean(disabled) }, name),
    );
    select.append(...entries);
    select.addEventListener("change", () => write(select.value));
    const refresh = () => {
      select.value = read();
    };
    refresh();
    return {
      root: element("label", { className: "choice" }, element("span", {}, label), select),
      refresh,
    };
  }

  const clamped = (value) => Math.min(1, Math.max(0, value));

  /* The targets with y_j set: between 0 and 1 with a sum of 1 where the loss is only defined so. */
  function withTarget(net, j, value) {
    if (!network.LOSSES[net.loss].output) return net.y.with(j - 1, value);
    const target = clamped(value);
    if (net.loss === "binary_cross_entropy") return net.y.with(j - 1, target);
    const others = net.y.reduce((sum, y, k) => (k === j - 1 ? sum : sum + y), 0);
    const rest = 1 - target;
    return net.y.map((y, k) => {
      if (k === j - 1) return target;
      return others > 0 ? (y / others) * rest : rest / (net.y.length - 1);
    });
  }

  /* The targets made fit for a loss; the same if they are. */
  function fitted(y, loss) {
    if (!network.LOSSES[loss].output) return y;
    const bounded = y.map(clamped);
    if (loss === "binary_cross_entropy") return bounded;
    const sum = bounded.reduce((a, b) => a + b, 0);
    if (Math.abs(sum - 1) < 1e-12) return bounded;
    return sum > 0 ? bounded.map((v) => v / sum) : bounded.map(() => 1 / y.length);
  }

  return { numberField, slider, choice, withTarget, fitted };
})();
