// The random cases of tests/oracles/statistics.py, drawn again, and their golden results.
#ifndef PIPELINE_STATISTICS_GOLDEN_CASES_H_
#define PIPELINE_STATISTICS_GOLDEN_CASES_H_

#include <gtest/gtest.h>

#include <cmath>
#include <fstream>
#include <nlohmann/json.hpp>
#include <numeric>
#include <string>
#include <vector>

#include "pipeline/statistics/philox.h"
#include "pipeline/statistics/probabilities.h"

namespace pipeline {

constexpr uint64_t kGoldenSeed = 17;

inline nlohmann::json GoldenTable(const std::string& name) {
  return nlohmann::json::parse(std::ifstream("pipeline/statistics/testdata/" + name));
}

struct GoldenClassifier {
  Probabilities probabilities;
  std::vector<int> labels;

  GoldenClassifier(uint64_t purpose, uint64_t number, int64_t least = 1) {
    PhiloxStream stream({kGoldenSeed, purpose}, number);
    const int64_t classes = 2 + stream.Below(6);
    int64_t n = least + stream.Below(200);
    while (std::gcd(n - 1, int64_t{15}) != 1) ++n;
    const int64_t power = 1 + stream.Below(6);
    for (int64_t i = 0; i < n; ++i) {
      labels.push_back(static_cast<int>(stream.Below(classes)));
      std::vector<int64_t> weights;
      for (int64_t c = 0; c < classes; ++c) weights.push_back(1 + stream.Below(1000000));
      weights[labels.back()] += stream.Below(1000000);
      std::vector<double> row;
      double total = 0;
      for (const int64_t weight : weights) {
        double raised = 1;
        for (int64_t k = 0; k < power; ++k) raised *= static_cast<double>(weight) / 1000000;
        row.push_back(raised);
        total += raised;
      }
      for (double& p : row) p /= total;
      probabilities.push_back(row);
    }
  }
};

// Of 12 digits; null is NaN.
inline void ExpectGolden(double value, const nlohmann::json& golden, double tolerance = 1e-9) {
  if (golden.is_null()) {
    EXPECT_TRUE(std::isnan(value)) << value;
  } else {
    EXPECT_NEAR(value, golden, tolerance);
  }
}

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_GOLDEN_CASES_H_
