// Facts about files that change, go, are damaged, or are written by several at once.
#include "datasets/split/file_facts.h"

#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>
#include <xxhash.h>

#include <chrono>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <sstream>
#include <thread>

namespace datasets {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kWhat[] = "its length";

class FileFactsTest : public ::testing::Test {
 protected:
  FileFactsTest()
      : folder_(fs::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()),
        kept_((folder_ / "kept.facts").string()) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~FileFactsTest() override {
    fs::permissions(folder_, fs::perms::owner_all);
    fs::remove_all(folder_);
  }

  std::string Write(const std::string& name, const std::string& content) const {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    return path;
  }
  static std::string Read(const std::string& path) {
    std::ostringstream content;
    content << std::ifstream(path, std::ios::binary).rdbuf();
    return content.str();
  }
  // Until what changed before now is trusted.
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

  // What is known of a file; "" if nothing.
  static std::string Known(const FileFacts& facts, const std::string& path) {
    const auto moment = facts.MomentOf(kWhat, path);
    return moment.has_value() ? facts.Find(moment->key).value_or("") : "";
  }
  static void Learn(FileFacts* facts, const std::string& path, const std::string& fact) {
    facts->AddOf(*facts->MomentOf(kWhat, path), kWhat, path, fact);
  }
  // Of a file, in a process of its own.
  std::string Kept(const std::string& path) const { return Known(FileFacts(kept_, true), path); }
  void Keep(const std::string& path, const std::string& fact) const {
    FileFacts facts(kept_, true);
    Learn(&facts, path, fact);
    facts.Save();
  }

  const fs::path folder_;
  const std::string kept_;
};

TEST_F(FileFactsTest, KeepsFactsOfAFileThatStaysAsItIs) {
  const std::string path = Write("a", "one");
  Settle();
  EXPECT_EQ(Kept(path), "");
  Keep(path, "3");
  EXPECT_EQ(Kept(path), "3");
  FileFacts facts(kept_, true);
  EXPECT_FALSE(facts.Find(facts.MomentOf("another fact", path)->key).has_value());
  EXPECT_EQ(Known(facts, Write("b", "one")), "");
  EXPECT_FALSE(facts.MomentOf(kWhat, (folder_ / "nowhere").string()).has_value());
  EXPECT_THAT(facts.TakeNotes(), IsEmpty());
}

TEST_F(FileFactsTest, KnowsAFileByItsWholePath) {
  const std::string path = Write("a", "one");
  Settle();
  Keep(path, "3");
  const fs::path before = fs::current_path();
  fs::current_path(folder_);
  EXPECT_EQ(Kept("a"), "3");
  fs::current_path(before);
}

TEST_F(FileFactsTest, ForgetsAFileThatWasWrittenAgain) {
  const std::string path = Write("a", "one");
  Settle();
  Keep(path, "3");
  Write("a", "three");
  EXPECT_EQ(Kept(path), "");
}

TEST_F(FileFactsTest, ForgetsAFileOfTheSameSizeAndTime) {
  const std::string path = Write("a", "one");
  Settle();
  Keep(path, "3");
  struct stat before = {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  Write("a", "two");
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  EXPECT_EQ(Kept(path), "");
}

TEST_F(FileFactsTest, ForgetsAFileThatAnotherOneWasRenamedTo) {
  const std::string path = Write("a", "one"), other = Write("b", "two");
  struct stat before = {};
  ASSERT_EQ(stat(path.c_str(), &before), 0);
  const timespec times[] = {before.st_atim, before.st_mtim};
  ASSERT_EQ(utimensat(AT_FDCWD, other.c_str(), times, 0), 0);
  Settle();
  Keep(path, "3");
  fs::rename(other, path);
  EXPECT_EQ(Kept(path), "");
}

TEST_F(FileFactsTest, ForgetsAFileThatWasTouched) {
  const std::string path = Write("a", "one");
  Settle();
  Keep(path, "3");
  ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), nullptr, 0), 0);
  EXPECT_EQ(Kept(path), "");
}

TEST_F(FileFactsTest, KeepsNothingThatChangedAMomentBeforeItWasRead) {
  const std::string path = Write("a", "one");
  Keep(path, "3");
  EXPECT_EQ(Kept(path), "");
}

TEST_F(FileFactsTest, KeepsNothingOfAFileThatChangedWhileItWasRead) {
  const std::string path = Write("a", "one");
  Settle();
  FileFacts facts(kept_, true);
  const auto before = facts.MomentOf(kWhat, path);
  Write("a", "three");
  facts.AddOf(*before, kWhat, path, "3");
  EXPECT_FALSE(facts.Find(before->key).has_value());
}

TEST_F(FileFactsTest, TrustsATimeOnceItsClockHasTicked) {
  constexpr int64_t kSecond = 1'000'000'000, kFine = 1'700'000'000 * kSecond + 123'456'789;
  EXPECT_TRUE(MayChangeUnseen(kFine, kFine));
  EXPECT_TRUE(MayChangeUnseen(kFine, kFine + kSecond / 100));
  EXPECT_FALSE(MayChangeUnseen(kFine, kFine + kSecond / 10));
  EXPECT_TRUE(MayChangeUnseen(kFine + kSecond, kFine)) << "a clock ahead of ours";
  // Some file systems count in seconds, or in two.
  constexpr int64_t kWhole = 1'700'000'000 * kSecond;
  EXPECT_TRUE(MayChangeUnseen(kWhole, kWhole + kSecond));
  EXPECT_FALSE(MayChangeUnseen(kWhole, kWhole + 2 * kSecond));
}

TEST_F(FileFactsTest, DamageAnywhereCostsTheFactsAndIsMended) {
  const std::string a = Write("a", "one"), b = Write("b", "three");
  Settle();
  Keep(a, "3");
  Keep(b, "5");
  const std::string whole = Read(kept_);
  const auto expect_mended = [&](const std::string& content, const std::string& what) {
    std::ofstream(kept_, std::ios::binary | std::ios::trunc) << content;
    FileFacts facts(kept_, true);
    EXPECT_EQ(Known(facts, a) + Known(facts, b), "") << what;
    const auto notes = facts.TakeNotes();
    ASSERT_EQ(notes.size(), 1) << what;
    EXPECT_THAT(notes[0], ::testing::AllOf(::testing::StartsWith(kept_),
                                           ::testing::HasSubstr("is found out again")));
    Learn(&facts, a, "3");
    facts.Save();
    EXPECT_THAT(facts.TakeNotes(), IsEmpty()) << what;
    EXPECT_EQ(Kept(a), "3") << what;
  };
  for (size_t i = 0; i < whole.size(); ++i) {
    std::string flipped = whole;
    flipped[i] ^= static_cast<char>(1 << i % 8);
    expect_mended(flipped, "bit at " + std::to_string(i));
    expect_mended(whole.substr(0, i), "cut at " + std::to_string(i));
  }
  expect_mended(whole + "x", "more");
}

TEST_F(FileFactsTest, RecordsThatReachBeyondTheFileAreDamage) {
  FileFacts facts(kept_, true);
  facts.Add(FileFacts::KeyOf("a"), "1");
  facts.Save();
  // By one who knows how the checksum is made.
  constexpr size_t kBegin = 24 + 8, kSize = kBegin + 16 + 4;
  const std::string whole = Read(kept_);
  for (const uint32_t size : {uint32_t{0}, uint32_t{2}, uint32_t{1 << 17}, UINT32_MAX}) {
    std::string forged = whole;
    std::memcpy(&forged[kSize], &size, sizeof(size));
    const uint64_t checksum = XXH3_64bits(forged.data() + kBegin, forged.size() - kBegin);
    std::memcpy(&forged[kBegin - 8], &checksum, sizeof(checksum));
    Write("kept.facts", forged);
    FileFacts read(kept_, true);
    EXPECT_FALSE(read.Find(FileFacts::KeyOf("a")).has_value()) << size;
    EXPECT_EQ(read.TakeNotes().size(), 1) << size;
  }
}

TEST_F(FileFactsTest, ALargeFactIsNotKept) {
  FileFacts facts(kept_, true);
  facts.Add(FileFacts::KeyOf("most"), std::string(FileFacts::kMaxFact, 'x'));
  facts.Add(FileFacts::KeyOf("more"), std::string(FileFacts::kMaxFact + 1, 'x'));
  facts.Save();
  const FileFacts read(kept_, true);
  EXPECT_TRUE(read.Find(FileFacts::KeyOf("most")).has_value());
  EXPECT_FALSE(read.Find(FileFacts::KeyOf("more")).has_value());
}

TEST_F(FileFactsTest, TakesOverWhatAnotherProcessAddedMeanwhile) {
  const std::string a = Write("a", "one"), b = Write("b", "three"), c = Write("c", "seventh");
  Settle();
  Keep(c, "7");
  FileFacts first(kept_, true), second(kept_, true);
  Learn(&first, a, "3");
  Learn(&second, b, "5");
  first.Save();
  second.Save();
  Learn(&first, a, "3");
  first.Save();
  EXPECT_EQ(Kept(a) + Kept(b) + Kept(c), "357");
}

TEST_F(FileFactsTest, ManyProcessesWriteAndReadAtOnce) {
  constexpr int kProcesses = 4, kRounds = 60;
  std::vector<pid_t> children;
  for (int i = 0; i < kProcesses; ++i) {
    const pid_t child = fork();
    if (child != 0) {
      children.push_back(child);
      continue;
    }
    bool fine = true;
    for (int round = 0; round < kRounds; ++round) {
      FileFacts facts(kept_, true);
      const auto key = FileFacts::KeyOf(std::to_string(round));
      fine = fine && facts.Find(key).value_or("right") == "right";
      facts.Add(key, "right");
      facts.Save();
      fine = fine && facts.TakeNotes().empty();
    }
    _exit(fine ? 0 : 1);
  }
  for (const pid_t child : children) {
    int status = -1;
    ASSERT_EQ(waitpid(child, &status, 0), child);
    EXPECT_EQ(status, 0);
  }
  const FileFacts facts(kept_, true);
  EXPECT_EQ(facts.Find(FileFacts::KeyOf(std::to_string(kRounds - 1))), "right");
  for (const auto& entry : fs::directory_iterator(folder_)) {
    EXPECT_EQ(entry.path().string(), kept_) << "nothing else stays";
  }
}

TEST_F(FileFactsTest, AReaderWritesNothing) {
  FileFacts facts(kept_, /*writes=*/false);
  facts.Add(FileFacts::KeyOf("a"), "1");
  facts.Save();
  EXPECT_EQ(facts.Find(FileFacts::KeyOf("a")), "1");
  EXPECT_FALSE(fs::exists(kept_));
}

TEST_F(FileFactsTest, WithoutAPlaceFactsLastAsLongAsTheProcess) {
  FileFacts facts("", true);
  facts.Add(FileFacts::KeyOf("a"), "1");
  facts.Save();
  EXPECT_EQ(facts.Find(FileFacts::KeyOf("a")), "1");
  EXPECT_THAT(facts.TakeNotes(), IsEmpty());
}

TEST_F(FileFactsTest, AFolderThatCannotBeMadeIsANote) {
  Write("file", "");
  const std::string path = (folder_ / "file" / "below" / "kept.facts").string();
  FileFacts facts(path, true);
  facts.Add(FileFacts::KeyOf("a"), "1");
  facts.Save();
  facts.Add(FileFacts::KeyOf("b"), "1");
  facts.Save();
  const auto notes = facts.TakeNotes();
  ASSERT_EQ(notes.size(), 1);
  EXPECT_THAT(notes[0], ::testing::HasSubstr("found out again at the next start"));
  EXPECT_THAT(notes[0], ::testing::HasSubstr((folder_ / "file").string()));
}

TEST_F(FileFactsTest, FactsThatNobodyUsesMakeRoom) {
  constexpr int kFacts = 600;
  const std::string large(FileFacts::kMaxFact, 'x');
  for (int run = 0; run < 2; ++run) {
    FileFacts facts(kept_, true);
    for (int i = 0; i < kFacts / 2; ++i) {
      facts.Add(FileFacts::KeyOf(std::to_string(run * kFacts / 2 + i)), large);
    }
    facts.Save();
  }
  // Both halves: 38 MiB. Of what a run does not use 16 MiB stay.
  EXPECT_GT(fs::file_size(kept_), uint64_t{36} << 20);
  {
    FileFacts facts(kept_, true);
    EXPECT_TRUE(facts.Find(FileFacts::KeyOf("7")).has_value());
    facts.Add(FileFacts::KeyOf("new"), "1");
    facts.Save();
  }
  EXPECT_LT(fs::file_size(kept_), uint64_t{17} << 20);
  const FileFacts facts(kept_, true);
  EXPECT_TRUE(facts.Find(FileFacts::KeyOf("7")).has_value());
  EXPECT_EQ(facts.Find(FileFacts::KeyOf("new")), "1");
}

TEST_F(FileFactsTest, AFolderOfFactsHasAFileForEachRoot) {
  const std::string where = (folder_ / "cache" / "facts").string() + "/";
  for (const char* name : {"one", "two"}) {
    fs::create_directories(folder_ / name);
    const auto facts = FactsAbout((folder_ / name).string(), where, true);
    facts->Add(FileFacts::KeyOf("name"), name);
    facts->Save();
  }
  const auto of_one = FactsAbout((folder_ / "one" / ".." / "one").string(), where, true);
  EXPECT_EQ(of_one->Find(FileFacts::KeyOf("name")), "one");
  EXPECT_EQ(std::distance(fs::directory_iterator(where), fs::directory_iterator()), 2);
}

TEST_F(FileFactsTest, AFolderOfFactsIsTidied) {
  const std::string where = folder_.string() + "/";
  const std::string old = Write("0123456789abcdef.facts", "old"),
                    torn = Write("0123456789abcdef.facts.tmp42", "torn"),
                    foreign = Write("foreign", "not ours"), recent = Write("1.facts", "recent");
  const timespec long_ago[] = {{1'000'000'000, 0}, {1'000'000'000, 0}};
  for (const std::string& path : {old, torn, foreign}) {
    ASSERT_EQ(utimensat(AT_FDCWD, path.c_str(), long_ago, 0), 0);
  }
  FactsAbout(folder_.string(), where, /*writes=*/false);
  EXPECT_TRUE(fs::exists(old) && fs::exists(torn));
  FactsAbout(folder_.string(), where, /*writes=*/true);
  EXPECT_FALSE(fs::exists(old) || fs::exists(torn));
  EXPECT_TRUE(fs::exists(foreign) && fs::exists(recent));
}

}  // namespace
}  // namespace datasets
