// Opening and reading of datasets with masks, as tests tell what came out.
#ifndef TESTS_MASK_DATASETS_H_
#define TESTS_MASK_DATASETS_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <array>
#include <filesystem>
#include <map>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace testing_support {

using Images = std::array<int64_t, 3>;  // by phase
using Counts = std::vector<int64_t>;    // by class
using Names = std::vector<std::string>;

// A class of each pixel, by row, as "00 11 -1": rows apart, - for ignored ones.
inline std::string Told(const cv::Mat& mask) {
  std::string told;
  for (int y = 0; y < mask.rows; ++y) {
    if (y > 0) told += ' ';
    for (int x = 0; x < mask.cols; ++x) {
      const uint8_t value = mask.at<uint8_t>(y, x);
      told += value == datasets::kIgnoredMask ? "-" : std::to_string(value);
    }
  }
  return told;
}

class OpensDatasets : public ::testing::Test {
 protected:
  using Dataset = datasets::Dataset;

  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& name,
                                                       const std::string& options,
                                                       double test_fraction = 0) {
    datasets::DatasetContext context;
    context.test_fraction = test_fraction;
    return datasets::Datasets::Get().Create(PluginOf("datasets/" + name, options), context);
  }

  static std::unique_ptr<Dataset> Opened(const std::string& name, const std::string& options,
                                         double test_fraction = 0) {
    auto opened = Open(name, options, test_fraction);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }

  static std::string Error(const std::string& name, const std::string& options) {
    return std::string(Open(name, options).status().message());
  }

  // Masks of TRAIN, or why there is none, by file name.
  static std::map<std::string, std::string> Masks(const Dataset& data, int size) {
    std::map<std::string, std::string> masks;
    for (int64_t i = 0; i < data.info().images[0]; ++i) {
      const auto sample = data.Read(pipeline::TRAIN, i, size);
      masks[std::filesystem::path(data.Name(pipeline::TRAIN, i)).filename()] =
          sample.ok() ? Told(sample->mask) : std::string(sample.status().message());
    }
    return masks;
  }

  // Labels of TRAIN by file name.
  static std::map<std::string, int64_t> Labels(const Dataset& data) {
    std::map<std::string, int64_t> labels;
    for (int64_t i = 0; i < data.info().images[0]; ++i) {
      const auto sample = data.Read(pipeline::TRAIN, i, 8);
      EXPECT_TRUE(sample.ok()) << sample.status();
      if (!sample.ok()) continue;
      labels[std::filesystem::path(data.Name(pipeline::TRAIN, i)).filename()] = sample->label;
    }
    return labels;
  }
};

// Makes such folders.
class MaskDatasets : public OpensDatasets {
 protected:
  // Noise, so that no two images are copies.
  void WriteImage(const std::string& path, cv::Size size = {20, 20}) {
    cv::Mat image(size, CV_8UC3);
    random_.fill(image, cv::RNG::UNIFORM, 0, 255);
    WriteMask(path, image);
  }

  static void WriteMask(const std::string& path, const cv::Mat& mask) {
    std::filesystem::create_directories(std::filesystem::path(path).parent_path());
    cv::imwrite(path, mask);
  }

  // Columns of equal width, one for each color.
  static cv::Mat Columns(const std::vector<cv::Scalar>& colors, cv::Size size = {20, 20}) {
    cv::Mat mask(size, CV_8UC3);
    const int width = size.width / static_cast<int>(colors.size());
    for (size_t i = 0; i < colors.size(); ++i) {
      const int from = static_cast<int>(i) * width;
      mask.colRange(from, i + 1 < colors.size() ? from + width : size.width) = colors[i];
    }
    return mask;
  }

  void WriteLand(const std::string& stem, const std::vector<cv::Scalar>& colors,
                 cv::Size size = {20, 20}) {
    WriteImage(stem + "_sat.jpg", size);
    WriteMask(stem + "_mask.png", Columns(colors, size));
  }

  // A mask of 20x20 whose first `crack` pixels are of that value, the rest 0.
  void WriteCrack(const std::string& folder, const std::string& name, int crack, int value = 255) {
    WriteImage(folder + "/images/" + name + ".jpg");
    cv::Mat mask(20, 20, CV_8UC1, cv::Scalar(0));
    for (int i = 0; i < crack; ++i) mask.data[i] = static_cast<uint8_t>(value);
    WriteMask(folder + "/masks/" + name + ".png", mask);
  }

  Workspace workspace_;
  cv::RNG random_{1};
};

}  // namespace testing_support

#endif  // TESTS_MASK_DATASETS_H_
