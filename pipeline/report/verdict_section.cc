// What was asked, what came of it, and whether to believe it.
#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "pipeline/report.h"
#include "pipeline/report/findings.h"
#include "pipeline/report/sections.h"

namespace pipeline {
namespace {

void AddTile(const std::string& name, double value, const std::string& note, Tiles* tiles) {
  if (std::isnan(value)) return;
  tiles->tiles.push_back({name, Percent(value), note});
}

Tiles TilesOf(const RunRecord& record, const Judgement& judgement) {
  Tiles tiles;
  const auto value = [&](const char* score) { return judgement.Value(score); };
  const auto interval = [&](const char* score) { return IntervalText(judgement, score); };
  if (!record.masks()) {
    AddTile("Accuracy", value("accuracy"), interval("accuracy"), &tiles);
    AddTile("Balanced accuracy", value("balanced_accuracy"), interval("balanced_accuracy"), &tiles);
    AddTile("Macro F1", value("macro_f1"), interval("macro_f1"), &tiles);
    AddTile("Majority baseline", value("majority_baseline"),
            "accuracy of always answering the most frequent class", &tiles);
    return tiles;
  }
  AddTile("Mean IoU", value("mean_iou_present"), "over the classes present, all pixels together",
          &tiles);
  AddTile("Majority baseline", value("mean_iou_present_majority"),
          "mean IoU of always answering the most frequent class", &tiles);
  AddTile("Mean Dice", value("mean_dice_present"), "over the classes present", &tiles);
  AddTile("Pixel accuracy", value("accuracy"),
          absl::StrCat("majority baseline ", Percent(value("majority_baseline"))), &tiles);
  for (const auto& [name, score] : judgement.values) {
    absl::string_view radius = name;
    if (!absl::ConsumePrefix(&radius, "f1_tolerance_") || !absl::ConsumeSuffix(&radius, "px")) {
      continue;
    }
    AddTile(absl::StrCat("F1 within ", radius, " px"), score, "of the foreground class", &tiles);
  }
  const auto of_images = judgement.intervals.find("mean_iou");
  if (of_images != judgement.intervals.end()) {
    AddTile("Mean IoU of an image", of_images->second.value, interval("mean_iou"), &tiles);
  }
  return tiles;
}

std::string Asked(const RunRecord& record) {
  std::string text;
  if (record.ending.has_value() && !record.ending->model.empty()) {
    const Ending& ending = *record.ending;
    text = absl::StrCat(ending.model, " with activation ", ending.activation, ", minimising ",
                        absl::StrJoin(ending.losses, " + "));
  } else {
    const std::vector<std::string> terms = record.passes.After("weight.");
    text = absl::StrCat("The config ", record.config_name, terms.empty() ? "" : ", minimising ",
                        absl::StrJoin(terms, " + "));
  }
  return absl::StrCat(text, ", on ", record.dataset, " (", record.task, ", ",
                      Counted(static_cast<int64_t>(record.classes.size()), "class"), ").");
}

std::string ClassesText(const RunRecord& record) {
  std::vector<std::string> lines;
  for (size_t i = 0; i < record.classes.size() && i < 30; ++i) {
    std::vector<std::string> counts;
    for (const auto& of_phase : record.class_counts) {
      if (i < of_phase.size()) counts.push_back(Thousands(of_phase[i]));
    }
    lines.push_back(
        absl::StrCat(record.classes[i], counts.empty() ? "" : " ", absl::StrJoin(counts, " / ")));
  }
  if (record.classes.size() > lines.size()) lines.push_back("and more");
  return absl::StrJoin(lines, ", ");
}

Facts FactsOfRun(const RunRecord& record) {
  Facts facts;
  const auto add = [&](const char* name, const std::string& value) {
    if (!value.empty()) facts.facts.emplace_back(name, value);
  };
  add("data", absl::StrCat(record.dataset, " from ", record.origin));
  add("images", absl::StrCat(Thousands(record.images[0]), " train, ", Thousands(record.images[1]),
                             " validation, ", Thousands(record.images[2]), " test"));
  add("split", record.split);
  add("classes", ClassesText(record));
  if (record.ending.has_value()) {
    const Ending& ending = *record.ending;
    add("epochs", absl::StrCat(Thousands(ending.epochs), " (", Thousands(ending.steps), " steps)"));
    add("weights", ending.best_epoch > 0
                       ? absl::StrCat("epoch ", ending.best_epoch, ", ", ending.weights_of)
                       : ending.weights_of);
    add("seed", absl::StrCat(ending.seed));
    add("computed on", absl::StrCat(ending.device, ", ", ending.precision, ", ",
                                    Counted(ending.threads, "thread")));
  }
  add("folder", record.folder);
  return facts;
}

}  // namespace

Section VerdictSection(const RunRecord& record, const Judgement& judgement,
                       const std::vector<Finding>& others) {
  std::vector<Finding> findings = FindingsOf(record, judgement);
  findings.insert(findings.end(), others.begin(), others.end());
  SortBySeverity(&findings);
  Section section = {"verdict", "Verdict", {}};
  section.blocks.push_back(Paragraph{Asked(record)});
  section.blocks.push_back(Paragraph{VerdictText(record, judgement, findings), true});
  Tiles tiles = TilesOf(record, judgement);
  if (!tiles.tiles.empty()) section.blocks.push_back(std::move(tiles));
  if (!findings.empty()) section.blocks.push_back(Findings{findings});
  if (!judgement.intervals.empty()) {
    section.blocks.push_back(
        Paragraph{"Intervals are of 95 %, by bootstrap over images. They say what other images of "
                  "the same kind could give, not what another seed would; and they are too narrow "
                  "where images belong together, such as slices of one patient."});
  }
  section.blocks.push_back(FactsOfRun(record));
  return section;
}

}  // namespace pipeline
