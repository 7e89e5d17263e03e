// Broken images in the program: no trace in numbers, and named.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "tests/broken_folders.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using testing_support::Ran;

class BrokenImages : public ::testing::Test {
 protected:
  BrokenImages() {
    folders_.Write("configs/folder.pbtxt",
                   absl::StrReplaceAll(
                       testing_support::SmallConfig(),
                       {{"%", ""},
                        {"[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
                         "[datasets/Folder] {}"}}));
  }

  static Ran RunIt(const std::string& verb, const std::string& root, const std::string& out,
                   const std::vector<std::string>& more = {}) {
    std::vector<std::string> arguments = {verb, "--config=folder"};
    if (!out.empty()) arguments.push_back("--out=" + out);
    std::vector<std::string> sets = {absl::StrCat("load.dataset.root=", root),
                                     "load.validation_fraction=0"};
    sets.insert(sets.end(), more.begin(), more.end());
    for (const std::string& set : sets) arguments.insert(arguments.end(), {"--set", set});
    return testing_support::RunPipeline(arguments);
  }

  // metrics.csv without its times.
  std::vector<std::map<std::string, std::string>> Rows(const std::string& out) const {
    auto rows = testing_support::ParseCsv(folders_.Read(out + "/metrics.csv"));
    for (auto& row : rows) {
      for (const char* time : {"images_per_second", "seconds", "data_wait"}) row.erase(time);
    }
    return rows;
  }

  testing_support::BrokenFolders folders_;
};

TEST_F(BrokenImages, ChangeNoNumberOfARun) {
  const std::vector<std::string> weighed = {"loss.class_weights=BALANCED",
                                            "load.sampling=BALANCED"};
  for (const auto& sets : {std::vector<std::string>(), weighed}) {
    ASSERT_EQ(RunIt("train", "whole", "without", sets).code, 0);
    const Ran ran = RunIt("train", "broken", "with", sets);
    ASSERT_EQ(ran.code, 0) << ran.err;
    EXPECT_EQ(Rows("with"), Rows("without"));
    EXPECT_EQ(folders_.Read("with/weights.safetensors"),
              folders_.Read("without/weights.safetensors"));
    fs::remove_all("with");
    fs::remove_all("without");
  }
}

TEST_F(BrokenImages, AreNamedInTheRunAndItsSummary) {
  const Ran ran = RunIt("train", "broken", "out");
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("note     3 files cannot be read and are left out\n"));
  EXPECT_THAT(ran.out, HasSubstr("test result on 12 images"));
  const json summary = json::parse(folders_.Read("out/summary.json"));
  EXPECT_EQ(summary["train_images"], 18);
  EXPECT_EQ(summary["test_images"], 12);
  std::vector<std::string> lines;
  for (const char* name : testing_support::kDamaged) {
    lines.push_back(absl::StrCat(folders_.path(), "/", name,
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
  for (const char* name : testing_support::kDamaged) {
    EXPECT_THAT(ran.out, HasSubstr(absl::StrCat("broken: ", folders_.path(), "/", name, ": ")));
  }
  EXPECT_EQ(ran.err, "");
}

TEST_F(BrokenImages, EndTheRunBeforeItTrainsWhereThereAreTooMany) {
  const Ran ran = RunIt("train", "broken", "out", {"load.max_broken=2"});
  EXPECT_NE(ran.code, 0);
  EXPECT_THAT(ran.err, HasSubstr("3 files cannot be read, more than max_broken (2):\n  "));
  for (const char* name : testing_support::kDamaged) EXPECT_THAT(ran.err, HasSubstr(name));
  EXPECT_FALSE(folders_.Has("out/metrics.csv"));
}

TEST_F(BrokenImages, LeaveNothingToLearnFrom) {
  for (const char* name : {"a", "b"}) {
    folders_.Write(absl::StrCat("none/", name, "/1.png"), "no image");
  }
  const Ran ran = RunIt("train", "none", "out", {"load.test_fraction=0"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err,
              HasSubstr("no training images in " + folders_.path() + "/none that can be read:\n  " +
                        folders_.path() + "/none/a/1.png: text, not an image\n  "));
  EXPECT_FALSE(folders_.Has("out"));
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
