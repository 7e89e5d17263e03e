// The dataset of NIfTI slices: cases as users have them, labels and masks.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <iterator>
#include <map>
#include <opencv2/core.hpp>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/dataset.h"
#include "datasets/volumes/slice_store.h"
#include "tests/nifti_cases.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace {

using datasets::DatasetContext;
using pipeline::TEST;
using pipeline::TRAIN;
using testing_support::Image;
using testing_support::kSide;
using testing_support::kSlices;
using testing_support::NiftiFile;
using testing_support::PluginOf;
using testing_support::Segmentation;
using testing_support::SharedData;
using testing_support::Workspace;

// The window by its definition, with a whole sort: the percentiles of what is not 0.
std::vector<int> WindowOf(const std::vector<double>& voxels) {
  std::vector<double> sorted;
  std::copy_if(voxels.begin(), voxels.end(), std::back_inserter(sorted),
               [](double voxel) { return voxel != 0; });
  std::sort(sorted.begin(), sorted.end());
  const auto percentile = [&](double share) {
    const double rank = share * static_cast<double>(sorted.size() - 1);
    const auto below = static_cast<size_t>(rank);
    return sorted[below] +
           (rank - static_cast<double>(below)) * (sorted[below + 1] - sorted[below]);
  };
  const double low = percentile(0.005), high = percentile(0.995);
  std::vector<int> pixels;
  for (const double voxel : voxels) {
    pixels.push_back(
        static_cast<int>(std::lround(std::clamp((voxel - low) * (255 / (high - low)), 0., 255.))));
  }
  return pixels;
}

TEST(Nifti, GivesModalitiesAsChannelsAndExactMasks) {
  const Workspace workspace;
  WriteCase(workspace, "a", 1);
  const auto data = OpenedNifti(workspace, "task: SEGMENTATION labels: ALL");
  ASSERT_NE(data, nullptr);
  EXPECT_EQ(data->info().channels, 2);
  EXPECT_EQ(data->info().task, pipeline::Task::kSegmentation);
  EXPECT_EQ(data->info().classes, (std::vector<std::string>{"background", "label_1", "label_4"}));
  EXPECT_EQ(data->info().notes,
            (std::vector<std::string>{
                "channels: flair, t1ce",
                "cases: 1, patients: 1; slices of one patient all train: no VAL and no TEST"}));
  // Slice 0 is all background.
  ASSERT_EQ(data->info().images, (std::array<int64_t, 3>{5, 0, 0}));
  EXPECT_EQ(data->Name(TRAIN, 3), workspace.path() + "/data/a, slice 4");
  const auto sample = data->Read(TRAIN, 3, kSide);
  ASSERT_TRUE(sample.ok()) << sample.status();
  ASSERT_EQ(sample->image.type(), CV_8UC2);
  const NiftiFile labels = Segmentation();
  const std::vector<int> flair = WindowOf(Image(1).voxels), t1ce = WindowOf(Image(1001).voxels);
  for (int i = 0; i < kSide * kSide; ++i) {
    const auto found = sample->image.at<cv::Vec2b>(i / kSide, i % kSide);
    EXPECT_EQ(found[0], flair[4 * kSide * kSide + i]) << i;
    EXPECT_EQ(found[1], t1ce[4 * kSide * kSide + i]) << i;
    const auto label = static_cast<int>(labels.voxels[4 * kSide * kSide + i]);
    EXPECT_EQ(sample->mask.at<uint8_t>(i / kSide, i % kSide), label == 4 ? 2 : label) << i;
  }
  const auto whole = OpenedNifti(workspace, "task: SEGMENTATION");
  EXPECT_EQ(whole->info().classes, (std::vector<std::string>{"background", "tumor"}));
  EXPECT_EQ(cv::countNonZero(whole->Read(TRAIN, 3, kSide)->mask == 1), 23);
  // Twice the size: each pixel four times.
  const auto large = whole->Read(TRAIN, 3, 2 * kSide);
  EXPECT_EQ(large->image.size(), cv::Size(2 * kSide, 2 * kSide));
  EXPECT_EQ(cv::countNonZero(large->mask == 1), 4 * 23);
}

TEST(Nifti, LabelsSlices) {
  const Workspace workspace;
  WriteCase(workspace, "a", 1);
  const auto labels = [&](const std::string& options) {
    const auto data = OpenedNifti(workspace, options);
    std::string found;
    for (int64_t i = 0; i < data->info().images[0]; ++i) {
      const auto sample = data->Read(TRAIN, i, kSide);
      const std::string name = data->Name(TRAIN, i);
      absl::StrAppend(&found, name.substr(name.rfind(' ') + 1), ":", sample->label, " ");
      EXPECT_TRUE(sample->mask.empty());
    }
    return found;
  };
  // Slice 2 shows three pixels of a tumor: less than the default minimum of ten, so neither.
  EXPECT_EQ(labels(""), "1:0 3:1 4:1 5:0 ");
  EXPECT_EQ(labels("min_tumor_pixels: 3"), "1:0 2:1 3:1 4:1 5:0 ");
  EXPECT_EQ(labels("min_tumor_pixels: 1 every_nth: 2 min_foreground: 0"), "0:0 2:1 4:1 ");
  EXPECT_EQ(OpenedNifti(workspace, "")->info().class_counts[0], (std::vector<int64_t>{2, 2}));
}

TEST(Nifti, TakesTheModalitiesAskedFor) {
  const Workspace workspace;
  WriteCase(workspace, "a", 1);
  NiftiFile t1 = Image(0);
  std::reverse(t1.voxels.begin() + 2 * kSide * kSide, t1.voxels.end());
  workspace.Write("data/a/a_T1.nii", t1.Bytes());
  const auto data = OpenedNifti(workspace, "modalities: [\"t1\", \"flair\"]");
  EXPECT_EQ(data->info().channels, 2);
  const auto all = OpenedNifti(workspace, "");
  EXPECT_EQ(all->info().notes[0], "channels: flair, t1, t1ce");
  const auto two = data->Read(TRAIN, 1, kSide), three = all->Read(TRAIN, 1, kSide);
  for (int i = 0; i < kSide * kSide; ++i) {
    const auto a = two->image.at<cv::Vec2b>(i / kSide, i % kSide);
    const auto b = three->image.at<cv::Vec3b>(i / kSide, i % kSide);
    EXPECT_EQ(a[0], b[1]);
    EXPECT_EQ(a[1], b[0]);
  }
}

TEST(Nifti, NamesCasesThatCannotBeUsed) {
  const Workspace workspace;
  for (const char* name : {"a", "b", "c", "d", "e", "f", "g"}) {
    WriteCase(workspace, name, name[0]);
  }
  const std::string data = workspace.path() + "/data/";
  std::filesystem::remove("data/b/b_seg.nii.gz");
  std::filesystem::remove("data/c/c_t1ce.nii");
  NiftiFile thin = Image(3);
  thin.extents = {kSide, kSide, kSlices - 1};
  workspace.Write("data/d/d_t1ce.nii", thin.Bytes());
  workspace.Write("data/e/e_flair.nii", Image(3).Bytes().substr(0, 1000));
  NiftiFile odd = Segmentation();
  odd.voxels[100] = 1.5;
  workspace.Write("data/f/f_seg.nii.gz", odd.Bytes());
  workspace.Write("data/readme.txt", "");
  const auto opened = OpenedNifti(workspace, "");
  const std::string notes = absl::StrJoin(opened->info().notes, "\n");
  for (const std::string& note :
       std::vector<std::string>{"left out: b: no segmentation", "left out: c: no t1ce",
                                absl::StrCat("left out: ", data, "d/d_t1ce.nii: 8x8x5 voxels, but ",
                                             data, "d/d_flair.nii has 8x8x6"),
                                "left out: " + data + "e/e_flair.nii: cut short",
                                "left out: " + data + "f/f_seg.nii.gz: a label of 1.5"}) {
    EXPECT_TRUE(absl::StrContains(notes, note)) << note << "\nis not in\n" << notes;
  }
  EXPECT_TRUE(absl::StrContains(notes, "cases: 2, patients: 2")) << notes;
}

TEST(Nifti, SaysWhatItMisses) {
  const Workspace workspace;
  const std::string data = workspace.path() + "/data";
  EXPECT_EQ(OpenNifti(workspace, "").status().message(), "root: no folder " + data);
  std::filesystem::create_directories("data/a");
  EXPECT_EQ(OpenNifti(workspace, "").status().message(),
            "root: no case in " + data +
                " can be used; a case is a folder with an image for each modality and a "
                "segmentation");
  WriteCase(workspace, "a", 1);
  workspace.Write("data/a/other_label_seg.nii", Segmentation().Bytes());
  EXPECT_TRUE(
      absl::StrContains(OpenNifti(workspace, "").status().message(),
                        "a: 2 files could be the segmentation: a_seg.nii.gz, other_label_seg.nii"));
  EXPECT_TRUE(OpenNifti(workspace, "segmentation: \"other_label\"").ok());
  EXPECT_TRUE(absl::StrContains(
      OpenNifti(workspace, "segmentation: \"other\" min_tumor_pixels: 60").status().message(),
      "it takes both to learn"));
  NiftiFile healthy = Segmentation();
  std::fill(healthy.voxels.begin(), healthy.voxels.end(), 0);
  workspace.Write("data/a/other_label_seg.nii", healthy.Bytes());
  EXPECT_TRUE(absl::StrContains(
      OpenNifti(workspace, "task: SEGMENTATION segmentation: \"other\"").status().message(),
      "no label above 0"));
}

TEST(SliceStore, RefusesMoreThanItsLimit) {
  datasets::SliceStore store(10);
  const auto first = store.Append("123456", 6);
  ASSERT_TRUE(first.ok()) << first.status();
  char read[6];
  ASSERT_TRUE(store.Read(*first, read, 6).ok());
  EXPECT_EQ(std::string(read, 6), "123456");
  EXPECT_TRUE(absl::IsResourceExhausted(store.Append("12345", 5).status()));
  EXPECT_FALSE(store.Read(100, read, 6).ok());
}

TEST(Nifti, EmbeddedSampleHasAllSplitsAndTwoChannels) {
  DatasetContext context;
  context.validation_fraction = 0.15;
  context.test_fraction = 0.2;
  for (const char* task : {"BINARY", "SEGMENTATION"}) {
    const auto data = datasets::Datasets::Get().Create(
        PluginOf("datasets/Nifti", absl::StrCat("embedded_sample: true task: ", task)), context);
    ASSERT_TRUE(data.ok()) << data.status();
    EXPECT_TRUE((*data)->info().embedded_sample);
    EXPECT_EQ((*data)->info().channels, 2);
    for (const int64_t images : (*data)->info().images) EXPECT_GT(images, 20);
    EXPECT_EQ((*data)->Read(TEST, 0, 32)->image.type(), CV_8UC2);
  }
}

TEST(Nifti, ReadsBraTS) {
  if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  const auto open = [](const std::string& options) {
    auto data = datasets::Datasets::Get().Create(
        PluginOf("datasets/Nifti",
                 absl::StrCat("root: \"", SharedData(), "/nifti\" min_foreground: 0 ", options)),
        DatasetContext());
    EXPECT_TRUE(data.ok()) << data.status();
    return *std::move(data);
  };
  const auto data = open("task: SEGMENTATION labels: ALL");
  EXPECT_EQ(data->info().notes,
            (std::vector<std::string>{
                "channels: flair_subtrmeandivstd, t1c_subtrmeandivstd",
                "left out: brainlesion_tcia: no segmentation", "left out: nibabel: no segmentation",
                "cases: 1, patients: 1; slices of one patient all train: no VAL and no TEST"}));
  EXPECT_EQ(data->info().classes,
            (std::vector<std::string>{"background", "label_1", "label_2", "label_3", "label_4"}));
  ASSERT_EQ(data->info().images[0], 155);
  // Counted with Python's gzip and array modules.
  std::map<int, int64_t> pixels;
  for (int64_t i = 0; i < 155; ++i) {
    const auto sample = data->Read(TRAIN, i, 240);
    ASSERT_TRUE(sample.ok()) << sample.status();
    for (int label = 1; label < 5; ++label) {
      pixels[label] += cv::countNonZero(sample->mask == label);
    }
  }
  EXPECT_EQ(pixels, (std::map<int, int64_t>{{1, 41838}, {2, 109935}, {3, 22228}, {4, 43379}}));
  // Slice 59 has 7 pixels of tumor, left out; 60 to 142 have more.
  const auto binary = open("modalities: \"t1c\"");
  EXPECT_EQ(binary->info().channels, 1);
  EXPECT_EQ(binary->info().class_counts[0], (std::vector<int64_t>{155 - 84, 83}));
}

TEST(Nifti, TrainsOnTheEmbeddedSample) {
  const Workspace workspace;
  std::string config = testing_support::SmallConfig();
  const auto replace = [&](const std::string& from, const std::string& to) {
    ASSERT_TRUE(absl::StrContains(config, from));
    config.replace(config.find(from), from.size(), to);
  };
  replace("[datasets/Synthetic] { images_per_class: 6 test_images_per_class: 3 }",
          "[datasets/Nifti] { every_nth: 5 }");
  // Grayscale is for RGB, and says so.
  workspace.Write("configs/gray.pbtxt", config);
  replace("node { name: \"gray\" input: \"load.images\" plugin { [plugins/Grayscale] {} } }", "");
  replace("images: gray", "images: load.images");
  workspace.Write("configs/small.pbtxt", config);
  const auto ran = testing_support::RunPipeline({"--config=small.pbtxt", "--out=out"});
  EXPECT_EQ(ran.code, 0) << ran.out << ran.err;
  EXPECT_TRUE(workspace.Has("out/weights.safetensors"));
  const auto gray = testing_support::RunPipeline({"--config=gray.pbtxt", "--out=out2"});
  EXPECT_EQ(gray.code, 2);
  EXPECT_TRUE(absl::StrContains(gray.err, "3 channels")) << gray.err;
}

}  // namespace
