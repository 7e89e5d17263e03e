// Nodes and edges as text.
#include "pipeline/graph/dot.h"

#include <c10/core/ScalarType.h>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {
namespace {

std::string TypeText(at::ScalarType type) {
  switch (type) {
    case at::kByte:
      return "uint8";
    case at::kLong:
      return "int64";
    case at::kFloat:
      return "float32";
    default:
      return c10::toString(type);
  }
}

std::string SpecText(const TensorSpec& spec) {
  const auto extent = [](std::string* out, int64_t size) {
    size < 0 ? absl::StrAppend(out, "N") : absl::StrAppend(out, size);
  };
  return absl::StrCat(TypeText(spec.dtype), " [", absl::StrJoin(spec.shape, ", ", extent), "]");
}

}  // namespace

std::string DotText(const Graph& graph) {
  std::string text =
      "digraph pipeline {\n"
      "  rankdir=TB; ranksep=0.6;\n"
      "  node [shape=box, style=\"rounded,filled\", fillcolor=\"#eef3fa\", "
      "fontname=\"sans-serif\"];\n"
      "  edge [fontname=\"sans-serif\", fontsize=10, color=\"#556677\"];\n";
  for (const Graph::NodeEntry& node : graph.nodes()) {
    absl::StrAppend(&text, "  ", node.name, " [label=\"", node.name, "\\n", node.plugin,
                    node.train_only ? "\\n(TRAIN only)" : "", "\"];\n");
  }
  for (const Graph::NodeEntry& node : graph.nodes()) {
    for (const auto& [port, edge] : node.inputs) {
      const Graph::NodeEntry& from = graph.nodes()[edge.node];
      absl::StrAppend(&text, "  ", from.name, " -> ", node.name, " [label=\"  ", edge.port,
                      edge.port == port ? "" : absl::StrCat(" as ", port), "\\n  ",
                      SpecText(from.specs.at(edge.port)), "\"];\n");
    }
  }
  return text + "}\n";
}

}  // namespace pipeline
