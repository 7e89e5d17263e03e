// Reading of weights, rows, summary and event files.
#include "tests/run_traces.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <iterator>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/runs/tensorboard.pb.h"
#include "tests/testing.h"

namespace testing_support {
namespace {

namespace fs = std::filesystem;

const char* const kTimes[] = {"seconds", "images_per_second", "data_wait", "startup_seconds"};

std::string ReadAll(const std::string& path) {
  std::ifstream stream(path, std::ios::binary);
  return {std::istreambuf_iterator<char>(stream), {}};
}

uint64_t LengthAt(const std::string& bytes, size_t at) {
  uint64_t value = 0;
  for (size_t i = 0; i < sizeof(value); ++i) {
    value |= static_cast<uint64_t>(static_cast<uint8_t>(bytes.at(at + i))) << (8 * i);
  }
  return value;
}

bool IsTime(const std::string& tag) {
  return std::any_of(std::begin(kTimes), std::end(kTimes),
                     [&](const char* time) { return absl::EndsWith(tag, time); });
}

void AddCurves(const std::string& path, const std::string& phase, RunTraces* traces) {
  const std::string bytes = ReadAll(path);
  // Records: length, its checksum, the event, its checksum.
  for (size_t at = 0; at < bytes.size();) {
    const uint64_t length = LengthAt(bytes, at);
    pipeline::tensorboard::Event event;
    ASSERT_TRUE(event.ParseFromString(bytes.substr(at + 12, length))) << path;
    for (const auto& value : event.summary().value()) {
      if (IsTime(value.tag())) continue;
      traces->curves.emplace(phase, value.tag(), event.step(), value.simple_value(),
                             std::hash<std::string>()(value.image().encoded_image_string()));
    }
    at += 16 + length;
  }
}

}  // namespace

RunTraces TracesOf(const std::string& folder) {
  RunTraces traces = {ReadAll(folder + "/weights.safetensors"),
                      ReadAll(folder + "/predictions.csv"),
                      ParseCsv(ReadAll(folder + "/metrics.csv")),
                      nlohmann::json::parse(ReadAll(folder + "/summary.json")),
                      {}};
  for (const char* time : kTimes) {
    for (auto& row : traces.rows) row.erase(time);
    traces.summary.erase(time);
  }
  for (const char* phase : {"train", "val", "test"}) {
    const std::string events = absl::StrCat(folder, "/tensorboard/", phase);
    if (!fs::exists(events)) continue;
    int files = 0;
    for (const auto& entry : fs::directory_iterator(events)) {
      AddCurves(entry.path().string(), phase, &traces);
      ++files;
    }
    EXPECT_EQ(files, 1) << events;
  }
  return traces;
}

void ExpectEqual(const RunTraces& traces, const RunTraces& expected) {
  EXPECT_TRUE(traces.weights == expected.weights) << "weights.safetensors differ";
  EXPECT_EQ(traces.predictions, expected.predictions);
  EXPECT_EQ(traces.rows, expected.rows);
  EXPECT_EQ(traces.summary, expected.summary);
  EXPECT_EQ(traces.curves, expected.curves);
}

}  // namespace testing_support
