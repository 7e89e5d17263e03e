// Checkpoint files that are damaged, folders of runs that many make at once, and what a long
// training takes of the machine.
#include "pipeline/runs/checkpoints.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/randn.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <random>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "pipeline/runs/curves.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/run_lock.h"
#include "pipeline/runs/weights.h"
#include "pipeline/training/loop.h"
#include "tests/limits.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using pipeline::CheckpointFolder;
using pipeline::State;
using testing_support::Loaded;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr char kName[] = "epoch-0001-step-0000002.safetensors";

class DamagedCheckpoint : public testing::Test {
 protected:
  DamagedCheckpoint() : folder_("c") {
    State state;
    for (int i = 0; i < 20; ++i) state.Put(absl::StrCat("graph/", i), at::randn({40, 13}));
    state.PutText("run.config", "train { epochs: 2 }");
    EXPECT_TRUE(folder_.Write(kName, state).ok());
    bytes_ = workspace_.Read(absl::StrCat("c/", kName));
  }
  bool Reads(const std::string& bytes) const {
    workspace_.Write(absl::StrCat("c/", kName), bytes);
    return folder_.Read(kName).ok();
  }

  const Workspace workspace_;
  const CheckpointFolder folder_;
  std::string bytes_;
};

TEST_F(DamagedCheckpoint, IsRefusedWhereverItEnds) {
  ASSERT_TRUE(Reads(bytes_));
  ASSERT_GT(bytes_.size(), 10 * 4096);
  for (size_t size = 0; size < bytes_.size(); size += 4096) {
    EXPECT_FALSE(Reads(bytes_.substr(0, size))) << size;
  }
  EXPECT_FALSE(Reads(bytes_.substr(0, bytes_.size() - 1)));
  EXPECT_FALSE(Reads(bytes_ + '\0'));
}

TEST_F(DamagedCheckpoint, IsRefusedWhicheverBitFlips) {
  std::mt19937_64 random(1);
  for (int i = 0; i < 10000; ++i) {
    // A third of them in the header.
    const size_t most = (i % 3 == 0 ? 3000 : bytes_.size()) * 8;
    const size_t bit = random() % most;
    std::string damaged = bytes_;
    damaged[bit / 8] = static_cast<char>(damaged[bit / 8] ^ (1 << (bit % 8)));
    EXPECT_FALSE(Reads(damaged)) << bit;
  }
}

TEST_F(DamagedCheckpoint, OfAnotherVersionSaysSo) {
  std::string other = bytes_;
  const size_t at = other.find("\"version\":\"1\"");
  ASSERT_NE(at, std::string::npos);
  other[at + 11] = '2';
  workspace_.Write(absl::StrCat("c/", kName), other);
  EXPECT_EQ(folder_.Read(kName).status().message(),
            absl::StrCat("c/", kName, ": damaged: its header does not fit its checksum"));
}

TEST(CheckpointNames, AreInTheOrderOfTime) {
  const Workspace workspace;
  std::vector<std::string> names;
  for (const auto& [epochs, steps] : std::vector<std::pair<int64_t, int64_t>>{
           {12345, 1}, {9999, 12345678}, {9999, 3}, {2, 0}, {1, 7}}) {
    names.push_back(CheckpointFolder::NameAt(epochs, steps));
    workspace.Write("c/" + names.back(), "");
  }
  workspace.Write("c/notes.txt", "");
  workspace.Write(absl::StrCat("c/", kName, ".tmp12"), "");
  EXPECT_EQ(CheckpointFolder("c").Names(), names);
  EXPECT_TRUE(CheckpointFolder("c").Keep(1, names[3]).ok());
  EXPECT_EQ(CheckpointFolder("c").Names(), (std::vector<std::string>{names[0], names[3]}));
  EXPECT_TRUE(workspace.Has("c/notes.txt"));
  EXPECT_FALSE(workspace.Has(absl::StrCat("c/", kName, ".tmp12")));
}

class ManyRuns : public testing::Test {
 protected:
  Loaded Built(const std::vector<std::string>& sets, pipeline::BuildContext* context) const {
    workspace_.Write("configs/small.pbtxt", SmallConfig());
    Loaded loaded = testing_support::Load("configs/small.pbtxt", sets);
    EXPECT_EQ(loaded.errors, "");
    context->threads = 1;
    EXPECT_TRUE(loaded.graph->Build(context).ok());
    return loaded;
  }

  const Workspace workspace_;
};

TEST_F(ManyRuns, FiftyInOneSecondHaveAFolderEach) {
  pipeline::BuildContext context;
  const Loaded loaded = Built({}, &context);
  std::vector<std::string> paths(50);
  std::vector<std::thread> threads;
  for (std::string& path : paths) {
    threads.emplace_back([&] {
      const auto run = pipeline::Run::Create("", loaded.config, *loaded.graph);
      const auto lock = pipeline::RunLock::Take(run->path());
      if (lock.ok()) path = run->path();
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(std::set<std::string>(paths.begin(), paths.end()).size(), 50);
  EXPECT_EQ(std::count(paths.begin(), paths.end(), ""), 0);
}

size_t OpenFiles() {
  return static_cast<size_t>(
      std::distance(fs::directory_iterator("/proc/self/fd"), fs::directory_iterator()));
}

int64_t ResidentBytes() {
  int64_t size = 0, resident = 0;
  std::ifstream("/proc/self/statm") >> size >> resident;
  return resident * sysconf(_SC_PAGESIZE);
}

pipeline::Outcome TrainIn(const std::string& folder, const Loaded& loaded,
                          const pipeline::BuildContext& context, pipeline::Observer* more) {
  const auto run = pipeline::Run::Create(folder, loaded.config, *loaded.graph);
  EXPECT_TRUE(run.ok()) << run.status();
  const auto lock = pipeline::RunLock::Take(run->path());
  EXPECT_TRUE(lock.ok()) << lock.status();
  const pipeline::Train& train = loaded.config.document.config.train();
  pipeline::Curves curves(run->File("tensorboard"), train.minimize(), loaded.graph.get());
  pipeline::MetricsCsv metrics(run->File("metrics.csv"));
  pipeline::BestWeights weights(run->WeightsFile(), loaded.graph.get());
  pipeline::Checkpoints checkpoints(run->File("checkpoints"), train, {});
  return pipeline::Loop(loaded.config.document, context, loaded.graph.get(),
                        {&curves, &metrics, &weights, &checkpoints, more})
      .Run();
}

TEST_F(ManyRuns, LeaveNoFileOpen) {
  pipeline::Observer none;
  size_t open = 0;
  for (int i = 0; i < 200; ++i) {
    pipeline::BuildContext context;
    const Loaded loaded =
        Built({"classify.model=[models/Cnn] { channels: [2] hidden: 3 }", "load.image_size=8",
               "load.workers=1", "train.epochs=1", "load.dataset.images_per_class=3",
               "load.dataset.test_images_per_class=1"},
              &context);
    EXPECT_TRUE(TrainIn(absl::StrCat("out", i), loaded, context, &none).status.ok());
    if (i == 1) open = OpenFiles();
  }
  EXPECT_EQ(OpenFiles(), open);
}

// Resident memory from the 2000th TRAIN step on.
class Memory : public pipeline::Observer {
 public:
  absl::Status StepDone(const pipeline::PassEvent& event, double) override {
    if (event.counters.steps == 2000 && begun == 0) begun = ResidentBytes();
    ended = ResidentBytes();
    return absl::OkStatus();
  }
  int64_t begun = 0, ended = 0;
};

TEST_F(ManyRuns, TwentyThousandStepsTakeNoMoreMemory) {
  pipeline::BuildContext context;
  const Loaded loaded =
      Built({"classify.model=[models/Cnn] { channels: [2] hidden: 3 }", "load.image_size=8",
             "load.workers=1", "load.batch_size=2", "train.epochs=10", "train.keep_checkpoints=1",
             "load.dataset.images_per_class=1180", "load.dataset.test_images_per_class=1"},
            &context);
  Memory memory;
  const pipeline::Outcome outcome = TrainIn("out", loaded, context, &memory);
  ASSERT_TRUE(outcome.status.ok()) << outcome.status;
  EXPECT_GT(outcome.counters.steps, 20000);
  if (testing_support::kSanitized) GTEST_SKIP() << "what is freed is kept";
  EXPECT_LT(memory.ended - memory.begun, 1024 * (outcome.counters.steps - 2000));
}

}  // namespace
