// Metrics from counts.
#include "plugins/confusion.h"

#include <algorithm>
#include <cmath>

namespace plugins {
namespace {

double Ratio(double part, double whole) { return whole == 0 ? 0 : part / whole; }

}  // namespace

ConfusionMetrics Evaluate(const Confusion& counts) {
  const size_t classes = counts.size();
  std::vector<double> truth(classes), predicted(classes), right(classes);
  double total = 0, all_right = 0;
  for (size_t i = 0; i < classes; ++i) {
    right[i] = static_cast<double>(counts[i][i]);
    all_right += right[i];
    for (size_t j = 0; j < classes; ++j) {
      truth[i] += static_cast<double>(counts[i][j]);
      predicted[j] += static_cast<double>(counts[i][j]);
    }
    total += truth[i];
  }
  ConfusionMetrics m = {};
  double present = 0, either = 0;
  for (size_t i = 0; i < classes; ++i) {
    const double recall = Ratio(right[i], truth[i]);
    const double precision = Ratio(right[i], predicted[i]);
    const double f1 = Ratio(2 * right[i], truth[i] + predicted[i]);
    const double iou = Ratio(right[i], truth[i] + predicted[i] - right[i]);
    m.recall.push_back(recall);
    m.precision.push_back(precision);
    m.f1.push_back(f1);
    m.iou.push_back(iou);
    const double share = Ratio(truth[i], total);
    m.weighted_precision += share * precision;
    m.weighted_recall += share * recall;
    m.weighted_f1 += share * f1;
    m.majority_baseline = std::max(m.majority_baseline, share);
    m.classes_predicted += predicted[i] > 0;
    if (truth[i] > 0) {
      ++present;
      m.balanced_accuracy += recall;
      m.mean_iou += iou;
    }
    if (truth[i] + predicted[i] > 0) {
      ++either;
      m.macro_precision += precision;
      m.macro_recall += recall;
      m.macro_f1 += f1;
    }
  }
  // 0 / 0: without a sample nothing is known.
  m.accuracy = all_right / total;
  m.balanced_accuracy /= present;
  m.mean_iou /= present;
  m.macro_precision /= either;
  m.macro_recall /= either;
  m.macro_f1 /= either;
  m.collapsed = m.classes_predicted == 1 && present > 1;
  return m;
}

}  // namespace plugins
