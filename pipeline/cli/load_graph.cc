// From a command line to a graph.
#include "pipeline/cli/load_graph.h"

#include "pipeline/training/device.h"
#include "pipeline/workspace.h"

namespace pipeline {
namespace {

absl::Status ChooseHardware(const LoadedConfig& loaded, BuildContext* context) {
  const Train& train = loaded.document.config.train();
  const auto placed = [&](const absl::Status& status) {
    Diagnostics errors;
    errors.Add(loaded.document.where.Of("train." + OptionOf(status)),
               std::string(status.message()));
    return errors.ToStatus();
  };
  const absl::StatusOr<std::string> device = ChooseDevice(train.device());
  if (!device.ok()) return placed(device.status());
  const absl::StatusOr<Precision> precision = ChoosePrecision(train.precision(), *device);
  if (!precision.ok()) return placed(precision.status());
  context->device = *device;
  context->precision = *precision;
  context->seed = static_cast<uint64_t>(train.seed());
  context->threads = SetThreads(train.threads());
  if (context->device != "cpu") RepeatOnGpu();
  SeedGenerators(context->seed);
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<LoadedGraph> LoadGraph(const CommandLine& line) {
  const absl::StatusOr<std::string> path = FindConfig(line.config);
  if (!path.ok()) return path.status();
  Diagnostics errors;
  absl::StatusOr<LoadedConfig> config = LoadConfig(*path, line.Values("set"), &errors);
  if (!config.ok()) return config.status();
  std::unique_ptr<Graph> graph = Graph::Create(config->document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  return LoadedGraph{*std::move(config), std::move(graph)};
}

absl::Status BuildGraph(const LoadedGraph& loaded, BuildContext* context) {
  const absl::Status chosen = ChooseHardware(loaded.config, context);
  return chosen.ok() ? loaded.graph->Build(context) : chosen;
}

}  // namespace pipeline
