// Predicted masks as files that lie on the images they were made of.
#ifndef PIPELINE_PREDICTION_MASK_FILES_H_
#define PIPELINE_PREDICTION_MASK_FILES_H_

#include <ATen/core/Tensor.h>

#include <set>
#include <string>

#include "absl/status/statusor.h"
#include "pipeline/stage.h"

namespace pipeline {

// Of a pixel of which nothing is known: it lies beside what the model saw.
constexpr int64_t kUnseen = 255;

// The likeliest class of each pixel of an image: uint8 [height, width] as the image itself has,
// from the probabilities [classes, S, S] of what the model saw of it, which are interpolated
// bilinearly.
at::Tensor MaskOf(const at::Tensor& probabilities, const OutsideImage& image);

class MaskFiles {
 public:
  explicit MaskFiles(std::string folder) : folder_(std::move(folder)) {}

  // Writes NAME.png, a pixel's value being its class, and NAME_overlay.jpg, the same in colors over
  // `whole`, uint8 [3, height, width]. NAME is the image's without its extension; where it was
  // there before, a number is added. Returns the path of the first.
  absl::StatusOr<std::string> Write(const std::string& path, const at::Tensor& mask,
                                    const at::Tensor& whole);

 private:
  const std::string folder_;
  std::set<std::string> names_;
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_MASK_FILES_H_
