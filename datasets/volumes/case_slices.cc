// Interleaving of volumes into slices.
#include "datasets/volumes/case_slices.h"

#include <xxhash.h>

#include <algorithm>
#include <utility>

#include "absl/strings/str_cat.h"
#include "datasets/volumes/volume_slices.h"

namespace datasets {
namespace {

std::string Extents(const Volume& volume) {
  return absl::StrCat(volume.columns, "x", volume.rows, "x", volume.slices);
}

bool SameExtents(const Volume& a, const Volume& b) {
  return a.columns == b.columns && a.rows == b.rows && a.slices == b.slices;
}

}  // namespace

absl::StatusOr<CaseSlices> StoreCase(const ReadVolume& read, int modalities,
                                     const SliceRules& rules, SliceStore* store) {
  Volume shape;  // of the first modality, without its voxels
  std::string first;
  std::vector<double> foreground;
  std::vector<uint8_t> pixels, labels;
  for (int i = 0; i <= modalities; ++i) {
    auto next = read(i, i == 0 ? std::nullopt : std::optional(shape.orientation));
    if (!next.ok()) return next.status();
    const Volume& volume = next->volume;
    if (i == 0) {
      foreground = Foreground(volume);
      shape = {volume.slices, volume.rows, volume.columns, volume.orientation, {}};
      first = next->path;
      pixels.resize(volume.voxels.size() * modalities);
    } else if (!SameExtents(volume, shape)) {
      return absl::InvalidArgumentError(absl::StrCat(
          next->path, ": ", Extents(volume), " voxels, but ", first, " has ", Extents(shape)));
    }
    if (i < modalities) {
      const std::vector<uint8_t> windowed = Windowed(volume);
      for (size_t at = 0; at < windowed.size(); ++at) pixels[at * modalities + i] = windowed[at];
    } else {
      auto found = LabelsOf(volume, next->path);
      if (!found.ok()) return found.status();
      labels = *std::move(found);
    }
  }
  CaseSlices kept;
  kept.fingerprint = XXH3_64bits(pixels.data(), pixels.size());
  const int64_t area = shape.rows * shape.columns;
  std::vector<uint8_t> bytes;
  for (int64_t i = 0; i < shape.slices; i += rules.every_nth) {
    if (foreground[i] < rules.min_foreground) continue;
    const auto first_label = labels.begin() + i * area;
    bytes.assign(pixels.begin() + i * area * modalities,
                 pixels.begin() + (i + 1) * area * modalities);
    bytes.insert(bytes.end(), first_label, first_label + area);
    const auto offset = store->Append(bytes.data(), static_cast<int64_t>(bytes.size()));
    if (!offset.ok()) return offset.status();
    for (auto label = first_label; label != first_label + area; ++label) kept.labels.set(*label);
    const int64_t labelled = area - std::count(first_label, first_label + area, uint8_t{0});
    kept.slices.push_back({*offset, static_cast<int>(i), static_cast<int>(shape.rows),
                           static_cast<int>(shape.columns), labelled});
  }
  return kept;
}

absl::StatusOr<LoadedSlice> LoadSlice(const StoredSlice& slice, int modalities,
                                      const SliceStore& store) {
  LoadedSlice loaded = {cv::Mat(slice.rows, slice.columns, CV_8UC(modalities)),
                        cv::Mat(slice.rows, slice.columns, CV_8UC1)};
  const int64_t area = int64_t{slice.rows} * slice.columns;
  absl::Status status = store.Read(slice.offset, loaded.image.data, area * modalities);
  if (status.ok()) {
    status = store.Read(slice.offset + area * modalities, loaded.labels.data, area);
  }
  if (!status.ok()) return status;
  return loaded;
}

}  // namespace datasets
