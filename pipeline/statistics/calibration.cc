// Calibration errors and proper scores.
#include "pipeline/statistics/calibration.h"

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <limits>

namespace pipeline {
namespace {

// bins + 1 of them.
std::vector<double> Edges(const std::vector<double>& confidence, Binning binning, int bins) {
  std::vector<double> edges;
  if (binning == Binning::kEqualWidth) {
    for (int k = 0; k <= bins; ++k) edges.push_back(static_cast<double>(k) / bins);
    return edges;
  }
  std::vector<double> ascending = confidence;
  std::sort(ascending.begin(), ascending.end());
  for (int k = 0; k <= bins; ++k) edges.push_back(Quantile(ascending, k, bins));
  return edges;
}

bool HasNan(const std::vector<double>& values) {
  return std::any_of(values.begin(), values.end(), [](double value) { return std::isnan(value); });
}

}  // namespace

std::vector<ReliabilityBin> ReliabilityBins(const Answers& answers, Binning binning, int bins) {
  if (bins < 1 || answers.confidence.size() != answers.right.size()) std::abort();
  if (answers.confidence.empty() || HasNan(answers.confidence)) return {};
  const std::vector<double> edges = Edges(answers.confidence, binning, bins);
  std::vector<ReliabilityBin> result(bins);
  for (int k = 0; k < bins; ++k) {
    result[k].low = edges[k];
    result[k].high = edges[k + 1];
  }
  for (size_t i = 0; i < answers.right.size(); ++i) {
    const double confidence = answers.confidence[i];
    const auto inner = std::lower_bound(edges.begin() + 1, edges.end() - 1, confidence);
    ReliabilityBin& bin = result[inner - edges.begin() - 1];
    ++bin.count;
    bin.confidence += confidence;
    bin.accuracy += answers.right[i];
  }
  for (ReliabilityBin& bin : result) {  // 0 / 0 is NaN
    bin.confidence /= static_cast<double>(bin.count);
    bin.accuracy /= static_cast<double>(bin.count);
  }
  return result;
}

double ExpectedCalibrationError(const std::vector<ReliabilityBin>& bins) {
  double sum = 0;
  int64_t count = 0;
  for (const ReliabilityBin& bin : bins) {
    if (bin.count == 0) continue;
    sum += static_cast<double>(bin.count) * std::abs(bin.accuracy - bin.confidence);
    count += bin.count;
  }
  return sum / static_cast<double>(count);
}

double MaximumCalibrationError(const std::vector<ReliabilityBin>& bins) {
  double greatest = NAN;
  for (const ReliabilityBin& bin : bins) {
    if (bin.count > 0) greatest = std::fmax(greatest, std::abs(bin.accuracy - bin.confidence));
  }
  return greatest;
}

double BrierScore(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    for (size_t c = 0; c < probabilities[i].size(); ++c) {
      const double distance = probabilities[i][c] - (static_cast<int>(c) == labels[i] ? 1 : 0);
      sum += distance * distance;
    }
  }
  return sum / static_cast<double>(labels.size());
}

double NegativeLogLikelihood(const Probabilities& probabilities, const std::vector<int>& labels) {
  RequireShapes(probabilities, labels);
  constexpr double kLeast = std::numeric_limits<double>::epsilon();
  double sum = 0;
  for (size_t i = 0; i < labels.size(); ++i) {
    if (HasNan(probabilities[i])) return NAN;
    sum -= std::log(std::clamp(probabilities[i][labels[i]], kLeast, 1 - kLeast));
  }
  return sum / static_cast<double>(labels.size());
}

CalibrationScores CalibrationScoresOf(const Probabilities& probabilities,
                                      const std::vector<int>& labels, int bins) {
  const Answers answers = AnswersOf(probabilities, labels);
  const std::vector<ReliabilityBin> wide = ReliabilityBins(answers, Binning::kEqualWidth, bins);
  CalibrationScores scores;
  scores.accuracy = Mean({answers.right.begin(), answers.right.end()});
  scores.ece = ExpectedCalibrationError(wide);
  scores.mce = MaximumCalibrationError(wide);
  scores.ece_equal_mass =
      ExpectedCalibrationError(ReliabilityBins(answers, Binning::kEqualMass, bins));
  scores.brier = BrierScore(probabilities, labels);
  scores.nll = NegativeLogLikelihood(probabilities, labels);
  return scores;
}

}  // namespace pipeline
