// What all are compared to, chosen by VAL, and what TEST shares with TRAIN.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/report/record.h"
#include "pipeline/statistics/percentile.h"
#include "pipeline/studies/analysis_parts.h"
#include "pipeline/studies/answers.h"

namespace pipeline {
namespace {

// Of those with a finished seed the one of the highest mean VAL, the first of equals, as the study
// itself chooses what it confirms; -1 of none.
int FirstByValidation(const StageAnalysis& stage, const std::vector<int>& among) {
  int best = -1;
  for (const int i : among) {
    const OverSeeds& here = stage.cells[i].selected;
    if (here.count == 0) continue;
    if (best < 0 || Comparable(here.mean) > Comparable(stage.cells[best].selected.mean)) best = i;
  }
  return best;
}

std::vector<int> AllOf(const Plan& plan) {
  std::vector<int> all;
  for (size_t i = 0; i < plan.combinations.size(); ++i) all.push_back(static_cast<int>(i));
  return all;
}

std::vector<int> SinglesOf(const Plan& plan) {
  std::vector<int> singles;
  for (const int i : AllOf(plan)) {
    if (plan.combinations[i].losses().size() == 1) singles.push_back(i);
  }
  return singles;
}

// Of each fold one run that is done: all others have the same split.
std::vector<const StudyResult*> RunsWithSplits(const std::vector<StudyResult>& results,
                                               const std::string& config) {
  std::map<int, const StudyResult*> by_fold;
  for (const StudyResult& result : results) {
    if (result.config == config && result.status == RunStatus::kDone && NamesARun(result)) {
      by_fold.emplace(result.fold, &result);
    }
  }
  std::vector<const StudyResult*> runs;
  for (const auto& [fold, run] : by_fold) runs.push_back(run);
  return runs;
}

std::set<std::string> LeakedFiles(const RunRecord& record) {
  std::set<std::string> contents, leaked;
  for (const auto& [path, content] : record.split_files[PhaseIndex(TRAIN)]) {
    contents.insert(content);
  }
  for (const auto& [path, content] : record.split_files[PhaseIndex(TEST)]) {
    if (contents.count(content) == 0) continue;
    leaked.insert(path);
    leaked.insert(absl::StrCat(record.origin, "/", path));
  }
  return leaked;
}

}  // namespace

void FindLeaks(const Plan&, const StudyFolder& folder, const std::vector<StudyResult>& results,
               ConfigAnalysis* analysis) {
  analysis->leaked.assign(analysis->images.size(), false);
  for (const StudyResult* run : RunsWithSplits(results, analysis->name)) {
    const absl::StatusOr<RunRecord> record = ReadRunRecord(folder.RunFolder(run->identity));
    if (!record.ok()) {
      analysis->problems.push_back(
          absl::StrCat("whether TEST shares images with TRAIN is not known: runs/", run->identity,
                       " is not there"));
      continue;
    }
    analysis->origin = record->origin;
    const bool dropped = absl::StrContains(record->config_text, "duplicates: DROP_FROM_TRAIN");
    if (record->ending.has_value() && !dropped) {
      for (const auto& [name, groups] : record->ending->duplicates) {
        if (name == "near_across_train_and_test") {
          analysis->near_copies = std::max(analysis->near_copies, groups);
        }
      }
    }
    const std::set<std::string> leaked = LeakedFiles(*record);
    for (size_t i = 0; i < analysis->images.size(); ++i) {
      if (leaked.count(analysis->images[i]) > 0) analysis->leaked[i] = true;
    }
  }
  analysis->leaks = std::count(analysis->leaked.begin(), analysis->leaked.end(), true);
}

void ChooseBaseline(const Plan& plan, const StageAnalysis* screen, StageAnalysis* stage) {
  stage->chosen = FirstByValidation(*stage, AllOf(plan));
  if (screen != nullptr) {
    // It was chosen before these runs.
    stage->baseline_reason = screen->baseline_reason;
    const int known = screen->baseline;
    if (known >= 0 && !stage->cells[known].seeds.empty()) stage->baseline = known;
    return;
  }
  const std::string& named = plan.file.study.baseline();
  const std::vector<int> singles = SinglesOf(plan);
  if (!named.empty()) {
    stage->baseline_reason = "named by the study";
    stage->baseline = plan.CombinationNamed(named);
  } else if (!singles.empty()) {
    stage->baseline_reason = "the single loss that VAL puts first";
    stage->baseline = FirstByValidation(*stage, singles);
  } else {
    stage->baseline_reason = "the first combination";
    stage->baseline = 0;
  }
  if (stage->baseline >= 0 && stage->cells[stage->baseline].seeds.empty()) stage->baseline = -1;
}

}  // namespace pipeline
