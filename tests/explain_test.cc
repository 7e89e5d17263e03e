// Grad-CAM looks where the class is, follows the weights, and terms pull where their formula says.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <nlohmann/json.hpp>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <vector>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "pipeline/prediction/explanation.h"
#include "pipeline/prediction/member.h"
#include "pipeline/runs/run.h"
#include "pipeline/training/device.h"
#include "tests/testing.h"

namespace {

using nlohmann::json;
using pipeline::Member;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr int kSide = 32, kBlob = 5;

// Noise, with a bright disc on it or without; where its center is.
cv::Mat Noise(int seed, bool disc, cv::Point* center) {
  cv::RNG random(seed);
  cv::Mat image(kSide, kSide, CV_8UC3);
  random.fill(image, cv::RNG::UNIFORM, 40, 120);
  *center = {random.uniform(kBlob, kSide - kBlob), random.uniform(kBlob, kSide - kBlob)};
  if (disc) cv::circle(image, *center, kBlob, {255, 255, 255}, cv::FILLED);
  return image;
}

// A run "out" that tells noise with a disc (class disc) from noise (class none).
class Explain : public testing::Test {
 protected:
  Explain() {
    const std::string config = absl::StrReplaceAll(
        SmallConfig(),
        {{"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
          "[datasets/Folder] { root: \"discs\" }"},
         {"[models/Vgg16] { head: GAP width: 0.07 }",
          "[models/Cnn] { channels: [8, 16] hidden: 0 dropout: 0 batch_norm: true }"},
         {"epochs: 2 learning_rate: 1e-3", "epochs: 25 learning_rate: 3e-3"}});
    workspace_.Write("configs/discs.pbtxt", config);
    for (int i = 0; i < 48; ++i) {
      const bool disc = i % 2 == 0;
      const std::string path =
          absl::StrCat("discs/", i < 40 ? "train/" : "test/", disc ? "disc/" : "none/", i, ".png");
      workspace_.Write(path, "");
      cv::Point center;
      cv::imwrite(path, Noise(i, disc, &center));
      if (i >= 40 && disc) shown_.push_back({path, center});
    }
    const Ran ran = RunPipeline({"discs", "--out=out"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    const json test = json::parse(workspace_.Read("out/summary.json"))["test"];
    EXPECT_EQ(test["accuracy"], 1) << "what is explained must be right";
  }

  static Member Opened() {
    const auto run = pipeline::Run::Open("out");
    EXPECT_TRUE(run.ok()) << run.status();
    auto member = Member::Open(*run, {});
    EXPECT_TRUE(member.ok()) << member.status();
    return *std::move(member);
  }

  // [S, S] of class disc.
  static at::Tensor CamOf(const std::string& path, Member* member) {
    const at::Tensor image = member->Read(path)->pixels.unsqueeze(0);
    const auto graph = member->RunWithGradients(image, at::tensor({0}, at::kLong));
    EXPECT_TRUE(graph.ok()) << graph.status();
    const auto map = pipeline::GradCam(**graph, at::tensor({0}, at::kLong), kSide);
    EXPECT_TRUE(map.ok()) << map.status();
    return (*map)[0];
  }

  struct Shown {
    std::string path;
    cv::Point center;
  };
  const Workspace workspace_;
  std::vector<Shown> shown_;
};

TEST_F(Explain, LooksAtWhatMakesTheClass) {
  Member member = Opened();
  for (const Shown& shown : shown_) {
    const at::Tensor map = CamOf(shown.path, &member);
    EXPECT_EQ(map.min().item<float>() >= 0, true);
    EXPECT_EQ(map.max().item<float>(), 1);
    double inside = 0, outside = 0;
    int in = 0, out = 0;
    for (int y = 0; y < kSide; ++y) {
      for (int x = 0; x < kSide; ++x) {
        const double far = std::hypot(x - shown.center.x, y - shown.center.y);
        const double value = map[y][x].item<double>();
        if (far <= kBlob) inside += value, ++in;
        if (far > 2 * kBlob) outside += value, ++out;
      }
    }
    // Maps are of 16 x 16 pixels: what is twice as far as the disc's edge has nothing of it.
    EXPECT_GT(inside / in, 3 * outside / out) << shown.path;
  }
}

// Adebayo et al. 2018: a map that stays as it is where the weights are drawn anew explains nothing.
TEST_F(Explain, FollowsTheWeights) {
  Member member = Opened();
  const at::Tensor before = CamOf(shown_[0].path, &member).clone();
  const auto run = pipeline::Run::Open("out");
  pipeline::BuildContext context;
  Member drawn = Opened();
  pipeline::SeedGenerators(5);
  const auto graph = drawn.RunWithGradients(drawn.Read(shown_[0].path)->pixels.unsqueeze(0),
                                            at::tensor({0}, at::kLong));
  ASSERT_TRUE(graph.ok());
  for (at::Tensor& parameter : (*graph)->Parameters()) {
    at::Tensor data = parameter.detach();
    data.normal_(0, data.dim() > 1 ? 0.3 : 0);
  }
  const at::Tensor after = CamOf(shown_[0].path, &drawn);
  const at::Tensor a = before - before.mean(), b = after - after.mean();
  const double alike = (a * b).sum().item<double>() /
                       std::max(1e-12, a.norm().item<double>() * b.norm().item<double>());
  EXPECT_LT(std::abs(alike), 0.5);
}

TEST_F(Explain, TellsWhichTermPullsWhereTo) {
  const std::string image = shown_[0].path;
  // Cross entropy's gradient is p - y: it pulls towards the label, by sqrt(2) (1 - p) of two
  // classes.
  const Ran ran = RunPipeline({"explain", "out", image, "--label=none", "--json"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json line = json::parse(ran.out);
  EXPECT_EQ(line["class"], "disc");
  EXPECT_EQ(line["label"], "none");
  ASSERT_EQ(line["terms"].size(), 2);
  double shares = 0;
  for (const json& term : line["terms"]) {
    EXPECT_EQ(term["towards"], "none");
    shares += term["share"].get<double>();
    if (term["term"] != "categorical_cross_entropy") continue;
    EXPECT_NEAR(term["pull"].get<double>(), std::sqrt(2.) * line["probability"].get<double>(),
                1e-5);  // float32
  }
  EXPECT_NEAR(shares, 1, 1e-6);
  EXPECT_GE(line["terms"][0]["pull"], line["terms"][1]["pull"]);
  ASSERT_EQ(line["pictures"].size(), 2);
  for (const json& picture : line["pictures"]) {
    const cv::Mat read = cv::imread(picture.get<std::string>());
    EXPECT_EQ(read.size(), cv::Size(kSide, kSide));
  }
}

TEST_F(Explain, RefusesWhatCannotBe) {
  const std::string image = shown_[0].path;
  const std::pair<std::vector<std::string>, std::string> cases[] = {
      {{"explain", "out"}, "explain takes a run and images\n"},
      {{"explain", "out", image, "--class=cat"}, "no class \"cat\"; there are disc, none\n"},
      {{"explain", "out", "gone.png"}, "gone.png: no such file or folder\n"},
  };
  for (const auto& [words, error] : cases) {
    const Ran ran = RunPipeline(words);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.err, error);
  }
  // A predictions.csv that is not this run's, or was edited.
  workspace_.Write(
      "out/predictions.csv",
      absl::StrReplaceAll(workspace_.Read("out/predictions.csv"), {{".png,disc,", ".png,disk,"}}));
  const Ran ran = RunPipeline({"explain", "out", image});
  EXPECT_EQ(ran.code, 1);
  EXPECT_EQ(ran.err, image +
                         ": predictions.csv says that it shows \"disk\", which is no class of "
                         "the run; give --label=disc|none\n");
  EXPECT_EQ(RunPipeline({"explain", "out", image, "--label=disc"}).code, 0);
}

}  // namespace
