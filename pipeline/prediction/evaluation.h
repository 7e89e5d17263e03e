// How good weights are on a split, without learning from it.
#ifndef PIPELINE_PREDICTION_EVALUATION_H_
#define PIPELINE_PREDICTION_EVALUATION_H_

#include <functional>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/report.h"
#include "pipeline/stage.h"

namespace pipeline {

// Calls `take` with what the source gives of the phases, batch by batch; nothing else of the graph
// runs. CANCELLED after a signal.
absl::Status ReadAll(const std::vector<Phase>& phases, Graph* graph,
                     const std::function<absl::Status(const Step&, Tensors batch)>& take);

// A pass over all of the phases' images, as one: every stage but the source takes them for TEST, so
// those of TRAIN are not augmented. `step_done` is called while a step's outputs are in the graph;
// the step is told with the phase that its samples are of. CANCELLED after a signal.
absl::StatusOr<Report> Evaluate(const std::vector<Phase>& phases, Graph* graph,
                                const std::function<absl::Status(const Step&)>& step_done);

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_EVALUATION_H_
