// What models share: switching between training and inference, and refusal of export.
#include "models/model.h"

#include <torch/nn/modules/batchnorm.h>

namespace models {

pipeline::Symbol Model::Export(const pipeline::Symbol& images) {
  images.graph->Refuse("has no form in ONNX's operators");
  return images;
}

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
