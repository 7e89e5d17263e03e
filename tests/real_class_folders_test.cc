// The real folders of classes, and the hostile ones.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "tests/image_folders.h"

namespace {

using datasets::DatasetContext;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::NamesIn;
using testing_support::Open;
using testing_support::Opened;
using testing_support::SharedData;

class RealClassFolders : public testing::Test {
 protected:
  RealClassFolders() {
    context_.validation_fraction = 0.25;
    context_.test_fraction = 0.2;
  }
  void SetUp() override {
    if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  }
  DatasetContext context_;
};

TEST_F(RealClassFolders, RealTomatoLeaves) {
  context_.validation_fraction = 0.15;
  const std::string root = "root: \"" + SharedData() + "/tomato_leaf\" ";
  const auto data = Opened("datasets/TomatoLeaf", root, context_);
  EXPECT_THAT(data->info().classes, ElementsAre("bacterial_spot", "healthy", "late_blight",
                                                "mosaic_virus", "target_spot"));
  for (int label = 0; label < 5; ++label) {
    const auto& counts = data->info().class_counts;
    EXPECT_EQ(counts[0][label] + counts[1][label] + counts[2][label], 220);
    // 0.2 of 220, then 0.15 of 176; a group of views or copies may bring up to two more or fewer.
    EXPECT_NEAR(static_cast<double>(counts[2][label]), 44, 2);
    EXPECT_NEAR(static_cast<double>(counts[1][label]), 26, 2);
  }
  // The five views of leaf 495 and 504 and the like, by hand from the folder's listing.
  for (const char* leaf : {"GH_HL Leaf 495.", "GH_HL Leaf 504.", "GHLB2 Leaf 113."}) {
    int sides = 0;
    for (const auto phase : {TRAIN, VAL, TEST}) {
      const auto names = NamesIn(*data, phase);
      sides += std::any_of(names.begin(), names.end(), [leaf](const std::string& name) {
        return name.find(leaf) != std::string::npos;
      });
    }
    EXPECT_EQ(sides, 1) << leaf;
  }
  EXPECT_TRUE(data->Read(TEST, 0, 64).ok());
  const auto binary = Opened("datasets/TomatoLeaf", root + "task: BINARY", context_);
  const auto& counts = binary->info().class_counts;
  EXPECT_EQ(counts[0][0] + counts[1][0] + counts[2][0], 220);
  EXPECT_EQ(counts[0][1] + counts[1][1] + counts[2][1], 880);
}

TEST_F(RealClassFolders, HostileTreesBehaveAsForBrainTumors) {
  const std::string corrupt = SharedData() + "/corrupt/";
  const auto folder = [&](const std::string& tree) {
    return Open("datasets/Folder", "root: \"" + corrupt + tree + "\"", context_);
  };
  const auto names = [&](const std::string& plugin) {
    return Opened(plugin, "root: \"" + corrupt + "nonascii_names\"", context_);
  };
  EXPECT_THAT(names("datasets/TomatoLeaf")->info().classes, ElementsAre("healthy", "späte_fäule"));
  EXPECT_THAT(names("datasets/Folder")->info().classes,
              ElementsAre("Tomato___Späte_Fäule", "Tomato___healthy"));
  EXPECT_THAT((*folder("brain_empty_class"))->info().notes,
              Contains("no images in " + corrupt + "brain_empty_class/Training/no_tumor"));
  EXPECT_THAT(std::string(folder("brain_only_one_class").status().message()),
              HasSubstr("; it takes two classes to learn"));
  EXPECT_THAT(std::string(folder("brain_totally_empty").status().message()),
              HasSubstr("root: no class folder with images in "));
  EXPECT_EQ((*folder("brain_no_testing_split"))->info().split, "by seed 0");
  EXPECT_THAT((*folder("brain_test_has_extra_class"))->info().notes,
              Contains("no training image of schwannoma, although there are test images"));
  EXPECT_THAT((*folder("brain_leak_and_conflict"))->info().notes,
              Contains("1 group of copies with different labels"));
  const auto bad = *folder("brain_mixed_bad_files");
  size_t unusable = 0;
  for (const auto phase : {TRAIN, VAL, TEST}) {
    unusable += bad->info().skipped[PhaseIndex(phase)].size();
    for (int64_t i = 0; i < bad->info().images[PhaseIndex(phase)]; ++i) {
      EXPECT_TRUE(bad->Read(phase, i, 32).ok()) << bad->Name(phase, i);
    }
  }
  EXPECT_EQ(unusable, 5);
}

}  // namespace
