// What a stage throws becomes an error that names its node, wherever it is thrown.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <stdexcept>

#include "absl/strings/str_cat.h"
#include "pipeline/stage.h"
#include "pipeline/training/loop.h"
#include "tests/testing.h"
#include "tests/throwing.pb.h"

namespace plugins {

class Throwing : public pipeline::Stage {
 public:
  explicit Throwing(const ThrowingOptions& options) : at_(options.at()) { At("CREATE"); }
  pipeline::Ports ports() const override { return {{"logits"}, {}}; }
  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs&, pipeline::BuildContext*) override {
    At("BUILD");
    return pipeline::Specs();
  }
  absl::Status Run(const pipeline::Step&, const pipeline::Tensors&, pipeline::Tensors*) override {
    At("RUN");
    return absl::OkStatus();
  }
  void EndPhase(const pipeline::Step&, const std::string&, pipeline::Report*) override {
    At("END_PHASE");
  }

 private:
  void At(const std::string& place) const {
    if (place == at_) throw std::runtime_error("thrown at " + place + "\nbacktrace");
    if (place == "RUN" && at_ == "MEMORY") {
      throw c10::OutOfMemoryError({"malloc", "a.cc", 1}, "CUDA out of memory. Tried 2 GiB.\nmore");
    }
  }

  const std::string at_;
};
REGISTER_PLUGIN(pipeline::Stages, Throwing);

}  // namespace plugins

namespace {

using testing_support::Loaded;
using testing_support::Workspace;

class ThrowingStage : public ::testing::Test {
 protected:
  Loaded Load(const std::string& at) {
    // The first node, so that others follow it.
    workspace_.Write("c.pbtxt", absl::StrCat("node { name: \"bad\" input: \"classify\"\n  plugin { "
                                             "[plugins/Throwing] { at: \"",
                                             at, "\" } } }\n", testing_support::SmallConfig()));
    return testing_support::Load("c.pbtxt");
  }

  const Workspace workspace_;
  pipeline::BuildContext context_;
};

TEST_F(ThrowingStage, WhenItIsMade) {
  EXPECT_EQ(Load("CREATE").errors, "c.pbtxt:1:1: thrown at CREATE");
}

TEST_F(ThrowingStage, WhenItIsBuilt) {
  const Loaded loaded = Load("BUILD");
  ASSERT_EQ(loaded.errors, "");
  EXPECT_EQ(loaded.graph->Build(&context_).message(),
            "node \"bad\" [plugins/Throwing] (c.pbtxt:1:1): thrown at BUILD");
}

TEST_F(ThrowingStage, WhenMemoryRunsOut) {
  const Loaded loaded = Load("MEMORY");
  ASSERT_EQ(loaded.errors, "");
  ASSERT_TRUE(loaded.graph->Build(&context_).ok());
  pipeline::Loop loop(loaded.config.document, context_, loaded.graph.get(), {});
  const absl::Status status = loop.Run().status;
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_EQ(status.message(),
            "step 1 of epoch 1 (TRAIN), node \"bad\" [plugins/Throwing] (c.pbtxt:1:1): CUDA out of "
            "memory. Tried 2 GiB.; the memory does not hold a batch of 8: batch_size 4 may fit");
}

TEST_F(ThrowingStage, WhenAPhaseEnds) {
  const Loaded loaded = Load("END_PHASE");
  ASSERT_EQ(loaded.errors, "");
  ASSERT_TRUE(loaded.graph->Build(&context_).ok());
  pipeline::Report report;
  EXPECT_EQ(loaded.graph->EndPhase(pipeline::Step{pipeline::VAL, 2}, &report).message(),
            "end of VAL of epoch 3, node \"bad\" [plugins/Throwing] (c.pbtxt:1:1): thrown at "
            "END_PHASE");
  // The others ended theirs.
  bool counted = false;
  for (const auto& value : report.values()) counted |= value.column == "metrics.accuracy";
  EXPECT_TRUE(counted);
}

}  // namespace
