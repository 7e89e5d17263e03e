// What a run shows in TensorBoard while it goes on.
#ifndef PIPELINE_RUNS_CURVES_H_
#define PIPELINE_RUNS_CURVES_H_

#include <string>

#include "absl/status/status.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/tensorboard.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// The columns of metrics.csv, the loss of each TRAIN step, the first images of each phase as every
// stage gave them, and masks beside their predictions.
class Curves : public Observer {
 public:
  // `minimize` names the loss; `graph` must outlive this object.
  Curves(const std::string& folder, std::string minimize, const Graph* graph)
      : board_(folder), minimize_(std::move(minimize)), graph_(*graph) {}

  absl::Status StepDone(const PassEvent& event, double loss) override;
  absl::Status PassDone(const PassEvent& event) override;
  absl::Status Save(State* state) const override { return board_.Save(state); }
  absl::Status Load(const State& state) override { return board_.Load(state); }

 private:
  absl::Status ShowImages(const PassEvent& event);
  absl::Status ShowMasks(const PassEvent& event);

  TensorBoard board_;
  const std::string minimize_;
  const Graph& graph_;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_CURVES_H_
