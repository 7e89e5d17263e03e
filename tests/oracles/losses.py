#!/usr/bin/env python3
"""Golden values and gradients of the losses, in float64, by the libraries that researchers use.

  python tests/oracles/losses.py      (made with torch 2.15.0, monai 1.6.1)

Writes losses/testdata/<name>.json: 240 random cases each, of two to five classes, images and masks, with
and without ignored labels and class weights. A case's value is what the peer gives where the peer knows
weights and ignored labels; else the peer's value of each label or image, and the weighted mean by hand.
"""
import json
import pathlib
import random

import monai
import torch
import torch.nn.functional as F
from monai.losses import DiceLoss, TverskyLoss

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = 240
IGNORED = -100
SHAPES = [[1, 2], [3, 2], [4, 3], [2, 5], [2, 2, 2, 3], [1, 4, 3, 2], [3, 3, 1, 2], [2, 3, 3, 3]]


def one_hot(labels, classes):
    return F.one_hot(labels.clamp(min=0), classes).movedim(-1, 1).double()


def weighted_mean(values, weights):
    return (values * weights).sum() / weights.sum()


# Each returns the loss of every label, of the labels' shape.

def cross_entropy(z, y, label_smoothing=0.0):
    return F.cross_entropy(z, y.clamp(min=0), reduction="none", label_smoothing=label_smoothing)


def smooth_l1(z, y, beta=1.0):
    return F.smooth_l1_loss(z.softmax(1), one_hot(y, z.shape[1]), reduction="none", beta=beta).mean(1)


def mse(z, y):
    return F.mse_loss(z.softmax(1), one_hot(y, z.shape[1]), reduction="none").mean(1)


def binary_cross_entropy(z, y):
    # In double, softmax of the cases' logits stays far enough from 1 for torch's own form.
    return F.binary_cross_entropy(z.softmax(1), one_hot(y, z.shape[1]), reduction="none").mean(1)


def focal(z, y, gamma=2.0, alpha=()):
    # torchvision and MONAI reduce to float32 or to sigmoids; this is the paper's formula, from CE.
    entropy = F.cross_entropy(z, y.clamp(min=0), reduction="none")
    p = torch.exp(-entropy)
    factor = torch.tensor(list(alpha) * (z.shape[1] if len(alpha) == 1 else 1) or
                          [1.0] * z.shape[1], dtype=torch.float64)
    return factor[y.clamp(min=0)] * (1 - p) ** gamma * entropy


# Each returns the loss of every unit. MONAI sees the kept pixels only, one image at a time.

def ratio(make, z, y, batch):
    def unit(images):
        keep = [y[n] != IGNORED for n in images]
        logits = torch.cat([z[n].reshape(z.shape[1], -1)[:, k.reshape(-1)]
                            for n, k in zip(images, keep)], 1)
        target = torch.cat([y[n].reshape(-1)[k.reshape(-1)] for n, k in zip(images, keep)])
        if target.numel() == 0:
            return None
        return make(logits.T.softmax(1).T[None], one_hot(target[None], z.shape[1]))
    units = [list(range(len(z)))] if batch else [[n] for n in range(len(z))]
    return [unit(images) for images in units]


def dice(z, y, batch=False, smooth=1e-5, squared=False):
    make = DiceLoss(smooth_nr=smooth, smooth_dr=smooth, squared_pred=squared)
    return ratio(make, z, y, batch)


def tversky(z, y, batch=False, alpha=0.5, beta=0.5):
    return ratio(TverskyLoss(alpha=alpha, beta=beta), z, y, batch)


def options(name, draw, classes):
    """Text-format options, and the arguments of the function above."""
    if name == "categorical_cross_entropy" and draw.random() < 0.5:
        e = draw.choice([0.1, 0.3])
        return f"label_smoothing: {e}", {"label_smoothing": e}
    if name == "smooth_l1":
        beta = draw.choice([0.0, 0.1, 0.5, 1.0, 2.0])
        return f"beta: {beta}", {"beta": beta}
    if name == "focal":
        gamma = draw.choice([0.0, 0.5, 1.0, 2.0, 5.0])
        alpha = draw.choice([[], [0.25], [round(draw.uniform(0.1, 2), 2) for _ in range(classes)]])
        return f"gamma: {gamma} alpha: {alpha}", {"gamma": gamma, "alpha": alpha}
    if name == "dice":
        batch, squared = draw.random() < 0.4, draw.random() < 0.3
        smooth = draw.choice([1e-5, 1.0])
        text = (f"sums: {'PER_BATCH' if batch else 'PER_IMAGE'} squared: {str(squared).lower()} "
                f"smooth_numerator: {smooth} smooth_denominator: {smooth}")
        return text, {"batch": batch, "squared": squared, "smooth": smooth}
    if name == "tversky":
        batch = draw.random() < 0.4
        alpha, beta = draw.choice([(0.5, 0.5), (0.3, 0.7), (1.0, 1.0)])
        text = f"sums: {'PER_BATCH' if batch else 'PER_IMAGE'} alpha: {alpha} beta: {beta}"
        return text, {"batch": batch, "alpha": alpha, "beta": beta}
    return "", {}


def case(name, function, draw):
    shape = draw.choice(SHAPES)
    classes = shape[1]
    scale = 3.0 if name in ("binary_cross_entropy", "focal") else draw.choice([1.0, 3.0, 10.0])
    z = (torch.randn(shape, dtype=torch.float64) * scale).round(decimals=3).requires_grad_()
    y = torch.randint(classes, [shape[0]] + shape[2:])
    if draw.random() < 0.4:
        y[torch.rand(y.shape) < 0.4] = IGNORED
    text, arguments = options(name, draw, classes)
    overlap = name in ("dice", "tversky")
    weights = None
    if not overlap and draw.random() < 0.4:
        weights = torch.tensor([round(draw.uniform(0.2, 3), 2) for _ in range(classes)],
                               dtype=torch.float64)
    kept = y != IGNORED
    if not kept.any():
        value = (z * 0).sum()
    elif overlap:
        value = torch.stack([v for v in function(z, y, **arguments) if v is not None]).mean()
    else:
        w = kept.double() if weights is None else weights[y.clamp(min=0)] * kept
        value = weighted_mean(function(z, y, **arguments), w)
        if name == "categorical_cross_entropy" and not arguments:
            torch.testing.assert_close(value, F.cross_entropy(z, y, weight=weights), rtol=1e-14, atol=0)
    value.backward()
    out = {"options": text, "shape": shape, "logits": z.detach().flatten().tolist(),
           "labels": y.flatten().tolist(), "oracle": "monai" if overlap else "torch",
           "value": value.item(), "gradient": z.grad.flatten().tolist()}
    if weights is not None:
        out["class_weights"] = weights.tolist()
    return out


def main():
    functions = {"categorical_cross_entropy": cross_entropy, "smooth_l1": smooth_l1, "mse": mse,
                 "binary_cross_entropy": binary_cross_entropy, "focal": focal, "dice": dice,
                 "tversky": tversky}
    head = {"made_by": "tests/oracles/losses.py", "torch": torch.__version__.split("+")[0],
            "monai": monai.__version__}
    for name, function in functions.items():
        torch.manual_seed(0)
        draw = random.Random(0)
        lines = ",\n".join(json.dumps(case(name, function, draw), separators=(",", ":"))
                           for _ in range(CASES))
        folder = ROOT / "losses/testdata"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
