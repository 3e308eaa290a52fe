/* exp, log, tanh and their kin from + − × ÷, comparisons and integer operations alone.

   Every function repeats its namesake in loopbp/kernels/elementary.py, operation by operation, in
   float64, so that it gives the same bits; `constants` are that file's. The 64 bits of a number are
   two words of 32. Where the original takes an integer from the low bits of a number, it fits into
   the low word; where it shifts an integer to the exponent, it ends in the high word. */

"use strict";

const elementary = ((c) => {
  const number = new Float64Array(1);
  const words = new Int32Array(number.buffer);
  number[0] = 1;
  const HIGH = words[1] === 0 ? 0 : 1;
  const LOW = 1 - HIGH;
  const SIGN = -(2 ** 31);
  const SHIFT = c.shift - 32;
  const LEADING = c.leading | 0;
  const INFINITE = Number.POSITIVE_INFINITY;

  function highWord(x) {
    number[0] = x;
    return words[HIGH];
  }

  function lowWord(x) {
    number[0] = x;
    return words[LOW];
  }

  function fromWords(high, low) {
    words[HIGH] = high;
    words[LOW] = low;
    return number[0];
  }

  const SQRT_HALF_HIGH = highWord(c.sqrt_half);
  const SQRT_HALF_LOW = lowWord(c.sqrt_half) >>> 0;
  const MAGIC_LOW = lowWord(c.magic);

  /* The leading half of the significand. */
  function leadingHalf(x) {
    return fromWords(highWord(x), lowWord(x) & LEADING);
  }

  /* y ≥ 0 with the sign of x, also that of −0. */
  function withSignOf(x, y) {
    return fromWords(highWord(y) | (highWord(x) & SIGN), lowWord(y));
  }

  /* coefficients[2 i] + coefficients[2 i + 1] t, where the last may be missing. */
  function pair(t, coefficients, i) {
    if (2 * i + 1 === coefficients.length) return coefficients[2 * i];
    return coefficients[2 * i] + coefficients[2 * i + 1] * t;
  }

  /* coefficients[0] + coefficients[1] t + …: pairs, then Horner's rule in t⁴ for every other one. */
  function polynomial(t, coefficients) {
    const square = t * t;
    const fourth = square * square;
    const last = (coefficients.length - 1) >> 1;
    let a = pair(t, coefficients, last);
    for (let i = last - 2; i >= 0; i -= 2) a = a * fourth + pair(t, coefficients, i);
    let b = pair(t, coefficients, last - 1);
    for (let i = last - 3; i >= 0; i -= 2) b = b * fourth + pair(t, coefficients, i);
    return last % 2 === 0 ? a + square * b : b + square * a;
  }

  /* (n + nLow) / (d + dLow), hardly worse than rounded once. */
  function quotient(n, nLow, d, dLow) {
    const reciprocal = 1 / d;
    const q = leadingHalf(n * reciprocal);
    const dHalf = leadingHalf(d);
    const remainder = n - q * dHalf + (nLow - q * (d - dHalf + dLow));
    return q + remainder * reciprocal;
  }

  /* [high, tail, bits] with eˣ = 2ᵏ (1 + high + tail) and bits = k + 2 bias. */
  function expParts(x) {
    const rounded = x * c.log2_e + c.magic;
    const k = rounded - c.magic;
    const high = x - k * c.ln2_high;
    const low = k * c.ln2_low;
    const r = high - low;
    const square = r * r;
    return [high, square * polynomial(r, c.exp) - low, lowWord(rounded)];
  }

  /* 2ᵏ from bits = k + 2 bias, where 2ᵏ is normal. */
  function powerOfTwo(bits) {
    return fromWords((bits - c.bias) << SHIFT, 0);
  }

  /* [a, b] with a b = 2ᵏ from bits = k + 2 bias, also where 2ᵏ over- or underflows. */
  function twoPowers(bits) {
    const half = bits >> 1;
    return [fromWords(half << SHIFT, 0), fromWords((bits - half) << SHIFT, 0)];
  }

  /* The number of [low, high] nearest to x; NaN stays. */
  function clamp(x, low, high) {
    const y = low > x ? low : x;
    return high < y ? high : y;
  }

  function exp(x) {
    const [high, tail, bits] = expParts(clamp(x, c.exp_low, c.exp_high));
    const [a, b] = twoPowers(bits);
    return (1 + (high + tail)) * a * b;
  }

  function expm1(x) {
    const [high, tail, bits] = expParts(clamp(x, c.expm1_low, c.expm1_high));
    const s = high + tail;
    const sLow = high - s + tail;
    const power = powerOfTwo(bits - 1);
    const y = 2 * (power - 0.5 + power * s + power * sLow);
    return Math.abs(x) < c.least_normal ? x : y;
  }

  /* 1 + (m + mLow) a b as [d, dLow]; a and b are powers of two. */
  function onePlus(m, mLow, a, b) {
    const e = m * a * b;
    const d = 1 + e;
    return [d, 1 - d + e + mLow * a * b];
  }

  /* [m, mLow, bits] with eˣ = 2ᵏ (m + mLow). */
  function expPair(x) {
    const [high, tail, bits] = expParts(x);
    const s = high + tail;
    const sLow = high - s + tail;
    const m = 1 + s;
    return [m, 1 - m + s + sLow, bits];
  }

  function tanh(x) {
    const size = Math.abs(x);
    const a = c.tanh_high < size ? c.tanh_high : size;
    const [high, tail, bits] = expParts(-(a + a));
    const power = powerOfTwo(bits - 1);
    const full = 0.5 + (1 + (high + tail)) * power;
    const d = leadingHalf(full);
    const dLow = 0.5 - d + power + high * power + tail * power;
    const reciprocal = 1 / full;
    const q = leadingHalf(reciprocal);
    const far = q - 1 + (1 - q * d - q * dLow) * reciprocal;
    const near = a - a * a * (a * c.third);
    return withSignOf(x, a < c.tanh_low ? near : far);
  }

  function sigmoid(x) {
    const [m, mLow, bits] = expPair(clamp(-Math.abs(x), c.exp_low, 0));
    const [a, b] = twoPowers(bits);
    const [d, dLow] = onePlus(m, mLow, a, b);
    const negative = x < 0;
    const y = quotient(negative ? m : 1, negative ? mLow : 0, d, dLow);
    return y * (negative ? a : 1) * (negative ? b : 1);
  }

  /* [k, m] with u = 2ᵏ m, m in [√½, √2), for a normal u > 0. */
  function splitExponent(u) {
    const high = highWord(u);
    const low = lowWord(u);
    const borrow = low >>> 0 < SQRT_HALF_LOW ? 1 : 0;
    const k = (high - SQRT_HALF_HIGH - borrow) >> SHIFT;
    return [k, fromWords(high - (k << SHIFT), low)];
  }

  /* ln(1 + f) + k ln 2 for |f| < 0.42 and d = 2 + f, roughly rounded. */
  function logSum(f, d, k) {
    const s = f / d;
    const z = s * s;
    const rest = s * f - k * c.ln2_low - s * z * polynomial(z, c.log);
    return k * c.ln2_high + (f - rest);
  }

  /* y for edge < x < ∞, x for infinity, −∞ at the edge, NaN below it and for NaN. */
  function inDomain(x, edge, y) {
    if (x > edge) return x < INFINITE ? y : x;
    return x === edge ? -INFINITE : Number.NaN;
  }

  function log(x) {
    const subnormal = x < c.least_normal;
    const [k, m] = splitExponent(subnormal ? x * c.normaliser : x);
    return inDomain(x, 0, logSum(m - 1, m + 1, subnormal ? k - (c.shift + 2) : k));
  }

  /* ln(u + uLow) for a normal u > 0 and |uLow| of at most its last place. */
  function logOfPair(u, uLow) {
    const [k, m] = splitExponent(u);
    const scaled = uLow * fromWords((c.bias + 1 - k) << SHIFT, 0) * 0.5;
    return logSum(m - 1 + scaled, m + 1, k);
  }

  function log1p(x) {
    const u = 1 + x;
    const uLow = x > 1 ? 1 - (u - x) : x - (u - 1);
    const y = inDomain(x, -1, logOfPair(u, uLow));
    return x === 0 ? x : y;
  }

  function softplus(x) {
    const [m, mLow, bits] = expPair(clamp(-Math.abs(x), c.exp_low, 0));
    const [a, b] = twoPowers(bits);
    const [d, dLow] = onePlus(m, mLow, a, b);
    return (x > 0 ? x : 0) + logOfPair(d, dLow);
  }

  function erf(x) {
    const size = Math.abs(x);
    const a = c.erf_high < size ? c.erf_high : size;
    const near = a + a * polynomial(a * a, c.erf);
    const [high, tail, bits] = expParts(-polynomial(a, c.log_erfc));
    const power = powerOfTwo(bits);
    const far = 1 - (power + power * (high + tail));
    return withSignOf(x, a < 1 ? near : far);
  }

  /* [r, rLow, quadrant]: a = quadrant π/2 + r + rLow with |r| < 0.7855. */
  function angle(a) {
    const rounded = a * c.two_over_pi + c.magic;
    const quadrant = rounded - c.magic;
    let r = a - quadrant * c.half_pi[0];
    let rLow = 0;
    for (let i = 1; i < c.half_pi.length; i++) {
      const part = quadrant * c.half_pi[i];
      const difference = r - part;
      rLow = rLow + (r - difference - part);
      r = difference;
    }
    return [r, rLow, lowWord(rounded) - MAGIC_LOW];
  }

  /* sin(a + quadrants π/2) for a ≥ 0, NaN where a is above the limit. */
  function sinOfQuadrant(a, quadrants) {
    const [r, rLow, count] = angle(a);
    const quadrant = count + quadrants;
    const z = r * r;
    const sine = r + (r * z * polynomial(z, c.sin) + rLow);
    const halfZ = 0.5 * z;
    const w = 1 - halfZ;
    const cosine = w + (1 - w - halfZ + (z * z * polynomial(z, c.cos) - r * rLow));
    const y = (quadrant & 1) === 0 ? sine : cosine;
    if (!(a <= c.angle_high)) return Number.NaN;
    return (quadrant & 2) === 0 ? y : -y;
  }

  function sin(x) {
    const y = sinOfQuadrant(Math.abs(x), 0);
    return highWord(x) < 0 ? -y : y;
  }

  function cos(x) {
    return sinOfQuadrant(Math.abs(x), 1);
  }

  return { exp, expm1, log, log1p, tanh, sigmoid, softplus, erf, sin, cos };
})(constants);
