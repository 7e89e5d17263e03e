// The paper's numbers as the tables print them, and their marks.
#include "pipeline/studies/paper.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

using Losses = std::vector<std::string>;

TEST(Paper, HasItsCellsUnderDatasetTaskAndLossesInAnyOrder) {
  const auto cell =
      PaperCellOf("brain_tumor", "binary", Losses{"categorical_cross_entropy", "smooth_l1"});
  ASSERT_TRUE(cell.has_value());
  EXPECT_EQ(cell->table, 8);
  EXPECT_EQ(cell->accuracy, 0.9947);
  EXPECT_EQ(cell->precision, 0.9948);
  EXPECT_EQ(cell->recall, 0.9947);
  EXPECT_EQ(cell->loss_value, 0.0112);
  EXPECT_EQ(cell->one_class, OneClass::kNo);
  EXPECT_FALSE(cell->contradicts_itself);
  EXPECT_EQ(cell->elsewhere, "the text claims 0.9994");
}

TEST(Paper, LeavesAbsentCellsBlank) {
  // Of the 35 sums of three, brain tumor has three.
  EXPECT_FALSE(PaperCellOf("brain_tumor", "binary", Losses{"tversky", "smooth_l1", "dice"}));
  EXPECT_FALSE(PaperCellOf("brain_tumor", "segmentation", Losses{"focal"}));
  EXPECT_FALSE(PaperCellOf("pets", "binary", Losses{"focal"}));
  EXPECT_FALSE(PaperCellOf("brain_tumor", "binary", Losses{"focal(gamma: 5)"}));
  const auto crack = PaperCellOf("crack", "binary", Losses{"focal"});
  ASSERT_TRUE(crack.has_value());
  EXPECT_TRUE(std::isnan(crack->loss_value));
}

TEST(Paper, MarksOneClassOutputAndCellsThatContradictThemselves) {
  const auto one_class = PaperCellOf("crack", "binary", Losses{"smooth_l1"});  // 0.9356 / 0.8754
  ASSERT_TRUE(one_class.has_value());
  EXPECT_EQ(one_class->one_class, OneClass::kConsistent);
  const auto other = PaperCellOf("crack", "binary", Losses{"categorical_cross_entropy"});
  ASSERT_TRUE(other.has_value());
  EXPECT_TRUE(other->contradicts_itself);  // accuracy 0.971, recall 0.9871
  EXPECT_EQ(other->one_class, OneClass::kNo);
}

TEST(Paper, KnowsItsTables) {
  EXPECT_EQ(PaperTable("brain_tumor", 1), 7);
  EXPECT_EQ(PaperTable("deepglobe", 3), 18);
  EXPECT_EQ(PaperTable("pets", 1), 0);
  EXPECT_EQ(PaperTable("crack", 4), 0);
  EXPECT_EQ(PaperPairs().size(), 5u);
}

}  // namespace
}  // namespace pipeline
