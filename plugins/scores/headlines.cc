// Rows of the result table.
#include "plugins/scores/headlines.h"

#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace plugins {

using pipeline::Percent;
using pipeline::Thousands;

namespace {

std::string WithBaseline(double value, double baseline) {
  return absl::StrCat(Percent(value), "  (majority baseline ", Percent(baseline), ")");
}

}  // namespace

void AddImageHeadlines(const ConfusionMetrics& m, pipeline::Report* report) {
  report->AddHeadline("accuracy", WithBaseline(m.accuracy, m.majority_baseline));
  report->AddHeadline("balanced accuracy", Percent(m.balanced_accuracy));
  report->AddHeadline("macro F1", Percent(m.macro_f1));
  report->AddHeadline("weighted precision", Percent(m.weighted_precision));
  report->AddHeadline("weighted recall", Percent(m.weighted_recall));
  report->AddHeadline("weighted F1", Percent(m.weighted_f1));
  report->AddHeadline("mean IoU", Percent(m.mean_iou_present));
}

void AddPixelHeadlines(const ConfusionMetrics& m, const std::vector<RadiusScores>& tolerant,
                       pipeline::Report* report) {
  report->AddHeadline("pixel accuracy", WithBaseline(m.accuracy, m.majority_baseline));
  report->AddHeadline("mean IoU, classes present",
                      WithBaseline(m.mean_iou_present, m.mean_iou_present_majority));
  report->AddHeadline("mean IoU, all classes",
                      WithBaseline(m.mean_iou_all, m.mean_iou_all_majority));
  report->AddHeadline("mean Dice, classes present", Percent(m.mean_dice_present));
  for (const auto& [radius, scores] : tolerant) {
    report->AddHeadline(absl::StrCat("F1 within ", radius, " px"),
                        absl::StrCat(Percent(scores.f1), "  (precision ", Percent(scores.precision),
                                     ", recall ", Percent(scores.recall), ")"));
  }
}

void AddClasses(bool pixels, const std::vector<std::string>& labels, const Confusion& counts,
                const ConfusionMetrics& m, pipeline::Report* report) {
  if (labels.size() == counts.size()) {
    std::vector<int64_t> truth;
    for (const auto& row : counts) {
      truth.push_back(std::accumulate(row.begin(), row.end(), int64_t{0}));
    }
    const auto total = static_cast<double>(std::accumulate(truth.begin(), truth.end(), int64_t{0}));
    std::vector<std::vector<std::string>> table = {
        pixels ? std::vector<std::string>{"class", "IoU", "Dice", "pixels"}
               : std::vector<std::string>{"class", "recall", "precision", "F1", "images"}};
    for (size_t i = 0; i < truth.size(); ++i) {
      if (pixels) {
        table.push_back({labels[i], Percent(m.iou[i]), Percent(m.f1[i]),
                         Percent(static_cast<double>(truth[i]) / total)});
      } else {
        table.push_back({labels[i], Percent(m.recall[i]), Percent(m.precision[i]), Percent(m.f1[i]),
                         Thousands(truth[i])});
      }
    }
    report->SetTable(std::move(table));
  }
  if (m.collapsed) {
    report->AddRemark(absl::StrCat("COLLAPSED: the model predicts one class for every ",
                                   pixels ? "pixel" : "image"));
  } else if (m.classes_predicted < static_cast<int64_t>(counts.size())) {
    report->AddRemark(absl::StrFormat("only %d of %d classes are ever predicted",
                                      m.classes_predicted, counts.size()));
  }
}

}  // namespace plugins
