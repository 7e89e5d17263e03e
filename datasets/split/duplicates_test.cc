// Copies of drawings, and real folders whose identical files sha256sum counted.
#include "datasets/split/duplicates.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <chrono>
#include <cstdlib>
#include <filesystem>
#include <fstream>
#include <map>
#include <opencv2/core.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>
#include <thread>

#include "datasets/split/looks.h"

#ifdef __SANITIZE_THREAD__
// libgdal, which OpenCV's decoders load, takes two locks of its own in both orders while it starts,
// on one thread.
extern "C" const char* __tsan_default_suppressions() { return "deadlock:libgdal.so"; }
#endif

namespace datasets {
namespace {

namespace fs = std::filesystem;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr int64_t kMaxPixels = 1 << 26;

cv::Mat Drawing(uint64_t seed, cv::Size size = {320, 240}) {
  cv::RNG rng(seed * 7919 + 1);
  cv::Mat image(size, CV_8UC3, cv::Scalar(30, 40, 35));
  for (int i = 0; i < 12; ++i) {
    const cv::Point center(rng.uniform(0, size.width), rng.uniform(0, size.height));
    const cv::Scalar color(rng.uniform(0, 256), rng.uniform(0, 256), rng.uniform(0, 256));
    cv::ellipse(image, center, {rng.uniform(10, 80), rng.uniform(10, 80)}, rng.uniform(0, 180), 0,
                360, color, cv::FILLED);
  }
  return image;
}

std::vector<std::string> Paths(const std::vector<FileRef>& files) {
  std::vector<std::string> paths;
  for (const FileRef& file : files) paths.push_back(file.path);
  return paths;
}

class DuplicatesTest : public ::testing::Test {
 protected:
  DuplicatesTest()
      : folder_(fs::path(::testing::TempDir()) /
                ::testing::UnitTest::GetInstance()->current_test_info()->name()) {
    fs::remove_all(folder_);
    fs::create_directories(folder_);
  }
  ~DuplicatesTest() override { fs::remove_all(folder_); }

  void Add(const std::string& name, const std::string& content, pipeline::Phase phase,
           int64_t label = 0) {
    const std::string path = (folder_ / name).string();
    std::ofstream(path, std::ios::binary) << content;
    files_.push_back({path, label, phase});
  }
  void Add(const std::string& name, const cv::Mat& image, pipeline::Phase phase, int64_t label = 0,
           int quality = 95) {
    std::vector<uint8_t> bytes;
    const std::vector<int> jpeg = {cv::IMWRITE_JPEG_QUALITY, quality};
    cv::imencode(fs::path(name).extension().string(), image, bytes,
                 fs::path(name).extension() == ".jpg" ? jpeg : std::vector<int>());
    Add(name, std::string(bytes.begin(), bytes.end()), phase, label);
  }
  Copies Find(int64_t max_pixels = kMaxPixels) const {
    return FindCopies(Paths(files_), max_pixels);
  }
  DuplicateReport Count() const { return CountCopies(GroupsOf(Find(), files_)); }

  const fs::path folder_;
  std::vector<FileRef> files_;
};

std::vector<std::string> Texts(const std::vector<pipeline::CopyGroup>& groups) {
  std::vector<std::string> texts;
  for (const pipeline::CopyGroup& group : groups) texts.push_back(group.Text());
  return texts;
}

TEST_F(DuplicatesTest, NothingInNothing) {
  const Copies copies = Find();
  EXPECT_THAT(copies.identical, IsEmpty());
  EXPECT_THAT(copies.near, IsEmpty());
  EXPECT_THAT(GroupsOf(copies, files_), IsEmpty());
}

TEST_F(DuplicatesTest, ExactCopies) {
  Add("a.png", Drawing(1), TRAIN);
  Add("b.png", Drawing(2), TRAIN);
  Add("c.png", Drawing(1), TEST);
  Add("d.png", Drawing(2), VAL);
  Add("e.png", Drawing(1), VAL);
  const Copies copies = Find();
  EXPECT_THAT(copies.identical, ElementsAre(ElementsAre(0, 2, 4), ElementsAre(1, 3)));
  EXPECT_THAT(copies.near, IsEmpty());
  EXPECT_EQ(Count().identical_across_splits, 1);  // TRAIN and VAL are one side
  EXPECT_EQ(Count().conflicting_labels, 0);
}

TEST_F(DuplicatesTest, ReencodedAndResizedCopiesAreNear) {
  cv::Mat smaller;
  cv::resize(Drawing(1), smaller, {}, 0.9, 0.9, cv::INTER_LINEAR);
  Add("a.jpg", Drawing(1), TRAIN);
  Add("other.jpg", Drawing(2), TEST);
  Add("b.jpg", Drawing(1), TRAIN, 0, 60);
  Add("c.png", smaller, TEST);
  const Copies copies = Find();
  EXPECT_THAT(copies.identical, IsEmpty());
  EXPECT_THAT(copies.near, ElementsAre(ElementsAre(0, 2, 3)));
  EXPECT_EQ(Count().near_across_splits, 1);
  EXPECT_EQ(Count().near_conflicting_labels, 0);
}

TEST_F(DuplicatesTest, EachKindOfCopyOfManyDrawings) {
  for (uint64_t seed = 0; seed < 30; ++seed) {
    cv::Mat resized, square;
    cv::resize(Drawing(seed), resized, {}, seed % 2 ? 0.5 : 1.3, seed % 2 ? 0.5 : 1.3);
    cv::resize(Drawing(seed), square, {224, 224});
    files_.clear();
    Add("a.png", Drawing(seed), TRAIN);
    Add("b.jpg", resized, TEST, 0, 80);
    Add("c.jpg", square, TEST, 0, 50);
    Add("d.jpg", Drawing(seed) * 0.8, TEST);
    EXPECT_THAT(Find().near, ElementsAre(ElementsAre(0, 1, 2, 3))) << "drawing " << seed;
  }
}

TEST_F(DuplicatesTest, DifferentDrawingsAreNotNear) {
  for (uint64_t seed = 0; seed < 100; ++seed) {
    Add(std::to_string(seed) + ".jpg", Drawing(seed), seed % 2 ? TEST : TRAIN);
  }
  EXPECT_THAT(Find().near, IsEmpty());
}

TEST_F(DuplicatesTest, IdenticalFilesJoinTheNearGroupOfOne) {
  Add("a.png", Drawing(1), TRAIN);
  Add("b.jpg", Drawing(1), TRAIN);
  Add("c.png", Drawing(1), TEST);
  const Copies copies = Find();
  EXPECT_THAT(copies.identical, ElementsAre(ElementsAre(0, 2)));
  EXPECT_THAT(copies.near, ElementsAre(ElementsAre(0, 1, 2)));
  EXPECT_EQ(Count().identical_across_splits, 1);
  EXPECT_EQ(Count().near_across_splits, 1);
}

TEST_F(DuplicatesTest, GroupsHoldAllCopiesOfAFile) {
  Add("a.png", Drawing(1), TRAIN);
  Add("b.png", Drawing(2), TRAIN);
  Add("c.jpg", Drawing(1), TRAIN);
  Add("d.png", Drawing(1), TEST);
  Add("e.png", Drawing(2), TEST);
  Add("f.png", Drawing(3), TEST);
  EXPECT_THAT(CopyGroups(Find(), files_.size()), ElementsAre(0, 1, 0, 0, 1, 5));
}

TEST_F(DuplicatesTest, LabelConflicts) {
  Add("a.png", Drawing(1), TRAIN, 0);
  Add("b.png", Drawing(1), TEST, 3);
  Add("c.png", Drawing(2), TRAIN, 1);
  Add("d.png", Drawing(2), TRAIN, 1);
  Add("e.jpg", Drawing(2), TRAIN, 2);
  const Copies copies = Find();
  EXPECT_EQ(Count().conflicting_labels, 1);
  EXPECT_EQ(Count().near_conflicting_labels, 1);
  const std::string at = folder_.string() + "/";
  EXPECT_THAT(
      Texts(GroupsOf(copies, files_)),
      ElementsAre("identical, across splits, different labels: " + at + "a.png (TRAIN, label 0), " +
                      at + "b.png (TEST, label 3)",
                  "identical: " + at + "c.png (TRAIN, label 1), " + at + "d.png (TRAIN, label 1)",
                  "near-identical, different labels: " + at + "c.png (TRAIN, label 1), " + at +
                      "d.png (TRAIN, label 1), " + at + "e.jpg (TRAIN, label 2)"));
}

TEST_F(DuplicatesTest, UnreadableFilesAreLeftOut) {
  Add("a.png", Drawing(1), TRAIN);
  std::vector<uint8_t> bytes;
  cv::imencode(".png", Drawing(1), bytes);
  std::string damaged(bytes.begin(), bytes.end());
  std::fill(damaged.begin() + 60, damaged.end() - 20, 'x');
  for (const char* name : {"x1.png", "x2.png"}) Add(name, damaged, TEST);
  for (const char* name : {"y1.jpg", "y2.jpg"}) Add(name, std::string(), TEST);
  for (const char* name : {"z1.jpg", "z2.jpg"}) Add(name, std::string("<html>"), TEST);
  Add("large.png", cv::Mat(1000, 1000, CV_8U, cv::Scalar(7)), TRAIN);
  Add("large2.png", cv::Mat(1000, 1000, CV_8U, cv::Scalar(7)), TEST);
  files_.push_back({(folder_ / "missing.jpg").string(), 0, TEST});
  files_.push_back({folder_.string(), 0, TEST});
  Add("b.png", Drawing(1), TEST);
  const Copies copies = Find(999 * 1000);
  EXPECT_THAT(copies.identical, ElementsAre(ElementsAre(0, files_.size() - 1)));
  EXPECT_THAT(copies.near, IsEmpty());
}

TEST_F(DuplicatesTest, ImagesWithoutContrastAreNotNear) {
  Add("black.png", cv::Mat(200, 200, CV_8U, cv::Scalar(0)), TRAIN);
  Add("white.png", cv::Mat(200, 200, CV_8U, cv::Scalar(255)), TRAIN);
  Add("pixel.png", cv::Mat(1, 1, CV_8U, cv::Scalar(90)), TEST);
  Add("line.png", cv::Mat(2, 3000, CV_8U, cv::Scalar(90)), TEST);
  Add("black2.png", cv::Mat(200, 200, CV_8U, cv::Scalar(0)), TEST);
  const Copies copies = Find();
  EXPECT_THAT(copies.identical, ElementsAre(ElementsAre(0, 4)));
  EXPECT_THAT(copies.near, IsEmpty());
}

// What is kept between runs.
class KnownFilesTest : public DuplicatesTest {
 protected:
  // What a run finds, with the number of files that it reads.
  struct Found {
    Copies copies;
    int64_t read = 0;
  };
  Found Run(size_t max_thumbnails = 1 << 16) const {
    Found found;
    FileFacts facts((folder_ / "kept.facts").string(), true);
    LookingOptions options{&facts, [&found](int64_t done, int64_t total) {
                             found.read = total;
                             EXPECT_LE(done, total);
                           }};
    options.max_thumbnails = max_thumbnails;
    found.copies = FindCopies(Paths(files_), kMaxPixels, options);
    EXPECT_THAT(facts.TakeNotes(), IsEmpty());
    return found;
  }
  static void Settle() { std::this_thread::sleep_for(std::chrono::milliseconds(150)); }

  static void ExpectEqual(const Copies& a, const Copies& b) {
    EXPECT_EQ(a.identical, b.identical);
    EXPECT_EQ(a.near, b.near);
    EXPECT_EQ(a.contents, b.contents);
    EXPECT_EQ(a.broken, b.broken);
    EXPECT_EQ(a.deep, b.deep);
    EXPECT_EQ(a.brightest_of_deep, b.brightest_of_deep);
  }

  // Files of every kind.
  void AddAll() {
    for (uint64_t seed = 0; seed < 5; ++seed) {
      cv::Mat smaller;
      cv::resize(Drawing(seed), smaller, {}, 0.8, 0.8, cv::INTER_LINEAR);
      const std::string name = std::to_string(seed);
      Add("a" + name + ".png", Drawing(seed), TRAIN);
      Add("b" + name + ".png", Drawing(seed), TEST);
      Add("c" + name + ".jpg", smaller, TRAIN, 0, 70);
      Add("d" + name + ".jpg", Drawing(seed + 100), TRAIN);
    }
    Add("flat.png", cv::Mat(20, 20, CV_8U, cv::Scalar(3)), TRAIN);
    Add("deep.png", cv::Mat(20, 20, CV_16U, cv::Scalar(700)), TRAIN);
    Add("text.jpg", std::string("<html>"), TRAIN);
    Add("large.png", cv::Mat(9000, 9000, CV_8U, cv::Scalar(7)), TRAIN);
    cv::Mat image = Drawing(50);
    std::vector<uint8_t> bytes;
    cv::imencode(".jpg", image, bytes);
    Add("cut.jpg", std::string(bytes.begin(), bytes.begin() + bytes.size() / 2), TRAIN);
    files_.push_back({(folder_ / "missing.jpg").string(), 0, TEST});
  }
};

TEST_F(KnownFilesTest, AreReadOnceAndGiveTheSame) {
  AddAll();
  Settle();
  const Copies alone = Find();
  EXPECT_EQ(alone.near.size(), 5);
  EXPECT_EQ(alone.deep, 1);
  const Found first = Run(), second = Run(), third = Run();
  EXPECT_EQ(first.read, static_cast<int64_t>(files_.size()));
  EXPECT_EQ(second.read, 1) << "what is missing";
  EXPECT_EQ(third.read, 1);
  for (const Found* found : {&first, &second, &third}) ExpectEqual(found->copies, alone);
}

TEST_F(KnownFilesTest, GiveTheSameWithoutThumbnailsInMemory) {
  AddAll();
  Settle();
  const Found first = Run(0), second = Run(0);
  ExpectEqual(first.copies, Find());
  ExpectEqual(second.copies, Find());
}

TEST_F(KnownFilesTest, AreReadAnewOnceTheyChanged) {
  AddAll();
  Settle();
  Run();
  Add("d0.jpg", Drawing(4), TRAIN);
  files_.pop_back();
  Add("text.jpg", Drawing(77), TRAIN);
  files_.pop_back();
  fs::remove(files_[4].path);
  Settle();
  const Copies alone = Find();
  EXPECT_THAT(alone.near, Contains(ElementsAre(3, 16, 17, 18))) << "d0.jpg is a copy now";
  EXPECT_NE(alone.broken[4], "");
  const Found changed = Run();
  EXPECT_EQ(changed.read, 4) << "two changed, one went, one was missing before";
  ExpectEqual(changed.copies, alone);
  EXPECT_EQ(Run().read, 2);
}

TEST_F(KnownFilesTest, AreKnownForTheirLimitOnly) {
  Add("large.png", Drawing(1, {1000, 1000}), TRAIN);
  Settle();
  FileFacts facts((folder_ / "kept.facts").string(), true);
  const LookingOptions options{&facts};
  EXPECT_EQ(FindCopies(Paths(files_), kMaxPixels, options).broken[0], "");
  EXPECT_THAT(FindCopies(Paths(files_), 1000, options).broken[0],
              ::testing::HasSubstr("more than max_pixels (1000)"));
}

// A fact that was forged, or is of a later version, is none.
TEST_F(KnownFilesTest, AreReadWhereTheFactIsNoSuch) {
  AddAll();
  Settle();
  {
    FileFacts facts((folder_ / "kept.facts").string(), true);
    const std::string what = LookFactName(kMaxPixels);
    size_t i = 0;
    for (const FileRef& file : files_) {
      const auto moment = facts.MomentOf(what, file.path);
      if (!moment.has_value()) continue;
      const std::string text = TextOf(See(file.path, kMaxPixels), file.path);
      if (text[0] != 'L') continue;  // a reason may be any text
      std::string forged = text.substr(0, i % text.size());
      if (i % 3 == 0) forged = std::string(text.size(), static_cast<char>(0x80 + i));
      if (i % 3 == 1) forged = text.substr(0, 41) + std::string(text.size() - 41, '\x7f');
      facts.AddOf(*moment, what, file.path, forged);
      ++i;
    }
    facts.Save();
  }
  ExpectEqual(Run().copies, Find());
}

// Training and Testing with a folder for each class, every file of them.
std::vector<FileRef> ListTree(const fs::path& folder) {
  std::map<std::string, int64_t> labels;
  std::vector<FileRef> files;
  for (const auto& entry : fs::recursive_directory_iterator(folder)) {
    if (!entry.is_regular_file()) continue;
    const fs::path within = entry.path().lexically_relative(folder);
    const std::string label = (++within.begin())->string();
    files.push_back({entry.path().string(),
                     labels.emplace(label, static_cast<int64_t>(labels.size())).first->second,
                     *within.begin() == "Testing" ? TEST : TRAIN});
  }
  return files;
}

struct Tree {
  const char* folder;
  size_t identical;
  int64_t identical_across_splits, conflicting_labels;  // by sha256sum
  size_t near;
  int64_t near_across_splits, near_conflicting_labels;  // each near group was looked at
};

class RealDuplicatesTest : public ::testing::TestWithParam<Tree> {};

TEST_P(RealDuplicatesTest, CountsAreThoseFoundByHand) {
  const char* shared = std::getenv("SHARED_DATA");
  if (shared == nullptr) GTEST_SKIP() << "SHARED_DATA is not set";
  const Tree& tree = GetParam();
  const std::vector<FileRef> files = ListTree(fs::path(shared) / tree.folder);
  const Copies copies = FindCopies(Paths(files), kMaxPixels);
  const DuplicateReport report = CountCopies(GroupsOf(copies, files));
  EXPECT_EQ(copies.identical.size(), tree.identical);
  EXPECT_EQ(report.identical_across_splits, tree.identical_across_splits);
  EXPECT_EQ(report.conflicting_labels, tree.conflicting_labels);
  EXPECT_EQ(copies.near.size(), tree.near);
  EXPECT_EQ(report.near_across_splits, tree.near_across_splits);
  EXPECT_EQ(report.near_conflicting_labels, tree.near_conflicting_labels);
  EXPECT_EQ(GroupsOf(copies, files).size(), tree.identical + tree.near);
}

INSTANTIATE_TEST_SUITE_P(Folders, RealDuplicatesTest,
                         ::testing::Values(Tree{"corrupt/brain_leak_and_conflict", 2, 1, 1, 0, 0,
                                                0},
                                           Tree{"brain_tumor", 70, 24, 0, 33, 23, 2},
                                           Tree{"brain_tumor_nickparvar224", 9, 2, 0, 13, 2, 0}));

}  // namespace
}  // namespace datasets
