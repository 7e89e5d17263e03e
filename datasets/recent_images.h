// The images decoded last, for tiles that share one.
#ifndef DATASETS_RECENT_IMAGES_H_
#define DATASETS_RECENT_IMAGES_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <mutex>
#include <opencv2/core/mat.hpp>
#include <string>

#include "absl/status/statusor.h"

namespace datasets {

// Neither JPEG nor PNG lets OpenCV decode a part of an image. So the whole is decoded, its tiles
// are copied out of it, and the whole is kept for the tiles that come next. That spares work where
// tiles come in order (VAL, TEST, `check --decode`); in TRAIN they come shuffled, and most are
// decoded anew. Safe on several threads: those that want one image at a time wait for one of them.
class RecentImages {
 public:
  // Keeps at most `max_bytes` of pixels, those not asked for the longest going first.
  explicit RecentImages(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The image that `load` made when this path was last asked for, or makes now. Shared: not to be
  // written to.
  absl::StatusOr<cv::Mat> Get(const std::string& path,
                              const std::function<absl::StatusOr<cv::Mat>()>& load);

 private:
  struct Entry {
    std::string path;
    std::mutex mutex;  // held while the image is made
    bool made = false;
    absl::StatusOr<cv::Mat> image;
    size_t bytes = 0;  // counted in bytes_
  };

  // Moved to the front.
  std::shared_ptr<Entry> Find(const std::string& path);
  void Count(Entry* entry);

  const size_t max_bytes_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  std::list<std::shared_ptr<Entry>> entries_;  // the last one asked for first
};

}  // namespace datasets

#endif  // DATASETS_RECENT_IMAGES_H_
