// Samples through memory, and what becomes of a dataset's exceptions.
#include "plugins/loading/sample_reader.h"

#include <gtest/gtest.h>

#include <atomic>
#include <new>
#include <opencv2/core.hpp>
#include <string>
#include <thread>

namespace {

using pipeline::TRAIN;

// Four samples; the last takes more memory than there is.
class Four : public datasets::Dataset {
 public:
  Four() { info_.images = {4, 0, 0}; }
  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<datasets::Sample> Read(pipeline::Phase, int64_t index, int size) const override {
    ++reads;
    if (index == 3) throw std::bad_alloc();
    if (index == 2) return absl::InvalidArgumentError("2.png: damaged");
    return datasets::Sample{cv::Mat(size, size, CV_8UC3, cv::Scalar::all(7)), {}, index};
  }
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }
  std::string Name(pipeline::Phase, int64_t index) const override {
    return std::to_string(index) + ".png";
  }

  mutable std::atomic<int> reads{0};

 private:
  pipeline::DataInfo info_;
};

TEST(SampleReader, NamesTheSampleOfAnException) {
  const Four four;
  plugins::SampleReader reader(&four, {8, 1 << 20, ""}, nullptr);
  EXPECT_EQ(reader.Read(TRAIN, 3).status(), absl::InternalError("3.png: std::bad_alloc"));
  EXPECT_EQ(reader.ReadAnew(TRAIN, 3).status(), absl::InternalError("3.png: std::bad_alloc"));
  EXPECT_EQ(reader.Read(TRAIN, 2).status(), absl::InvalidArgumentError("2.png: damaged"));
  EXPECT_TRUE(reader.Read(TRAIN, 0).ok());
}

TEST(SampleReader, KeepsWhatFitsInMemory) {
  const Four four;
  constexpr int64_t kOne = 8 * 8 * 3;
  plugins::SampleReader reader(&four, {8, kOne, ""}, nullptr);
  for (int pass = 0; pass < 3; ++pass) {
    EXPECT_EQ((*reader.Read(TRAIN, 1))->label, 1);
    EXPECT_EQ((*reader.Read(TRAIN, 0))->label, 0);
  }
  EXPECT_EQ(four.reads, 1 + 3) << "the first one fills the memory";
  EXPECT_TRUE(reader.ReadAnew(TRAIN, 1).ok());
  EXPECT_EQ(four.reads, 1 + 3 + 1);
}

TEST(SampleReader, ServesManyThreads) {
  const Four four;
  plugins::SampleReader reader(&four, {8, 1 << 20, ""}, nullptr);
  std::vector<std::thread> threads;
  std::atomic<int> right{0};
  for (int i = 0; i < 4; ++i) {
    threads.emplace_back([&, i] {
      for (int k = 0; k < 100; ++k) {
        const auto sample = reader.Read(TRAIN, (i + k) % 4);
        right += sample.ok() ? (*sample)->label == (i + k) % 2 : (i + k) % 4 >= 2;
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(right, 400);
}

}  // namespace
