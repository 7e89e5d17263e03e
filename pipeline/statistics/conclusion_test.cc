// Every row of the decision table, word for word.
#include "pipeline/statistics/conclusion.h"

#include <gtest/gtest.h>

#include <cmath>

namespace pipeline {
namespace {

// Shown: 1.4 points, 5 of 5 seeds.
Comparison Example() {
  Comparison c;
  c.first = "CCE+BCE";
  c.second = "CCE";
  c.metric = "accuracy";
  c.seeds = 5;
  c.images = 400;
  c.difference = .014;
  c.alone = {.008, .020};
  c.adjusted = {.005, .023};
  c.signs = {5, 0, 0};
  c.family = 56;
  c.rope = .005;
  c.candidates = 63;
  c.optimism = .0114;
  return c;
}

void Expect(const Comparison& comparison, Verdict verdict, const std::string& name,
            const std::string& sentence) {
  const Conclusion got = Conclude(comparison);
  EXPECT_EQ(got.verdict, verdict);
  EXPECT_EQ(NameOf(got.verdict), name);
  EXPECT_EQ(got.sentence, sentence);
}

TEST(Conclude, LeakComesFirst) {
  Comparison c = Example();
  c.leaked = 37;
  c.collapsed.push_back({"CCE", 1, 3, .7, .7});
  c.without_leak = "no difference shown.";
  Expect(c, Verdict::kLeak, "leak",
         "Not judged: 37 test images are also in training. After removing them: no difference "
         "shown.");
  c.leaked = 1;
  c.without_leak = "";
  EXPECT_EQ(Conclude(c).sentence, "Not judged: 1 test image is also in training.");
}

TEST(Conclude, CollapsedRunsAreNotCompared) {
  Comparison c = Example();
  c.collapsed = {{"Focal+Dice", 2, 3, .71, .70}};
  c.unfinished = Unfinished{"CCE", 3, 27, 40, 63, ""};
  Expect(c, Verdict::kCollapsed, "collapsed",
         "Focal+Dice answered one class in 2 of 3 seeds; its mean 0.71 is the majority share 0.70 "
         "and is not compared.");
  c.collapsed.push_back({"CCE", 1, 3, .85, .70});
  EXPECT_EQ(Conclude(c).sentence,
            "Focal+Dice answered one class in 2 of 3 seeds; its mean 0.71 is the majority share "
            "0.70 and is not compared. CCE answered one class in 1 of 3 seeds; its mean 0.85 is "
            "not compared.");
}

TEST(Conclude, NotFinished) {
  Comparison c = Example();
  c.unfinished = Unfinished{"Focal+Dice", 3, 27, 40, 63, ""};
  Expect(c, Verdict::kNotFinished, "not finished",
         "Focal+Dice was stopped after 3 of 27 epochs (rank 40 of 63 by VAL): no test value.");
  c.unfinished = Unfinished{"Focal+Dice", 1, 27, 0, 0, "the loss is NaN"};
  EXPECT_EQ(Conclude(c).sentence,
            "Focal+Dice failed after 1 of 27 epochs (the loss is NaN): no test value.");
}

TEST(Conclude, TooFewSeeds) {
  Comparison c = Example();
  c.seeds = 1;
  c.difference = .012;
  c.alone = {.003, .021};
  Expect(c, Verdict::kTooFewSeeds, "too few seeds",
         "One seed: CCE+BCE is 1.2 points above CCE on these images (CI 0.3 to 2.1); nothing is "
         "said about retraining.");
  c.seeds = 2;
  c.difference = -.012;
  c.alone = {-.021, .003};
  EXPECT_EQ(Conclude(c).sentence,
            "Two seeds: CCE is 1.2 points above CCE+BCE on these images (CI -0.3 to 2.1); nothing "
            "is said about retraining.");
  c.difference = 0;
  c.alone = {0, 0};
  EXPECT_EQ(Conclude(c).sentence,
            "Two seeds: CCE+BCE and CCE score the same on these images (CI 0.0 to 0.0); nothing "
            "is said about retraining.");
}

TEST(Conclude, Shown) {
  Expect(Example(), Verdict::kShown, "shown",
         "CCE+BCE beats CCE by 1.4 points of accuracy (0.5 to 2.3, 56 comparisons, 5 seeds x 400 "
         "images); 5 "
         "of 5 seeds agree.");
}

TEST(Conclude, TheOtherWayRound) {
  Comparison c = Example();
  c.difference = -.014;
  c.alone = {-.020, -.008};
  c.adjusted = {-.023, -.005};
  c.signs = {0, 5, 0};
  c.family = 1;
  EXPECT_EQ(Conclude(c).sentence,
            "CCE beats CCE+BCE by 1.4 points of accuracy (0.5 to 2.3, 1 comparison, 5 seeds x 400 "
            "images); 5 "
            "of 5 seeds agree.");
}

TEST(Conclude, NotShownWhereASeedDisagrees) {
  Comparison c = Example();
  c.signs = {4, 1, 0};
  Expect(c, Verdict::kNoDifferenceShown, "no difference shown",
         "No difference shown between CCE+BCE and CCE: only 4 of 5 seeds favour CCE+BCE; "
         "differences up to 2.3 points cannot be excluded.");
  c.signs = {4, 0, 1};
  EXPECT_EQ(Conclude(c).verdict, Verdict::kNoDifferenceShown);
}

TEST(Conclude, EqualInPractice) {
  Comparison c = Example();
  c.difference = .001;
  c.alone = {-.001, .003};
  c.adjusted = {-.003, .005};
  Expect(c, Verdict::kEqualInPractice, "equal in practice",
         "CCE+BCE and CCE are at most 0.5 points apart (ROPE set before the run).");
  c.adjusted = {-.0051, .004};
  EXPECT_EQ(Conclude(c).verdict, Verdict::kNoDifferenceShown);
  c.adjusted = {-.003, .005};
  c.rope = 0;  // none was set
  EXPECT_EQ(Conclude(c).verdict, Verdict::kNoDifferenceShown);
}

TEST(Conclude, NotAfterCorrection) {
  Comparison c = Example();
  c.difference = .009;
  c.alone = {.001, .017};
  c.adjusted = {-.006, .024};
  Expect(c, Verdict::kNotAfterCorrection, "not after correction",
         "CCE+BCE against CCE: 0.9 points alone looks real (0.1 to 1.7), but not after 56 "
         "comparisons, and the best of 63 equal recipes would show 1.1; not shown.");
  c.candidates = 0;
  EXPECT_EQ(Conclude(c).sentence,
            "CCE+BCE against CCE: 0.9 points alone looks real (0.1 to 1.7), but not after 56 "
            "comparisons; not shown.");
}

TEST(Conclude, NoDifferenceShown) {
  Comparison c = Example();
  c.difference = .004;
  c.alone = {-.004, .012};
  c.adjusted = {-.012, .020};
  c.signs = {5, 0, 0};
  Expect(c, Verdict::kNoDifferenceShown, "no difference shown",
         "No difference shown between CCE+BCE and CCE (Holm, 56 comparisons); differences up to "
         "2.0 points cannot be excluded.");
  c.adjusted = {NAN, NAN};
  c.alone = {NAN, NAN};
  EXPECT_EQ(Conclude(c).sentence,
            "No difference shown between CCE+BCE and CCE: the runs allow no interval.");
}

TEST(Conclude, SmallNumbersDoNotReadAsZero) {
  Comparison c = Example();
  c.adjusted = {.0002, .023};
  EXPECT_EQ(
      Conclude(c).sentence,
      "CCE+BCE beats CCE by 1.40 points of accuracy (0.02 to 2.30, 56 comparisons, 5 seeds x 400 "
      "images); 5 of 5 seeds agree.");
}

TEST(NoneDiffers, NamesTheGreatestThatIsLeft) {
  Comparison c = Example(), other = Example();
  c.adjusted = {-.012, .020};
  other.adjusted = {-.03, .011};
  EXPECT_EQ(NoneDiffers({c, other}),
            "No recipe beat CCE on this data at p < 0.05 (Holm, 56); differences up to 2.0 points "
            "cannot be excluded.");
  EXPECT_DEATH(NoneDiffers({}), "");
}

TEST(NoneDiffers, DoesNotHideAnIntervalThatLiesAbove) {
  Comparison c = Example(), other = Example();
  c.adjusted = {-.012, .020};
  other.first = "MSE+Dice";
  other.difference = .1147;
  other.adjusted = {.0136, .2157};
  other.seeds = 7;
  other.signs.positive = 6;
  EXPECT_EQ(NoneDiffers({c, other}),
            "No recipe is shown to beat CCE on this data: MSE+Dice is 11.5 points above it (1.4 to "
            "21.6, 56 comparisons), but only 6 of 7 seeds agree.");
}

TEST(AlwaysAdded, SaysUnderWhatCircumstances) {
  Circumstances c;
  c.level = "retrained networks, new images";
  c.metric = "accuracy";
  c.images = 400;
  c.seeds = 5;
  c.family = 56;
  c.chosen_by_validation = "CCE+BCE";
  c.optimism = .0067;
  c.majority = .7;
  c.detectable = .01959963985;
  EXPECT_EQ(AlwaysAdded(c),
            "Level: retrained networks, new images; accuracy on 400 images, 5 seeds, 56 "
            "comparisons; signs of so many seeds cannot go below p = 0.0625. Chosen by VAL: "
            "CCE+BCE. Choosing by TEST would promise 0.7 points too much. The most frequent class "
            "alone scores 0.70. Differences below about 2.0 points would not have been seen.");
  c.chosen_by_validation = "";
  c.optimism = NAN;
  c.seeds = 3;
  EXPECT_EQ(AlwaysAdded(c),
            "Level: retrained networks, new images; accuracy on 400 images, 3 seeds, 56 "
            "comparisons; signs of so many seeds cannot go below p = 0.25. The most frequent class "
            "alone scores 0.70. Differences below about 2.0 points would not have been seen.");
}

}  // namespace
}  // namespace pipeline
