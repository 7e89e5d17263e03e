// predictions.csv of a study's runs.
#include "pipeline/studies/answers.h"

#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "pipeline/files.h"
#include "pipeline/runs/predictions.h"

namespace pipeline {
namespace {

constexpr size_t kMaxPredictions = size_t{1} << 28;

double ScoreOf(const Prediction& row, bool masks, Study::Metric metric) {
  if (!masks) return row.label == row.predicted ? 1 : 0;
  switch (metric) {
    case Study::MEAN_IOU:
      return row.mean_iou;
    case Study::MEAN_DICE:
      return row.mean_dice;
    default:
      return row.accuracy;
  }
}

template <class T>
void Reorder(const std::vector<size_t>& order, std::vector<T>* values) {
  if (values->empty()) return;
  std::vector<T> moved;
  moved.reserve(values->size());
  for (const size_t i : order) moved.push_back(std::move((*values)[i]));
  *values = std::move(moved);
}

absl::Status SortByPath(RunAnswers* answers) {
  std::vector<size_t> order(answers->paths.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::sort(order.begin(), order.end(),
            [&](size_t a, size_t b) { return answers->paths[a] < answers->paths[b]; });
  Reorder(order, &answers->paths);
  Reorder(order, &answers->labels);
  Reorder(order, &answers->scores);
  Reorder(order, &answers->probabilities);
  const auto twice = std::adjacent_find(answers->paths.begin(), answers->paths.end());
  if (twice == answers->paths.end()) return absl::OkStatus();
  return absl::DataLossError(absl::StrCat("TEST has ", *twice, " twice"));
}

void Take(const Prediction& row, bool masks, double score, bool probabilities,
          RunAnswers* answers) {
  answers->paths.push_back(row.path);
  answers->scores.push_back(score);
  if (masks) return;
  answers->labels.push_back(row.label);
  const auto answered = std::find(answers->classes.begin(), answers->classes.end(), row.predicted);
  if (answered != answers->classes.end()) {
    ++answers->answered[answered - answers->classes.begin()];
  }
  if (probabilities) answers->probabilities.push_back(row.probabilities);
}

}  // namespace

bool NamesARun(const StudyResult& result) {
  return !result.identity.empty() &&
         std::all_of(result.identity.begin(), result.identity.end(),
                     [](char c) { return absl::ascii_isxdigit(static_cast<unsigned char>(c)); });
}

absl::StatusOr<RunAnswers> ReadAnswers(const StudyFolder& folder, const StudyResult& result,
                                       Study::Metric metric, bool probabilities) {
  if (!NamesARun(result)) {
    return absl::DataLossError(absl::StrCat("the result line of ", result.combination, ", seed ",
                                            result.seed, " names no run"));
  }
  const std::string name = absl::StrCat("runs/", result.identity, "/predictions.csv");
  const absl::StatusOr<std::string> text =
      ReadFile(folder.RunFolder(result.identity) + "/predictions.csv", kMaxPredictions);
  if (!text.ok()) {
    return absl::NotFoundError(absl::StrCat(name, " (", result.combination, ", seed ", result.seed,
                                            ") is not there, or cannot be read"));
  }
  const absl::StatusOr<Predictions> read = ParsePredictions(*text);
  const auto wrong = [&](absl::string_view why) {
    return absl::DataLossError(
        absl::StrCat(name, " (", result.combination, ", seed ", result.seed, "): ", why));
  };
  if (!read.ok()) return wrong(read.status().message());
  const bool masks = result.task == "segmentation";
  if (read->masks != masks) return wrong("is not of the task that the result line names");
  RunAnswers answers;
  answers.classes = read->columns;
  if (!masks) answers.answered.assign(answers.classes.size(), 0);
  for (const Prediction& row : read->rows) {
    if (row.phase != TEST) continue;
    const double score = ScoreOf(row, masks, metric);
    if (!std::isnan(score)) Take(row, masks, score, probabilities, &answers);
  }
  if (answers.paths.empty()) return wrong("has no image of TEST");
  const absl::Status sorted = SortByPath(&answers);
  if (!sorted.ok()) return wrong(sorted.message());
  return answers;
}

absl::StatusOr<RunAnswers> Joined(const std::vector<RunAnswers>& folds) {
  RunAnswers all = folds.at(0);
  for (size_t i = 1; i < folds.size(); ++i) {
    const RunAnswers& more = folds[i];
    if (more.classes != all.classes) return absl::DataLossError("folds have other classes");
    const auto append = [](const auto& from, auto* to) {
      to->insert(to->end(), from.begin(), from.end());
    };
    append(more.paths, &all.paths);
    append(more.labels, &all.labels);
    append(more.scores, &all.scores);
    append(more.probabilities, &all.probabilities);
    for (size_t j = 0; j < all.answered.size(); ++j) all.answered[j] += more.answered[j];
  }
  const absl::Status sorted = SortByPath(&all);
  if (!sorted.ok()) return sorted;
  return all;
}

Study::Metric MetricOf(const Study& study, const std::string& task) {
  if (task != "segmentation") return Study::ACCURACY;
  return study.metric() == Study::AUTO ? Study::MEAN_IOU : study.metric();
}

std::string MetricName(Study::Metric metric) {
  switch (metric) {
    case Study::MEAN_IOU:
      return "mean IoU";
    case Study::MEAN_DICE:
      return "mean Dice";
    default:
      return "accuracy";
  }
}

}  // namespace pipeline
