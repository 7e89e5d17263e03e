// Work on several threads: all of it is done, and what is thrown reaches the caller.
#include "pipeline/all_cores.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <stdexcept>
#include <string>
#include <vector>

namespace pipeline {
namespace {

TEST(OnAllCoresTest, DoesEachPieceOnce) {
  std::vector<std::atomic<int>> done(1000);
  OnAllCores(done.size(), [&](size_t i) { ++done[i]; });
  for (const auto& times : done) EXPECT_EQ(times, 1);
  OnAllCores(0, [](size_t) { FAIL(); });
}

TEST(OnAllCoresTest, ThrowsWhatAnyOfTheThreadsThrew) {
  std::string why;
  try {
    OnAllCores(1000, [](size_t i) {
      if (i == 700) throw std::runtime_error("piece 700");
    });
  } catch (const std::runtime_error& error) {
    why = error.what();
  }
  EXPECT_EQ(why, "piece 700");
  EXPECT_THROW(OnAllCores(1000, [](size_t) { throw std::bad_alloc(); }), std::bad_alloc);
}

TEST(OnAllCoresTest, BeginsNothingAfterAnException) {
  std::atomic<int> begun{0};
  EXPECT_THROW(OnAllCores(1 << 20, 1,
                          [&](size_t) {
                            ++begun;
                            throw std::runtime_error("no");
                          }),
               std::runtime_error);
  EXPECT_EQ(begun, 1);
}

}  // namespace
}  // namespace pipeline
