// How a run went: curves over its epochs, and where its time went.
#include <algorithm>
#include <cmath>
#include <limits>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "pipeline/report/findings.h"
#include "pipeline/report/sections.h"

namespace pipeline {
namespace {

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();

// The epochs of all rows of TRAIN and VAL, ascending.
std::vector<double> EpochsOf(const Passes& passes) {
  std::set<double> epochs;
  for (const Passes::Row& row : passes.rows) {
    if (row.phase != TEST) epochs.insert(static_cast<double>(row.epoch));
  }
  return {epochs.begin(), epochs.end()};
}

// Where a column says anything of a phase: its curve, over all epochs.
void AddSeries(const Passes& passes, Phase phase, const std::string& column,
               const std::string& name, int colour, Plot* plot) {
  const auto [x, y] = passes.Curve(phase, column);
  if (x.empty()) return;
  std::map<double, double> by_epoch;
  for (size_t i = 0; i < x.size(); ++i) by_epoch[x[i]] = y[i];
  Series series = {
      name, EpochsOf(passes), {}, colour, phase == VAL ? Series::kDashed : Series::kLine};
  for (const double epoch : series.x) {
    const auto found = by_epoch.find(epoch);
    series.y.push_back(found == by_epoch.end() ? kUndefined : found->second);
  }
  plot->series.push_back(std::move(series));
}

Plot OverEpochs(const std::string& title, const std::string& values) {
  Plot plot;
  plot.title = title;
  plot.across = {"epoch"};
  plot.across.whole = true;
  plot.up.name = values;
  return plot;
}

// On a logarithmic axis where a linear one would flatten most of it.
void ChooseScale(Plot* plot) {
  double low = INFINITY, high = 0;
  for (const Series& series : plot->series) {
    for (const double y : series.y) {
      if (std::isnan(y)) continue;
      low = std::min(low, y);
      high = std::max(high, y);
    }
  }
  plot->up.logarithmic = low > 0 && high > 30 * low;
}

// The one value of all of a column's epochs; NaN where there are several.
double ConstantOf(const Passes& passes, const std::string& column) {
  const auto [x, y] = passes.Curve(TRAIN, column);
  const bool constant =
      !y.empty() && std::all_of(y.begin(), y.end(), [&](double value) { return value == y[0]; });
  return constant ? y[0] : kUndefined;
}

// What a curve would say that is a level line; "" where one is not.
std::string ConstantsText(const Passes& passes, const std::string& what, const std::string& prefix,
                          const std::vector<std::string>& names) {
  std::vector<std::string> values;
  for (const std::string& name : names) {
    const double value = ConstantOf(passes, prefix + name);
    if (std::isnan(value)) return "";
    values.push_back(names.size() == 1 ? absl::StrFormat("%g", value)
                                       : absl::StrFormat("%s %g", name, value));
  }
  if (values.empty()) return "";
  return absl::StrCat(what, " in every epoch: ", absl::StrJoin(values, ", "), ".");
}

void AddChart(Plot plot, std::vector<Chart>* charts) {
  if (!plot.series.empty()) charts->push_back(Draw(plot));
}

void AddLossCharts(const RunRecord& record, const std::vector<Mark>& best,
                   std::vector<Chart>* charts) {
  const Passes& passes = record.passes;
  Plot total = OverEpochs("Loss", "total");
  AddSeries(passes, TRAIN, record.loss_prefix + "total", "training", 0, &total);
  AddSeries(passes, VAL, record.loss_prefix + "total", "validation", 1, &total);
  total.marks = best;
  AddChart(std::move(total), charts);

  const std::vector<std::string> terms = passes.After("weight.");
  Plot raw = OverEpochs("Raw terms of the loss", "before weighting"), weights, shares;
  weights = OverEpochs("Weights of the terms", "weight");
  shares = OverEpochs("Shares of the gradient", "share");
  shares.up.low = 0;
  shares.up.high = 1;
  for (size_t i = 0; i < terms.size(); ++i) {
    const int colour = static_cast<int>(i);
    AddSeries(passes, TRAIN, record.loss_prefix + terms[i], terms[i], colour, &raw);
    AddSeries(passes, TRAIN, "weight." + terms[i], terms[i], colour, &weights);
    AddSeries(passes, TRAIN, "gradient_share." + terms[i], terms[i], colour, &shares);
  }
  for (size_t i = 0; i < terms.size() && terms.size() <= 4; ++i) {
    AddSeries(passes, VAL, record.loss_prefix + terms[i], terms[i] + ", validation",
              static_cast<int>(i), &raw);
  }
  ChooseScale(&raw);
  shares.note =
      "Of the length of the gradient with respect to the logits, each term with its weight.";
  AddChart(std::move(raw), charts);
  if (ConstantsText(passes, "", "weight.", terms).empty()) AddChart(std::move(weights), charts);
  AddChart(std::move(shares), charts);
}

// The scores that the run is judged by, and the one that chose the epoch.
std::vector<std::pair<std::string, std::string>> ScoresOf(const RunRecord& record) {
  std::vector<std::pair<std::string, std::string>> scores =
      record.masks()
          ? std::vector<std::pair<std::string, std::string>>{{"Mean IoU, classes present",
                                                              "mean_iou_present"},
                                                             {"Mean Dice, classes present",
                                                              "mean_dice_present"},
                                                             {"Pixel accuracy", "accuracy"}}
          : std::vector<std::pair<std::string, std::string>>{{"Accuracy", "accuracy"},
                                                             {"Macro F1", "macro_f1"}};
  const std::string monitor =
      record.config.has_value() ? record.config->train().monitor() : std::string();
  absl::string_view name = monitor;
  if (record.metrics_prefix.empty() || !absl::ConsumePrefix(&name, record.metrics_prefix)) {
    return scores;
  }
  for (const auto& [title, score] : scores) {
    if (score == name) return scores;
  }
  scores.emplace_back(absl::StrCat("Monitored: ", name), std::string(name));
  return scores;
}

// Of the classes that end lowest, where there are too many to tell colours apart.
Plot ClassPlot(const RunRecord& record) {
  const std::string kind = record.masks() ? "iou." : "f1.";
  const Phase phase = record.images[PhaseIndex(VAL)] > 0 ? VAL : TRAIN;
  std::vector<std::pair<double, size_t>> last;
  const std::vector<std::string> columns = record.passes.After(record.metrics_prefix + kind);
  for (size_t i = 0; i < columns.size(); ++i) {
    const auto [x, y] = record.passes.Curve(phase, record.metrics_prefix + kind + columns[i]);
    if (!y.empty()) last.emplace_back(std::isnan(y.back()) ? -1 : y.back(), i);
  }
  Plot plot = OverEpochs(record.masks() ? "IoU of each class" : "F1 of each class",
                         InWords(phase) + " images");
  if (last.size() > kColours) {
    std::sort(last.begin(), last.end());
    last.resize(kColours);
    plot.note = absl::StrCat("The ", kColours, " that end lowest of ", columns.size(), " classes.");
  }
  std::sort(last.begin(), last.end(),
            [](const auto& a, const auto& b) { return a.second < b.second; });
  for (size_t i = 0; i < last.size(); ++i) {
    const std::string& column = columns[last[i].second];
    AddSeries(record.passes, phase, record.metrics_prefix + kind + column, column,
              static_cast<int>(i), &plot);
    plot.series.back().look = Series::kLine;
  }
  return plot;
}

// What the steps of TRAIN and TEST were made of.
void AddStepParts(const Ending& ending, std::vector<Chart>* charts) {
  for (const Phase phase : {TRAIN, TEST}) {
    Parts parts = {
        absl::StrCat("Steps of ", phase == TRAIN ? "training" : "the test"), "s", {}, ""};
    for (const auto& [name, seconds] : ending.parts[PhaseIndex(phase)]) {
      if (seconds > 0) parts.parts.emplace_back(name, seconds);
    }
    if (parts.parts.empty()) continue;
    parts.note = "Nodes of the graph by name; of what the last process of the run did.";
    charts->push_back(Draw(parts));
  }
}

double SecondsOf(const Passes& passes, Phase phase, bool waiting) {
  const int seconds = passes.Column("seconds"), wait = passes.Column("data_wait");
  double sum = 0;
  for (const Passes::Row& row : passes.rows) {
    if (seconds < 0 || row.phase != phase || std::isnan(row.values[seconds])) continue;
    const double share = wait < 0 || std::isnan(row.values[wait]) ? 0 : row.values[wait];
    sum += row.values[seconds] * (waiting ? share : 1 - share);
  }
  return sum;
}

}  // namespace

Plot ScorePlot(const RunRecord& record, const Judgement& judgement, const std::string& title,
               const std::string& score) {
  Plot plot = OverEpochs(title, score);
  const std::string column = record.metrics_prefix + score;
  AddSeries(record.passes, TRAIN, column, "training", 0, &plot);
  AddSeries(record.passes, VAL, column, "validation", 1, &plot);
  const double test = judgement.phase == TEST ? judgement.Value(score) : kUndefined;
  if (!std::isnan(test) && !plot.series.empty()) {
    Series point = {"test", plot.series[0].x, {}, 2, Series::kPoints};
    for (const double epoch : point.x) {
      point.y.push_back(epoch == static_cast<double>(judgement.epoch) ? test : kUndefined);
    }
    plot.series.push_back(std::move(point));
  }
  return plot;
}

Section CurvesSection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"curves", "Curves", {}};
  std::vector<Chart> charts;
  std::vector<Mark> best;
  if (record.ending.has_value() && record.ending->best_epoch > 0) {
    best.push_back({static_cast<double>(record.ending->best_epoch), "kept"});
  }
  if (!record.metrics_prefix.empty()) {
    for (const auto& [title, score] : ScoresOf(record)) {
      Plot plot = ScorePlot(record, judgement, title, score);
      plot.marks = best;
      AddChart(std::move(plot), &charts);
    }
  }
  AddLossCharts(record, best, &charts);
  if (!record.metrics_prefix.empty()) AddChart(ClassPlot(record), &charts);
  Plot rate = OverEpochs("Learning rate", "at the end of the epoch");
  AddSeries(record.passes, TRAIN, "learning_rate", "learning rate", 0, &rate);
  const std::string rates =
      ConstantsText(record.passes, "The learning rate", "", {"learning_rate"});
  if (rates.empty()) AddChart(std::move(rate), &charts);
  if (charts.empty()) {
    section.blocks.push_back(Paragraph{"No epoch has ended yet: metrics.csv has no rows."});
    return section;
  }
  section.blocks.push_back(Charts{std::move(charts)});
  for (const std::string& text : {ConstantsText(record.passes, "The weights of the terms",
                                                "weight.", record.passes.After("weight.")),
                                  rates}) {
    if (!text.empty()) section.blocks.push_back(Paragraph{text});
  }
  return section;
}

Section TimeSection(const RunRecord& record) {
  Section section = {"time", "Where time went", {}};
  const Passes& passes = record.passes;
  Parts parts;
  parts.title = "The whole run";
  parts.unit = "s";
  const auto add = [&](const char* name, double seconds) {
    if (seconds > 0) parts.parts.emplace_back(name, seconds);
  };
  if (record.ending.has_value()) add("starting", record.ending->startup_seconds);
  double told = 0;
  const auto pass = [&](const char* name, Phase phase, bool waiting) {
    const double seconds = SecondsOf(passes, phase, waiting);
    add(name, seconds);
    told += seconds;
  };
  pass("training steps", TRAIN, false);
  pass("training, waiting for data", TRAIN, true);
  pass("validation", VAL, false);
  pass("validation, waiting for data", VAL, true);
  pass("test", TEST, false);
  pass("test, waiting for data", TEST, true);
  if (record.ending.has_value()) add("all else", record.ending->seconds - told);
  if (parts.parts.empty()) return section;
  std::vector<Chart> charts = {Draw(parts)};
  if (record.ending.has_value()) AddStepParts(*record.ending, &charts);
  Plot speed = OverEpochs("Speed", "images per second");
  AddSeries(passes, TRAIN, "images_per_second", "training", 0, &speed);
  AddSeries(passes, VAL, "images_per_second", "validation", 1, &speed);
  ChooseScale(&speed);
  if (!speed.up.logarithmic) speed.up.low = 0;
  AddChart(std::move(speed), &charts);
  section.blocks.push_back(Charts{std::move(charts)});
  return section;
}

}  // namespace pipeline
