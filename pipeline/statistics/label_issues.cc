// Confident learning, step by step as cleanlab 2.9.0 takes it, to the same whole numbers.
#include "pipeline/statistics/label_issues.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <functional>
#include <numeric>

namespace pipeline {
namespace {

constexpr double kEqual = 1e-6;  // cleanlab's FLOATING_POINT_COMPARISON
constexpr double kNeverSure = 2;

void Require(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  if (labels.empty() || probabilities[0].size() < 2) std::abort();
  for (const std::vector<double>& row : probabilities) {
    for (const double p : row) {
      if (std::isnan(p)) std::abort();
    }
  }
}

// In numpy's order of additions: what lies near a half is rounded the same way.
double PairwiseSum(const double* values, size_t count) {
  if (count < 8) return std::accumulate(values, values + count, 0.0);
  if (count > 128) {
    const size_t half = count / 2 - count / 2 % 8;
    return PairwiseSum(values, half) + PairwiseSum(values + half, count - half);
  }
  double r[8];
  std::copy(values, values + 8, r);
  size_t i = 8;
  for (; i + 8 <= count; i += 8) {
    for (size_t k = 0; k < 8; ++k) r[k] += values[i + k];
  }
  double sum = ((r[0] + r[1]) + (r[2] + r[3])) + ((r[4] + r[5]) + (r[6] + r[7]));
  for (; i < count; ++i) sum += values[i];
  return sum;
}

double PairwiseSum(const std::vector<double>& values) {
  return PairwiseSum(values.data(), values.size());
}

std::vector<int64_t> CountsOf(const std::vector<int>& labels, size_t classes) {
  std::vector<int64_t> counts(classes);
  for (const int label : labels) ++counts[label];
  return counts;
}

std::vector<double> ThresholdsOf(const Probabilities& probabilities,
                                 const std::vector<int>& labels) {
  std::vector<double> thresholds;
  for (size_t k = 0; k < probabilities[0].size(); ++k) {
    std::vector<double> own;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == static_cast<int>(k)) own.push_back(probabilities[i][k]);
    }
    const double mean =
        own.empty() ? kNeverSure : PairwiseSum(own) / static_cast<double>(own.size());
    thresholds.push_back(std::max(mean, 2 * kEqual));
  }
  return thresholds;
}

// The class that the model is sure of: its own threshold is reached; -1 of none.
int SureOf(const std::vector<double>& row, const std::vector<double>& thresholds) {
  int sure = -1, count = 0;
  for (size_t k = 0; k < row.size(); ++k) {
    if (row[k] < thresholds[k] - kEqual) continue;
    ++count;
    if (sure < 0) sure = static_cast<int>(k);
  }
  return count > 1 ? MostLikely(row) : sure;
}

// Half to even; then what the sum lacks is added to those that lost most, what it has too much is
// taken from those that gained most.
std::vector<int64_t> RoundedKeepingSum(const std::vector<double>& values) {
  std::vector<double> whole;
  for (const double value : values) whole.push_back(std::nearbyint(value));
  const double wanted = std::nearbyint(PairwiseSum(values));
  for (double missing = wanted - std::nearbyint(PairwiseSum(whole)); missing != 0;
       missing = wanted - std::nearbyint(PairwiseSum(whole))) {
    const double step = missing < 0 ? -1 : 1;
    std::vector<size_t> order(values.size());
    std::iota(order.begin(), order.end(), 0);
    std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
      return values[a] - whole[a] < values[b] - whole[b];
    });
    if (step > 0) std::reverse(order.begin(), order.end());
    const size_t changes = std::min(static_cast<size_t>(std::abs(missing)), order.size());
    for (size_t i = 0; i < changes; ++i) whole[order[i]] += step;
  }
  return {whole.begin(), whole.end()};
}

LabelCounts Calibrated(const LabelCounts& counted, const std::vector<int>& labels) {
  const size_t classes = counted.size();
  const std::vector<int64_t> counts = CountsOf(labels, classes);
  std::vector<double> scaled(classes * classes);  // [likely][given], as cleanlab sums them
  for (size_t k = 0; k < classes; ++k) {
    const int64_t row = std::accumulate(counted[k].begin(), counted[k].end(), int64_t{0});
    for (size_t j = 0; j < classes; ++j) {
      scaled[j * classes + k] = static_cast<double>(counted[k][j]) / static_cast<double>(row) *
                                static_cast<double>(counts[k]);
    }
  }
  const double sum = PairwiseSum(scaled);
  LabelCounts calibrated;
  for (size_t k = 0; k < classes; ++k) {
    std::vector<double> row;
    for (size_t j = 0; j < classes; ++j) {
      row.push_back(scaled[j * classes + k] / sum * static_cast<double>(labels.size()));
    }
    calibrated.push_back(RoundedKeepingSum(row));
  }
  return calibrated;
}

// Leaves each given class at least one image that is right: what that takes comes off its other
// counts alike.
LabelCounts KeepingOne(const LabelCounts& calibrated) {
  LabelCounts kept = calibrated;
  for (size_t k = 0; k < kept.size(); ++k) {
    std::vector<int64_t>& row = kept[k];
    const int64_t lacking = std::max<int64_t>(1 - row[k], 0);
    if (lacking == 0) continue;
    const auto counted =
        std::count_if(row.begin(), row.end(), [](int64_t count) { return count != 0; });
    const double off =
        static_cast<double>(lacking) / std::max(static_cast<double>(counted) - 1, 1.0);
    for (int64_t& count : row) {
      count = static_cast<int64_t>(std::max(static_cast<double>(count) - off, 0.0));
    }
    row[k] = 1;
  }
  return kept;
}

// Marks the first `count` of the images by ascending score, ties by index.
void MarkLowest(const std::vector<int64_t>& images, int64_t count,
                const std::function<double(int64_t)>& score, std::vector<bool>* marked) {
  std::vector<int64_t> order = images;
  std::stable_sort(order.begin(), order.end(),
                   [&score](int64_t a, int64_t b) { return score(a) < score(b); });
  const int64_t all = static_cast<int64_t>(order.size());
  for (int64_t i = 0; i < std::min(count, all); ++i) (*marked)[order[i]] = true;
}

// The two filters that take as many images as were counted. A class of one image keeps it.
std::vector<bool> Pruned(const Probabilities& probabilities, const std::vector<int>& labels,
                         const LabelCounts& counts, bool by_class) {
  std::vector<bool> marked(labels.size());
  for (size_t k = 0; k < counts.size(); ++k) {
    std::vector<int64_t> own;
    for (size_t i = 0; i < labels.size(); ++i) {
      if (labels[i] == static_cast<int>(k)) own.push_back(static_cast<int64_t>(i));
    }
    if (own.size() < 2) continue;
    if (by_class) {
      MarkLowest(
          own, static_cast<int64_t>(own.size()) - counts[k][k],
          [&](int64_t i) { return probabilities[i][k]; }, &marked);
      continue;
    }
    for (size_t j = 0; j < counts.size(); ++j) {
      if (j == k) continue;
      MarkLowest(
          own, counts[k][j],
          [&](int64_t i) { return -(probabilities[i][j] - probabilities[i][k]); }, &marked);
    }
  }
  return marked;
}

std::vector<bool> Marked(const Probabilities& probabilities, const std::vector<int>& labels,
                         LabelFilter filter) {
  const ConfidentJoint joint = ConfidentJointOf(probabilities, labels);
  if (filter == LabelFilter::kConfidentLearning) {
    std::vector<bool> marked;
    for (size_t i = 0; i < labels.size(); ++i) {
      const int sure = SureOf(probabilities[i], joint.thresholds);
      marked.push_back(sure >= 0 && sure != labels[i]);
    }
    return marked;
  }
  const LabelCounts counts = KeepingOne(joint.calibrated);
  std::vector<bool> marked =
      Pruned(probabilities, labels, counts, filter == LabelFilter::kPruneByClass);
  if (filter != LabelFilter::kBoth) return marked;
  const std::vector<bool> by_class = Pruned(probabilities, labels, counts, true);
  for (size_t i = 0; i < marked.size(); ++i) marked[i] = marked[i] && by_class[i];
  return marked;
}

Probabilities Adjusted(Probabilities probabilities, const std::vector<int>& labels) {
  const std::vector<double> thresholds = ThresholdsOf(probabilities, labels);
  const double most = *std::max_element(thresholds.begin(), thresholds.end());
  for (std::vector<double>& row : probabilities) {
    for (size_t k = 0; k < row.size(); ++k) row[k] = row[k] - thresholds[k] + most;
    const double sum = PairwiseSum(row);
    for (double& p : row) p /= sum;
  }
  return probabilities;
}

double HighestOther(const std::vector<double>& row, int own) {
  double highest = -INFINITY;
  for (size_t k = 0; k < row.size(); ++k) {
    if (static_cast<int>(k) != own) highest = std::max(highest, row[k]);
  }
  return highest;
}

}  // namespace

ConfidentJoint ConfidentJointOf(const Probabilities& probabilities,
                                const std::vector<int>& labels) {
  Require(probabilities, labels);
  const size_t classes = probabilities[0].size();
  ConfidentJoint joint;
  joint.thresholds = ThresholdsOf(probabilities, labels);
  joint.counted.assign(classes, std::vector<int64_t>(classes));
  for (size_t i = 0; i < labels.size(); ++i) {
    const int sure = SureOf(probabilities[i], joint.thresholds);
    if (sure >= 0) ++joint.counted[labels[i]][sure];
  }
  for (size_t k = 0; k < classes; ++k) {
    joint.counted[k][k] = std::max<int64_t>(joint.counted[k][k], 1);
  }
  joint.calibrated = Calibrated(joint.counted, labels);
  return joint;
}

std::vector<double> LabelScores(const Probabilities& probabilities, const std::vector<int>& labels,
                                LabelScore score, bool adjusted) {
  Require(probabilities, labels);
  if (adjusted) return LabelScores(Adjusted(probabilities, labels), labels, score);
  std::vector<double> scores;
  for (size_t i = 0; i < labels.size(); ++i) {
    const double own = probabilities[i][labels[i]];
    scores.push_back(score == LabelScore::kSelfConfidence
                         ? own
                         : (own - HighestOther(probabilities[i], labels[i]) + 1) / 2);
  }
  return scores;
}

std::vector<int64_t> LabelIssues(const Probabilities& probabilities, const std::vector<int>& labels,
                                 LabelFilter filter, LabelScore ranked_by) {
  Require(probabilities, labels);
  const std::vector<bool> marked = Marked(probabilities, labels, filter);
  const std::vector<double> scores = LabelScores(probabilities, labels, ranked_by);
  std::vector<int64_t> issues;
  for (size_t i = 0; i < labels.size(); ++i) {
    std::vector<double> row = probabilities[i];
    row[labels[i]] += kEqual;
    if (marked[i] && MostLikely(row) != labels[i]) issues.push_back(static_cast<int64_t>(i));
  }
  std::stable_sort(issues.begin(), issues.end(),
                   [&scores](int64_t a, int64_t b) { return scores[a] < scores[b]; });
  return issues;
}

}  // namespace pipeline
