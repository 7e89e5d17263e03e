// The sections about how runs went: learning curves, seconds, failures, and how to repeat them.
#include <algorithm>
#include <cmath>
#include <numeric>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/text.h"
#include "pipeline/report.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/run_page.h"
#include "pipeline/studies/study_sections.h"

namespace pipeline {
namespace {

// Of those that have a curve and were trained to the end: best by VAL, worst by VAL, the baseline.
std::vector<std::pair<std::string, int>> Telling(const StageAnalysis& stage) {
  int best = -1, worst = -1;
  for (int i = 0; i < static_cast<int>(stage.cells.size()); ++i) {
    const StudyCell& cell = stage.cells[i];
    if (cell.selected.count == 0 || cell.curve.empty()) continue;
    if (best < 0 || cell.selected.mean > stage.cells[best].selected.mean) best = i;
    if (worst < 0 || cell.selected.mean < stage.cells[worst].selected.mean) worst = i;
  }
  std::vector<std::pair<std::string, int>> telling;
  const auto add = [&](const char* role, int i) {
    const bool known = std::any_of(telling.begin(), telling.end(),
                                   [&](const auto& one) { return one.second == i; });
    if (i >= 0 && !known && !stage.cells[i].curve.empty()) telling.emplace_back(role, i);
  };
  add("best", best);
  add("worst", worst);
  add("baseline", stage.baseline);
  return telling;
}

Chart CurvesOf(const StudyView& view, const ConfigAnalysis& config) {
  Plot plot;
  plot.title = config.name;
  plot.across.name = "epoch";
  plot.across.whole = true;
  plot.up.name = view.plan.file.study.select();
  for (const auto& [role, i] : Telling(config.screen)) {
    const std::vector<double>& curve = config.screen.cells[i].curve;
    Series series;
    series.name = absl::StrCat(role, ": ", view.Name(i));
    series.y = curve;
    series.x.resize(curve.size());
    std::iota(series.x.begin(), series.x.end(), 1);
    series.colour = static_cast<int>(plot.series.size());
    plot.series.push_back(std::move(series));
  }
  return Draw(plot);
}

}  // namespace

Section StudyCurvesSection(const StudyView& view) {
  Section section = {"curves", "Learning curves", {}};
  Charts charts;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (charts.charts.size() >= view.configs) break;
    if (!Telling(config.screen).empty()) charts.charts.push_back(CurvesOf(view, config));
  }
  if (charts.charts.empty()) return section;
  section.blocks.push_back(Paragraph{absl::StrCat(view.plan.file.study.select(),
                                                  " on VAL after each epoch, mean over seeds, of "
                                                  "the best and the worst by VAL, and of what all "
                                                  "are compared to.")});
  section.blocks.push_back(std::move(charts));
  return section;
}

Section StudyTimeSection(const StudyView& view) {
  Section section = {"time", "Seconds against score", {}};
  Plot plot;
  plot.title = "Seconds of a run and its score on TEST";
  plot.across.name = "seconds, mean over seeds";
  plot.up.name = "score";
  double least = INFINITY, most = 0, all = 0;
  std::vector<std::string> names;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    Series series;
    series.name = absl::StrCat(config.name, ", ", config.metric);
    series.look = Series::kPoints;
    series.colour = static_cast<int>(plot.series.size());
    for (size_t i = 0; i < config.screen.cells.size(); ++i) {
      const StudyCell& cell = config.screen.cells[i];
      if (cell.seconds.count == 0 || std::isnan(cell.score.mean)) continue;
      names.push_back(absl::StrCat(config.name, ": ", view.Name(static_cast<int>(i))));
      series.x.push_back(cell.seconds.mean);
      series.y.push_back(cell.score.mean);
      least = std::min(least, cell.seconds.mean);
      most = std::max(most, cell.seconds.mean);
    }
    if (!series.x.empty()) plot.series.push_back(std::move(series));
  }
  for (const StudyResult& result : view.analysis.results) all += result.seconds;
  if (plot.series.empty()) return section;
  plot.across.logarithmic = least > 0 && most > 10 * least;
  section.blocks.push_back(Paragraph{absl::StrCat(
      "All runs together took ", Thousands(static_cast<int64_t>(std::llround(all))),
      " seconds of the machines that ran them, one run after the other. These figures are the "
      "machines'; nothing else on this page depends on them.")});
  Chart chart = Draw(plot);
  // Which point is whose, unless there are so many that not all are drawn.
  for (size_t i = 0; chart.numbers.rows.size() == names.size() && i < names.size(); ++i) {
    chart.numbers.rows[i][0] = Text(names[i]);
  }
  section.blocks.push_back(Charts{{std::move(chart)}});
  return section;
}

Section FailedSection(const StudyView& view) {
  Section section = {"failed", "Runs that failed", {}};
  Table table = {"", {view.analysis.what, "config", "stage", "seed", "fold", "error"}, {}};
  for (const StudyResult& result : view.analysis.results) {
    if (result.status != RunStatus::kFailed) continue;
    table.rows.push_back({Text(result.combination), Text(result.config),
                          Text(StageName(result.stage)), Count(result.seed),
                          result.fold < 0 ? Text("-") : Count(result.fold + 1),
                          Text(result.error)});
  }
  if (table.rows.empty()) return section;
  Cut(view, &table);
  section.blocks.push_back(std::move(table));
  section.blocks.push_back(Paragraph{"Started again, the study tries them once more."});
  return section;
}

Section StudyRepeatSection(const StudyView& view) {
  Section section = {"again", "Run it again", {}};
  std::vector<std::string> devices;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (config.device.empty()) continue;
    const std::string device = absl::StrCat(config.device, ", ", config.precision);
    if (std::find(devices.begin(), devices.end(), device) == devices.end()) {
      devices.push_back(device);
    }
  }
  if (!devices.empty()) {
    section.blocks.push_back(Facts{{{"trained on", absl::StrJoin(devices, "; ")}}});
  }
  section.blocks.push_back(Code{
      "The same study again, from the workspace; runs that are done are not made again",
      absl::StrCat("bazel run //pipeline -- study --config=", ShellQuoted(view.plan.file.path))});
  section.blocks.push_back(Code{"The study", PrintText(view.plan.file.study)});
  return section;
}

}  // namespace pipeline
