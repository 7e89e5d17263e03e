// DeepGlobe's land cover.
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/deepglobe.pb.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/land_tiles.h"
#include "datasets/masks/mask_folder.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

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
absl::StatusOr<std::vector<MaskPair>> FindPairs(const std::string& folder,
                                                std::vector<std::string>* notes) {
  const auto paths = ListImages(folder);
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
    std::error_code error;
    if (!fs::is_directory(options.root(), error)) {
      return pipeline::OptionError("root", absl::StrCat("root: no folder ", options.root()));
    }
    auto files = Find(options, context, &info);
    if (!files.ok()) {
      return pipeline::OptionError("root", absl::StrCat("root: ", files.status().message()));
    }
    FilesOptions how;
    how.drop_copies = options.duplicates() == DeepglobeOptions::DROP_FROM_TRAIN;
    if (info.task == pipeline::Task::kSegmentation) {
      how.read_mask = MakeMaskReader(LandReader(options));
    }
    return OpenFiles(std::move(info), *std::move(files), std::move(how), context);
  }

 private:
  static absl::StatusOr<SourceFiles> Find(const DeepglobeOptions& options,
                                          const DatasetContext& context, pipeline::DataInfo* info) {
    LandTiles tiles(options, context.max_pixels);
    auto files =
        FindSplits(options.root(), &info->notes,
                   [&](const std::string& folder) -> absl::StatusOr<std::vector<ImageFile>> {
                     const auto pairs = FindPairs(folder, &info->notes);
                     if (!pairs.ok()) return pairs.status();
                     return tiles.Cut(*pairs);
                   });
    if (!files.ok()) return files;
    tiles.Note(&info->notes);
    if (tiles.masks() == 0) {
      return absl::InvalidArgumentError(
          absl::StrCat("no pairs of NNNN_sat.jpg and NNNN_mask.png in ", options.root(),
                       " or its folders train, valid and test"));
    }
    const absl::Status any = CheckAny(*files, *info);
    if (!any.ok()) return any;
    const absl::Status enough = CheckClasses(*files, *info);
    if (!enough.ok()) return enough;
    return files;
  }
};

REGISTER_PLUGIN(Datasets, Deepglobe);

}  // namespace datasets
