// A run's model as an operator graph.
#ifndef PIPELINE_EXPORT_EXPORT_H_
#define PIPELINE_EXPORT_EXPORT_H_

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/operator_graph.h"
#include "pipeline/runs/run.h"
#include "pipeline/statistics/scaling.h"

namespace pipeline {

// Names of the file's input and output.
inline constexpr char kExportInput[] = "images", kExportOutput[] = "probabilities";

struct ExportOptions {
  bool preprocessing = false;
  // Puts the probabilities right (pipeline/runs/calibration.h); of a class each.
  const Scaling* scaling = nullptr;
};

// Writes the way from images to probabilities [N, classes(, H, W)], at inference: softmax of the
// logits that the graph's metrics or losses judge. With `preprocessing` it begins at
// the source's uint8 images [N, C, H, W]; without, at what that stage takes, float32. Height and
// width are those of the run. UNIMPLEMENTED, with the name of what it is, where something on the
// way cannot be exported. Every parameter becomes a constant under its key in the run's weights.
absl::Status ExportGraph(const Graph& graph, const ExportOptions& options, OperatorGraph* out);

// What tells these weights apart from all others: the checksum that their file has.
absl::StatusOr<std::string> WeightsIdentity(const Run& run);

// The last part of the folder's name.
std::string RunName(const Run& run);

// What the file's reader needs to know of the run: task, classes, data, and which weights these
// are, as facts of `out`.
absl::Status TellOfRun(const Run& run, OperatorGraph* out);

}  // namespace pipeline

#endif  // PIPELINE_EXPORT_EXPORT_H_
