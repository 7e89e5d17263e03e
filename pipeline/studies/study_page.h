// report.html of a study: what its runs show, beside what the paper printed, and whether to believe
// it.
#ifndef PIPELINE_STUDIES_STUDY_PAGE_H_
#define PIPELINE_STUDIES_STUDY_PAGE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/report/page.h"
#include "pipeline/studies/analysis.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

// Writes report.html, table.csv, table.md and table.tex into the study's folder, and with folds
// label_issues.csv, from what its runs came to so far. Whoever ran them, and in which order, these
// are the same bytes, but for seconds: they stand in the section "time" of the page and in the last
// column of table.csv, nowhere else.
// Returns what the study shows, in lines for the terminal.
absl::StatusOr<std::string> WriteStudyReport(const Plan& plan, const StudyFolder& folder);

// Of an analysis with its statistics. Pictures of doubtful labels are read from the data's folder,
// as far as they are still there.
Page StudyPage(const Plan& plan, const StudyAnalysis& analysis);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_STUDY_PAGE_H_
