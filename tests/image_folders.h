// Datasets on small folders of images, made by a test.
#ifndef TESTS_IMAGE_FOLDERS_H_
#define TESTS_IMAGE_FOLDERS_H_

#include <gtest/gtest.h>

#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace testing_support {

inline absl::StatusOr<std::unique_ptr<datasets::Dataset>> Open(
    const std::string& url, const std::string& options,
    const datasets::DatasetContext& context = {}) {
  return datasets::Datasets::Get().Create(PluginOf(url, options), context);
}

inline std::unique_ptr<datasets::Dataset> Opened(const std::string& url, const std::string& options,
                                                 const datasets::DatasetContext& context = {}) {
  auto opened = Open(url, options, context);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return *std::move(opened);
}

// A gray picture whose bytes depend on `seed`; no two are near each other.
inline std::string Picture(int seed, const std::string& extension = ".png") {
  cv::Mat image(12, 10, CV_8UC1);
  cv::RNG random(seed);
  random.fill(image, cv::RNG::UNIFORM, 0, 255);
  std::vector<uchar> bytes;
  cv::imencode(extension, image, bytes);
  return {bytes.begin(), bytes.end()};
}

// The paths of a phase's images.
inline std::set<std::string> NamesIn(const datasets::Dataset& data, pipeline::Phase phase) {
  std::set<std::string> names;
  for (int64_t i = 0; i < data.info().images[PhaseIndex(phase)]; ++i) {
    names.insert(data.Name(phase, i));
  }
  return names;
}

}  // namespace testing_support

#endif  // TESTS_IMAGE_FOLDERS_H_
