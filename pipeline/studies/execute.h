// One run of a study, trained within this process.
#ifndef PIPELINE_STUDIES_EXECUTE_H_
#define PIPELINE_STUDIES_EXECUTE_H_

#include <cstdint>

#include "absl/status/statusor.h"
#include "pipeline/pool.h"
#include "pipeline/studies/plan.h"
#include "pipeline/studies/results.h"

namespace pipeline {

// Trains the run, or goes on with it, or takes what it came to from its folder, where it is over:
// for `epochs`, after which it is paused, or to its end where that is 0. What fails is in the
// result, and no other run's loss; CANCELLED after a signal: what was learned is kept, and the next
// call goes on with it. `pool` outlives runs, and has what they share.
absl::StatusOr<StudyResult> Execute(const Plan& plan, const StudyRun& run,
                                    const StudyFolder& folder, int64_t epochs, Pool* pool);

// Removes what a run that halving has stopped would go on from.
void Discard(const StudyFolder& folder, const StudyResult& result);

// Seconds that a run of this config would take, from a few steps of it.
absl::StatusOr<double> EstimateSeconds(const Plan& plan, const StudyRun& run, Pool* pool);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_EXECUTE_H_
