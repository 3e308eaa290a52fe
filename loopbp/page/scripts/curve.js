/* The loss after every step of descent: one curve, or two with the mistaken run. */

"use strict";

const curve = (() => {
  const { svgElement, number } = notation;

  const WIDTH = 520;
  const HEIGHT = 256;
  const BOX = { left: 62, right: 92, top: 14, bottom: 52 };
  const MOST_POINTS = 500;
  const LABEL_HEIGHT = 18;
  const FEWEST_STEPS = 10;
  const DECADES = 12; // a logarithmic axis shows no more

  /* 1, 2 or 5 times a power of ten, so that an interval holds about `count` of them. */
  function spacing(interval, count) {
    const power = 10 ** Math.floor(Math.log10(interval / count));
    const factor = [1, 2, 5, 10].find((f) => interval / (f * power) <= count);
    return factor * power;
  }

  function linear(low, high) {
    const step = spacing(high - low, 4);
    const ticks = [];
    for (let k = Math.ceil(low / step); k * step <= high * (1 + 1e-9); k++) {
      ticks.push(Number((k * step).toPrecision(6)));
    }
    return { position: (value) => (value - low) / (high - low), ticks };
  }

  function logarithmic(low, high) {
    const from = Math.floor(Math.log10(low));
    const to = Math.max(from + 1, Math.ceil(Math.log10(high)));
    const every = Math.ceil((to - from) / 4);
    const ticks = steps.numbers(from, to).filter((power) => (to - power) % every === 0);
    return {
      position: (value) => (Math.log10(Math.max(value, 10 ** from)) - from) / (to - from),
      ticks: ticks.map((power) => 10 ** power),
    };
  }

  function vertical(losses, logarithm) {
    const high = Math.max(...losses);
    const positive = losses.filter((f) => f > 0);
    if (!logarithm || !positive.length) return linear(0, high > 0 ? high * 1.05 : 1);
    return logarithmic(Math.max(Math.min(...positive), high * 10 ** -DECADES), high);
  }

  /* At most MOST_POINTS of the steps, the last one among them. */
  function thinned(losses) {
    const every = Math.ceil(losses.length / MOST_POINTS);
    const kept = losses.map((f, t) => [t, f]).filter(([t]) => t % every === 0);
    const last = losses.length - 1;
    return last % every === 0 ? kept : [...kept, [last, losses[last]]];
  }

  function text(content, attributes) {
    const node = svgElement("text", attributes);
    node.textContent = content;
    return node;
  }

  /* Draws the runs [{ losses, name, kind }, …]. */
  function draw(svg, runs, logarithm) {
    const drawn = runs.map((run) => ({ ...run, points: thinned(run.losses) }));
    const count = Math.max(FEWEST_STEPS, ...runs.map(({ losses }) => losses.length - 1));
    const across = linear(0, count);
    const upward = vertical(
      drawn.flatMap(({ points }) => points.map(([, f]) => f)),
      logarithm,
    );
    const px = (t) => BOX.left + across.position(t) * (WIDTH - BOX.left - BOX.right);
    const py = (f) => HEIGHT - BOX.bottom - upward.position(f) * (HEIGHT - BOX.top - BOX.bottom);
    svg.setAttribute("viewBox", `0 0 ${WIDTH} ${HEIGHT}`);
    svg.replaceChildren(...axes(across, upward, px, py));
    const ends = drawn.map(({ points }) => py(points.at(-1)[1]));
    const labels = apart(ends);
    drawn.forEach(({ points, name, kind }, k) => {
      const coordinates = points.map(([t, f]) => `${px(t).toFixed(1)},${py(f).toFixed(1)}`);
      const [t, f] = points.at(-1);
      svg.append(
        svgElement("polyline", { class: `run ${kind}`, points: coordinates.join(" ") }),
        svgElement("circle", { class: `end ${kind}`, cx: px(t), cy: py(f), r: 4.5 }),
        text(name, { class: `name ${kind}`, x: px(t) + 10, y: labels[k] + 5 }),
      );
    });
  }

  /* Heights of labels, moved apart where they would overlap. */
  function apart(heights) {
    if (heights.length < 2) return heights;
    const [a, b] = heights;
    const missing = LABEL_HEIGHT - Math.abs(a - b);
    if (missing <= 0) return heights;
    const shift = (a <= b ? -1 : 1) * (missing / 2);
    return [a + shift, b - shift];
  }

  function axes(across, upward, px, py) {
    const [left, right, bottom] = [BOX.left, WIDTH - BOX.right, HEIGHT - BOX.bottom];
    const rules = upward.ticks.flatMap((f) => [
      svgElement("line", { class: "rule", x1: left, x2: right, y1: py(f), y2: py(f) }),
      text(number(f, 3), { class: "tick", x: left - 8, y: py(f) + 5, "text-anchor": "end" }),
    ]);
    const counts = across.ticks.map((t) =>
      text(number(t, 6), { class: "tick", x: px(t), y: bottom + 18, "text-anchor": "middle" }),
    );
    return [
      ...rules,
      ...counts,
      svgElement("line", { class: "axis", x1: left, x2: right, y1: bottom, y2: bottom }),
      text("steps", { class: "tick", x: right, y: bottom + 40, "text-anchor": "end" }),
      text("f", { class: "tick letter", x: 4, y: BOX.top + 8 }),
    ];
  }

  return { draw };
})();
