// Reading of run folders, each file by itself.
#include "pipeline/report/record.h"

#include <cmath>
#include <filesystem>
#include <limits>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "pipeline/config/text.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr double kUndefined = std::numeric_limits<double>::quiet_NaN();
constexpr size_t kMaxJson = size_t{1} << 26, kMaxCsv = size_t{1} << 28, kMaxText = size_t{1} << 20;

// What the json says under a name, or nothing of the kind.
std::string TextOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_string() ? found->get<std::string>() : "";
}

double NumberOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found != json.end() && found->is_number() ? found->get<double>() : kUndefined;
}

int64_t CountOf(const Json& json) { return json.is_number_integer() ? json.get<int64_t>() : 0; }
int64_t CountOf(const Json& json, const char* name) {
  const auto found = json.find(name);
  return found == json.end() ? 0 : CountOf(*found);
}

std::vector<std::string> TextsOf(const Json& json, const char* name) {
  std::vector<std::string> texts;
  const auto found = json.find(name);
  if (found == json.end() || !found->is_array()) return texts;
  for (const Json& text : *found) {
    if (text.is_string()) texts.push_back(text.get<std::string>());
  }
  return texts;
}

std::vector<int64_t> CountsOf(const Json& json) {
  std::vector<int64_t> counts;
  if (!json.is_array()) return counts;
  for (const Json& count : json) counts.push_back(CountOf(count));
  return counts;
}

class Reader {
 public:
  explicit Reader(RunRecord* record) : record_(record) {}

  // The text of a file of the folder; nothing where there is none.
  std::optional<std::string> Text(const std::string& name, size_t limit) {
    const std::string path = absl::StrCat(record_->folder, "/", name);
    std::error_code error;
    if (!fs::exists(path, error)) return std::nullopt;
    absl::StatusOr<std::string> text = ReadFile(path, limit);
    if (text.ok()) return *std::move(text);
    record_->problems.push_back(std::string(text.status().message()));
    return std::nullopt;
  }

  // An object, or nothing.
  std::optional<Json> Object(const std::string& name) {
    const std::optional<std::string> text = Text(name, kMaxJson);
    if (!text.has_value()) return std::nullopt;
    Json json = ParseJson(*text);
    if (json.is_object()) return json;
    Problem(name, "is no JSON object");
    return std::nullopt;
  }

  void Problem(const std::string& name, absl::string_view why) {
    record_->problems.push_back(absl::StrCat(name, ": ", why));
  }

 private:
  RunRecord* const record_;
};

// What both run.json and summary.json say.
void TakeCommon(const Json& json, RunRecord* record) {
  const auto take = [&](const char* name, std::string* text) {
    if (json.contains(name)) *text = TextOf(json, name);
  };
  take("config", &record->config_name);
  take("dataset", &record->dataset);
  take("data", &record->origin);
  take("task", &record->task);
  take("split", &record->split);
  if (json.contains("embedded_sample")) {
    record->embedded_sample = json["embedded_sample"] == true;
  }
  if (json.contains("classes")) record->classes = TextsOf(json, "classes");
}

void TakeFacts(const Json& json, RunRecord* record) {
  TakeCommon(json, record);
  const std::vector<int64_t> images = CountsOf(json.value("images", Json()));
  const Json counts = json.value("class_counts", Json());
  for (size_t phase = 0; phase < kPhases; ++phase) {
    if (phase < images.size()) record->images[phase] = images[phase];
    if (counts.is_array() && phase < counts.size()) {
      record->class_counts[phase] = CountsOf(counts[phase]);
    }
  }
}

void TakeTest(const Json& test, Ending* ending) {
  if (!test.is_object()) return;
  ending->tested = true;
  for (const auto& [name, value] : test.items()) {
    if (value.is_number()) ending->test[name] = value.get<double>();
    if (value.is_boolean()) ending->test[name] = value.get<bool>() ? 1 : 0;
  }
  const Json matrix = test.value("confusion_matrix", Json());
  if (!matrix.is_array()) return;
  for (const Json& row : matrix) {
    ending->confusion.push_back(CountsOf(row));
    // Only a square one is a confusion matrix.
    if (ending->confusion.back().size() != matrix.size()) {
      ending->confusion.clear();
      return;
    }
  }
}

Ending EndingOf(const Json& json) {
  Ending ending;
  ending.model = TextOf(json, "model");
  ending.activation = TextOf(json, "activation");
  ending.weights_of = TextOf(json, "weights_of");
  ending.stopped = TextOf(json, "stopped");
  ending.device = TextOf(json, "device");
  ending.precision = TextOf(json, "precision");
  ending.losses = TextsOf(json, "losses");
  ending.skipped = TextsOf(json, "skipped");
  const Json duplicates = json.value("duplicates", Json());
  if (duplicates.is_object()) {
    for (const auto& [name, count] : duplicates.items()) {
      ending.duplicates.emplace_back(name, CountOf(count));
    }
  }
  ending.images = {CountOf(json, "train_images"), CountOf(json, "val_images"),
                   CountOf(json, "test_images")};
  ending.epochs = CountOf(json, "epochs");
  ending.steps = CountOf(json, "steps");
  ending.best_epoch = CountOf(json, "best_epoch");
  ending.seed = CountOf(json, "seed");
  ending.threads = CountOf(json, "threads");
  ending.skipped_steps = CountOf(json, "skipped_steps");
  ending.rollbacks = CountOf(json, "rollbacks");
  ending.seconds = NumberOf(json, "seconds");
  ending.images_per_second = NumberOf(json, "images_per_second");
  ending.data_wait = NumberOf(json, "data_wait");
  ending.startup_seconds = NumberOf(json, "startup_seconds");
  const Json time = json.value("time", Json());
  for (const Phase phase : {TRAIN, VAL, TEST}) {
    const Json parts = time.is_object() ? time.value(Phase_Name(phase), Json()) : Json();
    if (!parts.is_object()) continue;
    for (const auto& [part, seconds] : parts.items()) {
      if (!seconds.is_number()) continue;
      ending.parts[PhaseIndex(phase)].emplace_back(part, seconds.get<double>());
    }
  }
  TakeTest(json.value("test", Json()), &ending);
  return ending;
}

absl::StatusOr<Passes> PassesOf(const std::string& text) {
  Passes passes;
  CsvReader reader(text);
  std::vector<std::string> cells;
  if (reader.AtEnd() || !reader.Next(&passes.columns)) {
    return absl::DataLossError("has no columns");
  }
  for (const char* needed : {"epoch", "phase"}) {
    if (passes.Column(needed) < 0) {
      return absl::DataLossError(absl::StrCat("has no column ", needed));
    }
  }
  while (!reader.AtEnd()) {
    const int64_t line = reader.line();
    if (!reader.Next(&cells) || cells.size() != passes.columns.size()) {
      return absl::DataLossError(absl::StrCat("line ", line, " is not like the first"));
    }
    Passes::Row row;
    for (size_t i = 0; i < cells.size(); ++i) {
      double value = kUndefined;
      if (passes.columns[i] == "phase") {
        if (!Phase_Parse(cells[i], &row.phase)) {
          return absl::DataLossError(absl::StrCat("line ", line, " is of no phase"));
        }
      } else if (!cells[i].empty() && !absl::SimpleAtod(cells[i], &value)) {
        return absl::DataLossError(absl::StrCat("line ", line, " holds what is no number"));
      }
      row.values.push_back(value);
      if (passes.columns[i] == "epoch" && value >= 0 && value < 1e15) {
        row.epoch = static_cast<int64_t>(value);
      }
    }
    passes.rows.push_back(std::move(row));
  }
  return passes;
}

void TakeSplit(const std::string& text, RunRecord* record) {
  CsvReader reader(text);
  std::vector<std::string> cells;
  while (!reader.AtEnd() && reader.Next(&cells)) {
    Phase phase;
    if (cells.size() == 3 && Phase_Parse(cells[0], &phase)) {
      record->split_files[PhaseIndex(phase)][cells[1]] = cells[2];
    }
  }
}

void TakeConfig(const std::string& text, Reader* reader, RunRecord* record) {
  record->config_text = text;
  Config config;
  Locations where;
  Diagnostics errors;
  if (ParseConfigText(text, "config.pbtxt", &config, &where, &errors) && errors.empty()) {
    record->config = std::move(config);
  } else {
    reader->Problem("config.pbtxt",
                    "is no config that this program knows (a plugin from outside?)");
  }
}

// "brats_vgg16/20261128-003706".
std::string ShortName(const std::string& folder) {
  std::error_code error;
  fs::path path = fs::absolute(folder, error).lexically_normal();
  if (!path.has_filename()) path = path.parent_path();
  const std::string parent = path.parent_path().filename().string();
  return absl::StrCat(parent, parent.empty() ? "" : "/", path.filename().string());
}

// "metrics." of "metrics.balanced_accuracy"; "" where there is no such column.
std::string PrefixOf(const Passes& passes, const std::string& suffix) {
  for (const std::string& column : passes.columns) {
    if (absl::EndsWith(column, suffix)) return column.substr(0, column.size() - suffix.size() + 1);
  }
  return "";
}

}  // namespace

int Passes::Column(const std::string& name) const {
  for (size_t i = 0; i < columns.size(); ++i) {
    if (columns[i] == name) return static_cast<int>(i);
  }
  return -1;
}

std::pair<std::vector<double>, std::vector<double>> Passes::Curve(Phase phase,
                                                                  const std::string& name) const {
  const int column = Column(name);
  std::vector<double> x, y;
  bool defined = false;
  for (const Row& row : rows) {
    if (column < 0 || row.phase != phase) continue;
    x.push_back(static_cast<double>(row.epoch));
    y.push_back(row.values[column]);
    defined = defined || !std::isnan(y.back());
  }
  if (!defined) return {};
  return {x, y};
}

double Passes::Value(Phase phase, int64_t epoch, const std::string& name) const {
  const int column = Column(name);
  for (const Row& row : rows) {
    if (column >= 0 && row.phase == phase && row.epoch == epoch) return row.values[column];
  }
  return kUndefined;
}

std::vector<std::string> Passes::After(const std::string& prefix) const {
  std::vector<std::string> names;
  for (absl::string_view column : columns) {
    if (absl::ConsumePrefix(&column, prefix)) names.emplace_back(column);
  }
  return names;
}

std::vector<const Prediction*> RunRecord::Of(Phase phase) const {
  std::vector<const Prediction*> rows;
  if (!predictions.has_value()) return rows;
  for (const Prediction& row : predictions->rows) {
    if (row.phase == phase) rows.push_back(&row);
  }
  return rows;
}

Phase RunRecord::JudgedPhase() const {
  const bool tested = (ending.has_value() && ending->tested) || !Of(TEST).empty();
  return tested ? TEST : VAL;
}

absl::StatusOr<RunRecord> ReadRunRecord(const std::string& folder) {
  RunRecord record;
  record.folder = folder;
  record.name = ShortName(folder);
  std::error_code error;
  if (!fs::is_directory(folder, error)) {
    return absl::NotFoundError(absl::StrCat(folder, ": no such run folder"));
  }
  Reader reader(&record);
  const std::optional<Json> facts = reader.Object("run.json");
  const std::optional<Json> summary = reader.Object("summary.json");
  const std::optional<std::string> metrics = reader.Text("metrics.csv", kMaxCsv);
  if (!facts.has_value() && !summary.has_value() && !metrics.has_value()) {
    return absl::NotFoundError(absl::StrCat(
        folder, ": no run folder, for it has neither run.json nor summary.json nor metrics.csv"));
  }
  if (facts.has_value()) TakeFacts(*facts, &record);
  if (summary.has_value()) {
    TakeCommon(*summary, &record);
    record.ending = EndingOf(*summary);
    if (!facts.has_value()) record.images = record.ending->images;
  }
  if (metrics.has_value()) {
    absl::StatusOr<Passes> passes = PassesOf(*metrics);
    if (passes.ok()) {
      record.passes = *std::move(passes);
    } else {
      reader.Problem("metrics.csv", passes.status().message());
    }
  }
  record.metrics_prefix = PrefixOf(record.passes, ".balanced_accuracy");
  record.loss_prefix = PrefixOf(record.passes, ".total");
  const std::optional<std::string> config = reader.Text("config.pbtxt", kMaxText);
  if (config.has_value()) TakeConfig(*config, &reader, &record);
  const std::optional<std::string> split = reader.Text("split.csv", kMaxCsv);
  if (split.has_value()) TakeSplit(*split, &record);
  record.calibration = reader.Text("calibration.json", kMaxJson).value_or("");
  if (fs::exists(folder + "/predictions.csv", error)) {
    absl::StatusOr<Predictions> predictions = ReadPredictions(folder + "/predictions.csv");
    if (predictions.ok()) {
      record.predictions = *std::move(predictions);
    } else {
      record.problems.push_back(std::string(predictions.status().message()));
    }
  }
  return record;
}

int ClassOf(const RunRecord& record, const std::string& name) {
  for (size_t i = 0; i < record.classes.size(); ++i) {
    if (record.classes[i] == name) return static_cast<int>(i);
  }
  return -1;
}

}  // namespace pipeline
