// Decoded slices between Open and Read: more than memory may hold, yet each at hand at once.
#ifndef DATASETS_VOLUMES_SLICE_STORE_H_
#define DATASETS_VOLUMES_SLICE_STORE_H_

#include <atomic>
#include <cstdint>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace datasets {

// Bytes in a file without a name, in the folder for temporary files (TMPDIR): the system keeps in
// memory what memory holds, and forgets all when the process ends, however it ends. All calls are
// safe on several threads at once.
class SliceStore {
 public:
  explicit SliceStore(int64_t limit);
  SliceStore(const SliceStore&) = delete;
  ~SliceStore();

  // Returns where the bytes are; RESOURCE_EXHAUSTED past `limit` bytes in all, and where no file
  // could be made or the disk is full.
  absl::StatusOr<int64_t> Append(const void* data, int64_t size);
  absl::Status Read(int64_t offset, void* data, int64_t size) const;

 private:
  int descriptor_ = -1;
  int error_ = 0;  // why there is no file
  const int64_t limit_;
  std::atomic<int64_t> size_{0};
};

}  // namespace datasets

#endif  // DATASETS_VOLUMES_SLICE_STORE_H_
