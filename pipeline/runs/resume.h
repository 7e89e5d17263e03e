// Going on with a run that was cut off: where it stands, and whether what is asked now still is
// that run.
#ifndef PIPELINE_RUNS_RESUME_H_
#define PIPELINE_RUNS_RESUME_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/config/config.h"
#include "pipeline/data.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/run_lock.h"
#include "pipeline/stage.h"
#include "pipeline/state.h"

namespace pipeline {

// The folder of the run that began last below runs/<config>/; NOT_FOUND where there is none.
absl::StatusOr<std::string> LatestRun(const std::string& config);

// What every checkpoint says of its run beside the loop's state: the resolved config, the data
// (each file's split and content where they are files), device and precision.
State FactsOf(const LoadedConfig& config, const BuildContext& context);

// A run as it was last kept on disk.
struct Resumed {
  Run run;
  RunLock lock;
  std::optional<State> state;      // nothing where it had no checkpoint yet: it begins anew
  std::vector<std::string> notes;  // about damaged checkpoints
};

// Locks the folder and reads its newest whole checkpoint. config.pbtxt becomes that of the
// checkpoint; the run's config is it. Files of a run without a checkpoint are removed but for what
// Run::Create made.
absl::StatusOr<Resumed> Reopen(const std::string& folder);

// Compares the config that a run goes on with to its own. Changes are told in `notes`. Changes of
// nodes (unless neutral), of train.seed, minimize, monitor, optimizer and ema_decay, and fewer
// epochs than are done are refused, field by field, unless `allowed` names the field or what it
// lies in.
absl::Status CheckConfig(const LoadedConfig& before, const LoadedConfig& now,
                         const std::vector<std::string>& allowed, std::vector<std::string>* notes);

// The same of the data, once the graph is built; "data" in `allowed` allows other ones.
absl::Status CheckFacts(const Resumed& resumed, const BuildContext& context,
                        const std::vector<std::string>& allowed, std::vector<std::string>* notes);

// Puts the weights that the state calls the best ones into weights.safetensors, where it holds
// others: from the checkpoint of that epoch.
absl::Status RestoreBestWeights(const Run& run, const State& state, const Graph& graph);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_RESUME_H_
