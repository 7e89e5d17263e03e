// Runs epochs: TRAIN then VAL, and TEST once at the end. It knows no file, page or terminal: what
// becomes of a run is up to its observers.
#ifndef PIPELINE_TRAINING_LOOP_H_
#define PIPELINE_TRAINING_LOOP_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/config/edit.h"
#include "pipeline/graph/graph.h"
#include "pipeline/stage.h"
#include "pipeline/state.h"
#include "pipeline/training/loss_scaler.h"
#include "pipeline/training/monitor.h"
#include "pipeline/training/observer.h"
#include "pipeline/training/optimizer.h"

namespace pipeline {

class Loop {
 public:
  // Document, graph and observers must outlive the loop; the graph was built with `context`.
  Loop(const Document& document, const BuildContext& context, Graph* graph,
       std::vector<Observer*> observers);

  // Whether train.monitor, train.patience and train.schedule can do what they say with what the
  // stages report and with the splits that there are.
  absl::Status Check() const;

  // What the loop and its parts must not lose between two epochs, beside the graph's own state.
  // Load makes Run go on with the epoch after.
  void Save(State* state) const;
  absl::Status Load(const State& state);

  // Trains and tests. After a signal: ends the step, keeps what was learned, and is CANCELLED.
  Outcome Run();

  // A pass over each phase of a graph that was built with a small max_batch: what `check` does.
  absl::Status TryOnce();

 private:
  absl::Status Pass(Phase phase, int64_t epoch, Report* report);
  // Makes `step` the batch at its index, and seeds what stages draw in it.
  void Prepare(Step* step, uint64_t purpose);
  absl::Status Learn(const Step& step, double* loss);
  absl::Status Epoch(int64_t epoch);
  // Gives batch-norm layers the statistics of the weights as they are now.
  absl::Status SettleNorms(int64_t epoch);
  // "step 3 of epoch 1 (TRAIN), WHAT; images of this batch: a.png, b.png".
  absl::Status BadNumber(const Step& step, const std::string& what) const;
  double Rate(const Step& step) const;
  bool HasValidation() const { return graph_.source().StepsIn(VAL) > 0; }
  Step FirstStep(Phase phase, int64_t epoch) const;
  // Calls every observer, and returns the first error.
  template <class Call>
  absl::Status Tell(const Call& call) const;

  const Document& document_;
  const Train& options_;
  Graph& graph_;
  const std::vector<Observer*> observers_;
  Optimizer optimizer_;
  std::optional<LossScaler> scaler_;  // in FP16
  Monitor monitor_;
  Counters counters_;
  double started_ = 0;
  double learning_rate_ = 0;
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_LOOP_H_
