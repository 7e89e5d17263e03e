// Rules over a run's numbers, one function each.
#include "pipeline/report/findings.h"

#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/report.h"
#include "pipeline/report/file_findings.h"
#include "pipeline/statistics/calibration.h"

namespace pipeline {
namespace {

using List = std::vector<Finding>;

struct Seen {
  const RunRecord& record;
  const Judgement& judgement;
};

void Add(List* list, Severity severity, std::string text, std::vector<std::string> details = {}) {
  list->push_back({severity, std::move(text), std::move(details)});
}

int64_t DuplicatesOf(const Ending& ending, const std::string& kind) {
  int64_t count = 0;
  for (const auto& [name, groups] : ending.duplicates) {
    if (name == kind) count += groups;
  }
  return count;
}

void AboutTheData(const Seen& seen, List* list) {
  const RunRecord& record = seen.record;
  if (record.embedded_sample) {
    Add(list, Severity::kStop,
        absl::StrCat("Drawn stand-in images were used, for the data of ", record.dataset,
                     " were not found: the numbers show that the program learns, and nothing "
                     "about ",
                     record.dataset, "."));
  }
  if (record.ending.has_value() && record.ending->images != record.images) {
    Add(list, Severity::kStop,
        absl::StrCat("The data changed during the run: it began with ",
                     absl::StrJoin(record.images, " / "), " images and ended with ",
                     absl::StrJoin(record.ending->images, " / "), " (train / val / test)."));
  }
  if (!record.ending.has_value()) return;
  const Ending& ending = *record.ending;
  const int64_t identical = DuplicatesOf(ending, "identical_across_train_and_test");
  const int64_t near = DuplicatesOf(ending, "near_across_train_and_test");
  const bool dropped = absl::StrContains(record.config_text, "duplicates: DROP_FROM_TRAIN");
  if (identical + near > 0) {
    const std::string groups = absl::StrCat(Counted(identical, "group"), " of identical and ", near,
                                            " of near-identical images");
    if (dropped) {
      Add(list, Severity::kNote,
          absl::StrCat(groups, " span training and test; they were left out of training."));
    } else {
      Add(list, Severity::kCare,
          absl::StrCat("Training and test share ", groups, ": ",
                       ending.tested ? "the test result is" : "a test result would be",
                       " an over-estimate. --set load.dataset.duplicates=DROP_FROM_TRAIN leaves "
                       "them out of training."));
    }
  }
  const int64_t conflicts = DuplicatesOf(ending, "identical_with_different_labels") +
                            DuplicatesOf(ending, "near_with_different_labels");
  if (conflicts > 0) {
    Add(list, Severity::kCare,
        absl::StrCat(Counted(conflicts, "group"),
                     " of copies have different labels: some labels are wrong."));
  }
  if (!ending.skipped.empty()) {
    Add(list, Severity::kCare,
        absl::StrCat(Counted(static_cast<int64_t>(ending.skipped.size()), "file"),
                     " could not be read and took no part."),
        ending.skipped);
  }
}

void AboutTheEnd(const Seen& seen, List* list) {
  const RunRecord& record = seen.record;
  if (!record.ending.has_value()) {
    Add(list, Severity::kStop,
        "The run is not over, or was killed: there is no summary.json, and no test result.");
    return;
  }
  const Ending& ending = *record.ending;
  if (absl::StartsWith(ending.stopped, "no better ")) {
    Add(list, Severity::kNote, absl::StrCat("Stopped early: ", ending.stopped, "."));
  } else if (ending.stopped == "interrupted") {
    Add(list, Severity::kStop,
        absl::StrCat(
            "Interrupted after ", Counted(ending.epochs, "whole epoch"), " and ",
            Counted(ending.steps, "step"), ": ",
            ending.tested ? "it was not trained to its end." : "there is no test result."));
  } else if (!ending.stopped.empty()) {
    Add(list, Severity::kStop, absl::StrCat("The run failed: ", ending.stopped));
  } else if (!ending.tested) {
    Add(list, Severity::kCare,
        "Nothing was tested. The validation images chose the epoch, so their scores are "
        "too good for images that nobody saw.");
  }
  if (record.images[PhaseIndex(VAL)] == 0) {
    Add(list, Severity::kNote,
        "There is no validation split: the weights are those of the last epoch.");
  }
  if (ending.skipped_steps > 0) {
    Add(list, Severity::kCare,
        absl::StrCat(Counted(ending.skipped_steps, "training step"),
                     " were left out: their loss or gradient was not finite."));
  }
  if (ending.rollbacks > 0) {
    Add(list, Severity::kCare,
        absl::StrCat("Training went back to a checkpoint ", Counted(ending.rollbacks, "time"),
                     " with half the learning rate, for its numbers were not finite."));
  }
}

void AboutTheAnswers(const Seen& seen, List* list) {
  const Judgement& judgement = seen.judgement;
  const bool masks = seen.record.masks();
  if (judgement.Value("collapsed") == 1) {
    Add(list, Severity::kStop,
        absl::StrCat("Collapsed: the model answers one class for every ",
                     masks ? "pixel." : "image."));
  } else {
    std::vector<std::string> never;
    for (const ClassScores& one : judgement.classes) {
      if (one.predicted == 0 && one.truth > 0) never.push_back(one.name);
    }
    if (!never.empty()) {
      Add(list, Severity::kCare,
          absl::StrCat(Counted(static_cast<int64_t>(never.size()), "class"), " of ",
                       judgement.classes.size(), " never predicted."),
          never);
    }
  }
  const char* score = masks ? "mean_iou_present" : "accuracy";
  const double value = judgement.Value(score);
  const double baseline =
      judgement.Value(masks ? "mean_iou_present_majority" : "majority_baseline");
  const auto interval = judgement.intervals.find(score);
  if (value <= baseline) {
    Add(list, Severity::kStop,
        absl::StrCat("No better than always answering the most frequent class: ", Percent(value),
                     " against ", Percent(baseline), "."));
  } else if (interval != judgement.intervals.end() && interval->second.low <= baseline) {
    Add(list, Severity::kCare,
        absl::StrCat("It may be no better than always answering the most frequent class: ",
                     Percent(baseline), " lies within the interval of the accuracy."));
  }
}

void AboutTheSize(const Seen& seen, List* list) {
  const RunRecord& record = seen.record;
  const auto& train = record.class_counts[PhaseIndex(TRAIN)];
  if (!train.empty()) {
    const auto [least, most] = std::minmax_element(train.begin(), train.end());
    if (*most >= 5 * std::max<int64_t>(1, *least)) {
      Add(list, Severity::kNote,
          absl::StrCat("The classes are uneven: TRAIN has ", Counted(*most, "image"),
                       " of one and ", Thousands(*least),
                       " of another. Balanced accuracy and macro F1 weigh classes equally."));
    }
  }
  std::vector<std::string> small;
  for (const ClassScores& one : seen.judgement.classes) {
    if (!record.masks() && one.truth > 0 && one.truth < 20) {
      small.push_back(absl::StrCat(one.name, ": ", Counted(one.truth, "image")));
    }
  }
  if (!small.empty()) {
    Add(list, Severity::kNote,
        absl::StrCat("Fewer than 20 ", InWords(seen.judgement.phase),
                     " images of a class: its scores say little."),
        small);
  }
}

void AboutTheCourse(const Seen& seen, List* list) {
  const RunRecord& record = seen.record;
  for (const std::string& term : DeadTerms(record.passes)) {
    Add(list, Severity::kCare,
        absl::StrCat("The loss term ", term,
                     " moves nothing: its share of the gradient is below 1 %."));
  }
  const std::string score =
      record.metrics_prefix + (record.masks() ? "mean_iou_present" : "accuracy");
  const int64_t epoch = seen.judgement.epoch;
  const double train = record.passes.Value(TRAIN, epoch, score);
  const double val = record.passes.Value(VAL, epoch, score);
  if (train - val > 0.15) {
    Add(list, Severity::kNote,
        absl::StrCat("Overfitted: ", Percent(train), " on training and ", Percent(val),
                     " on validation images in epoch ", epoch, "."));
  }
  const double test = seen.judgement.phase == TEST
                          ? seen.judgement.Value(record.masks() ? "mean_iou_present" : "accuracy")
                          : NAN;
  if (std::abs(val - test) > 0.1) {
    Add(list, Severity::kCare,
        absl::StrCat("Validation says ", Percent(val), " and test ", Percent(test),
                     ": the test images seem to be of another kind, or one of the two splits too "
                     "small."));
  }
  if (record.ending.has_value() && record.ending->epochs > 1 && record.ending->stopped.empty() &&
      record.images[PhaseIndex(VAL)] > 0 && record.ending->best_epoch == record.ending->epochs) {
    Add(list, Severity::kNote, "The best epoch is the last one: more epochs may make it better.");
  }
}

void AboutTheFiles(const Seen& seen, List* list) {
  const RunRecord& record = seen.record;
  if (!record.problems.empty()) {
    Add(list, Severity::kCare, "Not all files of the run's folder could be read.", record.problems);
  }
  if (!record.predictions.has_value() && record.ending.has_value() && record.ending->tested) {
    Add(list, Severity::kNote,
        "There is no predictions.csv (an older program made this run): no intervals, ranking and "
        "reliability curves, or lists of mistakes.");
  }
  const Judgement& judgement = seen.judgement;
  if (judgement.labels.empty() || judgement.confusion.empty()) return;
  const double here =
      AccuracyOf(judgement.labels, judgement.answers, AllSamples(judgement.labels.size()));
  if (std::abs(here - judgement.Value("accuracy")) > 1e-6) {
    Add(list, Severity::kCare,
        absl::StrCat("predictions.csv has an accuracy of ", Percent(here), ", but ",
                     judgement.phase == TEST ? "summary.json" : "metrics.csv", " says ",
                     Percent(judgement.Value("accuracy")), ": they are of different weights."));
  }
}

void AboutConfidence(const Seen& seen, List* list) {
  const Judgement& judgement = seen.judgement;
  if (judgement.labels.size() < 50) return;
  const CalibrationScores scores = CalibrationScoresOf(judgement.probabilities, judgement.labels);
  if (!(scores.ece > 0.1)) return;
  double confidence = 0;
  for (const double one : AnswersOf(judgement.probabilities, judgement.labels).confidence) {
    confidence += one / static_cast<double>(judgement.labels.size());
  }
  Add(list, Severity::kNote,
      absl::StrCat("The probabilities are ",
                   confidence > scores.accuracy ? "too sure" : "too timid", ": on average ",
                   Percent(confidence), " where ", Percent(scores.accuracy), " are right (ECE ",
                   Percent(scores.ece), "). The verb calibrate mends this."));
}

}  // namespace

std::string InWords(Phase phase) {
  return phase == TRAIN ? "training" : phase == VAL ? "validation" : "test";
}

std::string Counted(int64_t count, const std::string& what) {
  const bool es = absl::EndsWith(what, "s");
  return absl::StrCat(Thousands(count), " ", what, count == 1 ? "" : es ? "es" : "s");
}

std::string IntervalText(const Judgement& judgement, const std::string& score) {
  const auto found = judgement.intervals.find(score);
  // Where all answers are right, resampling them tells nothing.
  if (found == judgement.intervals.end() || !(found->second.low < found->second.high)) return "";
  return absl::StrCat("95 % interval ", Percent(found->second.low), " to ",
                      Percent(found->second.high));
}

std::vector<std::string> DeadTerms(const Passes& passes) {
  std::vector<std::string> dead;
  const std::vector<std::string> terms = passes.After("gradient_share.");
  for (const std::string& term : terms) {
    const auto [epochs, shares] = passes.Curve(TRAIN, "gradient_share." + term);
    if (shares.empty() || terms.size() < 2) continue;
    const size_t from = shares.size() - std::max<size_t>(1, shares.size() / 3);
    double most = 0;
    for (size_t i = from; i < shares.size(); ++i) {
      if (!std::isnan(shares[i])) most = std::max(most, shares[i]);
    }
    if (most < 0.01) dead.push_back(term);
  }
  return dead;
}

void SortBySeverity(std::vector<Finding>* findings) {
  std::stable_sort(findings->begin(), findings->end(), [](const Finding& a, const Finding& b) {
    return static_cast<int>(a.severity) < static_cast<int>(b.severity);
  });
}

std::vector<Finding> FindingsOf(const RunRecord& record, const Judgement& judgement) {
  const Seen seen = {record, judgement};
  List list;
  for (const auto rule : {AboutTheData, AboutTheEnd, AboutTheAnswers, AboutTheCourse, AboutTheSize,
                          AboutConfidence, AboutTheFiles}) {
    rule(seen, &list);
  }
  for (Finding& one : FileFindings(record)) list.push_back(std::move(one));
  constexpr size_t kMostDetails = 100;
  for (Finding& one : list) {
    if (one.details.size() <= kMostDetails) continue;
    const size_t more = one.details.size() - kMostDetails;
    one.details.resize(kMostDetails);
    one.details.push_back(absl::StrCat("and ", more, " more"));
  }
  SortBySeverity(&list);
  return list;
}

std::string VerdictText(const RunRecord& record, const Judgement& judgement,
                        const std::vector<Finding>& findings) {
  std::string text;
  const bool masks = record.masks();
  const char* score = masks ? "mean_iou_present" : "accuracy";
  const double value = judgement.Value(score);
  if (std::isnan(value)) {
    text = "There is no result yet.";
  } else {
    const std::string name = masks ? "a mean IoU" : "an accuracy";
    const double baseline =
        judgement.Value(masks ? "mean_iou_present_majority" : "majority_baseline");
    const std::string interval = IntervalText(judgement, score);
    text = absl::StrCat(
        "On ",
        Counted(record.images[PhaseIndex(judgement.phase)], InWords(judgement.phase) + " image"),
        " it has ", name, " of ", Percent(value),
        interval.empty() ? "" : absl::StrCat(" (", interval, ")"),
        "; always answering the most frequent class has ", Percent(baseline), ".");
  }
  const auto severe = [&](Severity severity) {
    return std::count_if(findings.begin(), findings.end(),
                         [&](const Finding& one) { return one.severity == severity; });
  };
  if (severe(Severity::kStop) > 0) {
    return text + " Do not build on this number: read why below.";
  }
  if (severe(Severity::kCare) > 0) {
    return text + " Read what follows before building on it.";
  }
  return text + " Nothing was found that speaks against it.";
}

}  // namespace pipeline
