// Orders of training images.
#include "plugins/loading/sampling.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <map>
#include <set>

namespace {

// 7, 20 and 3 samples of three classes.
std::vector<int64_t> Labels() {
  std::vector<int64_t> labels(30, 1);
  std::fill_n(labels.begin(), 7, 0);
  std::fill_n(labels.rbegin(), 3, 2);
  return labels;
}

TEST(Shuffled, IsAPermutationBySeedAndEpoch) {
  std::vector<int64_t> order = plugins::Shuffled(100, 1, 2);
  EXPECT_EQ(order, plugins::Shuffled(100, 1, 2));
  EXPECT_NE(order, plugins::Shuffled(100, 1, 3));
  EXPECT_NE(order, plugins::Shuffled(100, 2, 2));
  std::sort(order.begin(), order.end());
  for (int64_t i = 0; i < 100; ++i) EXPECT_EQ(order[i], i);
}

TEST(Balanced, DrawsEachClassEquallyOften) {
  const std::vector<int64_t> labels = Labels();
  for (uint64_t epoch = 0; epoch < 5; ++epoch) {
    const std::vector<int64_t> order = plugins::Balanced(labels, 3, epoch);
    ASSERT_EQ(order.size(), labels.size());
    std::map<int64_t, std::map<int64_t, int>> drawn;  // class, sample
    std::map<int64_t, int> of_class;
    for (const int64_t sample : order) {
      ++drawn[labels[sample]][sample];
      ++of_class[labels[sample]];
    }
    EXPECT_EQ(of_class, (std::map<int64_t, int>{{0, 10}, {1, 10}, {2, 10}}));
    // 10 draws of 7 samples: each once or twice; of 20: none twice; of 3: three or four times.
    EXPECT_EQ(drawn[0].size(), 7);
    EXPECT_EQ(drawn[1].size(), 10);
    EXPECT_EQ(drawn[2].size(), 3);
    for (const auto& [sample, count] : drawn[0]) EXPECT_LE(count, 2);
    for (const auto& [sample, count] : drawn[2]) EXPECT_GE(count, 3);
  }
}

TEST(Balanced, TakesTurnsWhereClassesDoNotDivide) {
  std::map<int64_t, int> of_class;
  const std::vector<int64_t> labels = {0, 0, 0, 0, 1, 1, 2};
  for (uint64_t epoch = 0; epoch < 3; ++epoch) {
    for (const int64_t sample : plugins::Balanced(labels, 0, epoch)) ++of_class[labels[sample]];
  }
  EXPECT_EQ(of_class, (std::map<int64_t, int>{{0, 7}, {1, 7}, {2, 7}}));
}

TEST(Balanced, DependsOnSeedAndEpochAlone) {
  const std::vector<int64_t> labels = Labels();
  EXPECT_EQ(plugins::Balanced(labels, 1, 4), plugins::Balanced(labels, 1, 4));
  EXPECT_NE(plugins::Balanced(labels, 1, 4), plugins::Balanced(labels, 1, 5));
  EXPECT_NE(plugins::Balanced(labels, 1, 4), plugins::Balanced(labels, 2, 4));
  // Over some epochs every sample of the largest class comes up.
  std::set<int64_t> seen;
  for (uint64_t epoch = 0; epoch < 12; ++epoch) {
    for (const int64_t sample : plugins::Balanced(labels, 1, epoch)) seen.insert(sample);
  }
  EXPECT_EQ(seen.size(), labels.size());
}

TEST(Balanced, HasNothingToDrawFromNothing) { EXPECT_TRUE(plugins::Balanced({}, 0, 0).empty()); }

TEST(RepeatsIn, CountsEarlierOnes) {
  EXPECT_EQ(plugins::RepeatsIn({4, 2, 4, 4, 2, 0}), (std::vector<int64_t>{0, 0, 1, 2, 1, 0}));
}

TEST(RowsOf, EveryRowHasOneProcess) {
  for (const int64_t all : {0, 1, 3, 8, 13}) {
    for (const int size : {1, 2, 4, 5}) {
      int64_t next = 0;
      for (int rank = 0; rank < size; ++rank) {
        const auto [first, count] = plugins::RowsOf(all, rank, size);
        EXPECT_EQ(first, next);
        EXPECT_GE(count, all / size);
        EXPECT_LE(count, all / size + 1);
        next += count;
      }
      EXPECT_EQ(next, all);
    }
  }
}

}  // namespace
