// The masks read last, for tiles that share one.
#ifndef DATASETS_MASKS_RECENT_MASKS_H_
#define DATASETS_MASKS_RECENT_MASKS_H_

#include <cstddef>
#include <functional>
#include <list>
#include <map>
#include <memory>
#include <mutex>
#include <opencv2/core/mat.hpp>
#include <string>

#include "absl/status/statusor.h"
#include "datasets/masks/mask_runs.h"

namespace datasets {

// What the values of a mask mean shows in the whole of it alone. So the whole is read for the first
// of its tiles, and kept as runs for the others, of which TRAIN asks in any order. Safe on several
// threads: those that want one mask at a time wait for one of them.
class RecentMasks {
 public:
  // Keeps at most about `max_bytes`; those not asked for the longest go first.
  explicit RecentMasks(size_t max_bytes) : max_bytes_(max_bytes) {}

  // The mask (CV_8UC1) that `load` made when this path was last asked for, or makes now; errors are
  // kept as well.
  absl::StatusOr<std::shared_ptr<const MaskRuns>> Get(
      const std::string& path, const std::function<absl::StatusOr<cv::Mat>()>& load);

 private:
  struct Entry {
    std::string path;
    std::mutex mutex;  // held while the mask is read
    bool made = false;
    absl::StatusOr<std::shared_ptr<const MaskRuns>> mask;
    size_t bytes = 0;  // counted in bytes_
  };
  using Entries = std::list<std::shared_ptr<Entry>>;

  // Moved to the front.
  std::shared_ptr<Entry> Find(const std::string& path);
  void Count(Entry* entry);

  const size_t max_bytes_;
  std::mutex mutex_;
  size_t bytes_ = 0;
  Entries entries_;  // the last one asked for first
  std::map<std::string, Entries::iterator> places_;
};

}  // namespace datasets

#endif  // DATASETS_MASKS_RECENT_MASKS_H_
