// What a run leaves on disk: config.pbtxt, metrics.csv, weights.safetensors, summary.json.
#ifndef PIPELINE_RUNS_RUN_FOLDER_H_
#define PIPELINE_RUNS_RUN_FOLDER_H_

#include <map>
#include <nlohmann/json_fwd.hpp>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

// The folder of one run. Every write replaces a whole file atomically.
class RunFolder {
 public:
  // Makes `out`, or runs/<config>/<timestamp> below the current folder where `out` is empty. A
  // folder that already holds a run (summary.json or metrics.csv) is refused.
  static absl::StatusOr<RunFolder> Make(const std::string& out, const std::string& config);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }

  // One row of metrics.csv: text cells (epoch, phase, step), then numbers by column. Columns appear
  // in the order in which they were first seen; a value that a row lacks stays blank.
  absl::Status AddRow(const std::vector<std::pair<std::string, std::string>>& cells,
                      const std::vector<std::pair<std::string, double>>& values);

  absl::Status WriteSummary(const nlohmann::ordered_json& summary);

 private:
  explicit RunFolder(std::string path) : path_(std::move(path)) {}

  std::string path_;
  std::vector<std::string> columns_;
  std::vector<std::map<std::string, std::string>> rows_;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_RUN_FOLDER_H_
