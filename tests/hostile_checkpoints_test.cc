// Checkpoints whose checksums fit and whose values are nonsense: a run goes on, or says in a line
// why not; it never crashes, hangs, or learns from what is not finite. Each is a run of the
// program: a fifth of them in every test run, all with EVERY_VALUE=1 in the environment.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/isfinite.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cmath>
#include <csignal>
#include <cstdio>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <functional>
#include <limits>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/runs/checkpoints.h"
#include "pipeline/runs/safetensors.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using pipeline::CheckpointFolder;
using pipeline::State;
using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

struct Change {
  const char* name;
  std::function<at::Tensor(const at::Tensor&)> of;
};

at::Tensor Filled(const at::Tensor& tensor, double value) {
  if (tensor.scalar_type() == at::kFloat && std::isfinite(value)) {
    value = std::min(value, double{std::numeric_limits<float>::max()});
  }
  if (tensor.is_floating_point()) return at::full_like(tensor, value);
  const bool fits = value >= -128 && value <= 127;
  return at::full_like(tensor, fits ? static_cast<int64_t>(value) : int64_t{0x7F});
}

const Change kChanges[] = {
    {"NaN", [](const at::Tensor& t) { return Filled(t, NAN); }},
    {"infinite", [](const at::Tensor& t) { return Filled(t, INFINITY); }},
    {"-1", [](const at::Tensor& t) { return Filled(t, -1); }},
    {"0.5", [](const at::Tensor& t) { return Filled(t, 0.5); }},
    {"1e300", [](const at::Tensor& t) { return Filled(t, 1e300); }},
    {"longer",
     [](const at::Tensor& t) {
       return at::concat({t.flatten(), t.flatten()});
     }},
    {"empty", [](const at::Tensor& t) { return t.flatten().slice(0, 0, 0); }},
    {"another type", [](const at::Tensor& t) { return t.to(at::kInt); }},
    {"another shape", [](const at::Tensor& t) { return t.flatten().unsqueeze(0); }},
};

// "optimizer.first." of "optimizer.first.12": tensors that are read alike.
std::string KindOf(std::string name) {
  name.erase(std::remove_if(name.begin(), name.end(), absl::ascii_isdigit), name.end());
  return name;
}

// A run "out" with checkpoints after each step of TRAIN and VAL.
class HostileCheckpoint : public testing::Test {
 protected:
  HostileCheckpoint() {
    workspace_.Write(
        "configs/small.pbtxt",
        absl::StrReplaceAll(
            SmallConfig(),
            {{"[models/Vgg16] { head: GAP width: 0.07 }",
              "[models/Cnn] { channels: [4] hidden: 4 dropout: 0 batch_norm: true }"},
             {"epochs: 2",
              "epochs: 2 keep_checkpoints: 100 checkpoint_minutes: 1e-9 ema_decay: "
              "0.9 schedule: PLATEAU"},
             {"[plugins/FusedLoss] {", "[plugins/FusedLoss] { dynamic_loss_weighting: GRADNORM"}}));
    const Ran ran = RunPipeline({"small", "--out=out"});
    EXPECT_EQ(ran.code, 0) << ran.err;
  }

  // Of all checkpoints the one of the second epoch that has the most tensors: within VAL.
  static std::string Richest() {
    const CheckpointFolder folder("out/checkpoints");
    std::string richest;
    size_t most = 0;
    for (const std::string& name : folder.Names()) {
      const auto state = folder.Read(name);
      EXPECT_TRUE(state.ok()) << state.status();
      if (!absl::StartsWith(name, "epoch-0001") || state->tensors().size() <= most) continue;
      most = state->tensors().size();
      richest = name;
    }
    return richest;
  }

  // Goes on from a checkpoint that is the only one.
  static Ran GoOn(const std::string& name, const State& state) {
    fs::remove_all("again");
    fs::copy("out", "again", fs::copy_options::recursive);
    fs::remove_all("again/checkpoints");
    fs::create_directory("again/checkpoints");
    pipeline::NamedTensors tensors;
    for (const auto& [key, tensor] : state.tensors())
      tensors.emplace_back(key, tensor.contiguous());
    EXPECT_TRUE(pipeline::WriteSafetensors("again/checkpoints/" + name, tensors,
                                           {{"format", "lossfusion.checkpoint"}, {"version", "1"}})
                    .ok());
    Pipeline program({"train", "--resume=again", "--quiet"});
    const auto until = std::chrono::steady_clock::now() + std::chrono::minutes(2);
    while (program.Runs() && std::chrono::steady_clock::now() < until) usleep(2000);
    program.Signal(SIGKILL);  // one that hangs
    return program.Wait();
  }

  // What came of it is no number that is none.
  static void ExpectSound() {
    const auto weights = pipeline::ReadSafetensors("again/weights.safetensors");
    ASSERT_TRUE(weights.ok()) << weights.status();
    for (const auto& [name, tensor] : *weights) {
      EXPECT_TRUE(at::isfinite(tensor).all().item<bool>()) << name;
    }
    EXPECT_FALSE(nlohmann::json::parse(workspace_text("again/summary.json")).is_null());
  }
  static std::string workspace_text(const std::string& path) {
    std::ifstream stream(path);
    return {std::istreambuf_iterator<char>(stream), {}};
  }

  static void ExpectAnswer(const std::string& what, const Ran& ran) {
    SCOPED_TRACE(what + "\n" + ran.err);
    if (ran.code == 0) return ExpectSound();
    EXPECT_TRUE(ran.code == 1 || ran.code == 2) << ran.code;
    // Why the file is not taken, and that there is no other; or what failed, and how to go on.
    const auto lines = std::count(ran.err.begin(), ran.err.end(), '\n');
    EXPECT_TRUE(lines == 1 || lines == 2);
  }

  // Whether it is one's turn.
  bool Chosen() { return std::getenv("EVERY_VALUE") != nullptr || ++asked_ % 5 == 1; }

  const Workspace workspace_;

 private:
  int asked_ = 0;
};

TEST_F(HostileCheckpoint, GoesOnOrSaysWhyNot) {
  const std::string name = Richest();
  const State sound = *CheckpointFolder("out/checkpoints").Read(name);
  ASSERT_EQ(GoOn(name, sound).code, 0);
  ExpectSound();
  std::map<std::string, std::string> kinds;
  for (const auto& [key, tensor] : sound.tensors()) kinds.emplace(KindOf(key), key);
  ASSERT_GT(kinds.size(), 20);
  int refused = 0, all = 0;
  for (const auto& [kind, key] : kinds) {
    State without;
    for (const auto& [other, tensor] : sound.tensors()) {
      if (other != key) without.Put(other, tensor);
    }
    if (Chosen()) ExpectAnswer(key + " gone", GoOn(name, without));
    for (const Change& change : kChanges) {
      if (!Chosen()) continue;
      State changed = sound.Copy();
      changed.Put(key, change.of(sound.tensors().at(key)));
      const Ran ran = GoOn(name, changed);
      ExpectAnswer(absl::StrCat(key, " ", change.name), ran);
      ++all;
      refused += ran.code != 0 ? 1 : 0;
      if (std::getenv("PRINT") != nullptr) {
        std::printf("%s %s: %d %s\n", key.c_str(), change.name, ran.code,
                    ran.err.substr(0, 200).c_str());
      }
    }
  }
  std::printf("%d of %d were refused\n", refused, all);
}

// Each number of the counters by itself.
TEST_F(HostileCheckpoint, CountersAreCounts) {
  const std::string name = Richest();
  const State sound = *CheckpointFolder("out/checkpoints").Read(name);
  for (const char* key :
       {"loop.counters", "loop.place", "monitor.epochs", "optimizer.steps", "stages/loss.sums"}) {
    const at::Tensor numbers = sound.tensors().at(key);
    for (int64_t i = 0; i < std::min<int64_t>(numbers.numel(), 9); ++i) {
      for (const double value : {static_cast<double>(NAN), -1.0, 0.5, 1e18, 1e300}) {
        if (!Chosen()) continue;
        State changed = sound.Copy();
        changed.tensors().at(key)[i] = value;
        const Ran ran = GoOn(name, changed);
        ExpectAnswer(absl::StrCat(key, "[", i, "] ", value), ran);
        if (std::getenv("PRINT") != nullptr) {
          std::printf("%s[%d] %g: %d %s\n", key, static_cast<int>(i), value, ran.code,
                      ran.err.substr(0, 200).c_str());
        }
      }
    }
  }
}

}  // namespace
