// The parts of an analysis, one after the other.
#include "pipeline/studies/analysis.h"

#include <algorithm>

#include "pipeline/studies/analysis_parts.h"

namespace pipeline {
namespace {

// Whether combinations are fusions and nothing else.
bool AreFusions(const Plan& plan) {
  return std::all_of(
      plan.combinations.begin(), plan.combinations.end(),
      [](const Combination& one) { return one.values.size() == 1 && !one.losses().empty(); });
}

std::string WhatIsCompared(const Plan& plan) {
  if (plan.combinations.empty() || plan.combinations[0].values.size() != 1) return "combination";
  return plan.combinations[0].values[0].axis;
}

void Count(const StageAnalysis& stage, StudyAnalysis* analysis) {
  for (const StudyCell& cell : stage.cells) {
    analysis->asked += cell.asked;
    analysis->done += cell.done;
    analysis->failed += cell.failed;
    analysis->stopped += cell.stopped;
    if (stage.stage == StudyStage::kScreen) continue;
    analysis->confirm_asked += cell.asked;
    analysis->confirm_done += cell.done;
  }
}

}  // namespace

bool StageAnalysis::asked_for() const {
  return std::any_of(cells.begin(), cells.end(),
                     [](const StudyCell& cell) { return cell.asked_for(); });
}

absl::StatusOr<StudyAnalysis> Analyse(const Plan& plan, const StudyFolder& folder) {
  absl::StatusOr<std::vector<StudyResult>> results = folder.Results(plan);
  if (!results.ok()) return results.status();
  StudyAnalysis analysis;
  analysis.results = *std::move(results);
  const Study& study = plan.file.study;
  analysis.title = study.title().empty() ? plan.file.name : study.title();
  analysis.fusions = AreFusions(plan);
  analysis.what = WhatIsCompared(plan);
  const Ledger ledger(plan, analysis.results);
  for (int i = 0; i < static_cast<int>(plan.configs.size()); ++i) {
    ConfigAnalysis& config = analysis.configs.emplace_back();
    FillCells(plan, folder, analysis.results, i, &config);
    FindLeaks(plan, folder, analysis.results, &config);
    ChooseBaseline(plan, ledger, i, &config);
    MeasureOptimism(plan, &config);
    CompareAll(plan, &config, &config.screen);
    CompareAll(plan, &config, &config.confirm);
    Count(config.screen, &analysis);
    Count(config.confirm, &analysis);
    EstimateEffects(plan, &config);
    ReplayStudy(plan, &config);
    DoubtLabels(plan, folder, analysis.results, &config);
  }
  RankOverDatasets(plan, &analysis);
  return analysis;
}

}  // namespace pipeline
