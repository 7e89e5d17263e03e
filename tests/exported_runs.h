// Runs that were made without training, for tests of export.
#ifndef TESTS_EXPORTED_RUNS_H_
#define TESTS_EXPORTED_RUNS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/rand_like.h>
#include <ATen/ops/randn_like.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>

#include <memory>
#include <nlohmann/json.hpp>
#include <string>
#include <vector>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
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
    const absl::Status status = ExportGraph(*graph, {preprocessing}, out);
    return status.ok() ? TellOfRun(run, out) : status;
  }

  pipeline::Run run;
  std::unique_ptr<pipeline::Graph> graph;
};

// The model of tests/testdata/export_golden.json, which says what onnxruntime made of it: every
// weight by a formula, so that it is the same everywhere.
inline Opened GoldenModel(const Workspace& workspace) {
  workspace.Write("configs/golden.pbtxt", SmallConfig());
  pipeline::Run made =
      MakeRun("configs/golden.pbtxt",
              {"classify.model=[models/Cnn] { channels: [3] hidden: 4 batch_norm: true }",
               "classify.activation=[activations/Lerch] {}"},
              "golden");
  Opened opened(made);
  const c10::NoGradGuard no_gradients;
  for (const auto& [name, tensor] : opened.graph->State()) {
    if (!tensor.is_floating_point()) continue;
    const at::Tensor wave = (at::arange(tensor.numel(), at::kDouble) * 1.7 + 0.3).sin();
    tensor.copy_(
        (absl::EndsWith(name, "running_var") ? wave.abs() + 0.5 : wave).reshape(tensor.sizes()));
  }
  return opened;
}

inline at::Tensor GoldenImages() {
  return (at::arange(2 * 3 * 32 * 32, at::kLong) * 37)
      .remainder(256)
      .to(at::kByte)
      .reshape({2, 3, 32, 32});
}

// Probabilities that the run itself gives.
inline at::Tensor ProbabilitiesOf(const Opened& opened, const at::Tensor& images,
                                  const std::string& node = "classify") {
  const c10::NoGradGuard no_gradients;
  dynamic_cast<pipeline::GivenImages&>(opened.graph->source()).Give(images);
  pipeline::Step step;
  step.phase = pipeline::TEST;
  EXPECT_TRUE(opened.graph->RunUntil(step, {node}).ok());
  return opened.graph->Output(node + ".logits").softmax(1);
}

// Operators with what they read, and each constant's shape, sum and sum of squares.
inline nlohmann::json Outline(const pipeline::OperatorGraph& graph) {
  nlohmann::json operators = nlohmann::json::array(), constants = nlohmann::json::object();
  for (const auto& op : graph.operators()) {
    std::string line = absl::StrCat(op.output, " = ", op.type, "(", absl::StrJoin(op.inputs, ", "));
    for (const auto& [name, value] : op.attributes) absl::StrAppend(&line, "; ", name);
    operators.push_back(line + ")");
  }
  for (const auto& [name, value] : graph.constants()) {
    const at::Tensor wide = value.to(at::kDouble);
    constants[name] = {value.sizes().vec(), wide.sum().item<double>(),
                       wide.square().sum().item<double>()};
  }
  return {{"operators", operators}, {"constants", constants}};
}

}  // namespace testing_support

#endif  // TESTS_EXPORTED_RUNS_H_
