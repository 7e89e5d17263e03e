// Meeting the other processes of a run. Only join.cc knows c10d, whose headers take half a minute.
#ifndef PIPELINE_PARALLEL_JOIN_H_
#define PIPELINE_PARALLEL_JOIN_H_

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "pipeline/parallel/environment.h"
#include "pipeline/processes.h"

namespace pipeline {

// Ends when the object does, which is no accident to the others. Until then a process that dies,
// fails or hangs ends all, with one line that names it (watch.h).
class Joined : public Processes {
 public:
  explicit Joined(const Seat& seat)
      : Processes(seat.rank, seat.size, seat.local_rank, seat.local_size), seat_(seat) {}
  const Seat& seat() const { return seat_; }
  // Tells the others that this process cannot go on. Prints nothing of rank 0, which has its own
  // words; of the others rank 0 prints it, and the process ends here.
  virtual void Fail(const std::string& why) = 0;

 private:
  const Seat seat_;
};

// Waits for all: at most five minutes ($LOSSFUSION_JOIN_SECONDS), then it is said who did not come.
// Tensors in memory go by Gloo; those on a GPU by NCCL, where the build has it.
absl::StatusOr<std::unique_ptr<Joined>> Join(const Seat& seat);

}  // namespace pipeline

#endif  // PIPELINE_PARALLEL_JOIN_H_
