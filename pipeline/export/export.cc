// From the stages of a graph to operators.
#include "pipeline/export/export.h"

#include <ATen/ops/tensor.h>

#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/exceptions.h"
#include "pipeline/json.h"
#include "pipeline/runs/safetensors.h"
#include "pipeline/runs/summary.h"

namespace pipeline {
namespace {

constexpr char kImages[] = "images";

// Writes stages as they are asked for what they give.
class Writer {
 public:
  Writer(const Graph& graph, OperatorGraph* out) : nodes_(graph.nodes()), out_(*out) {}

  Symbol OutputOf(const Graph::NodeEntry& node, const std::string& port, const Symbols& in) {
    out_.SetWriter(absl::StrCat("node \"", node.name, "\" [", node.plugin, "]"));
    Symbols given;
    // What was refused may have left symbols of no shape.
    if (out_.status().ok()) node.stage->Export(in, &out_, &given);
    const auto found = given.find(port);
    if (found != given.end()) return found->second;
    if (out_.status().ok()) out_.Refuse(absl::StrCat("does not write its output \"", port, "\""));
    return {&out_, port};
  }

  // What comes through an edge, from the source's images on.
  Symbol Through(const Graph::Edge& edge) {
    const Graph::NodeEntry& node = nodes_[edge.node];
    if (node.train_only) return Through(node.inputs.at(edge.port));
    if (dynamic_cast<const Source*>(node.stage.get()) == nullptr) {
      return OutputOf(node, edge.port, InputsOf(node));
    }
    if (edge.port == kImages) return Images(node.specs.at(kImages));
    out_.SetWriter(absl::StrCat("output \"", node.name, ".", edge.port, "\""));
    out_.Refuse("is known in training alone");
    return {&out_, edge.port};
  }

  Symbols InputsOf(const Graph::NodeEntry& node) {
    Symbols in;
    for (const auto& [port, edge] : node.inputs) in[port] = Through(edge);
    return in;
  }

  // Images of the source, or what a stage makes of them.
  Symbol Images(const TensorSpec& spec) {
    if (out_.inputs().empty()) out_.Input(kExportInput, spec.dtype, spec.shape);
    const Symbol& images = out_.inputs()[0];
    return images.type == at::kFloat ? images : Cast(images, at::kFloat);
  }

 private:
  const std::vector<Graph::NodeEntry>& nodes_;
  OperatorGraph& out_;
};

// "uint8 [N, 3, 224, 224]".
std::string Described(const Symbol& symbol) {
  return absl::StrCat(symbol.type == at::kByte ? "uint8" : "float32", " [N, ",
                      absl::StrJoin(symbol.shape.begin() + 1, symbol.shape.end(), ", "), "]");
}

Symbol Softmax(const Symbol& scores) { return Op("Softmax", {scores}, {{"axis", int64_t{1}}}); }

// softmax(weight log p + bias), class by class.
Symbol Calibrated(const Scaling& scaling, const Symbol& logits) {
  const auto row = [&](const std::vector<double>& values) {
    return logits.graph->Constant(at::tensor(values, at::kFloat));
  };
  const Symbol scores = Op("LogSoftmax", {logits}, {{"axis", int64_t{1}}});
  logits.graph->Tell("calibrated", "true");
  return Softmax(scores * row(scaling.weight) + row(scaling.bias));
}

absl::Status Write(const Graph& graph, const ExportOptions& options, OperatorGraph* out) {
  const std::optional<Graph::Judged> judged = graph.FindJudged();
  if (!judged.has_value()) {
    return absl::InvalidArgumentError("no node of its config reads logits and labels");
  }
  const Graph::NodeEntry& model = graph.nodes()[judged->logits.node];
  if (model.inputs.size() != 1) {
    return absl::UnimplementedError(
        absl::StrCat("node \"", model.name, "\" [", model.plugin, "] has other than one input"));
  }
  for (const auto& [name, tensor] : graph.State()) out->Name(tensor, name);
  const auto& [port, edge] = *model.inputs.begin();
  Symbols in;
  if (options.preprocessing) {
    in = Writer(graph, out).InputsOf(model);
  } else {
    // What the stages before do is told, not written.
    OperatorGraph before;
    Writer(graph, &before).InputsOf(model);
    for (const auto& [key, value] : before.facts()) out->Tell(key, value);
    if (!before.status().ok()) out->Tell("not_told", std::string(before.status().message()));
    in[port] = Writer(graph, out).Images(graph.nodes()[edge.node].specs.at(edge.port));
  }
  const Symbol logits = Writer(graph, out).OutputOf(model, judged->logits.port, in);
  if (!out->status().ok()) return out->status();
  out->Output(kExportOutput,
              options.scaling == nullptr ? Softmax(logits) : Calibrated(*options.scaling, logits));
  const std::string pixels =
      options.preprocessing ? "0 to 255" : "preprocessed as the other entries say";
  out->Tell("input", absl::StrCat(Described(out->inputs()[0]), ", ", pixels));
  out->Tell("output", absl::StrCat(Described(out->outputs()[0]), ", probabilities of the classes"));
  return absl::OkStatus();
}

}  // namespace

absl::Status ExportGraph(const Graph& graph, const ExportOptions& options, OperatorGraph* out) {
  return Caught([&] { return Write(graph, options, out); });
}

absl::StatusOr<std::string> WeightsIdentity(const Run& run) {
  Metadata metadata;
  const auto read = ReadSafetensors(
      run.WeightsFile(), [](const std::string&, at::IntArrayRef) { return false; }, &metadata);
  if (!read.ok()) return read.status();
  return ChecksumOf(metadata);
}

std::string RunName(const Run& run) {
  const std::filesystem::path path = std::filesystem::weakly_canonical(run.path());
  return path.filename().string();
}

absl::Status TellOfRun(const Run& run, OperatorGraph* out) {
  const absl::StatusOr<std::string> weights = WeightsIdentity(run);
  if (!weights.ok()) return weights.status();
  const DataInfo& data = run.data();
  const Document& document = run.config().document;
  out->Tell("task", TaskName(data.task));
  out->Tell("classes", JsonLine(data.classes));
  out->Tell("config", run.config().name);
  out->Tell("run", RunName(run));
  out->Tell("weights_xxh3_128", *weights);
  out->Tell("dataset", data.dataset);
  out->Tell("embedded_sample", data.embedded_sample ? "true" : "false");
  out->Tell("model", absl::StrJoin(PluginsOf(document, "models"), ", "));
  out->Tell("activation", absl::StrJoin(PluginsOf(document, "activations"), ", "));
  return absl::OkStatus();
}

}  // namespace pipeline
