// The sections in their order, and the files.
#include "pipeline/studies/study_page.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"
#include "pipeline/studies/study_sections.h"
#include "pipeline/studies/study_tables.h"

namespace pipeline {
namespace {

Page PageOf(const StudyView& view) {
  Page page;
  page.title = view.analysis.title;
  page.subtitle =
      absl::StrCat("Study ", view.plan.file.name, ": ",
                   CountOf(view.plan.combinations.size(), view.analysis.what), ", ",
                   CountOf(view.plan.configs.size(), "config"), ", ",
                   CountOf(view.plan.seeds.size(), "seed"), ". ", CountsText(view.analysis), ".");
  page.sections = {StudyVerdictSection(view), StudyTablesSection(view), DifferencesSection(view),
                   PaperPairsSection(view),   HeatSection(view),        StudyCurvesSection(view),
                   EffectsSection(view),      RanksSection(view),       ChanceSection(view),
                   HalvingSection(view),      LabelsSection(view),      FailedSection(view),
                   StudyTimeSection(view),    StudyRepeatSection(view)};
  page.sections.erase(std::remove_if(page.sections.begin(), page.sections.end(),
                                     [](const Section& section) { return section.blocks.empty(); }),
                      page.sections.end());
  return page;
}

// With as many rows as a page has room for.
std::string HtmlOf(const Plan& plan, const StudyAnalysis& analysis) {
  StudyView view = {plan, analysis};
  std::string html = Html(PageOf(view));
  while (html.size() > kMaxPage && (view.rows > 5 || view.configs > 1)) {
    view.rows = std::max<size_t>(5, view.rows / 2);
    if (view.rows < 40) view.configs = std::max<size_t>(1, view.configs / 2);
    html = Html(PageOf(view));
  }
  return html;
}

std::string LabelsCsv(const StudyAnalysis& analysis) {
  std::string text = CsvRecord({"config", "path", "given", "likely", "p_given", "p_likely"});
  for (const ConfigAnalysis& config : analysis.configs) {
    for (const LabelDoubt& one : config.doubts) {
      absl::StrAppend(&text, CsvRecord({config.name, one.path, one.given, one.likely,
                                        absl::StrFormat("%.9g", one.given_probability),
                                        absl::StrFormat("%.9g", one.likely_probability)}));
    }
  }
  return text;
}

// What the study shows, in lines for the terminal.
std::string ConclusionOf(const Plan& plan, const StudyAnalysis& analysis) {
  std::vector<std::string> lines = {absl::StrCat(CountsText(analysis), ".")};
  for (const ConfigAnalysis& config : analysis.configs) {
    const ConfigVerdict verdict = VerdictOf(plan, analysis, config);
    if (config.embedded_sample) {
      lines.push_back(
          absl::StrCat(config.name, ": drawn stand-in images, so nothing about these data."));
    }
    lines.push_back(absl::StrCat(config.name, ": ", absl::StrJoin(verdict.sentences, " ")));
    if (!verdict.circumstances.empty()) lines.push_back("  " + verdict.circumstances);
  }
  return absl::StrJoin(lines, "\n");
}

}  // namespace

Page StudyPage(const Plan& plan, const StudyAnalysis& analysis) { return PageOf({plan, analysis}); }

absl::StatusOr<std::string> WriteStudyReport(const Plan& plan, const StudyFolder& folder) {
  const absl::StatusOr<StudyAnalysis> analysis = Analyse(plan, folder);
  if (!analysis.ok()) return analysis.status();
  std::vector<std::pair<const char*, std::string>> files = {
      {"table.csv", TableCsv(plan, *analysis)},
      {"table.md", TableMarkdown(plan, *analysis)},
      {"table.tex", TableTex(plan, *analysis)},
      {"report.html", HtmlOf(plan, *analysis)},
  };
  const bool doubts = std::any_of(analysis->configs.begin(), analysis->configs.end(),
                                  [](const ConfigAnalysis& one) { return one.doubts_known; });
  if (doubts) files.emplace_back("label_issues.csv", LabelsCsv(*analysis));
  for (const auto& [name, text] : files) {
    const absl::Status written = WriteFileAtomically(folder.File(name), text);
    if (!written.ok()) return written;
  }
  return ConclusionOf(plan, *analysis);
}

}  // namespace pipeline
