// What is kept of a dataset's files between runs of the program, and where.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <chrono>
#include <csignal>
#include <cstdlib>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <optional>
#include <set>
#include <string>
#include <thread>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/image_folders.h"

namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;
using testing_support::Opened;
using testing_support::Picture;
using testing_support::Pipeline;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;

// A variable of the environment, as it was before once this is gone.
class Variable {
 public:
  Variable(const char* name, const std::optional<std::string>& value) : name_(name) {
    if (const char* before = std::getenv(name)) before_ = before;
    Set(value);
  }
  Variable(const Variable&) = delete;
  ~Variable() { Set(before_); }

 private:
  void Set(const std::optional<std::string>& value) const {
    if (value.has_value()) {
      setenv(name_, value->c_str(), 1);
    } else {
      unsetenv(name_);
    }
  }

  const char* const name_;
  std::optional<std::string> before_;
};

// In no order.
std::multiset<std::string> Lines(const std::string& text) { return absl::StrSplit(text, '\n'); }

class KnownFiles : public testing::Test {
 protected:
  KnownFiles() {
    workspace_.Write("configs/small.pbtxt", SmallConfig());
    for (int i = 0; i < 12; ++i) {
      workspace_.Write(absl::StrCat("d/", i % 2 == 0 ? "even/" : "odd/", i, ".png"), Picture(i));
    }
    fs::copy("d/odd/1.png", "d/odd/copy.png");
    workspace_.Write("d/odd/broken.png", "no image");
    Settle();
  }
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

  std::string At(const std::string& name) const { return workspace_.path() + "/" + name; }

  static Ran Run(const std::string& verb, std::vector<std::string> more = {}) {
    std::vector<std::string> arguments = {verb, "small", "--set",
                                          "load.dataset=[datasets/Folder] { root: \"d\" }"};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunPipeline(arguments);
  }
  // The run's split file; "" where it failed.
  std::string Split(const std::string& out, std::vector<std::string> more = {}) const {
    more.push_back("--out=" + out);
    const Ran ran = Run("train", more);
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.err, HasSubstr("skipped: " + At("d/odd/broken.png") + ": "));
    return ran.code == 0 ? workspace_.Read(out + "/split.csv") : "";
  }
  static int64_t FilesIn(const std::string& folder) {
    std::error_code ignored;
    int64_t count = 0;
    for (const auto& entry : fs::recursive_directory_iterator(folder, ignored)) {
      count += entry.is_regular_file() ? 1 : 0;
    }
    return count;
  }

  Workspace workspace_;
  const Variable home_{"HOME", At("home")};
  const Variable cache_{"XDG_CACHE_HOME", std::nullopt};
};

TEST_F(KnownFiles, AreKeptInTheUsersCacheFolder) {
  const std::string first = Split("one"), second = Split("two");
  EXPECT_NE(first, "");
  EXPECT_EQ(first, second);
  EXPECT_EQ(FilesIn("home/.cache/lossfusion/facts"), 1);
  EXPECT_EQ(FilesIn("home"), 1);
  // By another size, and by the same one.
  workspace_.Write("d/even/0.png", Picture(100));
  workspace_.Write("d/odd/broken.png", "No image");
  Settle();
  const std::string third = Split("three");
  EXPECT_NE(third, first);
  fs::remove_all("home");
  EXPECT_EQ(third, Split("four"));
}

TEST_F(KnownFiles, AreKeptWhereXdgSays) {
  const Variable cache("XDG_CACHE_HOME", At("xdg"));
  Split("one");
  EXPECT_EQ(FilesIn("xdg/lossfusion/facts"), 1);
  EXPECT_FALSE(workspace_.Has("home"));
}

TEST_F(KnownFiles, AreKeptBesideTheCacheFile) {
  const std::vector<std::string> beside = {"--set", "load.cache_file=decoded.cache"};
  const std::string first = Split("one", beside);
  EXPECT_TRUE(workspace_.Has("decoded.cache.facts"));
  EXPECT_FALSE(workspace_.Has("home"));
  EXPECT_EQ(Split("two", beside), first);
}

TEST_F(KnownFiles, NeedNoPlace) {
  const std::string kept = Split("one");
  const Variable home("HOME", std::nullopt);
  EXPECT_EQ(Split("two"), kept);
}

TEST_F(KnownFiles, APlaceThatCannotBeWrittenIsANote) {
  workspace_.Write("taken", "");
  const std::string kept = Split("one");
  const Variable cache("XDG_CACHE_HOME", At("taken"));
  const Ran ran = Run("train", {"--out=two"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("  note     cannot make " + At("taken/lossfusion/facts")));
  EXPECT_EQ(workspace_.Read("two/split.csv"), kept);
}

TEST_F(KnownFiles, DamageIsANoteAndMended) {
  const std::string kept = Split("one");
  const std::string path = fs::directory_iterator("home/.cache/lossfusion/facts")->path().string();
  std::string damaged = workspace_.Read(path);
  damaged[damaged.size() / 2] ^= 1;
  workspace_.Write(path, damaged);
  const Ran ran = Run("train", {"--out=two"});
  EXPECT_THAT(ran.out, HasSubstr(": damaged: what was known of files is found out again"));
  EXPECT_EQ(workspace_.Read("two/split.csv"), kept);
  EXPECT_THAT(Run("train", {"--out=three"}).out, Not(HasSubstr("damaged")));
}

TEST_F(KnownFiles, AreReadButNotWrittenByCheck) {
  EXPECT_THAT(Run("check").out, HasSubstr("broken: " + At("d/odd/broken.png")));
  EXPECT_FALSE(workspace_.Has("home"));
  Split("one");
  EXPECT_THAT(Run("check").out, HasSubstr("broken: " + At("d/odd/broken.png")));
}

// A split file's contents are compared on every start.
TEST_F(KnownFiles, AChangedFileIsNotThatOfTheSplitFile) {
  const std::vector<std::string> split = {"--set", "load.split_file=split.csv"};
  const std::string kept = Split("one", split);
  EXPECT_EQ(Lines(Split("two", split)), Lines(kept));
  std::string other = workspace_.Read("d/even/0.png");
  other.back() ^= 1;
  const auto changed = fs::last_write_time("d/even/0.png");
  workspace_.Write("d/even/0.png", other);
  fs::last_write_time("d/even/0.png", changed);
  const Ran ran = Run("train", split);
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err,
              HasSubstr("the content has changed since " + At("split.csv") + " was written: "));
  EXPECT_THAT(ran.err, HasSubstr("d/even/0.png"));
}

TEST_F(KnownFiles, UncheckedOnesAreNotRead) {
  const std::string unchecked = "root: \"d\" duplicates: UNCHECKED";
  datasets::DatasetContext context;
  context.test_fraction = 0.3;
  context.facts = At("facts/");
  context.progress = [](int64_t, int64_t) { FAIL() << "a file is read"; };
  const auto data = Opened("datasets/Folder", unchecked, context);
  EXPECT_EQ(data->info().images[0] + data->info().images[2], 14) << "the broken one is among them";
  EXPECT_TRUE(data->info().duplicates.empty());
  EXPECT_THAT(
      data->info().notes,
      Contains("nobody looked for copies and broken images (duplicates: UNCHECKED): if test "
               "images have copies among the training images, the test result is an "
               "over-estimate"));
  EXPECT_THAT(data->info().split_text, HasSubstr("odd/copy.png,unread\n"));
  EXPECT_FALSE(workspace_.Has("facts"));
  // Its split file fits whatever the files hold.
  context.split_file = At("split.csv");
  const std::string split = Opened("datasets/Folder", unchecked, context)->info().split_text;
  workspace_.Write("d/even/0.png", Picture(100));
  context.seed = 5;
  EXPECT_EQ(Lines(Opened("datasets/Folder", unchecked, context)->info().split_text), Lines(split));
}

TEST_F(KnownFiles, ASignalEndsTheReadingAtOnce) {
  const cv::Mat large(6000, 6000, CV_8U, cv::Scalar(0));
  std::vector<uchar> bytes;
  cv::imencode(".png", large, bytes);
  const std::string image(bytes.begin(), bytes.end());
  // What follows a PNG is nobody's.
  for (int i = 0; i < 200; ++i) {
    workspace_.Write(absl::StrCat("d/even/large", i, ".png"), image + std::to_string(i));
  }
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    Pipeline pipeline(
        {"train", "small", "--out=run", "--set", "load.dataset=[datasets/Folder] { root: \"d\" }"});
    pipeline.AwaitHandlerOf(signal);
    pipeline.Signal(signal);
    const Ran ran = pipeline.Wait();
    EXPECT_EQ(ran.code, 128 + signal);
    EXPECT_EQ(ran.out, "");
    EXPECT_EQ(ran.err, "");
    EXPECT_FALSE(workspace_.Has("run"));
  }
}

}  // namespace
