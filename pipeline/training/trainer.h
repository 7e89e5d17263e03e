// Runs epochs: TRAIN then VAL, the best weights by the monitor, and TEST once at the end.
#ifndef PIPELINE_TRAINING_TRAINER_H_
#define PIPELINE_TRAINING_TRAINER_H_

#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/cli/run_report.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/run_folder.h"
#include "pipeline/runs/tensorboard.h"
#include "pipeline/stage.h"
#include "pipeline/training/optimizer.h"

namespace pipeline {

class Trainer {
 public:
  // All must outlive the trainer; the graph is built with `context`.
  Trainer(const LoadedConfig& loaded, const BuildContext& context, Graph* graph,
          Terminal* terminal);

  // Whether a stage reports the value that train.monitor names; only needed where there is a
  // validation split.
  absl::Status CheckMonitor() const;

  // What a header or a result says.
  RunFacts Facts(const std::string& stopped = "") const;

  // Trains and tests; writes into `folder`. After Ctrl-C: ends the step, keeps what was learned,
  // and returns CANCELLED. A failure keeps what was already written.
  absl::Status Run(RunFolder* folder);

  // A pass over each phase of a graph built with a small max_batch, nothing written: what `check`
  // does.
  absl::Status TryOnce();

 private:
  absl::Status Pass(Phase phase, int64_t epoch, int64_t max_steps, Report* report);
  absl::Status Learn(const Step& step);
  // Gives batch-norm layers the statistics of the weights as they are now.
  absl::Status SettleNorms(int64_t epoch);
  // The images of the step that just ran, as each stage gave them, to TensorBoard.
  absl::Status ShowImages(Phase phase);
  // Where the labels of that step are masks: these and what was predicted, likewise.
  absl::Status ShowMasks(const Step& step);
  absl::Status AddRow(const Step& step, const Report& report, double seconds);
  absl::Status KeepWeights();
  absl::Status RestoreBest();
  absl::Status EndEpoch(int64_t epoch, const Report& train, const Report& validation);
  absl::Status Finish(const std::string& why);
  void ShowProgress(const Step& step, double started, int64_t images);
  // Of `seconds` of the phase under way, the share that went into waiting for data; in [0, 1].
  double DataWait(double seconds) const;
  bool HasValidation() const { return graph_.source().StepsIn(VAL) > 0; }
  double Rate(const Step& step) const;

  const LoadedConfig& loaded_;
  const Train& options_;
  const BuildContext& context_;
  Graph& graph_;
  Terminal& terminal_;
  RunFolder* folder_ = nullptr;
  std::optional<TensorBoard> board_;  // with folder_
  Optimizer optimizer_;

  double started_ = 0;
  int64_t steps_ = 0;         // TRAIN steps so far
  int64_t train_images_ = 0;  // seen in TRAIN
  double train_seconds_ = 0;
  double train_wait_seconds_ = 0;  // of them, waiting for data
  double waited_before_ = 0;       // source's WaitSeconds when the phase began
  double startup_seconds_ = 0;     // from the process's start to that of the first step
  double learning_rate_ = 0;
  double phase_images_per_second_ = 0;
  int64_t epochs_done_ = 0;
  int64_t best_epoch_ = -1;
  std::vector<double> monitors_;  // of VAL, by epoch
};

// Ctrl-C and SIGTERM ask a run to stop after the step; a second one ends the process.
void InstallInterruptHandler();
// The signal that asked, or 0.
int InterruptSignal();

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_TRAINER_H_
