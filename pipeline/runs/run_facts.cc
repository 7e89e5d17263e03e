// Facts as JSON and back.
#include "pipeline/runs/run_facts.h"

#include <exception>
#include <nlohmann/json.hpp>
#include <stdexcept>
#include <vector>

#include "absl/strings/str_cat.h"
#include "pipeline/json.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kFormat = 1;

constexpr struct {
  const char* name;
  at::ScalarType type;
} kTypes[] = {{"uint8", at::kByte}, {"int64", at::kLong}};

Json ToJson(const TensorSpec& spec) {
  const char* type = spec.dtype == at::kByte ? kTypes[0].name : kTypes[1].name;
  return {{"type", type}, {"shape", spec.shape}};
}

// nlohmann would turn 1e92 into some integer.
int64_t IntegerOf(const Json& json) {
  if (!json.is_number_integer()) {
    throw std::invalid_argument(absl::StrCat(JsonLine(json), " is no whole number of 64 bits"));
  }
  return json.get<int64_t>();
}

std::vector<int64_t> IntegersOf(const Json& json) {
  if (!json.is_array()) throw std::invalid_argument(JsonLine(json) + " is no list");
  std::vector<int64_t> integers;
  for (const Json& number : json) integers.push_back(IntegerOf(number));
  return integers;
}

TensorSpec SpecOf(const Json& json) {
  TensorSpec spec;
  for (const auto& [name, type] : kTypes) {
    if (json.at("type") == name) spec.dtype = type;
  }
  spec.shape = IntegersOf(json.at("shape"));
  return spec;
}

Task TaskOf(const std::string& name) {
  for (const Task task : {Task::kBinary, Task::kMulticlass}) {
    if (name == TaskName(task)) return task;
  }
  return Task::kSegmentation;
}

// Throws nlohmann's exceptions, and std::invalid_argument.
RunFacts FactsOf(const Json& json) {
  RunFacts facts;
  facts.config = json.at("config");
  DataInfo& data = facts.data;
  data.dataset = json.at("dataset");
  data.origin = json.at("data");
  data.embedded_sample = json.at("embedded_sample");
  data.task = TaskOf(json.at("task"));
  data.classes = json.at("classes").get<std::vector<std::string>>();
  data.channels = IntegerOf(json.at("channels"));
  data.split = json.at("split");
  for (size_t phase = 0; phase < kPhases; ++phase) {
    data.images[phase] = IntegerOf(json.at("images").at(phase));
    data.class_counts[phase] = IntegersOf(json.at("class_counts").at(phase));
  }
  for (const auto& item : json.at("inputs").items())
    facts.inputs[item.key()] = SpecOf(item.value());
  return facts;
}

}  // namespace

std::string FactsText(const RunFacts& facts) {
  const DataInfo& data = facts.data;
  Json json = {
      {"format", kFormat},
      {"config", facts.config},
      {"dataset", data.dataset},
      {"data", data.origin},
      {"embedded_sample", data.embedded_sample},
      {"task", TaskName(data.task)},
      {"classes", data.classes},
      {"channels", data.channels},
      {"split", data.split},
      {"images", data.images},
      {"class_counts", data.class_counts},
      {"inputs", Json::object()},
  };
  for (const auto& [port, spec] : facts.inputs) json["inputs"][port] = ToJson(spec);
  return JsonText(json);
}

absl::StatusOr<RunFacts> ParseFacts(const std::string& text) {
  const Json json = ParseJson(text);
  if (!json.is_object()) return absl::DataLossError("is no JSON object");
  if (json.value("format", Json()) != kFormat) {
    return absl::DataLossError(absl::StrCat("is not of format ", kFormat));
  }
  try {
    RunFacts facts = FactsOf(json);
    for (const char* port : {"images", "labels"}) {
      if (facts.inputs.count(port) == 0 || facts.inputs[port].shape.empty()) {
        return absl::DataLossError(absl::StrCat("has no shape of ", port));
      }
    }
    return facts;
  } catch (const std::exception& error) {
    return absl::DataLossError(error.what());
  }
}

}  // namespace pipeline
