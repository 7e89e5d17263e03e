// Rows of a batch, one by one and as the loader's threads fill them.
#include "plugins/loading/batch.h"

#include <ATen/ops/full.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <opencv2/core.hpp>
#include <string>

#include "plugins/loading/prefetcher.h"
#include "plugins/loading/sample_reader.h"
#include "plugins/loading/uploads.h"

namespace {

using pipeline::TRAIN;
using plugins::Batch;
using ::testing::ElementsAre;
using ::testing::IsEmpty;
using ::testing::Pair;

datasets::Sample Filled(int64_t value, int size = 2) {
  return {cv::Mat(size, size, CV_8UC3, cv::Scalar::all(static_cast<double>(value))), {}, value};
}

TEST(Batch, HasARowForEachSample) {
  Batch batch;
  batch.AddSample(7);
  batch.AddSample(5);
  batch.Allocate({3, 2});
  EXPECT_EQ(batch.images().sizes(), at::IntArrayRef({2, 3, 2, 2}));
  cv::Mat picture(2, 2, CV_8UC3, cv::Scalar::all(9));
  picture.at<cv::Vec3b>(0, 1) = {10, 20, 30};
  batch.Put(0, {picture, {}, 1});
  batch.Put(1, Filled(4));
  EXPECT_TRUE(batch.labels().equal(at::tensor({1, 4}, at::kLong)));
  for (int channel = 0; channel < 3; ++channel) {
    EXPECT_EQ(batch.images()[0][channel][0][1].item<int>(), 10 * (channel + 1));
    EXPECT_EQ(batch.images()[0][channel][1][0].item<int>(), 9);
  }
  batch.DropBroken();
  EXPECT_THAT(batch.samples(), ElementsAre(7, 5));
  EXPECT_THAT(batch.repeats(), IsEmpty());
}

TEST(Batch, IgnoresWhatAMaskDoes) {
  Batch batch;
  batch.AddSample(0);
  batch.AddSample(1);
  batch.Allocate({1, 2, /*masks=*/true});
  const cv::Mat image(2, 2, CV_8UC1, cv::Scalar(3)),
      mask = (cv::Mat_<uint8_t>(2, 2) << 0, 1, 255, 2);
  batch.PutBroken(0, "why");
  batch.Put(1, {image, mask, 0});
  batch.DropBroken();
  EXPECT_TRUE(batch.labels().equal(at::tensor({0, 1, -100, 2}, at::kLong).reshape({1, 2, 2})));
}

TEST(Batch, KeepsMasksAsBytesWhereToldTo) {
  Batch batch;
  batch.AddSample(0);
  batch.Allocate({1, 2, /*masks=*/true, /*pinned=*/false, /*bytes=*/true});
  const cv::Mat image(2, 2, CV_8UC1, cv::Scalar(3)),
      mask = (cv::Mat_<uint8_t>(2, 2) << 0, 1, 255, 2);
  batch.Put(0, {image, mask, 0});
  EXPECT_TRUE(batch.labels().equal(at::tensor({0, 1, 255, 2}, at::kByte).reshape({1, 2, 2})));
  EXPECT_TRUE(plugins::Classes(batch.labels())
                  .equal(at::tensor({0, 1, -100, 2}, at::kLong).reshape({1, 2, 2})));
}

TEST(Batch, MakesColorsGrayForOneChannel) {
  Batch batch;
  batch.AddSample(0);
  batch.Allocate({1, 2});
  cv::Mat picture(2, 2, CV_8UC3, cv::Scalar::all(9));
  picture.at<cv::Vec3b>(0, 1) = {255, 0, 0};
  batch.Put(0, {picture, {}, 1});
  EXPECT_EQ(batch.images().sizes(), at::IntArrayRef({1, 1, 2, 2}));
  // (255 * 19595 + 2^15) / 2^16
  EXPECT_TRUE(batch.images().flatten().equal(at::tensor({9, 76, 9, 9}, at::kByte)));
}

TEST(Batch, DropsTheRowsThatAreBroken) {
  Batch batch;
  for (int64_t i = 0; i < 5; ++i) batch.AddSample(10 + i, i % 2);
  batch.Allocate({3, 2});
  for (const int64_t row : {1, 2, 4}) batch.Put(row, Filled(row));
  batch.PutBroken(0, "a.png: damaged");
  batch.PutBroken(3, "b.png: damaged");
  EXPECT_THAT(batch.Broken(), ElementsAre(Pair(10, "a.png: damaged"), Pair(13, "b.png: damaged")));
  const auto strides = batch.images().strides().vec();
  batch.DropBroken();
  EXPECT_THAT(batch.samples(), ElementsAre(11, 12, 14));
  EXPECT_THAT(batch.repeats(), ElementsAre(1, 0, 0));
  EXPECT_TRUE(batch.labels().equal(at::tensor({1, 2, 4}, at::kLong)));
  EXPECT_EQ(batch.images().strides().vec(), strides) << "rows of pixels in memory";
  for (int64_t i = 0; i < 3; ++i) {
    EXPECT_TRUE(batch.images()[i].eq(batch.labels()[i]).all().item<bool>());
  }
  EXPECT_THAT(batch.Broken(), IsEmpty());
}

TEST(Batch, MayLoseAllRows) {
  Batch batch;
  batch.AddSample(3);
  batch.Allocate({3, 2});
  batch.PutBroken(0, "why");
  batch.DropBroken();
  EXPECT_THAT(batch.samples(), IsEmpty());
  EXPECT_EQ(batch.images().size(0), 0);
  EXPECT_EQ(batch.labels().size(0), 0);
}

// Sample i is a picture of value i; every seventh cannot be read.
class Numbers : public datasets::Dataset {
 public:
  Numbers() { info_.images = {60, 0, 0}; }
  const pipeline::DataInfo& info() const override { return info_; }
  absl::StatusOr<datasets::Sample> Read(pipeline::Phase, int64_t index, int size) const override {
    if (index % 7 == 0) return absl::InvalidArgumentError(Name(TRAIN, index));
    return Filled(index, size);
  }
  absl::Status CheckHeader(pipeline::Phase, int64_t) const override { return absl::OkStatus(); }
  std::string Name(pipeline::Phase, int64_t index) const override { return std::to_string(index); }

 private:
  pipeline::DataInfo info_;
};

// All of the loader's threads at work; what ThreadSanitizer is to see.
TEST(Batch, IsFilledByThreads) {
  const Numbers numbers;
  plugins::SampleReader reader(&numbers, {8, 20 * 8 * 8 * 3, ""}, nullptr);
  std::vector<Batch> batches;
  plugins::Prefetcher prefetcher(4, [&](int64_t batch, int64_t row) {
    const int64_t sample = batches[batch].samples()[row];
    const auto read = reader.Read(TRAIN, sample);
    if (read.ok()) {
      batches[batch].Put(row, **read);
    } else {
      batches[batch].PutBroken(row, std::string(read.status().message()));
    }
  });
  for (int pass = 0; pass < 4; ++pass) {
    prefetcher.Stop();
    batches.assign(6, {});
    for (int64_t i = 0; i < 60; ++i) batches[i / 10].AddSample(i);
    prefetcher.Start(std::vector<int64_t>(6, 10));
    int64_t rows = 0;
    // One pass is left in its middle.
    for (int64_t i = 0; i < (pass == 1 ? 3 : 6); ++i) {
      batches[i].Allocate({3, 8});
      prefetcher.Allow(i + 1);
      ASSERT_TRUE(prefetcher.Wait(i).ok());
      batches[i].DropBroken();
      rows += batches[i].size();
      for (int64_t row = 0; row < batches[i].size(); ++row) {
        EXPECT_EQ(batches[i].labels()[row].item<int64_t>(), batches[i].samples()[row]);
        EXPECT_EQ(batches[i].images()[row][2][7][7].item<int64_t>(), batches[i].samples()[row]);
      }
    }
    EXPECT_EQ(rows, pass == 1 ? 25 : 51);
  }
}

TEST(Uploads, OnTheProcessorABatchIsThereAlready) {
  plugins::Uploads uploads(at::kCPU);
  plugins::Batch batch;
  batch.AddSample(3);
  batch.Allocate({1, 4});
  EXPECT_FALSE(uploads.Ahead());
  uploads.Begin(0, batch);
  const plugins::Uploads::There there = uploads.Take(0, batch);
  EXPECT_TRUE(there.images.is_same(batch.images()));
  EXPECT_TRUE(there.labels.is_same(batch.labels()));
}

}  // namespace
