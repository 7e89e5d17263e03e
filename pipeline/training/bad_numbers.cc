// The search for what made a number bad: by node, by parameter, by sample.
#include "pipeline/training/bad_numbers.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>

#include "absl/strings/cord.h"
#include "pipeline/exceptions.h"

namespace pipeline {
namespace {

constexpr char kBadNumber[] = "bad number";  // type of the payload that tells such statuses
constexpr size_t kTried = 1024;

bool IsBad(const at::Tensor& tensor) {
  return tensor.defined() && tensor.is_floating_point() && !tensor.isfinite().all().item<bool>();
}

// The outputs of the graph's source.
const Tensors& Given(Graph* graph) {
  for (const Graph::NodeEntry& node : graph->nodes()) {
    if (node.stage.get() == &graph->source()) return node.outputs;
  }
  std::abort();  // every graph has one
}

// Whether a step gives a bad loss, or bad gradients.
absl::StatusOr<bool> GivesBad(const Step& step, const Tensors& given, const std::string& minimize,
                              Graph* graph) {
  const absl::Status ran = graph->RunOn(step, given);
  if (!ran.ok()) return ran;
  const at::Tensor loss = graph->Output(minimize);
  if (IsBad(loss)) return true;
  if (step.phase != TRAIN) return false;
  const std::vector<at::Tensor> parameters = graph->Parameters();
  for (const at::Tensor& parameter : parameters) parameter.mutable_grad().reset();
  loss.backward();
  return std::any_of(parameters.begin(), parameters.end(),
                     [](const at::Tensor& parameter) { return IsBad(parameter.grad()); });
}

}  // namespace

const char* BadName(double value) { return std::isnan(value) ? "NaN" : "infinite"; }

absl::Status BadNumber(const std::string& message) {
  absl::Status status = absl::InternalError(message);
  status.SetPayload(kBadNumber, absl::Cord());
  return status;
}

bool IsBadNumber(const absl::Status& status) { return status.GetPayload(kBadNumber).has_value(); }

Kept::Kept(std::vector<at::Tensor> tensors) : tensors_(std::move(tensors)) {
  const c10::NoGradGuard no_gradients;
  for (const at::Tensor& tensor : tensors_) copies_.push_back(tensor.detach().clone());
}

void Kept::Keep() {
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < tensors_.size(); ++i) copies_[i].copy_(tensors_[i]);
}

bool Kept::AreFinite() const { return std::none_of(tensors_.begin(), tensors_.end(), IsBad); }

void Kept::PutBack() const {
  const c10::NoGradGuard no_gradients;
  for (size_t i = 0; i < tensors_.size(); ++i) tensors_[i].copy_(copies_[i]);
}

std::string FirstBadNode(const Graph& graph) {
  for (const Graph::NodeEntry& node : graph.nodes()) {
    for (const auto& [port, output] : node.outputs) {
      if (IsBad(output)) return graph.Describe(node.name + "." + port);
    }
  }
  return "";
}

std::string BadGradientName(const Graph& graph) {
  for (const auto& [name, tensor] : graph.State()) {
    if (IsBad(tensor.grad())) return name;
  }
  return "a parameter";
}

std::vector<size_t> BadSamples(const Step& step, const std::string& minimize, Graph* graph) {
  const Tensors batch = Given(graph);
  std::vector<size_t> bad;
  for (size_t i = 0; i < std::min(step.samples.size(), kTried); ++i) {
    Step alone = step;
    alone.samples.assign(2, step.samples[i]);
    if (!step.repeats.empty()) alone.repeats.assign(2, step.repeats[i]);
    const at::Tensor rows = at::full({2}, static_cast<int64_t>(i), at::kLong);
    absl::StatusOr<bool> gives_bad = false;
    const absl::Status tried = Caught([&] {
      Tensors given;
      for (const auto& [port, tensor] : batch) {
        given[port] = tensor.index_select(0, rows.to(tensor.device()));
      }
      gives_bad = GivesBad(alone, given, minimize, graph);
      return gives_bad.status();
    });
    if (tried.ok() && *gives_bad) bad.push_back(i);
  }
  for (const at::Tensor& parameter : graph->Parameters()) parameter.mutable_grad().reset();
  return bad;
}

}  // namespace pipeline
