// A process that trains and judges, and leaves it to the first to write and to tell.
#include "pipeline/cli/train_beside.h"

#include <csignal>
#include <cstdio>
#include <functional>
#include <optional>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/load_graph.h"
#include "pipeline/cli/verb.h"
#include "pipeline/config/text.h"
#include "pipeline/exceptions.h"
#include "pipeline/runs/judging.h"
#include "pipeline/training/bad_numbers.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

absl::Status TrainWith(const Joined& processes, CommandLine line) {
  line.config = ShareConfig(&processes, "");
  const absl::StatusOr<LoadedGraph> loaded = LoadGraph(line);
  if (!loaded.ok()) return loaded.status();
  BuildContext context;
  context.processes = &processes;
  context.writes = false;
  absl::Status status = BuildGraph(*loaded, &context);
  Graph* graph = loaded->graph.get();
  if (status.ok()) status = Loop(loaded->config.document, context, graph, {}).Check();
  if (status.ok()) status = CompareData(loaded->config, context);
  if (!status.ok()) return status;
  PredictionsCsv predictions("", graph, &processes);
  Loop loop(loaded->config.document, context, graph, {&predictions});
  InstallInterruptHandler();
  if (context.device == "cpu") KeepFreedMemory();
  std::optional<State> state;
  ShareState(&processes, &state);
  if (state.has_value()) status = loop.Load(*state);
  return status.ok() ? loop.Run().status : status;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Joined>> JoinOthers() {
  const absl::StatusOr<std::optional<Seat>> seat = FindSeat();
  if (!seat.ok()) return seat.status();
  if (!seat->has_value()) {
    const std::string note = NoteOfIdleTasks();
    if (!note.empty()) std::fprintf(stderr, "note: %s\n", note.c_str());
    return nullptr;
  }
  return Join(**seat);
}

std::string ShareConfig(const Processes* processes, const std::string& config) {
  return processes == nullptr ? config : processes->Gather(config)[0];
}

absl::Status CompareData(const LoadedConfig& config, const BuildContext& context) {
  if (context.processes == nullptr) return absl::OkStatus();
  const DataInfo& data = *context.data;
  std::string own = absl::StrCat(PrintText(config.document.config), "\n", data.split_text);
  for (const int64_t images : data.images) absl::StrAppend(&own, "\n", images);
  const std::vector<std::string> all =
      context.processes->Gather(absl::StrCat(std::hash<std::string>()(own)));
  for (size_t rank = 1; rank < all.size(); ++rank) {
    if (all[rank] == all[0]) continue;
    return absl::FailedPreconditionError(
        absl::StrCat("rank ", rank,
                     " has read another config or other data than rank 0: they must "
                     "be the same on all hosts"));
  }
  return absl::OkStatus();
}

void ShareState(const Processes* processes, std::optional<State>* state) {
  if (processes == nullptr) return;
  if (processes->Gather(state->has_value() ? "state" : "")[0].empty()) return;
  State shared = state->has_value() ? **state : State();
  processes->Broadcast(&shared);
  *state = std::move(shared);
}

int TrainBeside(const CommandLine& line, Joined* processes) {
  const absl::Status status = Caught([&] { return TrainWith(*processes, line); });
  if (status.ok()) return 0;
  if (absl::IsCancelled(status)) {
    return kSignal + (InterruptSignal() != 0 ? InterruptSignal() : SIGTERM);
  }
  // All have met it, and the first tells.
  if (IsBadNumber(status)) return kFailure;
  processes->Fail(std::string(status.message()));
  return Complain(status, kFailure);
}

}  // namespace pipeline
