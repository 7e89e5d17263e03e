// The parts of an analysis, in the order in which they are made: each fills in what its name says,
// from what earlier parts left.
#ifndef PIPELINE_STUDIES_ANALYSIS_PARTS_H_
#define PIPELINE_STUDIES_ANALYSIS_PARTS_H_

#include <string>
#include <vector>

#include "pipeline/studies/analysis.h"
#include "pipeline/studies/ledger.h"

namespace pipeline {

// Cells of both stages, images, and what the config is.
void FillCells(const Plan& plan, const StudyFolder& folder, const std::vector<StudyResult>& results,
               int config, ConfigAnalysis* analysis);
// TEST images whose content is in TRAIN, by a run's split.csv.
void FindLeaks(const Plan& plan, const StudyFolder& folder, const std::vector<StudyResult>& results,
               ConfigAnalysis* analysis);
// The baseline of both stages, and what VAL puts first in the screening.
void ChooseBaseline(const Plan& plan, const Ledger& ledger, int config, ConfigAnalysis* analysis);
void CompareAll(const Plan& plan, ConfigAnalysis* analysis, StageAnalysis* stage);
void MeasureOptimism(const Plan& plan, ConfigAnalysis* analysis);
void EstimateEffects(const Plan& plan, ConfigAnalysis* analysis);
void ReplayStudy(const Plan& plan, ConfigAnalysis* analysis);
void DoubtLabels(const Plan& plan, const StudyFolder& folder,
                 const std::vector<StudyResult>& results, ConfigAnalysis* analysis);
void RankOverDatasets(const Plan& plan, StudyAnalysis* analysis);

// Indices into Plan::combinations of those of which all runs of the screening are done.
std::vector<int> FinishedOf(const StageAnalysis& stage);
// Of them those whose scores by image are known for every seed.
std::vector<int> JudgedByImage(const StageAnalysis& stage);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_ANALYSIS_PARTS_H_
