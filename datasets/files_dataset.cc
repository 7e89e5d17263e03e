// Folders of images.
#include "datasets/files_dataset.h"

#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/image_file.h"
#include "pipeline/files.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = size_t{1} << 30;

absl::StatusOr<std::vector<std::string>> List(const std::string& folder, bool folders) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (absl::StartsWith(name, ".")) continue;
    std::error_code ignored;
    if (folders ? at->is_directory(ignored) : HasImageName(name) && !at->is_directory(ignored)) {
      paths.push_back(at->path().string());
    }
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

// A number for each file, equal where the bytes are. Only files of equal length are read.
std::vector<int64_t> ContentGroups(const std::vector<ImageFile>& files) {
  std::map<uintmax_t, std::vector<size_t>> by_length;
  for (size_t i = 0; i < files.size(); ++i) {
    std::error_code error;
    const uintmax_t length = fs::file_size(files[i].path, error);
    if (!error) by_length[length].push_back(i);
  }
  std::vector<int64_t> groups(files.size());
  std::iota(groups.begin(), groups.end(), int64_t{0});
  for (const auto& [length, same] : by_length) {
    if (same.size() < 2) continue;
    std::map<std::pair<uint64_t, uint64_t>, int64_t> first;
    for (const size_t i : same) {
      const auto bytes = pipeline::ReadFile(files[i].path, kMaxFileBytes);
      if (!bytes.ok()) continue;
      const XXH128_hash_t hash = XXH3_128bits(bytes->data(), bytes->size());
      groups[i] = first.emplace(std::make_pair(hash.high64, hash.low64), groups[i]).first->second;
    }
  }
  return groups;
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& folder) {
  return List(folder, true);
}

absl::StatusOr<std::vector<std::string>> ListImages(const std::string& folder) {
  return List(folder, false);
}

std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (auto i = static_cast<uint64_t>(n); i > 1; --i) {
    std::swap(order[i - 1], order[pipeline::Hash({seed, i}) % i]);
  }
  return order;
}

std::vector<ImageFile> SplitOff(double fraction, uint64_t seed, std::vector<ImageFile>* files) {
  if (fraction <= 0) return {};
  const std::vector<int64_t> groups = ContentGroups(*files);
  std::map<int64_t, std::vector<size_t>> members;
  std::map<int64_t, int64_t> wanted;  // by class
  for (size_t i = 0; i < files->size(); ++i) {
    members[groups[i]].push_back(i);
    ++wanted[(*files)[i].label];
  }
  for (auto& [label, count] : wanted) count = std::llround(fraction * static_cast<double>(count));
  std::vector<bool> moved(files->size());
  for (const int64_t i : ShuffledIndices(static_cast<int64_t>(files->size()), seed)) {
    // A group goes as a whole, counted for the class of the member that came up.
    if (moved[i] || wanted[(*files)[i].label] <= 0) continue;
    for (const size_t member : members[groups[i]]) {
      moved[member] = true;
      --wanted[(*files)[member].label];
    }
  }
  std::vector<ImageFile> kept, split;
  for (size_t i = 0; i < files->size(); ++i) {
    (moved[i] ? split : kept).push_back(std::move((*files)[i]));
  }
  *files = std::move(kept);
  return split;
}

void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info) {
  for (int phase = 0; phase < pipeline::kPhases; ++phase) {
    info->images[phase] = static_cast<int64_t>(labels[phase].size());
    info->class_counts[phase].assign(info->classes.size(), 0);
    for (const int64_t label : labels[phase]) ++info->class_counts[phase][label];
  }
}

FilesDataset::FilesDataset(pipeline::DataInfo info, int64_t max_pixels,
                           std::array<std::vector<ImageFile>, pipeline::kPhases> files)
    : info_(std::move(info)), max_pixels_(max_pixels), files_(std::move(files)) {
  std::array<std::vector<int64_t>, pipeline::kPhases> labels;
  for (int phase = 0; phase < pipeline::kPhases; ++phase) {
    for (const ImageFile& file : files_[phase]) labels[phase].push_back(file.label);
  }
  CountClasses(labels, &info_);
}

absl::StatusOr<Sample> FilesDataset::Read(pipeline::Phase phase, int64_t index, int size) const {
  const ImageFile& file = At(phase, index);
  absl::StatusOr<cv::Mat> image = ReadImage(file.path, max_pixels_, size);
  if (!image.ok()) return image.status();
  return Sample{*std::move(image), {}, file.label};
}

absl::Status FilesDataset::CheckHeader(pipeline::Phase phase, int64_t index) const {
  return CheckImageHeader(At(phase, index).path, max_pixels_);
}

std::string FilesDataset::Name(pipeline::Phase phase, int64_t index) const {
  return At(phase, index).path;
}

}  // namespace datasets
