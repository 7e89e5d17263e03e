// Datasets with masks, opened again: what was found out about masks is not found out again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "datasets/opening.h"

namespace datasets {
namespace {

using pipeline::TRAIN;
using testing::HasSubstr;

class KnownMasks : public OpensDatasets {
 protected:
  KnownMasks() {
    context_.facts = At("kept.facts");
    context_.progress = [this](int64_t done, int64_t total) {
      if (done == total) read_ += total;
    };
  }

  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

  // All that is known of a dataset; sets read_.
  std::string Told(const std::string& plugin, const std::string& options) {
    read_ = 0;
    const auto data = Opened(plugin, options);
    if (data == nullptr) return "";
    std::string told = data->info().split_text;
    for (const std::string& note : data->info().notes) told += note + "\n";
    for (int64_t i = 0; i < data->info().images[0]; ++i) {
      const auto sample = data->Read(TRAIN, i, 8);
      told += data->Name(TRAIN, i) + " " + data->Identity(TRAIN, i) + " ";
      told += sample.ok() ? std::to_string(sample->label) : std::string(sample.status().message());
      told += "\n";
    }
    return told;
  }
  std::string WithoutFacts(const std::string& plugin, const std::string& options) {
    const DatasetContext before = context_;
    context_.facts = "";
    std::string told = Told(plugin, options);
    context_ = before;
    return told;
  }

  int64_t read_ = 0;  // files that were read as a dataset was opened, and pairs with masks
};

cv::Mat Filled(cv::Size size, const cv::Scalar& color) { return cv::Mat(size, CV_8UC3, color); }

TEST_F(KnownMasks, OfCracks) {
  for (int i = 0; i < 6; ++i) {
    const std::string name = std::to_string(i) + ".png";
    cv::Mat mask(10, 12, CV_8U, cv::Scalar(0));
    mask.rowRange(0, i).setTo(255);
    Write("images/crack" + name, Picture({12, 10}));
    Write("masks/crack" + name, Encoded(mask));
  }
  Write("images/small.png", Picture({5, 5}));
  Write("masks/small.png", Encoded(cv::Mat(10, 12, CV_8U, cv::Scalar(0))));
  Settle();
  for (const std::string options : {"task: SEGMENTATION", "task: BINARY crack_pixels: 30"}) {
    std::filesystem::remove(At("kept.facts"));
    const std::string alone = WithoutFacts("Crack", options);
    EXPECT_THAT(alone, HasSubstr("1 image without a usable mask, left out: "));
    EXPECT_EQ(Told("Crack", options), alone);
    EXPECT_EQ(read_, 7 + 6);
    EXPECT_EQ(Told("Crack", options), alone);
    EXPECT_EQ(read_, 1) << "the mask that does not fit";
  }
  // A mask, and an image, which its mask is checked against.
  Write("masks/crack5.png", Encoded(cv::Mat(10, 12, CV_8U, cv::Scalar(255))));
  Write("images/crack4.png", Picture({20, 20}));
  Settle();
  const std::string alone = WithoutFacts("Crack", "");
  EXPECT_THAT(alone, HasSubstr("2 images without a usable mask, left out: "));
  EXPECT_THAT(alone, HasSubstr("1 mask with more crack than background, perhaps inverted: " +
                               At("masks/crack5.png")));
  EXPECT_EQ(Told("Crack", ""), alone);
  EXPECT_EQ(read_, 3);
}

TEST_F(KnownMasks, OfLand) {
  const cv::Scalar water(255, 0, 0), forest(0, 255, 0), none(0, 0, 0), odd(120, 130, 110);
  for (int i = 0; i < 4; ++i) {
    cv::Mat mask = Filled({32, 20}, i % 2 == 0 ? water : forest);
    mask.colRange(0, 8 * i).setTo(i == 3 ? none : odd);
    if (i == 2) mask.colRange(0, 16).setTo(forest);
    mask.col(31).setTo(odd);
    Write(std::to_string(i) + "_sat.png", Picture({32, 20}));
    Write(std::to_string(i) + "_mask.png", Encoded(mask));
  }
  Settle();
  for (const std::string options :
       {"task: SEGMENTATION", "task: MULTICLASS", "task: BINARY tile_size: 8",
        "task: BINARY_PIXELS tile_size: 16"}) {
    std::filesystem::remove(At("kept.facts"));
    const std::string alone = WithoutFacts("Deepglobe", options);
    EXPECT_EQ(Told("Deepglobe", options), alone) << options;
    EXPECT_EQ(read_, 4 + 4) << options;
    EXPECT_EQ(Told("Deepglobe", options), alone) << options;
    EXPECT_EQ(read_, 0) << options;
  }
  // Tiles of another size are other facts.
  const std::string other = "task: BINARY tile_size: 10";
  EXPECT_EQ(Told("Deepglobe", other), WithoutFacts("Deepglobe", other));
}

}  // namespace
}  // namespace datasets
