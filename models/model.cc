// Switching a model between training and inference.
#include "models/model.h"

#include <torch/nn/modules/batchnorm.h>

namespace models {

void Model::train(bool on) {
  Module::train(on);
  for (const auto& module : modules(/*include_self=*/false)) {
    if (module->as<torch::nn::BatchNorm2d>() == nullptr) continue;
    bool learned = false;
    for (const at::Tensor& parameter : module->parameters()) learned |= parameter.requires_grad();
    if (!learned) module->eval();
  }
}

}  // namespace models
