// The sections of a study's page, each a function of what is known; one without blocks has nothing
// to say and is left out.
#ifndef PIPELINE_STUDIES_STUDY_SECTIONS_H_
#define PIPELINE_STUDIES_STUDY_SECTIONS_H_

#include <cstddef>
#include <string>
#include <vector>

#include "pipeline/report/page.h"
#include "pipeline/studies/analysis.h"

namespace pipeline {

// What a page is made from, and how much of it is shown: tables have so many rows at most, and so
// many configs have sections of their own.
struct StudyView {
  const Plan& plan;
  const StudyAnalysis& analysis;
  size_t rows = 300;
  size_t configs = 24;

  const std::string& Name(int combination) const { return plan.combinations[combination].name; }
};

Section StudyVerdictSection(const StudyView& view);
Section StudyTablesSection(const StudyView& view);
Section DifferencesSection(const StudyView& view);
Section PaperPairsSection(const StudyView& view);
Section HeatSection(const StudyView& view);
Section StudyCurvesSection(const StudyView& view);
Section EffectsSection(const StudyView& view);
Section RanksSection(const StudyView& view);
Section ChanceSection(const StudyView& view);
Section HalvingSection(const StudyView& view);
Section LabelsSection(const StudyView& view);
Section FailedSection(const StudyView& view);
Section StudyTimeSection(const StudyView& view);
Section StudyRepeatSection(const StudyView& view);

// What one config shows: its sentences, each true by itself.
struct ConfigVerdict {
  const StageAnalysis* stage = nullptr;  // that they are of
  std::vector<std::string> sentences;
  std::string circumstances;  // what is always added; "" where nothing was compared
};
ConfigVerdict VerdictOf(const Plan& plan, const StudyAnalysis& analysis,
                        const ConfigAnalysis& config);
// The conclusion of a comparison; where images are in training too, of the others.
const Conclusion& Effective(const Difference& difference);

// Its name in one line, so that rows of a table stay low.
std::string VerdictName(const Difference& difference);

// "63 of 64 runs are done, 1 failed".
std::string CountsText(const StudyAnalysis& analysis);
// Cuts a table to the view's rows, and says so in its caption.
void Cut(const StudyView& view, Table* table);
// "fusions" of "fusion".
std::string Plural(const std::string& what);
// "1 seed", "3 seeds".
std::string CountOf(size_t count, const std::string& what);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_STUDY_SECTIONS_H_
