// The prefetcher fills every item once, stays within what is allowed, and stops when told.
#include "plugins/loading/prefetcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
#include <new>
#include <set>

namespace {

using Item = std::pair<int64_t, int64_t>;

class Recorder {
 public:
  void Fill(int64_t batch, int64_t item) {
    const std::lock_guard<std::mutex> lock(mutex_);
    EXPECT_TRUE(filled_.insert({batch, item}).second) << "filled twice";
  }
  std::set<Item> filled() {
    const std::lock_guard<std::mutex> lock(mutex_);
    return filled_;
  }
  void Clear() {
    const std::lock_guard<std::mutex> lock(mutex_);
    filled_.clear();
  }

 private:
  std::mutex mutex_;
  std::set<Item> filled_;
};

TEST(Prefetcher, FillsEachItemOnceWithAnyNumberOfThreads) {
  for (const int workers : {1, 3, 8}) {
    Recorder recorder;
    plugins::Prefetcher prefetcher(
        workers, [&](int64_t batch, int64_t item) { recorder.Fill(batch, item); });
    for (int pass = 0; pass < 3; ++pass) {
      recorder.Clear();
      prefetcher.Start({4, 4, 4, 2});
      for (int64_t batch = 0; batch < 4; ++batch) {
        prefetcher.Allow(batch + 2);
        EXPECT_TRUE(prefetcher.Wait(batch).ok());
        for (int64_t item = 0; item < (batch == 3 ? 2 : 4); ++item) {
          EXPECT_EQ(recorder.filled().count({batch, item}), 1);
        }
      }
      EXPECT_EQ(recorder.filled().size(), 14);
    }
  }
}

TEST(Prefetcher, StaysWithinWhatIsAllowed) {
  Recorder recorder;
  plugins::Prefetcher prefetcher(2,
                                 [&](int64_t batch, int64_t item) { recorder.Fill(batch, item); });
  prefetcher.Start({1, 1, 1});
  prefetcher.Allow(2);
  EXPECT_TRUE(prefetcher.Wait(0).ok());
  EXPECT_TRUE(prefetcher.Wait(1).ok());
  prefetcher.Stop();
  EXPECT_EQ(recorder.filled(), (std::set<Item>{{0, 0}, {1, 0}}));
}

TEST(Prefetcher, SaysWhichBatchesAreFull) {
  Recorder recorder;
  plugins::Prefetcher prefetcher(1,
                                 [&](int64_t batch, int64_t item) { recorder.Fill(batch, item); });
  prefetcher.Start({2, 1, 1});
  EXPECT_FALSE(prefetcher.IsFull(0));
  prefetcher.Allow(2);
  EXPECT_TRUE(prefetcher.Wait(1).ok());  // one thread takes them in turn
  EXPECT_TRUE(prefetcher.IsFull(0));
  EXPECT_TRUE(prefetcher.IsFull(1));
  EXPECT_FALSE(prefetcher.IsFull(2));
}

// Some time; on a busy machine a thread that yields would lose far more.
void Count(int to) {
  volatile int counted = 0;
  while (counted < to) counted = counted + 1;
}

TEST(Prefetcher, RunsNothingAfterStop) {
  constexpr int kItems = 1000000;  // more than are done before the stop
  std::atomic<int> begun{0}, ended{0};
  plugins::Prefetcher prefetcher(2, [&](int64_t, int64_t) {
    if (++begun <= 2) Count(1000000);
    ++ended;
  });
  prefetcher.Start({kItems, kItems});
  prefetcher.Allow(2);
  while (begun < 2) continue;
  prefetcher.Stop();
  const int at_stop = begun;
  EXPECT_EQ(ended, at_stop) << "did not wait for what had begun";
  EXPECT_LT(at_stop, 2 * kItems);
  Count(10000000);
  EXPECT_EQ(begun, at_stop);
  prefetcher.Start({3});
  prefetcher.Allow(1);
  EXPECT_TRUE(prefetcher.Wait(0).ok());
  EXPECT_EQ(begun, at_stop + 3);
}

TEST(Prefetcher, ReturnsWhatAnItemThrew) {
  std::atomic<bool> works{false};
  plugins::Prefetcher prefetcher(3, [&](int64_t batch, int64_t item) {
    if (works) return;
    if (batch == 1 && item == 2) throw std::bad_alloc();
    if (batch == 2) throw 5;
  });
  prefetcher.Start({4, 4, 1, 4});
  prefetcher.Allow(4);
  EXPECT_TRUE(prefetcher.Wait(0).ok());
  EXPECT_EQ(prefetcher.Wait(1), absl::InternalError("std::bad_alloc"));
  EXPECT_EQ(prefetcher.Wait(2), absl::InternalError("an exception of no known kind"));
  EXPECT_TRUE(prefetcher.Wait(3).ok());
  works = true;
  prefetcher.Start({4, 4});
  prefetcher.Allow(2);
  EXPECT_TRUE(prefetcher.Wait(0).ok());
  EXPECT_TRUE(prefetcher.Wait(1).ok());
}

}  // namespace
