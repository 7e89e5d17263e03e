// A run as JSON.
#include "pipeline/runs/summary.h"

#include <cmath>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/json.h"
#include "pipeline/processes.h"
#include "pipeline/registry.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

std::string FirstOf(const std::vector<std::string>& names) { return names.empty() ? "" : names[0]; }

Json ToJson(const ReportedValue& value) {
  if (!std::isfinite(value.value)) return nullptr;
  switch (value.kind) {
    case ReportedValue::kFlag:
      return value.value != 0;
    case ReportedValue::kCount:
      return static_cast<int64_t>(value.value);
    default:
      return value.value;
  }
}

}  // namespace

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

Json ReportJson(const Report& report) {
  Json values = Json::object();
  for (const ReportedValue& value : report.values()) {
    values[value.key.empty() ? value.column : value.key] = ToJson(value);
  }
  for (const auto& [name, rows] : report.matrices()) values[name] = rows;
  return values;
}

std::string SummaryText(const LoadedConfig& config, const BuildContext& context,
                        const Outcome& outcome) {
  const DataInfo& data = *context.data;
  const Document& document = config.document;
  const Train& train = document.config.train();
  const Counters& counters = outcome.counters;
  const auto images = [&](Phase phase) { return data.images[PhaseIndex(phase)]; };
  Json summary = {
      {"config", config.name},
      {"dataset", data.dataset},
      {"data", data.origin},
      {"embedded_sample", data.embedded_sample},
      {"task", TaskName(data.task)},
      {"model", FirstOf(PluginsOf(document, "models"))},
      {"activation", FirstOf(PluginsOf(document, "activations"))},
      {"losses", PluginsOf(document, "losses")},
      {"classes", data.classes},
      {"split", data.split},
      {"duplicates", Json::object()},
      {"skipped", Json::array()},
      {"train_images", images(TRAIN)},
      {"val_images", images(VAL)},
      {"test_images", images(TEST)},
      {"epochs", counters.epochs},
      {"steps", counters.steps},
      {"best_epoch", outcome.best_epoch + 1},
      {"weights_of", outcome.monitored ? "best epoch by " + train.monitor() : "last epoch"},
      {"stopped", outcome.stopped.empty() ? Json(nullptr) : Json(outcome.stopped)},
      {"seed", train.seed()},
      {"device", context.device},
      {"precision", Train::Precision_Name(context.precision)},
      {"threads", context.threads},
      {"processes", context.processes == nullptr ? 1 : context.processes->size()},
      {"seconds", counters.seconds},
      {"images_per_second", counters.ImagesPerSecond()},
      {"data_wait", counters.DataWait()},
      {"startup_seconds", counters.startup_seconds},
      {"skipped_steps", counters.skipped_steps},
      {"rollbacks", counters.rollbacks},
  };
  for (const auto& [name, count] : data.duplicates) summary["duplicates"][name] = count;
  for (const auto& files : data.skipped) {
    for (const std::string& why : files) summary["skipped"].push_back(why);
  }
  summary["time"] = Json::object();
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    Json parts = Json::object();
    for (const auto& [part, seconds] : outcome.seconds[PhaseIndex(phase)]) parts[part] = seconds;
    summary["time"][Phase_Name(phase)] = parts;
  }
  summary["test"] = outcome.test.has_value() ? ReportJson(*outcome.test) : Json(nullptr);
  return JsonText(summary);
}

}  // namespace pipeline
