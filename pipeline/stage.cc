// The parts of stage.h that are not a contract.
#include "pipeline/stage.h"

#include <cmath>
#include <limits>

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
