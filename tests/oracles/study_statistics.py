#!/usr/bin/env python3
"""Golden statistics of random studies, computed by scipy, statsmodels, scikit-posthocs, scikit-learn and cleanlab.

  python tests/oracles/study_statistics.py [table ...]   (made with numpy 2.4.6, scipy 1.17.1, statsmodels 0.15.0,
                                        scikit-posthocs 0.17.1, scikit-learn 1.9.1, cleanlab 2.9.0)

Writes pipeline/statistics/testdata/study_*.json: results only. The inputs are whole numbers of Philox, which
pipeline/statistics/study_golden_test.cc draws again in the same order.
"""
import fractions
import importlib.util
import itertools
import math
import pathlib
import sys
import warnings

import numpy
from scipy import integrate, stats

# The script beside this one has the name of a module of Python's own, which seaborn needs.
HERE = pathlib.Path(__file__).resolve().parent
sys.path = [path for path in sys.path if pathlib.Path(path).resolve() != HERE]
SPEC = importlib.util.spec_from_file_location("golden", HERE / "statistics.py")
golden_script = importlib.util.module_from_spec(SPEC)
SPEC.loader.exec_module(golden_script)
Stream, classifier = golden_script.Stream, golden_script.classifier
rounded, write = golden_script.rounded, golden_script.write


def table(stream, rows, columns, draw):
    return numpy.array([[draw(stream) for _ in range(columns)] for _ in range(rows)])


def signs(stream):
    return stream.below(3) - 1


def millionths(stream):
    return (stream.below(2000001) - 1000000) / 1000000


def crossed_draws(seeds, images, case, b):
    s, i = Stream(200 + case, b), Stream(300 + case, b)
    return [s.below(seeds) for _ in range(seeds)], [i.below(images) for _ in range(images)]


def pigeonhole(d):
    s, n = d.shape
    mean, rows, columns = d.mean(), d.mean(1), d.mean(0)
    error = d - rows[:, None] - columns + mean
    return ((error ** 2).sum() / (s * n) ** 2 + ((rows - mean) ** 2).sum() / s ** 2 +
            ((columns - mean) ** 2).sum() / n ** 2)


def interval(mean, variance, degrees):
    if not variance > 1e-15:
        return [None, None]
    return [rounded(v) for v in stats.t.interval(0.95, degrees, mean, math.sqrt(variance))]


def crossed():
    import pandas
    from statsmodels.formula.api import ols
    from statsmodels.stats.anova import anova_lm
    cases = []
    for case in range(60):
        stream = Stream(20, case)
        s, n = 2 + stream.below(4), 3 + stream.below(30)
        d = table(stream, s, n, [signs, millionths][stream.below(2)])
        frame = pandas.DataFrame([(a, b, d[a, b]) for a in range(s) for b in range(n)], columns=["s", "i", "d"])
        found = anova_lm(ols("d ~ C(s) + C(i)", frame).fit())["sum_sq"]
        squares = [found["C(s)"] / (s - 1), found["C(i)"] / (n - 1), found["Residual"] / ((s - 1) * (n - 1))]
        total = squares[0] + squares[1] - squares[2]
        degrees = total ** 2 / (squares[0] ** 2 / (s - 1) + squares[1] ** 2 / (n - 1) +
                                squares[2] ** 2 / ((s - 1) * (n - 1)))
        degrees = max(degrees, min(s, n) - 1)
        means = []
        for b in range(199):
            seeds, images = crossed_draws(s, n, case, b)
            means.append(d[numpy.ix_(seeds, images)].mean())
        cases.append({"squares": [rounded(v) for v in squares],
                      "both": interval(d.mean(), total / (s * n), degrees),
                      "images": interval(d.mean(), squares[1] / (s * n), n - 1),
                      "seeds": interval(d.mean(), squares[0] / (s * n), s - 1),
                      "bootstrap": [rounded(v) for v in numpy.quantile(means, [0.025, 0.975])],
                      "error": rounded(numpy.std(means, ddof=1)), "pigeonhole": rounded(pigeonhole(d))})
    write("study_crossed.json", cases)


def tests():
    ranks, ts = [], []
    for case in range(200):
        stream = Stream(21, case)
        n, ties = 2 + stream.below(13), stream.below(2)
        d = [stream.below(11) - 5 if ties else stream.below(2000001) - 1000000 for _ in range(n)]
        if not any(d):
            ranks.append({"p": 1, "statistic": 0})
            continue
        found = stats.wilcoxon(d, method=stats.PermutationMethod(n_resamples=10 ** 6))
        ranks.append({"p": rounded(found.pvalue), "statistic": rounded(found.statistic)})
    for case in range(100):
        stream = Stream(22, case)
        n, folds, rope = 2 + stream.below(9), 2 + stream.below(9), stream.below(10000) / 1000000
        d = [(stream.below(200001) - 80000) / 1000000 for _ in range(n)]
        own = stats.ttest_1samp(d, 0)
        scale = math.sqrt(1 / n + 1 / (folds - 1)) * numpy.std(d, ddof=1)
        posterior = stats.t(n - 1, numpy.mean(d), scale)
        ts.append({"p": rounded(own.pvalue), "interval": [rounded(v) for v in own.confidence_interval(0.95)],
                   "folds_p": rounded(2 * stats.t.sf(abs(numpy.mean(d)) / scale, n - 1)),
                   "folds": [rounded(v) for v in posterior.interval(0.95)],
                   "left": rounded(posterior.cdf(-rope)), "right": rounded(posterior.sf(rope))})
    write("study_tests.json", {"wilcoxon": ranks, "t": ts})


def multiple():
    from statsmodels.stats.multitest import multipletests
    adjusted, families = [], []
    for case in range(30):
        stream = Stream(23, case)
        p = [(stream.below(1001) / 1000) ** 2 for _ in range(1 + stream.below(70))]
        adjusted.append({"holm": [rounded(v) for v in multipletests(p, method="holm")[1]],
                         "bh": [rounded(v) for v in multipletests(p, method="fdr_bh")[1]]})
    for case in range(20):
        stream = Stream(24, case)
        recipes, s, n = 2 + stream.below(5), 1 + stream.below(3), 5 + stream.below(20)
        d = [table(stream, s, n, signs) for _ in range(recipes)]
        errors = [math.sqrt(pigeonhole(x)) for x in d]
        greatest = []
        for b in range(199):
            cells = numpy.ix_(*crossed_draws(s, n, case, b))
            greatest.append(max(abs(x[cells].mean() - x.mean()) / e for x, e in zip(d, errors)))
        families.append({"critical": rounded(numpy.quantile(greatest, 0.95)),
                         "errors": [rounded(e) for e in errors]})
    write("study_multiple.json", {"adjusted": adjusted, "max_t": families})


def selection():
    nested, biases, maxima = [], [], []
    for case in range(40):
        stream = Stream(25, case)
        k, s, n = 2 + stream.below(6), 2 + stream.below(4), 5 + stream.below(30)
        val, test = (table(stream, k, s, lambda x: x.below(21)) for _ in range(2))  # in twentieths
        picks = [int(numpy.argmax(numpy.delete(val, j, 1).sum(1))) for j in range(s)]
        honest = sum(int(test[p, j]) for j, p in enumerate(picks)) / s / 20
        nested.append({"picks": picks, "honest": rounded(honest), "chosen": int(val.sum(1).argmax()),
                       "optimism": rounded(test.sum(1).max() / s / 20 - honest)})
        c = table(stream, k, n, lambda x: x.below(2))
        optimism, outside = [], []
        for b in range(199):
            draw = Stream(500 + case, b)
            bag = [draw.below(n) for _ in range(n)]
            pick = c[:, bag].sum(1).argmax()
            optimism.append(c[pick, bag].mean() - c[pick].mean())
            rest = sorted(set(range(n)) - set(bag))
            if rest:
                outside.append(c[pick, rest].mean())
        biases.append({"optimism": rounded(numpy.mean(optimism)), "corrected": rounded(numpy.mean(outside))})
    for k in range(1, 200):
        found = integrate.quad(lambda z: z * k * stats.norm.pdf(z) * stats.norm.cdf(z) ** (k - 1), -12, 12,
                               epsabs=1e-13, limit=500)
        maxima.append(rounded(found[0] if k > 1 else 0))
    write("study_selection.json", {"nested": nested, "bias": biases, "maximum": maxima})


def friedman(x):
    """Of rows of datasets; statistic, p, F, its p."""
    n, k = x.shape
    chi, p = stats.friedmanchisquare(*x.T)
    rest = n * (k - 1) - chi
    if math.isnan(chi):
        return 0, 1, 0, 1
    if rest < 1e-9:
        return chi, p, math.inf, math.factorial(k) ** (1 - n)
    f = (n - 1) * chi / rest
    return chi, p, f, stats.f.sf(f, k - 1, (k - 1) * (n - 1))


def permuted(x):
    ranks = [[int(2 * v) for v in row] for row in stats.rankdata(-x, axis=1)]
    square = lambda rows: sum(sum(column) ** 2 for column in zip(*rows))
    own = square(ranks)
    found = [square((ranks[0],) + rows) >= own
             for rows in itertools.product(*(list(itertools.permutations(row)) for row in ranks[1:]))]
    return sum(found) / len(found)


def ranks():
    import scikit_posthocs
    cases = []
    for case in range(60):
        stream = Stream(26, case)
        small = stream.below(2)
        n, k = (2 + stream.below(3), 3 + stream.below(2)) if small else (2 + stream.below(20), 3 + stream.below(18))
        x = table(stream, n, k, lambda s: s.below(12)) / 12
        chi, p, f, f_p = friedman(x)
        nemenyi = scikit_posthocs.posthoc_nemenyi_friedman(-x).to_numpy()
        cases.append({"ranks": [rounded(v) for v in stats.rankdata(-x, axis=1).mean(0)], "chi": rounded(chi),
                      "p": rounded(p), "f": rounded(f) if math.isfinite(f) else "infinite", "f_p": rounded(f_p),
                      "permutation": rounded(permuted(x)) if small else None,
                      "nemenyi": [rounded(nemenyi[0, 1]), rounded(nemenyi[0, k - 1])]})
    q = {str(k): rounded(stats.studentized_range.ppf(0.95, k, numpy.inf)) for k in (2, 3, 5, 8, 13, 20, 40, 63)}
    write("study_ranks.json", {"friedman": cases, "range": q})


def effects():
    from statsmodels.api import OLS
    fusions = [set(c) for size in (1, 2, 3) for c in itertools.combinations(range(7), size)]
    pairs = list(itertools.combinations(range(7), 2))
    cases = []
    for case in range(20):
        stream = Stream(28, case)
        sets = [c for c in fusions if stream.below(8) > 0]
        y = numpy.array([(700000 + stream.below(300000)) / 1000000 for _ in sets])
        additive = numpy.array([[1] + [a in c for a in range(7)] for c in sets], float)
        pairwise = numpy.hstack([additive, numpy.array([[a in c and b in c for a, b in pairs] for c in sets], float)])
        golden = {}
        for name, x in (("additive", additive), ("pairwise", pairwise)):
            golden[name] = None
            if numpy.linalg.matrix_rank(x) == x.shape[1]:
                fit = OLS(y, x).fit()
                golden[name] = {"coefficients": [rounded(v) for v in fit.params], "rss": rounded(fit.ssr)}
        with_loss = [y[j] - y[sets.index(c - {2})] for j, c in enumerate(sets) if 2 in c and c - {2} in sets]
        golden["matched"] = rounded(numpy.mean(with_loss))
        golden["pairs"] = len(with_loss)
        has = numpy.array([2 in c for c in sets])
        golden["naive"] = rounded(y[has].mean() - y[~has].mean())
        cases.append(golden)
    write("study_effects.json", cases)


def halving():
    cases = []
    for case in range(40):
        stream = Stream(29, case)
        k, s, rungs, eta = 4 + stream.below(10), 1 + stream.below(4), 2 + stream.below(2), 2 + stream.below(2)
        val = [[[stream.below(40) for _ in range(rungs)] for _ in range(s)] for _ in range(k)]
        final = [sum(run[-1] for run in recipe) for recipe in val]
        best = final.index(max(final))
        survived, regrets = 0, []
        for seeds in itertools.product(range(s), repeat=s):
            left = list(range(k))
            for rung in range(rungs):
                keep = -(-len(left) // eta) if rung + 1 < rungs else 1
                left = sorted(left, key=lambda c: (-sum(val[c][j][rung] for j in seeds), c))[:keep]
            survived += left[0] == best
            regrets.append(fractions.Fraction(final[best] - final[left[0]], s))
        cases.append({"best": best, "survived": survived, "regret": rounded(sum(regrets) / len(regrets)),
                      "most": rounded(max(regrets))})
    write("study_halving.json", cases)


def shares():
    from sklearn.metrics import f1_score
    from statsmodels.stats.proportion import proportion_confint
    cases = []
    for case in range(100):
        stream = Stream(30, case)
        total = 1 + stream.below(1000)
        right = stream.below(total + 1)
        classes, n = 2 + stream.below(5), 1 + stream.below(40)
        y, p = ([stream.below(classes) for _ in range(n)] for _ in range(2))
        f1 = f1_score(y, p, labels=range(classes), average="macro", zero_division=0)
        cases.append({"wilson": [rounded(v) for v in proportion_confint(right, total, method="wilson")],
                      "f1": rounded(f1)})
    write("study_shares.json", cases)


def distributions():
    cases = []
    for case in range(200):
        stream = Stream(32, case)
        x = stream.below(10 ** 7) / 10 ** 6
        a, b = ((1 + stream.below(10 ** (3 + stream.below(5)))) / 1000 for _ in range(2))
        cases.append({"t": rounded(2 * stats.t.sf(x, a)), "quantile": rounded(stats.t.ppf(x / 10, a)),
                      "f": rounded(stats.f.sf(x, a, b)), "chi": rounded(stats.chi2.sf(x * a / 5, a))})
    write("study_distributions.json", cases)


def rounding_is_ambiguous(counted, labels):
    """Whether equal remainders leave open which count cleanlab's unstable sort raises."""
    counts = numpy.bincount(labels, minlength=len(counted))
    scaled = (counted.T / counted.sum(axis=1) * counts).T
    scaled = scaled / scaled.sum() * len(labels)
    for row in scaled:
        missing = int(round(row.sum() - row.round().sum()))
        rest = numpy.sort(row - row.round())
        rest = rest[::-1] if missing > 0 else rest
        cut = abs(missing)
        if 0 < cut < len(rest) and abs(rest[cut - 1] - rest[cut]) < 1e-9:
            return True
    return False


def labels():
    from cleanlab import count, filter as filters, rank
    cases, case = [], -1
    while len(cases) < 200:
        case += 1
        p, y = classifier(31, case, least=10)
        if len(set(y)) < 2:
            continue
        counted = count.compute_confident_joint(y, p, calibrate=False)
        if rounding_is_ambiguous(counted, y):
            continue

        def issues(by, ranked="self_confidence"):
            return [int(i) for i in filters.find_label_issues(y, p, filter_by=by, return_indices_ranked_by=ranked,
                                                              n_jobs=1)]
        adjusted = rank.get_label_quality_scores(y, p, method="normalized_margin", adjust_pred_probs=True)
        cases.append({"case": case, "thresholds": rounded(sum(count.get_confident_thresholds(y, p))),
                      "joint": count.compute_confident_joint(y, p).tolist(),
                      "noise_rate": issues("prune_by_noise_rate"),
                      "margin": issues("prune_by_noise_rate", "normalized_margin"),
                      "class": issues("prune_by_class"), "both": issues("both"),
                      "learning": issues("confident_learning"), "adjusted": rounded(adjusted.sum()),
                      "lowest": int(adjusted.argmin())})
    write("study_labels.json", cases)


if __name__ == "__main__":
    warnings.filterwarnings("ignore")
    for made in [crossed, tests, multiple, selection, ranks, effects, halving, shares, distributions, labels]:
        if len(sys.argv) < 2 or made.__name__ in sys.argv[1:]:
            made()
