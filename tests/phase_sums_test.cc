// What a stage gathers over a phase survives the stage: half of a phase before, half after.
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <gtest/gtest.h>

#include "pipeline/training/device.h"
#include "tests/stages.h"

namespace {

using pipeline::Report;
using pipeline::Specs;
using pipeline::State;
using pipeline::Step;
using pipeline::Tensors;
using testing_support::Build;
using testing_support::Built;
using testing_support::RunOnce;
using testing_support::TrainStep;

constexpr char kNode[] = "node";

std::vector<Tensors> Batches() {
  pipeline::SeedGenerators(3);
  std::vector<Tensors> batches;
  for (int i = 0; i < 4; ++i) {
    batches.push_back({{"logits", at::randn({2, 2, 6, 6}).requires_grad_()},
                       {"labels", at::randint(2, {2, 6, 6}, at::kLong)}});
  }
  return batches;
}

Built Made(const std::string& url, const std::string& options) {
  const Specs in = {{"logits", {at::kFloat, {-1, 2, 6, 6}, 1}},
                    {"labels", {at::kLong, {-1, 6, 6}, 1}}};
  return Build(url, options, in);
}

void RunSome(const Built& made, const std::vector<Tensors>& batches, int begin, int end) {
  for (int i = begin; i < end; ++i) {
    Step step = TrainStep({2 * i, 2 * i + 1});
    step.index = i;
    RunOnce(*made.stage, batches[i], step);
  }
}

Report Ended(const Built& made) {
  Report report;
  made.stage->EndPhase(TrainStep({}), kNode, &report);
  return report;
}

void ExpectGoesOn(const std::string& url, const std::string& options) {
  SCOPED_TRACE(url + " " + options);
  const std::vector<Tensors> batches = Batches();
  const Built whole = Made(url, options);
  RunSome(whole, batches, 0, 4);
  const Report expected = Ended(whole);
  for (const int cut : {1, 3, 4}) {
    const Built before = Made(url, options), after = Made(url, options);
    RunSome(before, batches, 0, cut);
    State state;
    before.stage->Save(kNode, &state);
    const absl::Status loaded = after.stage->Load(kNode, state);
    ASSERT_TRUE(loaded.ok()) << loaded;
    RunSome(after, batches, cut, 4);
    const Report report = Ended(after);
    EXPECT_EQ(report.values(), expected.values()) << "cut after " << cut;
    EXPECT_EQ(report.matrices(), expected.matrices());
  }
  const absl::Status missing = whole.stage->Load(kNode, State());
  EXPECT_EQ(missing.code(), absl::StatusCode::kNotFound) << missing;
}

TEST(PhaseSums, OfLossesGoOn) {
  ExpectGoesOn("plugins/FusedLoss",
               "term { [losses/Dice] {} } term { [losses/Focal] {} } "
               "loss_weights: [1, 0.5]");
  ExpectGoesOn("plugins/FusedLoss",
               "term { [losses/Sum] { term { [losses/Focal] {} } term { [losses/Mse] {} } } } "
               "term { [losses/CategoricalCrossEntropy] {} } dynamic_loss_weighting: RANDOM");
}

TEST(PhaseSums, OfMetricsGoOn) {
  ExpectGoesOn("plugins/Metrics", "");
  ExpectGoesOn("plugins/Metrics", "foreground_class: 1 tolerance_px: [0, 1, 3]");
}

TEST(PhaseSums, OfAnotherFusionAreRefused) {
  const Built two = Made("plugins/FusedLoss", "term { [losses/Dice] {} } term { [losses/Mse] {} }");
  const Built one = Made("plugins/FusedLoss", "term { [losses/Dice] {} }");
  State state;
  two.stage->Save(kNode, &state);
  EXPECT_EQ(one.stage->Load(kNode, state).message(), "node.sums does not hold 10 numbers");
}

}  // namespace
