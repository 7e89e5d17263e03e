// Batch-norm layers switched between moving and true averages.
#include "pipeline/training/norms.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/modules/batchnorm.h>

#include <type_traits>

#include "pipeline/training/bad_numbers.h"

namespace pipeline {

// An optional double: c10's or std's, by the version. Assigning {} to c10's would make it 0.
using Momentum = std::decay_t<decltype(torch::nn::BatchNormOptions(1).momentum())>;

struct NormCalibration::Layer {
  torch::nn::BatchNorm2dImpl* norm;
  Momentum momentum;
  Kept statistics;  // before
};

NormCalibration::NormCalibration(const std::vector<torch::nn::Module*>& modules) {
  for (torch::nn::Module* module : modules) {
    for (const auto& layer : module->modules()) {
      auto* norm = layer->as<torch::nn::BatchNorm2d>();
      if (norm == nullptr || !norm->is_training()) continue;
      if (modules_.empty() || modules_.back() != module) modules_.push_back(module);
      layers_.push_back(std::make_unique<Layer>(
          Layer{norm, norm->options.momentum(),
                Kept({norm->running_mean, norm->running_var, norm->num_batches_tracked})}));
      norm->reset_running_stats();
    }
  }
}

void NormCalibration::Expect(int64_t images) {
  images_ += images;
  // The momentum is the weight of what comes next in the average so far.
  const double share = static_cast<double>(images) / static_cast<double>(images_);
  for (const auto& layer : layers_) layer->norm->options.momentum() = share;
}

NormCalibration::~NormCalibration() {
  for (const auto& layer : layers_) {
    layer->norm->options.momentum() = layer->momentum;
    if (!kept_) layer->statistics.PutBack();
  }
}

}  // namespace pipeline
