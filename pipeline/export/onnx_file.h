// An operator graph as the bytes of an ONNX file.
#ifndef PIPELINE_EXPORT_ONNX_FILE_H_
#define PIPELINE_EXPORT_ONNX_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/operator_graph.h"

namespace pipeline {

// Of opset 17, IR version 8, which ONNX 1.12 and later read; `name` is the graph's. The graph's
// facts become the file's metadata. An error where it would pass 2 GB, which no such file can.
absl::StatusOr<std::string> OnnxFile(const OperatorGraph& graph, const std::string& name);

}  // namespace pipeline

#endif  // PIPELINE_EXPORT_ONNX_FILE_H_
