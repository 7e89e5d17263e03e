// Runs epochs: TRAIN then VAL, and TEST once at the end. It knows no file, page or terminal: what
// becomes of a run is up to its observers.
#ifndef PIPELINE_TRAINING_LOOP_H_
#define PIPELINE_TRAINING_LOOP_H_

#include <cstdint>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/config/edit.h"
#include "pipeline/graph/graph.h"
#include "pipeline/processes.h"
#include "pipeline/stage.h"
#include "pipeline/state.h"
#include "pipeline/training/average.h"
#include "pipeline/training/bad_numbers.h"
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

  // All that must not be lost between two steps: the graph's weights and sums, the optimizer, how
  // far the run is, what the observers keep. To be called while observers are Paused, or before or
  // after Run. Load, into a loop for an equal graph, makes Run go on from there.
  absl::Status Save(State* state) const;
  absl::Status Load(const State& state);

  // Trains and tests. After a signal: ends the step, keeps what was learned, and is CANCELLED.
  Outcome Run();

  // How far it is.
  const Counters& counters() const { return counters_; }

  // A pass over each phase of a graph that was built with a small max_batch: what `check` does.
  absl::Status TryOnce();

 private:
  // Where a pass is.
  struct Place {
    Phase phase = TRAIN;
    int64_t index = 0;  // of the step that comes next
    int64_t images = 0;
    double seconds = 0, wait_seconds = 0;
  };

  // Batches whose gradients wait for the optimizer.
  struct Group {
    int64_t batches = 0;
    double images = 0;  // of the first batch
    double weight = 0;  // images of all, in batches of that size
  };

  absl::Status Pass(int64_t epoch, Place* place, Report* report);
  // Makes `step` the batch at its index, and seeds what stages draw in it.
  void Prepare(Step* step, uint64_t purpose);
  // Several processes tell each other how many rows they have, and whether a signal asks to stop.
  void Agree(Step* step);
  // Rows of the step's batch, of all processes.
  int64_t Images(const Step& step) const;
  // Runs a step and learns from it; `skipped`: it was bad and left no trace, as on_bad_number asks.
  absl::Status Take(const Step& step, double* loss, bool* skipped);
  absl::Status Learn(const Step& step, double* loss);
  // Adds the step's gradients to those of its group of train.accumulate batches; the group's last
  // step lets the optimizer step.
  absl::Status Update(const Step& step, const at::Tensor& total, double* loss);
  bool StepsAfter(const Step& step) const;
  absl::Status Await(const Step& step, const at::Tensor& total, double* loss);
  absl::Status Apply(const Step& step, const at::Tensor& total, double* loss);
  // Apply where the group's last batch could not be used, and others could.
  absl::Status ApplyLeft(const Step& step);
  absl::Status BadLoss(const Step& step, double loss);
  absl::Status BadGradient(const Step& step, double norm, double loss);
  // The epoch under way, from place_ on.
  absl::Status Epoch();
  absl::Status Epochs(std::string* stopped);
  // Goes back to the state that was last kept; false where there is none, or this was done too
  // often.
  bool RollBack(const absl::Status& why);
  // Gives batch-norm layers the statistics of the weights as they are now.
  absl::Status SettleNorms();
  // "step 3 of epoch 1 (TRAIN), WHAT; images of this batch: a.png, b.png".
  absl::Status Bad(const Step& step, const std::string& what);
  double Rate(const Step& step) const;
  bool HasValidation() const { return graph_.source().StepsIn(VAL) > 0; }
  bool OutOfPatience() const;
  Step FirstStep(Phase phase, int64_t epoch) const;
  Counters SoFar() const;
  // Makes all processes have the parameters and buffers of the first.
  absl::Status ShareWeights() const;
  absl::Status ShareBuffers() const;  // alone
  void AwaitGradients(Phase phase);
  // What an observer kept last; where several processes train, one of the first's.
  absl::StatusOr<State> LastKept() const;
  void SaveSums(State* state) const;
  absl::Status LoadSums(const State& state, bool source_alone = false);
  void SaveCounters(State* state) const;
  absl::Status LoadCounters(const State& state);
  // Calls every observer, and returns the first error.
  absl::Status Tell(const std::function<absl::Status(Observer*)>& call) const;
  absl::Status TellPaused(bool epoch_done, bool best, bool interrupted) const;
  void Note(const std::string& line) const;

  const Document& document_;
  const Train& options_;
  Graph& graph_;
  const std::vector<Observer*> observers_;
  const Processes* const processes_;        // nullptr: alone
  std::unique_ptr<GradientSum> gradients_;  // over processes
  Optimizer optimizer_;
  std::optional<LossScaler> scaler_;  // in FP16
  std::optional<WeightAverage> average_;
  Monitor monitor_;
  Counters counters_;  // of whole passes
  Place place_;        // in the epoch after them
  Report train_;       // of the epoch's TRAIN pass, once it is over
  State train_sums_;   // what it is made from
  Kept buffers_;       // before the step
  Group group_;
  int64_t skipped_in_a_row_ = 0;
  bool interrupted_ = false;  // some process
  double started_ = 0;
  double learning_rate_ = 0;
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_LOOP_H_
