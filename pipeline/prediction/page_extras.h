// What a run's page shows that only the graph with its data can tell.
#ifndef PIPELINE_PREDICTION_PAGE_EXTRAS_H_
#define PIPELINE_PREDICTION_PAGE_EXTRAS_H_

#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/graph/graph.h"
#include "pipeline/prediction/image_facts.h"
#include "pipeline/prediction/notable.h"
#include "pipeline/report/run_page.h"

namespace pipeline {

// Of what was watched; `notable` may be nullptr: there was no test.
absl::StatusOr<PageExtras> ExtrasOf(const DataInfo& data, Notable* notable, DataWatch* watch);

// The same by a pass over all data of a built graph with a run's weights. CANCELLED after a signal.
absl::StatusOr<PageExtras> ExtrasByPass(Graph* graph);

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_PAGE_EXTRAS_H_
