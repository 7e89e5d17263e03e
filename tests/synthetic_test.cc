// Datasets of drawn pictures: the synthetic one and the embedded samples.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/one_hot.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>
#include <gtest/gtest.h>

#include <functional>
#include <map>
#include <opencv2/imgproc.hpp>
#include <set>
#include <string>

#include "datasets/drawn/drawn_domains.h"
#include "tests/oracle.h"

namespace {

using datasets::Dataset;
using datasets::DatasetContext;
using datasets::DrawnDomain;
using pipeline::PhaseIndex;
using pipeline::Task;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using testing_support::PluginOf;

constexpr int kSize = 128;  // as large as small images are drawn

struct Domain {
  const char* name;
  DrawnDomain domain;
  int kinds;
};
constexpr Domain kDomains[] = {{"BRAIN", DrawnDomain::kBrain, 4},
                               {"LEAF", DrawnDomain::kLeaf, 5},
                               {"LAND", DrawnDomain::kLand, 6},
                               {"CRACK", DrawnDomain::kCrack, 4}};

std::unique_ptr<Dataset> Opened(const std::string& url, const std::string& options,
                                const DatasetContext& context = {}) {
  auto opened = datasets::Datasets::Get().Create(PluginOf(url, options), context);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

double Share(const cv::Mat& where) {
  return cv::countNonZero(where) / static_cast<double>(where.total());
}

// Images of a phase, RGB and 16 x 16, and their labels.
struct Images {
  std::vector<cv::Mat> images;
  std::vector<int64_t> labels;
};
Images ReadAll(const Dataset& data, pipeline::Phase phase) {
  Images all;
  for (int64_t i = 0; i < data.info().images[PhaseIndex(phase)]; ++i) {
    const auto sample = data.Read(phase, i, 16);
    all.images.push_back(sample->image);
    all.labels.push_back(sample->label);
  }
  return all;
}

// Logistic regression on standardised features, trained to convergence with the ridge penalty that
// serves it best on the test images: an upper bound of what a linear model finds.
double LinearAccuracy(const Images& train, const Images& test, int64_t classes,
                      const std::function<at::Tensor(const cv::Mat& rgb)>& features) {
  const auto stack = [&](const Images& all) {
    std::vector<at::Tensor> x;
    for (const cv::Mat& image : all.images) x.push_back(features(image));
    return at::stack(x);
  };
  at::Tensor train_x = stack(train), test_x = stack(test);
  const at::Tensor mean = train_x.mean(0), std = train_x.std(0) + 1e-3;
  train_x = (train_x - mean) / std;
  test_x = (test_x - mean) / std;
  const at::Tensor one_hot = at::one_hot(at::tensor(train.labels), classes).to(at::kFloat);
  const at::Tensor test_y = at::tensor(test.labels);
  double best = 0;
  for (const double ridge : {0.1, 1.0}) {
    at::Tensor weights = at::zeros({train_x.size(1), classes}), bias = at::zeros({classes});
    at::Tensor speed = at::zeros_like(weights);
    for (int step = 0; step < 300; ++step) {
      const at::Tensor error = (train_x.matmul(weights) + bias).softmax(1) - one_hot;
      const at::Tensor gradient =
          train_x.t().matmul(error) / static_cast<double>(train_x.size(0)) + ridge * weights;
      speed = 0.9 * speed - 0.003 * gradient;
      weights += speed;
      bias -= 0.1 * error.mean(0);
    }
    const at::Tensor right = (test_x.matmul(weights) + bias).argmax(1) == test_y;
    best = std::max(best, right.to(at::kFloat).mean().item<double>());
  }
  return best;
}

at::Tensor GrayPixels(const cv::Mat& rgb) {
  cv::Mat gray;
  cv::cvtColor(rgb, gray, cv::COLOR_RGB2GRAY);
  return at::from_blob(gray.data, {static_cast<int64_t>(gray.total())}, at::kByte).to(at::kFloat);
}

// The mean of each channel and its square: brightness and tint, and how far from usual they are.
at::Tensor MeanColor(const cv::Mat& rgb) {
  const cv::Scalar mean = cv::mean(rgb) / 255;
  std::vector<float> features;
  for (int c = 0; c < 3; ++c) {
    features.push_back(static_cast<float>(mean[c]));
    features.push_back(static_cast<float>(mean[c] * mean[c]));
  }
  return at::tensor(features);
}

TEST(Synthetic, IsNotSolvedByALinearModel) {
  at::set_num_threads(1);  // the products are small: threads would wait for each other
  for (const Domain& domain : kDomains) {
    const auto data =
        Opened("datasets/Synthetic", std::string("images_per_class: 120 domain: ") + domain.name);
    const Images train = ReadAll(*data, TRAIN), test = ReadAll(*data, TEST);
    const double chance = 1.0 / domain.kinds;
    for (const auto& features : {GrayPixels, MeanColor}) {
      const double accuracy = LinearAccuracy(train, test, domain.kinds, features);
      EXPECT_LT(accuracy, 0.65) << domain.name;
      EXPECT_GT(accuracy, 0.6 * chance) << domain.name;  // or the regression itself is broken
    }
  }
}

TEST(Synthetic, HasAsManyImagesAsAskedFor) {
  DatasetContext context;
  context.validation_fraction = 0.25;
  const auto data = Opened("datasets/Synthetic",
                           "task: BINARY images_per_class: 8 test_images_per_class: 3", context);
  EXPECT_EQ(data->info().class_counts[0], (std::vector<int64_t>{6, 18}));
  EXPECT_EQ(data->info().class_counts[1], (std::vector<int64_t>{2, 6}));
  EXPECT_EQ(data->info().class_counts[2], (std::vector<int64_t>{3, 9}));
}

TEST(Synthetic, IsAsImbalancedAsAskedFor) {
  const auto counts = [](const std::string& options) {
    return Opened("datasets/Synthetic", options + " test_images_per_class: 3")->info().class_counts;
  };
  // 640 * 64^(-k/3), then five kinds in steps of 16^(1/4) = 2.
  EXPECT_EQ(counts("images_per_class: 640 imbalance: 64")[0],
            (std::vector<int64_t>{640, 160, 40, 10}));
  EXPECT_EQ(counts("domain: LEAF images_per_class: 160 imbalance: 16")[0],
            (std::vector<int64_t>{160, 80, 40, 20, 10}));
  EXPECT_EQ(counts("images_per_class: 640 imbalance: 64")[2], (std::vector<int64_t>{3, 3, 3, 3}));
  // No kind vanishes.
  EXPECT_EQ(counts("images_per_class: 2 imbalance: 1000000")[0],
            (std::vector<int64_t>{2, 1, 1, 1}));
}

TEST(Synthetic, HasTheClassesOfEachTask) {
  const std::vector<std::string> land = {"urban",  "agriculture", "rangeland",
                                         "forest", "water",       "barren"};
  const std::map<std::string, std::vector<std::string>> classes = {
      {"BRAIN MULTICLASS", {"glioma", "meningioma", "no_tumor", "pituitary"}},
      {"BRAIN BINARY", {"no_tumor", "tumor"}},
      {"BRAIN SEGMENTATION", {"background", "tumor"}},
      {"LEAF MULTICLASS",
       {"bacterial_spot", "healthy", "late_blight", "mosaic_virus", "target_spot"}},
      {"LEAF BINARY", {"healthy", "diseased"}},
      {"LEAF SEGMENTATION", {"healthy", "diseased"}},
      {"LAND MULTICLASS", land},
      {"LAND BINARY", {"other", "water"}},
      {"LAND SEGMENTATION", land},
      {"CRACK MULTICLASS", {"noncrack", "CFD", "DeepCrack", "cracktree"}},
      {"CRACK BINARY", {"noncrack", "crack"}},
      {"CRACK SEGMENTATION", {"background", "crack"}}};
  for (const Domain& domain : kDomains) {
    for (const auto& [task, name] :
         {std::pair(Task::kMulticlass, "MULTICLASS"), std::pair(Task::kBinary, "BINARY"),
          std::pair(Task::kSegmentation, "SEGMENTATION")}) {
      const auto data =
          Opened("datasets/Synthetic",
                 std::string("images_per_class: 2 test_images_per_class: 1 domain: ") +
                     domain.name + " task: " + name);
      EXPECT_EQ(data->info().task, task);
      EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{2 * domain.kinds, 0, domain.kinds}));
      EXPECT_EQ(data->info().classes, classes.at(std::string(domain.name) + " " + name));
      EXPECT_EQ(data->info().classes, datasets::DrawnClasses(domain.domain, task));
    }
  }
}

// An image of a binary task is of the second class where its mask is not empty; of land, where
// water covers most of it.
TEST(Synthetic, BinaryLabelsAgreeWithMasks) {
  for (const Domain& domain : kDomains) {
    const std::string options =
        std::string("images_per_class: 3 test_images_per_class: 0 domain: ") + domain.name;
    const auto labels = Opened("datasets/Synthetic", options + " task: BINARY");
    const auto masks = Opened("datasets/Synthetic", options + " task: SEGMENTATION");
    for (int64_t i = 0; i < labels->info().images[0]; ++i) {
      const cv::Mat mask = masks->Read(TRAIN, i, kSize)->mask;
      const bool second =
          domain.domain == DrawnDomain::kLand ? Share(mask == 4) > 0.5 : cv::countNonZero(mask) > 0;
      EXPECT_EQ(labels->Read(TRAIN, i, kSize)->label, second ? 1 : 0) << domain.name;
    }
  }
}

TEST(Synthetic, MasksFollowTheirImagesToEverySize) {
  for (const Domain& domain : kDomains) {
    const auto data =
        Opened("datasets/Synthetic", std::string("task: SEGMENTATION images_per_class: 2 "
                                                 "test_images_per_class: 0 domain: ") +
                                         domain.name);
    for (const auto& counts : data->info().class_counts) EXPECT_TRUE(counts.empty());
    for (int64_t i = 0; i < data->info().images[0]; ++i) {
      const cv::Mat whole = data->Read(TRAIN, i, kSize)->mask;
      for (const int size : {48, 32}) {
        const auto sample = data->Read(TRAIN, i, size);
        ASSERT_EQ(sample->image.size(), cv::Size(size, size));
        ASSERT_EQ(sample->mask.size(), cv::Size(size, size));
        ASSERT_EQ(sample->mask.type(), CV_8UC1);
        EXPECT_TRUE(sample->mask.isContinuous());
        for (int y = 0; y < size; ++y) {
          for (int x = 0; x < size; ++x) {
            // The pixel below the middle of the small one, or, on a border, the one before it.
            const int down = (2 * y + 1) * kSize, right = (2 * x + 1) * kSize, unit = 2 * size;
            std::set<int> allowed;
            for (const int row : {down / unit, (down - 1) / unit}) {
              for (const int column : {right / unit, (right - 1) / unit}) {
                allowed.insert(whole.at<uchar>(row, column));
              }
            }
            ASSERT_EQ(allowed.count(sample->mask.at<uchar>(y, x)), 1)
                << domain.name << " " << y << " " << x;
          }
        }
      }
    }
  }
}

TEST(Synthetic, WaterIsToldFromTheRestOfLand) {
  const auto land = Opened("datasets/Deepglobe", "embedded_sample: true task: SEGMENTATION");
  for (const auto& [url, options] :
       {std::pair("datasets/Synthetic", "domain: LAND task: BINARY_PIXELS"),
        std::pair("datasets/Deepglobe", "embedded_sample: true task: BINARY_PIXELS")}) {
    const auto water = Opened(url, options);
    EXPECT_EQ(water->info().task, Task::kSegmentation);
    EXPECT_EQ(water->info().classes, (std::vector<std::string>{"other", "water"}));
    ASSERT_EQ(water->info().images, land->info().images);
    std::set<int> seen;
    for (int64_t i = 0; i < land->info().images[0]; i += 31) {
      const auto whole = land->Read(TRAIN, i, kSize), sample = water->Read(TRAIN, i, kSize);
      EXPECT_EQ(cv::norm(sample->image, whole->image), 0);
      ASSERT_EQ(sample->mask.size(), whole->mask.size());
      for (int64_t at = 0; at < static_cast<int64_t>(whole->mask.total()); ++at) {
        const int before = whole->mask.data[at];  // Read gives masks without gaps
        const int expected = before == datasets::kIgnoredMask ? before : before == 4 ? 1 : 0;
        ASSERT_EQ(int{sample->mask.data[at]}, expected) << url << " " << i << " " << at;
        seen.insert(expected);
      }
    }
    EXPECT_EQ(seen, (std::set<int>{0, 1, datasets::kIgnoredMask})) << url;
  }
}

TEST(Synthetic, WaterIsOfLandAlone) {
  for (const Domain& domain : kDomains) {
    if (domain.domain == DrawnDomain::kLand) continue;
    const std::string name = domain.name;
    const auto opened = datasets::Datasets::Get().Create(
        PluginOf("datasets/Synthetic", "task: BINARY_PIXELS domain: " + name), DatasetContext());
    EXPECT_EQ(opened.status().message(),
              "task: BINARY_PIXELS tells water from the rest of domain: LAND; for the pixels of " +
                  name + " there is SEGMENTATION");
    EXPECT_EQ(pipeline::OptionOf(opened.status()), "task");
  }
}

TEST(Synthetic, ClassificationHasNoMasks) {
  const auto data = Opened("datasets/Synthetic", "domain: CRACK images_per_class: 1");
  EXPECT_TRUE(data->Read(TRAIN, 0, 32)->mask.empty());
}

TEST(EmbeddedSample, IsBalancedAndAlwaysTheSame) {
  DatasetContext context;
  context.validation_fraction = 0.15;
  const auto a = Opened("datasets/BrainTumor", "embedded_sample: true", context);
  context.seed = 99;
  const auto b = Opened("datasets/BrainTumor", "embedded_sample: true", context);
  EXPECT_TRUE(a->info().embedded_sample);
  EXPECT_EQ(a->info().dataset, "brain_tumor");
  EXPECT_EQ(a->info().class_counts[0], (std::vector<int64_t>{170, 170, 170, 170}));
  EXPECT_EQ(a->info().class_counts[2], (std::vector<int64_t>{50, 50, 50, 50}));
  // The seed moves images between TRAIN and VAL; those of TEST stay.
  EXPECT_EQ(cv::norm(a->Read(TEST, 7, 48)->image, b->Read(TEST, 7, 48)->image), 0);
  EXPECT_GT(cv::norm(a->Read(TRAIN, 7, 48)->image, a->Read(TRAIN, 8, 48)->image), 0);
}

TEST(EmbeddedSample, StandsInForEveryDomainAndTask) {
  DatasetContext context;
  context.validation_fraction = 0.15;
  for (const Domain& domain : kDomains) {
    for (const Task task : {Task::kMulticlass, Task::kBinary, Task::kSegmentation}) {
      const auto data = datasets::OpenEmbeddedSample("the_name", domain.domain, task, context);
      const int64_t kinds = domain.kinds;
      EXPECT_TRUE(data->info().embedded_sample);
      EXPECT_EQ(data->info().dataset, "the_name");
      EXPECT_EQ(data->info().task, task);
      EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{170 * kinds, 30 * kinds, 50 * kinds}));
      const auto sample = data->Read(VAL, 0, 32);
      ASSERT_TRUE(sample.ok());
      EXPECT_EQ(sample->mask.empty(), task != Task::kSegmentation);
    }
  }
}

}  // namespace
