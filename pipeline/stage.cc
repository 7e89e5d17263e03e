// The parts of stage.h that are not a contract.
#include "pipeline/stage.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {

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

void Stage::Export(const Symbols&, OperatorGraph* graph, Symbols*) {
  graph->Refuse("has no form in ONNX's operators");
}

absl::StatusOr<OutsideImage> Source::ReadOutside(const std::string& path, bool) const {
  return absl::UnimplementedError(path + ": the run's data are no image files");
}

absl::StatusOr<OutsideImage::Size> Source::SizeOf(const std::string& path) const {
  return ReadOutside(path, true).status();
}

absl::StatusOr<at::Tensor> Source::ReadWhole(const std::string& path) const {
  return ReadOutside(path, true).status();
}

}  // namespace pipeline
