// Predictions from the outputs of a step, and the observer that keeps a run's in predictions.csv.
#ifndef PIPELINE_RUNS_JUDGING_H_
#define PIPELINE_RUNS_JUDGING_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/processes.h"
#include "pipeline/runs/predictions.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// What logits [N, C] say of images with labels [N], or logits [N, C, H, W] of masks [N, H, W]; the
// class of the largest logit is predicted. Phase and path are left for the caller. `names` are the
// C classes'.
std::vector<Prediction> Judge(const at::Tensor& logits, const at::Tensor& labels,
                              const std::vector<std::string>& names);

// The same of the step that the graph has just run, with phase and paths; none where no stage reads
// logits and labels.
std::vector<Prediction> JudgeStep(const Step& step, Graph* graph);

// A file's masks and columns, of a graph that is built; no rows.
Predictions EmptyPredictions(Graph* graph);

// Writes predictions.csv: of VAL at each epoch that is the best so far, then of TEST.
class PredictionsCsv : public Observer {
 public:
  // Told what was said in each step of TEST, while its outputs are in the graph.
  using Tested = std::function<absl::Status(const std::vector<Prediction>& rows)>;
  // Where several processes train, each has one; that of the first writes what all of them judge.
  PredictionsCsv(std::string path, Graph* graph, const Processes* processes = nullptr,
                 Tested tested = nullptr)
      : path_(std::move(path)), graph_(*graph), processes_(processes), tested_(std::move(tested)) {}

  absl::Status StepDone(const PassEvent& event, double loss) override;
  absl::Status PassDone(const PassEvent& event) override;
  absl::Status EpochDone(const EpochEvent& event) override;
  absl::Status Trained(const TrainedEvent& event) override;
  // The rows of the best epoch, and those of a pass under way. Load replaces the file.
  absl::Status Save(State* state) const override;
  absl::Status Load(const State& state) override;

 private:
  absl::Status Write(const std::string& test) const;
  bool Writes() const { return processes_ == nullptr || processes_->rank() == 0; }

  const std::string path_;
  Graph& graph_;
  const Processes* const processes_;
  const Tested tested_;
  std::string pass_;  // rows of the pass of VAL or TEST that is under way
  std::string best_;  // of VAL
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_JUDGING_H_
