// The dataset of NIfTI slices: who the patients are, and whose slices go where.
#include <gtest/gtest.h>

#include <map>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/nifti_cases.h"
#include "datasets/patient_split.h"
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
    patients[workspace.path() + "/data/" + name] = datasets::PatientOf(name);
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
  for (const std::string& name : NamesIn(*data, TEST)) {
    EXPECT_TRUE(absl::StrContains(name, "pat4_1")) << name;
  }
  for (const std::string& name : NamesIn(*data, VAL)) {
    EXPECT_TRUE(absl::StrContains(name, "pat5_1")) << name;
  }
}

TEST(Nifti, KeepsItsSplitInAFile) {
  const Workspace workspace;
  for (const char* name : {"a", "b", "c", "d"}) {
    workspace.Write(absl::StrCat("data/", name, "/flair.nii"), Image(name[0]).Bytes());
    workspace.Write(absl::StrCat("data/", name, "/seg.nii"), Segmentation().Bytes());
  }
  DatasetContext context;
  context.test_fraction = 0.5;
  context.split_file = workspace.path() + "/split.csv";
  const auto first = OpenedNifti(workspace, "", context);
  EXPECT_EQ(first->info().split, "by patient, seed 0, written to " + context.split_file);
  // Another seed changes nothing any more.
  context.seed = 1;
  const auto second = OpenedNifti(workspace, "", context);
  EXPECT_EQ(second->info().split, "split file " + context.split_file);
  EXPECT_EQ(NamesIn(*first, TEST), NamesIn(*second, TEST));
  EXPECT_FALSE(NamesIn(*first, TEST).empty());
  NiftiFile changed = Segmentation();
  changed.voxels[3 * kSide * kSide + 30] = 1;  // was 4
  workspace.Write("data/b/seg.nii", changed.Bytes());
  const auto status = OpenNifti(workspace, "", context).status();
  EXPECT_TRUE(absl::StrContains(status.message(), "split_file: ")) << status;
  EXPECT_TRUE(absl::StrContains(status.message(), "b/seg.nii")) << status;
}

TEST(PatientSplit, KeepsWhatTheSourceSays) {
  DatasetContext context;
  context.test_fraction = 0.9;
  // a is in VAL by one of its scans; b alone is in no split, and a lone patient trains.
  EXPECT_EQ(datasets::SplitByPatient({{"a", {}}, {"b", {}}, {"a", VAL}}, context),
            (std::vector<pipeline::Phase>{VAL, TRAIN, VAL}));
  EXPECT_EQ(datasets::SplitByPatient({{"a", TRAIN}, {"b", TEST}, {"b", TRAIN}}, context),
            (std::vector<pipeline::Phase>{TRAIN, TEST, TEST}));
}

TEST(Nifti, KnowsPatientsByTheNamesOfBraTS) {
  for (const auto& [name, patient] :
       std::map<std::string, std::string>{{"HGG/brats_2013_pat0006_1", "brats_2013_pat0006"},
                                          {"LGG/brats_tcia_pat105_0002", "brats_tcia_pat105"},
                                          {"BraTS-GLI-00005-101", "BraTS-GLI-00005"},
                                          {"BraTS20_Training_001", "BraTS20_Training_001"},
                                          {"patient_7", "patient_7"},
                                          {"x/Brats18_CBICA_AAM_1", "Brats18_CBICA_AAM_1"},
                                          {"-1", "-1"}}) {
    EXPECT_EQ(datasets::PatientOf(name), patient);
  }
}

}  // namespace
