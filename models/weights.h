// Pretrained weights: what a file holds, put into a model as far as it fits.
#ifndef MODELS_WEIGHTS_H_
#define MODELS_WEIGHTS_H_

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/model.h"

namespace models {

// How a file fitted a model. Names are those of parameters and buffers.
struct WeightsFit {
  int64_t loaded = 0;
  std::vector<std::string> missing;      // of the model, not in the file: stay as initialised
  std::vector<std::string> unexpected;   // in the file, not of the model: left out
  std::vector<std::string> wrong_shape;  // with both shapes: left out, stay as initialised
  std::set<std::string> unfilled;        // of the model, all that stay as initialised
  std::string summed;   // the first convolution, where 3 input channels became 1; else empty
  std::string removed;  // from the file's names: see wrapping.h
};

// Reads the file `path`, safetensors or a state dict of torch.save, into the parameters and buffers
// of the same names, whatever the floating type, wrappers' prefixes taken off. Two shapes are
// adapted, both exactly:
// - A first convolution for 3 channels in a model for 1 channel: its kernels are summed over the
//   channels, which gives what the original gives for an image of three equal channels.
// - A linear layer for a convolution of as many numbers: its inputs are the pixels of the kernel
//   (Long, Shelhamer and Darrell 2015), so that VGG16's hidden layers serve for segmentation.
// Errors name the file: of another format, a value that is not finite, a type of integers where
// fractions belong, layers with batch norm for a model without or the reverse (they are numbered
// otherwise), and a file that gives the model nothing. After an error the model may hold a part of
// the file.
absl::StatusOr<WeightsFit> LoadWeights(const std::string& path, Model* model);

// An error that names the parameters which learn nothing and were given nothing by the file: a
// frozen part is meant to keep what the file holds.
absl::Status CheckFrozen(const std::string& path, const WeightsFit& fit, const Model& model);

// The counts, then a line for each list that is not empty, with its first names.
std::vector<std::string> Lines(const std::string& path, const WeightsFit& fit);

}  // namespace models

#endif  // MODELS_WEIGHTS_H_
