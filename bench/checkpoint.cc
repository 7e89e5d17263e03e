// What a checkpoint costs training: VGG16 with its FC4096 head (134 million parameters, 1.6 GB with
// Adam's moments), a checkpoint begun as soon as the one before is written, against none.
#include <ATen/core/Tensor.h>
#include <gflags/gflags.h>
#include <unistd.h>

#include <cstdio>
#include <filesystem>
#include <vector>

#include "absl/strings/str_cat.h"
#include "bench/measure.h"
#include "pipeline/clock.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"
#include "pipeline/runs/checkpoints.h"
#include "pipeline/training/device.h"
#include "pipeline/training/loop.h"
#include "pipeline/workspace.h"

DEFINE_int32(steps, 12, "training steps of each side");
DEFINE_int32(batch, 8, "images of a step, of 224 x 224 pixels");
DEFINE_string(folder, "", "where checkpoints are written (default: the folder of temporary files)");

namespace {

using pipeline::LoadedConfig;

// Ends the run after FLAGS_steps; counts from the second step, which finds its memory in place.
class Clock : public pipeline::Observer {
 public:
  absl::Status StepDone(const pipeline::PassEvent& event, double) override {
    if (++steps_ == 1) first_ = pipeline::Now();
    last_ = pipeline::Now();
    return steps_ > FLAGS_steps ? absl::CancelledError("enough") : absl::OkStatus();
  }
  double SecondsAStep() const { return (last_ - first_) / static_cast<double>(steps_ - 1); }

 private:
  int64_t steps_ = 0;
  double first_ = 0, last_ = 0;
};

struct Side {
  double step = 0;  // seconds
  int64_t checkpoints = 0;
  double copying = 0;  // seconds, of all of them
};

// Counts what is begun.
class Counted : public pipeline::Checkpoints {
 public:
  using Checkpoints::Checkpoints;
  absl::Status Paused(const pipeline::PauseEvent& event) override {
    const double before = copy_seconds();
    const absl::Status status = Checkpoints::Paused(event);
    if (copy_seconds() > before) ++count;
    return status;
  }
  int64_t count = 0;
};

absl::StatusOr<Side> Train(bool checkpoints, const std::string& folder) {
  const absl::StatusOr<std::string> path = pipeline::FindConfig("brats_vgg16.pbtxt");
  if (!path.ok()) return path.status();
  pipeline::Diagnostics errors;
  const std::vector<std::string> sets = {
      "load.dataset=[datasets/Synthetic] { images_per_class: 200 }",
      absl::StrCat("load.batch_size=", FLAGS_batch),
      "load.image_size=224",
      "classify.model=[models/Vgg16] { head: FC4096 }",
      "train.checkpoint_minutes=1e-9",
      absl::StrCat("train.keep_checkpoints=", checkpoints ? 1 : 0)};
  absl::StatusOr<LoadedConfig> config = pipeline::LoadConfig(*path, sets, &errors);
  if (!config.ok()) return config.status();
  auto graph = pipeline::Graph::Create(config->document, &errors);
  if (!errors.empty()) return errors.ToStatus();
  pipeline::BuildContext context;
  context.precision = *pipeline::ChoosePrecision(pipeline::Train::AUTO, "cpu");
  context.threads = pipeline::SetThreads(0);
  const absl::Status built = graph->Build(&context);
  if (!built.ok()) return built;
  pipeline::KeepFreedMemory();
  Clock clock;
  Counted kept(folder, config->document.config.train(), {});
  pipeline::Loop(config->document, context, graph.get(), {&clock, &kept}).Run();
  return Side{clock.SecondsAStep(), kept.count, kept.copy_seconds()};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv, "Checkpoints of VGG16 FC4096 beside training.");
  namespace fs = std::filesystem;
  const fs::path folder =
      (FLAGS_folder.empty() ? fs::temp_directory_path() : fs::path(FLAGS_folder)) /
      absl::StrCat("bench-checkpoint-", getpid());
  const auto without = Train(false, folder.string()), with = Train(true, folder.string());
  fs::remove_all(folder);
  if (!without.ok() || !with.ok()) {
    std::fprintf(stderr, "%s\n%s\n", without.status().ToString().c_str(),
                 with.status().ToString().c_str());
    return 1;
  }
  const auto count = static_cast<double>(with->checkpoints);
  const double cost = (with->step - without->step) * FLAGS_steps / count;
  std::printf("step without %.2f s, with %.2f s; %.0f checkpoints in %d steps\n", without->step,
              with->step, count, FLAGS_steps);
  std::printf("a checkpoint: %.2f s of copying between two steps, %.2f s in all\n",
              with->copying / count, cost);
  std::printf("one every 5 minutes: %.2f %% of the time of training\n", 100 * cost / 300);
  return 0;
}
