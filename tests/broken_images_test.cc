// Broken images: in no batch, count, class weight or result, and named.
#include <ATen/ATen.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "pipeline/stage.h"
#include "tests/image_folders.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using pipeline::Step;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;
using ::testing::SizeIs;
using testing_support::Ran;

// A picture whose pixels are damaged, which only decoding tells.
std::string Damaged(int seed) {
  std::string bytes = testing_support::Picture(seed);
  bytes[bytes.find("IDAT") + 10] ^= 1;
  return bytes;
}

// What a pass over a phase gave.
struct Passed {
  std::vector<std::vector<int64_t>> steps;                   // samples
  std::map<std::pair<int64_t, int64_t>, at::Tensor> images;  // by sample and repeat
  std::map<int64_t, int64_t> labels;                         // by sample
  absl::Status status;
};

class BrokenImages : public ::testing::Test {
 protected:
  // whole/ and broken/: the same images, and in broken/ three damaged ones among them.
  BrokenImages() {
    int seed = 0;
    for (const char* folder : {"train/a", "train/b", "train/b2", "test/a", "test/b"}) {
      for (int i = 0; i < 6; ++i) {
        const std::string name = absl::StrCat(folder, "/", i, ".png");
        ++seed;
        for (const char* root : {"whole/", "broken/"}) {
          workspace_.Write(root + name, testing_support::Picture(seed));
        }
      }
    }
    for (const char* name : kDamaged) workspace_.Write(name, Damaged(++seed));
    workspace_.Write("configs/folder.pbtxt",
                     absl::StrReplaceAll(
                         testing_support::SmallConfig(),
                         {{"%", ""},
                          {"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
                           "[datasets/Folder] { root: \"broken\" }"}}));
  }

  static std::vector<std::string> Sets(const std::string& root,
                                       const std::vector<std::string>& more = {}) {
    std::vector<std::string> sets = {absl::StrCat("load.dataset.root=", root),
                                     "load.validation_fraction=0"};
    sets.insert(sets.end(), more.begin(), more.end());
    return sets;
  }

  static std::unique_ptr<pipeline::Graph> Built(const std::string& root,
                                                const std::vector<std::string>& more = {}) {
    testing_support::Loaded loaded =
        testing_support::Load("configs/folder.pbtxt", Sets(root, more));
    EXPECT_EQ(loaded.errors, "");
    pipeline::BuildContext context;
    const absl::Status built = loaded.graph->Build(&context);
    EXPECT_TRUE(built.ok()) << built;
    return std::move(loaded.graph);
  }

  static Passed Pass(pipeline::Source& source, int64_t epoch = 0) {
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

  static int64_t SampleOf(const pipeline::Source& source, const std::string& name) {
    for (int64_t i = 0; i < source.data().images[0]; ++i) {
      if (absl::EndsWith(source.SampleName(pipeline::TRAIN, i), name)) return i;
    }
    ADD_FAILURE() << name;
    return -1;
  }

  static Ran RunIt(const std::string& verb, const std::string& root, const std::string& out,
                   const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {verb, "--config=folder"};
    if (!out.empty()) arguments.push_back("--out=" + out);
    for (const std::string& set : Sets(root, more)) {
      arguments.insert(arguments.end(), {"--set", set});
    }
    return testing_support::RunPipeline(arguments);
  }

  // metrics.csv without its times.
  std::vector<std::map<std::string, std::string>> Rows(const std::string& out) const {
    auto rows = testing_support::ParseCsv(workspace_.Read(out + "/metrics.csv"));
    for (auto& row : rows) {
      for (const char* time : {"images_per_second", "seconds", "data_wait"}) row.erase(time);
    }
    return rows;
  }

  static constexpr const char* kDamaged[] = {"broken/train/a/2x.png", "broken/train/b/0x.png",
                                             "broken/test/a/0x.png"};

  testing_support::Workspace workspace_;
};

TEST_F(BrokenImages, AreInNoBatchAndNoCount) {
  const auto whole = Built("whole"), broken = Built("broken");
  const pipeline::DataInfo& data = broken->source().data();
  EXPECT_THAT(data.images, ElementsAre(18, 0, 12));
  EXPECT_THAT(data.class_counts[0], ElementsAre(6, 6, 6));
  EXPECT_THAT(data.train_labels, SizeIs(18));
  ASSERT_THAT(data.skipped, ElementsAre(SizeIs(2), IsEmpty(), SizeIs(1)));
  EXPECT_EQ(data.skipped[0][0],
            "broken/train/a/2x.png: damaged: the checksum of a chunk IDAT is "
            "wrong");
  const Passed all = Pass(whole->source()), good = Pass(broken->source());
  EXPECT_EQ(good.steps, all.steps);
  EXPECT_THAT(good.images, SizeIs(18));
  ExpectRowsOf(all, good, -1);
}

TEST_F(BrokenImages, ChangeNoNumberOfARun) {
  const std::vector<std::string> weighed = {"loss.class_weights=BALANCED",
                                            "load.sampling=BALANCED"};
  for (const auto& sets : {std::vector<std::string>(), weighed}) {
    ASSERT_EQ(RunIt("train", "whole", "without", sets).code, 0);
    const Ran ran = RunIt("train", "broken", "with", sets);
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(Rows("with"), Rows("without"));
    EXPECT_EQ(workspace_.Read("with/weights.safetensors"),
              workspace_.Read("without/weights.safetensors"));
    fs::remove_all("with");
    fs::remove_all("without");
  }
}

TEST_F(BrokenImages, AreNamedInTheRunAndItsSummary) {
  const Ran ran = RunIt("train", "broken", "out");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("note     3 files cannot be read and are left out\n"));
  EXPECT_THAT(ran.out, HasSubstr("test result on 12 images"));
  const json summary = json::parse(workspace_.Read("out/summary.json"));
  EXPECT_EQ(summary["train_images"], 18);
  EXPECT_EQ(summary["test_images"], 12);
  std::vector<std::string> lines;
  for (const char* name : kDamaged) {
    lines.push_back(absl::StrCat(workspace_.path(), "/", name,
                                 ": damaged: the checksum of a chunk IDAT is wrong"));
  }
  EXPECT_EQ(summary["skipped"], lines);
  for (std::string& line : lines) line = "skipped: " + line + "\n";
  EXPECT_EQ(ran.err, absl::StrCat(lines[0], lines[1], lines[2]));
}

TEST_F(BrokenImages, AreNamedByCheckWithoutDecoding) {
  const Ran ran = RunIt("check", "broken", "");
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.out, HasSubstr("3 files cannot be used"));
  for (const char* name : kDamaged) {
    EXPECT_THAT(ran.out, HasSubstr(absl::StrCat("broken: ", workspace_.path(), "/", name, ": ")));
  }
  EXPECT_EQ(ran.err, "");
}

TEST_F(BrokenImages, EndTheRunBeforeItTrainsWhereThereAreTooMany) {
  const Ran ran = RunIt("train", "broken", "out", {"load.max_broken=2"});
  EXPECT_NE(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("3 files cannot be read, more than max_broken (2):\n  "));
  for (const char* name : kDamaged) EXPECT_THAT(ran.err, HasSubstr(name));
  EXPECT_FALSE(workspace_.Has("out/metrics.csv"));
}

TEST_F(BrokenImages, LeaveNothingToLearnFrom) {
  for (const char* name : {"a", "b"}) {
    workspace_.Write(absl::StrCat("none/", name, "/1.png"), "no image");
  }
  const Ran ran = RunIt("train", "none", "out", {"load.test_fraction=0"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no training images in " + workspace_.path() +
                                 "/none that can be read:\n  " + workspace_.path() +
                                 "/none/a/1.png: text, not an image\n  "));
  EXPECT_FALSE(workspace_.Has("out"));
}

// Files that break while the program runs.
TEST_F(BrokenImages, LeaveTheirBatchSmaller) {
  const auto whole = Built("whole");
  const Passed all = Pass(whole->source());
  std::vector<std::vector<std::vector<int64_t>>> steps;
  for (const char* workers : {"load.workers=1", "load.workers=5"}) {
    const auto graph = Built("broken", {workers});
    pipeline::Source& source = graph->source();
    const int64_t gone = SampleOf(source, "train/b/3.png");
    fs::remove("broken/train/b/3.png");
    Passed passed = Pass(source);
    EXPECT_TRUE(passed.status.ok()) << passed.status;
    ExpectRowsOf(all, passed, gone);
    EXPECT_THAT(source.data().images, ElementsAre(17, 0, 12));
    ASSERT_THAT(source.data().skipped[0], SizeIs(3));
    EXPECT_THAT(source.data().skipped[0][2], HasSubstr("train/b/3.png: "));
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
    fs::copy("whole/train/b/3.png", "broken/train/b/3.png");
  }
  EXPECT_EQ(steps[0], steps[1]);
}

TEST_F(BrokenImages, KeepTheRepeatsOfOthers) {
  const std::vector<std::string> sets = {"load.sampling=BALANCED", "load.cache_mb=0"};
  const Passed all = Pass(Built("whole", sets)->source());
  const auto graph = Built("whole", sets);
  const int64_t gone = SampleOf(graph->source(), "train/a/1.png");
  fs::remove("whole/train/a/1.png");
  ExpectRowsOf(all, Pass(graph->source()), gone);
}

TEST_F(BrokenImages, MayLeaveNothingOfABatch) {
  const auto graph = Built("whole", {"load.batch_size=1"});
  pipeline::Source& source = graph->source();
  const int64_t gone = SampleOf(source, "train/b2/0.png");
  fs::remove("whole/train/b2/0.png");
  const Passed passed = Pass(source);
  EXPECT_TRUE(passed.status.ok()) << passed.status;
  EXPECT_THAT(passed.steps, SizeIs(18));
  EXPECT_EQ(std::count(passed.steps.begin(), passed.steps.end(), std::vector<int64_t>()), 1);
  EXPECT_EQ(passed.images.count({gone, 0}), 0);
}

// As when a disk is pulled out: no batch is left, and that must not look like a short epoch.
TEST_F(BrokenImages, EndTheRunWhereTooManyBreak) {
  const auto graph = Built("whole", {"load.max_broken=5"});
  fs::remove_all("whole/train");
  const Passed passed = Pass(graph->source());
  EXPECT_THAT(std::string(passed.status.message()),
              HasSubstr("8 files cannot be read, more than max_broken (5):\n  "));
  EXPECT_THAT(passed.steps, ElementsAre(SizeIs(8)));
}

TEST_F(BrokenImages, AreNotCountedTwiceByTheirTiles) {
  pipeline::DataInfo info;
  info.AddSkipped(0, "a.png: damaged");
  info.AddSkipped(0, "a.png: damaged");
  info.AddSkipped(2, "a.png: damaged");
  EXPECT_THAT(info.skipped, ElementsAre(SizeIs(1), IsEmpty(), SizeIs(1)));
}

TEST_F(BrokenImages, LastBatchOfOneIsTriedByCheck) {
  const std::vector<std::string> unet = {
      "classify.model=[models/Unet] { width: 2 depth: 4 batch_norm: true }", "load.image_size=16"};
  auto sets = unet;
  sets.push_back("load.batch_size=17");
  const Ran ran = RunIt("check", "whole", "", sets);
  EXPECT_EQ(ran.code, 1);
  EXPECT_THAT(ran.err,
              HasSubstr("batch norm cannot learn from a batch of one image here; choose a "
                        "batch_size of the loader that leaves more than one of the training "
                        "images (18) for the last batch"));
  sets.back() = "load.batch_size=16";
  const Ran better = RunIt("check", "whole", "", sets);
  EXPECT_EQ(better.code, 0) << better.err;
}

}  // namespace
