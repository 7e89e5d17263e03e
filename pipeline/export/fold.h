// Batch norm at inference is a scaling of what comes before it.
#ifndef PIPELINE_EXPORT_FOLD_H_
#define PIPELINE_EXPORT_FOLD_H_

#include "pipeline/operator_graph.h"

namespace pipeline {

// Multiplies each batch norm that follows a convolution into that convolution's weight and bias, in
// float64, and leaves it out. Returns how many there were.
int FoldBatchNorms(OperatorGraph* graph);

}  // namespace pipeline

#endif  // PIPELINE_EXPORT_FOLD_H_
