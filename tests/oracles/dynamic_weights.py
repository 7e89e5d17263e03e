#!/usr/bin/env python3
"""Golden factors of the four dynamic weightings over 20 steps, for losses/dynamic_weights.cc.

  python tests/oracles/dynamic_weights.py

Writes losses/testdata/dynamic_weights.json. Everything is float64, from the formulas in
losses/dynamic_weights.h; only the standard library is used. UNCERTAINTY takes plain gradient descent
steps of size 0.05 on s, so that no optimizer's details are in the table.
"""
import json
import math
import pathlib
import random

STEPS, EPOCH, TERMS, SEED = 20, 5, 3, 42
MASK = (1 << 64) - 1


def hash64(numbers):
    """SplitMix64's finalizer after each number is added."""
    state = 0
    for number in numbers:
        state = (state + number + 0x9E3779B97F4A7C15) & MASK
        state = ((state ^ (state >> 30)) * 0xBF58476D1CE4E5B9) & MASK
        state = ((state ^ (state >> 27)) * 0x94D049BB133111EB) & MASK
        state ^= state >> 31
    return state


def shares(x):
    top = max(x)
    powers = [math.exp(v - top) for v in x]
    return [len(x) * p / sum(powers) for p in powers]


def uncertainty(values, _):
    s, factors = [0.0] * TERMS, []
    for row in values:
        factors.append([math.exp(-v) for v in s])
        s = [v - 0.05 * (0.5 - math.exp(-v) * loss) for v, loss in zip(s, row)]
    return factors


def dwa(values, _, temperature=2.0):
    factors, means = [], []
    for step, row in enumerate(values):
        if step % EPOCH == 0 and step:
            epoch = values[step - EPOCH:step]
            means.append([sum(column) / EPOCH for column in zip(*epoch)])
        if len(means) < 2:
            factors.append([1.0] * TERMS)
        else:
            factors.append(shares([a / b / temperature for a, b in zip(means[-1], means[-2])]))
    return factors


def gradnorm(values, norms, alpha=1.5, rate=0.1):
    f, factors = [1.0] * TERMS, []
    for row, norm in zip(values, norms):
        factors.append(f)
        weighted = [a * b for a, b in zip(f, norm)]
        ratios = [a / b for a, b in zip(row, values[0])]
        mean, mean_ratio = sum(weighted) / TERMS, sum(ratios) / TERMS
        wanted = [mean * (r / mean_ratio) ** alpha for r in ratios]
        f = [a * (w / g) ** rate for a, w, g in zip(f, wanted, weighted)]
        f = [TERMS * a / sum(f) for a in f]
    return factors


def rlw(values, _):
    factors = []
    for step in range(len(values)):
        normals = []
        for k in range(TERMS):
            u = [((hash64([SEED, step // EPOCH, step % EPOCH, k, which]) >> 11) + 0.5) / 2 ** 53 for which in (0, 1)]
            normals.append(math.sqrt(-2 * math.log(u[0])) * math.cos(2 * math.pi * u[1]))
        factors.append(shares(normals))
    return factors


def main():
    random.seed(0)
    values = [[math.exp(-0.05 * (k + 1) * step) * (10.0 ** k) * random.uniform(0.8, 1.2)
               for k in range(TERMS)] for step in range(STEPS)]
    norms = [[10.0 ** k * random.uniform(0.5, 1.5) for k in range(TERMS)] for _ in range(STEPS)]
    table = {"made_by": "tests/oracles/dynamic_weights.py", "seed": SEED, "steps_in_epoch": EPOCH,
             "values": values, "norms": norms,
             "factors": {"uncertainty": uncertainty(values, norms), "dwa": dwa(values, norms),
                         "gradnorm": gradnorm(values, norms), "random": rlw(values, norms)}}
    path = pathlib.Path(__file__).resolve().parents[2] / "losses/testdata/dynamic_weights.json"
    path.write_text(json.dumps(table, indent=0, separators=(",", ":")) + "\n")


if __name__ == "__main__":
    main()
