"""exp, log, tanh and their kin from + - * /, comparisons and integer operations alone.

The bits of a result depend on the argument, not on the machine's libm: every operation is rounded
on its own and in the order written. A float32 argument is computed in float32, a float64 argument
in float64, with the constants of `SINGLE` or `DOUBLE`. Where a function has two formulas, both are
computed and one is selected, so that a loop over an array becomes vector code.

Three devices recur.

- Rounding to an integer: to a small number t add 1.5 * 2**p, p the width of the stored
  significand. The sum is that constant plus t rounded; its low bits hold the integer.
- Sums in two parts: if |a| >= |b| and s is a + b rounded, then s + ((a - s) + b) is a + b exactly
  (Dekker 1971). A pair is written `d`, `d_low`.
- Exact products: a number cut to the leading half of its significand times another such number is
  exact, so that a remainder n - q d can be had without a fused multiply-add.

The worst errors seen, in units of the last place, float64 (float32): exp 0.89 (0.89), log 0.86
(0.88), tanh 0.96 (0.95), sigmoid 0.76 (0.75), sin 0.89 (0.95), cos 1.00 (0.99), expm1 1.33 (1.22),
log1p 1.46 (1.48), erf 1.50 (1.40), softplus 1.40 (1.48). They are observations on samples, not
proofs: some 200,000 numbers each in float64, and one in 401 of all float32 numbers.
Underflow is gradual. NaN gives NaN. Arguments and results are scalars, all of one dtype.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np

from loopbp.kernels.compile import scalar

_f32 = np.float32
_f64 = np.float64
_hex = float.fromhex


def _singles(*values: float) -> tuple[np.float32, ...]:
    return tuple(np.float32(value) for value in values)


def _doubles(*values: float) -> tuple[np.float64, ...]:
    return tuple(np.float64(value) for value in values)


class Format(NamedTuple):
    """What the functions below need to know of float32 or float64.

    The polynomials are minimax fits by the Remez exchange in 45-digit arithmetic, rounded to the
    format, lowest degree first. Their degree and greatest error as rounded, float64 (float32):

    - `exp`: (e**r - 1 - r) / r**2 on |r| <= 0.3469, 1/2 kept; degree 9 (4); error of e**r
      6.1e-18 (3.5e-9).
    - `log`: (2 artanh(s) / s - 2) / z in z = s**2 on |s| <= 0.17158; degree 6 (2); error of
      artanh(s) / s 1.9e-18 (8.9e-10).
    - `sin`: (sin(r) / r - 1) / z in z = r**2 on |r| <= 0.7855; degree 5 (2); error of
      sin(r) / r 6.0e-18 (5.4e-9).
    - `cos`: (cos(r) - 1 + z/2) / z**2 in z = r**2 on |r| <= 0.7855; degree 5 (2); error of
      cos(r) 9.1e-19 (5.0e-10).
    - `erf`: erf(x) / x - 1 in z = x**2 on |x| <= 1; degree 11 (6); error 3.5e-17 (1.5e-8).
    - `log_erfc`: -log(1 - erf(x)) in x on [1, 6] ([1, 4]); degree 17 (7); error of erf(x)
      2.6e-17 (4.1e-9).
    """

    shift: int  # width p of the stored significand
    bias: int  # the exponent field of 1.0
    sign: int  # the bit of the sign
    leading: int  # the bits of the sign, the exponent and the leading half of the significand
    sqrt_half: int  # the bits of sqrt(1/2)
    magic: Any  # 1.5 * 2**p + 2 bias
    magic_bits: int
    least_normal: Any
    normaliser: Any  # 2**(p + 2)
    log2_e: Any
    ln2_high: Any  # times any exponent, this is exact
    ln2_low: Any  # log(2) - ln2_high
    exp_low: Any  # below, exp is 0
    exp_high: Any  # above, exp is infinite
    expm1_low: Any  # below, expm1 is -1
    expm1_high: Any  # above, expm1 is infinite
    third: Any  # 1/3
    tanh_low: Any  # below, tanh(x) is x - x**3/3
    tanh_high: Any  # above, tanh is 1
    erf_high: Any  # above, erf is 1
    angle_high: Any  # above, sin and cos are NaN
    two_over_pi: Any
    half_pi: Any  # parts that add up to pi/2; times a quadrant, all but the last are exact
    exp: Any
    log: Any
    sin: Any
    cos: Any
    erf: Any
    log_erfc: Any


DOUBLE = Format(
    shift=52,
    bias=1023,
    sign=-(2**63),
    leading=-(2**27),
    sqrt_half=int(_f64(0.5**0.5).view(np.int64)),
    magic_bits=int(_f64(1.5 * 2.0**52 + 2046).view(np.int64)),
    magic=_f64(1.5 * 2.0**52 + 2046),
    least_normal=_f64(2.0**-1022),
    normaliser=_f64(2.0**54),
    log2_e=_f64(_hex("0x1.71547652b82fep+0")),
    ln2_high=_f64(_hex("0x1.62e42feep-1")),
    ln2_low=_f64(_hex("0x1.a39ef35793c76p-33")),
    exp_low=_f64(-750),
    exp_high=_f64(710),
    expm1_low=_f64(-40),
    expm1_high=_f64(709.8),
    third=_f64(1 / 3),
    tanh_low=_f64(2.0**-14),
    tanh_high=_f64(20),
    erf_high=_f64(6),
    angle_high=_f64(2.0**20),
    two_over_pi=_f64(_hex("0x1.45f306dc9c883p-1")),
    half_pi=_doubles(
        _hex("0x1.921fb544p+0"),
        _hex("0x1.0b4611a6p-34"),
        _hex("0x1.3198a2ep-69"),
        _hex("0x1.b839a252049c1p-104"),
    ),
    exp=_doubles(
        0.5,
        0.16666666666666685,
        0.04166666666660238,
        0.008333333333313828,
        0.0013888888927452512,
        0.00019841269905161293,
        2.480150783984068e-05,
        2.7557225827699747e-06,
        2.762552769765575e-07,
        2.5115182482514838e-08,
    ),
    log=_doubles(
        0.6666666666666734,
        0.3999999999941432,
        0.28571428742473887,
        0.22222198563638634,
        0.1818356485691767,
        0.15314036115969032,
        0.14796102424714472,
    ),
    sin=_doubles(
        -0.16666666666666632,
        0.008333333333322413,
        -0.00019841269829807553,
        2.7557313691818405e-06,
        -2.505075809925392e-08,
        1.589679472992792e-10,
    ),
    cos=_doubles(
        0.0416666666666666,
        -0.0013888888888874125,
        2.4801587289482276e-05,
        -2.755731435235817e-07,
        2.0875723276575423e-09,
        -1.1359647972120136e-11,
    ),
    erf=_doubles(
        0.12837916709551256,
        -0.3761263890318355,
        0.11283791670945252,
        -0.026866170643276083,
        0.005223977607422558,
        -0.0008548325989663308,
        0.00012055295319784304,
        -1.492474465468708e-05,
        1.6447517624517522e-06,
        -1.620917585117803e-07,
        1.37229772738335e-08,
        -7.801192743384179e-10,
    ),
    log_erfc=_doubles(
        5.132523848983955e-07,
        1.1283739916151774,
        0.6366440554863498,
        0.10270228884853629,
        -0.018988040448040543,
        -0.0004135384792182517,
        0.0019189473343494618,
        -0.0007730442360600357,
        0.00013655477970632267,
        1.952358592869451e-05,
        -2.2533197777993695e-05,
        8.578889435685098e-06,
        -2.114827050962002e-06,
        3.6957052355019976e-07,
        -4.5933900459798204e-08,
        3.890077019633277e-09,
        -2.0203791370210303e-10,
        4.865197099085187e-12,
    ),
)

SINGLE = Format(
    shift=23,
    bias=127,
    sign=-(2**31),
    leading=-(2**12),
    sqrt_half=int(_f32(0.5**0.5).view(np.int32)),
    magic_bits=int(_f32(1.5 * 2.0**23 + 254).view(np.int32)),
    magic=_f32(1.5 * 2.0**23 + 254),
    least_normal=_f32(2.0**-126),
    normaliser=_f32(2.0**25),
    log2_e=_f32(_hex("0x1.715476p+0")),
    ln2_high=_f32(_hex("0x1.62e4p-1")),
    ln2_low=_f32(_hex("0x1.7f7d1cp-20")),
    exp_low=_f32(-110),
    exp_high=_f32(90),
    expm1_low=_f32(-20),
    expm1_high=_f32(88.75),
    third=_f32(1 / 3),
    tanh_low=_f32(2.0**-7),
    tanh_high=_f32(10),
    erf_high=_f32(4),
    angle_high=_f32(2.0**13),
    two_over_pi=_f32(_hex("0x1.45f306p-1")),
    half_pi=_singles(
        _hex("0x1.92p+0"),
        _hex("0x1.fbp-12"),
        _hex("0x1.51p-22"),
        _hex("0x1.0bp-34"),
        _hex("0x1.184698p-44"),
    ),
    exp=_singles(0.5, 0.1666652, 0.041666385, 0.008368795, 0.0013942077),
    log=_singles(0.66666776, 0.39977536, 0.2987186),
    sin=_singles(-0.16666655, 0.008332178, -0.00019517234),
    cos=_singles(0.041666646, -0.0013887367, 2.443838e-05),
    erf=_singles(
        0.12837917, -0.37612626, 0.112836, -0.026854444, 0.005189535, -0.000802084, 7.889115e-05
    ),
    log_erfc=_singles(
        -0.00018803604,
        1.1295784,
        0.63321996,
        0.10841854,
        -0.025208235,
        0.0042045545,
        -0.00044133494,
        2.1686734e-05,
    ),
)


@scalar
def _format(x):
    """The constants of the format of x."""
    if isinstance(x, np.float32):
        return SINGLE
    return DOUBLE


@scalar
def _bits(x):
    """The bits of x as an integer of the same width."""
    if isinstance(x, np.float32):
        return np.float32(x).view(np.int32)
    return np.float64(x).view(np.int64)


@scalar
def _integer(x, n):
    """The integer n in the width of x, so that float32 goes with 32 bits throughout."""
    return np.int32(n) if isinstance(x, np.float32) else np.int64(n)


@scalar
def _number(x, bits):
    """The number with these bits, in the format of x; bits of too high a weight are dropped."""
    if isinstance(x, np.float32):
        return np.int32(bits).view(np.float32)
    return np.int64(bits).view(np.float64)


@scalar
def _select(condition, a, b):
    """a where the condition holds, b elsewhere, both computed: no branch is left in a loop."""
    return a if condition else b


@scalar
def _with_sign_of(x, y):
    """y >= 0 with the sign of x, also that of -0."""
    return _number(x, _bits(y) | (_bits(x) & _format(x).sign))


@scalar
def _pair(t, coefficients, i):
    """coefficients[2 i] + coefficients[2 i + 1] t, where the last may be missing."""
    if 2 * i + 1 == len(coefficients):
        return coefficients[2 * i]
    return coefficients[2 * i] + coefficients[2 * i + 1] * t


@scalar
def _polynomial(t, coefficients):
    """coefficients[0] + coefficients[1] t + ..., of at least three terms.

    Pairs first, as Estrin does, then Horner's rule in t**4 for every other pair: chains a quarter
    as long as Horner's, since what takes time is operations that wait for each other.
    """
    square = t * t
    fourth = square * square
    last = (len(coefficients) - 1) // 2
    a = _pair(t, coefficients, last)
    for i in range(last - 2, -1, -2):
        a = a * fourth + _pair(t, coefficients, i)
    b = _pair(t, coefficients, last - 1)
    for i in range(last - 3, -1, -2):
        b = b * fourth + _pair(t, coefficients, i)
    return a + square * b if last % 2 == 0 else b + square * a


@scalar
def _leading_half(x):
    """x cut to the leading half of its significand."""
    return _number(x, _bits(x) & _format(x).leading)


@scalar
def _quotient(n, n_low, d, d_low):
    """(n + n_low) / (d + d_low), hardly worse than rounded once.

    q is the quotient to half precision, so that q d_half is exact; the remainder gives the rest.
    """
    reciprocal = type(n)(1) / d
    q = _leading_half(n * reciprocal)
    d_half = _leading_half(d)
    remainder = (n - q * d_half) + (n_low - q * ((d - d_half) + d_low))
    return q + remainder * reciprocal


@scalar
def _exp_parts(x):
    """(high, tail, bits) with e**x = 2**k (1 + high + tail), |tail| < 0.07, bits = k + 2 bias.

    x = k log(2) + r, |r| <= log(2)/2, with log(2) in two parts (Cody and Waite 1980); `high` is
    x - k log(2) but for the low part of log(2), exactly. Only the low bits of `bits` are meant:
    shift left before use.
    """
    c = _format(x)
    rounded = x * c.log2_e + c.magic
    k = rounded - c.magic
    high = x - k * c.ln2_high
    low = k * c.ln2_low
    r = high - low
    square = r * r
    return high, square * _polynomial(r, c.exp) - low, _bits(rounded)


@scalar
def _power_of_two(x, bits):
    """2**k from bits = k + 2 bias, where 2**k is normal."""
    c = _format(x)
    return _number(x, (bits - c.bias) << c.shift)


@scalar
def _two_powers(x, bits):
    """(a, b) with a b = 2**k from bits = k + 2 bias, also where 2**k over- or underflows."""
    shift = _format(x).shift
    half = bits >> 1
    return _number(x, half << shift), _number(x, (bits - half) << shift)


@scalar
def _clamp(x, low, high):
    """The number of [low, high] nearest to x; NaN stays."""
    x = _select(low > x, low, x)
    return _select(high < x, high, x)


@scalar
def exp(x):
    """e**x = 2**k (1 + s), with infinity above the range and gradual underflow below."""
    c = _format(x)
    high, tail, bits = _exp_parts(_clamp(x, c.exp_low, c.exp_high))
    a, b = _two_powers(x, bits)
    return (type(x)(1) + (high + tail)) * a * b


@scalar
def expm1(x):
    """e**x - 1 = 2 ((2**(k-1) - 1/2) + 2**(k-1) s), which loses nothing near 0."""
    c = _format(x)
    high, tail, bits = _exp_parts(_clamp(x, c.expm1_low, c.expm1_high))
    s = high + tail
    s_low = (high - s) + tail
    power = _power_of_two(x, bits - 1)
    y = type(x)(2) * (((power - type(x)(0.5)) + power * s) + power * s_low)
    return _select(abs(x) < c.least_normal, x, y)


@scalar
def _one_plus(m, m_low, a, b):
    """1 + (m + m_low) a b as (d, d_low), for a sum of at most 2; a, b powers of two."""
    one = type(m)(1)
    e = m * a * b
    d = one + e
    return d, ((one - d) + e) + m_low * a * b


@scalar
def _exp_pair(x):
    """(m, m_low, bits) with e**x = 2**k (m + m_low)."""
    high, tail, bits = _exp_parts(x)
    s = high + tail
    s_low = (high - s) + tail
    m = type(x)(1) + s
    return m, ((type(x)(1) - m) + s) + s_low, bits


@scalar
def tanh(x):
    """tanh(|x|) = 1 / ((1 + e) / 2) - 1 with e = exp(-2 |x|), and the sign of x.

    (1 + e) / 2 is d + d_low, and q its reciprocal, d and q of half a significand: q d is exact, and
    so is q - 1; the remainder gives the rest. Near 0, x - x**3/3.
    """
    c = _format(x)
    one = type(x)(1)
    half = type(x)(0.5)
    a = abs(x)
    a = _select(c.tanh_high < a, c.tanh_high, a)
    high, tail, bits = _exp_parts(-(a + a))
    power = _power_of_two(x, bits - 1)
    full = half + (one + (high + tail)) * power
    d = _leading_half(full)
    d_low = (((half - d) + power) + high * power) + tail * power
    reciprocal = one / full
    q = _leading_half(reciprocal)
    far = (q - one) + ((one - q * d) - q * d_low) * reciprocal
    near = a - a * a * (a * c.third)
    return _with_sign_of(x, _select(a < c.tanh_low, near, far))


@scalar
def sigmoid(x):
    """1 / (1 + exp(-x)); for x < 0 exp(x) / (1 + exp(x)), which underflows gradually."""
    one = type(x)(1)
    zero = type(x)(0)
    m, m_low, bits = _exp_pair(_clamp(-abs(x), _format(x).exp_low, zero))
    a, b = _two_powers(x, bits)
    d, d_low = _one_plus(m, m_low, a, b)
    negative = x < zero
    y = _quotient(_select(negative, m, one), _select(negative, m_low, zero), d, d_low)
    return y * _select(negative, a, one) * _select(negative, b, one)


@scalar
def _split_exponent(u):
    """(k, m) with u = 2**k m, m in [sqrt(1/2), sqrt(2)), for a normal u > 0; k an integer."""
    c = _format(u)
    bits = _bits(u)
    k = _integer(u, bits - c.sqrt_half) >> c.shift
    return k, _number(u, bits - (k << c.shift))


@scalar
def _from_integer(x, k):
    """The integer k in the format of x, for |k| < 2**p / 2."""
    c = _format(x)
    return _number(x, c.magic_bits + k) - c.magic


@scalar
def _log_sum(f, d, k):
    """log(1 + f) + k log(2) for |f| < 0.42 and d = 2 + f, roughly rounded.

    With s = f / (2 + f) and z = s**2, log(1 + f) = 2 artanh(s) = 2 s + s z P(z), and 2 s = f - s f:
    the leading term is exact (Tang 1990; Ng's fdlibm has this form). P comes last, since it takes
    longest.
    """
    c = _format(f)
    s = f / d
    z = s * s
    rest = (s * f - k * c.ln2_low) - s * z * _polynomial(z, c.log)
    return k * c.ln2_high + (f - rest)


@scalar
def _in_domain(x, edge, y):
    """y for edge < x < inf, x for infinity, -inf at the edge, NaN below it and for NaN."""
    y = _select(x < type(x)(np.inf), y, x)
    return _select(x > edge, y, _select(x == edge, type(x)(-np.inf), type(x)(np.nan)))


@scalar
def log(x):
    """log(2**k m) = k log(2) + log(m); a subnormal x is scaled first."""
    c = _format(x)
    subnormal = x < c.least_normal
    k, m = _split_exponent(_select(subnormal, x * c.normaliser, x))
    k = _from_integer(x, k)
    k = _select(subnormal, k - type(x)(c.shift + 2), k)
    return _in_domain(x, type(x)(0), _log_sum(m - type(x)(1), m + type(x)(1), k))


@scalar
def _log_of_pair(u, u_low):
    """log(u + u_low) for a normal u > 0 and |u_low| of at most its last place."""
    c = _format(u)
    k, m = _split_exponent(u)
    # 2**(1 - k) / 2, since 2**-k would be subnormal for the greatest k
    scaled = u_low * _number(u, (c.bias + 1 - k) << c.shift) * type(u)(0.5)
    one = type(u)(1)
    return _log_sum((m - one) + scaled, m + one, _from_integer(u, k))


@scalar
def log1p(x):
    """log(1 + x), where 1 + x is kept in two parts."""
    one = type(x)(1)
    u = one + x
    u_low = _select(x > one, one - (u - x), x - (u - one))
    y = _in_domain(x, -one, _log_of_pair(u, u_low))
    return _select(x == type(x)(0), x, y)


@scalar
def softplus(x):
    """log(1 + e**x) = max(x, 0) + log(1 + exp(-|x|))."""
    zero = type(x)(0)
    m, m_low, bits = _exp_pair(_clamp(-abs(x), _format(x).exp_low, zero))
    a, b = _two_powers(x, bits)
    d, d_low = _one_plus(m, m_low, a, b)
    return _select(x > zero, x, zero) + _log_of_pair(d, d_low)


@scalar
def erf(x):
    """2/sqrt(pi) times the integral of exp(-t**2) from 0 to x.

    x + x P(x**2) where |x| < 1; elsewhere 1 - exp(-Q(|x|)), with the sign of x.
    """
    c = _format(x)
    one = type(x)(1)
    a = abs(x)
    a = _select(c.erf_high < a, c.erf_high, a)
    near = a + a * _polynomial(a * a, c.erf)
    high, tail, bits = _exp_parts(-_polynomial(a, c.log_erfc))
    power = _power_of_two(x, bits)
    far = one - (power + power * (high + tail))
    return _with_sign_of(x, _select(a < one, near, far))


@scalar
def _angle(a):
    """(r, r_low, quadrant): a = quadrant pi/2 + r + r_low with |r| < 0.7855, for 0 <= a <= limit.

    pi/2 in several parts, short enough for exact products (Cody and Waite 1980).
    """
    c = _format(a)
    rounded = a * c.two_over_pi + c.magic
    quadrant = rounded - c.magic
    r = a - quadrant * c.half_pi[0]
    r_low = type(a)(0)
    for i in range(1, len(c.half_pi)):
        part = quadrant * c.half_pi[i]
        difference = r - part
        r_low = r_low + ((r - difference) - part)
        r = difference
    return r, r_low, _bits(rounded) - c.magic_bits


@scalar
def _sin_of_quadrant(a, quadrants):
    """sin(a + quadrants pi/2) for a >= 0, NaN where a is above the limit."""
    c = _format(a)
    one = type(a)(1)
    r, r_low, quadrant = _angle(a)
    quadrant = quadrant + quadrants
    z = r * r
    sine = r + (r * z * _polynomial(z, c.sin) + r_low)
    half_z = type(a)(0.5) * z
    w = one - half_z
    cosine = w + (((one - w) - half_z) + (z * z * _polynomial(z, c.cos) - r * r_low))
    y = _select(_integer(a, quadrant & 1) == 0, sine, cosine)
    y = _select(_integer(a, quadrant & 2) == 0, y, -y)
    return _select(a <= c.angle_high, y, type(a)(np.nan))


@scalar
def sin(x):
    """sin(x) for |x| <= 2**20 (float64) or 2**13 (float32); NaN beyond the reduction's range."""
    y = _sin_of_quadrant(abs(x), 0)
    return _number(x, _bits(y) ^ (_bits(x) & _format(x).sign))


@scalar
def cos(x):
    """cos(x) for |x| <= 2**20 (float64) or 2**13 (float32); NaN beyond the reduction's range."""
    return _sin_of_quadrant(abs(x), 1)
