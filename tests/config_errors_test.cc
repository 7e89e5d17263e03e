// Every mistake that a config can hold, and the words in which a user reads of it.
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <torch/cuda.h>
#include <unistd.h>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/registry.h"
#include "tests/testing.h"

namespace {

using testing_support::Load;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// The errors of the small config with one text replaced by another.
std::string ErrorsWith(const std::string& from, const std::string& to,
                       const std::vector<std::string>& sets = {}) {
  const Workspace workspace;
  const std::string config = SmallConfig();
  EXPECT_NE(config.find(from), std::string::npos) << from;
  workspace.Write("c.pbtxt", absl::StrReplaceAll(config, {{from, to}}));
  return Load("c.pbtxt", sets).errors;
}

// The plugins of a folder as an error lists them.
std::string Names(const std::string& folder) {
  std::vector<std::string> urls;
  for (const auto& name : pipeline::PluginIndex::Get().In(folder)) urls.push_back(name.Url());
  return absl::StrJoin(urls, ", ");
}

std::string ErrorsOfSet(const std::string& set) { return ErrorsWith("", "", {set}); }

TEST(ConfigErrors, TheSmallConfigHasNone) { EXPECT_EQ(ErrorsWith("", ""), ""); }

TEST(ConfigErrors, UnknownPlugin) {
  EXPECT_EQ(ErrorsWith("[losses/SmoothL1]", "[losses/SmothL1]"),
            "c.pbtxt:29:12: no plugin \"losses/SmothL1\"; there are: " + Names("losses") +
                "; did you mean \"losses/SmoothL1\"?");
}

TEST(ConfigErrors, PluginOfAnotherFolder) {
  EXPECT_EQ(
      ErrorsWith("[losses/SmoothL1]", "[activations/Relu]"),
      "c.pbtxt:29:12: not a plugin for here: \"activations/Relu\"; there are: " + Names("losses"));
}

TEST(ConfigErrors, OptionOutOfRange) {
  EXPECT_EQ(ErrorsWith("[losses/SmoothL1] {}", "[losses/SmoothL1] { beta: 11 }"),
            "c.pbtxt:29:32: beta is 11; it must be between 0 and 10");
  EXPECT_EQ(ErrorsWith("width: 0.07", "width: 0"),
            "c.pbtxt:21:65: width is 0; it must be above 0 and at most 4");
  EXPECT_EQ(ErrorsWith("epochs: 2", "epochs: 0"),
            "c.pbtxt:39:9: epochs is 0; it must be between 1 and 100000");
  EXPECT_EQ(ErrorsWith("learning_rate: 1e-3", "learning_rate: nan"),
            "c.pbtxt:39:19: learning_rate is nan; it must be a finite number");
}

// The errors for other options of the loss.
std::string ErrorsOfLoss(const std::string& terms) {
  return ErrorsWith("    term { [losses/SmoothL1] {} }\n", "    " + terms + "\n");
}

TEST(ConfigErrors, OptionsOfLosses) {
  EXPECT_EQ(ErrorsOfLoss("loss_weights: [1, -1] term { [losses/SmoothL1] {} }"),
            "c.pbtxt:29:5: loss_weights is -1; it must be between 0 and 1e+06");
  EXPECT_EQ(ErrorsOfLoss("loss_weights: [1, 1]"),
            "c.pbtxt:29:5: loss_weights has 2 values for 1 terms");
  EXPECT_EQ(ErrorsOfLoss("difficulty_weight: 1 hard_negative_threshold: 1.5"),
            "c.pbtxt:29:26: hard_negative_threshold is 1.5; it must be between 0 and 1");
  EXPECT_EQ(ErrorsOfLoss("hard_negative_threshold: 0.5"),
            "c.pbtxt:29:5: hard_negative_threshold does nothing without difficulty_weight");
  EXPECT_EQ(ErrorsOfLoss("class_weights: BALANCED class_weight: [1, 2]"),
            "c.pbtxt:29:29: class_weight: either a list or class_weights, not both");
  EXPECT_EQ(ErrorsOfLoss("term { [losses/Focal] { epoch_scaling_factor: 0.1 } }"),
            "c.pbtxt:29:29: epoch_scaling_factor does nothing without adaptive_gamma: true");
  EXPECT_EQ(ErrorsOfLoss("term { [losses/Focal] { alpha: 1 auto_alpha: true } }"),
            "c.pbtxt:29:29: alpha: either alpha or auto_alpha, not both");
  EXPECT_EQ(ErrorsOfLoss("term { [losses/Focal] { focal_weight_decay: 1.5 } }"),
            "c.pbtxt:29:29: focal_weight_decay is 1.5; it must be above 0 and at most 1");
  // A focal option where there is no focal term.
  EXPECT_TRUE(absl::StartsWith(
      ErrorsOfLoss("focal_weight_decay: 0.99"),
      "c.pbtxt:29:5: [plugins/FusedLoss] has no field \"focal_weight_decay\"; it has: term, "));
  EXPECT_EQ(ErrorsOfLoss("term { [losses/Sum] {} }"),
            "c.pbtxt:29:12: [losses/Sum] needs at least one term");
  EXPECT_EQ(
      ErrorsOfLoss("term { [losses/Sum] { term { [losses/Dice] { smooth_denominator: 0 } } } }"),
      "c.pbtxt:29:50: smooth_denominator is 0; it must be above 0 and at most 1000");
  EXPECT_EQ(ErrorsOfLoss("dynamic_loss_weighting: KENDALL"),
            "c.pbtxt:29:29: dynamic_loss_weighting cannot be \"KENDALL\"; it may be: OFF, "
            "UNCERTAINTY, DWA, GRADNORM, RANDOM");
  // Two plugins have a field of this name, with the same values.
  EXPECT_EQ(ErrorsOfLoss("term { [losses/Dice] { sums: PER_CLASS } }"),
            "c.pbtxt:29:34: sums cannot be \"PER_CLASS\"; it may be: PER_IMAGE, PER_BATCH");
}

TEST(ConfigErrors, UnknownField) {
  EXPECT_EQ(ErrorsWith("width: 0.07", "widht: 0.07"),
            "c.pbtxt:21:65: [models/Vgg16] has no field \"widht\"; it has: head, batch_norm, "
            "dropout, width, fcn; did you mean \"width\"?");
}

TEST(ConfigErrors, UnknownEnumValue) {
  EXPECT_EQ(ErrorsWith("head: GAP", "head: GIP"),
            "c.pbtxt:21:61: head cannot be \"GIP\"; it may be: FC4096, GAP; did you mean \"GAP\"?");
}

TEST(ConfigErrors, MissingPort) {
  EXPECT_EQ(ErrorsWith("  input: \"labels: augment.labels\"\n  plugin { [plugins/FusedLoss]",
                       "  plugin { [plugins/FusedLoss]"),
            "c.pbtxt:24:1: node \"loss\" has nothing on its input \"labels\"; write  input: "
            "\"labels: node.port\"");
}

TEST(ConfigErrors, MisnamedPort) {
  EXPECT_EQ(
      ErrorsWith("input: \"normalize\"", "input: \"normalize.image\""),
      "c.pbtxt:20:3: node \"classify\", input \"normalize.image\": \"normalize\" has no output "
      "\"image\"; it has: images; did you mean \"images\"?");
  EXPECT_EQ(
      ErrorsWith("input: \"images: gray\"", "input: \"image: gray\""),
      "c.pbtxt:12:3: node \"augment\", input \"image: gray\": the node has no input \"image\"; "
      "it has: images, labels; did you mean \"images\"?");
  EXPECT_EQ(
      ErrorsWith("input: \"load.images\"", "input: \"load\""),
      "c.pbtxt:9:21: node \"gray\", input \"load\": \"load\" has several outputs; name one of: "
      "images, labels");
}

TEST(ConfigErrors, UnknownNode) {
  EXPECT_EQ(
      ErrorsWith("input: \"normalize\"", "input: \"normalise\""),
      "c.pbtxt:20:3: node \"classify\", input \"normalise\": no node \"normalise\"; did you mean "
      "\"normalize\"?");
}

TEST(ConfigErrors, Cycle) {
  EXPECT_EQ(ErrorsWith("\"images: gray\"", "\"images: normalize\""),
            "c.pbtxt:9:1: nobody reads node \"gray\"; its outputs: images\n"
            "c.pbtxt:10:1: the graph has a cycle: augment -> normalize -> augment");
}

TEST(ConfigErrors, DuplicateNode) {
  EXPECT_EQ(ErrorsWith("name: \"normalize\"", "name: \"gray\""),
            "c.pbtxt:17:1: two nodes are called \"gray\"\n"
            "c.pbtxt:20:3: node \"classify\", input \"normalize\": no node \"normalize\"");
}

TEST(ConfigErrors, ReservedAndMalformedNames) {
  EXPECT_EQ(ErrorsWith("name: \"metrics\"", "name: \"train\""),
            "c.pbtxt:33:1: a node cannot be called \"train\", which is a field of the config");
  EXPECT_EQ(ErrorsWith("name: \"metrics\"", "name: \"my metrics\""),
            "c.pbtxt:33:1: a node needs a name of letters, digits and _; got \"my metrics\"");
}

TEST(ConfigErrors, LossWeightsOfTheWrongLength) {
  EXPECT_EQ(ErrorsWith("    term { [losses/SmoothL1] {} }",
                       "    loss_weights: [1, 2, 3]\n    term { [losses/SmoothL1] {} }"),
            "c.pbtxt:29:5: loss_weights has 3 values for 2 terms");
}

TEST(ConfigErrors, OutputThatNobodyReads) {
  EXPECT_EQ(ErrorsWith("\"images: gray\"", "\"images: load.images\""),
            "c.pbtxt:9:1: nobody reads node \"gray\"; its outputs: images");
}

TEST(ConfigErrors, TrainOnlyNodeThatCannotBeBypassed) {
  EXPECT_EQ(ErrorsWith("input: \"normalize\"\n", "input: \"normalize\"\n  phase: TRAIN\n"),
            "c.pbtxt:18:1: node \"classify\" runs in TRAIN only, so its output \"logits\" needs an "
            "input of that name to pass on elsewhere");
}

TEST(ConfigErrors, NothingToMinimize) {
  EXPECT_EQ(ErrorsWith("threads: 1", "threads: 1 minimize: \"loss.totl\""),
            "c.pbtxt:39:50: train.minimize: no output \"loss.totl\"; there are: load.images, "
            "load.labels, gray.images, augment.images, augment.labels, normalize.images, "
            "classify.logits, loss.total; did you mean \"loss.total\"?");
}

TEST(ConfigErrors, SyntaxErrorComesAfterUnknownNamesBeforeIt) {
  EXPECT_EQ(ErrorsWith("train { epochs: 2", "train { epoch: 2 seed: seven"),
            "c.pbtxt:39:9: Train has no field \"epoch\"; it has: epochs, seed, device, precision, "
            "threads, optimizer, learning_rate, weight_decay, schedule, warmup_epochs, clip_norm, "
            "patience, minimize, monitor, ema_decay, on_bad_number, checkpoint_minutes, "
            "keep_checkpoints, deterministic, accumulate, profile; did you mean \"epochs\"?\n"
            "c.pbtxt:39:24: Expected integer, got: seven");
}

TEST(ConfigErrors, AllAtOnce) {
  const Workspace workspace;
  workspace.Write("c.pbtxt",
                  absl::StrReplaceAll(SmallConfig(),
                                      {{"[losses/SmoothL1] {}", "[losses/SmoothL1] { beta: -1 }"},
                                       {"width: 0.07", "wide: 1"},
                                       {"\"images: gray\"", "\"images: grey\""}}));
  EXPECT_EQ(
      Load("c.pbtxt").errors,
      "c.pbtxt:21:65: [models/Vgg16] has no field \"wide\"; it has: head, batch_norm, dropout, "
      "width, fcn; did you mean \"width\"?\n"
      "c.pbtxt:29:32: beta is -1; it must be between 0 and 10\n"
      "c.pbtxt:12:3: node \"augment\", input \"images: grey\": no node \"grey\"; did you mean "
      "\"gray\"?");
}

TEST(ConfigErrors, IncludeLoop) {
  const Workspace workspace;
  workspace.Write("a.pbtxt", "# one\ninclude: \"b.pbtxt\"\n");
  workspace.Write("b.pbtxt", "include: \"a.pbtxt\"\n" + SmallConfig());
  EXPECT_EQ(Load("a.pbtxt").errors, "b.pbtxt:1:1: include loop: a.pbtxt -> b.pbtxt -> a.pbtxt");
}

TEST(ConfigErrors, MissingInclude) {
  EXPECT_EQ(ErrorsWith("train {", "include: \"common/no.pbtxt\"\ntrain {"),
            "c.pbtxt:39:1: no file \"common/no.pbtxt\", neither beside this one nor in configs/");
}

TEST(ConfigErrors, BadSetPaths) {
  EXPECT_EQ(ErrorsOfSet("train.epoch=3"),
            "--set train.epoch=3: Train has no field \"epoch\"; it has: epochs, seed, device, "
            "precision, threads, optimizer, learning_rate, weight_decay, schedule, warmup_epochs, "
            "clip_norm, patience, minimize, monitor, ema_decay, on_bad_number, checkpoint_minutes, "
            "keep_checkpoints, deterministic, accumulate, profile; did you mean \"epochs\"?");
  EXPECT_EQ(ErrorsOfSet("laod.batch_size=3"),
            "--set laod.batch_size=3: no node or field \"laod\"; there are: load, gray, augment, "
            "normalize, classify, loss, metrics, train; did you mean \"load\"?");
  EXPECT_EQ(ErrorsOfSet("loss.term[2].beta=3"),
            "--set loss.term[2].beta=3: \"term\" has 2 elements, so no [2]");
  EXPECT_EQ(ErrorsOfSet("loss.term.beta=3"),
            "--set loss.term.beta=3: \"term\" is a list; pick an element: term[0]");
  EXPECT_EQ(ErrorsOfSet("train"), "--set train: not of the form PATH=VALUE, as in train.epochs=5");
  EXPECT_EQ(ErrorsOfSet("train.epochs=many"),
            "--set train.epochs=many: Expected integer, got: many");
  EXPECT_EQ(ErrorsOfSet("load.batch_size=0"),
            "--set load.batch_size=0: batch_size is 0; it must be between 1 and 65536");
  EXPECT_EQ(ErrorsWith("activation { [activations/Relu] {} }", "", {"classify.activation.slope=1"}),
            "--set classify.activation.slope=1: \"activation\" holds no plugin yet; set it whole: "
            "activation=[folder/Name] { ... }\n"
            "c.pbtxt:18:1: [plugins/Model] needs an activation, such as [activations/Relu] {}");
}

// ---- through the program: exit code 2, one message, nothing on disk ----

void ExpectMistake(const std::vector<std::string>& arguments, const std::string& message) {
  const auto ran = RunPipeline(arguments);
  EXPECT_EQ(ran.code, 2);
  EXPECT_EQ(ran.err, message + "\n");
  EXPECT_EQ(ran.out, "");
  EXPECT_FALSE(std::filesystem::exists("runs"));
}

TEST(Program, RefusesBadConfigsWithoutATrace) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  ExpectMistake({"--config=small", "--set", "load.image_size=3"},
                "--set load.image_size=3: image_size is 3; it must be between 8 and 4096");
  ExpectMistake({"--config=smal"},
                "smal: no such config, here or in the workspace's configs/; did you mean "
                "\"small.pbtxt\"?\nconfigs: small.pbtxt");
  ExpectMistake({}, "no config given; --config=NAME takes a path or one of: small.pbtxt");
  ExpectMistake({"trian"},
                "no verb or config \"trian\"; verbs: train, calibrate, check, compare, "
                "describe, dot, evaluate, explain, export, list, plot, predict, "
                "print-config, report, study; did you mean \"train\"?");
  workspace.Write("studies/smoke.pbtxt", "");
  ExpectMistake({"smoke"},
                "\"smoke\" is a study: \"study smoke\" runs it, \"check smoke\" looks it over");
  ExpectMistake({"--config=small", "--set", "load.folds=2", "--set", "load.fold=3"},
                "--set load.fold=3: fold 3 of 2: there is none");
  ExpectMistake({"--config=small", "--set", "load.folds=1"},
                "--set load.folds=1: one fold leaves nothing to train on");
  ExpectMistake({"--config=small", "--set", "load.folds=2", "--set", "load.split_file=s.csv"},
                "--set load.folds=2: folds and split_file cannot both make the split");
  ExpectMistake({"--confg=small"},
                "no flag --confg; did you mean \"--config\"? (--help shows all)");
  const size_t gpus = torch::cuda::device_count();
  ExpectMistake({"--config=small", "--set", "train.device=CUDA:77"},
                absl::StrCat("--set train.device=CUDA:77: device is CUDA:77, but LibTorch sees ",
                             gpus, gpus == 1 ? " GPU" : " GPUs"));
  ExpectMistake({"--config=small", "--set", "train.device=GPU"},
                "--set train.device=GPU: device is \"GPU\"; it may be: AUTO, CPU, CUDA, CUDA:n");
  for (const char* precision : {"FP16", "TF32"}) {
    const std::string set = absl::StrCat("train.precision=", precision);
    ExpectMistake({"--config=small", "--set", "train.device=CPU", "--set", set},
                  absl::StrCat("--set ", set, ": precision ", precision,
                               " needs a GPU; on a CPU it may be: FP32, BF16"));
  }
  ExpectMistake(
      {"--config=small", "--set", "train.monitor=metrics.f1"},
      "--set train.monitor=metrics.f1: train.monitor: nobody reports \"metrics.f1\"; there "
      "are: loss.total, loss.smooth_l1, loss.categorical_cross_entropy, "
      "metrics.accuracy, metrics.balanced_accuracy, "
      "metrics.weighted_precision, metrics.weighted_recall, metrics.weighted_f1, "
      "metrics.macro_precision, metrics.macro_recall, metrics.macro_f1, "
      "metrics.mean_iou_present, metrics.mean_iou_all, metrics.mean_dice_present, "
      "metrics.recall.glioma, metrics.precision.glioma, metrics.f1.glioma, "
      "metrics.recall.meningioma, metrics.precision.meningioma, metrics.f1.meningioma, "
      "metrics.recall.no_tumor, metrics.precision.no_tumor, metrics.f1.no_tumor, "
      "metrics.recall.pituitary, metrics.precision.pituitary, metrics.f1.pituitary");
}

TEST(Program, RefusesRootsThatAreNotThere) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const std::string brain = "load.dataset=[datasets/BrainTumor] { root: \"" + workspace.path();
  const std::string set = brain + "/nowhere\" }";
  ExpectMistake({"--config=small", "--set", set},
                "--set " + set + ": root: no folder " + workspace.path() + "/nowhere");
}

// What needs the number of classes is found once the data's source is known.
TEST(Program, ListsByClass) {
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"term { [losses/Focal] { alpha: [1, 2] } }",
       "configs/small.pbtxt:29:29: alpha has 2 values for 4 classes"},
      {"term { [losses/Sum] { term { [losses/Focal] { alpha: [1, 2] } } } }",
       "configs/small.pbtxt:29:51: alpha has 2 values for 4 classes"},
      {"class_weight: [1, 2, 3]",
       "configs/small.pbtxt:29:5: class_weight has 3 values for 4 classes"},
  };
  for (const auto& [loss, error] : cases) {
    const Workspace workspace;
    workspace.Write("configs/small.pbtxt",
                    absl::StrReplaceAll(SmallConfig(), {{"term { [losses/SmoothL1] {} }", loss}}));
    ExpectMistake({"--config=small"}, error);
  }
}

TEST(Program, RefusesUnreadableFolders) {
  if (geteuid() == 0) GTEST_SKIP() << "root reads every folder";
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  workspace.Write("data/Training/glioma/a.jpg", "x");
  chmod("data/Training", 0);
  const std::string set =
      "load.dataset=[datasets/BrainTumor] { root: \"" + workspace.path() + "/data\" }";
  const auto ran = RunPipeline({"--config=small", "--set", set});
  EXPECT_EQ(ran.code, 2);
  EXPECT_NE(ran.err.find("cannot read"), std::string::npos) << ran.err;
  chmod("data/Training", 0700);
}

TEST(Program, MaskLabelsThatBypassAugment) {
  pipeline::TensorSpec logits{at::kFloat, {-1, 2, 32, 32}, 2};
  pipeline::TensorSpec masks{at::kLong, {-1, 32, 32}, 1};
  EXPECT_EQ(pipeline::CheckLabels(logits, masks).message(),
            "the masks on \"labels\" bypass a stage that moves the pixels of the images behind "
            "\"logits\"; take both from the same stage, as in  input: \"labels: augment.labels\"");
  masks.geometry = 2;
  EXPECT_TRUE(pipeline::CheckLabels(logits, masks).ok());
}

}  // namespace
