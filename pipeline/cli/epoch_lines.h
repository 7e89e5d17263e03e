// What a run prints while it goes on: one live line, and a line for each epoch.
#ifndef PIPELINE_CLI_EPOCH_LINES_H_
#define PIPELINE_CLI_EPOCH_LINES_H_

#include <set>
#include <string>

#include "pipeline/cli/terminal.h"
#include "pipeline/graph/graph.h"
#include "pipeline/training/observer.h"

namespace pipeline {

class EpochLines : public Observer {
 public:
  // All must outlive this object.
  EpochLines(const Train& options, const Graph* graph, Terminal* terminal)
      : options_(options), graph_(*graph), terminal_(*terminal) {}

  absl::Status StepDone(const PassEvent& event, double loss) override;
  absl::Status EpochDone(const EpochEvent& event) override;
  absl::Status Trained(const TrainedEvent& event) override;
  void Noted(const std::string& line) override;

 private:
  const Train& options_;
  const Graph& graph_;
  Terminal& terminal_;
  std::set<std::string> told_;  // remarks on training
};

}  // namespace pipeline

#endif  // PIPELINE_CLI_EPOCH_LINES_H_
