// The verdict on a run, and what a reader must know before believing it.
#ifndef PIPELINE_REPORT_FINDINGS_H_
#define PIPELINE_REPORT_FINDINGS_H_

#include <string>
#include <vector>

#include "pipeline/report/judgement.h"
#include "pipeline/report/page.h"
#include "pipeline/report/record.h"

namespace pipeline {

// By severity, in place.
void SortBySeverity(std::vector<Finding>* findings);

// In order of severity.
std::vector<Finding> FindingsOf(const RunRecord& record, const Judgement& judgement);

// What was asked and what came of it, in a sentence or two; then how far to believe it.
std::string VerdictText(const RunRecord& record, const Judgement& judgement,
                        const std::vector<Finding>& findings);

// "training", "validation", "test".
std::string InWords(Phase phase);

// "1 image", "2,345 images".
std::string Counted(int64_t count, const std::string& what);

// "95 % interval 44.4 % to 58.9 %"; "" where there is none.
std::string IntervalText(const Judgement& judgement, const std::string& score);

// Terms of the loss that moved nothing: their share of the gradient was below 1 % over the last
// third of the epochs.
std::vector<std::string> DeadTerms(const Passes& passes);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_FINDINGS_H_
