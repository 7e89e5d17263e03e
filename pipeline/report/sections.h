// The sections of a run's page, each a function of what is known; one without blocks has nothing to
// say and is left out.
#ifndef PIPELINE_REPORT_SECTIONS_H_
#define PIPELINE_REPORT_SECTIONS_H_

#include <string>
#include <vector>

#include "pipeline/report/charts.h"
#include "pipeline/report/judgement.h"
#include "pipeline/report/page.h"
#include "pipeline/report/record.h"

namespace pipeline {

// `others`: what was found out beside the run's files; it counts for the verdict.
Section VerdictSection(const RunRecord& record, const Judgement& judgement,
                       const std::vector<Finding>& others = {});
Section CurvesSection(const RunRecord& record, const Judgement& judgement);
Section ConfusionSection(const RunRecord& record, const Judgement& judgement);
Section ClassesSection(const RunRecord& record, const Judgement& judgement);
Section RankingSection(const RunRecord& record, const Judgement& judgement);
Section ReliabilitySection(const RunRecord& record, const Judgement& judgement);
Section MistakesSection(const RunRecord& record, const Judgement& judgement);
Section TimeSection(const RunRecord& record);
Section RepeatSection(const RunRecord& record);

// A score's curves over the epochs of TRAIN and VAL, and where it is known a point for TEST at the
// epoch whose weights were tested.
Plot ScorePlot(const RunRecord& record, const Judgement& judgement, const std::string& title,
               const std::string& score);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_SECTIONS_H_
