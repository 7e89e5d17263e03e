// The loader as a stage: what a pass gives, also where files break while the program runs.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <fstream>
#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/stage.h"
#include "tests/broken_folders.h"
#include "tests/oracle.h"

namespace {

namespace fs = std::filesystem;
using pipeline::Source;
using pipeline::Step;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

// What a pass over TRAIN gave.
struct Passed {
  std::vector<std::vector<int64_t>> steps;                   // samples
  std::map<std::pair<int64_t, int64_t>, at::Tensor> images;  // by sample and repeat
  std::map<int64_t, int64_t> labels;                         // by sample
  absl::Status status;
};

class LoaderTest : public ::testing::Test {
 protected:
  // As a disk that fails: the file is as long and as old as before, but holds no image.
  static void Damage(const std::string& path) {
    const auto time = fs::last_write_time(path);
    std::ofstream(path, std::ios::binary | std::ios::in) << "damaged, damaged, damaged, damaged";
    fs::last_write_time(path, time);
  }

  static std::unique_ptr<Source> Built(const std::string& root, const std::string& options = "",
                                       int batch_size = 8, int64_t max_batch = INT64_MAX) {
    auto stage = pipeline::Stages::Get().Create(testing_support::PluginOf(
        "plugins/Loader",
        absl::StrCat("image_size: 16 validation_fraction: 0 batch_size: ", batch_size,
                     " dataset { [datasets/Folder] { root: '", root, "' } } ", options)));
    EXPECT_TRUE(stage.ok()) << stage.status();
    std::unique_ptr<Source> source(dynamic_cast<Source*>(stage->release()));
    pipeline::BuildContext context;
    context.max_batch = max_batch;
    const auto built = source->Build({}, &context);
    EXPECT_TRUE(built.ok()) << built.status();
    return source;
  }

  static Passed Pass(Source& source, int64_t epoch = 0) {
    Passed passed;
    Step step;
    step.epoch = epoch;
    passed.status = source.Begin(step);
    for (; passed.status.ok() && step.index < source.StepsIn(step.phase); ++step.index) {
      step.samples = source.Samples(step.index);
      step.repeats = source.Repeats(step.index);
      passed.steps.push_back(step.samples);
      if (step.samples.empty()) continue;
      pipeline::Tensors out;
      passed.status = source.Run(step, {}, &out);
      if (!passed.status.ok()) break;
      EXPECT_EQ(out["images"].size(0), step.samples.size());
      EXPECT_EQ(out["labels"].size(0), step.samples.size());
      for (size_t i = 0; i < step.samples.size(); ++i) {
        const int64_t repeat = step.repeats.empty() ? 0 : step.repeats[i];
        const auto [at, fresh] = passed.images.emplace(std::make_pair(step.samples[i], repeat),
                                                       out["images"][static_cast<int64_t>(i)]);
        EXPECT_TRUE(fresh) << "twice: " << step.samples[i];
        passed.labels[step.samples[i]] = out["labels"][static_cast<int64_t>(i)].item<int64_t>();
      }
    }
    return passed;
  }

  // That `some` are rows of `all`: those of every sample but `without`.
  static void ExpectRowsOf(const Passed& all, const Passed& some, int64_t without) {
    for (const auto& [key, image] : all.images) {
      const auto found = some.images.find(key);
      ASSERT_EQ(found != some.images.end(), key.first != without) << key.first;
      if (found == some.images.end()) continue;
      EXPECT_TRUE(found->second.equal(image)) << key.first;
      EXPECT_EQ(some.labels.at(key.first), all.labels.at(key.first));
    }
    EXPECT_EQ(some.images.size() < all.images.size(), without >= 0);
  }

  static int64_t SampleOf(const Source& source, const std::string& name) {
    for (int64_t i = 0; i < source.data().images[0]; ++i) {
      if (absl::EndsWith(source.SampleName(pipeline::TRAIN, i), name)) return i;
    }
    ADD_FAILURE() << name;
    return -1;
  }

  testing_support::BrokenFolders folders_;
};

TEST_F(LoaderTest, LeavesBrokenImagesOut) {
  const auto whole = Built("whole"), broken = Built("broken");
  const pipeline::DataInfo& data = broken->data();
  EXPECT_THAT(data.images, ElementsAre(18, 0, 12));
  EXPECT_THAT(data.class_counts[0], ElementsAre(6, 12));
  EXPECT_THAT(data.train_labels, SizeIs(18));
  ASSERT_THAT(data.skipped, ElementsAre(SizeIs(2), IsEmpty(), SizeIs(1)));
  EXPECT_EQ(data.skipped[0][0],
            "broken/train/a/2x.png: damaged: the checksum of a chunk IDAT is "
            "wrong");
  const Passed all = Pass(*whole), good = Pass(*broken);
  EXPECT_EQ(good.steps, all.steps);
  EXPECT_THAT(good.images, SizeIs(18));
  ExpectRowsOf(all, good, -1);
}

// Files that break while the program runs.
TEST_F(LoaderTest, LeavesABatchSmallerWhereAFileBreaks) {
  const auto whole = Built("whole");
  const Passed all = Pass(*whole);
  std::vector<std::vector<std::vector<int64_t>>> steps;
  for (const char* workers : {"workers: 1", "workers: 5"}) {
    const auto loader = Built("broken", workers);
    Source& source = *loader;
    const int64_t gone = SampleOf(source, "train/b/9.png");
    Damage("broken/train/b/9.png");
    Passed passed = Pass(source);
    EXPECT_TRUE(passed.status.ok()) << passed.status;
    ExpectRowsOf(all, passed, gone);
    EXPECT_THAT(source.data().images, ElementsAre(17, 0, 12));
    ASSERT_THAT(source.data().skipped[0], SizeIs(3));
    EXPECT_THAT(source.data().skipped[0][2], HasSubstr("train/b/9.png: "));
    EXPECT_THAT(source.Notes(), ElementsAre("4 files cannot be read and are left out"));
    // The others of its batch do not move to other batches.
    std::vector<std::vector<int64_t>> expected = all.steps;
    for (auto& samples : expected) {
      samples.erase(std::remove(samples.begin(), samples.end(), gone), samples.end());
    }
    EXPECT_EQ(passed.steps, expected);
    // It is left out of later epochs, and counted once.
    EXPECT_THAT(Pass(source, 1).images, SizeIs(17));
    EXPECT_THAT(source.data().images, ElementsAre(17, 0, 12));
    steps.push_back(passed.steps);
    fs::copy("whole/train/b/9.png", "broken/train/b/9.png", fs::copy_options::overwrite_existing);
  }
  EXPECT_EQ(steps[0], steps[1]);
}

TEST_F(LoaderTest, NamesBrokenFilesInUtf8) {
  folders_.Write("whole/train/a/caf\xE9.png", testing_support::Picture(100));
  const auto loader = Built("whole");
  Damage("whole/train/a/caf\xE9.png");
  Pass(*loader);
  EXPECT_THAT(loader->data().skipped[0], ElementsAre(HasSubstr(R"(/caf\xE9.png: )")));
}

TEST_F(LoaderTest, KeepsTheRepeatsOfOthers) {
  const std::string sets = "sampling: BALANCED cache_mb: 0";
  const Passed all = Pass(*Built("whole", sets));
  const auto loader = Built("whole", sets);
  const int64_t gone = SampleOf(*loader, "train/a/1.png");
  Damage("whole/train/a/1.png");
  ExpectRowsOf(all, Pass(*loader), gone);
}

TEST_F(LoaderTest, MayHaveNothingOfABatch) {
  const auto loader = Built("whole", "", /*batch_size=*/1);
  Source& source = *loader;
  const int64_t gone = SampleOf(source, "train/b/13.png");
  Damage("whole/train/b/13.png");
  const Passed passed = Pass(source);
  EXPECT_TRUE(passed.status.ok()) << passed.status;
  EXPECT_THAT(passed.steps, SizeIs(18));
  EXPECT_EQ(std::count(passed.steps.begin(), passed.steps.end(), std::vector<int64_t>()), 1);
  EXPECT_EQ(passed.images.count({gone, 0}), 0);
}

TEST_F(LoaderTest, FailsWhereAFileIsGone) {
  const auto loader = Built("whole");
  fs::remove("whole/train/b/13.png");
  EXPECT_THAT(std::string(Pass(*loader).status.message()),
              testing::EndsWith("whole/train/b/13.png: gone or changed since the run began"));
}

// No batch is left, and that must not look like a short epoch.
TEST_F(LoaderTest, FailsWhereTooManyBreak) {
  const auto loader = Built("whole", "max_broken: 5");
  for (const auto& entry : fs::recursive_directory_iterator("whole/train")) {
    if (entry.is_regular_file()) Damage(entry.path().string());
  }
  const Passed passed = Pass(*loader);
  EXPECT_THAT(std::string(passed.status.message()),
              HasSubstr("8 files cannot be read, more than max_broken (5):\n  "));
  EXPECT_THAT(passed.steps, ElementsAre(SizeIs(8)));
}

TEST(DataInfo, NamesAFileOfSeveralTilesOnce) {
  pipeline::DataInfo info;
  info.AddSkipped(pipeline::TRAIN, "a.png: damaged");
  info.AddSkipped(pipeline::TRAIN, "a.png: damaged");
  info.AddSkipped(pipeline::TEST, "a.png: damaged");
  EXPECT_THAT(info.skipped, ElementsAre(SizeIs(1), IsEmpty(), SizeIs(1)));
}

// What `check` runs: a batch of each size, no larger than asked.
TEST_F(LoaderTest, TriesTheSizeOfTheLastBatchToo) {
  const auto sizes = [](int batch_size) {
    const auto source = Built("whole", "", batch_size, /*max_batch=*/2);
    std::vector<size_t> sizes;
    for (const auto& samples : Pass(*source).steps) sizes.push_back(samples.size());
    return sizes;
  };
  EXPECT_THAT(sizes(8), ElementsAre(2));
  EXPECT_THAT(sizes(9), ElementsAre(2));
  EXPECT_THAT(sizes(17), ElementsAre(2, 1));
  EXPECT_THAT(sizes(1), ElementsAre(1));
  EXPECT_THAT(sizes(32), ElementsAre(2));
}

}  // namespace
