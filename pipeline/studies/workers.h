// Processes that train a study's runs, each many, one after the other.
#ifndef PIPELINE_STUDIES_WORKERS_H_
#define PIPELINE_STUDIES_WORKERS_H_

#include <sys/types.h>

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

struct StudyTask {
  StudyRun run;
  int64_t epochs = 0;  // to be trained in all; 0: to the end
};

// GPUs that a process of this build could train on; asked by a process of its own, so that this one
// may go on making others.
int CountGpus();

// What a run would take of this machine.
struct RunCost {
  double seconds = 0;
  double bytes = 0;  // the most that its process would have in memory
};
// From a few steps of it, in a process of its own.
absl::StatusOr<RunCost> CostOf(const Plan& plan, const StudyRun& run);

class Workers {
 public:
  // Makes `count` processes by fork: this one must have no other thread, and no GPU. Each is the
  // only user of its GPU where there are `gpus`. What they print goes to the folder's log.txt. They
  // end with this process, however that ends.
  Workers(const Plan& plan, const StudyFolder& folder, int count, int gpus);
  Workers(const Workers&) = delete;
  // Asks each to stop after its step, and waits for that.
  ~Workers();

  // Trains what `next` gives until it gives nothing more; each result, in the order in which they
  // come, goes to `done`. A worker that dies costs its run, which has failed, and is replaced.
  // `idle` is called several times a second; where it is not OK the rest is left: a run that is
  // under way keeps a checkpoint.
  absl::Status Train(const std::function<std::optional<StudyTask>()>& next,
                     const std::function<absl::Status(const StudyResult&)>& done,
                     const std::function<absl::Status()>& idle);

  // How many runs are under way.
  int busy() const;

 private:
  struct Worker {
    pid_t process = -1;
    int to = -1, from = -1;  // pipes
    std::string line;        // what came so far
    std::optional<StudyTask> task;
  };

  absl::Status Start(Worker* worker, int number) const;
  // Its own process: reads tasks, trains, writes results.
  [[noreturn]] void Serve(int from, int to) const;
  // Reads what a worker says; a whole line is a result.
  absl::Status Listen(Worker* worker, const std::function<absl::Status(const StudyResult&)>& done);
  // Of one that died within a task.
  absl::Status Bury(Worker* worker, const std::function<absl::Status(const StudyResult&)>& done);
  void Stop();

  const Plan& plan_;
  const StudyFolder& folder_;
  const int gpus_;
  std::vector<Worker> workers_;
};

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_WORKERS_H_
