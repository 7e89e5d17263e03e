// Building and running the graph.
#include "pipeline/graph/graph.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <torch/nn/module.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "pipeline/clock.h"
#include "pipeline/exceptions.h"
#include "pipeline/graph/wiring.h"

namespace pipeline {
namespace {

const std::pair<std::string, std::string> SplitEdge(const std::string& edge) {
  return absl::StrSplit(edge, absl::MaxSplits('.', 1));
}

}  // namespace

std::unique_ptr<Graph> Graph::Create(const Document& document, Diagnostics* errors,
                                     std::unique_ptr<Source> source) {
  auto graph = std::make_unique<Graph>();
  graph->nodes_ = WireNodes(document, errors);
  graph->where_ = document.where;
  for (size_t i = 0; i < graph->nodes_.size(); ++i) {
    NodeEntry& node = graph->nodes_[i];
    if (dynamic_cast<Source*>(node.stage.get()) == nullptr) continue;
    if (source != nullptr) {
      if (source->ports().outputs != node.ports.outputs) {
        errors->Add(document.where.Of(Path() / node.name),
                    absl::StrCat("[", node.plugin, "] has other outputs than the images given"));
        break;
      }
      node.stage = std::move(source);
    }
    graph->source_ = static_cast<Source*>(node.stage.get());
    graph->source_node_ = i;
  }
  return graph;
}

std::string Graph::Describe(const NodeEntry& node) const {
  return absl::StrCat("node \"", node.name, "\" [", node.plugin, "]",
                      node.place.empty() ? "" : absl::StrCat(" (", node.place, ")"));
}

std::string Graph::Describe(const std::string& edge) const {
  for (const NodeEntry& node : nodes_) {
    if (node.name == SplitEdge(edge).first) return Describe(node);
  }
  return edge;
}

bool Graph::ImagesAreSeenInColor() const {
  return std::any_of(nodes_.begin(), nodes_.end(), [this](const NodeEntry& node) {
    const bool reads =
        std::any_of(node.inputs.begin(), node.inputs.end(), [this](const auto& input) {
          const Edge& edge = input.second;
          return nodes_[edge.node].stage.get() == source_ && edge.port == "images";
        });
    // Outside TRAIN a node of TRAIN alone passes on what it got.
    return reads && (node.stage->SeesColor() || node.train_only);
  });
}

absl::Status Graph::Build(BuildContext* context) {
  context->color = ImagesAreSeenInColor();
  for (NodeEntry& node : nodes_) {
    Specs in;
    for (const auto& [port, edge] : node.inputs) in[port] = nodes_[edge.node].specs.at(edge.port);
    const absl::Status built = Caught([&] {
      absl::StatusOr<Specs> specs = node.stage->Build(in, context);
      if (!specs.ok()) return specs.status();
      node.specs = *std::move(specs);
      if (torch::nn::Module* module = node.stage->module()) {
        module->to(torch::Device(context->device));
      }
      return absl::OkStatus();
    });
    const std::string option = OptionOf(built);
    if (!option.empty()) {
      Diagnostics errors;
      errors.Add(where_.Of(absl::StrCat(node.name, ".", option)), std::string(built.message()));
      return errors.ToStatus();
    }
    if (!built.ok()) {
      return absl::Status(built.code(), absl::StrCat(Describe(node), ": ", built.message()));
    }
    if (node.stage.get() == source_) context->data = &source_->data();
  }
  return absl::OkStatus();
}

absl::Status Graph::RunNode(const Step& step, NodeEntry* node) {
  Tensors in;
  for (const auto& [port, edge] : node->inputs) in[port] = Output(edge);
  if (node->train_only && step.phase != TRAIN) {
    for (const std::string& port : node->ports.outputs) node->outputs[port] = in.at(port);
    return absl::OkStatus();
  }
  const double begin = Now();
  const absl::Status status = Caught([&] { return node->stage->Run(step, in, &node->outputs); });
  profile_.Add(step.phase, node->name, begin);
  if (status.ok()) return status;
  return absl::Status(status.code(),
                      absl::StrCat(StepName(step), ", ", Describe(*node), ": ", status.message()));
}

absl::Status Graph::Run(const Step& step) {
  for (NodeEntry& node : nodes_) node.outputs.clear();
  for (NodeEntry& node : nodes_) {
    const absl::Status status = RunNode(step, &node);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Graph::RunUntil(const Step& step, const std::vector<std::string>& nodes) {
  std::vector<bool> needed(nodes_.size());
  for (int i = static_cast<int>(nodes_.size()) - 1; i >= 0; --i) {
    if (std::find(nodes.begin(), nodes.end(), nodes_[i].name) != nodes.end()) needed[i] = true;
    if (!needed[i]) continue;
    for (const auto& [port, edge] : nodes_[i].inputs) needed[edge.node] = true;
  }
  for (NodeEntry& node : nodes_) node.outputs.clear();
  for (size_t i = 0; i < nodes_.size(); ++i) {
    if (!needed[i]) continue;
    const absl::Status status = RunNode(step, &nodes_[i]);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Graph::RunOn(const Step& step, Tensors given) {
  for (NodeEntry& node : nodes_) {
    node.outputs.clear();
    if (node.stage.get() == source_) node.outputs = std::move(given);
  }
  for (NodeEntry& node : nodes_) {
    if (node.stage.get() == source_) continue;
    const absl::Status status = RunNode(step, &node);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::Status Graph::EndPhase(const Step& step, Report* report) {
  absl::Status first;
  for (NodeEntry& node : nodes_) {
    const absl::Status ended = Caught([&] {
      node.stage->EndPhase(step, node.name, report);
      return absl::OkStatus();
    });
    if (ended.ok() || !first.ok()) continue;
    first = absl::Status(
        ended.code(), absl::StrCat("end of ", Phase_Name(step.phase), " of epoch ", step.epoch + 1,
                                   ", ", Describe(node), ": ", ended.message()));
  }
  return first;
}

at::Tensor Graph::Output(const std::string& edge) const {
  const auto [name, port] = SplitEdge(edge);
  for (const NodeEntry& node : nodes_) {
    if (node.name == name) return node.outputs.at(port);
  }
  std::abort();  // wiring has checked train.minimize
}

std::optional<Graph::Judged> Graph::FindJudged() const {
  for (auto node = nodes_.rbegin(); node != nodes_.rend(); ++node) {
    const auto logits = node->inputs.find("logits"), labels = node->inputs.find("labels");
    if (logits == node->inputs.end() || labels == node->inputs.end()) continue;
    return Judged{logits->second, labels->second};
  }
  return std::nullopt;
}

at::Tensor Graph::SourceOutput(const std::string& port) const {
  for (const NodeEntry& node : nodes_) {
    if (node.stage.get() != source_) continue;
    const auto output = node.outputs.find(port);
    if (output != node.outputs.end()) return output->second;
  }
  return {};
}

void Graph::KeepFeatures(bool keep) {
  for (const NodeEntry& node : nodes_) node.stage->KeepFeatures(keep);
}

at::Tensor Graph::Features() const {
  const std::optional<Judged> judged = FindJudged();
  return judged.has_value() ? nodes_[judged->logits.node].stage->Features() : at::Tensor();
}

absl::StatusOr<NamedTensors> Graph::TermGradients(const Step& step) {
  for (const NodeEntry& node : nodes_) {
    Tensors in;
    for (const auto& [port, edge] : node.inputs) in[port] = Output(edge);
    absl::StatusOr<NamedTensors> gradients = NamedTensors();
    const absl::Status status = Caught([&] {
      gradients = node.stage->TermGradients(step, in);
      return gradients.status();
    });
    if (!status.ok()) return status;
    if (!gradients->empty()) return gradients;
  }
  return NamedTensors();
}

std::vector<std::string> Graph::Notes() const {
  std::vector<std::string> notes;
  for (const NodeEntry& node : nodes_) {
    for (std::string& note : node.stage->Notes()) notes.push_back(std::move(note));
  }
  return notes;
}

std::vector<std::pair<std::string, double>> Graph::Live() const {
  std::vector<std::pair<std::string, double>> values;
  for (const NodeEntry& node : nodes_) {
    for (auto& [name, value] : node.stage->Live()) values.emplace_back(name, value);
  }
  return values;
}

std::vector<std::pair<std::string, at::Tensor>> Graph::State() const {
  std::vector<std::pair<std::string, at::Tensor>> state;
  for (const NodeEntry& node : nodes_) {
    torch::nn::Module* module = node.stage->module();
    if (module == nullptr) continue;
    const std::string prefix = state.empty() ? "" : node.name + ".";
    for (const auto& item : module->named_parameters()) {
      state.emplace_back(prefix + item.key(), item.value());
    }
    for (const auto& item : module->named_buffers()) {
      state.emplace_back(prefix + item.key(), item.value());
    }
  }
  return state;
}

std::vector<torch::nn::Module*> Graph::Modules() const {
  std::vector<torch::nn::Module*> modules;
  for (const NodeEntry& node : nodes_) {
    if (torch::nn::Module* module = node.stage->module()) modules.push_back(module);
  }
  return modules;
}

std::vector<at::Tensor> Graph::Parameters() const {
  std::vector<at::Tensor> parameters;
  for (const torch::nn::Module* module : Modules()) {
    for (const at::Tensor& parameter : module->parameters()) {
      if (parameter.requires_grad()) parameters.push_back(parameter);
    }
  }
  return parameters;
}

std::vector<at::Tensor> Graph::Buffers() const {
  std::vector<at::Tensor> buffers;
  for (const torch::nn::Module* module : Modules()) {
    for (const at::Tensor& buffer : module->buffers()) buffers.push_back(buffer);
  }
  return buffers;
}

void Graph::SetTraining(bool training) {
  for (torch::nn::Module* module : Modules()) module->train(training);
}

}  // namespace pipeline
