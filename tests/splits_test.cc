// Splits: by seed, kept in files; what belongs together stays together.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <cstdlib>
#include <map>
#include <random>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "datasets/split/split.h"
#include "datasets/split/split_file.h"
#include "pipeline/content_hash.h"
#include "pipeline/files.h"
#include "pipeline/registry.h"
#include "tests/image_folders.h"

namespace {

using datasets::ChooseStratified;
using datasets::DatasetContext;
using datasets::kUnsplit;
using datasets::Phases;
using datasets::SplitItems;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using testing_support::NamesIn;
using testing_support::Open;
using testing_support::Opened;
using testing_support::Picture;
using testing_support::Workspace;

std::vector<size_t> EachAlone(size_t count) {
  std::vector<size_t> groups(count);
  for (size_t i = 0; i < count; ++i) groups[i] = i;
  return groups;
}

std::map<int64_t, int64_t> CountChosen(const std::vector<int64_t>& labels,
                                       const std::vector<bool>& chosen) {
  std::map<int64_t, int64_t> counts;
  for (size_t i = 0; i < labels.size(); ++i) counts[labels[i]] += chosen[i];
  return counts;
}

TEST(ChooseStratified, TakesTheFractionOfEachLabel) {
  std::vector<int64_t> labels(100, 0);
  labels.resize(140, 1);
  labels.resize(147, 2);
  labels.resize(148, 3);
  const auto chosen = ChooseStratified(labels, EachAlone(148), 0.15, 1);
  // round(0.15 * 100, 40, 7, 1)
  EXPECT_EQ(CountChosen(labels, chosen),
            (std::map<int64_t, int64_t>{{0, 15}, {1, 6}, {2, 1}, {3, 0}}));
  EXPECT_EQ(chosen, ChooseStratified(labels, EachAlone(148), 0.15, 1));
  EXPECT_NE(chosen, ChooseStratified(labels, EachAlone(148), 0.15, 2));
  const auto none = ChooseStratified(labels, EachAlone(148), 0, 1);
  EXPECT_EQ(std::count(none.begin(), none.end(), true), 0);
  EXPECT_TRUE(ChooseStratified({}, {}, 0.5, 0).empty());
}

TEST(ChooseStratified, KeepsOneGroupOfEachLabelBack) {
  // Half of label 1 would be its only item; the groups of label 0 are halves.
  const auto chosen = ChooseStratified({0, 0, 0, 0, 1}, {0, 0, 1, 1, 2}, 0.5, 3);
  EXPECT_FALSE(chosen[4]);
  EXPECT_EQ(std::count(chosen.begin(), chosen.end(), true), 2);
  EXPECT_EQ(chosen[0], chosen[1]);
  // One group only: nothing can be held out.
  const auto one = ChooseStratified({0, 0, 0}, {5, 5, 5}, 0.9, 0);
  EXPECT_EQ(std::count(one.begin(), one.end(), true), 0);
}

TEST(ChooseStratified, TakesTheSmallestGroupRatherThanNone) {
  // Three of 30 are wanted; the groups have 8, 10 and 12.
  std::vector<size_t> groups(8, 0);
  groups.resize(18, 1);
  groups.resize(30, 2);
  for (uint64_t seed = 0; seed < 5; ++seed) {
    const auto chosen = ChooseStratified(std::vector<int64_t>(30, 0), groups, 0.1, seed);
    EXPECT_EQ(std::count(chosen.begin(), chosen.end(), true), 8);
    EXPECT_TRUE(chosen[0]);
  }
}

// A dataset of random labels and groups, part of it split by its source.
SplitItems RandomItems(std::mt19937* random, bool given) {
  const auto below = [random](int n) { return static_cast<int>((*random)() % n); };
  SplitItems items;
  const int count = 20 + below(300), groups = 3 + below(count), labels = 1 + below(5);
  const bool pure = below(2) == 0;  // groups of one label
  for (int i = 0; i < count; ++i) {
    const int group = below(groups);
    items.groups.push_back(group);
    items.labels.push_back(pure ? group % labels : below(labels));
    // A source's split goes by groups here, so that nothing straddles from the start.
    items.phases.push_back(given ? Phases{TRAIN, VAL, TEST, kUnsplit}[group % 4] : kUnsplit);
  }
  return items;
}

TEST(SplitBySeed, NeverPartsAGroup) {
  std::mt19937 random(7);
  for (int tree = 0; tree < 300; ++tree) {
    SplitItems items = RandomItems(&random, tree % 2 == 0);
    const SplitItems before = items;
    DatasetContext context;
    context.seed = tree;
    context.validation_fraction = 0.2;
    context.test_fraction = 0.2;
    datasets::SplitBySeed(context, &items);
    std::map<size_t, std::set<pipeline::Phase>> sides;
    for (size_t i = 0; i < items.phases.size(); ++i) {
      ASSERT_NE(items.phases[i], kUnsplit);
      sides[items.groups[i]].insert(*items.phases[i]);
      if (before.phases[i] == kUnsplit) continue;
      EXPECT_EQ(items.phases[i], before.phases[i]);
    }
    for (const auto& [group, phases] : sides) EXPECT_EQ(phases.size(), 1) << "group " << group;
    SplitItems again = before;
    datasets::SplitBySeed(context, &again);
    EXPECT_EQ(again.phases, items.phases);
  }
}

TEST(SplitBySeed, IsAsLargeAsGroupsAllow) {
  std::mt19937 random(11);
  for (int tree = 0; tree < 100; ++tree) {
    SplitItems items = RandomItems(&random, false);
    DatasetContext context;
    context.seed = tree;
    context.test_fraction = 0.3;
    datasets::SplitBySeed(context, &items);
    std::map<size_t, int64_t> sizes;
    for (const size_t group : items.groups) ++sizes[group];
    int64_t largest = 0;
    for (const auto& [group, size] : sizes) largest = std::max(largest, size);
    const auto labels = std::set<int64_t>(items.labels.begin(), items.labels.end()).size();
    const auto tested = std::count(items.phases.begin(), items.phases.end(), TEST);
    // A group goes or stays as a whole, and each label may want one more or fewer.
    EXPECT_NEAR(static_cast<double>(tested), 0.3 * static_cast<double>(items.labels.size()),
                static_cast<double>(largest) * static_cast<double>(labels) + 1);
  }
}

TEST(SplitBySeed, SaysWhereTheSplitCameFrom) {
  DatasetContext context;
  context.seed = 4;
  context.validation_fraction = 0.5;
  context.test_fraction = 0.5;
  const auto origin = [&context](const Phases& phases) {
    SplitItems items = {std::vector<int64_t>(phases.size()), EachAlone(phases.size()), phases};
    return datasets::SplitBySeed(context, &items);
  };
  EXPECT_EQ(origin({kUnsplit, kUnsplit, kUnsplit}), "by seed 4");
  EXPECT_EQ(origin({TRAIN, TRAIN, TEST}), "folders, VAL by seed 4");
  EXPECT_EQ(origin({TRAIN, VAL, TEST}), "folders");
  EXPECT_EQ(origin({TRAIN, TRAIN, kUnsplit, kUnsplit}), "folders, the rest by seed 4");
  context.validation_fraction = 0;
  EXPECT_EQ(origin({TRAIN, TRAIN, TEST}), "folders");
}

// Ten images each of two classes, with names that CSV has to quote.
class SplitFile : public testing::Test {
 protected:
  void SetUp() override {
    for (int i = 0; i < 20; ++i) {
      workspace_.Write(absl::StrCat(i < 10 ? "data/cats/" : "data/dogs, \"big\"/", i, ".png"),
                       Picture(i));
    }
    context_.test_fraction = 0.2;
    context_.validation_fraction = 0.25;
    context_.split_file = workspace_.path() + "/split.csv";
  }

  std::string root() const { return "root: \"" + workspace_.path() + "/data\""; }
  std::string Why() const {
    const absl::Status status = Open("datasets/Folder", root(), context_).status();
    EXPECT_EQ(pipeline::OptionOf(status), "split_file");
    return std::string(status.message());
  }
  std::vector<std::string> Lines() const {
    return absl::StrSplit(workspace_.Read("split.csv"), '\n', absl::SkipEmpty());
  }
  void WriteLines(const std::vector<std::string>& lines) const {
    workspace_.Write("split.csv", absl::StrJoin(lines, "\n") + "\n");
  }

  Workspace workspace_;
  DatasetContext context_;
};

TEST_F(SplitFile, IsWrittenOnceAndObeyedAfterwards) {
  const auto first = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(first->info().images, (std::array<int64_t, 3>{12, 4, 4}));
  EXPECT_EQ(first->info().split, "by seed 0, written to " + context_.split_file);
  EXPECT_EQ(Lines().size(), 22);
  EXPECT_TRUE(absl::StartsWith(Lines()[0], "# lossfusion split 1: "));
  EXPECT_EQ(Lines()[1], "split,path,xxh3_128");
  context_.seed = 99;
  context_.test_fraction = 0.5;
  const auto second = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(second->info().split, "split file " + context_.split_file);
  for (const auto phase : {TRAIN, VAL, TEST}) {
    EXPECT_EQ(NamesIn(*first, phase), NamesIn(*second, phase));
  }
  context_.split_file.clear();
  EXPECT_NE(NamesIn(*first, TEST), NamesIn(*Opened("datasets/Folder", root(), context_), TEST));
}

TEST_F(SplitFile, HoldsTheHashesThatXxh128sumPrints) {
  workspace_.Write("empty", "");
  workspace_.Write("blank", " ");
  // The published value of XXH3's 128 bits for no bytes.
  EXPECT_EQ(pipeline::ContentHash("empty"), "99aa06d3014798d86001c324468d497f");
  EXPECT_NE(pipeline::ContentHash("blank"), pipeline::ContentHash("empty"));
  EXPECT_EQ(pipeline::ContentHash("nowhere"), "unreadable");
  const std::string large(200001, 'x');  // several pieces
  workspace_.Write("large", large);
  EXPECT_EQ(pipeline::ContentHash("large"), pipeline::HashOf(large));
}

TEST_F(SplitFile, IsNotWrittenWhereNothingMayBe) {
  context_.write_split = false;
  EXPECT_EQ(Opened("datasets/Folder", root(), context_)->info().split, "by seed 0");
  EXPECT_FALSE(workspace_.Has("split.csv"));
  context_.write_split = true;
  context_.split_file = "/nowhere/split.csv";
  EXPECT_EQ(Why(), "split_file: cannot write /nowhere/split.csv: No such file or directory");
}

TEST_F(SplitFile, MayBeEditedByHand) {
  Opened("datasets/Folder", root(), context_);
  std::vector<std::string> lines = Lines();
  for (size_t i = 2; i < lines.size(); ++i) {
    lines[i] = absl::StrCat(i % 2 == 0 ? "TRAIN" : "TEST", lines[i].substr(lines[i].find(',')));
  }
  workspace_.Write("split.csv", absl::StrJoin(lines, "\r\n"));  // as spreadsheets write it
  const auto data = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{10, 0, 10}));
}

TEST_F(SplitFile, NamesImagesThatHaveChanged) {
  Opened("datasets/Folder", root(), context_);
  workspace_.Write("data/cats/3.png", Picture(1003));
  EXPECT_EQ(Why(), "split_file: the content has changed since " + context_.split_file +
                       " was written: " + workspace_.path() + "/data/cats/3.png");
}

TEST_F(SplitFile, NamesImagesThatAreMissing) {
  Opened("datasets/Folder", root(), context_);
  for (int i = 0; i < 9; ++i) {
    std::filesystem::remove(absl::StrCat("data/cats/", i, ".png"));
  }
  for (int i = 10; i < 14; ++i) {
    std::filesystem::remove(absl::StrCat("data/dogs, \"big\"/", i, ".png"));
  }
  EXPECT_EQ(Why(),
            "split_file: " + context_.split_file + " lists what is not in " + workspace_.path() +
                "/data: cats/0.png, cats/1.png, cats/2.png, cats/3.png, cats/4.png, "
                "cats/5.png, cats/6.png, cats/7.png, cats/8.png, dogs, \"big\"/10.png, and 3 more");
}

TEST_F(SplitFile, MayListWhatAnotherTaskUses) {
  workspace_.Write("data/Potato___healthy/1.png", Picture(50));
  Opened("datasets/Folder", root(), context_);
  // Potatoes are no tomatoes.
  const auto data = Opened("datasets/TomatoLeaf", root(), context_);
  EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{12, 4, 4}));
}

TEST_F(SplitFile, LeavesOutWhatItDoesNotList) {
  Opened("datasets/Folder", root(), context_);
  workspace_.Write("data/cats/new.png", Picture(77));
  const auto data = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{12, 4, 4}));
  EXPECT_EQ(data->info().notes,
            (std::vector<std::string>{"1 image not in " + context_.split_file +
                                      ", left out; the first is " + workspace_.path() +
                                      "/data/cats/new.png"}));
}

TEST_F(SplitFile, IsRefusedWithItsLineIfItIsNoSuchFile) {
  Opened("datasets/Folder", root(), context_);
  const std::vector<std::string> good = Lines();
  const auto why_with = [&](size_t line, const std::string& text) {
    std::vector<std::string> lines = good;
    lines[line] = text;
    WriteLines(lines);
    return Why();
  };
  const std::string file = "split_file: " + context_.split_file;
  EXPECT_EQ(why_with(0, "split,path"),
            file + ":1: not a split file; one begins with \"# lossfusion split 1:\"");
  EXPECT_EQ(why_with(1, "path,split"), file + ":2: the columns must be split,path,xxh3_128");
  EXPECT_EQ(why_with(4, "TRAIN,a.png"), file + ":5: not a line of three columns");
  EXPECT_EQ(why_with(4, "TRAIN,\"a.png,0"), file + ":5: not a line of three columns");
  EXPECT_EQ(why_with(4, "train,a.png,0"), file + ":5: \"train\" is not TRAIN, VAL or TEST");
  EXPECT_EQ(why_with(4, good[2]), file + ":5: lists cats/0.png again");
  workspace_.Write("split.csv", "");
  EXPECT_EQ(Why(), file + ":1: not a split file; one begins with \"# lossfusion split 1:\"");
  workspace_.Write("split.csv", "# lossfusion split 1:");
  EXPECT_EQ(Why(), file + ":2: the columns must be split,path,xxh3_128");
}

TEST_F(SplitFile, WinsOverFoldersAndKeepsDroppingCopies) {
  workspace_.Write("data/train/a/1.png", Picture(1));
  workspace_.Write("data/train/a/2.png", Picture(2));
  workspace_.Write("data/train/b/3.png", Picture(3));
  workspace_.Write("data/test/a/1.png", Picture(1));
  workspace_.Write("data/test/b/4.png", Picture(4));
  context_.validation_fraction = 0;
  const auto folders = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(folders->info().split, "folders, written to " + context_.split_file);
  EXPECT_EQ(folders->info().images, (std::array<int64_t, 3>{3, 0, 2}));
  std::string text = workspace_.Read("split.csv");
  text.replace(text.find("TEST,test/b"), 4, "TRAIN");
  workspace_.Write("split.csv", text);
  const auto edited = Opened("datasets/Folder", root(), context_);
  EXPECT_EQ(edited->info().images, (std::array<int64_t, 3>{4, 0, 1}));
  const auto dropped = Opened("datasets/Folder", root() + " duplicates: DROP_FROM_TRAIN", context_);
  EXPECT_EQ(dropped->info().images, (std::array<int64_t, 3>{3, 0, 1}));
}

}  // namespace
