#!/usr/bin/env python3
"""Golden metrics of random confusion matrices, computed by scikit-learn from lists of labels.

  python tests/oracles/metrics.py        (made with scikit-learn 1.9.1)

Writes plugins/scores/testdata/metrics.json. Some cases lack a class in the truth, in the predictions or in
both; some predict one class only.
"""
import json
import pathlib
import warnings

import numpy
import sklearn
from sklearn import metrics as m

ROOT = pathlib.Path(__file__).resolve().parents[2]
CASES = 1000


def case(random):
    classes = int(random.integers(2, 8))
    n = int(random.integers(1, 60))
    truth = random.choice(random.choice(classes, random.integers(1, classes + 1), replace=False), n)
    if random.random() < 0.1:
        predicted = numpy.full(n, random.integers(classes))
    else:
        guess = random.choice(random.choice(classes, random.integers(1, classes + 1)), n)
        predicted = numpy.where(random.random(n) < random.random(), truth, guess)
    present = sorted(set(truth))
    average = lambda function, kind: float(function(truth, predicted, average=kind, zero_division=0))
    # Of each class; scikit-learn's 0 / 0 is told from 0 by asking for 0 and for 1 there.
    def each(function):
        low, high = (function(truth, predicted, labels=range(classes), average=None,
                              zero_division=z) for z in (0, 1))
        return [float(a) if a == b else None for a, b in zip(low, high)]

    iou = lambda answer, labels: float(m.jaccard_score(truth, answer, labels=labels,
                                                       average="macro", zero_division=0))
    counts = numpy.bincount(truth)
    majority = numpy.full(n, counts.argmax())
    return {
        "confusion": m.confusion_matrix(truth, predicted, labels=range(classes)).tolist(),
        "accuracy": float(m.accuracy_score(truth, predicted)),
        "balanced_accuracy": float(m.recall_score(truth, predicted, labels=present, average="macro",
                                                  zero_division=0)),
        "weighted_precision": average(m.precision_score, "weighted"),
        "weighted_recall": average(m.recall_score, "weighted"),
        "weighted_f1": average(m.f1_score, "weighted"),
        "macro_precision": average(m.precision_score, "macro"),
        "macro_recall": average(m.recall_score, "macro"),
        "macro_f1": average(m.f1_score, "macro"),
        "mean_iou_present": iou(predicted, present),
        "mean_iou_all": iou(predicted, range(classes)),
        "mean_dice_present": float(m.f1_score(truth, predicted, labels=present, average="macro",
                                              zero_division=0)),
        "majority_baseline": float(counts.max() / n),
        "mean_iou_present_majority": iou(majority, present),
        "mean_iou_all_majority": iou(majority, range(classes)),
        "classes_predicted": len(set(predicted)),
        "collapsed": len(set(predicted)) == 1 and len(present) > 1,
        "recall": each(m.recall_score),
        "precision": each(m.precision_score),
        "f1": each(m.f1_score),
        "iou": each(m.jaccard_score),
    }


def main():
    warnings.simplefilter("ignore")
    random = numpy.random.default_rng(0)
    lines = ",\n".join(json.dumps(case(random), separators=(",", ":")) for _ in range(CASES))
    head = {"made_by": "tests/oracles/metrics.py", "scikit-learn": sklearn.__version__}
    text = json.dumps(head)[:-1] + ', "cases": [\n' + lines + "\n]}\n"
    folder = ROOT / "plugins/testdata"
    folder.mkdir(exist_ok=True)
    (folder / "metrics.json").write_text(text)


if __name__ == "__main__":
    main()
