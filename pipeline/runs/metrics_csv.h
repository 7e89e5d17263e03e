// metrics.csv: a row for each pass over a phase.
#ifndef PIPELINE_RUNS_METRICS_CSV_H_
#define PIPELINE_RUNS_METRICS_CSV_H_

#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Columns appear in the order in which they were first seen; what a row lacks stays blank, as do
// values that are not defined. The whole file is replaced atomically with each row.
class MetricsCsv : public Observer {
 public:
  explicit MetricsCsv(std::string path) : path_(std::move(path)) {}

  absl::Status PassDone(const PassEvent& event) override;
  // The rows so far. Load replaces the file.
  absl::Status Save(State* state) const override;
  absl::Status Load(const State& state) override;

  // Text cells (epoch, phase, step), then numbers.
  absl::Status AddRow(const std::vector<std::pair<std::string, std::string>>& cells,
                      const std::vector<std::pair<std::string, double>>& values);

 private:
  absl::Status Write() const;

  const std::string path_;
  std::vector<std::string> columns_;
  std::vector<std::map<std::string, std::string>> rows_;
};

// Of a whole pass: what the stages reported, then learning_rate (undefined outside TRAIN),
// images_per_second, seconds and data_wait.
std::vector<std::pair<std::string, double>> PassValues(const PassEvent& event);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_METRICS_CSV_H_
