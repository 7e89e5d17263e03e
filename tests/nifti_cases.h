// The dataset of NIfTI slices on small cases, made by a test.
#ifndef TESTS_NIFTI_CASES_H_
#define TESTS_NIFTI_CASES_H_

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"
#include "datasets/dataset.h"
#include "tests/nifti_file.h"
#include "tests/oracle.h"
#include "tests/testing.h"

namespace testing_support {

// Of the volumes below.
constexpr int kSide = 8, kSlices = 6;

// On the folder `data` of the workspace.
inline absl::StatusOr<std::unique_ptr<datasets::Dataset>> OpenNifti(
    const Workspace& workspace, const std::string& options,
    const datasets::DatasetContext& context = {}) {
  return datasets::Datasets::Get().Create(
      PluginOf("datasets/Nifti", absl::StrCat("root: \"", workspace.path(), "/data\" ", options)),
      context);
}

inline std::unique_ptr<datasets::Dataset> OpenedNifti(
    const Workspace& workspace, const std::string& options,
    const datasets::DatasetContext& context = {}) {
  auto opened = OpenNifti(workspace, options, context);
  EXPECT_TRUE(opened.ok()) << opened.status();
  return opened.ok() ? *std::move(opened) : nullptr;
}

// Slices of 8x8 in a background of 0 (slice 0 holds nothing else), with numbers that depend on
// `seed`.
inline NiftiFile Image(int seed) {
  NiftiFile file;
  file.extents = {kSide, kSide, kSlices};
  file.voxels.assign(kSide * kSide * kSlices, 0);
  for (int i = kSide * kSide; i < kSide * kSide * kSlices; ++i) {
    if (i % kSide > 1) file.voxels[i] = 100 + i * (2 * seed + 3) % 1009;
  }
  return file;
}

// Labels, as float32: slice 2 has 3 pixels of label 1, slice 3 has 20 of label 4, slice 4 both.
inline NiftiFile Segmentation() {
  NiftiFile file;
  file.extents = {kSide, kSide, kSlices};
  file.type = NiftiFile::kFloat32;
  file.voxels.assign(kSide * kSide * kSlices, 0);
  const auto fill = [&](int slice, int first, int count, int label) {
    std::fill_n(file.voxels.begin() + slice * kSide * kSide + first, count, label);
  };
  fill(2, 10, 3, 1);
  fill(3, 30, 20, 4);
  fill(4, 0, 3, 1);
  fill(4, 40, 20, 4);
  return file;
}

inline void WriteCase(const Workspace& workspace, const std::string& name, int seed) {
  const std::string stem = "data/" + name + "/" + name.substr(name.rfind('/') + 1);
  workspace.Write(stem + "_flair.nii", Image(seed).Bytes());
  NiftiFile other = Image(seed + 1000);
  other.big_endian = true;
  other.version = 2;
  workspace.Write(stem + "_t1ce.nii", other.Bytes());
  NiftiFile labels = Segmentation();
  labels.gzip = true;
  workspace.Write(stem + "_seg.nii.gz", labels.Bytes());
}

}  // namespace testing_support

#endif  // TESTS_NIFTI_CASES_H_
