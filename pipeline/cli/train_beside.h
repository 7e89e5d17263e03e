// Training by several processes: what the first of them, which has the run's folder and the
// terminal, shares with the others, and what those do.
#ifndef PIPELINE_CLI_TRAIN_BESIDE_H_
#define PIPELINE_CLI_TRAIN_BESIDE_H_

#include <memory>
#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/cli/command_line.h"
#include "pipeline/config/config.h"
#include "pipeline/parallel/join.h"
#include "pipeline/stage.h"
#include "pipeline/state.h"

namespace pipeline {

// The processes that a launcher has started beside this one; nullptr where it is alone.
absl::StatusOr<std::unique_ptr<Joined>> JoinOthers();

// Called by all, in this order; without processes they do nothing.
// The config of the first.
std::string ShareConfig(const Processes* processes, const std::string& config);
// An error where a process has read another config or other data than the first.
absl::Status CompareData(const LoadedConfig& config, const BuildContext& context);
// What the first goes on from.
void ShareState(const Processes* processes, std::optional<State>* state);

// The whole of `train` on a process that is not the first; the exit code.
int TrainBeside(const CommandLine& line, Joined* processes);

}  // namespace pipeline

#endif  // PIPELINE_CLI_TRAIN_BESIDE_H_
