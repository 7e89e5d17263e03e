// Pages with pictures, as a user makes them: the data's, and a run's at its end and made again.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <nlohmann/json.hpp>
#include <string>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/broken_folders.h"
#include "tests/testing.h"

namespace {

using testing::HasSubstr;
using testing::Not;
using testing_support::BrokenFolders;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

int CountOf(const std::string& what, const std::string& text) {
  int count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

constexpr char kPicture[] = "<img src=\"data:image/jpeg;base64,";

class DataPages : public testing::Test {
 protected:
  DataPages() {
    folders_.Write("configs/small.pbtxt",
                   absl::StrReplaceAll(
                       SmallConfig(),
                       {{"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
                         "[datasets/Folder] { root: \"broken\" }"}}));
    // A leak.
    folders_.Write("broken/test/a/leak.png", folders_.Read("broken/train/a/1.png"));
  }

  const BrokenFolders folders_;
};

TEST_F(DataPages, ShowExamplesCopiesAndBrokenFiles) {
  const Ran ran = RunPipeline({"check", "small", "--report", "--out=data.html"});
  EXPECT_THAT(ran.out, HasSubstr("data page: data.html\n")) << ran.err;
  const std::string page = folders_.Read("data.html");
  for (const char* text :
       {"Examples of a", "Examples of b", "Pairs of copies", "leak.png (TEST, a)",
        "1 groups of copies lie in TEST and outside it", "files of TRAIN cannot be read"}) {
    EXPECT_THAT(page, HasSubstr(text));
  }
  // Three of each class and split at most, where VAL has fewer; and the pair.
  EXPECT_GE(CountOf(kPicture, page), 11);
  EXPECT_FALSE(folders_.Has("runs"));
}

TEST_F(DataPages, AreInARunsPageAndMadeAgain) {
  const Ran ran = RunPipeline({"small", "--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const std::string first = folders_.Read("out/report.html");
  for (const char* text : {"Verdict", "Whether TRAIN and TEST are alike", "Examples of b",
                           "The least certain images", "Where it looks"}) {
    EXPECT_THAT(first, HasSubstr(text));
  }
  ASSERT_EQ(RunPipeline({"report", "out", "--out=again.html"}).code, 0);
  const std::string again = folders_.Read("again.html");
  EXPECT_EQ(CountOf(kPicture, again), CountOf(kPicture, first));
  EXPECT_THAT(again, HasSubstr("Where it looks"));
  ASSERT_EQ(RunPipeline({"report", "out", "--quick", "--out=quick.html"}).code, 0);
  EXPECT_EQ(CountOf(kPicture, folders_.Read("quick.html")), 0);
  // Without its data a page has all but its pictures, and says why.
  std::filesystem::rename("broken", "gone");
  const Ran without = RunPipeline({"report", "out", "--out=without.html"});
  EXPECT_EQ(without.code, 0);
  EXPECT_THAT(without.err, HasSubstr("the page has no pictures: "));
  EXPECT_THAT(folders_.Read("without.html"), HasSubstr("Verdict"));
}

TEST(DataPagesOfMasks, ShowErrorsInColors) {
  const Workspace workspace;
  workspace.Write(
      "configs/crack.pbtxt",
      absl::StrReplaceAll(
          SmallConfig(),
          {{"[datasets/Synthetic] {", "[datasets/Synthetic] { task: SEGMENTATION domain: CRACK"},
           {"[models/Vgg16] { head: GAP width: 0.07 }", "[models/Unet] { depth: 2 width: 4 }"}}));
  const Ran ran = RunPipeline({"crack", "--out=out", "--quiet"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, testing::StartsWith("\ntest result on "));
  const std::string page = workspace.Read("out/report.html");
  EXPECT_THAT(page, HasSubstr("Masks that fit worst"));
  EXPECT_THAT(page, HasSubstr("Blue: missed."));
  EXPECT_THAT(page, Not(HasSubstr("Where it looks")));
}

TEST(TrainJson, PrintsTheSummaryAlone) {
  const Workspace workspace;
  workspace.Write("configs/small.pbtxt", SmallConfig());
  const Ran ran = RunPipeline({"small", "--out=out", "--json", "--set", "train.profile=true"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, workspace.Read("out/summary.json"));
  const auto summary = nlohmann::json::parse(ran.out);
  for (const char* part : {"load", "classify", "loss", "backward", "optimizer"}) {
    EXPECT_GT(summary["time"]["TRAIN"][part], 0) << part;
  }
  const auto trace = nlohmann::json::parse(workspace.Read("out/trace.json"));
  EXPECT_GT(trace["traceEvents"].size(), 10);
}

}  // namespace
