// What a study's report says of each kind of study.
#include "pipeline/studies/study_page.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <array>
#include <cmath>
#include <cstdio>
#include <cstdlib>
#include <nlohmann/json.hpp>
#include <sstream>

#include "pipeline/studies/study_folders.h"

namespace pipeline {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr int kImages = 100;

std::string FolderNamed(const std::string& name) {
  return absl::StrCat(::testing::TempDir(), "/", name);
}

// A hundred images of two classes, of which `wrong` in a hundred are answered wrong: those after
// `first`, which moves with the seed.
MadeAnswers Wrong(int wrong, int first) {
  MadeAnswers answers;
  for (int i = 0; i < kImages; ++i) {
    const bool is_wrong = (i - first + kImages) % kImages < wrong;
    answers.labels.push_back(i % 2);
    answers.answers.push_back(is_wrong ? 1 - i % 2 : i % 2);
  }
  return answers;
}

// A single loss, and fusions that err on so many images; each with so many seeds.
MadeStudy StudyOf(const std::string& name, const std::vector<int>& wrong, int seeds) {
  const std::vector<std::string> names = {"focal", "focal+dice", "focal+mse", "focal+tversky"};
  MadeStudy study(FolderNamed(name), {names.begin(), names.begin() + wrong.size()});
  study.plan.seeds.clear();
  for (int64_t seed = 0; seed < seeds; ++seed) study.plan.seeds.push_back(seed);
  for (size_t j = 0; j < wrong.size(); ++j) {
    for (const int64_t seed : study.plan.seeds) {
      study.Add(static_cast<int>(j), seed, Wrong(wrong[j], static_cast<int>(seed)),
                0.9 - 0.01 * wrong[j]);
    }
  }
  return study;
}

std::string ConclusionOf(MadeStudy* study) {
  const absl::StatusOr<std::string> written = WriteStudyReport(study->plan, study->Save());
  EXPECT_TRUE(written.ok()) << written.status();
  return written.ok() ? *written : "";
}

std::string PageOf(MadeStudy* study) {
  ConclusionOf(study);
  return study->File("report.html");
}

TEST(StudyPage, ShowsADifferenceThatAllSeedsAndImagesShow) {
  MadeStudy study = StudyOf("shown", {40, 5}, 5);
  EXPECT_THAT(ConclusionOf(&study),
              HasSubstr("pets_cnn: focal+dice beats focal by 35.0 points of accuracy ("));
  EXPECT_THAT(ConclusionOf(&study),
              HasSubstr("1 comparison, 5 seeds x 100 images); 5 of 5 seeds agree."));
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("focal+dice beats focal by 35.0 points of accuracy ("));
  EXPECT_THAT(page, HasSubstr("the single loss that VAL puts first"));
}

TEST(StudyPage, SaysThatNoFusionIsBetterWhereNoneIs) {
  MadeStudy study = StudyOf("none", {10, 11, 12}, 3);
  const std::string conclusion = ConclusionOf(&study);
  EXPECT_THAT(conclusion, HasSubstr("No fusion beat focal on this data at p < 0.05 (Holm, 2); "));
  EXPECT_THAT(conclusion, HasSubstr("3 seeds, 2 comparisons"));
  EXPECT_THAT(conclusion, HasSubstr("cannot go below p = 0.25."));
  EXPECT_THAT(conclusion, HasSubstr("Chosen by VAL: focal."));
}

TEST(StudyPage, ClaimsNothingOfRetrainingWithTwoSeeds) {
  MadeStudy study = StudyOf("two_seeds", {20, 10}, 2);
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("Two seeds: focal+dice is 10.0 points above focal"));
  EXPECT_THAT(PageOf(&study),
              HasSubstr("The study has 2 seeds: nothing can be said of retraining"));
}

TEST(StudyPage, DoesNotCompareWhatCollapsed) {
  MadeStudy study = StudyOf("collapsed", {10, 45}, 3);
  study.results.back().test["metrics.classes_predicted"] = 1;
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("focal+dice answered one class in 1 of 3 seeds; its "
                                              "mean 0.55 is not compared."));
  EXPECT_THAT(PageOf(&study), HasSubstr("1 combination answered one class for all images"));
}

TEST(StudyPage, SaysWhatIsLeftOutAndWhatIsNoBetterThanAConstantAnswer) {
  MadeStudy study = StudyOf("left_out", {10, 12, 55}, 3);
  study.results.back().test["metrics.classes_predicted"] = 1;
  EXPECT_THAT(ConclusionOf(&study),
              HasSubstr("1 of 2 comparisons is left out: collapsed, failed or stopped."));
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("some fusions do: pets_cnn: 1 of 3."));
  EXPECT_THAT(page, HasSubstr("focal+mse (collapsed)"));
}

TEST(StudyPage, ComparesNothingToABaselineThatCollapsed) {
  MadeStudy study = StudyOf("collapsed_baseline", {10, 12, 14}, 3);
  for (StudyResult& result : study.results) {
    if (result.combination == "focal") result.test["metrics.classes_predicted"] = 1;
  }
  EXPECT_THAT(ConclusionOf(&study),
              HasSubstr("pets_cnn: focal, to which all are compared, answered one class in 3 of 3 "
                        "seeds: nothing is compared.\n"));
}

TEST(StudyPage, DoesNotCompareWhatHalvingStopped) {
  MadeStudy study = StudyOf("stopped", {10}, 3);
  study.plan.combinations.push_back(
      {"focal+dice", {{"fusion", "focal+dice", {"focal", "dice"}, {}}}});
  for (const int64_t seed : {0, 1, 2}) study.Stop(1, seed, {0.3, 0.4});
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("focal+dice was stopped after 2 of 3 epochs (rank 2 of 2 by VAL): "
                              "no test value."));
  EXPECT_THAT(page, HasSubstr("3 runs were stopped by halving"));
  EXPECT_THAT(page, HasSubstr("<section id=\"halving\""));
  // It is in no chart of differences.
  EXPECT_THAT(page, Not(HasSubstr("difference to focal")));
}

TEST(StudyPage, TellsWhatFailedAndThatTheStudyIsNotOver) {
  MadeStudy study = StudyOf("half", {10, 12}, 3);
  study.plan.combinations.push_back({"focal+mse", {{"fusion", "focal+mse", {"focal", "mse"}, {}}}});
  study.Fail(2, 1, "load: image 12.jpg: truncated");
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("The study is not over: 6 of 9 runs are done, 1 failed."));
  EXPECT_THAT(page, HasSubstr("load: image 12.jpg: truncated"));
  EXPECT_THAT(page, HasSubstr("<section id=\"failed\""));
}

TEST(StudyPage, GoesOnWithoutPredictionsAndSaysSo) {
  MadeStudy study = StudyOf("missing", {20, 10}, 3);
  std::filesystem::remove(study.RunFile(4, "predictions.csv"));
  std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("(focal+dice, seed 1) is not there, or cannot be read"));
  MadeStudy::Write(study.RunFile(4, "predictions.csv"), "phase,path\nTEST\n");
  page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("(focal+dice, seed 1): "));
  // What is of other images is not compared with these.
  MadeStudy other = StudyOf("other_images", {20, 10}, 3);
  MadeAnswers elsewhere = Wrong(10, 0);
  elsewhere.path = "/elsewhere/img";
  const Predictions predictions = elsewhere.Of(0);
  MadeStudy::Write(other.RunFile(4, "predictions.csv"),
                   HeaderText(predictions) + RowsText(predictions));
  EXPECT_THAT(PageOf(&other),
              HasSubstr("predictions of focal+dice, seed 1 are of other images or labels"));
}

TEST(StudyPage, ReadsNothingOutsideItsRuns) {
  MadeStudy study = StudyOf("outside", {20, 10}, 3);
  std::filesystem::rename(study.RunFile(4, ""), FolderNamed("outside") + "/elsewhere");
  study.results[4].identity = "../elsewhere";
  EXPECT_THAT(PageOf(&study), HasSubstr("the result line of focal+dice, seed 1 names no run"));
}

TEST(StudyPage, ComparesMasksByImage) {
  MadeStudy study = StudyOf("masks", {20, 10}, 3);
  study.plan.file.study.set_metric(Study::MEAN_DICE);
  for (size_t i = 0; i < study.results.size(); ++i) {
    StudyResult& result = study.results[i];
    result.task = "segmentation";
    result.test["metrics.mean_dice_present"] = 0.9;
    Predictions predictions;
    predictions.masks = true;
    predictions.columns = {"background", "crack"};
    for (int image = 0; image < 10; ++image) {
      Prediction row;
      row.path = absl::StrCat("image ", image);
      row.pixels = 64;
      row.accuracy = 0.9;
      // The second combination is better on all but the last, which has no class of the truth.
      const double dice = image == 9 ? std::nan("") : 0.5 + 0.01 * image + (i < 3 ? 0 : 0.2);
      row.iou = row.dice = {dice, dice};
      row.mean_iou = row.mean_dice = dice;
      predictions.rows.push_back(row);
    }
    MadeStudy::Write(study.RunFile(i, "predictions.csv"),
                     HeaderText(predictions) + RowsText(predictions));
  }
  EXPECT_THAT(ConclusionOf(&study),
              HasSubstr("focal+dice beats focal by 20.0 points of mean Dice (20.0 to 20.0, 1 "
                        "comparison, 3 seeds x 9 images); 3 of 3 seeds agree."));
  EXPECT_THAT(PageOf(&study), HasSubstr("pixel accuracy"));
}

TEST(StudyPage, ComparesOtherAxesToTheFirstCombination) {
  MadeStudy study = StudyOf("activations", {20, 10}, 3);
  study.plan.combinations[0] = {"relu", {{"activation", "relu", {}, {}}}};
  study.plan.combinations[1] = {"jacobi", {{"activation", "jacobi", {}, {}}}};
  for (StudyResult& result : study.results) {
    result.combination = result.combination == "focal" ? "relu" : "jacobi";
    result.dataset = "brain_tumor";
  }
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("jacobi"));
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("2 activations, 1 config, 3 seeds"));
  EXPECT_THAT(page, HasSubstr("The baseline is the first combination."));
  EXPECT_THAT(page, Not(HasSubstr("(the paper&#39;s Table")));
  EXPECT_THAT(page, Not(HasSubstr("<section id=\"effects\"")));
}

TEST(StudyPage, LeavesImagesOutThatAreInTrainingToo) {
  MadeStudy study = StudyOf("leak", {20, 10}, 3);
  MadeStudy::Write(study.RunFile(0, "split.csv"),
                   "split,path,xxh3_128\nTRAIN,copy.png,aa\nTEST,img0003.png,aa\n"
                   "TEST,img0004.png,bb\n");
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("1 of 100 test images are also in training"));
  EXPECT_THAT(page, HasSubstr("Not judged: 1 test image is also in training."));
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("1 test image is also in training. Without it: "));
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("accuracy on 99 images"));
}

TEST(StudyPage, LetsOnlyTheConfirmationClaim) {
  MadeStudy study = StudyOf("confirm", {40, 5, 6}, 3);
  study.plan.confirm_seeds = {3, 4, 5, 6, 7, 8, 9};
  study.plan.file.study.mutable_confirm()->set_top(1);
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("Screening, which makes no claim yet: "));
  EXPECT_THAT(PageOf(&study),
              HasSubstr("The confirmation, which alone makes claims, has not begun."));
  for (const int combination : {0, 1}) {
    for (const int64_t seed : study.plan.confirm_seeds) {
      study.Add(combination, seed, Wrong(combination == 0 ? 20 : 19, static_cast<int>(seed)), 0.8,
                0, StudyStage::kConfirm);
    }
  }
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("7 seeds x 100 images"));
  EXPECT_THAT(ConclusionOf(&study), Not(HasSubstr("Screening")));
  EXPECT_THAT(PageOf(&study), HasSubstr("Only this stage makes claims about recipes."));
}

TEST(StudyPage, JudgesLabelsByFoldsThatDidNotSeeThem) {
  MadeStudy study(FolderNamed("folds"), {"focal", "focal+dice"});
  study.plan.folds = 5;
  study.plan.seeds = {0};
  for (const int combination : {0, 1}) {
    for (int fold = 0; fold < 5; ++fold) {
      MadeAnswers answers;
      for (int i = 0; i < 20; ++i) {
        answers.labels.push_back(i % 2);
        // One label in each fold is contradicted.
        answers.answers.push_back(i == 3 ? 0 : i % 2);
      }
      answers.sure = 0.95;
      study.Add(combination, 0, answers, 0.9 - 0.01 * combination, 0, StudyStage::kScreen, fold,
                static_cast<size_t>(20 * fold));
    }
  }
  const std::string page = PageOf(&study);
  EXPECT_THAT(page, HasSubstr("pets_cnn: 5 labels of 100 images in doubt, by what networks of "
                              "focal that did not see the image in training"));
  EXPECT_THAT(page, HasSubstr("5 folds, 1 comparison"));
  EXPECT_THAT(study.File("label_issues.csv"),
              HasSubstr("pets_cnn,/nowhere/pets/img0003.png,dog,cat,0.05,0.95\n"));
}

TEST(StudyPage, IsTheSameBytesWhateverTheSecondsAndTheOrderOfTheLines) {
  MadeStudy study = StudyOf("bytes", {20, 10, 15}, 3);
  const auto without_time = [](std::string page) {
    const size_t begin = page.find("<section id=\"time\""), end = page.find("</section>", begin);
    EXPECT_NE(begin, std::string::npos);
    return page.erase(begin, end - begin);
  };
  const std::string first = without_time(PageOf(&study));
  const std::string markdown = study.File("table.md"), tex = study.File("table.tex");
  for (StudyResult& result : study.results) {
    result.seconds *= 3;
    result.training_seconds += 1;
    result.host = "another";
  }
  std::reverse(study.results.begin(), study.results.end());
  EXPECT_EQ(without_time(PageOf(&study)), first);
  EXPECT_EQ(study.File("table.md"), markdown);
  EXPECT_EQ(study.File("table.tex"), tex);
}

TEST(StudyPage, KeepsItsSizeWhateverTheStudys) {
  std::vector<std::string> names;
  for (int i = 0; i < 4000; ++i) names.push_back(absl::StrCat("sample number ", i));
  MadeStudy study(FolderNamed("large"), names);
  for (int i = 0; i < 4000; ++i) study.Add(i, 0, Wrong(i % 40, 0), 0.5 + i * 1e-5);
  const std::string page = PageOf(&study);
  EXPECT_LE(page.size(), kMaxPage);
  EXPECT_THAT(page, HasSubstr(" rows, all are in table.csv"));
}

TEST(StudyPage, OfNothingYetSaysThat) {
  MadeStudy study(FolderNamed("nothing"), {"focal", "focal+dice"});
  EXPECT_THAT(ConclusionOf(&study), HasSubstr("0 of 6 runs are done."));
  EXPECT_THAT(PageOf(&study), HasSubstr("No seed of any combination is done yet"));
}

// What a visitor meets: tests/browser/drive.py says.
TEST(StudyPage, OpensInABrowserOnDesktopAndPhoneInLightAndDark) {
  MadeStudy study = StudyOf("browser", {20, 10, 15, 60}, 3);
  const std::string hostile = "</script><svg onload=alert(1)>";
  study.plan.combinations[3].name = hostile;
  for (StudyResult& result : study.results) {
    if (result.combination == "focal+tversky") result.combination = hostile;
  }
  study.plan.file.study.set_title(std::string(90, 'x') + "<img src=x onerror=alert(2)>");
  // A second dataset, so that there are ranks.
  study.plan.configs.push_back("toys_cnn");
  for (int combination = 0; combination < 4; ++combination) {
    for (const int64_t seed : study.plan.seeds) {
      study.Add(combination, seed, Wrong(5 + 3 * combination, static_cast<int>(seed)), 0.8, 1)
          .dataset = "toys";
    }
  }
  PageOf(&study);
  std::string command = "python3 tests/browser/drive.py";
  if (const char* pictures = std::getenv("PAGES_PICTURES")) {
    absl::StrAppend(&command, " --pictures '", pictures, "'");
  }
  FILE* out = popen((command + " '" + FolderNamed("browser") + "/report.html'").c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), out)) {
    text.append(buffer.data(), got);
  }
  const int code = WEXITSTATUS(pclose(out));
  if (code == 77) GTEST_SKIP() << "no Chromium here (Debian's package chromium)";
  ASSERT_EQ(code, 0) << text;
  std::istringstream lines(text);
  int looks = 0;
  for (std::string line; std::getline(lines, line); ++looks) {
    const nlohmann::json look = nlohmann::json::parse(line);
    EXPECT_EQ(look["problems"], nlohmann::json::array()) << line;
    EXPECT_GE(look["charts"], 6) << line;
    EXPECT_THAT(look["tip"].get<std::string>(), HasSubstr(": "));
  }
  EXPECT_EQ(looks, 4);
}

}  // namespace
}  // namespace pipeline
