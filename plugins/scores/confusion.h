// Numbers of a confusion matrix.
#ifndef PLUGINS_SCORES_CONFUSION_H_
#define PLUGINS_SCORES_CONFUSION_H_

#include <cstdint>
#include <vector>

namespace plugins {

// counts[truth][prediction].
using Confusion = std::vector<std::vector<int64_t>>;

struct ConfusionMetrics {
  double accuracy;           // share that is right
  double balanced_accuracy;  // mean recall of the classes that occur in the truth
  // Averages over classes, each weighted by its share of the truth.
  double weighted_precision, weighted_recall, weighted_f1;
  // Averages over the classes that occur in the truth or the predictions.
  double macro_precision, macro_recall, macro_f1;
  // Intersection over union, averaged over the classes that occur in the truth, and over all
  // classes (one that neither occurs nor is predicted then counts as 0).
  double mean_iou_present, mean_iou_all;
  double mean_dice_present;  // Dice is another name of F1; over the classes that occur in the truth
  // Of always answering the most frequent class: its accuracy and both mean IoUs.
  double majority_baseline, mean_iou_present_majority, mean_iou_all_majority;
  int64_t classes_predicted;  // how many classes are ever predicted
  bool collapsed;             // one class is predicted although the truth holds several
  std::vector<double> recall, precision, f1, iou;  // by class; NaN where 0 / 0
};

// In averages a ratio with a denominator of 0 is 0. Without any sample every number is NaN or 0.
ConfusionMetrics Evaluate(const Confusion& counts);

}  // namespace plugins

#endif  // PLUGINS_SCORES_CONFUSION_H_
