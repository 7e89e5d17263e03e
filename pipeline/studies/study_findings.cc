// The first section of a study's page: its verdict, and what a reader must know before it.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/report.h"
#include "pipeline/studies/study_sections.h"
#include "pipeline/studies/study_tables.h"

namespace pipeline {
namespace {

constexpr size_t kMostLeads = 4;
constexpr size_t kMostLines = 200;

using List = std::vector<Finding>;

void Add(Severity severity, std::string text, std::vector<std::string> details, List* list) {
  if (details.size() > kMostLines) {
    const size_t more = details.size() - kMostLines;
    details.resize(kMostLines);
    details.push_back(absl::StrCat("and ", more, " more"));
  }
  list->push_back({severity, std::move(text), std::move(details)});
}

void AboutTheData(const StudyView& view, List* list) {
  std::vector<std::string> drawn;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (config.embedded_sample) drawn.push_back(config.name);
    if (config.leaks > 0) {
      Add(Severity::kStop,
          absl::StrCat(config.name, ": ", config.leaks, " of ", config.images.size(),
                       " test images are also in training, byte by byte: scores are "
                       "over-estimates. Comparisons leave these images out."),
          {}, list);
    }
    if (config.near_copies > 0) {
      Add(Severity::kCare,
          absl::StrCat(config.name, ": ", CountOf(config.near_copies, "group"),
                       " of near-identical images span training and test: scores are "
                       "over-estimates."),
          {}, list);
    }
  }
  if (drawn.empty()) return;
  Add(Severity::kStop,
      absl::StrCat("Drawn stand-in images were used, for the data of ", absl::StrJoin(drawn, ", "),
                   " were not found: the numbers show that the study works, and nothing about "
                   "these data."),
      {}, list);
}

void AboutTheRuns(const StudyView& view, List* list) {
  const StudyAnalysis& analysis = view.analysis;
  const int64_t over = analysis.done + analysis.failed + analysis.stopped;
  if (over < analysis.asked) {
    Add(Severity::kCare, absl::StrCat("The study is not over: ", CountsText(analysis), "."), {},
        list);
  }
  std::vector<std::string> failed, collapsed;
  for (const StudyResult& result : analysis.results) {
    if (result.status != RunStatus::kFailed) continue;
    failed.push_back(absl::StrCat(result.config, ", ", result.combination, ", seed ", result.seed,
                                  ": ", result.error));
  }
  if (!failed.empty()) {
    Add(Severity::kCare,
        absl::StrCat(CountOf(failed.size(), "run"),
                     " failed; combinations with one are not compared."),
        failed, list);
  }
  for (const ConfigAnalysis& config : analysis.configs) {
    for (const StageAnalysis* stage : {&config.screen, &config.confirm}) {
      for (size_t i = 0; i < stage->cells.size(); ++i) {
        const StudyCell& cell = stage->cells[i];
        if (cell.collapsed == 0) continue;
        collapsed.push_back(absl::StrCat(config.name, ", ", view.Name(static_cast<int>(i)), ": ",
                                         cell.collapsed, " of ", CountOf(cell.seeds.size(), "seed"),
                                         stage == &config.confirm ? " of the confirmation" : ""));
      }
    }
  }
  if (!collapsed.empty()) {
    Add(Severity::kCare,
        absl::StrCat(CountOf(collapsed.size(), "combination"),
                     " answered one class for all images, or hardly more, in at least one seed: "
                     "collapsed, and not compared."),
        collapsed, list);
  }
  if (analysis.stopped > 0) {
    Add(Severity::kNote,
        absl::StrCat(Thousands(analysis.stopped),
                     " runs were stopped by halving, for being behind by validation: they have no "
                     "test value, and are not compared."),
        {}, list);
  }
}

// What a constant answer does as well.
void AboutTheBaseline(const StudyView& view, List* list) {
  std::vector<std::string> lines;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    size_t below = 0, known = 0;
    for (const StudyCell& cell : config.screen.cells) {
      if (std::isnan(cell.score.mean)) continue;
      ++known;
      below += cell.score.mean <= config.majority;
    }
    if (below == 0) continue;
    lines.push_back(absl::StrCat(config.name, ": ", below, " of ", known));
  }
  if (lines.empty()) return;
  Add(Severity::kCare,
      absl::StrCat("Answering the most frequent class for all images scores as high as, or higher "
                   "than, some ",
                   Plural(view.analysis.what), " do: ", absl::StrJoin(lines, ", "), "."),
      {}, list);
}

void AboutTheClaims(const StudyView& view, List* list) {
  const StudyAnalysis& analysis = view.analysis;
  const Plan& plan = view.plan;
  if (plan.seeds.size() < 3 && plan.confirm_seeds.size() < 3 && plan.folds == 0) {
    Add(Severity::kCare,
        absl::StrCat("The study has ", CountOf(plan.seeds.size(), "seed"),
                     ": nothing can be said of retraining; three are the least."),
        {}, list);
  } else if (plan.confirm_seeds.empty() && plan.seeds.size() < 6 && plan.folds == 0) {
    Add(Severity::kNote,
        absl::StrCat("With ", CountOf(plan.seeds.size(), "seed"), " and ",
                     CountOf(plan.combinations.size(), analysis.what),
                     " even a real advantage is seldom shown. confirm { top: 3 seeds: 7 } trains "
                     "the few that validation puts first once more, with fresh seeds, and compares "
                     "only these."),
        {}, list);
  }
  if (!plan.confirm_seeds.empty() && analysis.confirm_asked == 0) {
    Add(Severity::kCare, "The confirmation, which alone makes claims, has not begun.", {}, list);
  }
  if (analysis.configs.size() == 1) {
    Add(Severity::kNote, "One network on one dataset: nothing is said about others.", {}, list);
  }
  std::vector<std::string> problems;
  for (const ConfigAnalysis& config : analysis.configs) {
    for (const std::string& problem : config.problems) {
      problems.push_back(absl::StrCat(config.name, ": ", problem));
    }
  }
  if (!problems.empty()) {
    Add(Severity::kCare,
        absl::StrCat("Something could not be read, and is left out of what needs it (",
                     CountOf(problems.size(), "case"), ")."),
        problems, list);
  }
}

std::string SubjectOf(const ConfigAnalysis& config) {
  if (config.dataset.empty()) return config.name;
  return absl::StrCat(config.name, " (", config.dataset, ", ", config.task, ", ", config.metric,
                      ")");
}

Tiles TilesOf(const StudyView& view) {
  const StudyAnalysis& analysis = view.analysis;
  Tiles tiles;
  tiles.tiles.push_back(
      {"runs", absl::StrCat(Thousands(analysis.done), " / ", Thousands(analysis.asked)),
       analysis.failed + analysis.stopped == 0
           ? "done"
           : absl::StrCat("done; ", analysis.failed, " failed, ", analysis.stopped, " stopped")});
  tiles.tiles.push_back({Plural(analysis.what),
                         Thousands(static_cast<int64_t>(view.plan.combinations.size())),
                         absl::StrCat("in ", CountOf(view.plan.configs.size(), "config"))});
  tiles.tiles.push_back(
      {"seeds", absl::StrCat(view.plan.seeds.size()),
       view.plan.folds > 0 ? absl::StrCat("x ", CountOf(view.plan.folds, "fold"))
       : view.plan.confirm_seeds.empty()
           ? "no confirmation"
           : absl::StrCat(view.plan.confirm_seeds.size(), " fresh ones to confirm")});
  if (analysis.configs.size() != 1) return tiles;
  const ConfigAnalysis& config = analysis.configs[0];
  if (config.screen.chosen >= 0) {
    const StudyCell& chosen = config.screen.cells[config.screen.chosen];
    tiles.tiles.push_back({absl::StrCat(config.metric, " of VAL's choice"), MeanText(chosen.score),
                           view.Name(config.screen.chosen)});
  }
  if (!std::isnan(config.majority)) {
    tiles.tiles.push_back({"majority baseline", absl::StrFormat("%.4f", config.majority),
                           "the most frequent class for all"});
  }
  return tiles;
}

Table ConfigsTable(const StudyView& view) {
  Table table = {"The configs: what validation chose, and what came of it on TEST",
                 {"config", "test images", "majority", "baseline", "its score", "VAL's choice",
                  "its score", "verdict"},
                 {}};
  for (const ConfigAnalysis& config : view.analysis.configs) {
    const StageAnalysis& stage = config.screen;
    const auto name = [&](int i) { return Text(i < 0 ? "-" : view.Name(i)); };
    const auto score = [&](int i) -> Cell {
      if (i < 0) return Text("-");
      return {MeanText(stage.cells[i].score), stage.cells[i].score.mean};
    };
    std::string verdict = stage.chosen >= 0 && stage.chosen == stage.baseline
                              ? "is\u00a0the\u00a0baseline"
                              : "not\u00a0compared";
    for (const Difference& one : stage.differences) {
      if (one.combination == stage.chosen) verdict = VerdictName(one);
    }
    table.rows.push_back({Text(config.name), Count(static_cast<int64_t>(config.images.size())),
                          Number(config.majority, 4), name(stage.baseline), score(stage.baseline),
                          name(stage.chosen), score(stage.chosen), Text(verdict)});
  }
  return table;
}

}  // namespace

Section StudyVerdictSection(const StudyView& view) {
  const StudyAnalysis& analysis = view.analysis;
  Section section = {"verdict", "Verdict", {}};
  Facts added;
  for (const ConfigAnalysis& config : analysis.configs) {
    const ConfigVerdict verdict = VerdictOf(view.plan, analysis, config);
    section.blocks.push_back(
        Paragraph{absl::StrCat(SubjectOf(config), ": ", absl::StrJoin(verdict.sentences, " ")),
                  analysis.configs.size() <= kMostLeads});
    if (!verdict.circumstances.empty()) {
      added.facts.emplace_back(config.name, verdict.circumstances);
    }
  }
  Findings findings;
  AboutTheData(view, &findings.findings);
  AboutTheRuns(view, &findings.findings);
  AboutTheBaseline(view, &findings.findings);
  AboutTheClaims(view, &findings.findings);
  std::stable_sort(findings.findings.begin(), findings.findings.end(),
                   [](const Finding& a, const Finding& b) { return a.severity < b.severity; });
  if (!findings.findings.empty()) section.blocks.push_back(std::move(findings));
  section.blocks.push_back(TilesOf(view));
  section.blocks.push_back(ConfigsTable(view));
  if (!added.facts.empty()) section.blocks.push_back(std::move(added));
  return section;
}

}  // namespace pipeline
