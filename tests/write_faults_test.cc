// Every place at which a training run writes, and every way in which that can fail: strace makes
// the N-th call fail, for each N. EVERY_FAULT=1 tries each error at each place of two epochs,
// instead of one at each of one.
#include <gtest/gtest.h>
#include <unistd.h>

#include <cstdlib>
#include <filesystem>
#include <map>
#include <regex>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "tests/limits.h"
#include "tests/run_traces.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;

using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::RunTraces;
using testing_support::SmallConfig;
using testing_support::TracesOf;
using testing_support::Workspace;

// How each call can fail, and what the system calls that.
const std::map<std::string, std::string> kErrors = {{"ENOSPC", "No space left on device"},
                                                    {"EIO", "Input/output error"},
                                                    {"EDQUOT", "Disk quota exceeded"}};
const char* const kCalls[] = {"write",    "fsync", "fdatasync", "rename", "openat",
                              "pwrite64", "mkdir", "ftruncate", "unlink"};

// The program does not stop at other calls than those that `options` name.
std::vector<std::string> Strace(const std::vector<std::string>& options) {
  std::vector<std::string> words = {"strace", "-f", "--seccomp-bpf", "-qq", "-o", "log"};
  words.insert(words.end(), options.begin(), options.end());
  return words;
}

class WriteFaults : public testing::Test {
 protected:
  void SetUp() override {
    workspace_.Write("configs/small.pbtxt", SmallConfig());
    const Ran traced = RunPipeline({"list"}, Strace({"-e", "trace=write"}));
    if (traced.code != 0) GTEST_SKIP() << "strace is not here, or may not trace: " << traced.err;
  }

  // With checkpoints within each epoch.
  static std::vector<std::string> Arguments(const std::string& out) {
    const char* epochs = std::getenv("EVERY_FAULT") != nullptr ? "2" : "1";
    return {"--config=small", "--out=" + out,      "--set", "train.checkpoint_minutes=1e-9",
            "--set",          "load.workers=1",    "--set", absl::StrCat("train.epochs=", epochs),
            "--set",          "load.batch_size=12"};
  }

  // By call: which ones of a thread's are about the run's folder.
  std::map<std::string, std::set<int>> Places() const {
    const Ran ran =
        RunPipeline(Arguments("out"), Strace({"-y", "-e", "trace=" + absl::StrJoin(kCalls, ",")}));
    EXPECT_EQ(ran.code, 0) << ran.err;
    fs::remove_all("out");
    std::map<std::string, std::set<int>> places;
    std::map<std::string, int> counts;  // by thread and call
    const std::regex line(R"((\d+) +(\w+)\((.*))");
    const std::regex in_run(R"([/"<]out[/>"])");
    const std::vector<std::string> lines = absl::StrSplit(workspace_.Read("log"), '\n');
    for (const std::string& text : lines) {
      std::smatch parts;
      if (!std::regex_match(text, parts, line)) continue;
      const int count = ++counts[absl::StrCat(parts[1].str(), " ", parts[2].str())];
      const std::string rest = parts[3];
      // Reading is not meant.
      const bool reads = parts[2] == "openat" && !absl::StrContains(rest, "O_WRONLY") &&
                         !absl::StrContains(rest, "O_RDWR");
      if (!reads && std::regex_search(rest, in_run)) places[parts[2]].insert(count);
    }
    return places;
  }

  // Whether the run failed. What it left is whole: going on gives the uninterrupted result.
  void Try(const std::string& call, int place, const std::string& error,
           const RunTraces& expected) {
    SCOPED_TRACE(absl::StrCat(call, " ", place, " fails with ", error));
    fs::remove_all("out");
    const Ran ran =
        RunPipeline(Arguments("out"),
                    Strace({"-e", "trace=" + call, "-e",
                            absl::StrCat("inject=", call, ":error=", error, ":when=", place)}));
    ++tried_;
    if (ran.code == 0) {
      // It was another thread's call, or one whose failure loses nothing.
      ExpectEqual(TracesOf("out"), expected);
      return;
    }
    ++failed_;
    EXPECT_TRUE(ran.code == 1 || ran.code == 2) << ran.code << ran.err;
    EXPECT_TRUE(absl::StrContains(ran.err, kErrors.at(error))) << ran.err;
    EXPECT_TRUE(absl::StrContains(ran.err, "out")) << ran.err;
    if (absl::StrContains(ran.err, "are in out/weights.safetensors")) {
      EXPECT_TRUE(fs::exists("out/weights.safetensors")) << ran.err;
    }
    const bool begun = fs::exists("out/config.pbtxt") && fs::exists("out/run.json") &&
                       fs::file_size("out/run.json") > 0;
    if (!begun) {
      EXPECT_EQ(ran.code, 2) << ran.err;
      return;
    }
    const Ran rest = RunPipeline({"train", "--resume=out"});
    EXPECT_EQ(rest.code, 0) << rest.err;
    if (rest.code == 0) ExpectEqual(TracesOf("out"), expected);
  }

  const Workspace workspace_;
  int tried_ = 0, failed_ = 0;
};

TEST_F(WriteFaults, LoseNothing) {
  const auto places = Places();
  for (const char* call : {"write", "fsync", "fdatasync", "rename", "openat", "mkdir"}) {
    EXPECT_FALSE(places.find(call) == places.end()) << call;
  }
  ASSERT_EQ(RunPipeline(Arguments("whole")).code, 0);
  const RunTraces expected = TracesOf("whole");
  const bool every = std::getenv("EVERY_FAULT") != nullptr;
  size_t next = 0;
  for (const auto& [call, numbers] : places) {
    for (const int place : numbers) {
      std::vector<std::string> errors;
      for (const auto& [error, text] : kErrors) errors.push_back(error);
      if (!every) errors = {errors[next++ % errors.size()]};
      for (const std::string& error : errors) Try(call, place, error, expected);
    }
  }
  std::printf("%d calls failed, and ended the run %d times\n", tried_, failed_);
  EXPECT_GT(failed_, tried_ / 2);
}

// A disk that takes the first bytes of a write: at sizes between the smallest and the largest file.
TEST_F(WriteFaults, ShortWritesLoseNothing) {
  ASSERT_EQ(RunPipeline(Arguments("whole")).code, 0);
  const RunTraces expected = TracesOf("whole");
  std::set<int> codes;
  for (const rlim_t bytes : {100, 1500, 20000, 100000, 600000, 5000000}) {
    SCOPED_TRACE(bytes);
    fs::remove_all("out");
    Ran ran;
    {
      const testing_support::SmallDisk small(bytes);
      ran = RunPipeline(Arguments("out"));
    }
    codes.insert(ran.code);
    if (ran.code == 0) continue;
    EXPECT_TRUE(absl::StrContains(ran.err, "cannot write out/")) << ran.err;
    if (ran.code == 2) continue;
    EXPECT_EQ(RunPipeline({"train", "--resume=out"}).code, 0);
    ExpectEqual(TracesOf("out"), expected);
  }
  EXPECT_EQ(codes, (std::set<int>{0, 1, 2}));
}

// A file system that is full, and then is not: in a mount of the test's own.
TEST_F(WriteFaults, AFullDiskLosesNothing) {
  ASSERT_EQ(RunPipeline(Arguments("whole")).code, 0);
  const RunTraces expected = TracesOf("whole");
  const std::vector<std::string> alone = {"unshare", "--map-root-user", "--mount", "sh", "-c"};
  const auto with = [&](const std::string& script) {
    std::vector<std::string> words = alone;
    words.insert(words.end(), {script, "sh"});
    return words;
  };
  fs::create_directory("disk");
  const Ran mounts = RunPipeline({"list"}, with("mount -t tmpfs none disk"));
  if (mounts.code != 0) GTEST_SKIP() << "no file system can be mounted here: " << mounts.err;
  int failed = 0;
  for (const char* size : {"64k", "300k", "700k", "1100k"}) {
    SCOPED_TRACE(size);
    fs::remove_all("out");
    // The first exit code goes to standard error, behind what the program says.
    const Ran ran = RunPipeline(Arguments("disk/out"),
                                with(absl::StrCat("mount -t tmpfs -o size=", size, R"( none disk
"$@" >/dev/null; echo code $? >&2
mount -o remount,size=100m disk
test -s disk/out/run.json || { echo never begun >&2; exit 0; }
"$1" train --resume=disk/out; code=$?
cp -r disk/out out; exit $code)")));
    EXPECT_EQ(ran.code, 0) << ran.err;
    if (!absl::StrContains(ran.err, "code 0\n")) {
      ++failed;
      EXPECT_TRUE(absl::StrContains(ran.err, "No space left on device") ||
                  absl::StrContains(ran.err, "no space left"))
          << ran.err;
      EXPECT_TRUE(absl::StrContains(ran.err, "disk/out")) << ran.err;
    }
    if (!absl::StrContains(ran.err, "never begun")) ExpectEqual(TracesOf("out"), expected);
  }
  EXPECT_GT(failed, 1);
}

}  // namespace
