// Statistics of runs, two by two.
#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/report/comparison.h"
#include "pipeline/report/findings.h"
#include "pipeline/report/judgement.h"

namespace pipeline {
namespace {

using ByPath = std::map<std::string, const Prediction*>;

ByPath TestOf(const RunRecord& run) {
  ByPath by_path;
  for (const Prediction* row : run.Of(TEST)) by_path[row->path] = row;
  return by_path;
}

std::string ContentOf(const std::string& path, const std::string& content) {
  const bool known = content.size() == 32;  // else "unread" or the like
  return known ? content : "path " + path;
}

// The rows of both, where path and label are the same.
std::vector<std::pair<const Prediction*, const Prediction*>> SharedRows(const RunRecord& first,
                                                                        const RunRecord& second) {
  std::vector<std::pair<const Prediction*, const Prediction*>> shared;
  const ByPath others = TestOf(second);
  for (const auto& [path, row] : TestOf(first)) {
    const auto other = others.find(path);
    if (other != others.end() && other->second->label == row->label) {
      shared.emplace_back(row, other->second);
    }
  }
  return shared;
}

// What a run was trained on: contents, or paths where the content is not known.
std::set<std::string> TrainedOn(const RunRecord& run) {
  std::set<std::string> contents;
  for (const auto& [path, content] : run.split_files[PhaseIndex(TRAIN)]) {
    contents.insert(ContentOf(path, content));
  }
  return contents;
}

// How many files of TEST of one the other was trained on, beyond copies that leaked to both.
int64_t SeenBefore(const RunRecord& tested, const RunRecord& trained) {
  const std::set<std::string> own = TrainedOn(tested), others = TrainedOn(trained);
  int64_t count = 0;
  for (const auto& [path, content] : tested.split_files[PhaseIndex(TEST)]) {
    const std::string what = ContentOf(path, content);
    count += others.count(what) > 0 && own.count(what) == 0;
  }
  return count;
}

void AddDifferences(const std::vector<std::pair<const Prediction*, const Prediction*>>& rows,
                    const RunRecord& run, size_t pairs, PairResult* result) {
  BootstrapOptions options;
  options.resamples = ResamplesFor((rows.size() + run.classes.size()) * pairs);
  if (run.masks()) {
    std::vector<double> first, second;
    for (const auto& [a, b] : rows) {
      if (std::isnan(a->mean_iou) || std::isnan(b->mean_iou)) continue;
      first.push_back(a->mean_iou);
      second.push_back(b->mean_iou);
    }
    if (first.empty()) return;
    result->differences.push_back(
        {"mean IoU of an image", PairedBootstrap(first, second, options)});
    return;
  }
  std::vector<int> labels, first, second;
  std::vector<bool> first_right, second_right;
  for (const auto& [a, b] : rows) {
    const int label = ClassOf(run, a->label);
    const int answers[] = {ClassOf(run, a->predicted), ClassOf(run, b->predicted)};
    if (label < 0 || answers[0] < 0 || answers[1] < 0) continue;
    labels.push_back(label);
    first.push_back(answers[0]);
    second.push_back(answers[1]);
    first_right.push_back(answers[0] == label);
    second_right.push_back(answers[1] == label);
  }
  if (labels.empty()) return;
  const auto count = static_cast<int64_t>(labels.size());
  result->mcnemar = McNemarTest(first_right, second_right);
  result->has_mcnemar = true;
  result->differences.push_back({"accuracy", PairedBootstrap(
                                                 count,
                                                 [&](const std::vector<int64_t>& samples) {
                                                   return AccuracyOf(labels, second, samples) -
                                                          AccuracyOf(labels, first, samples);
                                                 },
                                                 options)});
  const size_t classes = run.classes.size();
  if (count <= 5000) options.kind = IntervalKind::kBca;
  std::map<int, std::vector<int64_t>> by_class;
  for (int64_t i = 0; i < count; ++i) by_class[labels[i]].push_back(i);
  for (const auto& [label, samples] : by_class) options.strata.push_back(samples);
  result->differences.push_back(
      {"macro F1", PairedBootstrap(
                       count,
                       [&](const std::vector<int64_t>& samples) {
                         return MacroF1Of(labels, second, samples, classes) -
                                MacroF1Of(labels, first, samples, classes);
                       },
                       options)});
}

// Holm's step-down: the smallest of m is taken m times, the next m - 1 times, never less than
// the one before.
void Adjust(std::vector<PairResult>* pairs) {
  std::vector<PairResult*> tested;
  for (PairResult& pair : *pairs) {
    if (pair.has_mcnemar) tested.push_back(&pair);
  }
  std::stable_sort(tested.begin(), tested.end(), [](const PairResult* a, const PairResult* b) {
    return a->mcnemar.mid_p < b->mcnemar.mid_p;
  });
  double least = 0;
  for (size_t i = 0; i < tested.size(); ++i) {
    least = std::max(least, tested[i]->mcnemar.mid_p * static_cast<double>(tested.size() - i));
    tested[i]->adjusted = std::min(1.0, least);
  }
}

}  // namespace

SharedTest SharedTestOf(const RunRecord& first, const RunRecord& second) {
  SharedTest test;
  const auto reason = [&](const std::string& why) { test.reasons.push_back(why); };
  if (first.dataset != second.dataset || first.task != second.task) {
    reason(absl::StrCat("they have other tasks: ", first.dataset, " (", first.task, ") and ",
                        second.dataset, " (", second.task, ")"));
  } else if (first.classes != second.classes) {
    reason("they have other classes");
  }
  for (const RunRecord* run : {&first, &second}) {
    if (run->Of(TEST).empty()) {
      reason(absl::StrCat(run->name, " has no predictions of TEST in predictions.csv"));
    }
  }
  test.first_trained_on = SeenBefore(second, first);
  test.second_trained_on = SeenBefore(first, second);
  if (test.first_trained_on + test.second_trained_on > 0) {
    reason(absl::StrCat("other split: ", first.name, " was trained on ", test.first_trained_on,
                        " test files of the other, and ", second.name, " on ",
                        test.second_trained_on));
  }
  if (first.Of(TEST).empty() || second.Of(TEST).empty()) return test;
  test.shared = static_cast<int64_t>(SharedRows(first, second).size());
  test.only_first = static_cast<int64_t>(TestOf(first).size()) - test.shared;
  test.only_second = static_cast<int64_t>(TestOf(second).size()) - test.shared;
  if (test.only_first + test.only_second > 0) {
    reason(absl::StrCat("other test images: ", Counted(test.shared, "image"),
                        " of the same path and label, ", test.only_first, " and ", test.only_second,
                        " of one run alone"));
  }
  return test;
}

std::vector<PairResult> PairsOf(const std::vector<RunRecord>& runs) {
  constexpr size_t kAllPairs = 5;
  std::vector<PairResult> pairs;
  for (size_t i = 0; i < (runs.size() <= kAllPairs ? runs.size() : 1); ++i) {
    for (size_t j = i + 1; j < runs.size(); ++j) {
      PairResult pair;
      pair.first = i;
      pair.second = j;
      pair.test = SharedTestOf(runs[i], runs[j]);
      if (pair.test.reasons.empty()) {
        AddDifferences(SharedRows(runs[i], runs[j]), runs[i], runs.size(), &pair);
      }
      pairs.push_back(std::move(pair));
    }
  }
  Adjust(&pairs);
  return pairs;
}

}  // namespace pipeline
