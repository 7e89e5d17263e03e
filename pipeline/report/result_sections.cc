// What a run's answers look like: by class, by threshold, by confidence, and one by one.
#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/strip.h"
#include "pipeline/json.h"
#include "pipeline/report.h"
#include "pipeline/report/findings.h"
#include "pipeline/report/sections.h"
#include "pipeline/statistics/calibration.h"
#include "pipeline/statistics/ranking.h"

namespace pipeline {
namespace {

constexpr size_t kLargestMatrix = 24, kLongestTable = 400, kExamples = 20;

// A share as a number whose cell is coloured by it.
Cell Shaded(double share) {
  Cell cell = PercentCell(share);
  if (!std::isnan(share)) cell.shade = share;
  return cell;
}

Table MatrixTable(const Judgement& judgement) {
  Table table;
  table.caption = "Answers by truth";
  table.columns = {"truth"};
  for (const ClassScores& one : judgement.classes) table.columns.push_back(one.name);
  for (size_t i = 0; i < judgement.confusion.size(); ++i) {
    std::vector<Cell> row = {Text(judgement.classes[i].name)};
    for (size_t j = 0; j < judgement.confusion.size(); ++j) {
      const int64_t count = judgement.confusion[i][j];
      Cell cell = Count(count);
      const double share =
          static_cast<double>(count) / static_cast<double>(judgement.classes[i].truth);
      if (!std::isnan(share)) {
        absl::StrAppend(&cell.text, " (", Percent(share), ")");
        cell.shade = share;
      }
      cell.wrong = i != j;
      row.push_back(std::move(cell));
    }
    table.rows.push_back(std::move(row));
  }
  return table;
}

Table ConfusedPairs(const Judgement& judgement) {
  struct Pair {
    int64_t count;
    size_t truth, answer;
  };
  std::vector<Pair> pairs;
  for (size_t i = 0; i < judgement.confusion.size(); ++i) {
    for (size_t j = 0; j < judgement.confusion.size(); ++j) {
      if (i != j && judgement.confusion[i][j] > 0)
        pairs.push_back({judgement.confusion[i][j], i, j});
    }
  }
  std::stable_sort(pairs.begin(), pairs.end(),
                   [](const Pair& a, const Pair& b) { return a.count > b.count; });
  Table table = {"What is most often taken for what",
                 {"truth", "answer", "count", "of this truth"}};
  for (size_t i = 0; i < pairs.size() && i < 10; ++i) {
    const auto& [count, truth, answer] = pairs[i];
    table.rows.push_back({Text(judgement.classes[truth].name), Text(judgement.classes[answer].name),
                          Count(count),
                          PercentCell(static_cast<double>(count) /
                                      static_cast<double>(judgement.classes[truth].truth))});
  }
  return table;
}

// The curve of each class; of two classes one is enough, the other mirrors it.
Plot RankingPlot(const std::string& title, const std::string& across, const std::string& up,
                 const std::string& area, const Judgement& judgement,
                 const std::vector<RankingCurve>& curves) {
  Plot plot;
  plot.title = title;
  plot.across.name = across;
  plot.up.name = up;
  plot.across.low = plot.up.low = 0;
  plot.across.high = plot.up.high = 1;
  std::vector<size_t> drawn;
  for (size_t i = curves.size() == 2 ? 1 : 0; i < curves.size(); ++i) {
    if (!curves[i].x.empty()) drawn.push_back(i);
  }
  if (drawn.size() > kColours) {
    std::sort(drawn.begin(), drawn.end(),
              [&](size_t a, size_t b) { return curves[a].area < curves[b].area; });
    plot.note = absl::StrCat("The ", kColours, " classes of least area of ", drawn.size(), ".");
    drawn.resize(kColours);
  }
  for (const size_t i : drawn) {
    plot.series.push_back(
        {absl::StrFormat("%s (%s %.3f)", judgement.classes[i].name, area, curves[i].area),
         curves[i].x, curves[i].y, static_cast<int>(plot.series.size())});
  }
  return plot;
}

// Scores of TEST as they were and as calibration.json makes them.
void AddCalibration(const std::string& text, Section* section) {
  using Json = nlohmann::ordered_json;
  const Json json = ParseJson(text);
  if (!json.is_object()) {
    section->blocks.push_back(Paragraph{"calibration.json cannot be read."});
    return;
  }
  const Json method = json.value("method", Json()), temperature = json.value("temperature", Json());
  section->blocks.push_back(Paragraph{absl::StrCat(
      "calibrate has fitted ", method.is_string() ? method.get<std::string>() : std::string("some"),
      " scaling",
      temperature.is_number() ? absl::StrFormat(" (temperature %.4g)", temperature.get<double>())
                              : "",
      " on validation images. predict and evaluate use it where they are asked to.")});
  const Json test = json.value("test", Json());
  if (!test.is_object()) return;
  const Json before = test.value("before", Json()), after = test.value("after", Json());
  if (!before.is_object() || !after.is_object()) return;
  Table table = {"Test images before and after calibration", {"score", "before", "after"}, {}};
  const auto number = [](const Json& value) {
    return Number(value.is_number() ? value.get<double>() : NAN);
  };
  for (const auto& [name, value] : before.items()) {
    table.rows.push_back({Text(name), number(value), number(after.value(name, Json()))});
  }
  section->blocks.push_back(std::move(table));
}

std::string PathShown(const RunRecord& record, const std::string& path) {
  absl::string_view rest = path;
  if (!record.origin.empty() && absl::ConsumePrefix(&rest, record.origin)) {
    absl::ConsumePrefix(&rest, "/");
  }
  return std::string(rest);
}

Table ExamplesTable(const RunRecord& record, const Judgement& judgement, const std::string& caption,
                    const std::vector<size_t>& which) {
  Table table = {caption, {"image", "truth", "answer", "p(answer)", "p(truth)", "entropy, nats"}};
  table.sortable = true;
  for (size_t n = 0; n < which.size() && n < kExamples; ++n) {
    const size_t i = which[n];
    const std::vector<double>& p = judgement.probabilities[i];
    table.rows.push_back({Text(PathShown(record, judgement.rows[i]->path)),
                          Text(judgement.rows[i]->label), Text(judgement.rows[i]->predicted),
                          Number(p[judgement.answers[i]], 4), Number(p[judgement.labels[i]], 4),
                          Number(EntropyOf(p), 4)});
  }
  return table;
}

void AddWorstMasks(const RunRecord& record, const Judgement& judgement, Section* section) {
  std::vector<const Prediction*> rows;
  for (const Prediction* row : record.Of(judgement.phase)) {
    if (!std::isnan(row->mean_iou)) rows.push_back(row);
  }
  if (rows.empty()) return;
  std::stable_sort(rows.begin(), rows.end(), [](const Prediction* a, const Prediction* b) {
    return a->mean_iou < b->mean_iou;
  });
  constexpr int kBins = 20;
  Series bars = {"images", {}, std::vector<double>(kBins), 0, Series::kBars};
  for (int i = 0; i < kBins; ++i) bars.x.push_back((i + 0.5) / kBins);
  for (const Prediction* row : rows) {
    ++bars.y[std::clamp(static_cast<int>(row->mean_iou * kBins), 0, kBins - 1)];
  }
  Plot plot;
  plot.title = "Mean IoU of single images";
  plot.across = {"mean IoU", 0, 1};
  plot.up = {"images", 0};
  plot.up.whole = true;
  plot.bar_width = 1.0 / kBins;
  plot.series = {std::move(bars)};
  section->blocks.push_back(Charts{{Draw(plot)}});
  Table table = {"The images that came out worst",
                 {"image", "mean IoU", "mean Dice", "pixel accuracy", "pixels"}};
  table.sortable = true;
  for (size_t i = 0; i < rows.size() && i < kExamples; ++i) {
    table.rows.push_back({Text(PathShown(record, rows[i]->path)), Number(rows[i]->mean_iou, 4),
                          Number(rows[i]->mean_dice, 4), Number(rows[i]->accuracy, 4),
                          Count(rows[i]->pixels)});
  }
  section->blocks.push_back(std::move(table));
}

}  // namespace

Section ConfusionSection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"confusion", "Confusion matrix", {}};
  if (judgement.confusion.empty()) {
    section.blocks.push_back(Paragraph{"No answers were counted: there is no test result."});
    return section;
  }
  section.blocks.push_back(Paragraph{absl::StrCat(
      "On ", InWords(judgement.phase), " images. Rows are the truth, columns the answer: ",
      record.masks() ? "pixels" : "images", ", and their share of the row.")});
  if (judgement.confusion.size() <= kLargestMatrix) {
    section.blocks.push_back(MatrixTable(judgement));
  } else {
    section.blocks.push_back(Paragraph{absl::StrCat(
        "Too large to show with ", judgement.confusion.size(), " classes; summary.json has it.")});
  }
  Table pairs = ConfusedPairs(judgement);
  if (judgement.confusion.size() > 2 && !pairs.rows.empty()) {
    section.blocks.push_back(std::move(pairs));
  }
  return section;
}

Section ClassesSection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"classes", "Classes", {}};
  const OneVsRest& ranking = judgement.ranking;
  Table table = {absl::StrCat("Scores of each class on ", InWords(judgement.phase), " images"),
                 {"class", "precision", "recall", record.masks() ? "Dice (F1)" : "F1", "IoU"}};
  table.sortable = true;
  const bool ranked = ranking.roc.size() == judgement.classes.size();
  if (ranked && !judgement.classes.empty()) {
    table.columns.insert(table.columns.end(), {"ROC AUC", "average precision"});
  }
  table.columns.insert(table.columns.end(), {record.masks() ? "pixels" : "images", "answered"});
  for (size_t i = 0; i < judgement.classes.size() && i < kLongestTable; ++i) {
    const ClassScores& one = judgement.classes[i];
    std::vector<Cell> row = {Text(one.name), Shaded(one.precision), Shaded(one.recall),
                             Shaded(one.f1), Shaded(one.iou)};
    if (ranked) {
      row.push_back(Number(ranking.roc[i].area, 4));
      row.push_back(Number(ranking.precision_recall[i].area, 4));
    }
    row.push_back(Count(one.truth));
    row.push_back(Count(one.predicted));
    table.rows.push_back(std::move(row));
  }
  // Without counts, what the epoch's row says.
  const std::vector<std::string> columns =
      ClassColumns(record.classes, static_cast<int64_t>(record.classes.size()));
  for (size_t i = 0; judgement.classes.empty() && i < columns.size() && i < kLongestTable; ++i) {
    const auto value = [&](const char* kind) { return judgement.Value(kind + columns[i]); };
    if (i == 0) table.columns = {"class", "precision", "recall", "F1", "IoU", "Dice"};
    table.rows.push_back({Text(record.classes[i]), Shaded(value("precision.")),
                          Shaded(value("recall.")), Shaded(value("f1.")), Shaded(value("iou.")),
                          Shaded(value("dice."))});
  }
  if (table.rows.empty()) return section;
  section.blocks.push_back(std::move(table));
  if (judgement.classes.size() > kLongestTable) {
    section.blocks.push_back(Paragraph{
        absl::StrCat("The first ", kLongestTable, " of ", judgement.classes.size(), " classes.")});
  }
  return section;
}

Section RankingSection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"ranking", "Ranking: ROC and precision-recall", {}};
  if (judgement.labels.empty()) return section;
  const OneVsRest& ranking = judgement.ranking;
  if (ranking.roc.empty()) {
    section.blocks.push_back(Paragraph{"Left out: too many classes and images for this page."});
    return section;
  }
  Plot roc = RankingPlot("ROC", "false positive rate", "true positive rate", "AUC", judgement,
                         ranking.roc);
  roc.diagonal = true;
  Plot precision = RankingPlot("Precision and recall", "recall", "precision", "AP", judgement,
                               ranking.precision_recall);
  if (roc.series.empty()) {
    section.blocks.push_back(
        Paragraph{"No class has both images of its own and others: there is nothing to rank."});
    return section;
  }
  section.blocks.push_back(Paragraph{absl::StrFormat(
      "Each class against all others, by its own probability. Mean AUC %.3f, mean average "
      "precision %.3f.",
      ranking.macro_auc, ranking.macro_average_precision)});
  section.blocks.push_back(Charts{{Draw(roc), Draw(precision)}});
  return section;
}

Section ReliabilitySection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"reliability", "Reliability", {}};
  if (!judgement.labels.empty()) {
    const std::vector<ReliabilityBin> bins =
        ReliabilityBins(AnswersOf(judgement.probabilities, judgement.labels), Binning::kEqualWidth);
    const CalibrationScores scores = CalibrationScoresOf(judgement.probabilities, judgement.labels);
    Series right = {"share that is right", {}, {}, 0, Series::kBars};
    Series sure = {"mean confidence", {}, {}, 1, Series::kPoints};
    Series counts = {"images", {}, {}, 0, Series::kBars};
    for (const ReliabilityBin& bin : bins) {
      const double middle = (bin.low + bin.high) / 2;
      for (Series* series : {&right, &sure, &counts}) series->x.push_back(middle);
      right.y.push_back(bin.accuracy);
      sure.y.push_back(bin.confidence);
      counts.y.push_back(static_cast<double>(bin.count));
    }
    Plot plot;
    plot.title = "Is it right as often as it is sure?";
    plot.across = {"confidence", 0, 1};
    plot.up = {"share right", 0, 1};
    plot.bar_width = bins.empty() ? 1 : 1.0 / static_cast<double>(bins.size());
    plot.diagonal = true;
    plot.series = {right, sure};
    plot.note = "Bars below the line: too sure. Above it: too timid.";
    Plot histogram = plot;
    histogram.title = "How sure it is";
    histogram.up = {"images", 0};
    histogram.up.whole = true;
    histogram.diagonal = false;
    histogram.series = {counts};
    histogram.note = "";
    section.blocks.push_back(
        Tiles{{{"ECE", absl::StrFormat("%.4f", scores.ece),
                absl::StrFormat("%d bins of equal width; of equal mass %.4f", kCalibrationBins,
                                scores.ece_equal_mass)},
               {"MCE", absl::StrFormat("%.4f", scores.mce), "the worst bin"},
               {"Brier score", absl::StrFormat("%.4f", scores.brier), "0 is best, 2 worst"},
               {"Negative log-likelihood", absl::StrFormat("%.4f", scores.nll), "in nats"}}});
    section.blocks.push_back(Charts{{Draw(plot), Draw(histogram)}});
  }
  if (!record.calibration.empty()) AddCalibration(record.calibration, &section);
  return section;
}

Section MistakesSection(const RunRecord& record, const Judgement& judgement) {
  Section section = {"mistakes", "Mistakes", {}};
  if (record.masks()) {
    AddWorstMasks(record, judgement, &section);
    return section;
  }
  if (judgement.labels.empty()) return section;
  std::vector<size_t> wrong, all;
  for (size_t i = 0; i < judgement.labels.size(); ++i) {
    if (judgement.labels[i] != judgement.answers[i]) wrong.push_back(i);
    all.push_back(i);
  }
  const auto sure = [&](size_t i) { return judgement.probabilities[i][judgement.answers[i]]; };
  std::stable_sort(wrong.begin(), wrong.end(),
                   [&](size_t a, size_t b) { return sure(a) > sure(b); });
  std::vector<double> entropies;
  for (const size_t i : all) entropies.push_back(EntropyOf(judgement.probabilities[i]));
  std::stable_sort(all.begin(), all.end(),
                   [&](size_t a, size_t b) { return entropies[a] > entropies[b]; });
  section.blocks.push_back(Paragraph{absl::StrCat(
      Thousands(static_cast<int64_t>(wrong.size())), " of ",
      Counted(static_cast<int64_t>(judgement.labels.size()), InWords(judgement.phase) + " image"),
      " are answered wrong. predictions.csv has all of them.")});
  if (!wrong.empty()) {
    section.blocks.push_back(ExamplesTable(
        record, judgement, "The mistakes that it is surest of: wrong labels are often among them",
        wrong));
  }
  section.blocks.push_back(
      ExamplesTable(record, judgement, "The images that it is least sure of", all));
  return section;
}

}  // namespace pipeline
