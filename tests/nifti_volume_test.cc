// NIfTI volumes: what is read from files written by hand, and what hostile ones come to.
#include "datasets/volumes/nifti_volume.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <sys/resource.h>
#include <sys/stat.h>

#include <cmath>
#include <limits>
#include <numeric>
#include <random>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/volumes/volume_slices.h"
#include "tests/nifti_file.h"
#include "tests/testing.h"

namespace {

using datasets::Volume;
using testing_support::NiftiFile;
using testing_support::SharedData;
using testing_support::Workspace;

std::vector<double> Counting(int64_t n, double first = 0) {
  std::vector<double> values(n);
  std::iota(values.begin(), values.end(), first);
  return values;
}

absl::StatusOr<Volume> ReadBytes(const Workspace& workspace, const std::string& name,
                                 const std::string& bytes,
                                 const datasets::VolumeLimits& limits = {}) {
  workspace.Write(name, bytes);
  return datasets::ReadNiftiVolume(name, limits);
}

std::string WhyNot(const Workspace& workspace, const NiftiFile& file,
                   const datasets::VolumeLimits& limits = {}) {
  return std::string(ReadBytes(workspace, "x.nii", file.Bytes(), limits).status().message());
}

TEST(NiftiVolume, ReadsEveryKindOfFile) {
  const Workspace workspace;
  for (const int type : {NiftiFile::kUint8, NiftiFile::kInt8, NiftiFile::kInt16, NiftiFile::kUint16,
                         NiftiFile::kInt32, NiftiFile::kUint32, NiftiFile::kInt64,
                         NiftiFile::kUint64, NiftiFile::kFloat32, NiftiFile::kFloat64}) {
    for (int kind = 0; kind < 8; ++kind) {
      NiftiFile file;
      file.type = type;
      file.version = 1 + kind % 2;
      file.big_endian = kind / 2 % 2 == 1;
      file.gzip = kind / 4 == 1;
      file.voxels = Counting(24, 100);
      file.slope = 0.5;
      file.inter = -3;
      const auto volume = ReadBytes(workspace, file.gzip ? "x.nii.gz" : "x.nii", file.Bytes());
      ASSERT_TRUE(volume.ok()) << volume.status() << " type " << type << " kind " << kind;
      EXPECT_EQ(volume->slices, 2);
      EXPECT_EQ(volume->rows, 3);
      EXPECT_EQ(volume->columns, 4);
      for (size_t i = 0; i < 24; ++i) {
        ASSERT_EQ(volume->voxels[i], 0.5F * (100 + static_cast<float>(i)) - 3)
            << "type " << type << " kind " << kind;
      }
    }
  }
}

TEST(NiftiVolume, KeepsSignsAndLargeNumbers) {
  const Workspace workspace;
  NiftiFile file;
  file.extents = {2, 1, 1};
  const std::vector<std::pair<int, std::vector<double>>> cases = {
      {NiftiFile::kInt8, {-128, 127}},
      {NiftiFile::kUint8, {0, 255}},
      {NiftiFile::kInt16, {-32768, 32767}},
      {NiftiFile::kUint16, {0, 65535}},
      {NiftiFile::kInt32, {-2147483648., 65537}},
      {NiftiFile::kUint32, {4294967040., 0}},
      {NiftiFile::kInt64, {-1e15, 1e15}},
      {NiftiFile::kUint64, {1e19, 0}},
      {NiftiFile::kFloat32, {-1e30, 1e-30}},
      {NiftiFile::kFloat64, {-1e30, 1e30}}};
  for (const auto& [type, values] : cases) {
    file.type = type;
    file.voxels = values;
    const auto volume = ReadBytes(workspace, "x.nii", file.Bytes());
    ASSERT_TRUE(volume.ok()) << volume.status();
    EXPECT_EQ(volume->voxels[0], static_cast<float>(values[0])) << type;
    EXPECT_EQ(volume->voxels[1], static_cast<float>(values[1])) << type;
  }
}

TEST(NiftiVolume, GoesByContentNotByName) {
  const Workspace workspace;
  NiftiFile file;
  file.voxels = Counting(24);
  EXPECT_TRUE(ReadBytes(workspace, "plain.nii.gz", file.Bytes()).ok());
  file.gzip = true;
  EXPECT_TRUE(ReadBytes(workspace, "packed.nii", file.Bytes()).ok());
}

TEST(NiftiVolume, TurnsVolumesUpright) {
  const Workspace workspace;
  // Rows of sform: what a step along each stored axis does to x (right), y (anterior), z (up).
  const std::vector<std::vector<double>> sforms = {
      {1, 0, 0, -5, 0, 1, 0, 7, 0, 0, 1, 0},     // as the format has it
      {-1, 0, 0, 0, 0, -1, 0, 239, 0, 0, 1, 0},  // BraTS
      {0, 0, 2, 0, -2, 0, 0, 0, 0, 2, 0, 0},     // sagittal: slices from left to right
      {1, 0, 0, 0, 0, 0, -1, 0, 0, -1, 0, 0},    // coronal, from the front, feet up
      {-0.9, 0, -0.3, 114, 0, 0.9, -0.4, -75, 0, 0.07, 5, -47}};  // oblique
  for (const std::vector<double>& sform : sforms) {
    NiftiFile file;
    file.sform = sform;
    file.voxels = Counting(24);
    const auto volume = ReadBytes(workspace, "x.nii", file.Bytes());
    ASSERT_TRUE(volume.ok()) << volume.status();
    ASSERT_EQ(volume->voxels.size(), 24);
    // Where a voxel is in the body; its value says where it was stored.
    const auto place = [&](int64_t slice, int64_t row, int64_t column, int axis) {
      const auto stored =
          static_cast<int>(volume->voxels[(slice * volume->rows + row) * volume->columns + column]);
      const double ijk[3] = {stored % 4 + 0., stored / 4 % 3 + 0., stored / 12 + 0.};
      double at = sform[4 * axis + 3];
      for (int i = 0; i < 3; ++i) at += sform[4 * axis + i] * ijk[i];
      return at;
    };
    EXPECT_GT(place(0, 0, 0, 0), place(0, 0, volume->columns - 1, 0));  // right first
    EXPECT_GT(place(0, 0, 0, 1), place(0, volume->rows - 1, 0, 1));     // anterior first
    EXPECT_LT(place(0, 0, 0, 2), place(volume->slices - 1, 0, 0, 2));   // feet first
    for (int64_t column = 1; column < volume->columns; ++column) {
      EXPECT_GT(place(1, 1, column - 1, 0), place(1, 1, column, 0));
    }
  }
  // A file that says nothing takes the orientation that it is given: here that of BraTS, reversed.
  NiftiFile file;
  file.voxels = Counting(24);
  workspace.Write("x.nii", file.Bytes());
  datasets::Orientation reversed;
  reversed.flipped = {true, true, false};
  const auto volume = datasets::ReadNiftiVolume("x.nii", {}, reversed);
  ASSERT_TRUE(volume.ok()) << volume.status();
  EXPECT_EQ(volume->voxels[0], 11);
  EXPECT_EQ(volume->voxels[12], 23);
}

TEST(NiftiVolume, DegenerateAxesAreAsStored) {
  const Workspace workspace;
  NiftiFile file;
  file.voxels = Counting(24);
  const double nan = std::numeric_limits<double>::quiet_NaN();
  for (const double fill : {0., nan, 1.}) {
    file.sform.assign(12, fill);
    const auto volume = ReadBytes(workspace, "x.nii", file.Bytes());
    ASSERT_TRUE(volume.ok()) << volume.status();
    EXPECT_EQ(volume->voxels.size(), 24);
    if (fill != 1) {
      EXPECT_EQ(volume->voxels[5], 5);
    }
  }
}

TEST(Window, TakesPercentilesOfWhatIsNotBackground) {
  // 7 is the corner's value, so background. The others are 1..101: rank 0.5 of 0..100 is 1.5, rank
  // 99.5 is 100.5.
  Volume volume = {1, 1, 202, {}, std::vector<float>(101, 7)};
  for (int i = 1; i <= 101; ++i) volume.voxels.push_back(static_cast<float>(i == 7 ? 7.25 : i));
  const auto pixels = datasets::Windowed(volume);
  const auto expected = [](double value) {
    return static_cast<int>(std::floor(std::clamp((value - 1.5) / 99 * 255, 0., 255.) + 0.5));
  };
  EXPECT_EQ(pixels[0], expected(7));
  for (int i = 1; i <= 101; ++i) EXPECT_EQ(pixels[100 + i], expected(i == 7 ? 7.25 : i)) << i;
  EXPECT_EQ(pixels[101], 0);
  EXPECT_EQ(pixels[201], 255);
}

TEST(Window, OfOneValueIsBlack) {
  const float nan = std::numeric_limits<float>::quiet_NaN();
  for (const auto& voxels : {std::vector<float>{5, 5, 5, 5}, std::vector<float>{0, 3, 3, nan},
                             std::vector<float>{nan, nan, nan, nan}}) {
    EXPECT_EQ(datasets::Windowed({1, 2, 2, {}, voxels}), std::vector<uint8_t>(4, 0));
  }
}

TEST(Window, ForegroundIsWhatDiffersFromTheCorner) {
  const Volume volume = {2, 2, 2, {}, {-3.5, -3.5, -3.5, 1, 0, 0, -3.5, INFINITY}};
  EXPECT_EQ(datasets::Foreground(volume), (std::vector<double>{0.25, 0.5}));
}

TEST(Labels, AreWholeNumbersAfterSlopeAndInter) {
  const Workspace workspace;
  NiftiFile file;
  file.extents = {4, 1, 1};
  file.type = NiftiFile::kFloat32;
  file.voxels = {0, 1, 2.0001, 4};
  auto volume = ReadBytes(workspace, "x.nii", file.Bytes());
  auto labels = datasets::LabelsOf(*volume, "x.nii");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(*labels, (std::vector<uint8_t>{0, 1, 2, 4}));
  // As the brain mask of BraTS 2015 in DeepMedic's example.
  file.type = NiftiFile::kInt32;
  file.slope = 2.3283064365386963e-10;
  file.inter = 0.5;
  file.voxels = {-2147483648., 2147483520, 2147483520, -2147483648.};
  volume = ReadBytes(workspace, "x.nii", file.Bytes());
  labels = datasets::LabelsOf(*volume, "x.nii");
  ASSERT_TRUE(labels.ok()) << labels.status();
  EXPECT_EQ(*labels, (std::vector<uint8_t>{0, 1, 1, 0}));
  for (const float bad : {0.5F, -1.F, 255.F, 1e30F, INFINITY, NAN}) {
    EXPECT_TRUE(absl::StrContains(
        datasets::LabelsOf({1, 1, 1, {}, {bad}}, "x.nii").status().message(), "x.nii: a label of"))
        << bad;
  }
}

TEST(HostileNifti, IsRefusedWithTheReason) {
  const Workspace workspace;
  const auto refused = [&](NiftiFile file, const std::string& why,
                           const datasets::VolumeLimits& limits = {}) {
    EXPECT_TRUE(absl::StrContains(WhyNot(workspace, file, limits), "x.nii: " + why))
        << WhyNot(workspace, file, limits) << "\ninstead of " << why;
  };
  NiftiFile file;
  file.voxels = Counting(24);
  for (const int version : {1, 2}) {
    file.version = version;
    NiftiFile other = file;
    other.type = NiftiFile::kComplex64;
    refused(other, "voxels of type COMPLEX64");
    other.type = NiftiFile::kRgb24;
    refused(other, "voxels of type RGB24");
    other.type = 12345;
    refused(other, "voxels of type");
    other = file;
    other.extents = {4, 3, 1, 2};
    refused(other, "has 2 volumes");
    other.extents = {8, 3};
    refused(other, "a picture, not a volume");
    other.extents = {4, -3, 2};
    refused(other, "an extent of -3");
    other.extents = {32767, 32767, 32767};
    refused(other, "32767x32767x32767 voxels, more than max_voxels");
    other.extents = {4, 3, 2000};
    refused(other, "cut short");
    other = file;
    other.voxels.pop_back();
    refused(other, "cut short");
    other.gzip = true;
    refused(other, "cut short");
    refused(file, "slices of 4x3 pixels, more than max_pixels (11)", {11, 1000});
    refused(file, "4x3x2 voxels, more than max_voxels (23)", {1000, 23});
  }
  // 2^62 voxels along an axis: products overflow.
  file.extents = {int64_t{1} << 62, int64_t{1} << 62, 4};
  refused(file, "4611686018427387904x4611686018427387904x4 voxels, more than max_voxels");
  mkfifo("pipe.nii", 0600);
  EXPECT_EQ(datasets::ReadNiftiVolume("pipe.nii", {}).status().message(),
            "pipe.nii: not a regular file");
  EXPECT_TRUE(absl::StrContains(datasets::ReadNiftiVolume("none.nii", {}).status().message(),
                                "none.nii: No such file"));
}

TEST(HostileNifti, WrongChecksumIsDamage) {
  const Workspace workspace;
  NiftiFile file;
  file.voxels = Counting(24);
  file.gzip = true;
  std::string bytes = file.Bytes();
  bytes[bytes.size() - 6] ^= 1;  // the CRC is the last eight bytes' first half
  EXPECT_TRUE(absl::StrContains(ReadBytes(workspace, "x.nii.gz", bytes).status().message(),
                                "x.nii.gz: damaged gzip data"));
}

// No prefix of a file and no change of a few bytes crashes, hangs, or passes for a larger volume
// than the limits allow.
TEST(HostileNifti, AnyBytesGiveAVolumeOrAReason) {
  const Workspace workspace;
  std::mt19937 random(1);
  const datasets::VolumeLimits limits = {1 << 10, 1 << 12};
  for (int kind = 0; kind < 4; ++kind) {
    NiftiFile file;
    file.voxels = Counting(24);
    file.version = 1 + kind % 2;
    file.gzip = kind / 2 == 1;
    file.sform = {1, 0, 0, 0, 0, 1, 0, 0, 0, 0, 1, 0};
    const std::string bytes = file.Bytes();
    for (size_t size = 0; size < bytes.size(); size += 7) {
      EXPECT_FALSE(ReadBytes(workspace, "x.nii", bytes.substr(0, size), limits).ok()) << size;
    }
    for (int i = 0; i < 400; ++i) {
      std::string changed = bytes;
      for (int j = 0; j < 3; ++j) changed[random() % changed.size()] = static_cast<char>(random());
      const auto volume = ReadBytes(workspace, "x.nii", changed, limits);
      if (volume.ok()) {
        EXPECT_LE(volume->voxels.size(), 1U << 12);
      } else {
        EXPECT_TRUE(absl::StartsWith(volume.status().message(), "x.nii: ")) << volume.status();
      }
    }
  }
}

TEST(HostileNifti, SharedFilesAreNamedInBoundedMemory) {
  if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  const std::string folder = SharedData() + "/corrupt/nifti/";
  rusage before = {}, after = {};
  getrusage(RUSAGE_SELF, &before);
  const std::vector<std::pair<std::string, std::string>> cases = {
      {"bad_magic.nii.gz", "not NIfTI: no magic number in the header"},
      {"data_truncated.nii", "cut short: 100000 bytes cannot hold 35712000 bytes of voxels"},
      {"dtype_complex64.nii.gz", "voxels of type COMPLEX64"},
      {"header_only.nii", "cut short: 348 bytes cannot hold 35712000 bytes of voxels"},
      {"huge_dims.nii.gz", "32767x32767x32767 voxels, more than max_voxels"},
      {"truncated_gz.nii.gz", "cut short: the gzip data have no end"}};
  for (const auto& [name, why] : cases) {
    const auto volume = datasets::ReadNiftiVolume(folder + name, {});
    EXPECT_TRUE(absl::StartsWith(volume.status().message(), folder + name + ": " + why))
        << volume.status();
  }
  getrusage(RUSAGE_SELF, &after);
  // In KiB. The largest honest claim among them is 34 MiB of voxels (a float32 BraTS volume).
  EXPECT_LE(after.ru_maxrss - before.ru_maxrss, 64 << 10);
  // Plain NIfTI under a name that ends in .gz: read, as a PNG called .jpg is.
  EXPECT_TRUE(datasets::ReadNiftiVolume(folder + "not_gzip.nii.gz", {}).ok());
}

TEST(NiftiVolume, ReadsTheRealFiles) {
  if (SharedData().empty()) GTEST_SKIP() << "SHARED_DATA is not set";
  const std::string folder = SharedData() + "/nifti/";
  const auto anatomical = datasets::ReadNiftiVolume(folder + "nibabel/anatomical.nii", {});
  ASSERT_TRUE(anatomical.ok()) << anatomical.status();  // big-endian int16
  EXPECT_EQ(anatomical->slices, 25);
  EXPECT_EQ(anatomical->rows, 41);
  EXPECT_EQ(anatomical->columns, 33);
  const auto someone = datasets::ReadNiftiVolume(folder + "nibabel/someones_anatomy.nii.gz", {});
  ASSERT_TRUE(someone.ok()) << someone.status();
  EXPECT_TRUE(absl::StrContains(
      datasets::ReadNiftiVolume(folder + "nibabel/example4d.nii.gz", {}).status().message(),
      "has 2 volumes"));
  EXPECT_TRUE(absl::StrContains(
      datasets::ReadNiftiVolume(folder + "nibabel/example_nifti2.nii.gz", {}).status().message(),
      "has 2 volumes"));
  const std::string pat = folder + "brats2015_deepmedic/brats_2013_pat0006_1/";
  const auto brain = datasets::ReadNiftiVolume(pat + "brainmask.nii.gz", {});
  ASSERT_TRUE(brain.ok()) << brain.status();
  const auto mask = datasets::LabelsOf(*brain, "brainmask");
  ASSERT_TRUE(mask.ok()) << mask.status();
  // Counted with Python's gzip and array modules: 1084095 of the 8928000 voxels are brain.
  EXPECT_EQ(std::count(mask->begin(), mask->end(), 1), 1084095);
  EXPECT_EQ(std::count(mask->begin(), mask->end(), 0), 8928000 - 1084095);
}

}  // namespace
