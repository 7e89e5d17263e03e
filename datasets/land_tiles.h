// What the masks of a land-cover dataset say about images and tiles.
#ifndef DATASETS_LAND_TILES_H_
#define DATASETS_LAND_TILES_H_

#include <string>
#include <vector>

#include "datasets/deepglobe.pb.h"
#include "datasets/masks/mask_folder.h"

namespace datasets {

// urban, agriculture, rangeland, forest, water, barren.
constexpr int kLandClasses = 6;
constexpr uint8_t kWaterClass = 4;

// Masks by the task's classes; unknown is ignored.
ReadMask LandReader(const DeepglobeOptions& options);

// Makes samples of pairs, by reading their masks.
class LandTiles {
 public:
  LandTiles(const DeepglobeOptions& options, int64_t max_pixels)
      : options_(options), max_pixels_(max_pixels) {}

  // The images of a folder, or their tiles, with labels by the task. Left out are those without a
  // usable mask, those without a known pixel, and (MULTICLASS) those of no clear class.
  std::vector<ImageFile> Cut(const std::vector<MaskPair>& pairs);

  // Says what was left out and ignored in all folders so far.
  void Note(std::vector<std::string>* notes) const;
  // Pairs so far.
  int64_t masks() const { return masks_; }

 private:
  const DeepglobeOptions options_;
  const int64_t max_pixels_;
  int64_t masks_ = 0, tiles_ = 0, unknown_ = 0, unclear_ = 0, stray_ = 0;
  std::vector<std::string> with_stray_, unusable_;
};

}  // namespace datasets

#endif  // DATASETS_LAND_TILES_H_
