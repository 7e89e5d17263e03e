// The card as JSON, and as Markdown made of it.
#include "pipeline/export/model_card.h"

#include <exception>
#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "pipeline/export/export.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/runs/summary.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr size_t kMaxSummary = size_t{1} << 26;  // bytes

constexpr char kSampleWarning[] =
    "TRAINED ON THE EMBEDDED SAMPLE: drawn images stood in for data that were not there. Its "
    "figures say nothing about real images. Do not use it for anything but trying out tools.";
constexpr char kIntendedUse[] =
    "Research: to compare loss functions and activations on images like those that it was trained "
    "on. Nobody has validated it for decisions about people or things, medical ones least of all.";
constexpr char kUnknown[] = "unknown";

// Null where the run has none.
absl::StatusOr<Json> SummaryOf(const Run& run) {
  const std::string path = run.File("summary.json");
  std::error_code error;
  if (!std::filesystem::exists(path, error)) return Json(nullptr);
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxSummary);
  if (!text.ok()) return text.status();
  const Json json = ParseJson(*text);
  if (json.is_object()) return json;
  return absl::DataLossError(absl::StrCat(path, ": is no JSON object"));
}

Json Parts(const Json& summary, std::initializer_list<const char*> keys) {
  Json parts = Json::object();
  for (const char* key : keys) {
    if (summary.is_object() && summary.contains(key)) parts[key] = summary[key];
  }
  return parts;
}

std::string Text(const Json& value) {
  if (value.is_string()) return value.get<std::string>();
  if (value.is_number_float()) return absl::StrFormat("%.4g", value.get<double>());
  if (value.is_null()) return "-";
  return JsonLine(value);
}

// A cell of a table.
std::string Cell(const Json& value) {
  std::string cell;
  for (const char c : Text(value)) {
    if (c == '|') cell += '\\';
    cell += c == '\n' ? ' ' : c;
  }
  return cell;
}

std::string Table(const Json& values) {
  std::string table = "| | |\n|---|---|\n";
  for (const auto& [key, value] : values.items()) {
    if (value.is_object() || (value.is_array() && !value.empty() && value[0].is_array())) continue;
    absl::StrAppend(&table, "| ", Cell(key), " | ", Cell(value), " |\n");
  }
  return table;
}

// Recall, F1 and the like of each class come after what is said of all.
std::string TestSection(const Json& card) {
  const Json& test = card["metrics"]["test"];
  if (!test.is_object()) {
    return "None: the run ended before it was tested, or there is no test split.\n";
  }
  Json overall = Json::object(), classes = Json::object();
  for (const auto& [key, value] : test.items()) {
    (absl::StrContains(key, '.') ? classes : overall)[key] = value;
  }
  return absl::StrCat(test.value("collapsed", Json()) == true
                          ? "**COLLAPSED: the model predicts one class for everything.**\n\n"
                          : "",
                      Table(overall),
                      classes.empty() ? "" : "\nBy class, and terms of the loss:\n\n",
                      classes.empty() ? "" : Table(classes));
}

}  // namespace

absl::StatusOr<Json> ModelCard(const Run& run, const OperatorGraph& graph,
                               const std::string& file) {
  const absl::StatusOr<Json> summary = SummaryOf(run);
  if (!summary.ok()) return summary.status();
  const DataInfo& data = run.data();
  const Train& train = run.config().document.config.train();
  const auto& facts = graph.facts();
  Json card = {{"format", 1},
               {"name", run.config().name},
               {"file", file},
               {"run", RunName(run)},
               {"weights_xxh3_128", facts.at("weights_xxh3_128")},
               {"embedded_sample", data.embedded_sample}};
  if (data.embedded_sample) card["warning"] = kSampleWarning;
  card["task"] = TaskName(data.task);
  card["classes"] = data.classes;
  card["model"] = facts.at("model");
  card["activation"] = facts.at("activation");
  card["losses"] = PluginsOf(run.config().document, "losses");
  card["input"] = facts.at("input");
  card["output"] = facts.at("output");
  card["preprocessing"] = Json::object();
  for (const char* key : {"grayscale", "mean", "std", "per_image", "not_told", "calibrated"}) {
    if (facts.count(key) != 0) card["preprocessing"][key] = facts.at(key);
  }
  card["data"] = {{"dataset", data.dataset},
                  {"from", data.origin},
                  {"split", data.split},
                  {"train_images", data.images[PhaseIndex(TRAIN)]},
                  {"val_images", data.images[PhaseIndex(VAL)]},
                  {"test_images", data.images[PhaseIndex(TEST)]}};
  card["data"].update(Parts(*summary, {"train_images", "val_images", "test_images", "duplicates"}));
  card["training"] = {{"seed", train.seed()},
                      {"optimizer", Train::Optimizer_Name(train.optimizer())},
                      {"learning_rate", train.learning_rate()}};
  card["training"].update(Parts(*summary, {"epochs", "best_epoch", "weights_of", "stopped",
                                           "device", "precision", "threads", "seconds"}));
  card["exported_precision"] = "float32";
  card["metrics"] = {{"test", summary->is_object() ? summary->value("test", Json()) : Json()}};
  card["intended_use"] = kIntendedUse;
  card["licences"] = {{"data", kUnknown}, {"weights", kUnknown}};
  return card;
}

std::string CardMarkdown(const Json& card) {
  std::string text = absl::StrCat("# Model card: ", Text(card["name"]), "\n\n");
  if (card.contains("warning")) absl::StrAppend(&text, "> **", Text(card["warning"]), "**\n\n");
  const auto list = [](const Json& values) {
    std::vector<std::string> texts;
    for (const Json& value : values) texts.push_back(Text(value));
    return absl::StrJoin(texts, ", ");
  };
  absl::StrAppend(&text, "`", Text(card["file"]), "`: ", Text(card["model"]), " with ",
                  Text(card["activation"]), ", ", Text(card["task"]), ", trained with ",
                  list(card["losses"]), ".\n\nClasses, by number from 0: ", list(card["classes"]),
                  ".\n");
  absl::StrAppend(&text, "\n## Intended use\n\n", Text(card["intended_use"]), "\n");
  absl::StrAppend(&text, "\n## Result on the test split\n\n", TestSection(card));
  absl::StrAppend(&text, "\n## Data\n\n", Table(card["data"]));
  absl::StrAppend(&text, "\n## Training\n\n", Table(card["training"]));
  Json use = {{"input", card["input"]}, {"output", card["output"]}};
  use.update(card["preprocessing"]);
  use["precision"] = card["exported_precision"];
  absl::StrAppend(&text, "\n## Input and output\n\n", Table(use));
  absl::StrAppend(&text, "\n## Licences\n\nOf the data: ", Text(card["licences"]["data"]),
                  ". Of the weights: ", Text(card["licences"]["weights"]),
                  ". The program was not told; ask who gave you the data.\n");
  absl::StrAppend(&text, "\n## Identity\n\n",
                  Table({{"run", card["run"]}, {"weights (XXH3-128)", card["weights_xxh3_128"]}}));
  return text;
}

}  // namespace pipeline
