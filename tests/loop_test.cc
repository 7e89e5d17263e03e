// The loop on a real graph: what its passes leave untouched, and what it does with bad numbers.
#include "pipeline/training/loop.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/allclose.h>
#include <ATen/ops/equal.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/training/device.h"
#include "tests/testing.h"

namespace {

using pipeline::EpochEvent;
using pipeline::Graph;
using pipeline::PassEvent;
using testing_support::SmallConfig;
using testing_support::Workspace;

using State = std::map<std::string, at::Tensor>;

// Of the nodes' state those values whose key begins with `prefix`.
State Copied(const Graph& graph, const std::string& prefix) {
  State copies;
  for (const auto& [name, tensor] : graph.State()) {
    if (absl::StartsWith(name, prefix)) copies[name] = tensor.detach().clone();
  }
  return copies;
}

void ExpectEqual(const State& one, const State& other) {
  ASSERT_EQ(one.size(), other.size());
  for (const auto& [name, tensor] : one) EXPECT_TRUE(at::equal(tensor, other.at(name))) << name;
}

// A small config, built.
class LoopTest : public testing::Test {
 protected:
  void Make(const std::vector<std::string>& sets) {
    workspace_.Write("configs/small.pbtxt", SmallConfig());
    loaded_ = testing_support::Load("configs/small.pbtxt", sets);
    ASSERT_EQ(loaded_.errors, "");
    context_.threads = 1;
    pipeline::SeedGenerators(0);
    ASSERT_TRUE(loaded_.graph->Build(&context_).ok());
  }
  pipeline::Outcome Run(pipeline::Observer* observer) {
    return pipeline::Loop(loaded_.config.document, context_, loaded_.graph.get(), {observer}).Run();
  }
  Graph& graph() { return *loaded_.graph; }

  const Workspace workspace_;
  testing_support::Loaded loaded_;
  pipeline::BuildContext context_;
};

// The loss's own state at the end of each TRAIN pass and at the first step of the VAL pass after.
class LossState : public pipeline::Observer {
 public:
  explicit LossState(const Graph* graph) : graph_(*graph) {}
  absl::Status PassDone(const PassEvent& event) override {
    if (event.step.phase == pipeline::TRAIN) trained.push_back(Copied(graph_, "loss."));
    return absl::OkStatus();
  }
  absl::Status StepDone(const PassEvent& event, double) override {
    const bool first = event.step.phase == pipeline::VAL && event.step.index == 0;
    if (first) settled.push_back(Copied(graph_, "loss."));
    return absl::OkStatus();
  }
  std::vector<State> trained, settled;

 private:
  const Graph& graph_;
};

TEST_F(LoopTest, DynamicWeightsLearnNothingWhileBatchNormSettles) {
  for (const std::string kind : {"DWA", "GRADNORM"}) {
    SCOPED_TRACE(kind);
    Make({"classify.model.batch_norm=true", "loss.dynamic_loss_weighting=" + kind,
          "train.epochs=3"});
    LossState watched(&graph());
    ASSERT_TRUE(Run(&watched).status.ok());
    ASSERT_EQ(watched.trained.size(), 3);
    ASSERT_EQ(watched.settled.size(), 3);
    EXPECT_FALSE(watched.trained[0].empty());
    for (int epoch = 0; epoch < 3; ++epoch) {
      ExpectEqual(watched.trained[epoch], watched.settled[epoch]);
    }
  }
}

// Weights after each TRAIN step.
class WeightsByStep : public pipeline::Observer {
 public:
  explicit WeightsByStep(const Graph* graph) : graph_(*graph) {}
  absl::Status StepDone(const PassEvent& event, double) override {
    if (event.step.phase == pipeline::TRAIN) weights.push_back(Copied(graph_, ""));
    return absl::OkStatus();
  }
  std::vector<State> weights;

 private:
  const Graph& graph_;
};

TEST_F(LoopTest, ABadGradientIsNamedAndTouchesNoWeight) {
  for (const double bad :
       {std::numeric_limits<double>::quiet_NaN(), std::numeric_limits<double>::infinity()}) {
    for (const char* clip : {"0", "1"}) {
      Make({absl::StrCat("train.clip_norm=", clip)});
      int calls = 0;
      graph().Parameters()[2].register_hook([&calls, bad](const at::Tensor& gradient) {
        return ++calls == 2 ? gradient.mul(bad) : gradient;
      });
      WeightsByStep watched(&graph());
      const pipeline::Outcome outcome = Run(&watched);
      EXPECT_EQ(outcome.status.code(), absl::StatusCode::kInternal);
      const std::string message(outcome.status.message());
      EXPECT_TRUE(absl::StartsWith(message,
                                   "step 2 of epoch 1 (TRAIN), backward: the gradient of "
                                   "features.2.weight is "))
          << message;
      // Infinity times 0 is NaN somewhere.
      EXPECT_TRUE(absl::StrContains(message, "NaN although loss.total is 1.")) << message;
      EXPECT_TRUE(absl::StrContains(message, "; images of this batch: ")) << message;
      EXPECT_EQ(outcome.stopped, message);
      EXPECT_EQ(outcome.counters.steps, 1);
      ASSERT_EQ(watched.weights.size(), 1);
      ExpectEqual(watched.weights[0], Copied(graph(), ""));
    }
  }
}

TEST_F(LoopTest, AnObserversErrorEndsTheRun) {
  class Full : public pipeline::Observer {
    absl::Status EpochDone(const EpochEvent&) override {
      return absl::UnknownError("cannot write x: no space");
    }
  } full;
  Make({});
  const pipeline::Outcome outcome = Run(&full);
  EXPECT_EQ(outcome.status.message(), "cannot write x: no space");
  EXPECT_EQ(outcome.counters.epochs, 1);
  EXPECT_FALSE(outcome.test.has_value());
}

TEST_F(LoopTest, AnObserversExceptionEndsTheRun) {
  class Throws : public pipeline::Observer {
    absl::Status StepDone(const PassEvent&, double) override { throw std::bad_alloc(); }
  } throws;
  Make({});
  EXPECT_EQ(Run(&throws).status.message(), "not enough memory");
}

// Cuts the run at its `at`th pause, and keeps the state that it then has.
class CutAt : public pipeline::Observer {
 public:
  explicit CutAt(int at) : at_(at) {}
  absl::Status Paused(const pipeline::PauseEvent& event) override {
    if (++pauses != at_) return absl::OkStatus();
    pipeline::State now;
    const absl::Status saved = event.save(&now);
    state = now.Copy();
    return saved.ok() ? absl::CancelledError("enough") : saved;
  }
  int pauses = 0;
  pipeline::State state;

 private:
  const int at_;
};

class CutRun : public LoopTest {
 protected:
  void ExpectGoesOn(const std::vector<std::string>& sets) {
    Make(sets);
    CutAt never(-1);
    const pipeline::Outcome whole = Run(&never);
    ASSERT_TRUE(whole.status.ok()) << whole.status;
    const State expected = Copied(graph(), "");
    ASSERT_GT(never.pauses, 10);
    // The pause before the first step, then all of the first two epochs, then every third.
    for (int cut = 1; cut <= never.pauses; cut += cut < 11 ? 1 : 3) {
      SCOPED_TRACE(absl::StrCat("cut at pause ", cut));
      Make(sets);
      CutAt first(cut);
      EXPECT_TRUE(absl::IsCancelled(Run(&first).status));
      Make(sets);
      pipeline::Loop second(loaded_.config.document, context_, loaded_.graph.get(), {});
      const absl::Status loaded = second.Load(first.state);
      ASSERT_TRUE(loaded.ok()) << loaded;
      const pipeline::Outcome rest = second.Run();
      EXPECT_TRUE(rest.status.ok()) << rest.status;
      EXPECT_EQ(rest.best_epoch, whole.best_epoch);
      EXPECT_EQ(rest.stopped, whole.stopped);
      EXPECT_EQ(rest.counters.steps, whole.counters.steps);
      EXPECT_EQ(rest.counters.train_images, whole.counters.train_images);
      EXPECT_EQ(rest.test->values(), whole.test->values());
      ExpectEqual(expected, Copied(graph(), ""));
    }
  }
};

TEST_F(CutRun, GoesOnWithAdam) {
  ExpectGoesOn({"train.epochs=6", "train.patience=3", "train.schedule=PLATEAU",
                "loss.dynamic_loss_weighting=DWA", "classify.model.batch_norm=true"});
}

TEST_F(CutRun, GoesOnWithAdamWAndAnAverage) {
  ExpectGoesOn({"train.epochs=4", "train.optimizer=ADAMW", "train.schedule=COSINE",
                "train.ema_decay=0.9", "loss.dynamic_loss_weighting=GRADNORM",
                "classify.model.batch_norm=true", "classify.model.dropout=0.5"});
}

TEST_F(CutRun, GoesOnWithSgdAndBalancedSampling) {
  ExpectGoesOn({"train.epochs=4", "train.optimizer=SGD", "train.schedule=STEP",
                "train.warmup_epochs=1.5", "loss.dynamic_loss_weighting=UNCERTAINTY",
                "load.sampling=BALANCED",
                "classify.activation=[activations/MittagLeffler] { learnable: true }"});
}

TEST_F(CutRun, GoesOnWithoutValidation) {
  ExpectGoesOn({"train.epochs=4", "load.validation_fraction=0", "train.ema_decay=0.9",
                "loss.dynamic_loss_weighting=RANDOM"});
}

TEST_F(CutRun, GoesOnBetweenGroupsOfBatches) {
  ExpectGoesOn(
      {"train.epochs=6", "load.batch_size=4", "train.accumulate=3", "train.ema_decay=0.9"});
}

TEST_F(LoopTest, BatchesOfAGroupStepAsOneBatchOfTheirSize) {
  const std::vector<std::string> plain = {"train.optimizer=SGD", "train.learning_rate=0.05",
                                          "train.epochs=3"};
  const auto train = [&](std::vector<std::string> sets) {
    sets.insert(sets.end(), plain.begin(), plain.end());
    Make(sets);
    WeightsByStep watched(&graph());
    EXPECT_TRUE(Run(&watched).status.ok());
    return watched.weights;
  };
  // Twenty images: 6 x 3 and 2, against 3 x 6 and 2; 11 and 9, against 20.
  for (const int batch : {3, 11}) {
    SCOPED_TRACE(batch);
    const std::vector<State> large = train({absl::StrCat("load.batch_size=", 2 * batch)});
    const std::vector<State> small =
        train({absl::StrCat("load.batch_size=", batch), "train.accumulate=2"});
    ASSERT_GT(small.size(), large.size());
    for (const auto& [name, tensor] : large.back()) {
      // Sums of float32 in another order.
      EXPECT_TRUE(at::allclose(tensor, small.back().at(name), 1e-4, 1e-6)) << name;
    }
    EXPECT_FALSE(at::equal(small[0].begin()->second, small[1].begin()->second));
    // Nothing moves before a group is whole.
    if (batch == 3) ExpectEqual(small[1], small[2]);
  }
}

TEST_F(LoopTest, ABadGradientOfAGroupIsThatOfItsBatch) {
  Make({"load.batch_size=4", "train.accumulate=3", "train.on_bad_number=SKIP", "train.epochs=1"});
  int calls = 0;
  graph().Parameters()[2].register_hook([&calls](const at::Tensor& gradient) {
    return ++calls == 5 ? gradient.mul(std::numeric_limits<double>::quiet_NaN()) : gradient;
  });
  const State begin = Copied(graph(), "");
  class Notes : public pipeline::Observer {
   public:
    void Noted(const std::string& line) override { lines.push_back(line); }
    std::vector<std::string> lines;
  } notes;
  const pipeline::Outcome outcome = Run(&notes);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_EQ(outcome.counters.skipped_steps, 1);
  ASSERT_FALSE(notes.lines.empty());
  EXPECT_TRUE(absl::StartsWith(
      notes.lines[0], "skipped: step 5 of epoch 1 (TRAIN), backward: the gradient of features.2."))
      << notes.lines[0];
  for (const auto& [name, tensor] : Copied(graph(), "")) {
    EXPECT_TRUE(tensor.isfinite().all().item<bool>()) << name;
  }
  EXPECT_FALSE(at::equal(begin.begin()->second, Copied(graph(), "").begin()->second));
}

TEST_F(LoopTest, TheAverageFollowsItsFormula) {
  Make({"train.epochs=1", "train.ema_decay=0.6", "load.validation_fraction=0"});
  // What training makes, by step, and what the average then must be.
  class Followed : public pipeline::Observer {
   public:
    explicit Followed(const Graph* graph) : graph_(*graph), weight_(Now()) {}
    absl::Status StepDone(const PassEvent& event, double) override {
      if (event.step.phase != pipeline::TRAIN) return absl::OkStatus();
      const auto steps = static_cast<double>(event.counters.steps);
      const double decay = std::min(0.6, (1 + steps) / (10 + steps));
      weight_ = weight_ * decay + Now() * (1 - decay);
      return absl::OkStatus();
    }
    at::Tensor average() const { return weight_; }
    at::Tensor Now() const { return graph_.State()[0].second.detach().to(at::kDouble); }

   private:
    const Graph& graph_;
    at::Tensor weight_;
  } followed(&graph());
  const pipeline::Outcome outcome = Run(&followed);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  // The run ends with the average in the graph; float32 against float64.
  const at::Tensor off = (followed.Now() - followed.average()).abs().max();
  EXPECT_LT(off.item<double>(), 1e-7);
}

TEST_F(LoopTest, RefusesAStateThatIsNotItsOwn) {
  Make({});
  pipeline::Loop loop(loaded_.config.document, context_, loaded_.graph.get(), {});
  EXPECT_EQ(loop.Load({}).message(), "no loop.counters");
  pipeline::State state;
  EXPECT_TRUE(loop.Save(&state).ok());
  EXPECT_TRUE(loop.Load(state).ok());
  state.Put("optimizer.steps", std::vector<double>{1});
  EXPECT_TRUE(absl::StartsWith(loop.Load(state).message(), "optimizer.steps does not hold "));
  EXPECT_TRUE(loop.Save(&state).ok());
  state.Put("monitor.epochs", std::vector<double>{-1, 7});
  EXPECT_EQ(loop.Load(state).message(), "monitor.epochs names an epoch that was not");
}

TEST_F(LoopTest, RunsUntilANodeAndNoFurther) {
  Make({});
  pipeline::Step step;
  step.steps = graph().source().StepsIn(pipeline::TRAIN);
  ASSERT_TRUE(graph().source().Begin(step).ok());
  step.samples = graph().source().Samples(0);
  ASSERT_TRUE(graph().RunUntil(step, {"classify"}).ok());
  for (const Graph::NodeEntry& node : graph().nodes()) {
    EXPECT_EQ(node.outputs.empty(), node.name == "loss" || node.name == "metrics") << node.name;
  }
}

}  // namespace
