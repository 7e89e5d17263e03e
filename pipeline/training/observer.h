// What the loop tells of a run while it goes on.
#ifndef PIPELINE_TRAINING_OBSERVER_H_
#define PIPELINE_TRAINING_OBSERVER_H_

#include <array>
#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/report.h"
#include "pipeline/state.h"

namespace pipeline {

// How far a run is, and what it took.
struct Counters {
  int64_t epochs = 0;             // whole ones
  int64_t steps = 0;              // of TRAIN
  int64_t train_images = 0;       // seen in TRAIN
  double train_seconds = 0;       // that TRAIN took
  double train_wait_seconds = 0;  // of them, waiting for data
  double seconds = 0;             // since the start of the run
  // From the start of the process to the start of the first TRAIN step.
  double startup_seconds = 0;
  int64_t skipped_steps = 0;  // left out for their bad numbers
  int64_t rollbacks = 0;      // to a checkpoint, each with half the learning rate

  double ImagesPerSecond() const;  // in TRAIN
  double DataWait() const;         // share of TRAIN's time that went into waiting for data
};

// A pass over a phase, whole or so far.
struct PassEvent {
  const Step& step;  // the last one
  const Counters& counters;
  int64_t images;        // of this pass
  double seconds;        // of this pass
  double data_wait;      // share of them that went into waiting for data
  double learning_rate;  // of the last TRAIN step
  const Report* report;  // nullptr while the pass goes on
  double ImagesPerSecond() const;
};

struct EpochEvent {
  int64_t epoch;  // counted from 0
  const Counters& counters;
  const Report& train;
  const Report* validation;  // nullptr where there is no VAL split
  bool defined;              // whether the monitored value was ever defined
  bool best;                 // the best so far by it; the latest where it was not
};

// Between two steps of TRAIN or VAL, or two epochs.
struct PauseEvent {
  const Counters& counters;
  int64_t index;     // step of the epoch that comes next, those of VAL counted after those of TRAIN
  bool epoch_done;   // the epoch before has just ended
  bool best;         // and is the best so far
  bool interrupted;  // nothing follows
  const std::function<absl::Status(State*)>& save;  // Loop::Save
};

// TRAIN and VAL are over, or were cut short.
struct TrainedEvent {
  const Counters& counters;
  int64_t best_epoch;  // that EpochDone last called best on VAL; -1: none, or there is no VAL
  // Why before the last epoch; else empty.
  const std::string& stopped;
  bool will_test;  // a pass over TEST follows, with the weights that observers leave
};

// How a run ended.
struct Outcome {
  absl::Status status;  // CANCELLED after a signal
  Counters counters;
  bool monitored = false;   // the best epoch was chosen by a value on VAL
  int64_t best_epoch = -1;  // counted from 0; -1: none
  std::string stopped;      // why before its last epoch, or without its test; else empty
  std::optional<Report> test;
  // What the parts of each phase's steps took, by PhaseIndex, since the process began.
  std::array<std::vector<std::pair<std::string, double>>, kPhases> seconds;
};

// Called on the loop's thread, in this order:
//   (TRAIN: (StepDone Paused)* PassDone, VAL: (StepDone Paused)* PassDone, EpochDone Paused)*
//   Trained (TEST: StepDone* PassDone).
// An error ends the run. Every observer has seen the step or the epoch when one is Paused.
class Observer {
 public:
  virtual ~Observer() = default;
  // The outputs of the step's nodes are still in the graph.
  virtual absl::Status StepDone(const PassEvent&, double loss) { return absl::OkStatus(); }
  virtual absl::Status PassDone(const PassEvent&) { return absl::OkStatus(); }
  virtual absl::Status EpochDone(const EpochEvent&) { return absl::OkStatus(); }
  // Where the run can be cut: what `save` gives now, Loop::Load goes on from.
  virtual absl::Status Paused(const PauseEvent&) { return absl::OkStatus(); }
  // What a user should know at once, a line.
  virtual void Noted(const std::string& line) {}
  // The state that was last kept; NOT_FOUND where none was.
  virtual absl::StatusOr<State> LastKept() { return absl::NotFoundError("nothing is kept"); }
  // What must not be lost between two calls, under names of its own.
  virtual absl::Status Save(State*) const { return absl::OkStatus(); }
  virtual absl::Status Load(const State&) { return absl::OkStatus(); }
  // Called after a failure too.
  virtual absl::Status Trained(const TrainedEvent&) { return absl::OkStatus(); }
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_OBSERVER_H_
