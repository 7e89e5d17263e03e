// Weights of a graph on disk, and the observer that keeps those of the best epoch.
#ifndef PIPELINE_RUNS_WEIGHTS_H_
#define PIPELINE_RUNS_WEIGHTS_H_

#include <string>

#include "absl/status/status.h"
#include "pipeline/graph/graph.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Every parameter and buffer by its key, as safetensors.
absl::Status WriteWeights(const std::string& path, const Graph& graph);

// Puts such a file into a built graph. DATA_LOSS where it does not hold just the graph's keys and
// shapes; the graph may then hold a part of it.
absl::Status ReadWeights(const std::string& path, Graph* graph);

// Writes the weights of each epoch that is called best; the last ones where nothing is monitored,
// or where no epoch ended. Before TEST the best ones are in the graph.
class BestWeights : public Observer {
 public:
  BestWeights(std::string path, Graph* graph) : path_(std::move(path)), graph_(*graph) {}

  absl::Status EpochDone(const EpochEvent& event) override;
  absl::Status Trained(const TrainedEvent& event) override;

  // Whether the file holds weights of this run.
  bool written() const { return written_; }

 private:
  absl::Status Write();

  const std::string path_;
  Graph& graph_;
  bool written_ = false;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_WEIGHTS_H_
