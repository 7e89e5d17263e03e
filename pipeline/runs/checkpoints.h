// Checkpoints of a run: files, each with all that a run goes on from, and the observer that writes
// them beside training.
#ifndef PIPELINE_RUNS_CHECKPOINTS_H_
#define PIPELINE_RUNS_CHECKPOINTS_H_

#include <cstdint>
#include <future>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/state.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Safetensors files in one folder, epoch-EEEE-step-SSSSSSS.safetensors: after so many whole epochs
// and so many steps (TRAIN, then VAL) of the next. Each appears whole or not at all, has a checksum
// for each tensor and one over all, and holds no weight that is not finite.
class CheckpointFolder {
 public:
  explicit CheckpointFolder(std::string path) : path_(std::move(path)) {}

  static std::string NameAt(int64_t epochs, int64_t steps);
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // File names, the newest first.
  std::vector<std::string> Names() const;

  // `state` is on the CPU and contiguous. No threads but the caller's compute.
  absl::Status Write(const std::string& name, const State& state) const;
  // Errors name the file and say what is wrong with it.
  absl::StatusOr<State> Read(const std::string& name) const;
  // The newest one that is whole; for each newer one, a line in `notes` says why not. NOT_FOUND
  // where there is no file, DATA_LOSS where all are damaged.
  absl::StatusOr<State> ReadLatest(std::vector<std::string>* notes) const;

  // Removes all but the newest `count` and `best`, and what writers that were killed left behind.
  absl::Status Keep(int64_t count, const std::string& best) const;

 private:
  const std::string path_;
};

// Writes a checkpoint at the end of every epoch, every train.checkpoint_minutes within one, before
// the first step where a run may be rolled back, and when the run is interrupted. The state is
// copied between two steps; another thread writes it. An error of that thread ends the run when the
// next checkpoint is due.
class Checkpoints : public Observer {
 public:
  // `facts` come into every checkpoint.
  Checkpoints(const std::string& folder, const Train& options, State facts);
  ~Checkpoints() override;

  absl::Status Paused(const PauseEvent& event) override;
  // Waits until the last one is on the disk.
  absl::Status Trained(const TrainedEvent& event) override;
  absl::StatusOr<State> LastKept() override;
  absl::Status Save(State* state) const override;
  absl::Status Load(const State& state) override;

  // Whether any is on the disk.
  bool written() const { return !folder_.Names().empty(); }
  // For bench/checkpoint: seconds that copying took of the loop's thread, so far.
  double copy_seconds() const { return copy_seconds_; }

 private:
  bool Due(const PauseEvent& event) const;
  bool Writing() const;
  // Waits for the thread; what came of it.
  absl::Status Finish();
  // Makes copies_ equal to `state`, in the memory that it has where that fits.
  void Copy(const State& state);

  const CheckpointFolder folder_;
  const Train options_;
  const State facts_;
  std::string best_;  // file name; "" where there is no best epoch yet
  double last_;       // when the last one was begun
  bool any_ = false;  // since the start of the process
  double copy_seconds_ = 0;
  State copies_;                       // what the thread writes
  std::future<absl::Status> writing_;  // last: its thread uses the above
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_CHECKPOINTS_H_
