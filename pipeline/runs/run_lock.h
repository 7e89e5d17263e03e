// One process at a time in a run's folder.
#ifndef PIPELINE_RUNS_RUN_LOCK_H_
#define PIPELINE_RUNS_RUN_LOCK_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

// The folder's file "lock", locked while the object lives (flock, which on NFS reaches other
// hosts). The kernel lets go of it when its process ends, however that is, so no lock is ever
// stale; the file only says who has it.
class RunLock {
 public:
  // FAILED_PRECONDITION where another process has it: names its pid and host. Where that one was
  // killed, what it had started has half a minute to end.
  static absl::StatusOr<RunLock> Take(const std::string& folder);

  RunLock(RunLock&& other) noexcept;
  RunLock& operator=(RunLock&&) = delete;
  ~RunLock();

 private:
  explicit RunLock(int descriptor) : descriptor_(descriptor) {}

  int descriptor_;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_RUN_LOCK_H_
