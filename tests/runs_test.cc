// A run opened again: its classes, its weights, and the same answers without its data.
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>
#include <gtest/gtest.h>
#include <sys/wait.h>
#include <unistd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/runs/run.h"
#include "pipeline/runs/run_lock.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using pipeline::Run;
using testing_support::ParseCsv;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// counts[truth][predicted] of the TEST images of a config, answered by an opened run.
std::vector<std::vector<int64_t>> Answers(const Run& run, const std::string& config) {
  pipeline::BuildContext context;
  auto graph = run.MakeGraph(&context);
  EXPECT_TRUE(graph.ok()) << graph.status();
  auto& given = dynamic_cast<pipeline::GivenImages&>((*graph)->source());
  // The images come from another graph's loader.
  testing_support::Loaded loaded = testing_support::Load(config);
  pipeline::BuildContext of_loader;
  EXPECT_TRUE(loaded.graph->Build(&of_loader).ok());
  pipeline::Source& loader = loaded.graph->source();
  const size_t classes = run.data().classes.size();
  std::vector<std::vector<int64_t>> counts(classes, std::vector<int64_t>(classes));
  const c10::NoGradGuard no_gradients;
  pipeline::Step step;
  step.phase = pipeline::TEST;
  EXPECT_TRUE(loader.Begin(step).ok());
  for (; step.index < loader.StepsIn(pipeline::TEST); ++step.index) {
    step.samples = loader.Samples(step.index);
    EXPECT_TRUE(loaded.graph->RunUntil(step, {"load"}).ok());
    given.Give(loaded.graph->Output("load.images"));
    EXPECT_TRUE((*graph)->RunUntil(step, {"classify"}).ok());
    const at::Tensor predicted = (*graph)->Output("classify.logits").argmax(1);
    const at::Tensor truth = loaded.graph->Output("load.labels");
    for (int64_t i = 0; i < truth.size(0); ++i) {
      ++counts[truth[i].item<int64_t>()][predicted[i].item<int64_t>()];
    }
  }
  return counts;
}

TEST(OpenedRun, GivesTheTestResultOfTheBestEpoch) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  // Steps too large to stay where it was good: the best epoch is not the last one.
  const Ran ran =
      RunPipeline({"--config=small", "--out=out", "--set", "train.epochs=6", "--set",
                   "train.learning_rate=3e-2", "--set", "classify.model.batch_norm=true"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json summary = json::parse(workspace.Read("out/summary.json"));
  ASSERT_LT(summary["best_epoch"], summary["epochs"]) << "else nothing is restored";

  const auto run = Run::Open("out");
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->config().name, "small");
  EXPECT_EQ(run->data().classes,
            (std::vector<std::string>{"glioma", "meningioma", "no_tumor", "pituitary"}));
  EXPECT_EQ(run->data().task, pipeline::Task::kMulticlass);
  EXPECT_EQ(run->data().channels, 3);
  EXPECT_EQ(run->inputs().at("images").shape, (std::vector<int64_t>{-1, 3, 32, 32}));
  EXPECT_EQ(json(Answers(*run, "configs/small.pbtxt")), summary["test"]["confusion_matrix"]);
}

TEST(OpenedRun, NeedsNoDataAndNoPretrainedWeights) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  ASSERT_EQ(RunPipeline({"--config=small", "--out=first", "--set", "train.epochs=1"}).code, 0);
  ASSERT_EQ(RunPipeline({"--config=small", "--out=second", "--set", "train.epochs=1", "--set",
                         "classify.weights=first/weights.safetensors", "--set",
                         "loss.class_weights=BALANCED"})
                .code,
            0);
  std::filesystem::remove_all("first");
  const auto run = Run::Open("second");
  ASSERT_TRUE(run.ok()) << run.status();
  const json summary = json::parse(workspace.Read("second/summary.json"));
  EXPECT_EQ(json(Answers(*run, "configs/small.pbtxt")), summary["test"]["confusion_matrix"]);
}

TEST(OpenedRun, NamesWhatIsMissingOrWrong) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  EXPECT_EQ(Run::Open("out").status().message(), "out: no such run folder");
  workspace.Write("out/config.pbtxt", SmallConfig());
  EXPECT_EQ(Run::Open("out").status().message(), "out: no run folder, for it has no run.json");
  for (const auto& [text, why] :
       {std::pair{"[]", "is no JSON object"},
        {"{", "is no JSON object"},
        {"{\"format\": 2}", "is not of format 1"},
        {"{\"format\": 1}", "[json.exception.out_of_range.403] key 'config' not found"},
        {"{\"format\": 1, \"config\": 7}",
         "[json.exception.type_error.302] type must be string, but is number"}}) {
    workspace.Write("out/run.json", text);
    EXPECT_EQ(Run::Open("out").status().message(), absl::StrCat("out/run.json: ", why));
  }
}

TEST(OpenedRun, RefusesOtherWeights) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  for (const auto& [out, width] : {std::pair{"a", "0.07"}, {"b", "0.1"}}) {
    ASSERT_EQ(RunPipeline({"--config=small", absl::StrCat("--out=", out), "--set", "train.epochs=1",
                           "--set", absl::StrCat("classify.model.width=", width)})
                  .code,
              0);
  }
  std::filesystem::copy_file("b/weights.safetensors", "a/weights.safetensors",
                             std::filesystem::copy_options::overwrite_existing);
  const auto run = Run::Open("a");
  ASSERT_TRUE(run.ok());
  pipeline::BuildContext context;
  EXPECT_EQ(run->MakeGraph(&context).status().message(),
            "a/weights.safetensors: not the weights that this run wrote");
}

TEST(NewRun, HasAFolderOfItsOwn) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  testing_support::Loaded loaded = testing_support::Load("configs/small.pbtxt");
  pipeline::BuildContext context;
  ASSERT_TRUE(loaded.graph->Build(&context).ok());
  std::set<std::string> paths;
  for (int i = 0; i < 20; ++i) {  // several of them in one second
    const auto run = Run::Create("", loaded.config, *loaded.graph);
    ASSERT_TRUE(run.ok()) << run.status();
    paths.insert(run->path());
  }
  EXPECT_EQ(paths.size(), 20);
  ASSERT_TRUE(Run::Create("mine", loaded.config, *loaded.graph).ok());
  EXPECT_EQ(Run::Create("mine", loaded.config, *loaded.graph).status().message(),
            "--out=mine: already holds a run; give another folder");
}

// A study's workers outlive it by a step of theirs, and have its lock.
TEST(RunLock, WaitsForWhatItsHolderLeftBehind) {
  const Workspace workspace;
  workspace.Write("run/run.json", "");
  const pid_t holder = fork();
  if (holder == 0) {
    const auto lock = pipeline::RunLock::Take("run");
    if (fork() == 0) usleep(300000);
    _exit(lock.ok() ? 0 : 1);
  }
  int status = -1;
  waitpid(holder, &status, 0);
  ASSERT_EQ(status, 0);
  const auto lock = pipeline::RunLock::Take("run");
  EXPECT_TRUE(lock.ok()) << lock.status();
}

}  // namespace
