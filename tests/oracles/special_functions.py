#!/usr/bin/env python3
"""Golden values of the special-function activations and their derivatives, by mp_activations.py.

  python tests/oracles/special_functions.py [NAME ...]        (about 4 minutes on one core)

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
from mp_activations import (
    decay_by_integral, decay_by_series, decay_of, fermi, jacobi_elliptic, jacobi_polynomial, lerch_bounded,
    lerch_softplus, mittag_leffler_elu, mittag_leffler_tanh, weierstrass)
from mpmath import mp, mpf
from safetensors.numpy import save_file

ROOT = pathlib.Path(__file__).resolve().parents[2]
STEP = mpf(10) ** -8  # of differences: they keep 30 of the 40 digits that the values have
CHECKED = 50  # points per case


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
