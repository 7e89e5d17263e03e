// Images of cracks with their masks: labels, sources, crops of one photo, splits.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <opencv2/core.hpp>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "tests/mask_datasets.h"

namespace {

namespace fs = std::filesystem;

using pipeline::TRAIN;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::Counts;
using testing_support::Images;
using testing_support::MaskDatasets;
using testing_support::Names;

class CrackDataset : public MaskDatasets {};

TEST_F(CrackDataset, Segmentation) {
  WriteCrack("d", "a", 200);
  WriteCrack("d", "b", 100, 1);
  WriteImage("d/images/c.jpg");
  WriteMask("d/masks/e.png", cv::Mat(20, 20, CV_8UC1, cv::Scalar(0)));
  WriteImage("d/images/f.png", {20, 22});
  WriteMask("d/masks/f.png", cv::Mat(20, 20, CV_8UC1, cv::Scalar(0)));
  WriteImage("d/images/g.png");
  WriteMask("d/masks/g.png", cv::Mat(20, 20, CV_8UC1, cv::Scalar(7)));
  const auto data = Opened("Crack", "root: 'd'");
  EXPECT_EQ(data->info().classes, (Names{"background", "crack"}));
  EXPECT_THAT(data->info().notes,
              ElementsAre("1 image without a mask, left out: d/images/c.jpg",
                          "1 mask without an image: d/masks/e.png",
                          "2 images without a usable mask, left out: d/masks/f.png: 20x20 pixels, "
                          "but its image d/images/f.png has 20x22, d/masks/g.png: its largest "
                          "value is 7 of 255; a mask is of 0 and 1, or of black and white"));
  EXPECT_EQ(Masks(*data, 4),
            (std::map<std::string, std::string>{{"a.jpg", "1111 1111 0000 0000"},
                                                {"b.jpg", "1111 0000 0000 0000"}}));
}

TEST_F(CrackDataset, MasksThatLookWrongAreNoted) {
  WriteCrack("d", "a", 30);
  WriteCrack("d", "inverted", 201);
  WriteCrack("d", "noncrack_1", 6);
  WriteImage("d/images/clear.jpg");
  WriteMask("d/masks/clear.png", cv::Mat(20, 20, CV_8UC4, cv::Scalar(0, 0, 0, 0)));
  EXPECT_THAT(
      Opened("Crack", "root: 'd'")->info().notes,
      ElementsAre("1 mask with cracks of images named noncrack, taken as crack: "
                  "d/masks/noncrack_1.png",
                  "1 mask with more crack than background, perhaps inverted: d/masks/inverted.png",
                  "1 mask with transparent pixels, ignored: d/masks/clear.png"));
}

TEST_F(CrackDataset, CropsOfAPhotoStayTogether) {
  // The public collections' names for crops of photo N.
  const std::vector<std::pair<std::string, std::string>> names = {
      {"DeepCrack_1110N", ""},
      {"DeepCrack_1110N", "-1"},
      {"CRACK500_20160222_08100N", "_1_361"},
      {"CRACK500_20160222_08100N", "_641_1"},
      {"Volker_DSC0160N", "_161_1054_1412_1471"},
      {"Volker_DSC0160N", "_7_0_1412_1471"},
      {"GAPS384_train_000N", "_541_641"},
      {"GAPS384_train_000N", "_1_1"},
  };
  for (int photo = 0; photo < 8; ++photo) {
    for (const auto& [name, crop] : names) {
      WriteCrack("d", absl::StrCat(name.substr(0, name.size() - 1), photo, crop), 3);
    }
  }
  // Photos of their own.
  for (int i = 1; i < 9; ++i) WriteCrack("d", absl::StrCat("CFD_00", i), 3);
  const auto data = Opened("Crack", "root: 'd'", 0.3);
  std::map<std::string, std::set<int>> phases;
  std::set<int> own;
  for (const auto phase : {TRAIN, pipeline::TEST}) {
    for (int64_t i = 0; i < data->info().images[PhaseIndex(phase)]; ++i) {
      const std::string stem = fs::path(data->Name(phase, i)).stem().string();
      if (absl::StartsWith(stem, "CFD")) own.insert(phase);
      for (const auto& [name, crop] : names) {
        const std::string prefix = name.substr(0, name.size() - 1);
        if (absl::StartsWith(stem, prefix)) phases[stem.substr(0, name.size())].insert(phase);
      }
    }
  }
  EXPECT_EQ(phases.size(), 32);
  for (const auto& [photo, in] : phases) EXPECT_EQ(in.size(), 1) << photo;
  EXPECT_EQ(own.size(), 2) << "numbers of photos are no crops";
}

TEST_F(CrackDataset, AClassOfOnePhotoIsTestedAllTheSame) {
  for (int i = 0; i < 10; ++i) {
    WriteCrack("d", absl::StrCat("noncrack_wall_1_", i), 0);
    WriteCrack("d", absl::StrCat("CFD_00", i), 9);
  }
  const auto data = Opened("Crack", "root: 'd' task: BINARY", 0.3);
  EXPECT_EQ(data->info().class_counts[2], (Counts{3, 3}));
  EXPECT_THAT(data->info().notes,
              Contains("all 10 images of noncrack are of one photo and split all the same: its "
                       "test result is an over-estimate"));
}

TEST_F(CrackDataset, SplitFilesHoldMasksToo) {
  for (int i = 1; i < 9; ++i) WriteCrack("d", absl::StrCat("CFD_00", i), 3);
  datasets::DatasetContext context;
  context.test_fraction = 0.3;
  context.split_file = workspace_.path() + "/split.csv";
  const auto open = [&] {
    auto opened = datasets::Datasets::Get().Create(
        testing_support::PluginOf("datasets/Crack", "root: 'd'"), context);
    return std::string(opened.status().message());
  };
  EXPECT_EQ(open(), "");
  EXPECT_THAT(workspace_.Read("split.csv"), HasSubstr(",masks/CFD_003.png,"));
  EXPECT_EQ(open(), "");
  WriteCrack("d", "CFD_003", 4);
  WriteImage("d/images/CFD_003.jpg");
  EXPECT_EQ(open(), absl::StrCat("split_file: the content has changed since ", context.split_file,
                                 " was written: d/images/CFD_003.jpg, d/masks/CFD_003.png"));
}

TEST_F(CrackDataset, Binary) {
  WriteCrack("d", "a", 0);
  WriteCrack("d", "b", 1);
  WriteCrack("d", "c", 5);
  WriteCrack("d", "noncrack_d", 6);
  WriteCrack("d", "inverted", 201);
  const auto any = Opened("Crack", "root: 'd' task: BINARY");
  EXPECT_EQ(any->info().classes, (Names{"noncrack", "crack"}));
  EXPECT_EQ(any->info().class_counts[0], (Counts{1, 4}));
  EXPECT_THAT(any->info().notes, Contains("1 mask with cracks of images named noncrack, taken as "
                                          "crack: d/masks/noncrack_d.png"));
  EXPECT_THAT(
      any->info().notes,
      Contains("1 mask with more crack than background, perhaps inverted: d/masks/inverted.png"));
  EXPECT_EQ(Opened("Crack", "root: 'd' task: BINARY crack_pixels: 5")->info().class_counts[0],
            (Counts{2, 3}));
  EXPECT_EQ(Error("Crack", "root: 'd' task: BINARY crack_pixels: 202"),
            "root: d has training images of noncrack only; it takes two classes to learn");
}

TEST_F(CrackDataset, Sources) {
  for (const char* name :
       {"CFD_001", "cfd_2", "Volker_DSC01646_1", "cracktree200_6192", "Sylvie_Chambon_012",
        "DeepCrack_11111", "noncrack_noncrack_wall_1", "Rissbilder_for_Florian_9S", "017", "_1"}) {
    WriteImage(absl::StrCat("d/images/", name, ".jpg"));
  }
  const auto data = Opened("Crack", "root: 'd' task: MULTICLASS");
  EXPECT_EQ(data->info().classes, (Names{"CFD", "cracktree", "DeepCrack", "noncrack", "Rissbilder",
                                         "Sylvie_Chambon", "Volker"}));
  EXPECT_EQ(data->info().class_counts[0], (Counts{2, 1, 1, 1, 1, 1, 1}));
  const auto labels = Labels(*data);
  EXPECT_EQ(labels.at("cfd_2.jpg"), 0);
  EXPECT_EQ(labels.at("Volker_DSC01646_1.jpg"), 6);
  EXPECT_THAT(data->info().notes,
              Contains("2 images named without a letter at the start, left out: d/images/017.jpg, "
                       "d/images/_1.jpg"));
}

TEST_F(CrackDataset, Splits) {
  WriteCrack("d/train", "a", 3);
  WriteCrack("d/train", "b", 3);
  WriteCrack("d/test", "a", 3);
  WriteCrack("d", "c", 3);  // the folders' contents once more, as some downloads have them
  EXPECT_EQ(Opened("Crack", "root: 'd'", 0.5)->info().images, (Images{2, 0, 1}));
  EXPECT_EQ(Error("Crack", "root: 'd/test/masks'"),
            "root: no images/NAME with masks/NAME in d/test/masks or its folders train, val and "
            "test");
}

}  // namespace
