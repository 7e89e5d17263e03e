// Datasets of class folders as users have them: tomato leaves, and anything else.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gmock/gmock.h>

#include <filesystem>
#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "pipeline/registry.h"
#include "tests/image_folders.h"

namespace {

namespace fs = std::filesystem;
using datasets::DatasetContext;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using ::testing::Contains;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::StartsWith;
using testing_support::NamesIn;
using testing_support::Open;
using testing_support::Opened;
using testing_support::Picture;
using testing_support::Ran;
using testing_support::RunPipeline;
using testing_support::SmallConfig;
using testing_support::Workspace;
using Images = std::array<int64_t, 3>;
using Counts = std::vector<int64_t>;

class ClassFolders : public testing::Test {
 protected:
  ClassFolders() {
    context_.validation_fraction = 0.25;
    context_.test_fraction = 0.2;
  }

  // `count` pictures, all different from those before.
  void Fill(const std::string& folder, int count) {
    for (int i = 0; i < count; ++i) Add(absl::StrCat(folder, "/", i, ".jpg"));
  }
  void Add(const std::string& name) { workspace_.Write("d/" + name, Picture(++pictures_)); }

  std::string root() const { return "root: \"" + workspace_.path() + "/d\" "; }
  std::string At(const std::string& name) const { return workspace_.path() + "/d/" + name; }
  std::unique_ptr<datasets::Dataset> Tomato(const std::string& options = "") const {
    return Opened("datasets/TomatoLeaf", root() + options, context_);
  }
  std::unique_ptr<datasets::Dataset> Folder(const std::string& options = "") const {
    return Opened("datasets/Folder", root() + options, context_);
  }
  std::string Why(const std::string& plugin) const {
    const absl::Status status = Open(plugin, root(), context_).status();
    EXPECT_EQ(pipeline::OptionOf(status), "root");
    return std::string(status.message());
  }

  Workspace workspace_;
  DatasetContext context_;
  int pictures_ = 0;
};

TEST_F(ClassFolders, TomatoNamesAreCleaned) {
  for (const char* name :
       {"Tomato___healthy", "Tomato___Tomato_mosaic_virus", "Tomato_Early_blight",
        "Tomato___Spider_mites Two-spotted_spider_mite", "Tomato__Tomato_YellowLeaf__Curl_Virus",
        "leaf-mold", "Tomato___Späte_Fäule", "Potato___healthy"}) {
    Fill(name, 2);
  }
  const auto data = Tomato();
  EXPECT_THAT(
      data->info().classes,
      ElementsAre("early_blight", "healthy", "leaf_mold", "mosaic_virus",
                  "spider_mites_two_spotted_spider_mite", "späte_fäule", "yellowleaf_curl_virus"));
  EXPECT_THAT(data->info().notes,
              ElementsAre("not a class folder, left out: " + At("Potato___healthy")));
}

TEST_F(ClassFolders, TomatoTellsHealthyFromDiseased) {
  Fill("Tomato___Late_blight", 10);
  Fill("Tomato___healthy", 20);
  Fill("Tomato___Leaf_Mold", 10);
  const auto data = Tomato("task: BINARY");
  EXPECT_THAT(data->info().classes, ElementsAre("healthy", "diseased"));
  EXPECT_EQ(data->info().task, pipeline::Task::kBinary);
  // 0.2 of each for TEST, then 0.25 of the rest for VAL.
  EXPECT_EQ(data->info().class_counts[0], (Counts{12, 12}));
  EXPECT_EQ(data->info().class_counts[1], (Counts{4, 4}));
  EXPECT_EQ(data->info().class_counts[2], (Counts{4, 4}));
  EXPECT_EQ(data->info().train_labels.size(), 24);
}

TEST_F(ClassFolders, TomatoKeepsTheViewsOfALeafTogether) {
  // Forty leaves with three views each, in every way that PlantVillage names them.
  const char* views[][3] = {{"GH_HL Leaf %", "GH_HL Leaf %.1", "GH_HL Leaf %.2"},
                            {"GHLB_PS Leaf % Day 9", "GHLB_PS leaf %.1 Day 10", "GHLB_PS Leaf %"},
                            {"RS_HL 0%", "RS_HL 0%_flipLR", "RS_HL 0%_new30degFlipLR"}};
  for (int leaf = 0; leaf < 40; ++leaf) {
    for (const char* view : views[leaf % 3]) {
      std::string name = view;
      name.replace(name.find('%'), 1, std::to_string(100 + leaf));
      Add(absl::StrCat(leaf % 2 == 0 ? "Tomato___healthy/" : "Tomato___Late_blight/", pictures_,
                       "___", name, leaf % 5 == 0 ? ".JPG" : ".jpg"));
    }
  }
  for (context_.seed = 0; context_.seed < 5; ++context_.seed) {
    const auto data = Tomato();
    EXPECT_EQ(data->info().images, (Images{72, 24, 24}));
    std::map<int, std::set<int>> sides;  // of the leaf that the picture's number tells
    for (const auto phase : {TRAIN, VAL, TEST}) {
      for (const std::string& name : NamesIn(*data, phase)) {
        sides[std::stoi(fs::path(name).filename().string()) / 3].insert(phase);
      }
    }
    EXPECT_EQ(sides.size(), 40);
    for (const auto& [leaf, phases] : sides) EXPECT_EQ(phases.size(), 1) << leaf;
  }
}

TEST_F(ClassFolders, TomatoNotesLeavesThatTheSourceParts) {
  Add("train/Tomato___healthy/a___GH_HL Leaf 259.1.JPG");
  Add("train/Tomato___Late_blight/b___RS_Late.B 1.JPG");
  Add("valid/Tomato___healthy/c___GH_HL Leaf 259.2.JPG");
  Add("TEST/Tomato___healthy/d___GH_HL Leaf 259.3.JPG");
  Add("TEST/Tomato___Late_blight/e___RS_Late.B 2.JPG");
  const auto data = Tomato();
  EXPECT_EQ(data->info().images, (Images{2, 1, 2}));
  EXPECT_EQ(data->info().split, "folders");
  EXPECT_THAT(data->info().notes, ElementsAre("training and test share 1 group of images that "
                                              "belong together, such as healthy: gh_hl leaf 259"));
}

TEST_F(ClassFolders, FoldersOfSplitsGoByManyNames) {
  for (const auto& [train, val, test] :
       {std::array{"train", "val", "test"}, std::array{"Training", "Validation", "Testing"},
        std::array{"TRAIN", "valid", "Test"}}) {
    fs::remove_all("d");
    Fill(absl::StrCat(train, "/cats"), 4);
    Fill(absl::StrCat(train, "/dogs"), 3);
    Fill(absl::StrCat(val, "/cats"), 2);
    Fill(absl::StrCat(val, "/dogs"), 2);
    Fill(absl::StrCat(test, "/dogs"), 5);
    const auto data = Folder();
    EXPECT_THAT(data->info().classes, ElementsAre("cats", "dogs"));
    EXPECT_EQ(data->info().class_counts[0], (Counts{4, 3}));
    EXPECT_EQ(data->info().class_counts[1], (Counts{2, 2}));
    EXPECT_EQ(data->info().class_counts[2], (Counts{0, 5}));
    EXPECT_THAT(data->info().notes, IsEmpty());
  }
}

TEST_F(ClassFolders, TrainAndTestAloneLeaveValidationToTheSeed) {
  Fill("Training/a", 8);
  Fill("Training/b", 8);
  Fill("Testing/a", 3);
  const auto data = Folder();
  EXPECT_EQ(data->info().images, (Images{12, 4, 3}));
  EXPECT_EQ(data->info().split, "folders, VAL by seed 0");
}

TEST_F(ClassFolders, NestedImagesAreOfTheClassAtTheTop) {
  for (const char* kind : {"benign", "malignant"}) {
    for (int patient = 0; patient < 10; ++patient) {
      Fill(absl::StrCat(kind, "/patient", std::string(1, kind[0]), patient, "/scan"), 2);
    }
    Fill(kind, 5);
  }
  // A link back up must not be followed.
  fs::create_directory_symlink(At("benign"), At("benign/patientb0/up"));
  EXPECT_EQ(Folder()->info().images[0] + Folder()->info().images[1] + Folder()->info().images[2],
            50);
  const auto grouped = Folder("group_subfolders: true");
  std::map<std::string, std::set<int>> sides;
  for (const auto phase : {TRAIN, VAL, TEST}) {
    for (const std::string& name : NamesIn(*grouped, phase)) {
      const size_t at = name.find("/patient");
      if (at != std::string::npos) sides[name.substr(at, 10)].insert(phase);
    }
  }
  EXPECT_EQ(sides.size(), 20);
  for (const auto& [patient, phases] : sides) EXPECT_EQ(phases.size(), 1) << patient;
}

TEST_F(ClassFolders, WhatIsNoClassIsNoted) {
  Fill("train/a", 2);
  Fill("train/b", 2);
  fs::create_directories("d/train/empty");
  Add("train/stray.png");
  workspace_.Write("d/train/a/notes.txt", "no image");
  workspace_.Write("d/train/.hidden/x.png", Picture(1));
  Fill("test/a", 1);
  Fill("test/only_here", 1);
  Fill("more", 1);
  const auto data = Folder();
  EXPECT_THAT(data->info().classes, ElementsAre("a", "b", "only_here"));
  EXPECT_THAT(data->info().notes,
              ElementsAre("no images in " + At("train/empty"),
                          "1 image outside class folders, left out: " + At("train/stray.png"),
                          "1 folder beside those of splits, left out: " + At("more"),
                          "1 file of no format that is read, left out: 1 .txt",
                          "no training image of only_here, although there are test images"));
}

TEST_F(ClassFolders, ErrorsSayWhatIsNeeded) {
  EXPECT_EQ(Open("datasets/Folder", "").status().message(),
            "root: name the folder of your images; it holds a folder for each class");
  for (const char* plugin : {"datasets/Folder", "datasets/TomatoLeaf"}) {
    fs::remove_all("d");
    EXPECT_EQ(Why(plugin), "root: no folder " + At("").substr(0, At("").size() - 1));
    const std::string root = workspace_.path() + "/d";
    const std::string nothing = "root: no class folder with images in " + root +
                                "; it needs <class>, or train/<class> and test/<class>";
    fs::create_directories("d/healthy");
    EXPECT_EQ(Why(plugin), nothing);
    // Splits without classes are no classes.
    Fill("train", 2);
    Fill("test", 2);
    EXPECT_THAT(Why(plugin), StartsWith(nothing + "; the folder " + At("test") +
                                        " is taken for a split, not for a class: "));
    Fill("train/healthy", 2);
    EXPECT_EQ(Why(plugin), "root: " + root +
                               " has training images of healthy only; it takes two classes to "
                               "learn");
    fs::remove_all("d/train");
    Fill("test/healthy", 2);
    fs::create_directories("d/train/healthy");
    EXPECT_EQ(Why(plugin), "root: " + root +
                               " has training images of healthy only; it takes two classes to "
                               "learn");
  }
}

TEST_F(ClassFolders, RootsOneLevelTooHighAreTold) {
  Fill("archive/Train/a", 2);
  Fill("archive/Train/b", 2);
  Fill("other/c", 2);
  const std::string splits = "root: " + At("archive") +
                             " is taken for a class, but holds the folder Train; is it the root?";
  EXPECT_EQ(Why("datasets/Folder"), splits);
  EXPECT_EQ(Why("datasets/TomatoLeaf"), splits);
  fs::remove_all("d");
  for (const char* kind : {"color", "gray"}) {
    Fill(absl::StrCat(kind, "/Tomato___healthy"), 2);
    Fill(absl::StrCat(kind, "/Tomato___Late_blight"), 2);
  }
  EXPECT_EQ(Why("datasets/TomatoLeaf"), "root: " + At("color") +
                                            " is taken for a class, but holds the folder "
                                            "Tomato___Late_blight; is it the root?");
  // Whether names of one's own are classes nobody can know.
  const std::string note = "all images of the class " + At("color") +
                           " are in folders of its own (Tomato___Late_blight, ...); if those are "
                           "the classes, it is the root";
  EXPECT_THAT(Folder()->info().notes, ::testing::Contains(note));
  EXPECT_THAT(Folder("group_subfolders: true")->info().notes,
              ::testing::Not(::testing::Contains(note)));
}

TEST_F(ClassFolders, CopiesOfTestImagesAreCountedAndDropped) {
  Fill("train/a", 4);
  Fill("train/b", 4);
  fs::create_directories("d/test/a");
  fs::create_directories("d/test/b");
  fs::copy("d/train/a/0.jpg", "d/test/a/same.jpg");
  fs::copy("d/train/b/1.jpg", "d/test/a/conflict.jpg");
  context_.validation_fraction = 0;
  for (const char* plugin : {"datasets/Folder", "datasets/TomatoLeaf"}) {
    const auto kept = Opened(plugin, root(), context_);
    EXPECT_EQ(kept->info().images, (Images{8, 0, 2}));
    EXPECT_THAT(kept->info().duplicates,
                Contains(std::pair(std::string("identical_with_different_labels"), int64_t{1})));
    EXPECT_THAT(kept->info().notes,
                Contains("training and test share 2 groups of identical and 0 of near-identical "
                         "images: the test result is an over-estimate (duplicates: "
                         "DROP_FROM_TRAIN)"));
    const auto dropped = Opened(plugin, root() + "duplicates: DROP_FROM_TRAIN", context_);
    EXPECT_EQ(dropped->info().images, (Images{6, 0, 2}));
  }
}

TEST_F(ClassFolders, CopiesStayOnOneSideOfASplitBySeed) {
  Fill("a", 20);
  Fill("b", 20);
  for (int i = 0; i < 20; ++i) {
    fs::copy(absl::StrCat("d/a/", i, ".jpg"), absl::StrCat("d/a/copy", i, ".jpg"));
  }
  const auto data = Folder();
  EXPECT_EQ(std::map(data->info().duplicates.begin(), data->info().duplicates.end())
                .at("identical_across_train_and_test"),
            0);
  EXPECT_EQ(data->info().class_counts[2], (Counts{8, 4}));
}

TEST_F(ClassFolders, TheProgramTrainsOnThemAndSaysWhereTheSplitCameFrom) {
  Fill("a", 10);
  Fill("b", 20);
  workspace_.Write("configs/small.pbtxt", SmallConfig());
  const std::vector<std::string> data = {"--config=small",
                                         "--set",
                                         "load.dataset=[datasets/Folder] { root: \"d\" }",
                                         "--set",
                                         "load.split_file=split.csv",
                                         "--set",
                                         "load.sampling=BALANCED"};
  const auto run = [&data](std::vector<std::string> arguments) {
    arguments.insert(arguments.end(), data.begin(), data.end());
    return RunPipeline(arguments);
  };
  const Ran checked = run({"check"});
  EXPECT_EQ(checked.code, 0) << checked.err;
  EXPECT_FALSE(workspace_.Has("split.csv")) << "check writes nothing";
  const Ran ran = run({"train", "--out=one"});
  ASSERT_EQ(ran.code, 0) << ran.err;
  EXPECT_THAT(ran.out, HasSubstr("\n  split    by seed 0, written to " + workspace_.path() +
                                 "/split.csv\n"));
  EXPECT_EQ(workspace_.Read("one/split.csv"), workspace_.Read("split.csv"));
  const Ran again = run({"train", "--out=two", "--set", "train.seed=5"});
  ASSERT_EQ(again.code, 0) << again.err;
  const auto summary = nlohmann::json::parse(workspace_.Read("two/summary.json"));
  EXPECT_EQ(summary["split"], "split file " + workspace_.path() + "/split.csv");
  // The resolved config runs the same from anywhere.
  EXPECT_THAT(workspace_.Read("two/config.pbtxt"),
              HasSubstr("root: \"" + workspace_.path() + "/d\""));
  EXPECT_THAT(workspace_.Read("two/config.pbtxt"),
              HasSubstr("split_file: \"" + workspace_.path() + "/split.csv\""));
}

TEST_F(ClassFolders, BalancedSamplingIsForClassesOfImages) {
  std::string config = SmallConfig();
  const std::string brain = "[datasets/Synthetic] { ";
  config.insert(config.find(brain) + brain.size(), "task: SEGMENTATION ");
  workspace_.Write("configs/small.pbtxt", config);
  const Ran ran = RunPipeline({"check", "--config=small", "--set", "load.sampling=BALANCED"});
  EXPECT_EQ(ran.code, 2);
  EXPECT_THAT(ran.err, HasSubstr("sampling: BALANCED takes classes of images, but synthetic is "
                                 "read for segmentation\n"));
}

TEST_F(ClassFolders, EmbeddedLeavesStandInForTheRealOnes) {
  context_.test_fraction = 0;
  const auto data = Opened("datasets/TomatoLeaf", "embedded_sample: true", context_);
  EXPECT_TRUE(data->info().embedded_sample);
  EXPECT_THAT(data->info().classes, ElementsAre("bacterial_spot", "healthy", "late_blight",
                                                "mosaic_virus", "target_spot"));
  EXPECT_EQ(data->info().class_counts[2], Counts(5, 50));
}

}  // namespace
