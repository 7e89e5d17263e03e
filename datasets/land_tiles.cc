// Counts of classes, tile by tile.
#include "datasets/land_tiles.h"

#include <algorithm>
#include <array>
#include <opencv2/core.hpp>
#include <optional>

#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

using Counts = std::array<int64_t, kLandClasses>;  // pixels of each class

// By the documentation of DeepGlobe 2018, in the order of the classes, then unknown.
constexpr std::array<MaskColor, kLandClasses + 1> kColors = {{{0, 255, 255, 0},
                                                              {255, 255, 0, 1},
                                                              {255, 0, 255, 2},
                                                              {0, 255, 0, 3},
                                                              {0, 0, 255, kWaterClass},
                                                              {255, 255, 255, 5},
                                                              {0, 0, 0, kIgnoredMask}}};

// What is counted of one mask.
struct Seen {
  std::vector<ImageFile> files;
  int64_t tiles = 0, unknown = 0, unclear = 0, stray = 0;
};

Counts Count(const cv::Mat& classes) {
  std::array<int64_t, 256> counts = {};
  for (int y = 0; y < classes.rows; ++y) {
    const auto* row = classes.ptr<uint8_t>(y);
    for (int x = 0; x < classes.cols; ++x) ++counts[row[x]];
  }
  Counts known = {};
  std::copy_n(counts.begin(), kLandClasses, known.begin());
  return known;
}

// The grid of tile_size.
std::vector<cv::Rect> Tiles(cv::Size image, int tile_size) {
  if (tile_size == 0) return {cv::Rect({}, image)};
  const int width = std::min(tile_size, image.width), height = std::min(tile_size, image.height);
  std::vector<cv::Rect> tiles;
  for (int y = 0; y + height <= image.height; y += height) {
    for (int x = 0; x + width <= image.width; x += width) tiles.emplace_back(x, y, width, height);
  }
  return tiles;
}

// The label by the task; nothing where no class is clear. Of equal counts the first class wins.
std::optional<int64_t> Label(const DeepglobeOptions& options, const Counts& counts, int64_t known,
                             int64_t pixels) {
  switch (options.task()) {
    case DeepglobeOptions::MULTICLASS: {
      const auto most = std::max_element(counts.begin(), counts.end());
      const double needed = options.minimum_cover() * static_cast<double>(pixels);
      if (static_cast<double>(*most) < needed) return std::nullopt;
      return most - counts.begin();
    }
    case DeepglobeOptions::BINARY: {
      const double limit = options.water_share() * static_cast<double>(known);
      return static_cast<double>(counts[kWaterClass]) > limit ? 1 : 0;
    }
    default:
      return 0;
  }
}

Seen Look(const DeepglobeOptions& options, const MaskPair& pair, const Mask& mask) {
  Seen seen;
  seen.stray = mask.stray;
  for (const cv::Rect& tile : Tiles(mask.classes.size(), options.tile_size())) {
    ++seen.tiles;
    const Counts counts = Count(mask.classes(tile));
    int64_t known = 0;
    for (const int64_t count : counts) known += count;
    if (known == 0) {
      ++seen.unknown;
      continue;
    }
    const std::optional<int64_t> label = Label(options, counts, known, tile.area());
    if (!label.has_value()) {
      ++seen.unclear;
      continue;
    }
    ImageFile file;
    file.path = pair.image;
    file.label = *label;
    file.mask = pair.mask;
    if (options.tile_size() > 0) file.tile = tile;
    seen.files.push_back(std::move(file));
  }
  return seen;
}

// Reads masks by `colors`.
ReadMask Reader(std::vector<MaskColor> colors) {
  return [colors = std::move(colors)](const std::string& path, int64_t max_pixels) {
    return ReadColorMask(path, colors, max_pixels);
  };
}

}  // namespace

ReadMask LandReader(const DeepglobeOptions& options) {
  std::vector<MaskColor> colors(kColors.begin(), kColors.end());
  if (options.task() == DeepglobeOptions::BINARY_PIXELS) {
    for (MaskColor& color : colors) {
      if (color.meaning != kIgnoredMask) color.meaning = color.meaning == kWaterClass ? 1 : 0;
    }
  }
  return Reader(std::move(colors));
}

std::vector<ImageFile> LandTiles::Cut(const std::vector<MaskPair>& pairs) {
  std::vector<Seen> seen(pairs.size());
  const std::vector<absl::Status> read =
      LookAtMasks(pairs, Reader({kColors.begin(), kColors.end()}), max_pixels_,
                  [&](size_t i, const Mask& mask) { seen[i] = Look(options_, pairs[i], mask); });
  std::vector<ImageFile> files;
  for (size_t i = 0; i < pairs.size(); ++i) {
    ++masks_;
    if (!read[i].ok()) unusable_.emplace_back(read[i].message());
    tiles_ += seen[i].tiles;
    unknown_ += seen[i].unknown;
    unclear_ += seen[i].unclear;
    stray_ += seen[i].stray;
    if (seen[i].stray > 0) with_stray_.push_back(pairs[i].mask);
    files.insert(files.end(), seen[i].files.begin(), seen[i].files.end());
  }
  return files;
}

void LandTiles::Note(std::vector<std::string>* notes) const {
  const char* what = options_.tile_size() > 0 ? " tiles" : " images";
  NoteMany("image", "without a usable mask, left out", unusable_, notes);
  if (unclear_ > 0) {
    notes->push_back(absl::StrCat(unclear_, " of ", tiles_, what,
                                  " left out: no class covers minimum_cover (",
                                  options_.minimum_cover(), ") of them"));
  }
  if (unknown_ > 0) {
    notes->push_back(absl::StrCat(unknown_, " of ", tiles_, what,
                                  " left out: their masks say unknown everywhere"));
  }
  NoteMany("mask", absl::StrCat("with ", stray_, " pixels of no class's color, ignored"),
           with_stray_, notes);
}

}  // namespace datasets
