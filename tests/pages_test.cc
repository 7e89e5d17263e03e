// report.html and comparison.html as a visitor meets them: made by the program, opened in a
// browser.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>

#include <array>
#include <cstdio>
#include <nlohmann/json.hpp>
#include <sstream>

#include "absl/strings/str_cat.h"
#include "pipeline/report/run_folders.h"
#include "tests/testing.h"

namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// Where the test's files lie, before a workspace becomes the current folder.
const std::string& Driver() {
  static const auto* path =
      new std::string(std::filesystem::absolute("tests/browser/drive.py").string());
  return *path;
}
const std::string& kDriver = Driver();

struct Driven {
  int code = -1;
  std::vector<nlohmann::json> looks;
};

Driven Drive(const std::vector<std::string>& pages) {
  std::string command = "python3 '" + kDriver + "'";
  if (const char* folder = std::getenv("PAGES_PICTURES")) {
    absl::StrAppend(&command, " --pictures '", folder, "'");
  }
  for (const std::string& page : pages) absl::StrAppend(&command, " '", page, "'");
  Driven driven;
  FILE* out = popen(command.c_str(), "r");
  std::string text;
  std::array<char, 4096> buffer;
  while (const size_t got = fread(buffer.data(), 1, buffer.size(), out)) {
    text.append(buffer.data(), got);
  }
  driven.code = WEXITSTATUS(pclose(out));
  std::istringstream lines(text);
  for (std::string line; std::getline(lines, line);) {
    driven.looks.push_back(nlohmann::json::parse(line));
  }
  return driven;
}

TEST(Pages, OpenInABrowserOnDesktopAndPhoneInLightAndDark) {
  Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  const Ran trained = RunPipeline({"train", "small.pbtxt", "--out=run"});
  ASSERT_EQ(trained.code, 0) << trained.err;
  pipeline::MadeRun hostile;
  hostile.classes = {"</script><svg onload=alert(1)>", "a\"b'c&d",
                     "a_name_without_any_space_that_is_longer_than_a_phone_is_wide_by_far"};
  hostile.path = std::string(120, 'x') + "<img src=x onerror=alert(2)>";
  const std::string first = hostile.Write("hostile"), second = pipeline::MadeRun().Write("second");
  ASSERT_EQ(RunPipeline({"report", first}).code, 0);
  ASSERT_EQ(RunPipeline({"report", second}).code, 0);
  ASSERT_EQ(RunPipeline({"compare", first, second, "run"}).code, 0);
  ASSERT_EQ(RunPipeline({"compare", second, second + "/../second", first, "--out=two.html"}).code,
            0);

  const Driven driven = Drive({"run/report.html", first + "/report.html", second + "/report.html",
                               "comparison.html", "two.html"});
  if (driven.code == 77) GTEST_SKIP() << "no Chromium here (Debian's package chromium)";
  ASSERT_EQ(driven.code, 0);
  ASSERT_EQ(driven.looks.size(), 5 * 4);
  for (const nlohmann::json& look : driven.looks) {
    SCOPED_TRACE(look.dump(1));
    EXPECT_EQ(look["problems"], nlohmann::json::array());
    EXPECT_EQ(look["dark"], look["look"].get<std::string>().find("dark") != std::string::npos);
    EXPECT_GE(look["charts"], 5);
    EXPECT_THAT(look["tip"].get<std::string>(), HasSubstr(": "));
  }
}

TEST(Pages, AreWrittenByTrainAndAgainByReport) {
  Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  ASSERT_EQ(RunPipeline({"train", "small.pbtxt", "--out=run"}).code, 0);
  const std::string page = workspace.Read("run/report.html");
  EXPECT_THAT(page, HasSubstr("<section id=\"verdict\""));
  EXPECT_THAT(page, HasSubstr("src=\"data:image/jpeg;base64,"));
  EXPECT_LT(page.size(), 2 << 20);
  std::filesystem::remove("run/report.html");
  const Ran again = RunPipeline({"report", "run"});
  EXPECT_EQ(again.code, 0) << again.err;
  EXPECT_EQ(again.out, "run/report.html\n");
  EXPECT_THAT(workspace.Read("run/report.html"), HasSubstr("<section id=\"verdict\""));
  EXPECT_EQ(RunPipeline({"report", "run", "--out=other.html"}).out, "other.html\n");
  EXPECT_THAT(workspace.Read("other.html"), HasSubstr("<section id=\"verdict\""));
}

TEST(Pages, AreWrittenForARunThatWasInterrupted) {
  Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  const Pipeline program({"train", "small.pbtxt", "--out=run", "--set", "train.epochs=100000"});
  program.AwaitHandlerOf(SIGINT);
  while (program.Runs() && !workspace.Has("run/metrics.csv")) usleep(20000);
  program.Signal(SIGINT);
  const Ran ran = const_cast<Pipeline&>(program).Wait();
  EXPECT_EQ(ran.code, 128 + SIGINT) << ran.err;
  const std::string page = workspace.Read("run/report.html");
  EXPECT_THAT(page, HasSubstr("Interrupted after "));
  EXPECT_THAT(page, HasSubstr("there is no test result."));
  EXPECT_THAT(page, HasSubstr("--resume="));
}

TEST(Pages, ThatCannotBeWrittenDoNotChangeTheRunsEnd) {
  Workspace workspace;
  workspace.Write("small.pbtxt", SmallConfig());
  // A folder that is not empty cannot be replaced by a file.
  workspace.Write("run/report.html/x", "");
  const Ran ran = RunPipeline({"train", "small.pbtxt", "--out=run"});
  EXPECT_EQ(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("report.html"));
  EXPECT_TRUE(workspace.Has("run/summary.json"));
}

TEST(Pages, AreRefusedWithOneLine) {
  Workspace workspace;
  workspace.Write("empty/x", "");
  const auto error = [](const std::vector<std::string>& arguments) {
    const Ran ran = RunPipeline(arguments);
    EXPECT_EQ(ran.code, 2);
    EXPECT_EQ(ran.out, "");
    return ran.err;
  };
  EXPECT_EQ(
      error({"report"}),
      "report takes one run: a folder such as runs/brats_vgg16/20261128-003706, or a config whose "
      "last run is meant\n");
  EXPECT_EQ(error({"report", "none"}), "none: no such run folder or config\n");
  EXPECT_EQ(error({"report", "empty"}),
            "empty: no run folder, for it has neither run.json nor summary.json nor metrics.csv\n");
  EXPECT_EQ(error({"compare", "none*"}), "none*: no such run folder or config\n");
  const std::string run = pipeline::MadeRun().Write("single");
  EXPECT_EQ(error({"compare", run, run}),
            "compare takes at least two runs: folders, or patterns such as 'runs/brats_vgg16/*'\n");
}

TEST(Pages, CompareRunsThatAPatternMatches) {
  Workspace workspace;
  const std::string folder =
      std::filesystem::path(pipeline::MadeRun().Write("glob/a")).parent_path();
  pipeline::MadeRun().Write("glob/b");
  const Ran ran = RunPipeline({"compare", folder + "/*"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_EQ(ran.out, "comparison.html\n");
  EXPECT_THAT(workspace.Read("comparison.html"), HasSubstr("Comparison of 2 runs"));
  const Ran told = RunPipeline({"compare", folder + "/*", "--json"});
  EXPECT_EQ(told.code, 0) << told.err;
  const nlohmann::json json = nlohmann::json::parse(told.out);
  ASSERT_EQ(json["runs"].size(), 2);
  ASSERT_EQ(json["pairs"].size(), 1);
  EXPECT_EQ(json["pairs"][0]["first"], json["runs"][0]["run"]);
  // Equal runs: no difference, and no image that only one of them has right.
  EXPECT_GT(json["pairs"][0]["shared_images"], 0);
  ASSERT_GE(json["pairs"][0]["differences_95"].size(), 1);
  for (const nlohmann::json& difference : json["pairs"][0]["differences_95"]) {
    EXPECT_EQ(difference["difference"], 0);
    EXPECT_EQ(difference["low"], 0);
  }
  EXPECT_EQ(json["pairs"][0]["mcnemar"]["only_first_right"], 0);
  EXPECT_EQ(json["pairs"][0]["mcnemar"]["mid_p"], 1);
}

}  // namespace
