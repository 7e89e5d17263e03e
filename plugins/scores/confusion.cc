// Metrics from counts.
#include "plugins/scores/confusion.h"

#include <algorithm>
#include <cmath>

namespace plugins {
namespace {

double OrZero(double ratio) { return std::isnan(ratio) ? 0 : ratio; }

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
    m.recall.push_back(right[i] / truth[i]);
    m.precision.push_back(right[i] / predicted[i]);
    m.f1.push_back(2 * right[i] / (truth[i] + predicted[i]));
    m.iou.push_back(right[i] / (truth[i] + predicted[i] - right[i]));
    const double recall = OrZero(m.recall[i]), precision = OrZero(m.precision[i]);
    const double f1 = OrZero(m.f1[i]), iou = OrZero(m.iou[i]);
    const double share = OrZero(truth[i] / total);
    m.weighted_precision += share * precision;
    m.weighted_recall += share * recall;
    m.weighted_f1 += share * f1;
    m.majority_baseline = std::max(m.majority_baseline, share);
    m.classes_predicted += predicted[i] > 0;
    m.mean_iou_all += iou;
    if (truth[i] > 0) {
      ++present;
      m.balanced_accuracy += recall;
      m.mean_iou_present += iou;
      m.mean_dice_present += f1;
    }
    if (truth[i] + predicted[i] > 0) {
      ++either;
      m.macro_precision += precision;
      m.macro_recall += recall;
      m.macro_f1 += f1;
    }
  }
  // 0 / 0: without a sample nothing is known.
  const double all = total > 0 ? static_cast<double>(classes) : 0;
  m.accuracy = all_right / total;
  m.balanced_accuracy /= present;
  m.mean_iou_present /= present;
  m.mean_iou_all /= all;
  m.mean_dice_present /= present;
  // The IoU of the class that is always answered is its share; every other one's is 0.
  m.mean_iou_present_majority = m.majority_baseline / present;
  m.mean_iou_all_majority = m.majority_baseline / all;
  m.macro_precision /= either;
  m.macro_recall /= either;
  m.macro_f1 /= either;
  m.collapsed = m.classes_predicted == 1 && present > 1;
  return m;
}

}  // namespace plugins
