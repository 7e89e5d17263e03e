#!/usr/bin/env python3
"""Golden values of the special-function activations and their derivatives, by mpmath at 50 digits.

  python tests/oracles/special_functions.py [NAME ...]        (a few minutes on one core)

Made with mpmath 1.4.1 (gmpy2 2.3.2), numpy 2.4.6, safetensors 0.8.0, Python 3.11.

Writes activations/testdata/<name>_golden.safetensors: "x" and for each case i "<i>.y" = f(x) and
"<i>.dy" = f'(x), float64, correctly rounded but for a last bit; and <name>_golden.json with the options
of the cases. The points are 2,000 float32 numbers, the same everywhere. A parameter is the double next to
its decimal text. Values below the smallest double are 0. Before a file is written its values are compared
with a second way to compute them, and the derivatives with differences of the function.
"""
import json
import pathlib
import sys
import time

import mpmath
import numpy as np
from mpmath import mp, mpf
from safetensors.numpy import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
ACCURACY = mpf(10) ** -40  # of everything below, so that differences over STEP keep 30 digits
STEP = mpf(10) ** -8
CHECKED = 50  # points per case
mp.dps = 50


def points():
    random = np.random.default_rng(7)
    both = lambda values: np.concatenate([values, -values])
    parts = [
        random.uniform(-20, 20, 1200),
        random.normal(0, 1, 400),
        both(np.geomspace(21, 1e4, 100)),
        both(np.geomspace(np.finfo(np.float32).tiny, 0.1, 97)),
        [0, 1, -1, 20, -20, 88],
    ]
    x = np.unique(np.concatenate(parts).astype(np.float32))
    assert len(x) == 2000
    return x.astype(np.float64)


# Mittag-Leffler: below, decay(t) is the pair 1 - E(-t) and E'(-t) for t >= 0.


def decay_by_series(alpha):
    """The power series; its terms reach e^T, T = t^(1/alpha), so T <= 100 costs 43 digits."""
    with mp.workdps(110):
        inverse_gammas, k = [], 0
        while alpha * k < 150 or mp.log10(100) * alpha * k + mp.log10(inverse_gammas[-1]) > -60:
            inverse_gammas.append(mp.rgamma(alpha * k + 1))
            k += 1

    def decay(t):
        with mp.workdps(110):
            value, slope, power = mpf(0), mpf(0), mpf(1)
            for k, c in enumerate(inverse_gammas[1:], 1):
                slope += k * power * c
                power *= -t
                value -= power * c
                if k * alpha > 5 and abs(k * power * c) < mpf(10) ** -60 * min(t, 1):
                    break
            return value, slope

    return decay


def decay_by_integral(alpha):
    """The spectral integral over u = e^v by the trapezoidal rule.

    E(-t) = sin(pi alpha) / (pi alpha) * integral of exp(-(u t)^(1/alpha)) / (u^2 + 2 u cos(pi alpha) + 1).
    In v it is analytic up to the poles at +-i pi (1 - alpha) and bounded up to +-i pi alpha / 2: with that
    width the error is exp(-2 pi width / h).
    """
    width = mp.pi * min(1 - alpha, alpha / 2) * mpf("0.9")
    h = 2 * mp.pi * width / 100  # e^-100 < 1e-43
    last = int(alpha * mp.log(2) / h) + 1  # T >= 100: exp(-200) is nothing
    nodes = []
    for i in range(-int(110 / h), last + 1):
        u = mp.exp(i * h)
        weight = h * u / (u * u + 2 * u * mp.cospi(alpha) + 1) * mp.sinpi(alpha) / (mp.pi * alpha)
        nodes.append((u ** (1 / alpha), weight))

    def decay(t):
        power = t ** (1 / alpha)
        value = slope = mpf(0)
        for rate, weight in nodes:
            term = weight * mp.exp(-rate * power)
            value += term
            slope += term * rate
        return 1 - value, slope * power / (alpha * t)

    return decay


def decay_of(alpha):
    series, integral = decay_by_series(alpha), decay_by_integral(alpha)
    return lambda t: series(t) if t ** (1 / alpha) <= 100 else integral(t)


def mittag_leffler_elu(alpha):
    alpha = mpf(alpha)
    if alpha == 1:
        return lambda x: (x, mpf(1)) if x >= 0 else (mp.expm1(x), mp.exp(x))
    decay, scale = decay_of(alpha), mp.gamma(1 + alpha)

    def f(x):
        if x >= 0:
            return x, mpf(1)
        value, slope = decay(-scale * x)
        return -value, scale * slope

    return f


def mittag_leffler_tanh(alpha):
    decay = decay_of(mpf(alpha))

    def f(x):
        value, slope = decay(abs(x))
        return mp.sign(x) * value, slope

    return f


def check_mittag_leffler():
    for t in map(mpf, (0.125, 3, 9.9, 10.1, 100, 1e4)):  # the series, the integral, both sides of the seam
        same("E_1/2 is erfcx", 1 - decay_of(mpf(0.5))(t)[0], mp.exp(t * t) * mp.erfc(t))
    for alpha in map(mpf, (0.25, 0.5, 0.7, 0.9)):
        t = mpf(99) ** alpha
        for a, b in zip(decay_by_series(alpha)(t), decay_by_integral(alpha)(t)):
            same("series and integral", a, b)
        t = mpf(10) ** 4
        asymptotic = mp.fsum(-((-t) ** -k) * mp.rgamma(1 - alpha * k) for k in range(1, 12))
        same("asymptotic series", 1 - decay_of(alpha)(t)[0], asymptotic)
    same("E_1 is exp", 1 - decay_by_series(mpf(1))(mpf(20))[0], mp.exp(-20))


# Lerch: L_s(x) = -Li_s(-e^x).


def fermi(s, x):
    if s == 1:
        return mp.log1p(mp.exp(x))
    if s == 0:
        return 1 / (1 + mp.exp(-x))
    if s == -1:
        return 1 / (4 * mp.cosh(x / 2) ** 2)
    if x < -1:
        terms = int(110 / -x) + 2
        return mp.fsum((-1) ** (k + 1) * mp.exp(k * x) / mpf(k) ** s for k in range(1, terms))
    # Hurwitz' formula for the polylogarithm; it holds on the whole line.
    zeta = mp.zeta(1 - s, mp.mpc(0.5, -x / (2 * mp.pi)))
    return -2 * mp.gamma(1 - s) / (2 * mp.pi) ** (1 - s) * (mp.expjpi((1 - s) / 2) * zeta).real


def lerch_softplus(s):
    return lambda x: (fermi(mpf(s), x), fermi(mpf(s) - 1, x))


def lerch_bounded(s, rho, a):
    s, rho, a = mpf(s), mpf(rho), mpf(a)
    coefficients = [(a + k) ** -s for k in range(int(mp.log(ACCURACY / 1e6) / mp.log(rho)))]

    def f(x):
        z, value, slope = rho * mp.tanh(x), mpf(0), mpf(0)
        for k in range(len(coefficients) - 1, 0, -1):
            value = (value + coefficients[k]) * z
            slope = slope * z + k * coefficients[k]
        return value, slope * rho / mp.cosh(x) ** 2

    return f


def check_lerch():
    for s in map(mpf, (0.5, -0.5, 1.5)):
        for x in map(mpf, (-3, -1.001, -0.999, 0, 0.5, 1.5)):
            same("polylog", fermi(s, x), -mp.polylog(s, -mp.exp(x)).real)
        near = mp.fsum(mp.altzeta(s - k) * mpf(0.5) ** k / mp.factorial(k) for k in range(70))
        same("Taylor series at 0", fermi(s, mpf(0.5)), near)
        x = mpf(10) ** 4  # Sommerfeld: the terms fall by (pi k / x)^2, the rest is e^-x
        far = mp.fsum(2 * mp.altzeta(2 * k) * x ** (s - 2 * k) * mp.rgamma(s + 1 - 2 * k) for k in range(8))
        same("Sommerfeld", fermi(s, x), far)
    for x in map(mpf, (0.5, 7, 19)):
        fermi_dirac = mp.quad(lambda u: 2 / (mp.exp(u * u - x) + 1), mp.linspace(0, 12, 25)) / mp.gamma(0.5)
        same("Fermi-Dirac integral", fermi(mpf(0.5), x), fermi_dirac)
    for s, x in ((0, 0.3), (0, -9), (1, 0.3), (1, -9)):
        exact = fermi(mpf(s), mpf(x))
        same("sigmoid and softplus", exact, -mp.polylog(s, -mp.exp(x)).real)
    for s, rho, a, x in ((1.5, 0.9, 1, 2), (1.5, 0.9, 1, -2), (0.5, 0.8, 2, 3), (0.5, 0.8, 2, -0.1)):
        direct = mp.lerchphi(mpf(rho) * mp.tanh(x), s, a) - mpf(a) ** -mpf(s)
        same("lerchphi", lerch_bounded(s, rho, a)(mpf(x))[0], direct)


# Jacobi.


def jacobi_elliptic(form, m):
    m = mpf(m)
    period = 4 * mp.ellipk(m)

    def f(x):
        u = x - period * mp.nint(x / period)
        sn, cn, dn = (mp.ellipfun(kind, u, m=m) for kind in ("sn", "cn", "dn"))
        return {
            "ELLIPTIC_SN": (sn, cn * dn),
            "ELLIPTIC_CN": (cn, -sn * dn),
            "ELLIPTIC_DN": (dn, -m * sn * cn),
            "SNAKE": (x + sn * sn, 1 + 2 * sn * cn * dn),
        }[form]

    return f


def jacobi_value(n, a, b, t):
    """The three-term recurrence, which keeps the symmetry and so all digits near 0."""
    below, value = mpf(0), mpf(1)
    if n:
        below, value = value, ((a + b + 2) * t + a - b) / 2
    for k in range(2, n + 1):
        c = 2 * k + a + b
        across = (c - 1) * (c * (c - 2) * t + a * a - b * b) * value
        back = 2 * (k + a - 1) * (k + b - 1) * c * below
        below, value = value, (across - back) / (2 * k * (k + a + b) * (c - 2))
    return value


def jacobi_polynomial(n, a, b):
    a, b = mpf(a), mpf(b)

    def f(x):
        t = mp.tanh(x)
        slope = (n + a + b + 1) / 2 * jacobi_value(n - 1, a + 1, b + 1, t)
        return jacobi_value(n, a, b, t), slope / mp.cosh(x) ** 2

    return f


def check_jacobi():
    for m in map(mpf, (0.5, 0.9, 0.99)):
        for x in map(mpf, (0.3, -2.5, 9, -19, 1e4)):
            sn, cn, dn = (jacobi_elliptic("ELLIPTIC_" + kind, m)(x)[0] for kind in ("SN", "CN", "DN"))
            same("sn^2 + cn^2 = 1", sn * sn + cn * cn, 1)
            same("m sn^2 + dn^2 = 1", m * sn * sn + dn * dn, 1)
            # x = F(phi) with sn = sin(phi), cn = cos(phi): the phase unwound to that of x.
            phi = mp.atan2(sn, cn)
            turns = mp.nint((x - mp.ellipf(phi, m)) / (4 * mp.ellipk(m)))
            same("F(am(x)) = x", mp.ellipf(phi, m) + turns * 4 * mp.ellipk(m), x)
    for x in map(mpf, (0.3, -2.5)):
        same("sn is tanh at m = 1", jacobi_elliptic("ELLIPTIC_SN", 1 - mpf(10) ** -45)(x)[0], mp.tanh(x))
        same("sn is sin at m = 0", jacobi_elliptic("ELLIPTIC_SN", 0)(x)[0], mp.sin(x))
        same("jacobi", jacobi_polynomial(3, 0.5, 0.5)(x)[0], mp.jacobi(3, 0.5, 0.5, mp.tanh(x)))


# Weierstrass.


def weierstrass(a, b, terms, amplitude=None):
    a, b = mpf(a), mpf(b)
    total = mp.fsum(a**n for n in range(terms + 1))

    def f(x):
        value = mp.fsum(a**n * mp.cospi(b**n * x) for n in range(terms + 1)) / total
        slope = mp.fsum(-mp.pi * (a * b) ** n * mp.sinpi(b**n * x) for n in range(terms + 1)) / total
        if amplitude is None:
            return value, slope
        return mp.tanh(x) + mpf(amplitude) * value, 1 / mp.cosh(x) ** 2 + mpf(amplitude) * slope

    return f


def check_weierstrass():
    x, total = mpf("0.3"), 2 - mpf(2) ** -10
    direct = mp.fsum(mpf(2) ** -n * mp.cos(3**n * mp.pi * x) for n in range(11)) / total
    same("sum of cosines", weierstrass(0.5, 3, 10)(x)[0], direct)
    same("at 0", weierstrass(0.4, 2, 4)(mpf(0))[0], 1)
    same("period 2", weierstrass(0.4, 2, 4)(mpf(9998) + mpf(1) / 8)[0], weierstrass(0.4, 2, 4)(mpf(1) / 8)[0])


FUNCTIONS = {
    "mittag_leffler": (check_mittag_leffler, [
        ("", mittag_leffler_elu(0.7)),
        ("alpha: 1", mittag_leffler_elu(1)),
        ("alpha: 0.5", mittag_leffler_elu(0.5)),
        ("alpha: 0.25", mittag_leffler_elu(0.25)),
        ("form: TANH alpha: 0.7", mittag_leffler_tanh(0.7)),
        ("form: TANH alpha: 0.9", mittag_leffler_tanh(0.9)),
    ]),
    "lerch": (check_lerch, [
        ("", lerch_softplus(0.5)),
        ("s: 0", lerch_softplus(0)),
        ("s: 1", lerch_softplus(1)),
        ("s: 1.5", lerch_softplus(1.5)),
        ("form: BOUNDED s: 1.5 rho: 0.9 a: 1", lerch_bounded(1.5, 0.9, 1)),
        ("form: BOUNDED s: 0.5 rho: 0.8 a: 2", lerch_bounded(0.5, 0.8, 2)),
    ]),
    "jacobi": (check_jacobi, [
        ("", jacobi_elliptic("ELLIPTIC_SN", 0.9)),
        ("m: 0.5", jacobi_elliptic("ELLIPTIC_SN", 0.5)),
        ("form: ELLIPTIC_CN m: 0.9", jacobi_elliptic("ELLIPTIC_CN", 0.9)),
        ("form: ELLIPTIC_DN m: 0.99", jacobi_elliptic("ELLIPTIC_DN", 0.99)),
        ("form: SNAKE m: 0.5", jacobi_elliptic("SNAKE", 0.5)),
        ("form: POLYNOMIAL n: 3 a: 0.5 b: 0.5", jacobi_polynomial(3, 0.5, 0.5)),
    ]),
    "weierstrass": (check_weierstrass, [
        ("", weierstrass(0.5, 3, 5)),
        ("a: 0.5 b: 1.5 terms: 8", weierstrass(0.5, 1.5, 8)),
        ("a: 0.4 b: 2 terms: 4", weierstrass(0.4, 2, 4)),
        ("a: 0.3 b: 5 terms: 3", weierstrass(0.3, 5, 3)),
        ("form: TANH_RIPPLE a: 0.5 b: 3 terms: 5 amplitude: 0.05", weierstrass(0.5, 3, 5, 0.05)),
        ("form: TANH_RIPPLE a: 0.5 b: 1.5 terms: 8 amplitude: 0.1", weierstrass(0.5, 1.5, 8, 0.1)),
    ]),
}


def same(what, a, b, tolerance=mpf(10) ** -20):
    error = abs(a - b)
    assert error <= tolerance * max(abs(b), mpf(10) ** -20), f"{what}: {mp.nstr(a, 25)} {mp.nstr(b, 25)}"


def check_slope(options, f, x):
    """f' against a difference of fourth order; f has a kink at 0."""
    for at in x[np.abs(x) > 1e-6][:: len(x) // CHECKED]:
        at = mpf(float(at))
        value = lambda steps: f(at + steps * STEP)[0]
        slope = (8 * (value(1) - value(-1)) - (value(2) - value(-2))) / (12 * STEP)
        same(f"slope of {options!r} at {at}", f(at)[1], slope, mpf(10) ** -14)


def main(names):
    x = points()
    for name in names or FUNCTIONS:
        start = time.time()
        check, cases = FUNCTIONS[name]
        check()
        tensors = {"x": x}
        for i, (options, f) in enumerate(cases):
            check_slope(options, f, x)
            pairs = np.array([[float(v) for v in f(mpf(float(at)))] for at in x])
            tensors[f"{i}.y"], tensors[f"{i}.dy"] = (np.ascontiguousarray(column) for column in pairs.T)
        assert all(np.isfinite(tensor).all() for tensor in tensors.values())
        path = ROOT / "activations/testdata" / f"{name}_golden"
        save_file(tensors, path.with_suffix(".safetensors"))
        head = {"made_by": "tests/oracles/special_functions.py", "mpmath": mpmath.__version__}
        head["cases"] = [{"options": options} for options, _ in cases]
        path.with_suffix(".json").write_text(json.dumps(head, indent=1) + "\n")
        print(f"{name}: {time.time() - start:.0f} s", flush=True)


if __name__ == "__main__":
    main(sys.argv[1:])
