// Folding of batch norms.
#include "pipeline/export/fold.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>

namespace pipeline {
namespace {

using Operator = OperatorGraph::Operator;

int ReadersOf(const std::vector<Operator>& operators, const std::string& value) {
  int readers = 0;
  for (const Operator& op : operators) {
    readers += static_cast<int>(std::count(op.inputs.begin(), op.inputs.end(), value));
  }
  return readers;
}

double EpsilonOf(const Operator& norm) {
  for (const auto& [name, value] : norm.attributes) {
    if (name == "epsilon") return std::get<double>(value);
  }
  return 1e-5;  // ONNX's
}

void Fold(const Operator& norm, Operator* convolution,
          std::map<std::string, at::Tensor>* constants) {
  const auto wide = [&](const std::string& name) { return constants->at(name).to(at::kDouble); };
  const at::Tensor factor = wide(norm.inputs[1]) / (wide(norm.inputs[4]) + EpsilonOf(norm)).sqrt();
  const at::Tensor bias =
      (wide(convolution->inputs[2]) - wide(norm.inputs[3])) * factor + wide(norm.inputs[2]);
  const at::Tensor weight = wide(convolution->inputs[1]) * factor.reshape({-1, 1, 1, 1});
  (*constants)[convolution->inputs[1]] = weight.to(at::kFloat).contiguous();
  (*constants)[convolution->inputs[2]] = bias.to(at::kFloat).contiguous();
  convolution->output = norm.output;
}

}  // namespace

int FoldBatchNorms(OperatorGraph* graph) {
  std::vector<Operator>& operators = graph->operators();
  std::vector<Operator> kept;
  std::vector<Operator> norms;
  for (const Operator& op : operators) {
    const auto convolution = std::find_if(kept.begin(), kept.end(), [&](const Operator& earlier) {
      return op.type == "BatchNormalization" && earlier.output == op.inputs[0] &&
             earlier.type == "Conv" && ReadersOf(operators, earlier.output) == 1 &&
             ReadersOf(operators, earlier.inputs[1]) == 1;
    });
    if (convolution == kept.end()) {
      kept.push_back(op);
      continue;
    }
    Fold(op, &*convolution, &graph->constants());
    norms.push_back(op);
  }
  operators = std::move(kept);
  for (const Operator& norm : norms) {
    for (size_t i = 1; i < norm.inputs.size(); ++i) {
      if (ReadersOf(operators, norm.inputs[i]) == 0) graph->constants().erase(norm.inputs[i]);
    }
  }
  return static_cast<int>(norms.size());
}

}  // namespace pipeline
