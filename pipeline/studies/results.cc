// Result lines, written and read.
#include "pipeline/studies/results.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/files.h"
#include "pipeline/json.h"
#include "pipeline/utf8.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;
using Json = nlohmann::ordered_json;

constexpr size_t kMaxResults = size_t{1} << 30;  // bytes of one shard's file
constexpr RunStatus kStatuses[] = {RunStatus::kDone, RunStatus::kFailed, RunStatus::kPaused,
                                   RunStatus::kStopped};
constexpr StudyStage kStages[] = {StudyStage::kScreen, StudyStage::kConfirm};

Json NumberJson(double value) { return std::isfinite(value) ? Json(value) : Json(nullptr); }

Json NumbersJson(const std::map<std::string, double>& values) {
  Json json = Json::object();
  for (const auto& [name, value] : values) json[name] = NumberJson(value);
  return json;
}

double NumberOf(const Json& json) { return json.is_null() ? std::nan("") : json.get<double>(); }

std::map<std::string, double> NumbersOf(const Json& json) {
  std::map<std::string, double> values;
  for (const auto& [name, value] : json.items()) values[name] = NumberOf(value);
  return values;
}

RunStatus StatusOf(const std::string& name) {
  for (const RunStatus status : kStatuses) {
    if (name == StatusName(status)) return status;
  }
  throw std::invalid_argument("status \"" + name + "\"");
}

StudyStage StageOf(const std::string& name) {
  for (const StudyStage stage : kStages) {
    if (name == StageName(stage)) return stage;
  }
  throw std::invalid_argument("stage \"" + name + "\"");
}

StudyResult Parse(const Json& json) {
  StudyResult result;
  json.at("identity").get_to(result.identity);
  json.at("fingerprint").get_to(result.fingerprint);
  json.at("config").get_to(result.config);
  json.at("combination").get_to(result.combination);
  json.at("seed").get_to(result.seed);
  json.at("fold").get_to(result.fold);
  result.stage = StageOf(json.at("stage"));
  result.status = StatusOf(json.at("status"));
  json.at("error").get_to(result.error);
  json.at("dataset").get_to(result.dataset);
  json.at("task").get_to(result.task);
  json.at("embedded_sample").get_to(result.embedded_sample);
  json.at("device").get_to(result.device);
  json.at("precision").get_to(result.precision);
  json.at("epochs").get_to(result.epochs);
  json.at("best_epoch").get_to(result.best_epoch);
  json.at("parameters").get_to(result.parameters);
  result.validation = NumbersOf(json.at("validation"));
  result.test = NumbersOf(json.at("test"));
  for (const Json& value : json.at("selected")) result.selected.push_back(NumberOf(value));
  json.at("seconds").get_to(result.seconds);
  json.at("training_seconds").get_to(result.training_seconds);
  result.evaluation_seconds = json.value("evaluation_seconds", 0.);  // the first lines had none
  json.at("host").get_to(result.host);
  return result;
}

// What a line is about.
using Subject = std::tuple<int, int, int64_t, int, StudyStage>;

absl::Status ReadLines(const std::string& path, std::vector<StudyResult>* results) {
  const absl::StatusOr<std::string> text = ReadFile(path, kMaxResults);
  if (!text.ok()) return text.status();
  std::vector<std::string> lines = absl::StrSplit(*text, '\n');
  lines.pop_back();  // empty, or one that was not written whole
  for (size_t i = 0; i < lines.size(); ++i) {
    absl::StatusOr<StudyResult> result = ParseResultLine(lines[i]);
    if (!result.ok()) {
      return absl::DataLossError(
          absl::StrCat(Shown(path), ":", i + 1, ": ", result.status().message()));
    }
    results->push_back(*std::move(result));
  }
  return absl::OkStatus();
}

}  // namespace

const char* StatusName(RunStatus status) {
  switch (status) {
    case RunStatus::kDone:
      return "done";
    case RunStatus::kFailed:
      return "failed";
    case RunStatus::kPaused:
      return "paused";
    case RunStatus::kStopped:
      return "stopped";
  }
  return "";
}

StudyResult ResultOf(const Plan& plan, const StudyRun& run) {
  StudyResult result;
  result.fingerprint = plan.fingerprints[run.config][run.combination];
  result.config = plan.configs[run.config];
  result.combination = plan.combinations[run.combination].name;
  result.seed = run.seed;
  result.fold = run.fold;
  result.stage = run.stage;
  return result;
}

std::string ResultLine(const StudyResult& result) {
  Json selected = Json::array();
  for (const double value : result.selected) selected.push_back(NumberJson(value));
  const Json json = {
      {"identity", result.identity},
      {"fingerprint", result.fingerprint},
      {"config", ValidUtf8(result.config)},
      {"combination", ValidUtf8(result.combination)},
      {"seed", result.seed},
      {"fold", result.fold},
      {"stage", StageName(result.stage)},
      {"status", StatusName(result.status)},
      {"error", ValidUtf8(result.error)},
      {"dataset", result.dataset},
      {"task", result.task},
      {"embedded_sample", result.embedded_sample},
      {"device", result.device},
      {"precision", result.precision},
      {"epochs", result.epochs},
      {"best_epoch", result.best_epoch},
      {"parameters", result.parameters},
      {"validation", NumbersJson(result.validation)},
      {"test", NumbersJson(result.test)},
      {"selected", selected},
      {"seconds", result.seconds},
      {"training_seconds", result.training_seconds},
      {"evaluation_seconds", result.evaluation_seconds},
      {"host", ValidUtf8(result.host)},
  };
  return JsonLine(json);
}

absl::StatusOr<StudyResult> ParseResultLine(const std::string& line) {
  const Json json = ParseJson(line);
  if (json.is_discarded()) return absl::DataLossError("is no line about a run: no JSON");
  try {
    return Parse(json);
  } catch (const std::exception& error) {
    return absl::DataLossError(absl::StrCat("is no line about a run: ", error.what()));
  }
}

absl::StatusOr<std::unique_ptr<ResultLog>> ResultLog::Open(const StudyFolder& folder, int shard,
                                                           int shards) {
  const absl::Status made = MakeFolders(folder.File("results"));
  if (!made.ok()) return made;
  const std::string path = folder.File(absl::StrCat("results/", shard, "of", shards, ".jsonl"));
  std::error_code error;
  int64_t whole = 0;
  if (fs::exists(path, error)) {
    const absl::StatusOr<std::string> text = ReadFile(path, kMaxResults);
    if (!text.ok()) return text.status();
    whole = static_cast<int64_t>(text->rfind('\n') + 1);  // npos + 1 is 0
  }
  std::unique_ptr<ResultLog> log(new ResultLog(path));
  const absl::Status cut = log->file_.CutBack(whole);
  if (!cut.ok()) return cut;
  return log;
}

absl::Status ResultLog::Add(const StudyResult& result) {
  const absl::Status added = file_.Append(ResultLine(result) + "\n");
  return added.ok() ? file_.Sync().status() : added;
}

absl::StatusOr<std::vector<StudyResult>> StudyFolder::Results(const Plan& plan) const {
  std::vector<std::string> files;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(File("results"), error)) {
    if (entry.path().extension() == ".jsonl") files.push_back(entry.path().string());
  }
  std::sort(files.begin(), files.end());
  std::vector<StudyResult> lines;
  for (const std::string& file : files) {
    const absl::Status read = ReadLines(file, &lines);
    if (!read.ok()) return read;
  }
  std::map<Subject, StudyResult> kept;
  for (StudyResult& line : lines) {
    const int config = plan.ConfigNamed(line.config),
              combination = plan.CombinationNamed(line.combination);
    const auto& seeds = line.stage == StudyStage::kScreen ? plan.seeds : plan.confirm_seeds;
    const bool asked = config >= 0 && combination >= 0 &&
                       std::find(seeds.begin(), seeds.end(), line.seed) != seeds.end();
    if (!asked || line.fingerprint != plan.fingerprints[config][combination]) continue;
    const Subject subject = {config, combination, line.seed, line.fold, line.stage};
    const auto known = kept.find(subject);
    const bool worse = known != kept.end() && known->second.status == RunStatus::kDone &&
                       line.status != RunStatus::kDone;
    if (!worse) kept[subject] = std::move(line);
  }
  std::vector<StudyResult> results;
  for (auto& [subject, result] : kept) results.push_back(std::move(result));
  return results;
}

}  // namespace pipeline
