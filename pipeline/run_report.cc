// Texts about a run, from its config, its data and its test report.
#include "pipeline/run_report.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/device.h"
#include "pipeline/registry.h"
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
  for (size_t i = 0; i < data.classes.size() && !data.class_counts[0].empty(); ++i) {
    std::vector<int64_t> counts;
    for (const auto& phase : data.class_counts) counts.push_back(phase[i]);
    rows.emplace_back(i == 0 ? "classes" : "",
                      absl::StrCat(data.classes[i], " ", absl::StrJoin(counts, " / ")));
  }
  if (!data.split.empty()) rows.emplace_back("split", data.split);
  for (const std::string& note : data.notes) rows.emplace_back("note", note);
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
  } else {
    const DataInfo& data = *facts.context.data;
    const auto value = [&](const char* name) {
      return Percent(test->Find(absl::StrCat("metrics.", name)));
    };
    terminal->Line(absl::StrCat(
        "test result on ", data.images[PhaseIndex(TEST)], " images",
        data.embedded_sample ? " of the EMBEDDED SAMPLE" : "", ", weights of ",
        facts.validation ? absl::StrCat("epoch ", facts.best_epoch) : "the last epoch"));
    terminal->Table({{"accuracy", absl::StrCat(value("accuracy"), "  (majority baseline ",
                                               value("majority_baseline"), ")")},
                     {"balanced accuracy", value("balanced_accuracy")},
                     {"macro F1", value("macro_f1")},
                     {"weighted precision", value("weighted_precision")},
                     {"weighted recall", value("weighted_recall")},
                     {"weighted F1", value("weighted_f1")},
                     {"mean IoU", value("mean_iou")}});
    const double predicted = test->Find("metrics.classes_predicted");
    if (test->Find("metrics.collapsed") != 0) {
      terminal->Line("  COLLAPSED: the model predicts one class for every image");
    } else if (predicted < static_cast<double>(data.classes.size())) {
      terminal->Line(absl::StrFormat("  only %.0f of %d classes are ever predicted", predicted,
                                     data.classes.size()));
    }
  }
}

}  // namespace pipeline
