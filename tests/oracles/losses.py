#!/usr/bin/env python3
"""Golden values and gradients of the losses, in float64, by the libraries that researchers use.

  python tests/oracles/losses.py [NAME...]

Made with torch 2.15.0, torchvision 0.29.2, monai 1.6.1, segmentation-models-pytorch 0.6.0; each table says
with which of them, and categorical_cross_entropy.json was made anew with torch 1.13.0.

Writes losses/testdata/<name>.json, of all losses or those named: 240 random cases each, of two to five classes, images and masks, with
and without ignored labels and class weights. "oracle" says whose value a case has: a peer's own where the
peer knows weights and ignored labels; else the weighted mean of the peer's value of each label or image;
and "formula" where no peer has the option, written down here once more.
"""
import importlib
import json
import pathlib
import random
import sys

import torch
import torch.nn.functional as F

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = 240
IGNORED = -100
SHAPES = [[1, 2], [3, 2], [4, 3], [2, 5], [2, 2, 2, 3], [1, 4, 3, 2], [3, 3, 1, 2], [2, 3, 3, 3]]


# Loaded where a loss needs them.
PEERS = {"torch": "torch", "torchvision": "torchvision", "monai": "monai",
         "smp": "segmentation_models_pytorch"}


def peer_library(name):
    return importlib.import_module(PEERS[name])


def one_hot(labels, classes):
    return F.one_hot(labels.clamp(min=0), classes).movedim(-1, 1).double()


def weighted_mean(values, weights):
    return (values * weights).sum() / weights.sum()


# Each returns the loss of every label, of the labels' shape.

# Of torch as it is, weights and ignored labels included: a value, not one for every label.
def cross_entropy(z, y, weights, label_smoothing=0.0):
    return F.cross_entropy(z, y, weight=weights, ignore_index=IGNORED, label_smoothing=label_smoothing)


def smooth_l1(z, y, beta=1.0):
    return F.smooth_l1_loss(z.softmax(1), one_hot(y, z.shape[1]), reduction="none", beta=beta).mean(1)


def mse(z, y):
    return F.mse_loss(z.softmax(1), one_hot(y, z.shape[1]), reduction="none").mean(1)


def binary_cross_entropy(z, y):
    # In double, softmax of these cases' logits stays far enough from 1 for torch's own form.
    return F.binary_cross_entropy(z.softmax(1), one_hot(y, z.shape[1]), reduction="none").mean(1)


def focal(z, y, gamma=2.0, alpha=(), peer="formula"):
    y = y.clamp(min=0)
    if peer == "torchvision":
        # Of two classes the second is the positive one; alpha is then [1 - a, a].
        return peer_library("torchvision").ops.sigmoid_focal_loss(z[:, 1] - z[:, 0], y.double(), alpha[1] if alpha else -1,
                                                  gamma)
    if peer == "smp":
        return peer_library("smp").losses._functional.softmax_focal_loss_with_logits(z, y, gamma, reduction="none")
    entropy = F.cross_entropy(z, y, reduction="none")
    factor = torch.tensor(list(alpha) * (z.shape[1] if len(alpha) == 1 else 1) or
                          [1.0] * z.shape[1], dtype=torch.float64)
    return factor[y] * (1 - torch.exp(-entropy)) ** gamma * entropy


# Ratios. `score` gives 1 - ratio of each class from p and t, [1, C, pixels] both, and weights, [pixels].

def units(score, reduce, z, y, weights, batch):
    """The loss: the mean over the images (or of the batch as one), each weighing its mean weight."""
    groups = [range(len(z))] if batch else [[n] for n in range(len(z))]
    values, masses = [], []
    for images in groups:
        target = torch.cat([y[n].reshape(-1) for n in images])
        kept = target != IGNORED
        if not kept.any():
            continue
        logits = torch.cat([z[n].reshape(z.shape[1], -1) for n in images], 1)[:, kept]
        t = one_hot(target[kept][None], z.shape[1])
        p = logits.softmax(0)[None]
        w = torch.ones(t.shape[-1], dtype=torch.float64)
        if weights is not None:
            w = weights[target[kept]]
        mass = w.mean()
        values.append(reduce(score(p, t, w / mass), p, t, w / mass))
        masses.append(mass)
    return (torch.stack(values) * torch.stack(masses)).sum() / torch.stack(masses).sum()


def dice(z, y, weights, batch=False, smooth=1e-5, squared=False, empty="SMOOTH", peer="monai"):
    if peer == "smp":
        return peer_library("smp").losses.DiceLoss("multiclass", smooth=smooth / 2, ignore_index=IGNORED)(z, y)

    def score(p, t, w):
        if peer == "monai":
            return peer_library("monai").losses.DiceLoss(smooth_nr=smooth, smooth_dr=smooth, squared_pred=squared, reduction="none")(
                p, t)[0, :, 0]
        sizes = w * (p * p if squared else p) + w * t
        return 1 - (2 * (w * p * t).sum(2) + smooth)[0] / (sizes.sum(2) + smooth)[0]

    def reduce(score, p, t, w):
        present = t.sum(2)[0] > 0
        if empty == "SKIP":
            return score[present].mean()
        if empty == "CLEAN":
            return torch.where(present, score, (w * p).mean(2)[0]).mean()
        return score.mean()
    return units(score, reduce, z, y, weights, batch)


def tversky(z, y, weights, batch=False, alpha=0.5, beta=0.5, gamma=1.0, smooth=1e-5, peer="monai"):
    if peer == "smp":
        return peer_library("smp").losses.TverskyLoss("multiclass", smooth=smooth, ignore_index=IGNORED, alpha=alpha,
                                      beta=beta)(z, y)

    def score(p, t, w):
        if peer == "monai":
            loss = peer_library("monai").losses.TverskyLoss(alpha=alpha, beta=beta, smooth_nr=smooth, smooth_dr=smooth, reduction="none")
            return loss(p, t)[0]
        hits, wrong, missed = ((w * x).sum(2)[0] for x in (p * t, p * (1 - t), (1 - p) * t))
        return 1 - (hits + smooth) / (hits + alpha * wrong + beta * missed + smooth)
    return units(score, lambda score, *_: (score ** gamma).mean(), z, y, weights, batch)


def calibration(z, y, weights, peer="formula"):
    """MDCA: mean over the classes of |mean confidence - frequency| over the batch."""
    return units(lambda p, t, w: ((w * (p - t)).mean(2)[0]).abs(), lambda score, *_: score.mean(), z, y,
                 weights, batch=True)


def options(name, draw, classes, labels, weighted):
    """Text-format options, and the arguments of the function above."""
    if name == "categorical_cross_entropy" and draw.random() < 0.5:
        e = draw.choice([0.1, 0.3])
        return f"label_smoothing: {e}", {"label_smoothing": e}
    if name == "smooth_l1":
        beta = draw.choice([0.0, 0.1, 0.5, 1.0, 2.0])
        return f"beta: {beta}", {"beta": beta}
    if name == "focal":
        gamma = draw.choice([0.0, 0.5, 1.0, 2.0, 5.0])
        peer = draw.choice(["formula", "smp"] + ["torchvision"] * (classes == 2))
        alpha = draw.choice([[], [0.25], [round(draw.uniform(0.1, 2), 2) for _ in range(classes)]])
        if peer == "smp":
            alpha = []
        if peer == "torchvision":
            alpha = draw.choice([[], [0.75, 0.25]])
        return f"gamma: {gamma} alpha: {alpha}", {"gamma": gamma, "alpha": alpha, "peer": peer}
    if name == "calibration":
        return "", {"peer": "formula"}
    if name in ("dice", "tversky"):
        peer = "formula" if weighted else draw.choice(["monai", "monai", "smp"])
        if peer == "smp" and not all((labels == c).any() for c in range(classes)):
            peer = "monai"  # smp counts an absent class as 0, which no option here does
        batch = peer == "smp" or draw.random() < 0.4
        smooth = draw.choice([1e-5, 1.0])
        arguments = {"batch": batch, "smooth": smooth, "peer": peer}
        text = (f"sums: {'PER_BATCH' if batch else 'PER_IMAGE'} smooth_numerator: {smooth} "
                f"smooth_denominator: {smooth}")
        if name == "dice" and peer != "smp":
            arguments["squared"] = draw.random() < 0.3
            arguments["empty"] = draw.choice(["SMOOTH", "SKIP", "CLEAN"])
            text += f" squared: {str(arguments['squared']).lower()} empty: {arguments['empty']}"
        if name == "tversky":
            arguments["alpha"], arguments["beta"] = draw.choice([(0.5, 0.5), (0.3, 0.7), (1.0, 1.0)])
            text += f" alpha: {arguments['alpha']} beta: {arguments['beta']}"
            if peer != "smp":
                arguments["gamma"] = draw.choice([1.0, 0.75, 2.0])
                text += f" gamma: {arguments['gamma']}"
        return text, arguments
    return "", {}


def case(name, function, draw):
    shape = draw.choice(SHAPES)
    classes = shape[1]
    scale = 3.0 if name in ("binary_cross_entropy", "focal") else draw.choice([1.0, 3.0, 10.0])
    z = (torch.randn(shape, dtype=torch.float64) * scale).round(decimals=3).requires_grad_()
    y = torch.randint(classes, [shape[0]] + shape[2:])
    if draw.random() < 0.4:
        y[torch.rand(y.shape) < 0.4] = IGNORED
    whole = name in ("categorical_cross_entropy", "dice", "tversky", "calibration")
    weights = None
    if draw.random() < 0.4:
        weights = torch.tensor([round(draw.uniform(0.2, 3), 2) for _ in range(classes)],
                               dtype=torch.float64)
    text, arguments = options(name, draw, classes, y, weights is not None)
    kept = y != IGNORED
    if not kept.any():
        value = (z * 0).sum()
    elif whole:
        value = function(z, y, weights, **arguments)
    else:
        w = kept.double() if weights is None else weights[y.clamp(min=0)] * kept
        value = weighted_mean(function(z, y, **arguments), w)
    value.backward()
    out = {"options": text, "shape": shape, "logits": z.detach().flatten().tolist(),
           "labels": y.flatten().tolist(), "oracle": arguments.get("peer", "torch"),
           "value": value.item(), "gradient": z.grad.flatten().tolist()}
    if weights is not None:
        out["class_weights"] = weights.tolist()
    return out


def main():
    functions = {"categorical_cross_entropy": cross_entropy, "smooth_l1": smooth_l1, "mse": mse,
                 "binary_cross_entropy": binary_cross_entropy, "focal": focal, "dice": dice,
                 "tversky": tversky, "calibration": calibration}
    for name in sys.argv[1:] or functions:
        function = functions[name]
        torch.manual_seed(0)
        draw = random.Random(0)
        lines = ",\n".join(json.dumps(case(name, function, draw), separators=(",", ":"))
                           for _ in range(CASES))
        head = {"made_by": "tests/oracles/losses.py"}
        head.update((module, sys.modules[module].__version__.split("+")[0])
                    for module in PEERS.values() if module in sys.modules)
        folder = ROOT / "losses/testdata"
        folder.mkdir(exist_ok=True)
        (folder / f"{name}.json").write_text(json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n")


if __name__ == "__main__":
    main()
