/* Formulas as lists of tokens, and tokens as HTML or SVG.

   A token is a string, a symbol { name, sub, sup, before, after, key } or a number { value }. Keys
   are those of steps.js; they tie a symbol to its place in the drawing. */

"use strict";

const notation = (() => {
  const SUPERSCRIPTS = "⁰¹²³⁴⁵⁶⁷⁸⁹";
  const ALL_DIGITS = 17;
  const SVG = "http://www.w3.org/2000/svg";
  const INDEX_SIZE = 0.68;
  const INDEX_WIDTH = 0.58; // of a digit, in its own size: about the same in every system font

  let digits = 3;

  function setDigits(count) {
    digits = count;
  }

  function superscript(power) {
    const sign = power < 0 ? "⁻" : "";
    return sign + [...String(Math.abs(power))].map((digit) => SUPERSCRIPTS[digit]).join("");
  }

  /* A number to so many significant digits: 0.412, 0.5 where that is exact, −1.23·10⁻⁷. */
  function number(value, count = digits) {
    if (!Number.isFinite(value)) return Number.isNaN(value) ? "NaN" : value > 0 ? "∞" : "−∞";
    if (value === 0) return "0";
    let text = count >= ALL_DIGITS ? String(value) : value.toPrecision(count);
    const shortest = String(value);
    if (shortest.length < text.length) text = shortest;
    let [mantissa, exponent] = text.split("e");
    if (!exponent && (Math.abs(value) < 1e-3 || Math.abs(value) >= 1e6)) {
      [mantissa, exponent] = (
        count >= ALL_DIGITS ? value.toExponential() : value.toExponential(count - 1)
      ).split("e");
    }
    const power = exponent ? `·10${superscript(Number(exponent))}` : "";
    return mantissa.replace("-", "−") + power;
  }

  /* A number for the drawing, in nine characters at most. */
  function short(value) {
    const size = Math.abs(value);
    return number(value, value && Number.isFinite(value) && (size < 1e-3 || size >= 1e5) ? 2 : 3);
  }

  /* Symbols of the legend. */
  const w = (l, i, j) => ({ name: "w", sub: `${i}${j}`, sup: l, key: `w ${l} ${i} ${j}` });
  const x = (l, i) => ({ name: "x", sub: i, sup: l, key: `x ${l} ${i}` });
  const S = (l, j) => ({ name: "S", sub: j, sup: l, key: `S ${l} ${j}` });
  const delta = (l, j) => ({ name: "δ", sub: j, sup: l, key: `delta ${l} ${j}` });
  const y = (j) => ({ name: "y", sub: j, key: `y ${j}` });
  const f = () => ({ name: "f", key: "f" });
  const grad = (l, i, j) => ({ ...w(l, i, j), before: "∂f/∂", key: `grad ${l} ${i} ${j}` });
  const dfdx = (L, j) => ({ ...x(L, j), before: "∂f/∂", key: `dfdx ${j}` });
  const slope = (l, j) => ({ ...S(l, j), before: "g′(", after: ")" });
  const num = (value) => ({ value });

  /* The symbol of a key of steps.js. */
  function symbol(key, L) {
    const [kind, ...index] = key.split(" ");
    const [a, b, c] = index.map(Number);
    if (kind === "new") return { ...w(a, b, c), key };
    if (kind === "dfdx") return dfdx(L, a);
    return { w, x, S, delta, y, f, grad }[kind](a, b, c);
  }

  /* Tokens as a line of plain text. */
  function text(tokens) {
    return tokens
      .map((token) => {
        if (typeof token === "string") return token;
        if ("value" in token) return number(token.value);
        const sup = token.sup === undefined ? "" : `^(${token.sup})`;
        const sub = token.sub === undefined ? "" : `_${token.sub}`;
        return `${token.before ?? ""}${token.name}${sub}${sup}${token.after ?? ""}`;
      })
      .join("");
  }

  function element(tag, properties = {}, ...children) {
    const node = document.createElement(tag);
    for (const [name, value] of Object.entries(properties)) {
      if (name in node) node[name] = value;
      else node.setAttribute(name, value);
    }
    node.append(...children);
    return node;
  }

  function htmlSymbol(token) {
    const node = element("span", { className: "symbol" });
    if (token.key) node.dataset.key = token.key;
    if (token.before) node.append(token.before);
    node.append(element("i", {}, token.name));
    if (token.sub !== undefined && token.sup === undefined) {
      node.append(element("sub", {}, String(token.sub)));
    } else if (token.sub !== undefined) {
      const indices = element("span", { className: "indices" });
      indices.append(element("sup", {}, `(${token.sup})`), element("sub", {}, String(token.sub)));
      node.append(indices);
    }
    if (token.after) node.append(token.after);
    return node;
  }

  function htmlToken(token) {
    if (typeof token === "string") return token;
    if ("value" in token) {
      return element(
        "span",
        { className: "number", title: String(token.value) },
        number(token.value),
      );
    }
    return htmlSymbol(token);
  }

  /* Tokens as HTML in a span. */
  function html(tokens) {
    return element("span", { className: "formula" }, ...tokens.map(htmlToken));
  }

  function svgElement(tag, attributes = {}) {
    const node = document.createElementNS(SVG, tag);
    for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
    return node;
  }

  function span(content, attributes = {}) {
    const node = svgElement("tspan", attributes);
    node.textContent = content;
    return node;
  }

  /* A symbol as children of an SVG text of this font size: the indices one above the other. */
  function svgSymbol(token, size) {
    const small = size * INDEX_SIZE;
    const spans = [];
    if (token.before) spans.push(span(token.before, { class: "upright" }));
    spans.push(span(token.name, { class: "letter" }));
    if (token.sub === undefined) return spans;
    const sub = String(token.sub);
    const down = size * 0.24;
    const up = size * 0.38;
    spans.push(span(sub, { class: "index", "font-size": small, dy: down, dx: size * 0.04 }));
    if (token.sup === undefined) {
      spans.push(span("\u200b", { dy: -down }));
    } else {
      const back = -sub.length * small * INDEX_WIDTH;
      const place = { "font-size": small, dy: -down - up, dx: back };
      spans.push(span(`(${token.sup})`, { class: "index", ...place }));
      spans.push(span("\u200b", { dy: up }));
    }
    return spans;
  }

  return {
    setDigits,
    number,
    short,
    w,
    x,
    S,
    delta,
    y,
    f,
    grad,
    dfdx,
    slope,
    num,
    symbol,
    text,
    html,
    element,
    svgElement,
    svgSymbol,
  };
})();
