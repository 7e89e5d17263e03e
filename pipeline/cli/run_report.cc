// Texts about a run, from its config, its data and its test report.
#include "pipeline/cli/run_report.h"

#include <algorithm>
#include <cmath>
#include <nlohmann/json.hpp>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "pipeline/registry.h"
#include "pipeline/training/device.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

// File names of the config's plugins of one folder.
// A plugin made of others of the folder is one name.
std::vector<std::string> PluginsOf(const Document& document, const std::string& folder) {
  std::vector<std::string> names;
  std::string last;  // path of the last one
  VisitPlugins(document, [&](const google::protobuf::Any& plugin, const google::protobuf::Message&,
                             const std::string& path) {
    const bool part = !last.empty() && absl::StartsWith(path, last + ".");
    if (part || NameOf(plugin).folder != folder) return;
    names.push_back(NameOfParts(plugin));
    last = path;
  });
  return names;
}

std::string FirstOr(const std::vector<std::string>& names, const std::string& otherwise) {
  return names.empty() ? otherwise : names[0];
}

Json Number(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

std::string Percent(double value) {
  return std::isnan(value) ? "-" : absl::StrFormat("%.1f %%", 100 * value);
}

using Rows = std::vector<std::pair<std::string, std::string>>;

// Values of the stage "metrics" as percentages.
class Percentages {
 public:
  explicit Percentages(const Report& test) : test_(test) {}
  std::string operator()(const std::string& name) const {
    return Percent(test_.Find("metrics." + name));
  }

 private:
  const Report& test_;
};

std::string WithBaseline(const std::string& value, const std::string& baseline) {
  return absl::StrCat(value, "  (majority baseline ", baseline, ")");
}

Rows ClassifierRows(const Percentages& value) {
  return {{"accuracy", WithBaseline(value("accuracy"), value("majority_baseline"))},
          {"balanced accuracy", value("balanced_accuracy")},
          {"macro F1", value("macro_f1")},
          {"weighted precision", value("weighted_precision")},
          {"weighted recall", value("weighted_recall")},
          {"weighted F1", value("weighted_f1")},
          {"mean IoU", value("mean_iou_present")}};
}

Rows SegmenterRows(const Report& test, const Percentages& value) {
  Rows rows = {{"pixel accuracy", WithBaseline(value("accuracy"), value("majority_baseline"))},
               {"mean IoU, classes present",
                WithBaseline(value("mean_iou_present"), value("mean_iou_present_majority"))},
               {"mean IoU, all classes",
                WithBaseline(value("mean_iou_all"), value("mean_iou_all_majority"))},
               {"mean Dice, classes present", value("mean_dice_present")}};
  for (const auto& [column, number] : test.values()) {
    absl::string_view tolerance = column;  // "2px"
    if (!absl::ConsumePrefix(&tolerance, "metrics.f1_tolerance_")) continue;
    const std::string suffix = absl::StrCat("_tolerance_", tolerance);
    absl::ConsumeSuffix(&tolerance, "px");
    rows.emplace_back(absl::StrCat("F1 within ", tolerance, " px"),
                      absl::StrCat(Percent(number), "  (precision ", value("precision" + suffix),
                                   ", recall ", value("recall" + suffix), ")"));
  }
  return rows;
}

using Lines = std::vector<std::vector<std::string>>;  // of cells

// The result of each class; nothing where the test counted other classes than the data have.
Lines ClassLines(const DataInfo& data, const Report& test) {
  const auto counts = test.matrices().find("confusion_matrix");
  if (counts == test.matrices().end() || counts->second.size() != data.classes.size()) return {};
  const bool pixels = data.task == Task::kSegmentation;
  std::vector<int64_t> truth;
  for (const auto& row : counts->second) {
    truth.push_back(std::accumulate(row.begin(), row.end(), int64_t{0}));
  }
  const auto total = static_cast<double>(std::accumulate(truth.begin(), truth.end(), int64_t{0}));
  const Percentages value(test);
  const auto columns = ClassColumns(data.classes, static_cast<int64_t>(truth.size()));
  Lines lines;
  if (pixels) {
    lines.push_back({"class", "IoU", "Dice", "pixels"});
  } else {
    lines.push_back({"class", "recall", "precision", "F1", "images"});
  }
  for (size_t i = 0; i < truth.size(); ++i) {
    const std::string& name = data.classes[i];
    const std::string& column = columns[i];
    if (pixels) {
      lines.push_back({name, value("iou." + column), value("dice." + column),
                       Percent(static_cast<double>(truth[i]) / total)});
    } else {
      lines.push_back({name, value("recall." + column), value("precision." + column),
                       value("f1." + column), Thousands(truth[i])});
    }
  }
  return lines;
}

// The first column to the left, the others to the right.
void PrintAligned(const Lines& lines, Terminal* terminal) {
  constexpr int kCell = 9;
  size_t width = 0;
  for (const auto& cells : lines) width = std::max(width, cells[0].size());
  for (const auto& cells : lines) {
    std::string line = absl::StrFormat("  %-*s", static_cast<int>(width), cells[0]);
    for (size_t i = 1; i < cells.size(); ++i) {
      absl::StrAppendFormat(&line, "  %*s", kCell, cells[i]);
    }
    terminal->Line(line);
  }
}

}  // namespace

void PrintHeader(const RunFacts& facts, Terminal* terminal) {
  const DataInfo& data = *facts.context.data;
  const auto images = [&](Phase phase) {
    return absl::StrCat(Thousands(data.images[PhaseIndex(phase)]));
  };
  if (data.embedded_sample) {
    terminal->Line("EMBEDDED SAMPLE: the data of " + data.dataset +
                   " are not here, so drawn images stand in for them.");
    terminal->Line(
        "What follows shows that the program learns; it says nothing about real images.");
    terminal->Line("");
  }
  std::vector<std::pair<std::string, std::string>> rows = {
      {"config", Shown(facts.loaded.path)},
      {"data", absl::StrCat(data.dataset, " (", TaskName(data.task), ") from ", data.origin)},
      {"images",
       absl::StrCat(images(TRAIN), " train, ", images(VAL), " val, ", images(TEST), " test")},
  };
  if (data.class_counts[0].empty()) {
    rows.emplace_back("classes", absl::StrJoin(data.classes, ", "));
  }
  for (size_t i = 0; i < data.class_counts[0].size(); ++i) {
    std::vector<int64_t> counts;
    for (const auto& phase : data.class_counts) counts.push_back(phase[i]);
    rows.emplace_back(i == 0 ? "classes" : "",
                      absl::StrCat(data.classes[i], " ", absl::StrJoin(counts, " / ")));
  }
  if (!data.split.empty()) rows.emplace_back("split", data.split);
  for (const std::string& note : data.notes) rows.emplace_back("note", note);
  for (const std::string& note : facts.notes) rows.emplace_back("note", note);
  const Document& document = facts.loaded.document;
  rows.insert(
      rows.end(),
      {{"model", absl::StrCat(FirstOr(PluginsOf(document, "models"), "none"), ", activation ",
                              FirstOr(PluginsOf(document, "activations"), "none"), ", ",
                              Thousands(facts.parameters), " parameters")},
       {"loss", absl::StrJoin(PluginsOf(document, "losses"), " + ")},
       {"device",
        absl::StrCat(facts.context.device,
                     BuiltForGpu() && facts.context.device == "cpu" ? " (no GPU here)" : "", ", ",
                     facts.context.threads, " threads, ",
                     Train::Precision_Name(facts.context.precision), ", seed ",
                     facts.context.seed)}});
  terminal->Table(rows);
}

Json Summary(const RunFacts& facts, const Report* test) {
  const DataInfo& data = *facts.context.data;
  const Train& train = facts.loaded.document.config.train();
  const Document& document = facts.loaded.document;
  const auto images = [&](Phase phase) { return data.images[PhaseIndex(phase)]; };
  Json summary = {
      {"config", facts.loaded.name},
      {"dataset", data.dataset},
      {"data", data.origin},
      {"embedded_sample", data.embedded_sample},
      {"task", TaskName(data.task)},
      {"model", FirstOr(PluginsOf(document, "models"), "")},
      {"activation", FirstOr(PluginsOf(document, "activations"), "")},
      {"losses", PluginsOf(document, "losses")},
      {"classes", data.classes},
      {"split", data.split},
      {"duplicates", Json::object()},
      {"skipped", Json::array()},
      {"train_images", images(TRAIN)},
      {"val_images", images(VAL)},
      {"test_images", images(TEST)},
      {"epochs", facts.epochs},
      {"steps", facts.steps},
      {"best_epoch", facts.best_epoch},
      {"weights_of", facts.validation && facts.best_epoch > 0 ? "best epoch by " + train.monitor()
                                                              : "last epoch"},
      {"stopped", facts.stopped.empty() ? Json(nullptr) : Json(facts.stopped)},
      {"seed", train.seed()},
      {"device", facts.context.device},
      {"precision", Train::Precision_Name(facts.context.precision)},
      {"threads", facts.context.threads},
      {"seconds", facts.seconds},
      {"images_per_second", facts.images_per_second},
      {"data_wait", facts.data_wait},
      {"startup_seconds", facts.startup_seconds},
  };
  for (const auto& [name, count] : data.duplicates) summary["duplicates"][name] = count;
  for (const auto& files : data.skipped) {
    for (const std::string& why : files) summary["skipped"].push_back(why);
  }
  summary["test"] = nullptr;
  if (test != nullptr) {
    Json values = Json::object();
    for (const auto& [column, value] : test->values()) {
      const size_t dot = column.find('.');
      const std::string name = column.substr(0, dot) == "metrics" ? column.substr(dot + 1) : column;
      if (name == "collapsed") {
        values[name] = value != 0;
      } else if (name == "classes_predicted") {
        values[name] = static_cast<int64_t>(value);
      } else {
        values[name] = Number(value);
      }
    }
    for (const auto& [name, rows] : test->matrices()) values[name] = rows;
    summary["test"] = values;
  }
  return summary;
}

void PrintResult(const RunFacts& facts, const Report* test, Terminal* terminal) {
  terminal->Line("");
  if (test == nullptr) {
    terminal->Line("no test result");
    return;
  }
  const DataInfo& data = *facts.context.data;
  const bool pixels = data.task == Task::kSegmentation;
  terminal->Line(
      absl::StrCat("test result on ", data.images[PhaseIndex(TEST)], " images",
                   data.embedded_sample ? " of the EMBEDDED SAMPLE" : "", ", weights of ",
                   facts.validation ? absl::StrCat("epoch ", facts.best_epoch) : "the last epoch"));
  const Percentages value(*test);
  terminal->Table(pixels ? SegmenterRows(*test, value) : ClassifierRows(value));
  PrintAligned(ClassLines(data, *test), terminal);
  const double predicted = test->Find("metrics.classes_predicted");
  if (test->Find("metrics.collapsed") == 1) {
    terminal->Line(absl::StrCat("  COLLAPSED: the model predicts one class for every ",
                                pixels ? "pixel" : "image"));
  } else if (predicted < static_cast<double>(data.classes.size())) {
    terminal->Line(absl::StrFormat("  only %.0f of %d classes are ever predicted", predicted,
                                   data.classes.size()));
  }
}

}  // namespace pipeline
