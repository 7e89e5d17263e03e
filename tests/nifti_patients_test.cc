// The dataset of NIfTI slices: who the patients are, and whose slices go where.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <set>
#include <utility>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/str_split.h"
#include "datasets/split/patient_split.h"
#include "tests/image_folders.h"
#include "tests/nifti_cases.h"

namespace {

using datasets::DatasetContext;
using pipeline::TEST;
using pipeline::TRAIN;
using pipeline::VAL;
using testing_support::Image;
using testing_support::kSide;
using testing_support::NamesIn;
using testing_support::NiftiFile;
using testing_support::Segmentation;
using testing_support::Workspace;

TEST(Nifti, NeverSplitsAPatient) {
  const Workspace workspace;
  std::map<std::string, std::string> patients;
  int seed = 0;
  for (const char* name :
       {"brats_tcia_pat101_1", "brats_tcia_pat101_2", "brats_tcia_pat102_1", "BraTS-GLI-00005-100",
        "BraTS-GLI-00005-101", "BraTS20_Training_001", "BraTS20_Training_002",
        "BraTS20_Training_003", "x/one", "x/two", "x/three"}) {
    WriteCase(workspace, name, ++seed);
    patients[workspace.path() + "/data/" + name] =
        datasets::PatientsByFolder({name}, "data").front();
  }
  // The images of pat101_1 under another name.
  WriteCase(workspace, "copy", 1);
  patients[workspace.path() + "/data/copy"] = "brats_tcia_pat101";
  std::set<std::string> tested;
  for (uint64_t split = 0; split < 6; ++split) {
    DatasetContext context;
    context.seed = split;
    context.validation_fraction = 0.25;
    context.test_fraction = 0.25;
    const auto data = OpenedNifti(workspace, "min_tumor_pixels: 1", context);
    ASSERT_NE(data, nullptr);
    std::map<std::string, std::set<int>> phases;
    for (const auto phase : {TRAIN, VAL, TEST}) {
      EXPECT_GT(data->info().images[PhaseIndex(phase)], 0);
      for (const std::string& name : NamesIn(*data, phase)) {
        const std::string folder = name.substr(0, name.find(", slice"));
        ASSERT_EQ(patients.count(folder), 1) << folder;
        phases[patients[folder]].insert(PhaseIndex(phase));
        if (phase == TEST) tested.insert(patients[folder]);
      }
    }
    EXPECT_EQ(phases.size(), 9);
    for (const auto& [patient, in] : phases) EXPECT_EQ(in.size(), 1) << patient;
    // The same seed, the same split.
    const auto again = OpenedNifti(workspace, "min_tumor_pixels: 1", context);
    for (const auto phase : {TRAIN, VAL, TEST}) {
      EXPECT_EQ(NamesIn(*data, phase), NamesIn(*again, phase));
    }
  }
  EXPECT_GT(tested.size(), 2) << "the seed chooses";
}

// Where the cases `patients` (by name, each with its patient) go by four seeds. No patient may be
// in two splits, and the number of patients that is told must be theirs.
void ExpectPatients(const std::map<std::string, std::string>& patients,
                    const std::string& options = "") {
  const Workspace workspace;
  std::set<std::string> distinct;
  int seed = 0;
  for (const auto& [name, patient] : patients) {
    WriteCase(workspace, name, ++seed);
    distinct.insert(patient);
  }
  for (uint64_t split = 0; split < 4; ++split) {
    DatasetContext context;
    context.seed = split;
    context.test_fraction = 0.5;
    const auto data = OpenedNifti(workspace, options, context);
    ASSERT_NE(data, nullptr);
    const std::string& note = data->info().notes.back();
    const std::string counts =
        absl::StrCat("cases: ", patients.size(), ", patients: ", distinct.size());
    EXPECT_EQ(note.substr(0, note.find_first_of(";(")),
              counts + (patients.size() > distinct.size() ? " " : ""));
    std::map<std::string, std::set<int>> phases;
    for (const auto phase : {TRAIN, VAL, TEST}) {
      for (const std::string& name : NamesIn(*data, phase)) {
        const size_t root = workspace.path().size() + 6;  // "/data/"
        const std::string folder = name.substr(root, name.find(", slice") - root);
        phases[patients.at(folder)].insert(PhaseIndex(phase));
      }
    }
    EXPECT_EQ(phases.size(), distinct.size());
    for (const auto& [patient, in] : phases) EXPECT_EQ(in.size(), 1) << patient;
  }
}

TEST(NiftiPatients, OfBidsAreTheFirstFolders) {
  ExpectPatients({{"sub-01/ses-01", "1"},
                  {"sub-01/ses-02", "1"},
                  {"sub-02/ses-01", "2"},
                  {"sub-02/ses-02", "2"},
                  {"sub-03/ses-01", "3"}});
  ExpectPatients({{"sub-01/anat", "1"}, {"sub-02/anat", "2"}, {"sub-03/anat", "3"}});
  ExpectPatients({{"sub-01/ses-01/anat", "1"},
                  {"sub-01/ses-02/anat", "1"},
                  {"sub-02/ses-01/anat", "2"},
                  {"sub-02/ses-02/anat", "2"}});
  ExpectPatients({{"sub-anna/ses-1", "a"}, {"sub-anna/ses-2", "a"}, {"sub-bert/ses-1", "b"}});
  ExpectPatients({{"anna/anat", "a"}, {"bert/anat", "b"}});
  ExpectPatients({{"sub-tp01/anat", "1"}, {"sub-tp02/anat", "2"}});
}

TEST(NiftiPatients, HaveVisits) {
  ExpectPatients({{"sub-00_ses-01", "0"},
                  {"sub-00_ses-02", "0"},
                  {"sub-01_ses-01", "1"},
                  {"P2-ses1", "2"},
                  {"P2_SES-2", "2"},
                  {"P3_visit1", "3"},
                  {"P3_Visit_2", "3"},
                  {"P4_TP1", "4"},
                  {"P4_timepoint2", "4"},
                  {"P4-timePoint-3", "4"},
                  {"P5_TPX", "5"},
                  {"P5_TPY", "6"}});
  // The root is the patient.
  ExpectPatients({{"ses-01", "0"}, {"ses-02", "0"}, {"visit3", "0"}});
}

TEST(NiftiPatients, AreLookedForBelowTheFolderOfASplit) {
  ExpectPatients({{"train/sub-01/ses-01", "1"},
                  {"train/sub-01/ses-02", "1"},
                  {"train/sub-02/ses-01", "2"},
                  {"Validation/sub-03/ses-01", "3"},
                  {"test/sub-04/ses-01", "4"},
                  {"test/sub-04/ses-02", "4"}});
}

TEST(NiftiPatients, OfBratsAreNoGrades) {
  ExpectPatients({{"HGG/brats_2013_pat0006_1", "6"},
                  {"HGG/brats_2013_pat0007_1", "7"},
                  {"HGG/brats_tcia_pat105_0002", "105"},
                  {"HGG/brats_tcia_pat105_0109", "105"},
                  {"LGG/brats_2013_pat0001_1", "1"}});  // BraTS 2015
  ExpectPatients({{"HGG/Brats18_2013_2_1", "2"},
                  {"HGG/Brats18_CBICA_AAB_1", "b"},
                  {"HGG/Brats18_TCIA01_131_1", "131"},
                  {"LGG/Brats18_2013_0_1", "0"},
                  {"LGG/Brats18_TCIA09_141_1", "141"}});
  // With folders of the download above them.
  ExpectPatients({{"MICCAI_BraTS_2018_Data_Training/HGG/Brats18_2013_2_1", "2"},
                  {"MICCAI_BraTS_2018_Data_Training/HGG/Brats18_2013_3_1", "3"},
                  {"MICCAI_BraTS_2018_Data_Training/LGG/Brats18_2013_0_1", "0"}});
  ExpectPatients(
      {{"BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/BraTS20_Training_001", "1"},
       {"BraTS2020_TrainingData/MICCAI_BraTS2020_TrainingData/BraTS20_Training_002", "2"}});
  ExpectPatients({{"BraTS2021_00000", "0"}, {"BraTS2021_00002", "2"}, {"BraTS2021_00003", "3"}});
  ExpectPatients({{"BraTS2023/BraTS-GLI-00001-000", "1"},
                  {"BraTS2023/BraTS-GLI-00001-001", "1"},
                  {"BraTS2023/BraTS-GLI-00002-000", "2"}});
}

TEST(NiftiPatients, WithoutNumbersAreTheCasesOwnFolders) {
  ExpectPatients({{"x/one", "1"}, {"x/two", "2"}, {"y/three", "3"}, {"four", "4"}});
}

TEST(NiftiPatients, AreToldByAPattern) {
  ExpectPatients(
      {{"UPENN-GBM-00001_11", "1"}, {"UPENN-GBM-00001_21", "1"}, {"UPENN-GBM-00002_11", "2"}},
      R"x(patient: "(UPENN-GBM-\\d+)")x");
  ExpectPatients({{"95_Glioma/BraTS-SSA-00001-000", "1"},
                  {"95_Glioma/BraTS-SSA-00002-000", "2"},
                  {"51_Other/BraTS-SSA-00003-000", "3"}},
                 R"x(patient: "^[^/]+/([^/]+)")x");
}

TEST(NiftiPatients, AreNotToldByABadPattern) {
  const Workspace workspace;
  WriteCase(workspace, "a1", 1);
  const auto why = [&](const std::string& pattern) {
    const absl::Status status = OpenNifti(workspace, "patient: \"" + pattern + "\"").status();
    EXPECT_EQ(pipeline::OptionOf(status), "patient");
    return std::string(status.message());
  };
  EXPECT_EQ(why("a1"), "patient: a1: has 0 groups (...), not one");
  EXPECT_EQ(why("(a)(1)"), "patient: (a)(1): has 2 groups (...), not one");
  EXPECT_EQ(why("(b)"), "patient: (b): does not match the case a1");
  EXPECT_EQ(why("(b)?a"), "patient: (b)?a: its group is empty for the case a1");
  const auto is_none = [&](const std::string& pattern) {
    const std::string message = why(pattern);
    return absl::StrContains(message, ": no regular expression: ") ? "" : message;
  };
  EXPECT_EQ(is_none("(a"), "");
  // What could take all memory or time.
  EXPECT_EQ(is_none("((a?){999}){999}"), "");
  EXPECT_EQ(is_none("(?=(a))"), "");
  EXPECT_EQ(is_none("(a)\\\\1"), "");
  EXPECT_EQ(is_none(std::string(30000, '(')), "");
  const std::string name(200, 'a');
  WriteCase(workspace, name + "/" + name, 2);
  // Takes ages where a matcher goes back.
  EXPECT_EQ(why("^(?:(?:a+)+)+(1)"),
            "patient: ^(?:(?:a+)+)+(1): does not match the case " + name + "/" + name);
  // Neither repeats nor long names are too much.
  EXPECT_TRUE(OpenNifti(workspace, "patient: \"(a{1,200})\"").ok());
}

TEST(Nifti, KnowsTheFilesOfBids) {
  const Workspace workspace;
  for (const char* session : {"sub-01/ses-1", "sub-01/ses-2", "sub-02/ses-1"}) {
    const std::string stem =
        absl::StrCat("data/", session, "/anat/", absl::StrReplaceAll(session, {{"/", "_"}}));
    workspace.Write(stem + "_FLAIR.nii", Image(session[5] + session[11]).Bytes());
    workspace.Write(stem + "_T1w.nii", Image(session[5]).Bytes());
    workspace.Write(stem + "_seg.nii", Segmentation().Bytes());
  }
  EXPECT_EQ(
      OpenedNifti(workspace, "")->info().notes,
      (std::vector<std::string>{"channels: flair, t1w",
                                "cases: 3, patients: 2 (2 cases of sub-01); split by patient"}));
}

TEST(Nifti, TakesTheSourcesSplit) {
  const Workspace workspace;
  WriteCase(workspace, "Training/pat1_1", 1);
  WriteCase(workspace, "Training/pat2_1", 2);
  WriteCase(workspace, "Training/pat3_1", 3);
  WriteCase(workspace, "Test/pat4_1", 4);
  WriteCase(workspace, "valid/pat5_1", 5);
  DatasetContext context;
  context.test_fraction = 0.5;
  const auto data = OpenedNifti(workspace, "task: SEGMENTATION", context);
  EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{15, 5, 5}));
  EXPECT_EQ(data->info().split, "folders");
  for (const std::string& name : NamesIn(*data, TEST)) {
    EXPECT_TRUE(absl::StrContains(name, "pat4_1")) << name;
  }
  for (const std::string& name : NamesIn(*data, VAL)) {
    EXPECT_TRUE(absl::StrContains(name, "pat5_1")) << name;
  }
}

TEST(Nifti, TakesTheFolderOfVALForTESTWhereThereIsNoOther) {
  const Workspace workspace;
  for (int i = 1; i < 5; ++i) WriteCase(workspace, absl::StrCat("train/pat", i, "_1"), i);
  WriteCase(workspace, "val/pat5_1", 5);
  WriteCase(workspace, "val/pat6_1", 6);
  DatasetContext context;
  context.test_fraction = 0.5;
  context.validation_fraction = 0.25;
  const auto data = OpenedNifti(workspace, "task: SEGMENTATION", context);
  EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{15, 5, 10}));
  for (const std::string& name : NamesIn(*data, TEST)) {
    EXPECT_TRUE(absl::StrContains(name, "/val/")) << name;
  }
  EXPECT_EQ(data->info().split, "folders, VAL by seed 0");
  EXPECT_EQ(data->info().notes[1],
            "the validation folder is TEST, as there is no other; VAL is taken from train");
}

TEST(Nifti, TakesOneFolderAloneForNoSplit) {
  for (const char* folder : {"train", "val", "test"}) {
    const Workspace workspace;
    for (int i = 1; i < 5; ++i) WriteCase(workspace, absl::StrCat(folder, "/pat", i, "_1"), i);
    DatasetContext context;
    context.test_fraction = 0.25;
    context.validation_fraction = 0.25;
    const auto data = OpenedNifti(workspace, "task: SEGMENTATION", context);
    ASSERT_NE(data, nullptr) << folder;
    EXPECT_EQ(data->info().images, (std::array<int64_t, 3>{10, 5, 5})) << folder;
    EXPECT_EQ(data->info().split, "by patient, seed 0") << folder;
  }
}

// Four cases, and a file of their split.
class NiftiSplitFile : public testing::Test {
 protected:
  void SetUp() override {
    for (const char* name : {"a", "b", "c", "d"}) {
      workspace_.Write(absl::StrCat("data/", name, "/flair.nii"), Image(name[0]).Bytes());
      workspace_.Write(absl::StrCat("data/", name, "/t1.nii"), Image(name[0] + 9).Bytes());
      workspace_.Write(absl::StrCat("data/", name, "/seg.nii"), Segmentation().Bytes());
    }
    context_.test_fraction = 0.5;
    context_.split_file = workspace_.path() + "/split.csv";
    first_ = OpenedNifti(workspace_, "", context_);
  }

  std::string Why() const {
    const absl::Status status = OpenNifti(workspace_, "", context_).status();
    EXPECT_EQ(pipeline::OptionOf(status), "split_file");
    return std::string(status.message());
  }
  // Keeps the lines of the file that do not hold a text.
  void Drop(const std::string& text) {
    std::string kept;
    for (absl::string_view line : absl::StrSplit(workspace_.Read("split.csv"), '\n')) {
      if (!line.empty() && !absl::StrContains(line, text)) absl::StrAppend(&kept, line, "\n");
    }
    workspace_.Write("split.csv", kept);
  }

  Workspace workspace_;
  DatasetContext context_;
  std::unique_ptr<datasets::Dataset> first_;
};

TEST_F(NiftiSplitFile, IsWrittenOnceAndObeyedAfterwards) {
  EXPECT_EQ(first_->info().split, "by patient, seed 0, written to " + context_.split_file);
  context_.seed = 1;
  const auto second = OpenedNifti(workspace_, "", context_);
  EXPECT_EQ(second->info().split, "split file " + context_.split_file);
  EXPECT_EQ(NamesIn(*first_, TEST), NamesIn(*second, TEST));
  EXPECT_FALSE(NamesIn(*first_, TEST).empty());
}

TEST_F(NiftiSplitFile, NamesFilesThatHaveChanged) {
  NiftiFile changed = Segmentation();
  changed.voxels[3 * kSide * kSide + 30] = 1;  // was 4
  workspace_.Write("data/b/seg.nii", changed.Bytes());
  workspace_.Write("data/c/flair.nii", Image(7).Bytes());
  const std::string data = workspace_.path() + "/data";
  EXPECT_EQ(Why(), "split_file: the content has changed since " + context_.split_file +
                       " was written: " + data + "/b/seg.nii, " + data + "/c/flair.nii");
}

TEST_F(NiftiSplitFile, MayListFewerOrMoreModalities) {
  const auto one = OpenedNifti(workspace_, "modalities: \"t1\"", context_);
  EXPECT_EQ(NamesIn(*one, TEST), NamesIn(*first_, TEST));
  for (const char* file : {"flair.nii", "t1.nii"}) {
    Drop(file);
    const auto fewer = OpenedNifti(workspace_, "", context_);
    EXPECT_EQ(NamesIn(*fewer, TEST), NamesIn(*first_, TEST)) << file;
  }
  Drop("a/seg.nii");
  const auto less = OpenedNifti(workspace_, "", context_);
  EXPECT_EQ(less->info().notes[1], "cases not in " + context_.split_file + ", left out: 1");
}

TEST_F(NiftiSplitFile, MayNotPartACase) {
  std::string text = workspace_.Read("split.csv");
  const size_t at = text.rfind('\n', text.find(",d/t1.nii")) + 1;
  text.replace(at, text.find(',', at) - at, "VAL");
  workspace_.Write("split.csv", text);
  EXPECT_EQ(Why(), "split_file: " + context_.split_file +
                       " puts files of one case into several "
                       "splits: " +
                       workspace_.path() + "/data/d");
}

TEST(PatientSplit, KeepsWhatTheSourceSays) {
  using Phases = std::vector<pipeline::Phase>;
  DatasetContext context;
  context.test_fraction = 0.9;
  const auto split = [&](std::vector<datasets::SplitCase> cases) {
    return datasets::SplitByPatient(std::move(cases), context).phases;
  };
  // a is held out by one of its scans; b alone is in no split, and a lone patient trains.
  EXPECT_EQ(split({{"a", {}}, {"b", {}}, {"a", VAL}}), (Phases{TEST, TRAIN, TEST}));
  EXPECT_EQ(split({{"a", {}}, {"c", TEST}, {"b", TRAIN}, {"a", VAL}}),
            (Phases{VAL, TEST, TRAIN, VAL}));
  EXPECT_EQ(split({{"a", TRAIN}, {"b", TEST}, {"b", TRAIN}}), (Phases{TRAIN, TEST, TEST}));
  // Of a and b, which are in no split, one is drawn.
  const Phases drawn = split({{"a", {}}, {"b", {}}, {"c", TRAIN}});
  EXPECT_EQ(std::count(drawn.begin(), drawn.begin() + 2, TEST), 1);
  EXPECT_EQ(drawn[2], TRAIN);
}

TEST(NiftiPatients, HaveTheirNamesByBraTS) {
  for (const auto& [name, patient] :
       std::map<std::string, std::string>{{"HGG/brats_2013_pat0006_1", "brats_2013_pat0006"},
                                          {"LGG/brats_tcia_pat105_0002", "brats_tcia_pat105"},
                                          {"BraTS-GLI-00005-101", "BraTS-GLI-00005"},
                                          {"BraTS20_Training_001", "BraTS20_Training_001"},
                                          {"patient_7", "patient_7"},
                                          {"x/Brats18_CBICA_AAM_1", "Brats18_CBICA_AAM_1"},
                                          {".", "brats_2013_pat1"},
                                          {"-1", "-1"}}) {
    EXPECT_EQ(datasets::PatientsByFolder({name}, "brats_2013_pat1_5"),
              std::vector<std::string>{patient});
  }
}

}  // namespace
