// Runs that were made without training, for tests of export.
#ifndef TESTS_EXPORTED_RUNS_H_
#define TESTS_EXPORTED_RUNS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn_like.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "pipeline/export/export.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/weights.h"
#include "tests/testing.h"

namespace testing_support {

// A run with weights as they are drawn, batch norms as after some training, and scores large enough
// that probabilities are far from equal.
inline pipeline::Run MakeRun(const std::string& config, const std::vector<std::string>& sets,
                             const std::string& out) {
  const Loaded loaded = Load(config, sets);
  EXPECT_EQ(loaded.errors, "");
  pipeline::BuildContext context;
  EXPECT_TRUE(loaded.graph->Build(&context).ok());
  const c10::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : loaded.graph->State()) {
    if (absl::EndsWith(name, "running_mean")) tensor.copy_(at::randn_like(tensor) * 0.1);
    if (absl::EndsWith(name, "running_var")) tensor.copy_(at::rand_like(tensor) + 0.5);
    if (absl::EndsWith(name, "alpha_logit")) tensor.copy_(at::randn_like(tensor));
    if (absl::StartsWith(name, "score_pool")) tensor.copy_(at::randn_like(tensor) * 0.3);
    if (absl::StartsWith(name, "classifier") && tensor.dim() > 1) tensor.mul_(2);
  }
  auto run = pipeline::Run::Create(out, loaded.config, *loaded.graph);
  EXPECT_TRUE(run.ok()) << run.status();
  EXPECT_TRUE(pipeline::WriteWeights(run->WeightsFile(), *loaded.graph).ok());
  return *std::move(run);
}

// A run as it is opened again, and its graph.
struct Opened {
  explicit Opened(const pipeline::Run& made) : run(*pipeline::Run::Open(made.path())) {
    pipeline::BuildContext context;
    auto built = run.MakeGraph(&context);
    EXPECT_TRUE(built.ok()) << built.status();
    graph = *std::move(built);
  }

  // Exported with its facts, whatever comes of it.
  absl::Status Export(bool preprocessing, pipeline::OperatorGraph* out) const {
    const absl::Status status = ExportGraph(*graph, preprocessing, out);
    return status.ok() ? TellOfRun(run, out) : status;
  }

  pipeline::Run run;
  std::unique_ptr<pipeline::Graph> graph;
};

}  // namespace testing_support

#endif  // TESTS_EXPORTED_RUNS_H_
