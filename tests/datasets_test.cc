// Datasets on folders as users have them, and the drawn ones.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <map>
#include <opencv2/imgcodecs.hpp>
#include <set>

#include "absl/strings/match.h"
#include "datasets/dataset.h"
#include "datasets/images/resize.h"
#include "tests/image_folders.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace {

using datasets::Dataset;
using datasets::DatasetContext;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using testing_support::Open;
using testing_support::Opened;
using testing_support::Picture;
using testing_support::SharedData;
using testing_support::Workspace;

void WriteClasses(const Workspace& workspace, const std::string& split,
                  const std::vector<std::string>& folders, int images) {
  for (size_t c = 0; c < folders.size(); ++c) {
    for (int i = 0; i < images; ++i) {
      workspace.Write("data/" + split + "/" + folders[c] + "/image (" + std::to_string(i) + ").PNG",
                      Picture(static_cast<int>(c) * 1000 + i + (split == "Training" ? 0 : 500)));
    }
  }
}

TEST(BrainTumor, ReadsBothNamings) {
  for (const auto& folders :
       {std::vector<std::string>{"glioma_tumor", "meningioma_tumor", "no_tumor", "pituitary_tumor"},
        std::vector<std::string>{"glioma", "meningioma", "notumor", "pituitary"}}) {
    const Workspace workspace;
    WriteClasses(workspace, "Training", folders, 10);
    WriteClasses(workspace, "Testing", folders, 3);
    DatasetContext context;
    context.validation_fraction = 0.2;
    const auto data =
        Opened("datasets/BrainTumor", "root: \"" + workspace.path() + "/data\"", context);
    EXPECT_EQ(data->info().classes,
              (std::vector<std::string>{"glioma", "meningioma", "no_tumor", "pituitary"}));
    EXPECT_EQ(data->info().class_counts[0], (std::vector<int64_t>{8, 8, 8, 8}));
    EXPECT_EQ(data->info().class_counts[1], (std::vector<int64_t>{2, 2, 2, 2}));
    EXPECT_EQ(data->info().class_counts[2], (std::vector<int64_t>{3, 3, 3, 3}));
    EXPECT_FALSE(data->info().embedded_sample);
    const auto sample = data->Read(TEST, 4, 16);
    ASSERT_TRUE(sample.ok()) << sample.status();
    EXPECT_EQ(sample->label, 1);
    EXPECT_EQ(sample->image.size(), cv::Size(16, 16));
    EXPECT_EQ(sample->image.type(), CV_8UC3);
  }
}

TEST(BrainTumor, TellsTumorFromNone) {
  const Workspace workspace;
  WriteClasses(workspace, "Training", {"glioma", "no_tumor", "pituitary"}, 2);
  const auto data =
      Opened("datasets/BrainTumor", "task: BINARY root: \"" + workspace.path() + "/data\"");
  EXPECT_EQ(data->info().classes, (std::vector<std::string>{"no_tumor", "tumor"}));
  EXPECT_EQ(data->info().class_counts[0], (std::vector<int64_t>{2, 4}));
  EXPECT_EQ(data->info().notes,
            (std::vector<std::string>{"no folder Testing: the run will have no test result"}));
}

TEST(BrainTumor, SplitsBySeedAndKeepsEqualFilesTogether) {
  const Workspace workspace;
  // 20 pictures, each under three names.
  for (int i = 0; i < 60; ++i) {
    workspace.Write("data/Training/" + std::string(i % 20 < 10 ? "glioma/" : "no_tumor/") +
                        std::to_string(i) + ".png",
                    Picture(i % 20));
  }
  const auto validation = [&](uint64_t seed) {
    DatasetContext context;
    context.seed = seed;
    context.validation_fraction = 0.3;
    const auto data =
        Opened("datasets/BrainTumor", "root: \"" + workspace.path() + "/data\"", context);
    std::set<std::string> bytes[2], names;
    for (const auto phase : {TRAIN, VAL}) {
      for (int64_t i = 0; i < data->info().images[PhaseIndex(phase)]; ++i) {
        const std::string name = data->Name(phase, i);
        bytes[PhaseIndex(phase)].insert(workspace.Read(name.substr(workspace.path().size() + 1)));
        if (phase == VAL) names.insert(name);
      }
    }
    for (const std::string& content : bytes[1]) EXPECT_EQ(bytes[0].count(content), 0);
    EXPECT_EQ(data->info().images[0] + data->info().images[1], 60);
    EXPECT_EQ(data->info().images[1], 18);
    return names;
  };
  EXPECT_EQ(validation(1), validation(1));
  EXPECT_NE(validation(1), validation(2));
}

TEST(BrainTumor, SaysWhatItMisses) {
  const Workspace workspace;
  EXPECT_EQ(Open("datasets/BrainTumor", "root: \"/nowhere\"").status().message(),
            "root: no folder /nowhere");
  workspace.Write("data/readme.txt", "");
  EXPECT_EQ(
      Open("datasets/BrainTumor", "root: \"" + workspace.path() + "/data\"").status().message(),
      "root: " + workspace.path() +
          "/data has no folder Training; it needs Training/<class> and Testing/<class>, the "
          "classes being glioma, meningioma, no_tumor, pituitary");
  const std::string root = "root: \"" + workspace.path() + "/data\"";
  std::filesystem::create_directories("data/Training/glioma");
  EXPECT_EQ(Open("datasets/BrainTumor", root).status().message(),
            "root: no training images in " + workspace.path() + "/data:\n  no images in " +
                workspace.path() +
                "/data/Training/glioma\n  no folder Testing: the run will have no test result");
  WriteClasses(workspace, "Training", {"glioma", "cats"}, 1);
  EXPECT_EQ(Open("datasets/BrainTumor", root).status().message(),
            "root: " + workspace.path() +
                "/data has training images of glioma only; it takes two classes to learn");
  workspace.Write("data/Training/no_tumor/a.png", Picture(7));
  WriteClasses(workspace, "Testing", {"glioma", "pituitary"}, 1);
  const auto data = Opened("datasets/BrainTumor", "root: \"" + workspace.path() + "/data\"");
  EXPECT_EQ(data->info().notes,
            (std::vector<std::string>{
                "not a class folder, left out: " + workspace.path() + "/data/Training/cats",
                "no training image of meningioma",
                "no training image of pituitary, although there are test images"}));
}

TEST(BrainTumor, ReadsTheRealFolders) {
  if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  DatasetContext context;
  context.validation_fraction = 0.15;
  const auto kaggle =
      Opened("datasets/BrainTumor", "root: \"" + SharedData() + "/brain_tumor\"", context);
  EXPECT_EQ(kaggle->info().images[0] + kaggle->info().images[1], 800);
  // 15 %, and what a group of equal files adds when it goes over as a whole.
  EXPECT_GE(kaggle->info().images[1], 120);
  EXPECT_LE(kaggle->info().images[1], 123);
  EXPECT_EQ(kaggle->info().class_counts[2], (std::vector<int64_t>{45, 45, 45, 45}));
  const auto other = Opened("datasets/BrainTumor",
                            "root: \"" + SharedData() + "/brain_tumor_nickparvar224\"", context);
  EXPECT_EQ(other->info().images[0] + other->info().images[1], 50 + 45 + 46 + 50);
  EXPECT_EQ(other->info().class_counts[2], (std::vector<int64_t>{25, 22, 24, 25}));
  for (const Dataset* data : {kaggle.get(), other.get()}) {
    for (int64_t i = 0; i < data->info().images[2]; ++i) {
      EXPECT_TRUE(data->CheckHeader(TEST, i).ok()) << data->CheckHeader(TEST, i);
    }
    EXPECT_TRUE(data->Read(TEST, 0, 64).ok());
  }
}

TEST(BrainTumor, CountsAndDropsCopiesOfTestImages) {
  const Workspace workspace;
  WriteClasses(workspace, "Training", {"glioma", "no_tumor"}, 4);
  // Two test images that are training images too, and one with another label.
  const std::string train = "data/Training/glioma/image (";
  workspace.Write("data/Testing/glioma/a.png", workspace.Read(train + "0).PNG"));
  workspace.Write("data/Testing/glioma/b.png", workspace.Read(train + "1).PNG"));
  workspace.Write("data/Testing/no_tumor/c.png", workspace.Read(train + "2).PNG"));
  const std::string root = "root: \"" + workspace.path() + "/data\"";
  const auto kept = Opened("datasets/BrainTumor", root);
  EXPECT_EQ(kept->info().images, (std::array<int64_t, 3>{8, 0, 3}));
  const std::map<std::string, int64_t> counts(kept->info().duplicates.begin(),
                                              kept->info().duplicates.end());
  EXPECT_EQ(counts.at("identical_groups"), 3);
  EXPECT_EQ(counts.at("identical_across_train_and_test"), 3);
  EXPECT_EQ(counts.at("identical_with_different_labels"), 1);
  EXPECT_EQ(kept->info().duplicate_groups.size(), 3);
  const auto dropped = Opened("datasets/BrainTumor", root + " duplicates: DROP_FROM_TRAIN");
  EXPECT_EQ(dropped->info().images, (std::array<int64_t, 3>{5, 0, 3}));
}

TEST(Resize, EqualsPillow) {
  const auto oracle = testing_support::ReadOracle("datasets/testdata/resize.json");
  ASSERT_EQ(oracle["cases"].size(), 12);
  for (const auto& c : oracle["cases"]) {
    const int channels = c["channels"], width = c["width"], height = c["height"];
    cv::Mat image(height, width, CV_8UC(channels));
    for (int64_t i = 0; i < int64_t{width} * height * channels; ++i) {
      image.data[i] = static_cast<uint8_t>((i * i * 31 + i * 7) % 251);
    }
    const cv::Mat resized = datasets::ResizeBilinear(image, {c["new_width"], c["new_height"]});
    const std::vector<uint8_t> pixels(resized.data,
                                      resized.data + resized.total() * resized.elemSize());
    EXPECT_EQ(pixels, c["pixels"].get<std::vector<uint8_t>>()) << width << "x" << height;
  }
}

}  // namespace
