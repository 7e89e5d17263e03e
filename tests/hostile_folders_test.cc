// Folders as the world has them, through the program: every tree and file of the shared corrupt
// data.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/resource.h>

#include <algorithm>
#include <filesystem>
#include <nlohmann/json.hpp>
#include <set>
#include <tuple>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "tests/limits.h"
#include "tests/nifti_file.h"
#include "tests/testing.h"

namespace {

namespace fs = std::filesystem;
using nlohmann::json;
using ::testing::HasSubstr;
using ::testing::UnorderedElementsAreArray;
using testing_support::NiftiFile;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SharedData;
using testing_support::SmallConfig;
using testing_support::Workspace;

class HostileFolders : public ::testing::Test {
 protected:
  void SetUp() override {
    if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
    workspace_.Write("configs/small.pbtxt", SmallConfig());
  }

  // A narrow model on `root` (a folder of the workspace, or absolute).
  Ran RunOn(const std::string& verb, const std::string& root,
            const std::vector<std::string>& more = {}) const {
    std::vector<std::string> arguments = {verb, "--config=small", "--set",
                                          Dataset("BrainTumor", root)};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return RunPipeline(arguments);
  }

  static std::string Dataset(const std::string& name, const std::string& root,
                             const std::string& options = "") {
    return absl::StrCat("load.dataset=[datasets/", name, "] { root: \"", root, "\" ", options,
                        " }");
  }

  // Decodes all of a dataset (from Dataset). Every line on stderr must name a file below `root` and
  // say more of it.
  static Ran Decode(const std::string& dataset, const std::string& root) {
    Ran ran = RunPipeline({"check", "--decode", "--config=small", "--set", dataset});
    const std::vector<std::string> lines = absl::StrSplit(ran.err, '\n', absl::SkipEmpty());
    for (const std::string& line : lines) {
      const size_t name = std::min(line.find(root + "/"), line.size());
      const size_t end = std::min(line.find(": ", name), line.size());
      EXPECT_TRUE(fs::is_regular_file(line.substr(name, end - name))) << line;
      EXPECT_GT(line.size(), end + 2) << line;
    }
    return ran;
  }

  static std::string Tree(const std::string& name) {
    return absl::StrCat(SharedData(), "/corrupt/", name);
  }

  // A part of brain_tumor: `count` images of each class, in data/.
  void CopyBrainTumor(int count) const {
    for (const char* split : {"Training", "Testing"}) {
      for (const auto& folder :
           fs::directory_iterator(absl::StrCat(SharedData(), "/brain_tumor/", split))) {
        const fs::path to = fs::path("data") / split / folder.path().filename();
        fs::create_directories(to);
        std::set<fs::path> images;
        for (const auto& image : fs::directory_iterator(folder)) images.insert(image.path());
        int copied = 0;
        for (const fs::path& image : images) {
          if (copied++ < count) fs::copy(image, to);
        }
      }
    }
  }

  // The file names in lines "<kind>: /folder/name: why".
  static std::vector<std::string> Named(const std::string& text, const std::string& kind) {
    std::vector<std::string> names;
    for (const absl::string_view line : absl::StrSplit(text, '\n')) {
      if (!absl::StartsWith(line, kind)) continue;
      const std::vector<std::string> parts = absl::StrSplit(line, ": ");
      names.push_back(fs::path(parts.at(1)).filename().string());
    }
    return names;
  }

  Workspace workspace_;
};

// Those of corrupt/single that Pillow refuses as well (with the same limit of pixels), and the GIF.
const std::vector<std::string>& Unusable() {
  static const auto* names = new std::vector<std::string>{"gif_image.gif",
                                                          "git_lfs_pointer.jpg",
                                                          "html_renamed.jpg",
                                                          "huge_header_2147483647.png",
                                                          "huge_header_65500x65500.jpg",
                                                          "huge_header_65535x65535.png",
                                                          "png_bad_crc.png",
                                                          "png_bomb_20000x20000_gray.png",
                                                          "text_renamed.jpg",
                                                          "truncated.png",
                                                          "truncated_half.jpg",
                                                          "truncated_header_only.jpg",
                                                          "truncated_last_bytes.jpg",
                                                          "zero_byte.jpg",
                                                          "zero_byte.png",
                                                          "zero_dim.png"};
  return *names;
}

TEST_F(HostileFolders, SingleFilesAreReadOrNamed) {
  CopyBrainTumor(6);
  int files = 0;
  for (const auto& file : fs::directory_iterator(Tree("single"))) {
    fs::copy(file, "data/Training/no_tumor");
    ++files;
  }
  ASSERT_EQ(files, 41);
  const Ran check = RunOn("check", "data", {"--decode"});
  EXPECT_EQ(check.code, 1);
  EXPECT_THAT(Named(check.out, "broken: "), UnorderedElementsAreArray(Unusable()));
  EXPECT_THAT(check.err, HasSubstr("16 files cannot be read, more than max_broken (10):\n  "));

  // Within the budget training skips and names them.
  const Ran within = RunOn("train", "data", {"--out=within", "--set", "load.max_broken=16"});
  EXPECT_EQ(within.code, 0) << within.err;
  EXPECT_THAT(Named(within.err, "skipped: "), UnorderedElementsAreArray(Unusable()));
  const json summary = json::parse(workspace_.Read("within/summary.json"));
  EXPECT_EQ(summary["train_images"].get<int>() + summary["val_images"].get<int>(), 4 * 6 + 41 - 16);

  const Ran past = RunOn("train", "data", {"--out=past", "--set", "load.max_broken=3"});
  EXPECT_EQ(past.code, 1);
  EXPECT_THAT(past.err, HasSubstr("16 files cannot be read, more than max_broken (3):\n  "));

  // A 20000x20000 PNG takes 1.2 GB to decode in color; none of these runs did.
  rusage used = {};
  getrusage(RUSAGE_CHILDREN, &used);
  if (!testing_support::kSanitized) {
    EXPECT_LT(used.ru_maxrss, 800 << 10) << "KiB";
  }
}

TEST_F(HostileFolders, TreeWithBadFiles) {
  const Ran check = RunOn("check", Tree("brain_mixed_bad_files"), {"--decode"});
  EXPECT_EQ(check.code, 1);
  EXPECT_THAT(
      Named(check.out, "broken: "),
      UnorderedElementsAreArray({"truncated_half.jpg", "zero_byte.jpg", "git_lfs_pointer.jpg",
                                 "text_renamed.jpg", "huge_header_65535x65535.png"}));
  const Ran ran = RunOn("train", Tree("brain_mixed_bad_files"), {"--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
}

TEST_F(HostileFolders, EmptyClass) {
  const std::string root = Tree("brain_empty_class");
  const Ran ran = RunOn("train", root, {"--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("note     no images in " + root + "/Training/no_tumor\n"));
  EXPECT_THAT(ran.out, HasSubstr("note     no training image of no_tumor\n"));
}

TEST_F(HostileFolders, OneClassOnly) {
  const std::string root = Tree("brain_only_one_class");
  const Ran ran = RunOn("train", root, {"--out=out"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr(root + " has training images of glioma only; it takes two classes "
                                        "to learn\n"));
  EXPECT_FALSE(workspace_.Has("out"));
}

TEST_F(HostileFolders, NothingAtAll) {
  const Ran ran = RunOn("train", Tree("brain_totally_empty"), {"--out=out"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("no training images in " + Tree("brain_totally_empty") + "\n"));
}

TEST_F(HostileFolders, NoTestingSplit) {
  const Ran ran = RunOn("train", Tree("brain_no_testing_split"), {"--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("no folder Testing: the run will have no test result"));
  EXPECT_TRUE(json::parse(workspace_.Read("out/summary.json"))["test"].is_null());
}

TEST_F(HostileFolders, ClassInTestingOnly) {
  const std::string root = Tree("brain_test_has_extra_class");
  const Ran ran = RunOn("train", root, {"--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("not a class folder, left out: " + root + "/Testing/schwannoma"));
}

TEST_F(HostileFolders, LeaksAreCountedByHand) {
  // By hand: gg (1).jpg is in Training twice, with two labels, and in Testing; two test images
  // are equal.
  const std::string root = Tree("brain_leak_and_conflict");
  const Ran check = RunOn("check", root, {"--decode"});
  EXPECT_EQ(check.code, 0) << check.err;
  EXPECT_THAT(check.out, HasSubstr("training and test share 1 group of identical and 0 of "
                                   "near-identical images"));
  EXPECT_THAT(check.out, HasSubstr("1 group of copies with different labels"));
  EXPECT_EQ(Named(check.out, "identical").size(), 2);
  const Ran ran = RunOn("train", root, {"--out=out"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json copies = json::parse(workspace_.Read("out/summary.json"))["duplicates"];
  EXPECT_EQ(copies["identical_groups"], 2);
  EXPECT_EQ(copies["identical_across_train_and_test"], 1);
  EXPECT_EQ(copies["identical_with_different_labels"], 1);
  EXPECT_EQ(copies["near_groups"], 0);
}

TEST_F(HostileFolders, TreesOfImagesAndMasks) {
  // By their KEY.txt, the masks that are not as large as their images.
  const std::vector<std::string> land = {"0009_mask.png", "0115_mask.png"};
  const std::vector<std::string> cracks = {"CFD_005.png", "CFD_013.png"};
  for (const auto& [name, tree, task, unusable] :
       {std::tuple("Deepglobe", "deepglobe_bad", "SEGMENTATION", land),
        {"Deepglobe", "deepglobe_bad", "BINARY_PIXELS", land},
        {"Deepglobe", "deepglobe_bad", "MULTICLASS", land},
        {"Deepglobe", "deepglobe_bad", "BINARY", land},
        {"Crack", "crack_bad", "SEGMENTATION", cracks},
        {"Crack", "crack_bad", "BINARY", cracks},
        {"Crack", "crack_bad", "MULTICLASS", {}}}) {
    const Ran ran = Decode(Dataset(name, Tree(tree), absl::StrCat("task: ", task)), Tree(tree));
    EXPECT_EQ(ran.code, 0) << ran.err;
    EXPECT_THAT(ran.out, HasSubstr("every image decodes")) << task;
    const size_t at = ran.out.find("2 images without a usable mask, left out: ");
    EXPECT_EQ(at != std::string::npos, !unusable.empty()) << ran.out;
    const std::string note =
        at == std::string::npos ? "" : ran.out.substr(at, ran.out.find('\n', at) - at);
    for (const std::string& mask : unusable) EXPECT_THAT(note, HasSubstr(mask)) << task;
  }
}

TEST_F(HostileFolders, FilesOfVolumesInNoCase) {
  const std::string root = Tree("nifti");
  for (const char* task : {"task: BINARY", "task: SEGMENTATION"}) {
    const std::string dataset = Dataset("Nifti", root, task);
    const Ran ran = RunPipeline({"check", "--decode", "--config=small", "--set", dataset});
    EXPECT_EQ(ran.code, 2);
    EXPECT_THAT(ran.err, HasSubstr(absl::StrCat("root: no case in ", root, " can be used; ")));
    EXPECT_THAT(ran.err, HasSubstr(".: no segmentation\n"));
  }
}

// A file of six slices of 8x8 voxels from 1 to `levels`; those before `slice` and a margin are 0.
std::string SmallVolume(int slice, int levels) {
  NiftiFile file;
  file.extents = {8, 8, 6};
  for (int i = 0; i < 8 * 8 * 6; ++i) {
    file.voxels.push_back(i >= 8 * 8 * slice && i % 8 > 1 ? 1 + i % levels : 0);
  }
  return file.Bytes();
}

// Each file in the place of a case's image or segmentation, beside two good cases.
TEST_F(HostileFolders, FilesOfVolumesInCases) {
  for (const std::string place : {"t1", "seg"}) {
    const auto write_case = [&](const std::string& name, int levels) {
      const std::string stem = absl::StrCat("in_", place, "/", name, "/");
      for (const char* image : {"flair", "t1", "t2"}) {  // a model's three channels
        workspace_.Write(absl::StrCat(stem, image, ".nii"), SmallVolume(1, levels++));
      }
      workspace_.Write(stem + "seg.nii", SmallVolume(4, 1));
    };
    write_case("good", 100);
    write_case("good_too", 200);
    std::vector<std::string> cases;
    for (const auto& file : fs::directory_iterator(Tree("nifti"))) {
      const std::string name = file.path().filename().string();
      cases.push_back("of_" + name);
      write_case(cases.back(), 300);
      const fs::path folder = fs::path("in_" + place) / cases.back();
      fs::remove(folder / (place + ".nii"));
      fs::copy(file, folder / (place + name.substr(name.find('.'))));
    }
    ASSERT_EQ(cases.size(), 7);
    const std::string root = absl::StrCat(workspace_.path(), "/in_", place);
    for (const char* task : {"task: BINARY", "task: SEGMENTATION"}) {
      const Ran ran = Decode(Dataset("Nifti", root, task), root);
      EXPECT_EQ(ran.code, 0) << ran.err;
      EXPECT_THAT(ran.out, HasSubstr("cases: 2, patients: 2"));
      for (const std::string& name : cases) {
        EXPECT_THAT(ran.out, HasSubstr(absl::StrCat("left out: ", root, "/", name, "/")));
      }
    }
  }
}

TEST_F(HostileFolders, NamesOfEveryScript) {
  // nonascii_names holds class folders of leaves; here they stand for tumors.
  fs::create_directories("データ/Training");
  int files = 0;
  for (const auto& [from, to] :
       {std::pair("Tomato___healthy", "no_tumor"), std::pair("Tomato___Späte_Fäule", "glioma")}) {
    fs::copy(Tree(absl::StrCat("nonascii_names/", from)), fs::path("データ/Training") / to);
    for (const auto& file : fs::directory_iterator(fs::path("データ/Training") / to)) {
      files += file.is_regular_file();
    }
  }
  const Ran ran = RunOn("train", "データ", {"--out=出力"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  const json summary = json::parse(workspace_.Read("出力/summary.json"));
  EXPECT_EQ(summary["train_images"].get<int>() + summary["val_images"].get<int>(), files);
}

}  // namespace
