// Metrics against scikit-learn's.
#include "plugins/scores/confusion.h"

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>

namespace {

constexpr double kRounding = 1e-12;  // of a handful of additions and divisions in double

// The oracle's null stands for a ratio of 0 / 0.
void ExpectByClass(const std::vector<double>& values, const nlohmann::json& expected) {
  ASSERT_EQ(values.size(), expected.size());
  for (size_t i = 0; i < values.size(); ++i) {
    if (expected[i].is_null()) {
      EXPECT_TRUE(std::isnan(values[i])) << "class " << i;
    } else {
      EXPECT_NEAR(values[i], expected[i], kRounding) << "class " << i;
    }
  }
}

TEST(Confusion, EqualsScikitLearn) {
  std::ifstream stream("plugins/scores/testdata/metrics.json");
  const auto oracle = nlohmann::json::parse(stream);
  ASSERT_EQ(oracle["cases"].size(), 1000);
  for (const auto& c : oracle["cases"]) {
    SCOPED_TRACE(c["confusion"].dump());
    const auto m = plugins::Evaluate(c["confusion"].get<plugins::Confusion>());
    EXPECT_NEAR(m.accuracy, c["accuracy"], kRounding);
    EXPECT_NEAR(m.balanced_accuracy, c["balanced_accuracy"], kRounding);
    EXPECT_NEAR(m.weighted_precision, c["weighted_precision"], kRounding);
    EXPECT_NEAR(m.weighted_recall, c["weighted_recall"], kRounding);
    EXPECT_NEAR(m.weighted_f1, c["weighted_f1"], kRounding);
    EXPECT_NEAR(m.macro_precision, c["macro_precision"], kRounding);
    EXPECT_NEAR(m.macro_recall, c["macro_recall"], kRounding);
    EXPECT_NEAR(m.macro_f1, c["macro_f1"], kRounding);
    EXPECT_NEAR(m.mean_iou_present, c["mean_iou_present"], kRounding);
    EXPECT_NEAR(m.mean_iou_all, c["mean_iou_all"], kRounding);
    EXPECT_NEAR(m.mean_dice_present, c["mean_dice_present"], kRounding);
    EXPECT_NEAR(m.mean_iou_present_majority, c["mean_iou_present_majority"], kRounding);
    EXPECT_NEAR(m.mean_iou_all_majority, c["mean_iou_all_majority"], kRounding);
    ExpectByClass(m.recall, c["recall"]);
    ExpectByClass(m.precision, c["precision"]);
    ExpectByClass(m.f1, c["f1"]);
    ExpectByClass(m.iou, c["iou"]);
    EXPECT_NEAR(m.majority_baseline, c["majority_baseline"], kRounding);
    EXPECT_EQ(m.classes_predicted, c["classes_predicted"].get<int64_t>());
    EXPECT_EQ(m.collapsed, c["collapsed"].get<bool>());
    // By definition; a paper in which the two differ has a mistake.
    EXPECT_NEAR(m.weighted_recall, m.accuracy, kRounding);
  }
}

TEST(Confusion, KnowsNothingWithoutSamples) {
  const auto m = plugins::Evaluate({{0, 0}, {0, 0}});
  EXPECT_TRUE(std::isnan(m.accuracy));
  EXPECT_TRUE(std::isnan(m.mean_iou_all));
  EXPECT_TRUE(std::isnan(m.mean_iou_all_majority));
  EXPECT_FALSE(m.collapsed);
}

}  // namespace
