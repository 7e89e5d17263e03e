// Switching a model between training and inference, and a look at what it computes.
#include "models/model.h"

#include <torch/nn/modules/batchnorm.h>

namespace models {
namespace {

thread_local FeatureTap* tap = nullptr;
constexpr int64_t kMapDimensions = 4;

}  // namespace

void Model::train(bool on) {
  Module::train(on);
  for (const auto& module : modules(/*include_self=*/false)) {
    if (module->as<torch::nn::BatchNorm2d>() == nullptr) continue;
    bool learned = false;
    for (const at::Tensor& parameter : module->parameters()) learned |= parameter.requires_grad();
    if (!learned) module->eval();
  }
}

FeatureTap::FeatureTap() { tap = this; }
FeatureTap::~FeatureTap() { tap = nullptr; }

void FeatureTap::Offer(const at::Tensor& x) {
  if (tap != nullptr && x.dim() == kMapDimensions) tap->last_ = x;
}

}  // namespace models
