// Names as a disk may hold them, not UTF-8, with commas, quotes, line ends or escapes in them,
// through the program: every file that a run leaves is well-formed, and nothing steers the
// terminal.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <nlohmann/json.hpp>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "pipeline/csv.h"
#include "pipeline/utf8.h"
#include "tests/image_folders.h"

namespace {

using nlohmann::json;
using pipeline::ValidUtf8;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using testing_support::ParseCsv;
using testing_support::Picture;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

constexpr char kLatin1[] = "caf\xE9";
constexpr char kHostile[] = "a,b\"c\nd\x1B[31m";

void ExpectPrintable(const std::string& text) {
  for (const absl::string_view line : absl::StrSplit(text, '\n')) {
    EXPECT_EQ(pipeline::Printable(line), line);
  }
}

class DiskTexts : public ::testing::Test {
 protected:
  void SetUp() override {
    workspace_.Write("configs/small.pbtxt",
                     absl::StrReplaceAll(SmallConfig(), {{"epochs: 2", "epochs: 1"}}));
    int pictures = 0;
    for (const char* name : {kLatin1, kHostile, "plain"}) {
      for (int i = 0; i < 8; ++i) {
        workspace_.Write(absl::StrCat(root_, "/", name, "/", i, ".png"), Picture(++pictures));
      }
    }
  }

  // --set of a folder as the dataset's root.
  std::string Dataset() const {
    return absl::StrCat("load.dataset=[datasets/Folder] { root: \"", absl::CEscape(root_), "\" }");
  }

  const Workspace workspace_;
  const std::string root_ = "im\xE9lange";
};

TEST_F(DiskTexts, ARunOnThemIsWhole) {
  const Ran ran =
      RunPipeline({"small", "--set", Dataset(), "--out=out", "--set", "load.test_fraction=0.25"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  ExpectPrintable(ran.out);
  ExpectPrintable(ran.err);
  EXPECT_THAT(ran.out, HasSubstr("caf\\xE9 "));
  EXPECT_THAT(ran.out, HasSubstr("a,b\"c\\x0Ad\\x1B[31m "));

  const json summary = json::parse(workspace_.Read("out/summary.json"));
  EXPECT_EQ(summary["classes"], json({"a,b\"c\nd\x1B[31m", "caf\\xE9", "plain"}));
  EXPECT_THAT(summary["data"].get<std::string>(), HasSubstr("im\\xE9lange"));
  EXPECT_TRUE(summary["test"].contains("recall.caf_xE9"));

  const std::string metrics = workspace_.Read("out/metrics.csv");
  EXPECT_EQ(ValidUtf8(metrics), metrics);
  const auto rows = ParseCsv(metrics);
  ASSERT_EQ(rows.size(), 3) << metrics;
  EXPECT_EQ(rows[2].count("metrics.recall.caf_xE9"), 1) << metrics;
  EXPECT_EQ(rows[2].count("metrics.recall.a_b_c_d__31m"), 1) << metrics;

  for (const auto& file : std::filesystem::recursive_directory_iterator("out/tensorboard")) {
    if (!file.is_regular_file()) continue;
    const std::string events = workspace_.Read(file.path().string());
    EXPECT_FALSE(absl::StrContains(events, kLatin1)) << "tags must be UTF-8";
  }
  // The config repeats the run, and is text itself.
  const std::string config = workspace_.Read("out/config.pbtxt");
  EXPECT_EQ(ValidUtf8(config), config);
  const Ran again = RunPipeline({"check", "out/config.pbtxt"});
  EXPECT_EQ(again.code, 0) << again.err;
}

TEST_F(DiskTexts, NoNameSteersTheTerminal) {
  const std::string config = "\x1B]0;title\x07\nb\xE9.pbtxt";
  workspace_.Write(config, SmallConfig());
  const Ran checked = RunPipeline({"check", config});
  EXPECT_EQ(checked.code, 0) << checked.err;
  ExpectPrintable(checked.out);
  EXPECT_THAT(checked.out, HasSubstr("config   \\x1B]0;title\\x07\\x0Ab\\xE9.pbtxt\n"));
  const std::string at = "\\x1B]0;title\\x07\\x0Ab\\xE9.pbtxt:39:9: ";
  workspace_.Write(config, absl::StrReplaceAll(SmallConfig(), {{"epochs: 2", "epochs: 0"}}));
  EXPECT_EQ(RunPipeline({"check", config}).err,
            at + "epochs is 0; it must be between 1 and 100000\n");
  for (const std::vector<std::string>& arguments :
       std::vector<std::vector<std::string>>{{"no\x1B[31m"},
                                             {"check", "no\xE9\x1B[31m"},
                                             {"small", "--no\x1B[31m"},
                                             {"describe", "no\x1B[31m"},
                                             {"check", "small", "--set", "no\x1B[31m=1"}}) {
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    ExpectPrintable(ran.err);
    EXPECT_THAT(ran.err, HasSubstr("\\x1B[31m"));
  }
}

TEST_F(DiskTexts, BrokenFilesAreNamedInPrint) {
  workspace_.Write(absl::StrCat(root_, "/plain/\x1B[31m.png"), "no picture");
  const Ran checked = RunPipeline({"check", "small", "--decode", "--set", Dataset()});
  EXPECT_EQ(checked.code, 1);
  ExpectPrintable(checked.out);
  EXPECT_THAT(checked.out, HasSubstr("plain/\\x1B[31m.png: "));
  const Ran trained = RunPipeline({"small", "--set", Dataset(), "--out=out", "--set",
                                   "load.validation_fraction=0", "--set", "load.test_fraction=0"});
  EXPECT_EQ(trained.code, 0) << trained.err;
  ExpectPrintable(trained.err);
  EXPECT_THAT(trained.err, HasSubstr("skipped: "));
}

TEST_F(DiskTexts, APictureIsXml) {
  const Ran ran =
      RunPipeline({"plot", "[activations/Lerch] { s: 1 } # <\x1B\xE9&>\n", "--out=p.svg"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(workspace_.Read("p.svg"),
              HasSubstr(">[activations/Lerch] { s: 1 } # &lt;\\x1B\\xE9&amp;>\\x0A</text>"));
}

TEST(Csv, CellsThatWouldEndEarlyAreQuoted) {
  EXPECT_EQ(pipeline::CsvCell("loss.focal+dice"), "loss.focal+dice");
  EXPECT_EQ(pipeline::CsvCell("a,b"), "\"a,b\"");
  EXPECT_EQ(pipeline::CsvCell("a\"b"), "\"a\"\"b\"");
  EXPECT_EQ(pipeline::CsvCell("a\nb"), "\"a\nb\"");
  EXPECT_EQ(pipeline::CsvCell(""), "");
}

}  // namespace
