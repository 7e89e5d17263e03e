// Pairing by name, and reading of many masks.
#include "datasets/masks/mask_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <opencv2/core.hpp>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/masks/recent_masks.h"
#include "pipeline/all_cores.h"
#include "pipeline/exceptions.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr size_t kRecentBytes = size_t{256} << 20;  // those of 2,000 images of 2448x2448

std::string LowerName(const std::string& path) {
  return absl::AsciiStrToLower(fs::path(path).filename().string());
}

bool IsJpeg(const std::string& path) {
  const std::string name = LowerName(path);
  for (const char* extension : {".jpg", ".jpeg", ".jpe", ".jfif"}) {
    if (absl::EndsWith(name, extension)) return true;
  }
  return false;
}

}  // namespace

Pairs JoinByKey(const std::vector<std::string>& images, const std::vector<std::string>& masks,
                const std::function<std::string(const std::string& path)>& key) {
  std::map<std::string, std::string> mask_of;
  for (const std::string& mask : masks) {
    const auto [at, added] = mask_of.emplace(key(mask), mask);
    if (!added && IsJpeg(at->second) && !IsJpeg(mask)) at->second = mask;
  }
  Pairs joined;
  std::set<std::string> keys;
  for (const std::string& image : images) {
    const auto found = mask_of.find(*keys.insert(key(image)).first);
    if (found == mask_of.end()) {
      joined.images_alone.push_back(image);
    } else {
      joined.pairs.push_back({image, found->second});
    }
  }
  for (const auto& [of, mask] : mask_of) {
    if (keys.count(of) == 0) joined.masks_alone.push_back(mask);
  }
  return joined;
}

absl::StatusOr<Mask> ReadPair(const MaskPair& pair, const ReadMask& read, int64_t max_pixels) {
  absl::StatusOr<Mask> mask = read(pair.mask, max_pixels);
  if (!mask.ok()) return mask;
  const absl::Status same = CheckMaskSize(pair.mask, mask->classes.size(), pair.image, max_pixels);
  if (!same.ok()) return same;
  return mask;
}

std::vector<absl::Status> LookAtMasks(
    const std::vector<MaskPair>& pairs, const ReadMask& read, int64_t max_pixels,
    const std::function<void(size_t index, const Mask& mask)>& look) {
  std::vector<absl::Status> statuses(pairs.size());
  pipeline::OnAllCores(pairs.size(), [&](size_t i) {
    statuses[i] = pipeline::Caught([&] {
      const absl::StatusOr<Mask> mask = ReadPair(pairs[i], read, max_pixels);
      if (mask.ok()) look(i, *mask);
      return mask.status();
    });
    // What was thrown knows no file.
    if (absl::IsInternal(statuses[i]) || absl::IsResourceExhausted(statuses[i])) {
      statuses[i] = absl::InternalError(absl::StrCat(pairs[i].mask, ": ", statuses[i].message()));
    }
  });
  return statuses;
}

MaskReader MakeMaskReader(ReadMask read) {
  const auto recent = std::make_shared<RecentMasks>(kRecentBytes);
  return [read = std::move(read), recent](const ImageFile& file,
                                          int64_t max_pixels) -> absl::StatusOr<cv::Mat> {
    const auto whole = [&]() -> absl::StatusOr<cv::Mat> {
      absl::StatusOr<Mask> mask = ReadPair({file.path, file.mask}, read, max_pixels);
      if (!mask.ok()) return mask.status();
      return std::move(mask->classes);
    };
    if (file.tile.empty()) return whole();
    const auto mask = recent->Get(file.mask, whole);
    if (!mask.ok()) return mask.status();
    if ((file.tile & cv::Rect({}, (*mask)->size())) != file.tile) {
      return absl::InvalidArgumentError(
          absl::StrCat(file.mask, ": smaller than when the dataset was opened"));
    }
    return (*mask)->Part(file.tile);
  };
}

}  // namespace datasets
