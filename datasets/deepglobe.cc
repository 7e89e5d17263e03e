// DeepGlobe's land cover: pairs by their names, and counts of classes, tile by tile.
#include <algorithm>
#include <array>
#include <filesystem>
#include <opencv2/core.hpp>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
#include "datasets/deepglobe.pb.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/images/tiles.h"
#include "datasets/masks/mask_folder.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

// urban, agriculture, rangeland, forest, water, barren.
constexpr int kLandClasses = 6;
constexpr uint8_t kWaterClass = 4;

// Tiles of a few pixels would be millions.
constexpr int kLeastTile = 8;

constexpr char kImageEnd[] = "_sat", kMaskEnd[] = "_mask";

std::string Stem(const std::string& path) {
  return absl::AsciiStrToLower(fs::path(path).stem().string());
}

// "0008" of both 0008_sat.jpg and 0008_mask.png.
std::string Number(const std::string& path) {
  const std::string stem = Stem(path);
  return stem.substr(0, stem.rfind('_'));
}

// The pairs of a folder; what is none is named in `notes`.
absl::StatusOr<std::vector<MaskPair>> FindPairs(const std::string& folder, Listing* listing,
                                                std::vector<std::string>* notes) {
  const auto paths = listing->Images(folder);
  if (!paths.ok()) return paths.status();
  std::vector<std::string> images, masks, others;
  for (const std::string& path : *paths) {
    auto& kind = absl::EndsWith(Stem(path), kImageEnd)  ? images
                 : absl::EndsWith(Stem(path), kMaskEnd) ? masks
                                                        : others;
    kind.push_back(path);
  }
  NoteMany("image", "named neither ..._sat nor ..._mask, left out", others, notes);
  if (masks.empty() && !images.empty()) {
    notes->push_back(
        absl::StrCat("left out, as it has no masks: ", folder, " (", images.size(), " images)"));
    return std::vector<MaskPair>();
  }
  Pairs joined = JoinByKey(images, masks, Number);
  NoteMany("image", "without a mask, left out", joined.images_alone, notes);
  NoteMany("mask", "without an image", joined.masks_alone, notes);
  return std::move(joined.pairs);
}

pipeline::Task TaskOf(const DeepglobeOptions& options) {
  if (options.task() == DeepglobeOptions::BINARY) return pipeline::Task::kBinary;
  return options.task() == DeepglobeOptions::MULTICLASS ? pipeline::Task::kMulticlass
                                                        : pipeline::Task::kSegmentation;
}

using Counts = std::array<int64_t, kLandClasses>;  // pixels of each class

// By the documentation of DeepGlobe 2018, in the order of the classes, then unknown.
constexpr std::array<MaskColor, kLandClasses + 1> kColors = {{{0, 255, 255, 0},
                                                              {255, 255, 0, 1},
                                                              {255, 0, 255, 2},
                                                              {0, 255, 0, 3},
                                                              {0, 0, 255, kWaterClass},
                                                              {255, 255, 255, 5},
                                                              {0, 0, 0, kIgnoredMask}}};

// What is to be known of a mask.
struct LandMask {
  int64_t stray = 0;
  cv::Size size;
  std::vector<Counts> tiles;
};

// What becomes of one mask.
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

std::string TextOf(const Mask& mask, int tile_size) {
  std::string text = absl::StrCat(mask.stray, " ", mask.classes.cols, " ", mask.classes.rows);
  for (const cv::Rect& tile : Tiles(mask.classes.size(), tile_size)) {
    for (const int64_t count : Count(mask.classes(tile))) absl::StrAppend(&text, " ", count);
  }
  return text;
}

bool ParseLandMask(const std::string& text, int tile_size, LandMask* mask) {
  constexpr size_t kBefore = 3;  // the counts
  std::vector<int64_t> numbers;
  for (const absl::string_view number : absl::StrSplit(text, ' ')) {
    if (!absl::SimpleAtoi(number, &numbers.emplace_back())) return false;
  }
  if (numbers.size() <= kBefore || (numbers.size() - kBefore) % kLandClasses != 0) return false;
  mask->stray = numbers[0];
  mask->size = {static_cast<int>(numbers[1]), static_cast<int>(numbers[2])};
  mask->tiles.resize((numbers.size() - kBefore) / kLandClasses);
  for (size_t i = 0; i < mask->tiles.size(); ++i) {
    std::copy_n(numbers.begin() + kBefore + i * kLandClasses, kLandClasses, mask->tiles[i].begin());
  }
  return CountTiles(mask->size, tile_size) == static_cast<int64_t>(mask->tiles.size());
}

Seen Look(const DeepglobeOptions& options, const MaskPair& pair, const LandMask& mask) {
  Seen seen;
  seen.stray = mask.stray;
  for (const cv::Rect& tile : Tiles(mask.size, options.tile_size())) {
    const Counts& counts = mask.tiles[seen.tiles++];
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

// Masks by the task's classes; unknown is ignored.
ReadMask LandReader(const DeepglobeOptions& options) {
  std::vector<MaskColor> colors(kColors.begin(), kColors.end());
  if (options.task() == DeepglobeOptions::BINARY_PIXELS) {
    for (MaskColor& color : colors) {
      if (color.meaning != kIgnoredMask) color.meaning = color.meaning == kWaterClass ? 1 : 0;
    }
  }
  return Reader(std::move(colors));
}

// Makes samples of pairs, by reading their masks.
class LandTiles {
 public:
  // All but the options outlive this.
  LandTiles(const DeepglobeOptions& options, const DatasetContext& context, FileFacts* facts)
      : options_(options), context_(context), facts_(*facts) {}

  // The images of a folder, or their tiles, with labels by the task. Left out are those without a
  // usable mask, those without a known pixel, and (MULTICLASS) those of no clear class.
  std::vector<ImageFile> Cut(const std::vector<MaskPair>& pairs);

  // Says what was left out and ignored in all folders so far.
  void Note(std::vector<std::string>* notes) const;
  // Pairs so far.
  int64_t masks() const { return masks_; }

 private:
  const DeepglobeOptions options_;
  const DatasetContext& context_;
  FileFacts& facts_;
  int64_t masks_ = 0, tiles_ = 0, unknown_ = 0, unclear_ = 0, stray_ = 0;
  std::vector<std::string> with_stray_, unusable_;
};

std::vector<ImageFile> LandTiles::Cut(const std::vector<MaskPair>& pairs) {
  std::vector<Seen> seen(pairs.size());
  const int tile_size = options_.tile_size();
  const MaskLook look = {absl::StrCat("land mask 1, tiles of ", tile_size),
                         Reader({kColors.begin(), kColors.end()}),
                         [&](const Mask& mask) { return TextOf(mask, tile_size); },
                         [&](size_t i, const std::string& text) {
                           LandMask mask;
                           if (!ParseLandMask(text, tile_size, &mask)) return false;
                           seen[i] = Look(options_, pairs[i], mask);
                           return true;
                         }};
  const std::vector<absl::Status> read = LookAtMasks(pairs, look, context_, &facts_);
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

}  // namespace

class Deepglobe : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const DeepglobeOptions& options,
                                                         const DatasetContext& context) {
    pipeline::DataInfo info;
    info.dataset = "deepglobe";
    info.origin = options.root();
    info.task = TaskOf(options);
    const DrawnDomain drawn = options.task() == DeepglobeOptions::BINARY_PIXELS
                                  ? DrawnDomain::kWater
                                  : DrawnDomain::kLand;
    info.classes = DrawnClasses(drawn, info.task);
    if (options.root().empty()) return OpenEmbeddedSample(info.dataset, drawn, info.task, context);
    if (options.tile_size() > 0 && options.tile_size() < kLeastTile) {
      return pipeline::OptionError(
          "tile_size", absl::StrCat("tile_size: ", options.tile_size(),
                                    ", but tiles have at least ", kLeastTile, " pixels each way"));
    }
    const absl::Status there = CheckRoot(options.root());
    if (!there.ok()) return there;
    FilesOptions how;
    how.facts = FactsAbout(info.origin, context.facts, context.write_split);
    auto files = Find(options, context, how.facts.get(), &info);
    if (!files.ok()) return RootError(files.status().message());
    how.look = options.duplicates() != Duplicates::UNCHECKED;
    how.drop_copies = options.duplicates() == Duplicates::DROP_FROM_TRAIN;
    if (info.task == pipeline::Task::kSegmentation) {
      how.read_mask = MakeMaskReader(LandReader(options));
    }
    return OpenFiles(std::move(info), *std::move(files), std::move(how), context);
  }

 private:
  static absl::StatusOr<SourceFiles> Find(const DeepglobeOptions& options,
                                          const DatasetContext& context, FileFacts* facts,
                                          pipeline::DataInfo* info) {
    Listing listing;
    LandTiles tiles(options, context, facts);
    auto files =
        FindSplits(options.root(), &info->notes,
                   [&](const std::string& folder) -> absl::StatusOr<std::vector<ImageFile>> {
                     const auto pairs = FindPairs(folder, &listing, &info->notes);
                     if (!pairs.ok()) return pairs.status();
                     return tiles.Cut(*pairs);
                   });
    if (!files.ok()) return files;
    tiles.Note(&info->notes);
    listing.Note(&info->notes);
    if (tiles.masks() == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("no pairs of NNNN_sat.jpg and NNNN_mask.png in ", options.root(),
                       " or its folders train, valid and test"));
    }
    const absl::Status enough = CheckClasses(*files, *info);
    if (!enough.ok()) return enough;
    return files;
  }
};

REGISTER_PLUGIN(Datasets, Deepglobe);

}  // namespace datasets
