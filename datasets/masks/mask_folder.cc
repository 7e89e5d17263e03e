// Pairing by name, and reading of many masks.
#include "datasets/masks/mask_folder.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <memory>
#include <mutex>
#include <opencv2/core.hpp>
#include <optional>
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

// A mask is checked against its image, so that both are what it depends on.
std::optional<FileFacts::Moment> MomentOf(const MaskPair& pair, const std::string& name,
                                          const FileFacts& facts) {
  const auto mask = facts.MomentOf(name, pair.mask), image = facts.MomentOf(name, pair.image);
  if (!mask.has_value() || !image.has_value()) return std::nullopt;
  const auto key = FileFacts::KeyOf(
      absl::StrCat(mask->key.low, " ", mask->key.high, " ", image->key.low, " ", image->key.high));
  return FileFacts::Moment{key, mask->settled && image->settled};
}

absl::Status LookAnew(const MaskPair& pair, size_t index, const MaskLook& look,
                      const std::string& name, int64_t max_pixels, FileFacts* facts) {
  const auto before = MomentOf(pair, name, *facts);
  const absl::Status status = pipeline::Caught([&] {
    const absl::StatusOr<Mask> mask = ReadPair(pair, look.read, max_pixels);
    if (!mask.ok()) return mask.status();
    std::string text = look.describe(*mask);
    look.take(index, text);
    const auto after = MomentOf(pair, name, *facts);
    const bool same = before.has_value() && after.has_value() && before->key == after->key;
    if (same && before->settled) facts->Add(before->key, std::move(text));
    return absl::OkStatus();
  });
  // What was thrown knows no file.
  const bool thrown = absl::IsInternal(status) || absl::IsResourceExhausted(status);
  return thrown ? absl::InternalError(absl::StrCat(pair.mask, ": ", status.message())) : status;
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

std::vector<absl::Status> LookAtMasks(const std::vector<MaskPair>& pairs, const MaskLook& look,
                                      const DatasetContext& context, FileFacts* facts) {
  const std::string name =
      absl::StrCat(look.name, ", OpenCV " CV_VERSION ", max_pixels ", context.max_pixels);
  std::vector<absl::Status> statuses(pairs.size());
  std::vector<char> known(pairs.size());
  pipeline::OnAllCores(pairs.size(), [&](size_t i) {
    const auto moment = MomentOf(pairs[i], name, *facts);
    const auto text = moment.has_value() ? facts->Find(moment->key) : std::nullopt;
    known[i] = text.has_value() && look.take(i, *text) ? 1 : 0;
  });
  std::vector<size_t> unknown;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (known[i] == 0) unknown.push_back(i);
  }
  std::mutex mutex;
  int64_t done = 0;
  pipeline::OnAllCores(unknown.size(), [&](size_t k) {
    const size_t i = unknown[k];
    statuses[i] = LookAnew(pairs[i], i, look, name, context.max_pixels, facts);
    const std::lock_guard<std::mutex> lock(mutex);
    ++done;
    if (context.progress) context.progress(done, static_cast<int64_t>(unknown.size()));
    facts->SaveNowAndThen();
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
