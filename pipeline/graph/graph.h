// The DAG of stages: wiring, order, shapes, and one step through it.
#ifndef PIPELINE_GRAPH_GRAPH_H_
#define PIPELINE_GRAPH_GRAPH_H_

#include <memory>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/config/edit.h"
#include "pipeline/profile.h"
#include "pipeline/stage.h"

namespace pipeline {

class Graph {
 public:
  // Makes the stages and wires them; reads no data. Every mistake goes to `errors`; the graph can
  // be used only if there was none. `source`, if given, stands in for the config's own source: it
  // has the same outputs, and the data that the config names are never touched.
  static std::unique_ptr<Graph> Create(const Document& document, Diagnostics* errors,
                                       std::unique_ptr<Source> source = nullptr);

  // Builds the stages in order: reads the data's listing, computes shapes, makes parameters and
  // moves them to context->device.
  absl::Status Build(BuildContext* context);

  // Runs every stage once. Tensors of the step stay until the next one. A failure names step,
  // epoch, node and config line.
  absl::Status Run(const Step& step);

  // The same of those stages alone that one of `nodes` needs, themselves included. The others keep
  // no trace of the step.
  absl::Status RunUntil(const Step& step, const std::vector<std::string>& nodes);

  // The same of every stage but the source, on `given` outputs of it.
  absl::Status RunOn(const Step& step, Tensors given);

  // Ends the phase on every stage, in order, whatever the others say; the first failure, which
  // names its node.
  absl::Status EndPhase(const Step& step, Report* report);

  Source& source() { return *source_; }
  const Source& source() const { return *source_; }

  // The output "node.port" of the last Run.
  at::Tensor Output(const std::string& edge) const;
  // The source's output of that port, of the last step; undefined where there is none.
  at::Tensor SourceOutput(const std::string& port) const;
  // "node "loss" [plugins/FusedLoss] (configs/a.pbtxt:16:3)" of the node that "node.port" names.
  std::string Describe(const std::string& edge) const;

  // What the stages have to say of themselves, in order.
  std::vector<std::string> Notes() const;

  // What the stages show of the last step on the progress line.
  std::vector<std::pair<std::string, double>> Live() const;

  // Parameters and buffers by key. Keys of the first node that has any are bare, as torchvision
  // spells them; those of other nodes begin with "<node>.".
  std::vector<std::pair<std::string, at::Tensor>> State() const;
  // The parameters that are learned, for the optimizer.
  std::vector<at::Tensor> Parameters() const;
  // What else changes while stages run, such as the moving averages of batch norm.
  std::vector<at::Tensor> Buffers() const;
  // The stages' modules.
  std::vector<torch::nn::Module*> Modules() const;
  // Sets dropout and batch norm to training or inference.
  void SetTraining(bool training);

  struct Edge {
    int node;
    std::string port;
  };
  struct NodeEntry {
    std::string name;
    std::string plugin;  // "plugins/Loader"
    std::string place;   // file:line:col
    bool train_only = false;
    std::unique_ptr<Stage> stage;
    Ports ports;
    std::map<std::string, Edge> inputs;  // by port
    Specs specs;                         // of the outputs, after Build
    Tensors outputs;                     // of the last step
  };
  // What came through `edge` at the last Run.
  const at::Tensor& Output(const Edge& edge) const {
    return nodes_[edge.node].outputs.at(edge.port);
  }
  // What the last stage that reads "logits" and "labels" reads there: predictions and truth.
  struct Judged {
    Edge logits, labels;
  };
  // Nothing where no stage does.
  std::optional<Judged> FindJudged() const;
  // Of an output, once the graph is built.
  const TensorSpec& Spec(const Edge& edge) const { return nodes_[edge.node].specs.at(edge.port); }

  // Has every stage keep its features, or not. Those of the stage that made the logits; undefined
  // where it has none.
  void KeepFeatures(bool keep);
  at::Tensor Features() const;
  // By how much each term of the losses moves the logits of the last Run: of the first stage that
  // tells; nothing where none does.
  absl::StatusOr<NamedTensors> TermGradients(const Step& step);

  // What the nodes took, and whoever else adds to it.
  Profile& profile() { return profile_; }

  // In the order in which they run.
  const std::vector<NodeEntry>& nodes() const { return nodes_; }
  // That of source().
  const NodeEntry& source_node() const { return nodes_[source_node_]; }

 private:
  std::string Describe(const NodeEntry& node) const;
  absl::Status RunNode(const Step& step, NodeEntry* node);
  // Whether a reader of the source's "images" looks at their colors.
  bool ImagesAreSeenInColor() const;

  std::vector<NodeEntry> nodes_;
  Locations where_;
  Source* source_ = nullptr;
  size_t source_node_ = 0;
  Profile profile_;
};

}  // namespace pipeline

#endif  // PIPELINE_GRAPH_GRAPH_H_
