// Weights of a graph on disk, and the observer that keeps those of the best epoch.
#ifndef PIPELINE_RUNS_WEIGHTS_H_
#define PIPELINE_RUNS_WEIGHTS_H_

#include <map>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Of files of weights, as Python's readers ask it.
std::map<std::string, std::string> WeightsMetadata();

// Every parameter and buffer by its key, as safetensors; returns the file's checksum.
absl::StatusOr<std::string> WriteWeights(const std::string& path, const Graph& graph);

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
  // Which file holds the best weights, by its checksum. Load does not look whether it does.
  absl::Status Save(State* state) const override;
  absl::Status Load(const State& state) override;

  // Whether the file holds weights of this run.
  bool written() const { return !checksum_.empty(); }

 private:
  absl::Status Write();

  const std::string path_;
  Graph& graph_;
  std::string checksum_;  // of the file with the best weights; "" where there was none yet
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_WEIGHTS_H_
