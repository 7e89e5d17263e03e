// What speaks against a run's numbers, and the scores that it is judged by.
#include "pipeline/report/findings.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cmath>
#include <functional>

#include "absl/strings/str_format.h"
#include "pipeline/content_hash.h"
#include "pipeline/report/judgement.h"
#include "pipeline/report/run_folders.h"
#include "pipeline/report/sections.h"

namespace pipeline {
namespace {

using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::Not;

std::vector<std::string> FindingTexts(const std::string& folder) {
  const RunRecord record = RecordOf(folder);
  std::vector<std::string> texts;
  for (const Finding& one : FindingsOf(record, JudgementOf(record))) texts.push_back(one.text);
  return texts;
}

TEST(Findings, NameWhatSpeaksAgainstANumber) {
  using Json = nlohmann::ordered_json;
  const std::pair<std::function<void(Json*)>, const char*> cases[] = {
      {[](Json* s) { (*s)["embedded_sample"] = true; }, "Drawn stand-in images were used"},
      {[](Json* s) { (*s)["train_images"] = 29; },
       "it began with 30 / 6 / 12 images and ended with 29 / 6 / 12"},
      {[](Json* s) { (*s)["duplicates"]["identical_across_train_and_test"] = 2; },
       "Training and test share 2 groups of identical and 0 of near-identical images"},
      {[](Json* s) { (*s)["duplicates"]["near_with_different_labels"] = 1; },
       "1 group of copies have different labels"},
      {[](Json* s) { (*s)["skipped"] = {"a.jpg: truncated"}; },
       "1 file could not be read and took no part."},
      {[](Json* s) { (*s)["test"]["collapsed"] = true; },
       "Collapsed: the model answers one class for every image."},
      {[](Json* s) { (*s)["test"]["accuracy"] = 0.25; },
       "No better than always answering the most frequent class: 25.0 % against 33.3 %."},
      {[](Json* s) { (*s)["test"]["accuracy"] = 0.9; },
       "predictions.csv has an accuracy of 75.0 %, but summary.json says 90.0 %"},
      {[](Json* s) { (*s)["stopped"] = "no better metrics.macro_f1 for 2 epochs"; },
       "Stopped early: no better metrics.macro_f1 for 2 epochs."},
      {[](Json* s) { (*s)["stopped"] = "the disk is full"; }, "The run failed: the disk is full"},
      {[](Json* s) { (*s)["skipped_steps"] = 3; }, "3 training steps were left out"},
      {[](Json* s) { (*s)["rollbacks"] = 1; }, "Training went back to a checkpoint 1 time "},
      {[](Json* s) { (*s)["best_epoch"] = 3; }, "The best epoch is the last one"},
  };
  for (const auto& [change, text] : cases) {
    EXPECT_THAT(FindingTexts(WithSummary(change)), Contains(HasSubstr(text)));
    EXPECT_THAT(FindingTexts(MadeRun().Write("whole")), Not(Contains(HasSubstr(text))));
  }
}

TEST(Findings, NameDeadTermsAndGapsBetweenSplits) {
  const std::vector<std::string> texts = FindingTexts(MadeRun().Write("whole"));
  EXPECT_THAT(texts,
              Contains("The loss term dice moves nothing: its share of the gradient is below "
                       "1 %."));
  EXPECT_THAT(texts, Contains(HasSubstr("Validation says 57.8 % and test 75.0 %")));
  EXPECT_THAT(texts, Contains(HasSubstr("Fewer than 20 test images of a class")));
}

TEST(Findings, NameClassesThatAreNeverAnswered) {
  MadeRun run;
  run.answers = {0, 0, 0, 1, 1, 1, 0, 1, 0, 0, 1, 0};
  const RunRecord record = RecordOf(run.Write("never"));
  for (const Finding& one : FindingsOf(record, JudgementOf(record))) {
    if (one.text != "1 class of 3 never predicted.") continue;
    EXPECT_THAT(one.details, ElementsAre("owl"));
    return;
  }
  FAIL() << "not told";
}

TEST(Findings, NameFilesThatAreGone) {
  const std::string data = FolderOf("data");
  WriteText(data + "/a.png", "");
  const std::string folder =
      WithSummary([&](nlohmann::ordered_json* summary) { (*summary)["data"] = data; });
  WriteText(folder + "/split.csv",
            "# lossfusion split 1\nsplit,path,xxh3_128\nTRAIN,a.png,unread\nTEST,b.png,unread\n");
  EXPECT_THAT(FindingTexts(folder), Contains(HasSubstr("1 of 2 files of split.csv are not in ")));
}

TEST(Findings, CompareTheContentOfAFewFiles) {
  const std::string data = FolderOf("compared");
  const std::string folder =
      WithSummary([&](nlohmann::ordered_json* summary) { (*summary)["data"] = data; });
  std::string split = "split,path,xxh3_128\n";
  for (int i = 0; i < 300; ++i) {
    const std::string name = absl::StrFormat("%03d.png", i);
    WriteText(data + "/" + name, absl::StrCat("image ", i));
    absl::StrAppend(&split, "TRAIN,", name, ",", ContentHash(data + "/" + name), "\n");
  }
  // Nobody read it then.
  WriteText(data + "/unread.png", "image");
  WriteText(folder + "/split.csv", split + "TRAIN,unread.png,unread\n");
  EXPECT_THAT(FindingTexts(folder), Not(Contains(HasSubstr("The data changed since"))));
  WriteText(data + "/000.png", "another");
  EXPECT_THAT(FindingTexts(folder),
              Contains("The data changed since: of 200 files that were compared (of 300), 1 has "
                       "another content than split.csv says."));
  WriteText(data + "/003.png", "another");
  EXPECT_THAT(FindingTexts(folder), Contains(HasSubstr("(of 300), 2 have another content")));
}

TEST(Verdict, CountsWhatWasFoundElsewhere) {
  const RunRecord record = RecordOf(MadeRun().Write("whole"));
  const Section section =
      VerdictSection(record, JudgementOf(record), {{Severity::kStop, "the data lie", {}}});
  EXPECT_THAT(std::get<Paragraph>(section.blocks[1]).text,
              HasSubstr("Do not build on this number"));
  EXPECT_EQ(std::get<Findings>(section.blocks[3]).findings[0].text, "the data lie");
}

TEST(Verdict, IsSevereWhereAFindingIs) {
  const auto verdict = [](const std::string& folder) {
    const RunRecord record = RecordOf(folder);
    const Judgement judgement = JudgementOf(record);
    return VerdictText(record, judgement, FindingsOf(record, judgement));
  };
  EXPECT_THAT(
      verdict(WithSummary([](nlohmann::ordered_json* s) { (*s)["embedded_sample"] = true; })),
      HasSubstr("Do not build on this number"));
  EXPECT_THAT(verdict(MadeRun().Write("whole")), HasSubstr("Read what follows"));
}

TEST(Judgement, EqualsHandComputedScores) {
  const std::vector<int> labels = {0, 0, 0, 1}, answers = {0, 0, 1, 1};
  const auto all = AllSamples(4);
  EXPECT_DOUBLE_EQ(AccuracyOf(labels, answers, all), 0.75);
  EXPECT_DOUBLE_EQ(BalancedAccuracyOf(labels, answers, all, 3), (2 / 3.0 + 1) / 2);
  EXPECT_DOUBLE_EQ(MacroF1Of(labels, answers, all, 3), (4 / 5.0 + 2 / 3.0) / 2);
  EXPECT_DOUBLE_EQ(EntropyOf({0.5, 0.25, 0.25, 0}), 1.5 * std::log(2.0));
}

}  // namespace
}  // namespace pipeline
