// Scores within a tolerance against SciPy's.
#include "plugins/scores/tolerance.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <string>

#include "pipeline/stage.h"

namespace {

// int64 [1, H, W] from rows of digits, "." being ignored.
at::Tensor MaskOf(const nlohmann::json& rows) {
  std::vector<int64_t> values;
  for (const std::string row : rows) {
    for (const char c : row) values.push_back(c == '.' ? pipeline::kIgnoredLabel : c - '0');
  }
  return at::tensor(values, at::kLong).reshape({1, static_cast<int64_t>(rows.size()), -1});
}

void ExpectRatio(double value, const nlohmann::json& expected) {
  if (expected.is_null()) {
    EXPECT_TRUE(std::isnan(value)) << value;
  } else {
    EXPECT_NEAR(value, expected, 1e-12);  // a handful of divisions in double
  }
}

TEST(Tolerance, EqualsTheDistanceTransform) {
  std::ifstream stream("plugins/scores/testdata/tolerance.json");
  const auto oracle = nlohmann::json::parse(stream);
  ASSERT_EQ(oracle["cases"].size(), 400);
  for (const auto& c : oracle["cases"]) {
    SCOPED_TRACE(c.dump());
    plugins::ToleranceCounts counts(1, c["radii"].get<std::vector<int64_t>>(), at::kCPU);
    for (const auto& image : c["images"]) {
      counts.Add(MaskOf(image["labels"]), MaskOf(image["predicted"]));
    }
    const auto scores = counts.Take();
    ASSERT_EQ(scores.size(), c["scores"].size());
    for (size_t i = 0; i < scores.size(); ++i) {
      ExpectRatio(scores[i].precision, c["scores"][i]["precision"]);
      ExpectRatio(scores[i].recall, c["scores"][i]["recall"]);
      ExpectRatio(scores[i].f1, c["scores"][i]["f1"]);
    }
  }
}

TEST(Tolerance, DilatesByTheWholeDiscAndEachImageAlone) {
  at::Tensor set = at::zeros({2, 41, 41}, at::kBool);
  set[0][20][20] = true;
  for (int64_t radius = 0; radius <= 20; ++radius) {
    const at::Tensor reached = plugins::Dilated(set, radius);
    for (int64_t y = -20; y <= 20; ++y) {
      for (int64_t x = -20; x <= 20; ++x) {
        ASSERT_EQ(reached[0][20 + y][20 + x].item<bool>(), y * y + x * x <= radius * radius)
            << "radius " << radius << " at " << y << ", " << x;
      }
    }
    EXPECT_FALSE(reached[1].any().item<bool>());
  }
}

TEST(Tolerance, ForgetsWhatItTook) {
  plugins::ToleranceCounts counts(1, {0}, at::kCPU);
  counts.Add(at::ones({1, 2, 2}, at::kLong), at::ones({1, 2, 2}, at::kLong));
  EXPECT_EQ(counts.Take()[0].f1, 1);
  EXPECT_TRUE(std::isnan(counts.Take()[0].f1));
}

}  // namespace
