// Checkpoints are written beside a loop that goes on.
#include "pipeline/runs/checkpoints.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/full.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <fstream>

#include "absl/strings/str_cat.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

// A run of nothing but pauses.
class Pauses : public testing::Test {
 protected:
  Pauses() : path_(absl::StrCat(std::getenv("TEST_TMPDIR"), "/checkpoints")) {
    fs::remove_all(path_);
    train_.set_keep_checkpoints(100);
  }

  absl::Status Pause(Checkpoints* checkpoints, int64_t epoch) const {
    Counters counters;
    counters.epochs = epoch;
    const std::function<absl::Status(State*)> save = [this](State* state) {
      state->Put("graph/w", weights_);
      return absl::OkStatus();
    };
    return checkpoints->Paused({counters, 0, /*epoch_done=*/true, false, false, save});
  }
  static absl::Status End(Checkpoints* checkpoints) {
    return checkpoints->Trained({Counters(), -1, "", false});
  }

  const std::string path_;
  Train train_;
  // Large enough to be written for a while.
  at::Tensor weights_ = at::full({1 << 20}, 0.0, at::kFloat);
};

TEST_F(Pauses, EachFileHasTheWeightsOfItsPause) {
  constexpr int kEpochs = 8;
  {
    Checkpoints checkpoints(path_, train_, {});
    for (int epoch = 0; epoch < kEpochs; ++epoch) {
      ASSERT_TRUE(Pause(&checkpoints, epoch).ok());
      for (int step = 0; step < 10; ++step) weights_.add_(0.1);
    }
    ASSERT_TRUE(End(&checkpoints).ok());
  }
  const CheckpointFolder folder(path_);
  at::Tensor expected = at::full({1}, 0.0, at::kFloat);
  for (int epoch = 0; epoch < kEpochs; ++epoch) {
    const auto state = folder.Read(CheckpointFolder::NameAt(epoch, 0));
    ASSERT_TRUE(state.ok()) << state.status();
    const at::Tensor& kept = state->tensors().at("graph/w");
    EXPECT_TRUE((kept == expected).all().item<bool>()) << epoch;
    for (int step = 0; step < 10; ++step) expected.add_(0.1);
  }
}

TEST_F(Pauses, AnErrorOfTheWriterEndsTheRun) {
  std::ofstream(path_) << "a file where the folder should be";
  Checkpoints checkpoints(path_, train_, {});
  EXPECT_TRUE(Pause(&checkpoints, 0).ok());
  const absl::Status next = Pause(&checkpoints, 1);
  EXPECT_EQ(next.message(), absl::StrCat("cannot make ", path_, ": Not a directory"));
  EXPECT_TRUE(End(&checkpoints).ok()) << "it is told once";
}

TEST_F(Pauses, WithoutAnyNothingIsWritten) {
  train_.set_keep_checkpoints(0);
  Checkpoints checkpoints(path_, train_, {});
  EXPECT_TRUE(Pause(&checkpoints, 0).ok());
  EXPECT_TRUE(End(&checkpoints).ok());
  EXPECT_FALSE(fs::exists(path_));
}

}  // namespace
}  // namespace pipeline
