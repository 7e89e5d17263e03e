// Files are written whole or not at all, claimed by one, and read up to a size.
#include "pipeline/files.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <atomic>
#include <filesystem>
#include <string>
#include <thread>
#include <vector>

#include "tests/limits.h"
#include "tests/testing.h"

namespace {

using testing_support::Workspace;

TEST(Files, AreReplacedWholeOrNotAtAll) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "one").ok());
  {
    pipeline::AtomicFile file("a.txt");
    file.Append("tw", 2);
    // No Commit: as if the program had failed here.
  }
  EXPECT_EQ(workspace.Read("a.txt"), "one");
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "two").ok());
  EXPECT_EQ(workspace.Read("a.txt"), "two");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(workspace.path())) {
    files += entry.is_regular_file();
  }
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST(Files, SayWhereTheyCannotBeWritten) {
  const Workspace workspace;
  EXPECT_EQ(pipeline::WriteFileAtomically("no/such/a.txt", "x").message(),
            "cannot write no/such/a.txt: No such file or directory");
  EXPECT_EQ(pipeline::ReadFile("missing", 10).status().message(),
            "cannot read missing: No such file or directory");
}

TEST(Files, KeepTheOldOneWhereTheDiskIsFull) {
  const Workspace workspace;
  ASSERT_TRUE(pipeline::WriteFileAtomically("a.txt", "one").ok());
  {
    const testing_support::SmallDisk small(1000);
    EXPECT_EQ(pipeline::WriteFileAtomically("a.txt", std::string(5000, 'x')).message(),
              "cannot write a.txt: File too large");
  }
  EXPECT_EQ(workspace.Read("a.txt"), "one");
  int files = 0;
  for (const auto& entry : std::filesystem::directory_iterator(workspace.path())) {
    files += entry.is_regular_file();
  }
  EXPECT_EQ(files, 1) << "a temporary file was left behind";
}

TEST(Files, ThatGrowHoldWholeRecordsAlone) {
  const Workspace workspace;
  {
    pipeline::GrowingFile file("a.log");
    ASSERT_TRUE(file.Append("one\n").ok());
    const testing_support::SmallDisk small(1000);
    EXPECT_EQ(file.Append(std::string(5000, 'x')).message(), "cannot write a.log: no space left");
    EXPECT_TRUE(file.Append("two\n").ok());
  }
  pipeline::GrowingFile again("a.log");
  ASSERT_TRUE(again.Append("three\n").ok());
  EXPECT_EQ(workspace.Read("a.log"), "one\ntwo\nthree\n");
  EXPECT_EQ(pipeline::GrowingFile("no/such").Append("x").message(),
            "cannot write no/such: No such file or directory");
}

TEST(Files, AreClaimedByOneOfMany) {
  const Workspace workspace;
  std::atomic<int> claimed{0}, made{0};
  std::vector<std::thread> threads;
  for (int i = 0; i < 8; ++i) {
    threads.emplace_back([&] {
      claimed += pipeline::ClaimFile("claim").value() ? 1 : 0;
      made += pipeline::MakeFolder("folder").value() ? 1 : 0;
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(claimed, 1);
  EXPECT_EQ(made, 1);
  EXPECT_EQ(pipeline::MakeFolder("no/such").status().message(),
            "cannot make no/such: No such file or directory");
  EXPECT_EQ(pipeline::ClaimFile("no/such").status().message(),
            "cannot write no/such: No such file or directory");
}

TEST(Files, RefuseToReadTooMuch) {
  const Workspace workspace;
  workspace.Write("a", "0123456789");
  EXPECT_EQ(pipeline::ReadFile("a", 10).value(), "0123456789");
  EXPECT_EQ(pipeline::ReadFile("a", 9).status().message(), "cannot read a: larger than 9 bytes");
  EXPECT_EQ(mkfifo("pipe", 0600), 0);
  EXPECT_EQ(pipeline::ReadFile("pipe", 9).status().message(),
            "cannot read pipe: not a regular file");
}

}  // namespace
