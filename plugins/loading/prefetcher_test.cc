// The prefetcher fills every item once, stays within what is allowed, and stops when told.
#include "plugins/loading/prefetcher.h"

#include <gtest/gtest.h>

#include <atomic>
#include <mutex>
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
        prefetcher.Wait(batch);
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
  prefetcher.Wait(0);
  prefetcher.Wait(1);
  prefetcher.Stop();
  EXPECT_EQ(recorder.filled(), (std::set<Item>{{0, 0}, {1, 0}}));
}

TEST(Prefetcher, StopsInTheMiddle) {
  std::atomic<int> running{0};
  std::atomic<int> filled{0};
  plugins::Prefetcher prefetcher(2, [&](int64_t, int64_t) {
    ++running;
    ++filled;
    --running;
  });
  prefetcher.Start({1000, 1000});
  prefetcher.Allow(2);
  prefetcher.Stop();
  EXPECT_EQ(running, 0);
  const int at_stop = filled;
  prefetcher.Start({3});
  prefetcher.Allow(1);
  prefetcher.Wait(0);
  EXPECT_EQ(filled, at_stop + 3);
}

}  // namespace
