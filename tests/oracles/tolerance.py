#!/usr/bin/env python3
"""Golden precision, recall and F1 within a tolerance, by SciPy's exact distance transform.

  python tests/oracles/tolerance.py      (made with scipy 1.17.1)

Writes plugins/scores/testdata/tolerance.json. A row of a mask is a string of class digits, "." where ignored.
Some masks lack the class in the labels, in the predictions or in both; some are one pixel wide or
high; some are all ignored. Counts are summed over a case's images; null stands for 0 / 0.
"""
import json
import pathlib

import numpy
import scipy
from scipy import ndimage

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = 400
FOREGROUND = 1


def mask(random, shape):
    kind = random.integers(4)
    if kind == 0:
        return numpy.full(shape, random.choice([0, 2]))
    if kind == 1:
        return (random.random(shape) < random.choice([0.01, 0.05, 0.5])).astype(int)
    walk = numpy.zeros(shape, int)  # a crack: a random walk
    y, x = random.integers(shape[0]), random.integers(shape[1])
    for _ in range(random.integers(1, 30)):
        walk[y, x] = FOREGROUND
        y = numpy.clip(y + random.integers(-1, 2), 0, shape[0] - 1)
        x = numpy.clip(x + random.integers(-1, 2), 0, shape[1] - 1)
    return walk


def predict(random, truth):
    if random.random() < 0.4:
        return mask(random, truth.shape)
    return numpy.roll(truth, random.integers(-4, 5, 2), (0, 1))


def near(pixels, radius):
    if not pixels.any():
        return numpy.zeros_like(pixels)
    return ndimage.distance_transform_edt(~pixels) <= radius


def ratio(part, whole):
    return part / whole if whole > 0 else None


def case(random):
    shape = tuple(random.integers(1, 25, 2))
    radii = sorted(random.choice(12, random.integers(1, 4), replace=False).tolist())
    images, counts = [], numpy.zeros((len(radii), 4))
    for _ in range(random.integers(1, 4)):
        truth = mask(random, shape)
        predicted = predict(random, truth)
        ignored = random.random(shape) < random.choice([0, 0, 0.3, 1], p=[0.4, 0.25, 0.3, 0.05])
        t, p = (truth == FOREGROUND) & ~ignored, (predicted == FOREGROUND) & ~ignored
        for i, radius in enumerate(radii):
            counts[i] += [p.sum(), t.sum(), (p & near(t, radius)).sum(), (t & near(p, radius)).sum()]
        text = lambda m: ["".join("." if d < 0 else str(d) for d in row) for row in m]
        images.append({"labels": text(numpy.where(ignored, -1, truth)), "predicted": text(predicted)})
    scores = []
    for p, t, p_right, t_right in counts:
        precision, recall = ratio(p_right, p), ratio(t_right, t)
        both = (precision or 0) + (recall or 0)
        f1 = None if p + t == 0 else 0 if both == 0 else 2 * (precision or 0) * (recall or 0) / both
        scores.append({"precision": precision, "recall": recall, "f1": f1})
    return {"radii": radii, "images": images, "scores": scores}


def main():
    random = numpy.random.default_rng(0)
    lines = ",\n".join(json.dumps(case(random), separators=(",", ":")) for _ in range(CASES))
    head = {"made_by": "tests/oracles/tolerance.py", "scipy": scipy.__version__}
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    (ROOT / "plugins/scores/testdata/tolerance.json").write_text(text)


if __name__ == "__main__":
    main()
