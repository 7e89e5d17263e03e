// Balanced sampling, as the stages of a graph see it.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "pipeline/stage.h"
#include "tests/oracle.h"

namespace {

using pipeline::Source;
using pipeline::Step;
using pipeline::TEST;
using pipeline::TRAIN;
using testing_support::PluginOf;

std::unique_ptr<pipeline::Stage> Loader(const std::string& options) {
  // 64, 16, 4 and 1 images of four classes: the imbalance is geometric.
  auto stage = pipeline::Stages::Get().Create(
      PluginOf("plugins/Loader",
               "image_size: 8 batch_size: 10 validation_fraction: 0 dataset { "
               "[datasets/Synthetic] { images_per_class: 64 imbalance: 64 "
               "test_images_per_class: 5 } } " +
                   options));
  EXPECT_TRUE(stage.ok()) << stage.status();
  pipeline::BuildContext context;
  const auto specs = (*stage)->Build({}, &context);
  EXPECT_TRUE(specs.ok()) << specs.status();
  return *std::move(stage);
}

struct Pass {
  std::vector<int64_t> samples, repeats;
  std::map<int64_t, int> labels;  // as the batches have them
};

Pass RunPass(pipeline::Stage* stage, pipeline::Phase phase, int64_t epoch) {
  auto& source = dynamic_cast<Source&>(*stage);
  Step step{phase, epoch, 5, 0, source.StepsIn(phase)};
  EXPECT_TRUE(source.Begin(step).ok());
  Pass pass;
  for (; step.index < step.steps; ++step.index) {
    const auto samples = source.Samples(step.index), repeats = source.Repeats(step.index);
    pass.samples.insert(pass.samples.end(), samples.begin(), samples.end());
    pass.repeats.insert(pass.repeats.end(), repeats.begin(), repeats.end());
    pipeline::Tensors out;
    EXPECT_TRUE(source.Run(step, {}, &out).ok());
    const at::Tensor labels = out.at("labels");
    for (int64_t i = 0; i < labels.size(0); ++i) ++pass.labels[labels[i].item<int64_t>()];
  }
  return pass;
}

TEST(Sampling, BalancedShowsEachClassEquallyOften) {
  const auto loader = Loader("sampling: BALANCED");
  const Pass first = RunPass(loader.get(), TRAIN, 0);
  // 85 images, so that one class comes once more.
  ASSERT_EQ(first.samples.size(), 85);
  ASSERT_EQ(first.repeats.size(), 85);
  for (const auto& [label, count] : first.labels) EXPECT_NEAR(count, 21.25, 0.75) << label;
  EXPECT_EQ(first.labels.size(), 4);
  EXPECT_EQ(*std::max_element(first.repeats.begin(), first.repeats.end()), first.labels.at(3) - 1);
  const Pass again = RunPass(loader.get(), TRAIN, 0);
  EXPECT_EQ(first.samples, again.samples);
  EXPECT_EQ(first.labels, again.labels);
  EXPECT_NE(first.samples, RunPass(loader.get(), TRAIN, 1).samples);
  // Other phases show everything once.
  const Pass test = RunPass(loader.get(), TEST, 0);
  EXPECT_EQ(test.labels, (std::map<int64_t, int>{{0, 5}, {1, 5}, {2, 5}, {3, 5}}));
  EXPECT_TRUE(test.repeats.empty());
}

TEST(Sampling, ShuffleShowsEachImageOnce) {
  const auto loader = Loader("");
  const Pass pass = RunPass(loader.get(), TRAIN, 0);
  EXPECT_EQ(pass.labels, (std::map<int64_t, int>{{0, 64}, {1, 16}, {2, 4}, {3, 1}}));
  EXPECT_TRUE(pass.repeats.empty());
}

TEST(Sampling, ImagesThatComeAgainAreAugmentedAnew) {
  auto augment = pipeline::Stages::Get().Create(PluginOf("plugins/Augment", ""));
  ASSERT_TRUE(augment.ok());
  pipeline::BuildContext context;
  const pipeline::Specs specs = {{"images", {at::kByte, {-1, 1, 16, 16}, 0}},
                                 {"labels", {at::kLong, {-1}, 0}}};
  ASSERT_TRUE((*augment)->Build(specs, &context).ok());
  const at::Tensor image = at::randint(256, {1, 1, 16, 16}, at::kByte);
  const auto moved = [&](std::vector<int64_t> samples, std::vector<int64_t> repeats) {
    Step step;
    const auto count = static_cast<int64_t>(samples.size());
    step.samples = std::move(samples);
    step.repeats = std::move(repeats);
    pipeline::Tensors out;
    const pipeline::Tensors in = {{"images", image.repeat({count, 1, 1, 1})},
                                  {"labels", at::zeros({count}, at::kLong)}};
    EXPECT_TRUE((*augment)->Run(step, in, &out).ok());
    return out.at("images");
  };
  const at::Tensor twice = moved({7, 7}, {0, 1});
  EXPECT_FALSE(twice[0].equal(twice[1]));
  EXPECT_TRUE(twice[0].equal(moved({7}, {})[0]));
  EXPECT_TRUE(twice[1].equal(moved({7}, {1})[0]));
}

}  // namespace
