// load.cache_file through the program: the same numbers with and without it, and harmless damage.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <fstream>
#include <opencv2/imgcodecs.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using ::testing::HasSubstr;
using testing_support::Ran;
using testing_support::RunPipeline;

class CacheFile : public ::testing::Test {
 protected:
  CacheFile() {
    workspace_.Write("configs/small.pbtxt", testing_support::SmallConfig());
    for (const char* split : {"Training", "Testing"}) {
      for (int i = 0; i < 24; ++i) {
        const char* const classes[] = {"glioma_tumor", "meningioma_tumor", "no_tumor",
                                       "pituitary_tumor"};
        const std::string folder = absl::StrCat("data/", split, "/", classes[i % 4]);
        fs::create_directories(folder);
        cv::Mat image(40, 40, CV_8UC3);
        cv::RNG random(i + (split[1] == 'r' ? 1 : 100));
        random.fill(image, cv::RNG::UNIFORM, 0, 50 + 50 * (i % 4));
        cv::imwrite(absl::StrCat(folder, "/", i, ".png"), image);
      }
    }
  }

  static Ran RunIt(const std::string& out, const std::vector<std::string>& more = {},
                   const std::string& verb = "train") {
    return RunConfig("small", out, more, verb);
  }
  static Ran RunConfig(const std::string& config, const std::string& out,
                       const std::vector<std::string>& more, const std::string& verb = "train") {
    std::vector<std::string> arguments = {verb, "--config=" + config, "--set",
                                          "load.dataset=[datasets/BrainTumor] { root: \"data\" }"};
    if (verb == "train") arguments.push_back("--out=" + out);
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunPipeline(arguments);
  }

  // A run with the cache; what it said on stderr.
  static std::string RunWithCache(const std::string& out) {
    const Ran ran = RunIt(out, {"--set", "load.cache_file=cache"});
    EXPECT_EQ(ran.code, 0) << ran.err;
    return ran.err;
  }

  // The losses of every epoch and phase.
  std::vector<std::string> Losses(const std::string& out) const {
    std::vector<std::string> losses;
    for (const auto& row : testing_support::ParseCsv(workspace_.Read(out + "/metrics.csv"))) {
      losses.push_back(row.at("loss.total"));
    }
    return losses;
  }

  testing_support::Workspace workspace_;
};

TEST_F(CacheFile, ChangesNoNumber) {
  const Ran without = RunIt("without");
  ASSERT_EQ(without.code, 0) << without.err;
  EXPECT_EQ(RunWithCache("first"), without.err);
  const auto size = fs::file_size("cache");
  EXPECT_EQ(RunWithCache("second"), without.err);
  EXPECT_EQ(fs::file_size("cache"), size) << "everything was there";
  EXPECT_EQ(Losses("first"), Losses("without"));
  EXPECT_EQ(Losses("second"), Losses("without"));
}

TEST_F(CacheFile, IsMadeAnewForFilesThatChanged) {
  RunWithCache("first");
  const auto size = fs::file_size("cache");
  cv::imwrite("data/Training/no_tumor/2.png", cv::Mat(40, 41, CV_8UC3, {1, 2, 3}));
  RunWithCache("second");
  EXPECT_GT(fs::file_size("cache"), size);
  EXPECT_NE(Losses("second"), Losses("first"));
}

// Where nobody looks at colors a JPEG is decoded without them.
TEST_F(CacheFile, GivesNoGrayImagesToThoseWhoSeeColors) {
  std::vector<fs::path> pngs;
  for (const auto& entry : fs::recursive_directory_iterator("data")) {
    if (entry.is_regular_file()) pngs.push_back(entry.path());
  }
  for (const fs::path& png : pngs) {
    cv::imwrite(fs::path(png).replace_extension(".jpg").string(), cv::imread(png.string()));
    fs::remove(png);
  }
  workspace_.Write(
      "configs/colors.pbtxt",
      absl::StrReplaceAll(testing_support::SmallConfig(),
                          {{"input: \"images: gray\"", "input: \"images: load.images\""},
                           {"node { name: \"gray\" input: \"load.images\" plugin { "
                            "[plugins/Grayscale] {} } }",
                            ""}}));
  RunWithCache("gray");
  const Ran without = RunConfig("colors", "without", {});
  ASSERT_EQ(without.code, 0) << without.err;
  const Ran with = RunConfig("colors", "with", {"--set", "load.cache_file=cache"});
  ASSERT_EQ(with.code, 0) << with.err;
  EXPECT_EQ(Losses("with"), Losses("without"));
}

TEST_F(CacheFile, DamageCostsALineAndNothingElse) {
  RunWithCache("first");
  const auto size = fs::file_size("cache");
  // In the middle: pixels of some image.
  std::fstream file("cache", std::ios::in | std::ios::out | std::ios::binary);
  file.seekp(static_cast<std::streamoff>(size / 2));
  file.write("damage", 6);
  file.close();
  EXPECT_THAT(RunWithCache("second"), HasSubstr("cache_file: cache: "));
  EXPECT_EQ(Losses("second"), Losses("first"));
}

TEST_F(CacheFile, RefusesOtherFilesBeforeTraining) {
  workspace_.Write("cache", "something else");
  const Ran ran = RunIt("out", {"--set", "load.cache_file=cache"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("cache: not an image cache, so it is left as it is"));
  EXPECT_EQ(workspace_.Read("cache"), "something else");
}

TEST_F(CacheFile, CheckWritesNone) {
  EXPECT_EQ(RunIt("", {"--set", "load.cache_file=cache"}, "check").code, 0);
  EXPECT_FALSE(workspace_.Has("cache"));
}

}  // namespace
