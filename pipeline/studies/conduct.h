// A study from its plan to its last result: which run is next, what halving stops, what is
// confirmed.
#ifndef PIPELINE_STUDIES_CONDUCT_H_
#define PIPELINE_STUDIES_CONDUCT_H_

#include <cstdint>
#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"
#include "pipeline/studies/shard.h"

namespace pipeline {

struct ConductOptions {
  int jobs = 1;
  int gpus = 0;
  Shard shard;
};

// How far a study is.
struct StudyProgress {
  int64_t done = 0, failed = 0, stopped = 0;
  int64_t left = 0;  // of this stage, for this shard
  int64_t running = 0;
  double seconds_left = 0;  // about; 0 where nothing is known
};

// Runs what the plan asks for and no line of the folder answers, as far as this shard's part goes
// and the others' results allow; `told` gets each result, `progress` is called a few times a
// second. CANCELLED after a signal, or once the budget is spent; UNAVAILABLE where the rest waits
// for other shards. Runs that fail are results; they are tried once in a call.
absl::Status Conduct(const Plan& plan, const StudyFolder& folder, const ConductOptions& options,
                     const std::function<void(const StudyResult&)>& told,
                     const std::function<void(const StudyProgress&)>& progress);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_CONDUCT_H_
