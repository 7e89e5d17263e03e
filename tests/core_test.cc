// Files, safetensors, learning rates, hashes: the parts of the core that stand alone.
#include <ATen/Context.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/full.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/randn_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <torch/optim/adam.h>
#include <torch/optim/adamw.h>
#include <torch/optim/sgd.h>

#include <atomic>
#include <cmath>
#include <csignal>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <thread>

#include "absl/strings/str_cat.h"
#include "pipeline/cli/terminal.h"
#include "pipeline/diagnostics.h"
#include "pipeline/files.h"
#include "pipeline/runs/metrics_csv.h"
#include "pipeline/runs/safetensors.h"
#include "pipeline/stage.h"
#include "pipeline/training/optimizer.h"
#include "tests/testing.h"

namespace {

using pipeline::ReadSafetensors;
using testing_support::Workspace;

TEST(Files, AreReplacedWholeOrNotAtAll) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "one").ok());
  {
    pipeline::AtomicFile file("a.txt");
    file.Append("tw", 2);
    // No Commit: as if the program had failed here.
  }
  EXPECT_EQ(workspace.Read("a.txt"), "one");
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "two").ok());
  EXPECT_EQ(workspace.Read("a.txt"), "two");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(workspace.path())) {
    files += entry.is_regular_file();
  }
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST(Files, SayWhereTheyCannotBeWritten) {
  const Workspace workspace;
  EXPECT_EQ(pipeline::WriteFileAtomically("no/such/a.txt", "x").message(),
            "cannot write no/such/a.txt: No such file or directory");
  EXPECT_EQ(pipeline::ReadFile("missing", 10).status().message(),
            "cannot read missing: No such file or directory");
}

// While it lives, no file grows beyond so many bytes, as on a full disk.
class SmallDisk {
 public:
  explicit SmallDisk(rlim_t bytes) : handler_(std::signal(SIGXFSZ, SIG_IGN)) {
    getrlimit(RLIMIT_FSIZE, &before_);
    const rlimit small = {bytes, before_.rlim_max};
    setrlimit(RLIMIT_FSIZE, &small);
  }
  SmallDisk(const SmallDisk&) = delete;
  ~SmallDisk() {
    setrlimit(RLIMIT_FSIZE, &before_);
    std::signal(SIGXFSZ, handler_);
  }

 private:
  void (*const handler_)(int);
  rlimit before_ = {};
};

TEST(Files, KeepTheOldOneWhereTheDiskIsFull) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "one").ok());
  {
    const SmallDisk small(1000);
    EXPECT_EQ(pipeline::WriteFileAtomically("a.txt", std::string(5000, 'x')).message(),
              "cannot write a.txt: File too large");
  }
  EXPECT_EQ(workspace.Read("a.txt"), "one");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(workspace.path())) {
    files += entry.is_regular_file();
  }
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST(Files, AreClaimedByOneOfMany) {
  const Workspace workspace;
  std::atomic<int> claimed{0}, made{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      claimed += pipeline::ClaimFile("claim").value() ? 1 : 0;
      made += pipeline::MakeFolder("folder").value() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, 1);
  EXPECT_EQ(made, 1);
  EXPECT_EQ(pipeline::MakeFolder("no/such").status().message(),
            "cannot make no/such: No such file or directory");
  EXPECT_EQ(pipeline::ClaimFile("no/such").status().message(),
            "cannot write no/such: No such file or directory");
}

TEST(Files, RefuseToReadTooMuch) {
  const Workspace workspace;
  workspace.Write("a", "0123456789");
  EXPECT_EQ(pipeline::ReadFile("a", 10).value(), "0123456789");
  EXPECT_EQ(pipeline::ReadFile("a", 9).status().message(), "cannot read a: larger than 9 bytes");
  EXPECT_EQ(mkfifo("pipe", 0600), 0);
  EXPECT_EQ(pipeline::ReadFile("pipe", 9).status().message(),
            "cannot read pipe: not a regular file");
}

// ---- safetensors ----

TEST(Safetensors, ReturnsWhatWasWritten) {
  const Workspace workspace;
  const pipeline::NamedTensors tensors = {
      {"a.weight", at::randn({2, 3, 4, 5}).contiguous(at::MemoryFormat::ChannelsLast)},
      {"half", at::randn({3}).to(at::kBFloat16)},
      {"count", at::tensor(7, at::kLong)},
      {"none", at::empty({0, 3})},
      {"double", at::randn({2, 2}, at::kDouble).t()}};
  ASSERT_TRUE(pipeline::WriteSafetensors("w.safetensors", tensors, {{"format", "pt"}}).ok());
  const auto read = ReadSafetensors("w.safetensors");
  ASSERT_TRUE(read.ok()) << read.status();
  ASSERT_EQ(read->size(), tensors.size());
  for (size_t i = 0; i < tensors.size(); ++i) {
    EXPECT_EQ((*read)[i].first, tensors[i].first);
    EXPECT_EQ((*read)[i].second.scalar_type(), tensors[i].second.scalar_type());
    EXPECT_TRUE((*read)[i].second.equal(tensors[i].second));
  }
}

TEST(Safetensors, FollowsTheFormat) {
  // Decoded here from the published layout, not by our own reader.
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteSafetensors(
                  "w", {{"x", at::tensor({1.5F, -2.0F})}, {"y", at::tensor({3}, at::kLong)}}, {})
                  .ok());
  const std::string bytes = workspace.Read("w");
  uint64_t length = 0;
  memcpy(&length, bytes.data(), 8);
  EXPECT_EQ(length % 8, 0);
  const auto header = nlohmann::json::parse(bytes.substr(8, length));
  EXPECT_EQ(header["x"]["dtype"], "F32");
  EXPECT_EQ(header["x"]["shape"], nlohmann::json({2}));
  EXPECT_EQ(header["y"]["data_offsets"], nlohmann::json({8, 16}));
  float x[2];
  memcpy(x, bytes.data() + 8 + length, 8);
  EXPECT_EQ(x[0], 1.5F);
  EXPECT_EQ(x[1], -2.0F);
  EXPECT_EQ(bytes.size(), 8 + length + 16);
}

std::string WithHeader(const std::string& header, const std::string& data,
                       uint64_t length_claimed = UINT64_MAX) {
  const uint64_t length = length_claimed == UINT64_MAX ? header.size() : length_claimed;
  return std::string(reinterpret_cast<const char*>(&length), 8) + header + data;
}

TEST(Safetensors, ReadsOnlyWhatIsWanted) {
  const Workspace workspace;
  const pipeline::NamedTensors tensors = {{"b", at::ones({2})}, {"a", at::ones({3})}};
  ASSERT_TRUE(pipeline::WriteSafetensors("w", tensors, {}).ok());
  const auto read = ReadSafetensors(
      "w", [](const std::string& name, at::IntArrayRef shape) { return shape[0] == 2; });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].first, "b");
  EXPECT_TRUE((*read)[0].second.equal(tensors[0].second));
  EXPECT_EQ((*read)[1].first, "a");
  EXPECT_TRUE((*read)[1].second.is_meta());
  EXPECT_EQ((*read)[1].second.sizes(), at::IntArrayRef({3}));
}

// A tensor of 4 TiB in a file that takes a few KiB of the disk.
TEST(Safetensors, AFileMayClaimMoreThanMemoryHolds) {
  const Workspace workspace;
  workspace.Write("w", WithHeader(R"({"x":{"dtype":"F32","shape":[1099511627776],)"
                                  R"("data_offsets":[0,4398046511104]}})",
                                  ""));
  std::error_code error;
  const auto header = std::filesystem::file_size("w");
  std::filesystem::resize_file("w", header + (uint64_t{4} << 40), error);
  if (error) GTEST_SKIP() << "no such large files here: " << error.message();
  const auto read = ReadSafetensors("w", [](const std::string&, at::IntArrayRef) { return false; });
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ((*read)[0].second.numel(), int64_t{1} << 40);
}

TEST(Safetensors, ReadsManyNamesInLittleTime) {
  // With a search through all names for each this would take an hour.
  const Workspace workspace;
  std::string header = "{";
  for (int i = 0; i < 300000; ++i) {
    absl::StrAppend(&header, i == 0 ? "" : ",", "\"", i,
                    R"(":{"dtype":"U8","shape":[0],"data_offsets":[0,0]})");
  }
  workspace.Write("w", WithHeader(header + "}", ""));
  const auto read = ReadSafetensors("w");
  ASSERT_TRUE(read.ok()) << read.status();
  EXPECT_EQ(read->size(), 300000);
}

TEST(Safetensors, RefusesHostileFiles) {
  const Workspace workspace;
  const std::string four(4, '\0');
  const auto message = [&](const std::string& content) {
    workspace.Write("w", content);
    return std::string(ReadSafetensors("w").status().message());
  };
  const auto entry = [](const std::string& dtype, const std::string& shape,
                        const std::string& offsets) {
    return R"({"x":{"dtype":")" + dtype + R"(","shape":)" + shape + R"(,"data_offsets":)" +
           offsets + "}}";
  };
  const std::string data(4, '\0');
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), data)), "");
  EXPECT_EQ(message("abc"), "w: not safetensors: shorter than its header");
  EXPECT_EQ(message(WithHeader("{}", "", uint64_t{1} << 60)),
            "w: not safetensors: its header would be longer than the file or 100 MB");
  EXPECT_EQ(message(WithHeader("[1", "")), "w: not safetensors: the header is no JSON object");
  EXPECT_EQ(message(WithHeader(R"({"x":3})", "")),
            "w: tensor \"x\" is not {dtype, shape, data_offsets}");
  EXPECT_EQ(message(WithHeader(entry("F32", "[-1]", "[0,4]"), data)),
            "w: tensor \"x\" has a malformed dtype, shape or data_offsets");
  EXPECT_EQ(message(WithHeader(entry("F99", "[1]", "[0,4]"), data)),
            "w: tensor \"x\" has the unsupported dtype F99");
  EXPECT_EQ(message(WithHeader(entry("F32", "[4611686018427387904,4]", "[0,4]"), data)),
            "w: tensor \"x\" has a shape that overflows");
  EXPECT_EQ(message(WithHeader(entry("F32", "[2]", "[0,4]"), data)),
            "w: tensor \"x\" has data_offsets that do not fit its shape");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[4,8]"), data)),
            "w: tensor \"x\" overlaps or leaves a gap");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), data + data)),
            "w: truncated, or with bytes that belong to no tensor");
  EXPECT_EQ(message(WithHeader(entry("F32", "[1]", "[0,4]"), "")),
            "w: truncated, or with bytes that belong to no tensor");
  const std::string two = R"({"x":{"dtype":"U8","shape":[4],"data_offsets":[0,4]},)"
                          R"("y":{"dtype":"U8","shape":[4],"data_offsets":[0,4]}})";
  EXPECT_EQ(message(WithHeader(two, data)), "w: tensor \"y\" overlaps or leaves a gap");
}

TEST(Safetensors, DetectsEveryTruncation) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteSafetensors("w", {{"x", at::randn({5})}}, {}).ok());
  const std::string bytes = workspace.Read("w");
  for (size_t length = 0; length < bytes.size(); ++length) {
    workspace.Write("cut", bytes.substr(0, length));
    EXPECT_FALSE(ReadSafetensors("cut").ok()) << length;
  }
}

// ---- learning rate ----

pipeline::Train TrainOptions(pipeline::Train::Schedule schedule, double warmup = 0) {
  pipeline::Train options;
  options.set_epochs(10);
  options.set_learning_rate(0.1);
  options.set_schedule(schedule);
  options.set_warmup_epochs(warmup);
  return options;
}

TEST(LearningRate, FollowsItsSchedule) {
  using pipeline::LearningRate;
  using pipeline::Train;
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT), 9, 3, 4), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::COSINE), 0, 0, 4), 0.1);
  EXPECT_NEAR(LearningRate(TrainOptions(Train::COSINE), 5, 0, 4), 0.05, 1e-15);
  EXPECT_LT(LearningRate(TrainOptions(Train::COSINE), 9, 3, 4), 0.0002);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 4, 3, 4), 0.1);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 5, 0, 4), 0.01);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::STEP), 8, 0, 4), 0.001);
  // Two epochs of warm-up: an eighth of the way after the first of eight steps.
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT, 2), 0, 0, 4), 0.1 / 8);
  EXPECT_DOUBLE_EQ(LearningRate(TrainOptions(Train::CONSTANT, 2), 1, 3, 4), 0.1);
  EXPECT_NEAR(LearningRate(TrainOptions(Train::COSINE, 2), 6, 0, 4), 0.05, 1e-15);
}

TEST(LearningRate, HalvesOnAPlateau) {
  EXPECT_EQ(pipeline::PlateauFactor({}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.1, 0.2, 0.3, 0.4}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4}), 1);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4, 0.5}), 0.5);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.4, 0.5, 0.1, 0.1, 0.1}), 0.25);
  EXPECT_EQ(pipeline::PlateauFactor({0.5, 0.4, 0.6, 0.5, 0.1}), 1);
}

TEST(Optimizer, ClipsTheNormOfTheWholeGradient) {
  pipeline::Train options;
  options.set_optimizer(pipeline::Train::SGD);
  options.set_clip_norm(1);
  at::Tensor a = at::zeros({2}).requires_grad_(), b = at::zeros({1}).requires_grad_();
  pipeline::Optimizer optimizer(options, {a, b});
  a.mutable_grad() = at::tensor({3.0F, 0.0F});
  b.mutable_grad() = at::tensor({4.0F});
  EXPECT_DOUBLE_EQ(optimizer.GradientNorm(), 5);
  optimizer.Step(1, optimizer.GradientNorm());
  // Nesterov's first step moves by (1 + momentum) times the gradient, of norm 5 clipped to 1.
  EXPECT_NEAR(a[0].item<double>(), -1.9 * 0.6, 1e-5);
  EXPECT_NEAR(b[0].item<double>(), -1.9 * 0.8, 1e-5);
}

// LibTorch's own optimizers are the oracle: the same parameters after 20 steps of random gradients.
template <class Reference, class Options>
void ExpectSameAs(pipeline::Train::Optimizer method, Options reference_options) {
  at::manual_seed(3);
  pipeline::Train options;
  options.set_optimizer(method);
  options.set_weight_decay(0.03);
  at::Tensor start = at::randn({4, 3, 5, 5});
  at::Tensor ours = start.clone().contiguous(at::MemoryFormat::ChannelsLast).requires_grad_();
  at::Tensor bias = at::zeros({7}).requires_grad_(), unused = at::ones({2}).requires_grad_();
  at::Tensor theirs = start.clone().requires_grad_(), their_bias = at::zeros({7}).requires_grad_();
  pipeline::Optimizer optimizer(options, {ours, bias, unused});
  Reference reference({theirs, their_bias}, reference_options.weight_decay(0.03));
  for (int step = 0; step < 20; ++step) {
    const double rate = 0.01 / (step + 1);
    theirs.mutable_grad() = at::randn_like(theirs);
    their_bias.mutable_grad() = at::randn_like(their_bias);
    ours.mutable_grad() = theirs.grad().clone();  // another memory format than the parameter's
    bias.mutable_grad() = their_bias.grad().clone();
    for (auto& group : reference.param_groups()) group.options().set_lr(rate);
    reference.step();
    optimizer.Step(rate, optimizer.GradientNorm());
  }
  // Float32 rounding of 20 updates.
  EXPECT_LT((ours - theirs).abs().max().template item<double>(), 1e-6);
  EXPECT_LT((bias - their_bias).abs().max().template item<double>(), 1e-6);
  EXPECT_TRUE(unused.equal(at::ones({2})));
}

TEST(Optimizer, EqualsLibTorch) {
  ExpectSameAs<torch::optim::Adam>(pipeline::Train::ADAM, torch::optim::AdamOptions(0.01));
  ExpectSameAs<torch::optim::AdamW>(pipeline::Train::ADAMW, torch::optim::AdamWOptions(0.01));
  ExpectSameAs<torch::optim::SGD>(pipeline::Train::SGD,
                                  torch::optim::SGDOptions(0.01).momentum(0.9).nesterov(true));
}

TEST(Optimizer, MovesDownhillWithEveryMethod) {
  for (int method = pipeline::Train::Optimizer_MIN; method <= pipeline::Train::Optimizer_MAX;
       ++method) {
    pipeline::Train options;
    options.set_optimizer(static_cast<pipeline::Train::Optimizer>(method));
    at::Tensor x = at::full({1}, 3.0).requires_grad_();
    pipeline::Optimizer optimizer(options, {x});
    for (int i = 0; i < 400; ++i) {
      optimizer.ZeroGradients();
      (x * x).sum().backward();
      optimizer.Step(0.02, optimizer.GradientNorm());
    }
    EXPECT_LT(x.abs().item<double>(), 0.05) << method;
  }
}

// ---- small things ----

TEST(Hash, SpreadsNeighbours) {
  std::set<uint64_t> seen;
  for (uint64_t a = 0; a < 100; ++a) {
    for (uint64_t b = 0; b < 100; ++b) seen.insert(pipeline::Hash({a, b}));
  }
  EXPECT_EQ(seen.size(), 10000);
  double ones = 0;
  for (const uint64_t value : seen) ones += __builtin_popcountll(value);
  // 640,000 fair bits: 0.5 within five standard deviations.
  EXPECT_NEAR(ones / 640000, 0.5, 5 * 0.5 / std::sqrt(640000.0));
}

TEST(Suggestions, AreNear) {
  EXPECT_EQ(pipeline::DidYouMean("Focl", {"Focal", "Dice"}), "; did you mean \"Focal\"?");
  EXPECT_EQ(pipeline::DidYouMean("smoothl1", {"SmoothL1"}), "; did you mean \"SmoothL1\"?");
  EXPECT_EQ(pipeline::DidYouMean("Tversky", {"Focal", "Dice"}), "");
}

TEST(Terminal, FormatsForPeople) {
  EXPECT_EQ(pipeline::Duration(62), "1:02");
  EXPECT_EQ(pipeline::Duration(3723), "1:02:03");
  EXPECT_EQ(pipeline::Thousands(14724036), "14,724,036");
  EXPECT_EQ(pipeline::Thousands(123), "123");
  EXPECT_EQ(pipeline::Bar(5, 10), "[==========>         ]");
  EXPECT_EQ(pipeline::Bar(10, 10), "[====================]");
}

TEST(MetricsCsv, GrowsColumnsAsTheyAppear) {
  const Workspace workspace;
  pipeline::MetricsCsv metrics("metrics.csv");
  ASSERT_TRUE(metrics.AddRow({{"epoch", "1"}}, {{"a", 0.5}}).ok());
  ASSERT_TRUE(metrics.AddRow({{"epoch", "2"}}, {{"b", std::nan("")}, {"a", 1.0 / 3}}).ok());
  EXPECT_EQ(workspace.Read("metrics.csv"), "epoch,a,b\n1,0.5,\n2,0.333333333,\n");
}

}  // namespace
