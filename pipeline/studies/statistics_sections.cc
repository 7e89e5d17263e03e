// The sections of what several runs say together: effects, ranks, chance, halving.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/report.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/method_charts.h"
#include "pipeline/studies/study_sections.h"

namespace pipeline {
namespace {

Cell PointsCell(double share) {
  if (std::isnan(share)) return Text("-");
  return {absl::StrFormat("%+.2f", 100 * share), share};
}

Cell RangeCell(const MeanInterval& interval) {
  if (std::isnan(interval.low) || std::isnan(interval.high)) return Text("-");
  return {absl::StrFormat("%+.2f to %+.2f", 100 * interval.low, 100 * interval.high), interval.low};
}

Chart EffectsChart(const ConfigAnalysis& config) {
  Intervals intervals;
  intervals.title = absl::StrCat(config.name, ": what adding a loss does");
  intervals.unit = absl::StrCat("points of ", config.metric);
  intervals.reference = 0;
  for (const LossEffect& one : config.effects.matched) {
    const MeanInterval main = MainOf(one.interval);
    intervals.rows.push_back({one.name, 100 * main.low, 100 * one.effect, 100 * main.high, 0});
  }
  intervals.note = "Matched differences, 95 % each alone.";
  return Draw(intervals);
}

double EffectNamed(const std::vector<LossEffect>& effects, const std::string& name) {
  for (const LossEffect& one : effects) {
    if (one.name == name) return one.effect;
  }
  return kUnknown;
}

Table EffectsTable(const ConfigAnalysis& config) {
  const EffectsAnalysis& effects = config.effects;
  Table table = {
      absl::StrCat(config.name, ": effect of each loss on ", config.metric, ", in points"),
      {"loss", "matched", "95 %", "p", "p, Holm", "pairs", "additive model", "95 %"},
      {}};
  const bool sound = !effects.additive_without_collapsed.empty();
  if (sound) {
    table.columns.push_back(absl::StrCat("the same without ", effects.collapsed, " collapsed"));
  }
  for (const LossEffect& one : effects.matched) {
    std::vector<Cell> row = {Text(one.name),
                             PointsCell(one.effect),
                             RangeCell(MainOf(one.interval)),
                             Number(one.p, 3),
                             Number(one.holm, 3),
                             Count(one.pairs),
                             PointsCell(EffectNamed(effects.additive, one.name))};
    Cell range = Text("-");
    for (const LossEffect& additive : effects.additive) {
      if (additive.name == one.name) range = RangeCell(MainOf(additive.interval));
    }
    row.push_back(std::move(range));
    if (sound) {
      row.push_back(PointsCell(EffectNamed(effects.additive_without_collapsed, one.name)));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table InteractionsTable(const ConfigAnalysis& config) {
  Table table = {absl::StrCat(config.name,
                              ": interactions, in points: what two losses together "
                              "do beyond the sum of both"),
                 {"losses", "interaction", "95 %", "p", "p, Holm"},
                 {},
                 true};
  for (const LossEffect& one : config.effects.interactions) {
    table.rows.push_back({Text(one.name), PointsCell(one.effect), RangeCell(MainOf(one.interval)),
                          Number(one.p, 3), Number(one.holm, 3)});
  }
  return table;
}

bool IsAveraged(const Plan& plan) {
  for (const Axis& axis : plan.file.study.axis()) {
    if (axis.fusions().averaged()) return true;
  }
  return false;
}

Table RanksTable(const StudyView& view) {
  const RanksAnalysis& ranks = view.analysis.ranks;
  Table table = {
      "Mean ranks over the datasets, 1 being the best",
      {view.analysis.what, "mean rank", "95 %", "share of resamples in which it is first"},
      {},
      true};
  std::vector<size_t> order(ranks.intervals.size());
  for (size_t i = 0; i < order.size(); ++i) order[i] = i;
  std::stable_sort(order.begin(), order.end(), [&](size_t a, size_t b) {
    return ranks.intervals[a].rank < ranks.intervals[b].rank;
  });
  for (const size_t i : order) {
    const RankInterval& one = ranks.intervals[i];
    table.rows.push_back({Text(view.Name(ranks.combinations[i])),
                          Number(one.rank, 4),
                          {absl::StrFormat("%.4g to %.4g", one.low, one.high), one.low},
                          PercentCell(one.first)});
  }
  return table;
}

CriticalDifferences DiagramOf(const StudyView& view) {
  const RanksAnalysis& ranks = view.analysis.ranks;
  CriticalDifferences diagram;
  diagram.title =
      absl::StrCat("Mean ranks of ", ranks.chosen.size(), " ", Plural(view.analysis.what), " over ",
                   ranks.configs.size(), " datasets");
  for (size_t i = 0; i < ranks.chosen.size(); ++i) {
    diagram.methods.push_back({view.Name(ranks.chosen[i]), ranks.friedman->ranks[i]});
  }
  diagram.difference = ranks.critical_difference;
  diagram.groups = ranks.groups;
  diagram.note = absl::StrFormat(
      "N = %d datasets. Friedman's test by permutation: p = %.3g%s. A thick bar joins those whose "
      "ranks differ by less than CD (Nemenyi, 95 %%): not told apart, which is not equal.",
      static_cast<int>(ranks.configs.size()), ranks.friedman->permutation_p,
      ranks.friedman->exact ? ", exact" : "");
  return diagram;
}

std::string ChanceText(const StudyView& view, const ConfigAnalysis& config) {
  const OptimismAnalysis& optimism = config.optimism;
  std::vector<std::string> parts;
  if (optimism.nested.has_value()) {
    const NestedSelection& nested = *optimism.nested;
    parts.push_back(absl::StrFormat(
        "VAL's choice, %s, has %.4f on TEST. The highest mean on TEST is %.4f, which was chosen by "
        "TEST and may not be published as a result",
        view.Name(optimism.recipes[nested.chosen]), nested.chosen_test, nested.best_test));
    if (!std::isnan(nested.honest)) {
      parts.back() += absl::StrFormat(
          "; chosen by VAL with the other seeds, it would be %.4f: %.2f points less", nested.honest,
          100 * nested.optimism);
    }
    parts.back() += ".";
  }
  if (optimism.bias.has_value()) {
    parts.push_back(absl::StrFormat(
        "Choosing by the same images promises %.2f points too much (bootstrap of the selection, "
        "%d resamples); corrected, the best has %.4f.",
        100 * optimism.bias->optimism, static_cast<int>(optimism.bias->used),
        optimism.bias->corrected));
  }
  if (!std::isnan(optimism.best_of_equals)) {
    parts.push_back(absl::StrFormat(
        "Two of these networks differ on %.1f %% of the images. The best of %d equal ones would "
        "show %.2f points more than it is worth, by chance alone; a difference below %.2f points "
        "could not have been seen by one comparison.",
        100 * optimism.discordant, static_cast<int>(view.plan.combinations.size()),
        100 * optimism.best_of_equals, 100 * optimism.detectable));
  }
  return absl::StrJoin(parts, " ");
}

Table StoppedTable(const StudyView& view, const ConfigAnalysis& config) {
  Table table = {absl::StrCat(config.name, ": stopped by halving, no test value"),
                 {view.analysis.what, "after epochs", "rank by VAL then", "seeds"},
                 {},
                 true};
  for (size_t i = 0; i < config.screen.cells.size(); ++i) {
    const StudyCell& cell = config.screen.cells[i];
    if (cell.stopped == 0) continue;
    table.rows.push_back({Text(view.Name(static_cast<int>(i))),
                          Count(cell.epochs),
                          {absl::StrCat(cell.stopped_rank, " of ", cell.stopped_among),
                           static_cast<double>(cell.stopped_rank)},
                          Count(static_cast<int64_t>(cell.curves.size()))});
  }
  return table;
}

std::string ReplayText(const StudyView& view, const ConfigAnalysis& config) {
  const HalvingAnalysis& halving = config.halving;
  const HalvingReplay& replay = *halving.replay;
  return absl::StrFormat(
      "%s: halving by rungs of %s epochs, keeping %s, would have trained %s of %s epochs (%.1f "
      "times fewer). Over all draws of its seeds it would have ended with the full study's best by "
      "VAL, %s, in %d of %d orders; it would have lost %.2f points of VAL on the mean, %.2f at "
      "most.",
      config.name, absl::StrJoin(halving.rungs, ", "), absl::StrJoin(halving.entering, ", "),
      Thousands(halving.cost.epochs), Thousands(halving.cost.full), halving.cost.gain,
      view.Name(replay.best), static_cast<int>(replay.survived), static_cast<int>(replay.orders),
      100 * replay.regret, 100 * replay.most_regret);
}

}  // namespace

Section EffectsSection(const StudyView& view) {
  Section section = {"effects", "What each loss adds", {}};
  if (!view.analysis.fusions) return section;
  Charts charts;
  std::vector<Block> tables;
  size_t shown = 0;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (++shown > view.configs) break;
    if (!config.effects.left_out.empty()) {
      tables.push_back(Paragraph{absl::StrCat(config.name, ": ", config.effects.left_out)});
      continue;
    }
    charts.charts.push_back(EffectsChart(config));
    tables.push_back(EffectsTable(config));
    if (!config.effects.interactions.empty()) tables.push_back(InteractionsTable(config));
  }
  if (charts.charts.empty()) return section;
  section.blocks.push_back(Paragraph{absl::StrCat(
      "Matched: the mean, over all sets of losses T for which both were trained, of the score of T "
      "with the loss minus that of T without it. It asks for no model, and speaks of these losses, "
      "this network and these data.",
      IsAveraged(view.plan)
          ? " Terms weigh 1/m in a set of m, so that the gradient of more losses is not larger."
          : " A sum of losses has a larger gradient than one: adding a loss is also a larger step.",
      " The additive model is least squares over all sets.")});
  section.blocks.push_back(std::move(charts));
  for (Block& table : tables) section.blocks.push_back(std::move(table));
  return section;
}

Section RanksSection(const StudyView& view) {
  Section section = {"ranks", "Over datasets", {}};
  const RanksAnalysis& ranks = view.analysis.ranks;
  if (ranks.configs.size() < 2) return section;
  std::vector<std::string> names;
  for (const int config : ranks.configs) names.push_back(view.analysis.configs[config].name);
  if (!ranks.left_out.empty()) {
    section.blocks.push_back(Paragraph{ranks.left_out});
    return section;
  }
  section.blocks.push_back(Paragraph{absl::StrCat(
      "Ranks of ", CountOf(ranks.combinations.size(), view.analysis.what), " on ",
      absl::StrJoin(names, ", "),
      ": one config of each dataset, since two tasks of one dataset are not two datasets. "
      "Intervals "
      "are by resampling the images of each dataset, and the seeds, and speak of these datasets "
      "only.")});
  if (ranks.friedman.has_value()) {
    section.blocks.push_back(Charts{{Draw(DiagramOf(view))}});
  } else if (view.plan.file.study.chosen().empty()) {
    section.blocks.push_back(Paragraph{
        "No diagram of critical differences: it is for at most 20 combinations that the study "
        "chose beforehand (chosen: [...])."});
  }
  if (!ranks.intervals.empty()) {
    Table table = RanksTable(view);
    Cut(view, &table);
    section.blocks.push_back(std::move(table));
  }
  return section;
}

Section ChanceSection(const StudyView& view) {
  Section section = {"chance", "How much of the best is luck", {}};
  Facts facts;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    const std::string text = ChanceText(view, config);
    if (!text.empty()) facts.facts.emplace_back(config.name, text);
  }
  if (!facts.facts.empty()) section.blocks.push_back(std::move(facts));
  return section;
}

Section HalvingSection(const StudyView& view) {
  Section section = {"halving", "Halving", {}};
  size_t shown = 0;
  for (const ConfigAnalysis& config : view.analysis.configs) {
    if (++shown > view.configs) break;
    Table stopped = StoppedTable(view, config);
    if (!stopped.rows.empty()) {
      Cut(view, &stopped);
      section.blocks.push_back(std::move(stopped));
    }
    if (config.halving.replay.has_value()) {
      section.blocks.push_back(Paragraph{ReplayText(view, config)});
    }
  }
  if (!section.blocks.empty()) {
    section.blocks.push_back(Paragraph{
        "Halving says which combinations to train fully on a small budget. Slow starters lose by "
        "design, and what it stopped is part of no test, rank or effect."});
  }
  return section;
}

}  // namespace pipeline
