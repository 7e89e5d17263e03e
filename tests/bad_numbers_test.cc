// Losses and gradients that are not finite: what is said of them, and what train.on_bad_number
// makes of the run.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/equal.h>
#include <ATen/ops/ones.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "losses/loss.h"
#include "pipeline/runs/checkpoints.h"
#include "pipeline/stage.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "tests/poison.pb.h"
#include "tests/testing.h"
#include "tests/zero.pb.h"

namespace plugins {

class Poison : public pipeline::Stage {
 public:
  explicit Poison(const PoisonOptions& options) : options_(options) {}
  pipeline::Ports ports() const override { return {{"images"}, {"images"}}; }
  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext*) override {
    return in;
  }
  absl::Status Run(const pipeline::Step& step, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    std::vector<int64_t> rows(in.at("images").dim(), 1);
    rows[0] = in.at("images").size(0);
    at::Tensor factor = at::ones(rows);
    bool bad = false;
    for (size_t i = 0; i < step.samples.size(); ++i) {
      const auto& samples = options_.sample();
      if (std::find(samples.begin(), samples.end(), step.samples[i]) == samples.end()) continue;
      factor[static_cast<int64_t>(i)] = std::numeric_limits<double>::quiet_NaN();
      bad = true;
    }
    at::Tensor images = in.at("images");
    bad = bad && step.phase == pipeline::TRAIN && step.epoch >= options_.epoch();
    // The search for bad samples repeats a step, with each sample twice.
    const bool again = step.samples.size() == 2 && step.samples[0] == step.samples[1];
    if (bad && (again || times_ < options_.times())) {
      if (!again) ++times_;
      if (options_.gradient()) {
        images = images * 1.0;
        images.register_hook([factor](const at::Tensor& gradient) { return gradient * factor; });
      } else {
        images = images * factor;
      }
    }
    (*out)["images"] = images;
    return absl::OkStatus();
  }

 private:
  const PoisonOptions options_;
  int64_t times_ = 0;
};
REGISTER_PLUGIN(pipeline::Stages, Poison);

}  // namespace plugins

namespace losses {

class Zero : public Loss {
 public:
  explicit Zero(const ZeroOptions&) {}
  LossValue operator()(const LossInput& input) override {
    return PerSample(input, input.logits().sum(1) * 0);
  }
};
REGISTER_PLUGIN(Losses, Zero);

}  // namespace losses

namespace {

using pipeline::PassEvent;
using testing_support::Loaded;
using testing_support::SmallConfig;
using testing_support::Workspace;

// What an observer sees.
class Watch : public pipeline::Observer {
 public:
  absl::Status StepDone(const PassEvent& event, double loss) override {
    if (event.step.phase == pipeline::TRAIN) rates.push_back(event.learning_rate);
    return absl::OkStatus();
  }
  absl::Status EpochDone(const pipeline::EpochEvent& event) override {
    train_losses.push_back(event.train.Find("loss.total"));
    for (const std::string& remark : event.train.remarks()) remarks.push_back(remark);
    return absl::OkStatus();
  }
  void Noted(const std::string& line) override { notes.push_back(line); }

  std::vector<double> rates, train_losses;
  std::vector<std::string> notes, remarks;
};

class BadNumbers : public testing::Test {
 protected:
  // The small config with a poisoned stage before `node`, "classify" or "loss"; three batches of 8,
  // 8 and 4 images.
  void Make(const std::string& poison, const std::vector<std::string>& sets,
            const std::string& node = "classify") {
    const bool images = node == "classify";
    const std::string from = images ? "normalize" : "classify", port = images ? "" : "logits: ";
    const std::string begin = absl::StrCat("node {\n  name: \"", node, "\"\n  input: \"", port);
    workspace_.Write(
        "configs/small.pbtxt",
        absl::StrReplaceAll(SmallConfig(), {{absl::StrCat(begin, from),
                                             absl::StrCat("node { name: \"poison\" input: \"", from,
                                                          "\" plugin { [plugins/Poison] { ", poison,
                                                          " } } }\n", begin, "poison")}}));
    loaded_ = testing_support::Load("configs/small.pbtxt", sets);
    ASSERT_EQ(loaded_.errors, "");
    context_.threads = 1;
    pipeline::SeedGenerators(0);
    const absl::Status built = loaded_.graph->Build(&context_);
    ASSERT_TRUE(built.ok()) << built;
    weights_ = Weights();
  }
  pipeline::Outcome Run(const std::vector<pipeline::Observer*>& more = {}) {
    watch_ = Watch();
    std::vector<pipeline::Observer*> observers = {&watch_};
    observers.insert(observers.end(), more.begin(), more.end());
    return pipeline::Loop(loaded_.config.document, context_, loaded_.graph.get(), observers).Run();
  }
  std::vector<at::Tensor> Weights() const {
    std::vector<at::Tensor> weights;
    for (const auto& [name, tensor] : loaded_.graph->State()) {
      weights.push_back(tensor.detach().clone());
    }
    return weights;
  }
  void ExpectFinite() const {
    for (const auto& [name, tensor] : loaded_.graph->State()) {
      EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
    }
  }
  std::string NameOf(int64_t sample) const {
    return loaded_.graph->source().SampleName(pipeline::TRAIN, sample);
  }

  const Workspace workspace_;
  Loaded loaded_;
  pipeline::BuildContext context_;
  Watch watch_;
  std::vector<at::Tensor> weights_;  // as they were made
};

TEST_F(BadNumbers, StopAndNameStepTermNodeAndSamples) {
  Make("sample: 3 sample: 11", {"classify.model.batch_norm=true", "load.batch_size=64"});
  const pipeline::Outcome outcome = Run();
  const std::string names = absl::StrCat(NameOf(3), ", ", NameOf(11));
  const std::string reversed = absl::StrCat(NameOf(11), ", ", NameOf(3));
  const auto message = [](const std::string& images) {
    return absl::StrCat(
        "step 1 of epoch 1 (TRAIN), node \"loss\" [plugins/FusedLoss] "
        "(configs/small.pbtxt:25:1): loss.total is NaN; smooth_l1 is NaN, "
        "categorical_cross_entropy is NaN; first in node \"poison\" [plugins/Poison] "
        "(configs/small.pbtxt:18:1); a lower learning_rate or train.clip_norm may help; images "
        "that "
        "are bad by themselves: ",
        images);
  };
  EXPECT_THAT(std::string(outcome.status.message()),
              testing::AnyOf(message(names), message(reversed)));
  ExpectFinite();
  for (size_t i = 0; i < weights_.size(); ++i) EXPECT_TRUE(at::equal(weights_[i], Weights()[i]));
}

TEST_F(BadNumbers, NameTheSamplesOfABadGradient) {
  Make("sample: 5 gradient: true", {"load.batch_size=64", "classify.model.batch_norm=true"},
       "loss");
  const std::string message(Run().status.message());
  EXPECT_THAT(message, testing::StartsWith("step 1 of epoch 1 (TRAIN), backward: the gradient of "
                                           "features.0.weight is NaN although loss.total is 1."));
  EXPECT_THAT(message, testing::EndsWith("; images that are bad by themselves: " + NameOf(5)));
  for (size_t i = 0; i < weights_.size(); ++i) EXPECT_TRUE(at::equal(weights_[i], Weights()[i]));
}

TEST_F(BadNumbers, SkippedStepsLeaveNoTrace) {
  Make("sample: 3", {"train.on_bad_number=SKIP", "train.epochs=3", "classify.model.batch_norm=true",
                     "loss.dynamic_loss_weighting=DWA"});
  const pipeline::Outcome outcome = Run();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counters.skipped_steps, 3);
  EXPECT_EQ(outcome.counters.steps, 6);
  ExpectFinite();
  for (const double loss : watch_.train_losses) EXPECT_TRUE(std::isfinite(loss));
  ASSERT_EQ(watch_.notes.size(), 3);
  EXPECT_THAT(watch_.notes[0], testing::StartsWith("skipped: step "));
  EXPECT_THAT(watch_.notes[0], testing::EndsWith("bad by themselves: " + NameOf(3)));
}

TEST_F(BadNumbers, ASkippedFirstStepLeavesNoTraceEither) {
  Make("sample: 3", {"train.on_bad_number=SKIP", "train.epochs=2", "load.batch_size=64"});
  const pipeline::Outcome outcome = Run();
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counters.skipped_steps, 2);
  EXPECT_EQ(outcome.counters.steps, 0);
  EXPECT_THAT(watch_.train_losses, testing::ElementsAre(0, 0));
  for (size_t i = 0; i < weights_.size(); ++i) EXPECT_TRUE(at::equal(weights_[i], Weights()[i]));
}

TEST_F(BadNumbers, TenSkippedStepsInARowEndTheRun) {
  std::string all;
  for (int i = 0; i < 20; ++i) absl::StrAppend(&all, "sample: ", i, " ");
  Make(all, {"train.on_bad_number=SKIP", "train.epochs=30"});
  const pipeline::Outcome outcome = Run();
  EXPECT_THAT(std::string(outcome.status.message()),
              testing::StartsWith("step 1 of epoch 4 (TRAIN), "));
  EXPECT_EQ(outcome.counters.skipped_steps, 9);
  EXPECT_EQ(outcome.counters.steps, 0);
  for (size_t i = 0; i < weights_.size(); ++i) EXPECT_TRUE(at::equal(weights_[i], Weights()[i]));
}

TEST_F(BadNumbers, RollsBackToTheLastCheckpointWithHalfTheRate) {
  Make("sample: 3 epoch: 1 times: 1", {"train.on_bad_number=ROLLBACK", "train.epochs=3"});
  pipeline::Checkpoints checkpoints("checkpoints", loaded_.config.document.config.train(), {});
  const pipeline::Outcome outcome = Run({&checkpoints});
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counters.rollbacks, 1);
  EXPECT_EQ(outcome.counters.steps, 9);
  ASSERT_EQ(watch_.notes.size(), 1);
  EXPECT_THAT(watch_.notes[0], testing::StartsWith("rolled back: step "));
  EXPECT_THAT(watch_.notes[0], testing::HasSubstr("; goes on from step 3 instead of "));
  EXPECT_THAT(watch_.notes[0], testing::EndsWith(" with 0.5 times the learning rate"));
  EXPECT_DOUBLE_EQ(watch_.rates.front(), 1e-3);
  EXPECT_DOUBLE_EQ(watch_.rates.back(), 5e-4);
  ExpectFinite();
}

TEST_F(BadNumbers, RollsBackThreeTimesAtMost) {
  Make("sample: 3", {"train.on_bad_number=ROLLBACK"});
  pipeline::Checkpoints checkpoints("checkpoints", loaded_.config.document.config.train(), {});
  const pipeline::Outcome outcome = Run({&checkpoints});
  EXPECT_THAT(std::string(outcome.status.message()), testing::HasSubstr("loss.total is NaN"));
  EXPECT_EQ(outcome.counters.rollbacks, 3);
  EXPECT_EQ(watch_.notes.size(), 3);
  ExpectFinite();
}

TEST_F(BadNumbers, NoCheckpointHoldsThem) {
  pipeline::CheckpointFolder folder("checkpoints");
  for (const char* name : {"graph/x", "optimizer.first.0", "average.0"}) {
    pipeline::State state;
    state.Put(name, at::ones({3}) / 0);
    EXPECT_EQ(folder.Write("a.safetensors", state).message(),
              absl::StrCat("no checkpoint is written, for ", name, " is not finite"));
  }
  EXPECT_FALSE(workspace_.Has("checkpoints"));
}

TEST_F(BadNumbers, ADeadTermIsTold) {
  Make("",
       {"loss.term=[{[losses/Zero] {}}, {[losses/CategoricalCrossEntropy] {}}]", "train.epochs=1"});
  ASSERT_TRUE(Run().status.ok());
  EXPECT_THAT(watch_.remarks,
              testing::ElementsAre("the term zero was exactly 0 over the whole epoch, and its "
                                   "gradient too: nothing is learned from it"));
}

}  // namespace
