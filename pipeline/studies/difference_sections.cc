// Each combination against the baseline.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/report/charts.h"
#include "pipeline/studies/study_sections.h"
#include "pipeline/studies/study_tables.h"

namespace pipeline {
namespace {

constexpr size_t kMostDrawn = 20;

std::string Points(double share) { return absl::StrFormat("%+.2f", 100 * share); }

Cell PointsCell(double share) {
  if (std::isnan(share)) return Text("-");
  return {Points(share), share};
}

// Sorted by its lower end.
Cell RangeCell(double low, double high) {
  if (std::isnan(low) || std::isnan(high)) return Text("-");
  return {absl::StrCat(Points(low), " to ", Points(high)), low};
}

std::string PText(double p) {
  if (std::isnan(p)) return "-";
  return p < 1e-4 ? absl::StrFormat("%.1e", p) : absl::StrFormat("%.3g", p);
}

Cell PCell(double p) {
  if (std::isnan(p)) return Text("-");
  return {PText(p), p};
}

// Of each seed; sorted by the largest.
Cell McNemarCell(const Difference& one, double McNemar::*p) {
  if (one.mcnemar.empty()) return Text("-");
  std::vector<std::string> texts;
  double most = 0;
  for (const McNemar& seed : one.mcnemar) {
    texts.push_back(PText(seed.*p));
    most = std::max(most, seed.*p);
  }
  return {absl::StrJoin(texts, "; "), most};
}

Table TableOf(const StudyView& view, const ConfigAnalysis& config, const StageAnalysis& stage) {
  const bool folds = view.plan.folds > 0;
  Table table;
  table.caption =
      absl::StrCat(config.name, ": ", config.metric, " minus that of ", view.Name(stage.baseline),
                   " (", MeanText(stage.cells[stage.baseline].score), "), in points (hundredths)");
  table.sortable = true;
  table.columns = {view.analysis.what,
                   "score",
                   "difference",
                   "95 %",
                   absl::StrCat("95 % of ", CountOf(stage.family, "comparison")),
                   "p",
                   "p, Holm"};
  if (folds) {
    table.columns.insert(table.columns.end(),
                         {"P(worse)", "P(equal in practice)", "P(better)", "folds for, against"});
  } else {
    table.columns.insert(table.columns.end(),
                         {"p, Max-T", "seeds for, against", "p, Wilcoxon (least possible)",
                          "p, McNemar mid-p of each seed", "the same, exact"});
  }
  table.columns.push_back("verdict");
  for (const Difference& one : stage.differences) {
    if (one.seeds.empty()) {
      std::vector<Cell> row = {Text(view.Name(one.combination))};
      row.resize(table.columns.size() - 1, Text("-"));
      row.push_back(Text(VerdictName(one)));
      table.rows.push_back(std::move(row));
      continue;
    }
    const Comparison& comparison = one.comparison;
    const bool shown = Effective(one).verdict == Verdict::kShown;
    const OverSeeds& score = stage.cells[one.combination].score;
    std::vector<Cell> row = {
        Text(view.Name(one.combination)),
        {MeanText(score), score.mean},
        PointsCell(comparison.difference),
        RangeCell(comparison.alone.low, comparison.alone.high),
        RangeCell(comparison.adjusted.low, comparison.adjusted.high),
        PCell(one.p),
        PCell(one.holm),
    };
    row[2].strong = shown;
    const Cell signs = {
        absl::StrCat(one.signs.positive, ", ", one.signs.negative,
                     one.signs.zero > 0 ? absl::StrCat(" (", one.signs.zero, " equal)") : ""),
        static_cast<double>(one.signs.positive - one.signs.negative)};
    if (folds) {
      for (const double share : {one.posterior.has_value() ? one.posterior->left : kUnknown,
                                 one.posterior.has_value() ? one.posterior->rope : kUnknown,
                                 one.posterior.has_value() ? one.posterior->right : kUnknown}) {
        row.push_back(Number(share, 3));
      }
      row.push_back(signs);
    } else {
      row.push_back(PCell(one.max_t.has_value() ? one.max_t->p : kUnknown));
      row.push_back(signs);
      row.push_back({absl::StrCat(PText(one.wilcoxon.p), " (", PText(one.wilcoxon.smallest_p), ")"),
                     one.wilcoxon.p});
      row.push_back(McNemarCell(one, &McNemar::mid_p));
      row.push_back(McNemarCell(one, &McNemar::exact));
    }
    row.push_back(Text(VerdictName(one)));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Chart ChartOf(const StudyView& view, const ConfigAnalysis& config, const StageAnalysis& stage) {
  std::vector<const Difference*> sorted;
  for (const Difference& one : stage.differences) {
    if (!one.seeds.empty()) sorted.push_back(&one);
  }
  std::stable_sort(sorted.begin(), sorted.end(), [](const Difference* a, const Difference* b) {
    return a->comparison.difference > b->comparison.difference;
  });
  const bool confirm = stage.stage == StudyStage::kConfirm;
  Intervals intervals;
  intervals.title = absl::StrCat(config.name, ": difference to ", view.Name(stage.baseline));
  intervals.unit = absl::StrCat("points of ", config.metric);
  intervals.reference = 0;
  for (size_t i = 0; i < std::min(kMostDrawn, sorted.size()); ++i) {
    const Comparison& comparison = sorted[i]->comparison;
    const DifferenceInterval& drawn = confirm ? comparison.adjusted : comparison.alone;
    const Verdict verdict = Effective(*sorted[i]).verdict;
    const bool left_out = verdict == Verdict::kCollapsed || verdict == Verdict::kNotFinished;
    intervals.rows.push_back(
        {absl::StrCat(view.Name(sorted[i]->combination),
                      left_out ? absl::StrCat(" (", NameOf(verdict), ")") : ""),
         100 * drawn.low, 100 * comparison.difference, 100 * drawn.high,
         verdict == Verdict::kShown ? 2 : 0});
  }
  intervals.note =
      confirm ? absl::StrCat("95 % for all ", stage.family, " together.")
              : absl::StrCat("95 %, each alone: of many such intervals some leave out 0 by chance.",
                             sorted.size() > kMostDrawn
                                 ? absl::StrCat(" The highest ", kMostDrawn, " of ", sorted.size(),
                                                "; all are in the table.")
                                 : "");
  return Draw(intervals);
}

void AddStage(const StudyView& view, const ConfigAnalysis& config, const StageAnalysis& stage,
              Charts* charts, std::vector<Block>* tables) {
  if (stage.baseline < 0 || stage.differences.empty()) return;
  const bool any = std::any_of(stage.differences.begin(), stage.differences.end(),
                               [](const Difference& one) { return !one.seeds.empty(); });
  if (any) charts->charts.push_back(ChartOf(view, config, stage));
  Table table = TableOf(view, config, stage);
  Cut(view, &table);
  tables->push_back(std::move(table));
  std::vector<std::string> sentences;
  for (const Difference& one : stage.differences) {
    if (sentences.size() < view.rows) sentences.push_back(one.conclusion.sentence);
  }
  tables->push_back(
      Findings{{{Severity::kNote, absl::StrCat(config.name, ": what is said of each comparison."),
                 std::move(sentences)}}});
}

std::string MethodText(const StudyView& view) {
  const std::string rope =
      absl::StrFormat("Within +-%.4g points is equal in practice, as the study says.",
                      100 * view.plan.file.study.rope());
  if (view.plan.folds > 0) {
    return absl::StrCat(
        "Each difference is a mean over folds (and seeds), paired: the same images, order and "
        "initial weights. Folds share training data: intervals and p are of the t test corrected "
        "for that (Nadeau and Bengio), and the probabilities of the Bayesian correlated t "
        "(Benavoli et al.). ",
        rope);
  }
  return absl::StrCat(
      "Each difference is paired: the same seeds, so the same order, augmentation and initial "
      "weights, and the same test images. The 95 % interval is the widest of three: over images, "
      "over seeds, and over both (crossed analysis of variance); p belongs to it. The second "
      "interval and Holm's p hold for the whole family together, which the study's file fixed. "
      "Max-T's p allows for the same family by resampling seeds and images together; with few "
      "seeds it is too bold, so no verdict rests on it. Wilcoxon's test over seeds cannot go below "
      "the p in brackets. McNemar's test speaks of two trained networks, not of their recipes. ",
      rope);
}

}  // namespace

Section DifferencesSection(const StudyView& view) {
  Section section = {"differences", "Against the baseline", {}};
  Charts confirm_charts, charts;
  std::vector<Block> confirm_tables, tables;
  size_t shown = 0;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (++shown > view.configs) break;
    AddStage(view, config, config.confirm, &confirm_charts, &confirm_tables);
    AddStage(view, config, config.screen, &charts, &tables);
  }
  if (tables.empty() && confirm_tables.empty()) return section;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (config.screen.baseline < 0) continue;
    section.blocks.push_back(
        Paragraph{absl::StrCat("The baseline is ", config.screen.baseline_reason, ".")});
    break;
  }
  if (!confirm_tables.empty()) {
    section.blocks.push_back(Paragraph{
        "The confirmation: what validation put first, and the baseline, trained once more with "
        "seeds that chose nothing. Only this stage makes claims about recipes."});
    if (!confirm_charts.charts.empty()) section.blocks.push_back(std::move(confirm_charts));
    for (Block& table : confirm_tables) section.blocks.push_back(std::move(table));
    section.blocks.push_back(Paragraph{"The screening:"});
  }
  if (!charts.charts.empty()) section.blocks.push_back(std::move(charts));
  for (Block& table : tables) section.blocks.push_back(std::move(table));
  section.blocks.push_back(Paragraph{MethodText(view)});
  return section;
}

}  // namespace pipeline
