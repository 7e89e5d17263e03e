// The real and the hostile folders of images with masks.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <map>

#include "absl/strings/str_cat.h"
#include "tests/mask_datasets.h"
#include "tests/testing.h"

namespace {

using pipeline::TRAIN;
using ::testing::AllOf;
using ::testing::Contains;
using ::testing::HasSubstr;
using testing_support::Counts;
using testing_support::Images;
using testing_support::Names;
using testing_support::OpensDatasets;
using testing_support::SharedData;

class MaskFolders : public OpensDatasets {
 protected:
  void SetUp() override {
    if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  }
  static std::string Root(const std::string& name) {
    return absl::StrCat("root: '", SharedData(), "/", name, "' ");
  }
};

TEST_F(MaskFolders, Deepglobe) {
  const auto data = Opened("Deepglobe", Root("deepglobe"));
  EXPECT_EQ(data->info().images, (Images{330, 0, 65}));
  // Counted with another program: 8 pixels of red in 4 masks, none elsewhere.
  EXPECT_THAT(data->info().notes,
              Contains(HasSubstr("4 masks with 8 pixels of no class's color, ignored: ")));
  EXPECT_TRUE(data->Read(TRAIN, 0, 64).ok());
  const auto multiclass =
      Opened("Deepglobe", Root("deepglobe") + "task: MULTICLASS minimum_cover: 0");
  const auto& counts = multiclass->info().class_counts;
  Counts all = counts[0];
  for (size_t i = 0; i < all.size(); ++i) all[i] += counts[2][i];
  EXPECT_EQ(all, (Counts{71, 83, 66, 69, 25, 81}));
  const auto binary = Opened("Deepglobe", Root("deepglobe") + "task: BINARY");
  EXPECT_EQ(binary->info().class_counts[0][1] + binary->info().class_counts[2][1], 182);
}

TEST_F(MaskFolders, DeepglobeAtFullSize) {
  const auto data = Opened("Deepglobe", Root("deepglobe_fullsize") + "tile_size: 612");
  ASSERT_EQ(data->info().images[0], 16);
  for (int64_t i = 0; i < 16; ++i) EXPECT_TRUE(data->Read(TRAIN, i, 32).ok());
}

TEST_F(MaskFolders, DeepglobeHostile) {
  const std::string root = SharedData() + "/corrupt/deepglobe_bad/";
  const auto data = Opened("Deepglobe", Root("corrupt/deepglobe_bad"));
  EXPECT_THAT(data->info().notes,
              Contains("1 image without a mask, left out: " + root + "0045_sat.jpg"));
  EXPECT_THAT(data->info().notes, Contains("1 mask without an image: " + root + "0054_mask.png"));
  EXPECT_THAT(data->info().notes,
              Contains(AllOf(HasSubstr(root + "0021_mask.png"), HasSubstr(root + "0022_mask.png"),
                             HasSubstr(root + "0030_mask.png"))));
  EXPECT_THAT(data->info().notes, Contains("2 images without a usable mask, left out: " + root +
                                           "0009_mask.png: 256x256 pixels, but its image " + root +
                                           "0009_sat.jpg has 512x512, " + root +
                                           "0115_mask.png: 512x512 pixels, but its image " + root +
                                           "0115_sat.jpg has 300x512"));
  std::map<std::string, std::string> masks = Masks(*data, 16);
  EXPECT_EQ(masks.size(), 8);
  for (const auto& [name, mask] : masks) EXPECT_EQ(mask.size(), 16 * 17 - 1) << mask;
  // Pixels of the classes and ignored ones, of the masks that have them exactly, counted with
  // another program: indices; red and blue exchanged (read as it is); RGBA; colors off by 6.
  masks = Masks(*data, 512);
  const auto pixels = [&](const std::string& name) {
    std::map<char, int> counts;
    for (const char c : masks[name]) counts[c] += c != ' ';
    counts.erase(' ');
    return counts;
  };
  using Pixels = std::map<char, int>;
  EXPECT_EQ(pixels("0083_sat.jpg"), (Pixels{{'3', 512 * 512}}));
  EXPECT_EQ(
      pixels("0106_sat.jpg"),
      (Pixels{{'0', 67441}, {'1', 1513}, {'2', 176079}, {'3', 13775}, {'5', 1496}, {'-', 1840}}));
  EXPECT_EQ(pixels("0111_sat.jpg"),
            (Pixels{{'1', 1075}, {'2', 49742}, {'3', 205581}, {'5', 5746}}));
  EXPECT_EQ(pixels("0118_sat.jpg"),
            (Pixels{{'0', 3497}, {'3', 204104}, {'4', 48244}, {'5', 5852}, {'-', 447}}));
}

TEST_F(MaskFolders, Crack) {
  EXPECT_EQ(Opened("Crack", Root("crack"))->info().images, (Images{193, 0, 0}));
  EXPECT_EQ(Opened("Crack", Root("crack") + "task: BINARY")->info().class_counts[0],
            (Counts{33, 160}));
  const auto sources = Opened("Crack", Root("crack") + "task: MULTICLASS");
  EXPECT_EQ(sources->info().classes, (Names{"CFD", "DeepCrack", "noncrack"}));
  EXPECT_EQ(sources->info().class_counts[0], (Counts{80, 80, 33}));
  const auto jpeg = Opened("Crack", Root("crack_khanhha448"));
  for (const auto& [name, mask] : Masks(*jpeg, 448)) {
    const auto crack = std::count(mask.begin(), mask.end(), '1');
    // Crack cover is between 0.35 and 20 %.
    EXPECT_GT(crack, 448 * 448 * 0.0035) << name;
    EXPECT_LT(crack, 448 * 448 * 0.2) << name;
  }
}

TEST_F(MaskFolders, CrackHostile) {
  const std::string root = SharedData() + "/corrupt/crack_bad/";
  const auto data = Opened("Crack", Root("corrupt/crack_bad"));
  EXPECT_THAT(data->info().notes,
              Contains("1 image without a mask, left out: " + root + "images/CFD_010.jpg"));
  EXPECT_THAT(data->info().notes,
              Contains("1 mask without an image: " + root + "masks/CFD_012.png"));
  std::map<std::string, std::string> masks = Masks(*data, 32);
  EXPECT_THAT(data->info().notes, Contains("2 images without a usable mask, left out: " + root +
                                           "masks/CFD_005.png: 448x448 pixels, but its image " +
                                           root + "images/CFD_005.jpg has 480x320, " + root +
                                           "masks/CFD_013.png: 320x480 pixels, but its image " +
                                           root + "images/CFD_013.jpg has 480x320"));
  EXPECT_EQ(masks.size(), 11);
  for (const auto& [name, mask] : masks) EXPECT_EQ(mask.size(), 32 * 33 - 1) << mask;
  const auto binary = Opened("Crack", Root("corrupt/crack_bad") + "task: BINARY");
  // CFD_023 alone is empty; the mask named noncrack is not.
  EXPECT_EQ(binary->info().class_counts[0], (Counts{1, 10}));
  EXPECT_THAT(binary->info().notes,
              Contains(AllOf(HasSubstr("2 masks with more crack than background"),
                             HasSubstr("CFD_004.png"), HasSubstr("CFD_020.png"))));
  const auto sources = Opened("Crack", Root("corrupt/crack_bad") + "task: MULTICLASS");
  EXPECT_EQ(sources->info().classes, (Names{"CFD", "noncrack", "UNKNOWNPREFIX"}));
  EXPECT_EQ(sources->info().class_counts[0], (Counts{11, 1, 1}));
}

}  // namespace
