// Volumes that are met twice, that no memory can hold, and slices that are not square.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <unistd.h>

#include <filesystem>
#include <fstream>

#include "datasets/opening.h"
#include "tests/limits.h"
#include "tests/nifti_file.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

using pipeline::TRAIN;
using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing_support::NiftiFile;

class NiftiTest : public OpensDatasets {
 protected:
  NiftiTest() { context_.validation_fraction = 0; }

  // A case of three slices of 8 columns and 4 rows; the first pixels of the last have a label.
  void Case(const std::string& name) {
    NiftiFile image;
    image.extents = {8, 4, 3};
    image.voxels.assign(96, 0);
    for (int i = 32; i < 96; ++i) image.voxels[i] = random_.uniform(100, 1000);
    Write(name + "/flair.nii", image.Bytes());
    NiftiFile labels = image;
    labels.voxels.assign(96, 0);
    for (int i = 64; i < 76; ++i) labels.voxels[i] = 1;
    Write(name + "/seg.nii", labels.Bytes());
  }
};

TEST_F(NiftiTest, MeetsEachCaseOnceWhateverLinksThereAre) {
  Case("p1");
  Case("p2");
  fs::create_directory_symlink(folder_, At("all"));
  fs::create_directory_symlink(At("p1"), At("a_link"));  // sorts before it
  const auto data = Opened("Nifti");
  EXPECT_THAT(data->info().notes, Contains(HasSubstr("cases: 2, patients: 2")));
  EXPECT_THAT(data->Name(TRAIN, 0), HasSubstr("/p1, slice "));
}

TEST_F(NiftiTest, ShowsNamesThatAreNoUtf8) {
  Case("p1\xE9");
  context_.write_split = true;
  const auto data = Opened("Nifti");
  EXPECT_EQ(data->Name(TRAIN, 0), At(R"(p1\xE9, slice 1)"));
  EXPECT_THAT(data->info().split_text, HasSubstr(R"(TRAIN,p1\xE9/flair.nii,)"));
}

TEST_F(NiftiTest, FitsSlicesAndTheirMasks) {
  Case("p1");
  const auto middle = [&](Fit fit) {
    context_.fit = fit;
    const auto data = Opened("Nifti", "task: SEGMENTATION");
    const auto sample = data->Read(TRAIN, data->info().images[0] - 1, 8);
    EXPECT_TRUE(sample.ok()) << sample.status();
    EXPECT_EQ(sample->mask.size(), cv::Size(8, 8));
    std::vector<int> column;
    for (int y = 0; y < 8; ++y) column.push_back(sample->mask.at<uint8_t>(y, 4));
    for (int y : {0, 7}) {
      if (fit == Fit::kLetterbox) {
        EXPECT_EQ(cv::countNonZero(sample->image.reshape(1).row(y)), 0);
      }
    }
    return column;
  };
  std::vector<int> stretched = middle(Fit::kStretch), boxed = middle(Fit::kLetterbox);
  EXPECT_THAT(std::vector<int>(boxed.begin(), boxed.begin() + 2), ElementsAre(255, 255));
  EXPECT_THAT(std::vector<int>(boxed.end() - 2, boxed.end()), ElementsAre(255, 255));
  for (int y = 0; y < 4; ++y) EXPECT_EQ(boxed[2 + y], stretched[2 * y]) << y;
  EXPECT_EQ(std::count(stretched.begin(), stretched.end(), 255), 0);
}

;

TEST_F(NiftiTest, NamesVolumesThatNoMemoryHolds) {
  if (testing_support::kSanitized) GTEST_SKIP() << "memory may not run out";
  Case("p1");
  Case("p2");
  Case("p3");
  // A header of 1024x1024x60 voxels, then nothing but a hole: 240 MiB as floats.
  NiftiFile image;
  image.extents = {1024, 1024, 60};
  Write("p2/flair.nii", image.Bytes());
  ASSERT_EQ(truncate(At("p2/flair.nii").c_str(), 352 + off_t{2} * 1024 * 1024 * 60), 0);
  // A gigabyte of nothing.
  Write("p3/flair.nii", "");
  ASSERT_EQ(truncate(At("p3/flair.nii").c_str(), off_t{1} << 30), 0);
  const testing_support::LittleMemory little(160 << 20);
  const auto data = Open("Nifti");
  ASSERT_TRUE(data.ok()) << data.status();
  EXPECT_THAT((*data)->info().notes, Contains("left out: " + At("p2/flair.nii") +
                                              ": there is not enough memory to read "
                                              "it"));
  EXPECT_THAT((*data)->info().notes,
              Contains("left out: " + At("p3/flair.nii") +
                       ": not NIfTI: it does not begin with the size of a header"));
}

}  // namespace
}  // namespace datasets
