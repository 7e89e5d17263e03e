// The comparison page.
#include "pipeline/report/comparison.h"

#include <algorithm>
#include <cmath>
#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/config/difference.h"
#include "pipeline/report.h"
#include "pipeline/report/charts.h"
#include "pipeline/report/findings.h"
#include "pipeline/report/judgement.h"

namespace pipeline {
namespace {

using Runs = std::vector<RunRecord>;

constexpr size_t kMostDrawn = 40;  // curves that lie over one another

// Scores of the table, by the task.
std::vector<std::pair<const char*, const char*>> ScoresOf(bool masks) {
  if (masks) {
    return {{"mean IoU", "mean_iou_present"},
            {"mean Dice", "mean_dice_present"},
            {"pixel accuracy", "accuracy"},
            {"baseline (mean IoU)", "mean_iou_present_majority"}};
  }
  return {{"accuracy", "accuracy"},
          {"balanced accuracy", "balanced_accuracy"},
          {"macro F1", "macro_f1"},
          {"baseline", "majority_baseline"}};
}

// Whole paths where short names are not enough.
void TellApart(Runs* runs) {
  std::map<std::string, int> count;
  for (const RunRecord& run : *runs) ++count[run.name];
  for (RunRecord& run : *runs) {
    if (count[run.name] > 1) run.name = run.folder;
  }
}

// What a run was, beside its scores; a column is left out where all runs have the same.
std::vector<std::pair<std::string, std::vector<std::string>>> TraitsOf(const Runs& runs) {
  std::vector<std::pair<std::string, std::vector<std::string>>> traits;
  const auto add = [&](const char* name, const std::function<std::string(const Ending&)>& trait) {
    std::vector<std::string> values;
    for (const RunRecord& run : runs) values.push_back(trait(run.ending.value_or(Ending())));
    traits.emplace_back(name, std::move(values));
  };
  add("model", [](const Ending& ending) { return ending.model; });
  add("activation", [](const Ending& ending) { return ending.activation; });
  add("losses", [](const Ending& ending) { return absl::StrJoin(ending.losses, " + "); });
  add("seed", [](const Ending& ending) { return absl::StrCat(ending.seed); });
  add("epochs", [](const Ending& ending) { return absl::StrCat(ending.epochs); });
  return traits;
}

bool AllSame(const std::vector<std::string>& values) {
  return std::all_of(values.begin(), values.end(),
                     [&](const std::string& value) { return value == values[0]; });
}

// Whether a run's score is the best of TEST: what was validated only is easier, and a baseline is
// no score.
bool IsBest(const std::vector<Judgement>& judgements, size_t run, const std::string& score) {
  const double value = judgements[run].Value(score);
  return judgements[run].phase == TEST && !absl::StrContains(score, "majority") &&
         !std::isnan(value) &&
         std::all_of(judgements.begin(), judgements.end(), [&](const Judgement& other) {
           return other.phase != TEST || !(other.Value(score) > value);
         });
}

Cell IntervalCell(const Judgement& judgement, const std::string& score) {
  const auto found = judgement.intervals.find(score);
  if (found == judgement.intervals.end() || !(found->second.low < found->second.high)) {
    return Text("-");
  }
  // Sorted by its lower end.
  return {absl::StrFormat("%.1f to %.1f %%", 100 * found->second.low, 100 * found->second.high),
          found->second.low};
}

Table RunsTable(const Runs& runs, const std::vector<Judgement>& judgements) {
  Table table = {"The runs; a click on a column sorts by it", {"run"}};
  table.sortable = true;
  std::vector<std::vector<std::string>> told;
  for (const auto& [name, values] : TraitsOf(runs)) {
    if (AllSame(values)) continue;
    table.columns.push_back(name);
    told.push_back(values);
  }
  table.columns.push_back("scored on");
  const auto scores = ScoresOf(runs[0].masks());
  for (const auto& [title, score] : scores) {
    table.columns.push_back(title);
    if (std::string(score) == "accuracy") table.columns.push_back("95 % interval");
  }
  table.columns.push_back("seconds");
  for (size_t i = 0; i < runs.size(); ++i) {
    std::vector<Cell> row = {Text(runs[i].name)};
    for (const std::vector<std::string>& values : told) row.push_back(Text(values[i]));
    row.push_back(Text(InWords(judgements[i].phase)));
    for (const auto& [title, score] : scores) {
      Cell cell = PercentCell(judgements[i].Value(score));
      cell.strong = IsBest(judgements, i, score);
      row.push_back(std::move(cell));
      if (std::string(score) == "accuracy") row.push_back(IntervalCell(judgements[i], score));
    }
    row.push_back(Number(runs[i].ending.value_or(Ending()).seconds, 4));
    table.rows.push_back(std::move(row));
  }
  return table;
}

Facts SharedTraits(const Runs& runs) {
  Facts facts;
  for (const auto& [name, values] : TraitsOf(runs)) {
    if (AllSame(values) && !values[0].empty()) facts.facts.emplace_back("all: " + name, values[0]);
  }
  return facts;
}

// A column's curve of every run.
Plot OverlaidPlot(const Runs& runs, Phase phase, const std::string& title,
                  const std::function<std::string(const RunRecord&)>& column) {
  std::set<double> epochs;
  for (const RunRecord& run : runs) {
    const auto [x, y] = run.passes.Curve(phase, column(run));
    epochs.insert(x.begin(), x.end());
  }
  Plot plot;
  plot.title = title;
  plot.across = {"epoch"};
  plot.across.whole = true;
  plot.up.name = InWords(phase);
  for (size_t i = 0; i < std::min(kMostDrawn, runs.size()); ++i) {
    const auto [x, y] = runs[i].passes.Curve(phase, column(runs[i]));
    if (x.empty()) continue;
    std::map<double, double> by_epoch;
    for (size_t k = 0; k < x.size(); ++k) by_epoch[x[k]] = y[k];
    Series series = {runs[i].name, {epochs.begin(), epochs.end()}, {}, static_cast<int>(i)};
    for (const double epoch : epochs) {
      const auto found = by_epoch.find(epoch);
      series.y.push_back(found == by_epoch.end() ? NAN : found->second);
    }
    plot.series.push_back(std::move(series));
  }
  return plot;
}

Section CurvesOf(const Runs& runs) {
  Charts charts;
  const auto add = [&](Phase phase, const std::string& title,
                       const std::function<std::string(const RunRecord&)>& column,
                       const std::string& note = "") {
    Plot plot = OverlaidPlot(runs, phase, title, column);
    plot.note = note;
    if (!plot.series.empty()) charts.charts.push_back(Draw(plot));
  };
  const bool masks = runs[0].masks();
  const std::vector<std::pair<std::string, std::string>> scores =
      masks ? std::vector<std::pair<std::string, std::string>>{{"Mean IoU", "mean_iou_present"},
                                                               {"Mean Dice", "mean_dice_present"}}
            : std::vector<std::pair<std::string, std::string>>{{"Accuracy", "accuracy"},
                                                               {"Macro F1", "macro_f1"}};
  for (const auto& [title, score] : scores) {
    const auto column = [name = score](const RunRecord& run) { return run.metrics_prefix + name; };
    add(VAL, title + ", validation", column);
    add(TRAIN, title + ", training", column);
  }
  add(
      TRAIN, "Loss, training", [](const RunRecord& run) { return run.loss_prefix + "total"; },
      "Losses of other terms or weights have other scales: compare their shapes only.");
  std::set<std::string> terms;
  for (const RunRecord& run : runs) {
    for (const std::string& term : run.passes.After("weight.")) terms.insert(term);
  }
  for (const std::string& term : terms) {
    if (charts.charts.size() >= 12) break;
    add(VAL, absl::StrCat("Raw ", term, ", validation"),
        [&](const RunRecord& run) { return run.loss_prefix + term; });
  }
  Section section = {"curves", "Curves", {}};
  if (charts.charts.empty()) return section;
  if (runs.size() > kMostDrawn) {
    section.blocks.push_back(Paragraph{absl::StrCat("Of the first ", kMostDrawn, " runs.")});
  }
  section.blocks.push_back(std::move(charts));
  return section;
}

Section ConfigsOf(const Runs& runs) {
  Section section = {"configs", "What differs in their configs", {}};
  // Values of the runs by path; "" where a run has what the first one has.
  std::map<std::string, std::vector<std::string>> fields;
  std::set<std::string> neutral;
  for (size_t i = 1; i < runs.size(); ++i) {
    if (!runs[0].config.has_value() || !runs[i].config.has_value()) continue;
    for (const Change& change : Differences(*runs[0].config, *runs[i].config)) {
      std::vector<std::string>& values = fields[change.path];
      values.resize(runs.size());
      const auto shown = [](const std::string& value) { return value.empty() ? "nothing" : value; };
      values[0] = shown(change.before);
      values[i] = shown(change.after);
      if (change.neutral) neutral.insert(change.path);
    }
  }
  for (const RunRecord& run : runs) {
    if (!run.config.has_value()) {
      section.blocks.push_back(Paragraph{
          absl::StrCat("The config of ", run.name, " could not be read: it is not compared.")});
    }
  }
  if (fields.empty()) {
    section.blocks.push_back(Paragraph{"Nothing."});
    return section;
  }
  Table table = {"Fields that differ, as --set spells them", {"field"}};
  for (const RunRecord& run : runs) table.columns.push_back(run.name);
  for (auto& [path, values] : fields) {
    std::vector<Cell> row = {
        Text(neutral.count(path) > 0 ? path + " (no result depends on it)" : path)};
    for (size_t i = 0; i < values.size(); ++i) {
      Cell cell = Text(values[i].empty() ? values[0] : values[i]);
      cell.strong = i > 0 && !values[i].empty();
      row.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  section.blocks.push_back(std::move(table));
  return section;
}

std::string InPoints(double share) { return absl::StrFormat("%+.1f", 100 * share); }

Section PairsSection(const Runs& runs, const std::vector<PairResult>& pairs) {
  Section section = {"differences", "Differences, and whether they could be chance", {}};
  Table table = {"Second minus first, in percentage points, on the same test images",
                 {"first", "second", "score", "difference", "95 % interval", "only first right",
                  "only second right", "McNemar p", "p, Holm"}};
  table.sortable = true;
  Intervals intervals;
  intervals.title = "Differences with 95 % intervals";
  intervals.unit = "percentage points";
  intervals.reference = 0;
  for (const PairResult& pair : pairs) {
    bool first = true;
    for (const PairDifference& one : pair.differences) {
      const BootstrapInterval& found = one.interval;
      std::vector<Cell> row = {
          Text(runs[pair.first].name),
          Text(runs[pair.second].name),
          Text(one.score),
          {InPoints(found.difference), found.difference},
          std::isnan(found.low)
              ? Text("-")
              : Cell{absl::StrCat(InPoints(found.low), " to ", InPoints(found.high)), found.low}};
      row[3].strong = found.low > 0 || found.high < 0;
      if (one.score == "accuracy") {
        row.push_back(Count(pair.mcnemar.only_first));
        row.push_back(Count(pair.mcnemar.only_second));
        row.push_back(Number(pair.mcnemar.mid_p, 3));
        row.push_back(Number(pair.adjusted, 3));
      } else {
        row.insert(row.end(), 4, Text("-"));
      }
      table.rows.push_back(std::move(row));
      if (first) {
        intervals.rows.push_back({absl::StrCat(runs[pair.second].name, " minus ",
                                               runs[pair.first].name, ", ", one.score),
                                  100 * found.low, 100 * found.difference, 100 * found.high,
                                  static_cast<int>(pair.second)});
      }
      first = false;
    }
  }
  if (table.rows.empty()) {
    section.blocks.push_back(
        Paragraph{"No two of these runs can be compared image by image: see above why."});
    return section;
  }
  section.blocks.push_back(Charts{{Draw(intervals)}});
  section.blocks.push_back(std::move(table));
  section.blocks.push_back(Paragraph{
      "A difference in bold is one whose interval leaves out 0. Intervals are by paired bootstrap "
      "over test images (both runs on the same resamples). McNemar's test (mid-p) asks whether the "
      "two err on equally many images; Holm's p allows for all the pairs of this table. Both speak "
      "of these trained networks, not of their recipes: whether a recipe is better takes several "
      "seeds. Both take images for independent, which slices of one patient are not."});
  return section;
}

std::vector<Finding> WarningsOf(const Runs& runs, const std::vector<PairResult>& pairs) {
  std::vector<std::string> lines;
  for (const PairResult& pair : pairs) {
    if (pair.test.reasons.empty()) continue;
    lines.push_back(
        absl::StrCat(runs[pair.first].name, " and ", runs[pair.second].name,
                     " were not tested alike: ", absl::StrJoin(pair.test.reasons, "; ")));
  }
  if (lines.empty()) return {};
  if (lines.size() == 1) {
    return {{Severity::kStop, lines[0] + ". Their scores cannot be compared.", {}}};
  }
  return {{Severity::kStop,
           absl::StrCat(lines.size(), " of ", pairs.size(),
                        " pairs of these runs were not tested alike. Their scores cannot be "
                        "compared."),
           lines}};
}

}  // namespace

Page ComparisonPage(Runs runs) {
  TellApart(&runs);
  std::vector<Judgement> judgements;
  for (const RunRecord& run : runs) judgements.push_back(JudgementOf(run));
  const std::vector<PairResult> pairs = PairsOf(runs);
  Section first = {"runs", "Runs", {}};
  std::vector<Finding> findings = WarningsOf(runs, pairs);
  for (size_t i = 0; i < runs.size(); ++i) {
    for (const Finding& one : FindingsOf(runs[i], judgements[i])) {
      if (one.severity == Severity::kStop) {
        findings.push_back({Severity::kCare, absl::StrCat(runs[i].name, ": ", one.text)});
      }
    }
  }
  if (!findings.empty()) first.blocks.push_back(Findings{std::move(findings)});
  first.blocks.push_back(RunsTable(runs, judgements));
  Facts shared = SharedTraits(runs);
  if (!shared.facts.empty()) first.blocks.push_back(std::move(shared));
  Page page;
  page.title = absl::StrCat("Comparison of ", runs.size(), " runs");
  page.subtitle = absl::StrCat(runs[0].dataset, ", ", runs[0].task);
  page.sections = {std::move(first), PairsSection(runs, pairs), CurvesOf(runs), ConfigsOf(runs)};
  page.sections.erase(std::remove_if(page.sections.begin(), page.sections.end(),
                                     [](const Section& section) { return section.blocks.empty(); }),
                      page.sections.end());
  return page;
}

}  // namespace pipeline
