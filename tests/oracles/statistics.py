#!/usr/bin/env python3
"""Golden statistics of random cases, computed by torchmetrics, scikit-learn, statsmodels, scipy and MAPIE.

  python tests/oracles/statistics.py   (made with torchmetrics 1.9.0, scikit-learn 1.9.1, statsmodels 0.15.0,
                                        scipy 1.17.1, MAPIE 1.6.0, numpy 2.4.6)

Writes pipeline/statistics/testdata/*.json: results only. The inputs are whole numbers of Philox, which
pipeline/statistics/golden_cases.h draws again; both follow the same steps, `below` for `Below`.
"""
import json
import math
import pathlib
import sys
import warnings

import numpy
import scipy
from scipy import optimize, stats

ROOT = pathlib.Path(__file__).resolve().parents[2]
SEED = 17
BINS = 15


class Stream:
    """PhiloxStream of pipeline/statistics/philox.h."""

    def __init__(self, purpose, case, seed=SEED):
        # numpy counts before it draws.
        self.bits = numpy.random.Philox(key=[seed, purpose], counter=[0, case, 0, 0])

    def below(self, n):
        return (int(self.bits.random_raw()) * n) >> 64


def classifier(purpose, case, least=1):
    """Probabilities and labels."""
    stream = Stream(purpose, case)
    classes = 2 + stream.below(6)
    n = least + stream.below(200)
    # So that no quantile at k / 15 is a sample itself, where numpy's rounding decides.
    while math.gcd(n - 1, BINS) != 1:
        n += 1
    power = 1 + stream.below(6)
    probabilities, labels = [], []
    for _ in range(n):
        label = stream.below(classes)
        weights = [1 + stream.below(1000000) for _ in range(classes)]
        weights[label] += stream.below(1000000)
        row, total = [], 0.0
        for weight in weights:
            raised = 1.0
            for _ in range(power):
                raised *= weight / 1000000
            row.append(raised)
            total += raised
        probabilities.append([raised / total for raised in row])
        labels.append(label)
    return numpy.array(probabilities), numpy.array(labels)


def rounded(value):
    value = float(value)
    return None if math.isnan(value) else float(f"{value:.12g}")


def write(name, table):
    path = ROOT / "pipeline/statistics/testdata" / name
    path.write_text(json.dumps(table, separators=(",", ":")).replace("},{", "},\n{") + "\n")
    print(path, path.stat().st_size)


def equal_mass(confidence, right):
    """scikit-learn's curve gives the bins' means; their sizes are counted again by its edges."""
    from sklearn.calibration import calibration_curve
    accuracy, mean = calibration_curve(right, confidence, n_bins=BINS, strategy="quantile")
    edges = numpy.percentile(confidence, numpy.linspace(0, 100, BINS + 1))
    sizes = numpy.bincount(numpy.searchsorted(edges[1:-1], confidence), minlength=BINS)
    sizes = sizes[sizes > 0]
    return (numpy.abs(accuracy - mean) * sizes).sum() / sizes.sum()


def areas(probabilities, labels):
    from sklearn import metrics as m
    auc, precision = [], []
    for c in range(probabilities.shape[1]):
        positive = labels == c
        if positive.any() and not positive.all():
            auc.append(m.roc_auc_score(positive, probabilities[:, c]))
            precision.append(m.average_precision_score(positive, probabilities[:, c]))
    return (numpy.mean(auc), numpy.mean(precision)) if auc else (math.nan, math.nan)


def calibration():
    import torch
    from sklearn import metrics as m
    from torchmetrics.functional.classification.calibration_error import _ce_compute
    cases = []
    case = -1
    while len(cases) < 1000:
        case += 1
        p, y = classifier(1, case)
        classes = p.shape[1]
        confidence, right = p.max(1), p.argmax(1) == y
        # At an edge torchmetrics takes the bin above; among equals it takes any.
        from_edge = numpy.abs(confidence * BINS - numpy.round(confidence * BINS))
        if from_edge.min() < 1e-9 or (numpy.diff(numpy.sort(p, 1)[:, -2:], axis=1) == 0).any():
            continue

        def error(norm):  # its public function rounds to float32 first
            return _ce_compute(torch.from_numpy(confidence), torch.from_numpy(right), BINS, norm)
        auc, precision = areas(p, y)
        if len(set(y)) == classes > 2:
            assert abs(auc - m.roc_auc_score(y, p, multi_class="ovr", average="macro")) < 1e-12
        cases.append({
            "case": case,
            "accuracy": rounded(right.mean()),
            "ece": rounded(error("l1")),
            "mce": rounded(error("max")),
            "ece_equal_mass": rounded(equal_mass(confidence, right)),
            "brier": rounded(m.brier_score_loss(y, p, labels=range(classes), scale_by_half=False)
                             if classes > 2 else 2 * m.brier_score_loss(y, p[:, 1], labels=[0, 1],
                                                                         pos_label=1)),
            "nll": rounded(m.log_loss(y, p, labels=range(classes))),
            "macro_auc": rounded(auc),
            "macro_ap": rounded(precision),
        })
    write("calibration.json", cases)


def ranking():
    from sklearn import metrics as m
    cases = []
    for case in range(1000):
        stream = Stream(2, case)
        top = [3, 20, 1000000][stream.below(3)]
        n = 2 + stream.below(100)
        scores, positive = [], []
        for _ in range(n):
            scores.append(stream.below(top))
            positive.append(stream.below(3) == 0)
        if all(positive) or not any(positive):
            cases.append(None)
            continue
        x, y, _ = m.roc_curve(positive, scores, drop_intermediate=False)
        fewer = [0]
        p, q = sum(positive), n - sum(positive)
        whole = [(round(a * q), round(b * p)) for a, b in zip(x, y)]
        for i in range(1, len(whole) - 1):
            (a, b), (c, d), (e, f) = whole[i - 1:i + 2]
            if (d - b) * (e - c) != (c - a) * (f - d):
                fewer.append(i)
        fewer.append(len(whole) - 1)
        precision, recall, _ = m.precision_recall_curve(positive, scores)
        precision, recall = precision[::-1], recall[::-1]
        last = int(numpy.argmax(recall >= 1)) + 1
        cases.append({
            "auc": rounded(m.roc_auc_score(positive, scores)),
            "average_precision": rounded(m.average_precision_score(positive, scores)),
            "roc_points": len(fewer), "roc_x": rounded(x[fewer].sum()), "roc_y": rounded(y[fewer].sum()),
            "pr_points": last, "pr_x": rounded(recall[:last].sum()),
            "pr_y": rounded(precision[:last].sum()),
        })
    write("ranking.json", cases)


def paired():
    from scipy.stats._resampling import BootstrapResult
    from statsmodels.stats.contingency_tables import mcnemar
    mcnemars, intervals = [], []
    for case in range(200):
        stream = Stream(3, case)
        b, c = (stream.below(10 ** (1 + stream.below(4))) for _ in range(2))
        exact = mcnemar([[0, b], [c, 0]], exact=True).pvalue
        own = stats.binom.pmf(min(b, c), b + c, 0.5)
        middle = 1 - own / 2 if b == c else exact - own
        mcnemars.append({"exact": rounded(exact), "mid_p": rounded(1 if b + c == 0 else middle)})
    resamples = 999
    for case in range(20):
        stream = Stream(4, case)
        n = 5 + stream.below(40)
        a = [(stream.below(2000001) - 500000) / 1000000 for _ in range(n)]
        x = numpy.array([v * abs(v) for v in a])
        means = []
        for b in range(resamples):
            drawn = Stream(100 + case, b)
            means.append(x[[drawn.below(n) for _ in range(n)]].mean())

        def interval(method):
            found = stats.bootstrap((x,), numpy.mean, n_resamples=0, method=method,
                                    bootstrap_result=BootstrapResult(None, numpy.array(means), None))
            return [rounded(v) for v in found.confidence_interval]
        intervals.append({"difference": rounded(x.mean()), "percentile": interval("percentile"),
                          "bca": interval("BCa"), "error": rounded(numpy.std(means, ddof=1))})
    write("paired.json", {"mcnemar": mcnemars, "bootstrap": intervals})


def objective(parameters, z, y, prior):
    """Mean negative log likelihood of softmax(weight z + bias), prior / n times the distance from
    weight 1 and bias 0 squared and halved; with its gradient and Hessian."""
    n, classes = z.shape
    weight, bias = parameters[:classes], parameters[classes:]
    log_p = weight * z + bias
    log_p = log_p - scipy.special.logsumexp(log_p, axis=1, keepdims=True)
    p = numpy.exp(log_p)
    away = numpy.concatenate([weight - 1, bias])
    value = -log_p[numpy.arange(n), y].mean() + prior / n * (away @ away) / 2
    error = p - numpy.eye(classes)[y]
    gradient = numpy.concatenate([(error * z).mean(0), error.mean(0)]) + prior / n * away
    features = numpy.zeros((n, classes, 2 * classes))  # d log-odds / d parameters
    for c in range(classes):
        features[:, c, c] = z[:, c]
        features[:, c, classes + c] = 1
    mean = numpy.einsum("nc,ncp->np", p, features)
    hessian = (numpy.einsum("nc,ncp,ncq->pq", p, features, features) - mean.T @ mean) / n
    return value, gradient, hessian + prior / n * numpy.eye(2 * classes)


def scaling():
    cases = []
    for case in range(100):
        p, y = classifier(5, case, least=20)
        z = numpy.log(p)
        classes = p.shape[1]

        def loss(inverse):
            log_p = inverse * z
            return -(log_p[numpy.arange(len(y)), y] - scipy.special.logsumexp(log_p, axis=1)).mean()

        def slope(inverse):
            p = scipy.special.softmax(inverse * z, axis=1)
            return ((p * z).sum(1) - z[numpy.arange(len(y)), y]).mean()
        inverse = optimize.brentq(slope, 0.01, 100, xtol=1e-14)
        start = numpy.concatenate([numpy.ones(classes), numpy.zeros(classes)])
        parts = lambda i: lambda x: objective(x, z, y, 1)[i]
        found = optimize.minimize(parts(0), start, jac=parts(1), hess=parts(2), method="trust-exact",
                                  options={"gtol": 1e-12, "maxiter": 500})
        x = found.x
        for _ in range(3):  # trust-exact stops where rounding hides the value's progress
            _, gradient, hessian = objective(x, z, y, 1)
            x = x - numpy.linalg.solve(hessian, gradient)
        value, gradient, _ = objective(x, z, y, 1)
        assert numpy.abs(gradient).max() < 1e-13, gradient
        cases.append({"temperature": rounded(1 / inverse), "nll": rounded(loss(inverse)),
                      "vector": [rounded(v) for v in x], "objective": rounded(value)})
    write("scaling.json", cases)


def conformal():
    from mapie.classification import SplitConformalClassifier
    from sklearn.base import BaseEstimator, ClassifierMixin

    class Given(ClassifierMixin, BaseEstimator):
        """Its probabilities are its inputs."""

        def __init__(self, classes):
            self.classes = classes
            self.classes_ = numpy.arange(classes)

        def fit(self, x, y):
            return self

        def predict(self, x):
            return x.argmax(1)

        def predict_proba(self, x):
            return x

    cases = []
    for case in range(100):
        p, y = classifier(6, case, least=40)
        half = len(y) // 2
        if (half + 1) % 10 == 0:  # where (half + 1) * 0.9 is whole, rounding decides
            half -= 1
        sets = SplitConformalClassifier(Given(p.shape[1]), confidence_level=0.9,
                                        conformity_score="lac", prefit=True)
        sets.conformalize(p[:half], y[:half])
        members = sets.predict_set(p[half:])[1][:, :, 0]
        cases.append({"coverage": rounded(members[numpy.arange(len(y) - half), y[half:]].mean()),
                      "size": rounded(members.sum(1).mean())})
    write("conformal.json", cases)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    tables = [calibration, ranking, paired, scaling, conformal]
    for table in tables:
        if len(sys.argv) < 2 or table.__name__ in sys.argv[1:]:
            table()
