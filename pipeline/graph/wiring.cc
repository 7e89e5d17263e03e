// Edges, cycles and unread outputs.
#include "pipeline/graph/wiring.h"

#include <algorithm>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "pipeline/config/config.h"
#include "pipeline/exceptions.h"

namespace pipeline {
namespace {

using NodeEntry = Graph::NodeEntry;

bool Holds(const std::vector<std::string>& list, const std::string& item) {
  return std::find(list.begin(), list.end(), item) != list.end();
}

class Wirer {
 public:
  Wirer(const Document& document, Diagnostics* errors)
      : config_(document.config), where_(document.where), errors_(errors) {}

  std::vector<NodeEntry> Run() {
    for (const Node& node : config_.node()) MakeStage(node);
    const bool all_made = std::all_of(nodes_.begin(), nodes_.end(),
                                      [](const NodeEntry& node) { return node.stage != nullptr; });
    for (int i = 0; i < config_.node_size(); ++i) WireInputs(config_.node(i), &nodes_[i]);
    // One missing stage, edge or name makes every edge around it doubtful.
    const std::set<std::string> names = [this] {
      const std::vector<std::string> list = NodeNames();
      return std::set<std::string>(list.begin(), list.end());
    }();
    if (all_made && !edge_failed_ && names.size() == nodes_.size()) CheckOutputs();
    return Ordered();
  }

 private:
  void MakeStage(const Node& node) {
    NodeEntry entry;
    entry.name = node.name();
    entry.plugin = node.plugin().type_url();
    const Path path = Path() / node.name();
    entry.place = where_.Of(path).ToString();
    entry.train_only = node.has_phase() && node.phase() == TRAIN;
    if (node.has_phase() && node.phase() != TRAIN) {
      errors_->Add(where_.Of(path.Own("phase")),
                   "a node runs in every phase or, with phase: TRAIN, in TRAIN only");
    }
    Diagnostics own;
    Document alone;
    *alone.config.add_node() = node;
    Validate(alone, &own);
    if (own.empty()) {
      const absl::Status made = Caught([&] {
        auto stage = Stages::Get().Create(node.plugin());
        if (!stage.ok()) return stage.status();
        entry.stage = *std::move(stage);
        entry.ports = entry.stage->ports();
        return absl::OkStatus();
      });
      if (!made.ok()) {
        const std::string option = OptionOf(made);
        errors_->Add(option.empty() ? where_.Of(path) : where_.Of(node.name() + "." + option),
                     std::string(made.message()));
      }
    }
    nodes_.push_back(std::move(entry));
  }

  std::vector<std::string> NodeNames() const {
    std::vector<std::string> names;
    for (const NodeEntry& node : nodes_) names.push_back(node.name);
    return names;
  }

  int IndexOf(const std::string& name) const {
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (nodes_[i].name == name) return static_cast<int>(i);
    }
    return -1;
  }

  void WireInputs(const Node& node, NodeEntry* entry) {
    bool failed = false;
    for (int i = 0; i < node.input_size(); ++i) {
      const std::string error = WireInput(node.input(i), entry);
      if (error.empty()) continue;
      failed = edge_failed_ = true;
      errors_->Add(
          where_.Of((Path() / node.name()).Own("input")[i]),
          absl::StrCat("node \"", node.name(), "\", input \"", node.input(i), "\": ", error));
    }
    // A wrong edge may be the one that is missing.
    if (entry->stage == nullptr || failed) return;
    for (const std::string& port : entry->ports.inputs) {
      if (entry->inputs.count(port) > 0 || unjudged_.count({entry->name, port}) > 0) continue;
      edge_failed_ = true;
      errors_->Add(where_.Of(Path() / node.name()),
                   absl::StrCat("node \"", node.name(), "\" has nothing on its input \"", port,
                                "\"; write  input: \"", port, ": node.port\""));
    }
  }

  // What is wrong with the edge, or "".
  std::string WireInput(const std::string& text, NodeEntry* entry) {
    const std::vector<std::string> halves = absl::StrSplit(text, absl::MaxSplits(':', 1));
    std::string port = halves.size() == 2 ? Trimmed(halves[0]) : "";
    const std::string source = Trimmed(halves.back());
    const std::string error = ResolvePort(*entry, &port);
    if (!error.empty()) return error;
    const std::vector<std::string> parts = absl::StrSplit(source, absl::MaxSplits('.', 1));
    const int from = IndexOf(parts[0]);
    if (from < 0) {
      return absl::StrCat("no node \"", parts[0], "\"", DidYouMean(parts[0], NodeNames()));
    }
    edges_.emplace_back(from, static_cast<int>(entry - nodes_.data()));
    if (nodes_[from].stage == nullptr || entry->stage == nullptr) {
      unjudged_.insert({entry->name, port});
      return "";
    }
    const std::vector<std::string>& outputs = nodes_[from].ports.outputs;
    std::string output = parts.size() == 2 ? parts[1] : "";
    if (output.empty() && outputs.size() == 1) output = outputs[0];
    if (!Holds(outputs, output)) {
      const std::string has = outputs.empty() ? "none" : absl::StrJoin(outputs, ", ");
      if (output.empty()) {
        return absl::StrCat("\"", parts[0], "\" has several outputs; name one of: ", has);
      }
      return absl::StrCat("\"", parts[0], "\" has no output \"", output, "\"; it has: ", has,
                          DidYouMean(output, outputs));
    }
    if (!entry->inputs.emplace(port, Graph::Edge{from, output}).second) {
      return absl::StrCat("its port \"", port, "\" is wired twice");
    }
    return "";
  }

  static std::string Trimmed(const std::string& text) {
    return std::string(absl::StripAsciiWhitespace(text));
  }

  // Fills in a port that was left out.
  static std::string ResolvePort(const NodeEntry& entry, std::string* port) {
    if (entry.stage == nullptr) return "";
    const std::vector<std::string>& inputs = entry.ports.inputs;
    if (port->empty() && inputs.size() == 1) *port = inputs[0];
    if (Holds(inputs, *port)) return "";
    const std::string has = inputs.empty() ? "none" : absl::StrJoin(inputs, ", ");
    if (port->empty()) {
      return inputs.empty() ? "the node takes no input"
                            : absl::StrCat("the node has several inputs; say which: ", has);
    }
    return absl::StrCat("the node has no input \"", *port, "\"; it has: ", has,
                        DidYouMean(*port, inputs));
  }

  void CheckOutputs() {
    const std::vector<std::string> minimized =
        absl::StrSplit(config_.train().minimize(), absl::MaxSplits('.', 1));
    const int loss = IndexOf(minimized[0]);
    if (loss < 0 || minimized.size() != 2 || !Holds(nodes_[loss].ports.outputs, minimized[1])) {
      std::vector<std::string> all;
      for (const NodeEntry& node : nodes_) {
        for (const std::string& port : node.ports.outputs) all.push_back(node.name + "." + port);
      }
      errors_->Add(where_.Of("train.minimize"),
                   absl::StrCat("train.minimize: no output \"", config_.train().minimize(),
                                "\"; there are: ", absl::StrJoin(all, ", "),
                                DidYouMean(config_.train().minimize(), all)));
    }
    int sources = 0;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      const NodeEntry& node = nodes_[i];
      sources += dynamic_cast<const Source*>(node.stage.get()) != nullptr;
      const bool read = static_cast<int>(i) == loss ||
                        std::any_of(edges_.begin(), edges_.end(), [&](const auto& edge) {
                          return edge.first == static_cast<int>(i);
                        });
      if (!node.ports.outputs.empty() && !read) {
        errors_->Add(where_.Of(Path() / node.name),
                     absl::StrCat("nobody reads node \"", node.name,
                                  "\"; its outputs: ", absl::StrJoin(node.ports.outputs, ", ")));
      }
      if (!node.train_only) continue;
      for (const std::string& port : node.ports.outputs) {
        if (Holds(node.ports.inputs, port)) continue;
        errors_->Add(where_.Of(Path() / node.name),
                     absl::StrCat("node \"", node.name, "\" runs in TRAIN only, so its output \"",
                                  port, "\" needs an input of that name to pass on elsewhere"));
      }
    }
    if (sources != 1) {
      errors_->Add(Location(), absl::StrCat("the config has ", sources,
                                            " nodes that load data; it needs exactly one, such as "
                                            "[plugins/Loader]"));
    }
  }

  // Repeatedly takes the first node whose inputs are all taken: stable, so the config's order is
  // kept where the edges allow it.
  std::vector<NodeEntry> Ordered() {
    std::vector<std::vector<int>> readers(nodes_.size());
    std::vector<int> missing(nodes_.size(), 0);  // inputs that are not taken
    for (const auto& [from, to] : edges_) {
      readers[from].push_back(to);
      ++missing[to];
    }
    std::set<int> ready;
    for (size_t i = 0; i < nodes_.size(); ++i) {
      if (missing[i] == 0) ready.insert(static_cast<int>(i));
    }
    std::vector<int> order;
    std::vector<int> place(nodes_.size(), -1);
    while (!ready.empty()) {
      const int next = *ready.begin();
      ready.erase(ready.begin());
      place[next] = static_cast<int>(order.size());
      order.push_back(next);
      for (const int reader : readers[next]) {
        if (--missing[reader] == 0) ready.insert(reader);
      }
    }
    if (order.size() < nodes_.size()) {
      ReportCycle(place);
      return {};
    }
    std::vector<NodeEntry> ordered;
    for (const int i : order) {
      ordered.push_back(std::move(nodes_[i]));
      for (auto& [port, edge] : ordered.back().inputs) edge.node = place[edge.node];
    }
    return ordered;
  }

  // Every node that is left has an unplaced predecessor; walking back must come round.
  void ReportCycle(const std::vector<int>& place) {
    int at = static_cast<int>(std::find(place.begin(), place.end(), -1) - place.begin());
    std::vector<int> path;
    while (std::find(path.begin(), path.end(), at) == path.end()) {
      path.push_back(at);
      for (const auto& [from, to] : edges_) {
        if (to == at && place[from] < 0) {
          at = from;
          break;
        }
      }
    }
    path.erase(path.begin(), std::find(path.begin(), path.end(), at));
    std::reverse(path.begin(), path.end());
    // Begin with the node that stands first in the config.
    std::rotate(path.begin(), std::min_element(path.begin(), path.end()), path.end());
    path.push_back(path[0]);
    errors_->Add(where_.Of(Path() / nodes_[path[0]].name),
                 absl::StrCat("the graph has a cycle: ",
                              absl::StrJoin(path, " -> ", [this](std::string* out, int node) {
                                absl::StrAppend(out, nodes_[node].name);
                              })));
  }

  const Config& config_;
  const Locations& where_;
  Diagnostics* errors_;
  std::vector<NodeEntry> nodes_;
  std::vector<std::pair<int, int>> edges_;  // from, to
  // Node and port of edges that a missing stage keeps from being judged.
  std::set<std::pair<std::string, std::string>> unjudged_;
  bool edge_failed_ = false;
};

}  // namespace

std::vector<Graph::NodeEntry> WireNodes(const Document& document, Diagnostics* errors) {
  return Wirer(document, errors).Run();
}

}  // namespace pipeline
