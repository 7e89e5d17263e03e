// What all are compared to, chosen by VAL, and what TEST shares with TRAIN.
#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/report/record.h"
#include "pipeline/studies/analysis_parts.h"
#include "pipeline/studies/answers.h"

namespace pipeline {
namespace {

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

void ChooseBaseline(const Plan& plan, const Ledger& ledger, int config, ConfigAnalysis* analysis) {
  StageAnalysis &screen = analysis->screen, &confirm = analysis->confirm;
  screen.chosen = ledger.First(config);
  screen.baseline = ledger.Baseline(config);
  const bool single = plan.combinations[screen.baseline].losses().size() == 1;
  screen.baseline_reason = !plan.file.study.baseline().empty() ? "named by the study"
                           : single ? "the single loss that VAL puts first"
                                    : "the first combination";
  // It was chosen before the runs that confirm it.
  confirm.baseline = screen.baseline;
  confirm.baseline_reason = screen.baseline_reason;
  for (StageAnalysis* stage : {&screen, &confirm}) {
    if (stage->cells[stage->baseline].seeds.empty()) stage->baseline = -1;
  }
}

}  // namespace pipeline
