// Datasets opened from options in text format, on files that a test makes.
#ifndef DATASETS_OPENING_H_
#define DATASETS_OPENING_H_

#include <google/protobuf/any.pb.h>
#include <google/protobuf/text_format.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <memory>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <set>
#include <string>
#include <vector>

#include "datasets/dataset.h"
#include "pipeline/registry.h"

namespace datasets {

// A folder of its own, empty before and gone after each test.
class OpensDatasets : public testing::Test {
 protected:
  OpensDatasets() : folder_(testing::TempDir() + "opened") {
    std::filesystem::remove_all(folder_);
    std::filesystem::create_directories(folder_);
  }
  ~OpensDatasets() override { std::filesystem::remove_all(folder_); }

  std::string At(const std::string& name) const { return folder_ + "/" + name; }

  void Write(const std::string& name, const std::string& content) const {
    std::filesystem::create_directories(std::filesystem::path(At(name)).parent_path());
    std::ofstream(At(name), std::ios::binary) << content;
  }

  static std::string Encoded(const cv::Mat& image, const std::string& extension = ".png") {
    std::vector<uchar> bytes;
    cv::imencode(extension, image, bytes);
    return {bytes.begin(), bytes.end()};
  }

  // A picture like no other.
  std::string Picture(cv::Size size = {10, 12}) {
    cv::Mat image(size, CV_8UC1);
    random_.fill(image, cv::RNG::UNIFORM, 0, 255);
    return Encoded(image);
  }

  // `options` are those beside the root, which is this folder.
  absl::StatusOr<std::unique_ptr<Dataset>> Open(const std::string& plugin,
                                                const std::string& options = "") const {
    const std::string url = "datasets/" + plugin;
    const std::unique_ptr<google::protobuf::Message> message(
        google::protobuf::MessageFactory::generated_factory()
            ->GetPrototype(pipeline::PluginIndex::Get().Find(url))
            ->New());
    EXPECT_TRUE(google::protobuf::TextFormat::ParseFromString("root: '" + folder_ + "' " + options,
                                                              message.get()));
    google::protobuf::Any any;
    any.set_type_url(url);
    any.set_value(message->SerializeAsString());
    return Datasets::Get().Create(any, context_);
  }
  std::unique_ptr<Dataset> Opened(const std::string& plugin,
                                  const std::string& options = "") const {
    auto opened = Open(plugin, options);
    EXPECT_TRUE(opened.ok()) << opened.status();
    return *std::move(opened);
  }
  std::string Why(const std::string& plugin, const std::string& options = "") const {
    return std::string(Open(plugin, options).status().message());
  }

  // The paths of a phase's images, as seen from the folder.
  std::set<std::string> Names(const Dataset& data, pipeline::Phase phase = pipeline::TRAIN) const {
    std::set<std::string> names;
    for (int64_t i = 0; i < data.info().images[PhaseIndex(phase)]; ++i) {
      names.insert(data.Name(phase, i).substr(folder_.size() + 1));
    }
    return names;
  }

  const std::string folder_;
  DatasetContext context_;
  cv::RNG random_{1};
};

}  // namespace datasets

#endif  // DATASETS_OPENING_H_
