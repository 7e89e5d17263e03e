// Sources whose samples are parts of images, and images as they see them.
#ifndef PIPELINE_TILED_SOURCE_H_
#define PIPELINE_TILED_SOURCE_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/stage.h"

namespace pipeline {

struct TiledImage {
  int64_t width = 0, height = 0;
  // Together they hold the whole image. The first `edges` hold what no sample of the data would;
  // where tiles lie over each other the later one counts.
  std::vector<OutsideImage::Part> tiles;
  size_t edges = 0;
  // A tile as batches hold those of the data; by many threads at a time.
  std::function<OutsideImage(const OutsideImage::Part& tile)> read;
};

// What a Source is too whose data may be cut into tiles.
class TiledSource {
 public:
  virtual ~TiledSource() = default;
  // Height and width of a tile; 0 where images are taken whole.
  virtual int64_t TileSize() const = 0;
  // As Source::ReadOutside.
  virtual absl::StatusOr<TiledImage> ReadTiles(const std::string& path, bool color) const = 0;
};

}  // namespace pipeline

#endif  // PIPELINE_TILED_SOURCE_H_
