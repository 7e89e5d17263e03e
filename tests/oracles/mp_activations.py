"""The four special-function activations and their derivatives in mpmath, to 40 digits.

Every maker returns a function of an mpf x that gives the pair f(x), f'(x). A parameter given as a float is
taken as exactly that double.
"""
from mpmath import mp, mpf

ACCURACY = mpf(10) ** -40
mp.dps = 50


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
    """The series; mpmath's lerchphi errs by 3e-5 (at 30 digits) where |z| is tiny, s = 0.5 and a = 2."""
    s, rho, a = mpf(s), mpf(rho), mpf(a)
    coefficients = [(a + k) ** -s for k in range(int(mp.log(ACCURACY / 1e6) / mp.log(rho)))]

    def f(x):
        z, value, slope = rho * mp.tanh(x), mpf(0), mpf(0)
        for k in range(len(coefficients) - 1, 0, -1):
            value = (value + coefficients[k]) * z
            slope = slope * z + k * coefficients[k]
        return value, slope * rho / mp.cosh(x) ** 2

    return f


# Jacobi: elliptic functions of the parameter m = k^2, and polynomials of tanh x.


def jacobi_elliptic(form, m):
    m = mpf(m)
    period = 4 * mp.ellipk(m)

    def f(x):
        u = x - period * mp.nint(x / period)
        cn, dn = (mp.ellipfun(kind, u, m=m) for kind in ("cn", "dn"))
        sn = mp.ellipfun("sn", u, m=m) if u else u  # mpmath's is not quite 0 there
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


# Weierstrass: the sum is divided by its value at 0.


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
