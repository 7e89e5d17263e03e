// The sections that lay scores out: the paper's tables, its bar chart, a heat map.
#include <algorithm>
#include <cmath>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/report/method_charts.h"
#include "pipeline/studies/paper.h"
#include "pipeline/studies/study_sections.h"
#include "pipeline/studies/study_tables.h"

namespace pipeline {
namespace {

// Lowest and highest of a config's scores.
std::pair<double, double> RangeOf(const StageAnalysis& stage) {
  double low = INFINITY, high = -INFINITY;
  for (const StudyCell& cell : stage.cells) {
    if (std::isnan(cell.score.mean)) continue;
    low = std::min(low, cell.score.mean);
    high = std::max(high, cell.score.mean);
  }
  return {low, high};
}

Cell HeatCell(const StudyCell& cell, const std::pair<double, double>& range) {
  if (cell.score.count == 0)
    return Text(cell.stopped > 0 ? "stopped" : cell.failed > 0 ? "failed" : "");
  Cell shown = {absl::StrFormat("%.4f", cell.score.mean), cell.score.mean};
  const auto& [low, high] = range;
  // The lowest has a little shade, so that it is told from a cell without a value.
  shown.shade = high > low ? 0.04 + 0.96 * (cell.score.mean - low) / (high - low) : 0.5;
  if (cell.collapsed > 0) {
    shown.wrong = true;
    shown.shade = std::max(0.25, shown.shade);
  }
  return shown;
}

int IndexOf(const Plan& plan, std::vector<std::string> losses) {
  std::sort(losses.begin(), losses.end());
  for (size_t i = 0; i < plan.combinations.size(); ++i) {
    std::vector<std::string> own = plan.combinations[i].losses();
    std::sort(own.begin(), own.end());
    if (plan.combinations[i].values.size() == 1 && own == losses) return static_cast<int>(i);
  }
  return -1;
}

// The configs that ask what a row of Tables 5 and 6 asks, of the paper's model before others.
std::vector<const ConfigAnalysis*> ConfigsOf(const StudyView& view, const PaperPair& pair) {
  std::vector<const ConfigAnalysis*> fitting, same_model;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (config.dataset != pair.dataset) continue;
    if (!pair.task.empty() && config.task != pair.task && config.task != "segmentation") continue;
    fitting.push_back(&config);
    if (absl::StrContains(config.name, pair.model)) same_model.push_back(&config);
  }
  return same_model.empty() ? fitting : same_model;
}

std::string PairName(const PaperPair& pair, const ConfigAnalysis& config) {
  return absl::StrCat(config.name, " (paper: ", pair.model, "): ", pair.single, " + ", pair.added);
}

}  // namespace

void Cut(const StudyView& view, Table* table) {
  if (table->rows.size() <= view.rows) return;
  absl::StrAppend(&table->caption, "; the first ", view.rows, " of ", table->rows.size(),
                  " rows, all are in table.csv");
  table->rows.resize(view.rows);
}

Section StudyTablesSection(const StudyView& view) {
  Section section = {"tables", "Tables", {}};
  const std::vector<StudyTable> tables = StudyTables(view.plan, view.analysis);
  bool paper = false;
  for (const StudyTable& table : tables) {
    const auto& columns = table.table.columns;
    paper = paper || std::find(columns.begin(), columns.end(), "paper") != columns.end();
  }
  section.blocks.push_back(Paragraph{absl::StrCat(
      "TEST: mean ± standard deviation over seeds (divisor S - 1; it is no error of the mean). "
      "Precision, recall and F1 are weighted by class unless they say otherwise; the loss value is "
      "the run's own total, which is not comparable between ",
      Plural(view.analysis.what), ".",
      paper ? " \"paper\" is what it prints; \"difference\" is ours minus that. It had one run a "
              "cell, other splits and no validation: the two are shown side by side, never tested "
              "against each other."
            : "")});
  size_t shown = 0;
  for (const StudyTable& table : tables) {
    if (++shown > 3 * view.configs) break;
    Table cut = table.table;
    Cut(view, &cut);
    section.blocks.push_back(std::move(cut));
  }
  for (const std::string& note : NotesOf(tables)) section.blocks.push_back(Paragraph{note});
  return section;
}

Section PaperPairsSection(const StudyView& view) {
  Section section = {"pairs", "With a second loss, and without", {}};
  Bars bars;
  bars.title = "Accuracy without and with fusion";
  bars.unit = "accuracy on TEST";
  bars.series = {"paper, one loss", "paper, two", "ours, one loss", "ours, two"};
  for (const PaperPair& pair : PaperPairs()) {
    const int single = IndexOf(view.plan, {pair.single});
    const int fused = IndexOf(view.plan, {pair.single, pair.added});
    if (single < 0 || fused < 0) continue;
    for (const ConfigAnalysis* config : ConfigsOf(view, pair)) {
      const double without = config->screen.cells[single].accuracy.mean;
      const double with = config->screen.cells[fused].accuracy.mean;
      if (std::isnan(without) && std::isnan(with)) continue;
      bars.rows.push_back({PairName(pair, *config), {pair.without, pair.with, without, with}});
    }
  }
  if (bars.rows.empty()) return section;
  bars.note =
      "The paper's Tables 5 and 6, as far as this study has their losses and data. The paper's "
      "bars are single runs; ours are means over seeds, of the network that is named.";
  section.blocks.push_back(Charts{{Draw(bars)}});
  return section;
}

Section HeatSection(const StudyView& view) {
  Section section = {"heat", "All at a glance", {}};
  const std::vector<ConfigAnalysis>& configs = view.analysis.configs;
  if (view.plan.combinations.size() < 2) return section;
  Table table = {absl::StrCat("Mean score on TEST, shaded from the lowest to the highest of each "
                              "config; collapsed ones in the colour of mistakes"),
                 {view.analysis.what},
                 {},
                 true};
  std::vector<std::pair<double, double>> ranges;
  const size_t shown = std::min(configs.size(), view.configs);
  for (size_t i = 0; i < shown; ++i) {
    table.columns.push_back(absl::StrCat(configs[i].name, ": ", configs[i].metric));
    ranges.push_back(RangeOf(configs[i].screen));
  }
  for (size_t j = 0; j < view.plan.combinations.size(); ++j) {
    std::vector<Cell> row = {Text(view.Name(static_cast<int>(j)))};
    for (size_t i = 0; i < shown; ++i) {
      row.push_back(HeatCell(configs[i].screen.cells[j], ranges[i]));
    }
    table.rows.push_back(std::move(row));
  }
  std::vector<Cell> majority = {Text("majority baseline")};
  for (size_t i = 0; i < shown; ++i) majority.push_back(Number(configs[i].majority, 4));
  table.rows.push_back(std::move(majority));
  Cut(view, &table);
  section.blocks.push_back(std::move(table));
  return section;
}

}  // namespace pipeline
