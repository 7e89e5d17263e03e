// A study's numbers as tables: as the paper lays them out, and a row for each combination.
#ifndef PIPELINE_STUDIES_STUDY_TABLES_H_
#define PIPELINE_STUDIES_STUDY_TABLES_H_

#include <string>
#include <vector>

#include "pipeline/report/page.h"
#include "pipeline/studies/analysis.h"

namespace pipeline {

// A table of the paper's layout: fusions of so many losses on one dataset, its tasks side by side;
// of other studies all combinations.
struct StudyTable {
  Table table;
  std::vector<std::string> notes;  // what its marks mean
};
std::vector<StudyTable> StudyTables(const Plan& plan, const StudyAnalysis& analysis);
// Of all of them, each once.
std::vector<std::string> NotesOf(const std::vector<StudyTable>& tables);

// "0.9312 ± 0.0041"; without a deviation where there is one seed; "" of none.
std::string MeanText(const OverSeeds& value);

// A row for each config, stage and combination, with all that is known of it, in full precision;
// what is not known is empty. Its last column, seconds, is the machine's; all others depend on the
// plan, the results and the predictions alone.
std::string TableCsv(const Plan& plan, const StudyAnalysis& analysis);
// StudyTables, and below them what the marks mean.
std::string TableMarkdown(const Plan& plan, const StudyAnalysis& analysis);
// The same in LaTeX's own tabular.
std::string TableTex(const Plan& plan, const StudyAnalysis& analysis);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_STUDY_TABLES_H_
