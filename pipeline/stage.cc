// The parts of stage.h that are not a contract.
#include "pipeline/stage.h"

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {

uint64_t Hash(std::initializer_list<uint64_t> numbers) {
  // SplitMix64 (Steele, Lea, Flood 2014), its finalizer applied after each number is added.
  uint64_t state = 0;
  for (const uint64_t number : numbers) {
    state += number + 0x9e3779b97f4a7c15;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
    state ^= state >> 31;
  }
  return state;
}

const char* TaskName(Task task) {
  switch (task) {
    case Task::kBinary:
      return "binary";
    case Task::kMulticlass:
      return "multiclass";
    case Task::kSegmentation:
      return "segmentation";
  }
  return "";
}

std::vector<std::string> ClassColumns(const std::vector<std::string>& classes, int64_t count) {
  std::vector<std::string> columns;
  for (int64_t i = 0; i < count; ++i) {
    std::string name = i < static_cast<int64_t>(classes.size()) ? classes[i] : "";
    for (char& c : name) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80 && !absl::ascii_isalnum(byte) && c != '-') c = '_';
    }
    if (name.empty()) name = absl::StrCat(i);
    while (std::find(columns.begin(), columns.end(), name) != columns.end()) {
      absl::StrAppend(&name, "_", i);
    }
    columns.push_back(name);
  }
  return columns;
}

absl::Status CheckLabels(const TensorSpec& logits, const TensorSpec& labels) {
  if (labels.dtype != at::kLong || logits.shape.size() < 2) {
    return absl::InvalidArgumentError("it takes logits [N, C, ...] and int64 labels [N, ...]");
  }
  std::vector<int64_t> expected = logits.shape;
  expected.erase(expected.begin() + 1);
  if (labels.shape != expected) {
    return absl::InvalidArgumentError(
        absl::StrCat("labels of shape [", absl::StrJoin(labels.shape, ", "),
                     "] do not fit logits of shape [", absl::StrJoin(logits.shape, ", "), "]"));
  }
  if (labels.shape.size() > 1 && labels.geometry != logits.geometry) {
    return absl::InvalidArgumentError(
        "the masks on \"labels\" bypass a stage that moves the pixels of the images behind "
        "\"logits\"; take both from the same stage, as in  input: \"labels: augment.labels\"");
  }
  return absl::OkStatus();
}

double Report::Find(const std::string& column) const {
  for (const auto& [name, value] : values_) {
    if (name == column) return value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

}  // namespace pipeline
