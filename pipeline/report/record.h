// Everything that a run's folder says, whatever of it is there: an interrupted run, one that had no
// test, and one of an older program have less.
#ifndef PIPELINE_REPORT_RECORD_H_
#define PIPELINE_REPORT_RECORD_H_

#include <array>
#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/runs/predictions.h"

namespace pipeline {

// metrics.csv: a row for each pass over a phase.
struct Passes {
  struct Row {
    int64_t epoch = 0;  // counted from 1
    Phase phase = TRAIN;
    std::vector<double> values;  // by column; NaN where there is none
  };

  std::vector<std::string> columns;
  std::vector<Row> rows;

  // -1 where there is none.
  int Column(const std::string& name) const;
  // The epochs of a phase and what a column says of each; empty where no value is defined.
  std::pair<std::vector<double>, std::vector<double>> Curve(Phase phase,
                                                            const std::string& column) const;
  // Of the row of a phase and epoch; NaN where there is none.
  double Value(Phase phase, int64_t epoch, const std::string& column) const;
  // Names after a prefix, such as the terms after "weight.".
  std::vector<std::string> After(const std::string& prefix) const;
};

// How a run ended: summary.json.
struct Ending {
  std::string model, activation, weights_of, stopped, device, precision;
  std::vector<std::string> losses, skipped;
  std::vector<std::pair<std::string, int64_t>> duplicates;
  std::array<int64_t, kPhases> images = {0, 0, 0};
  int64_t epochs = 0, steps = 0, best_epoch = 0, seed = 0, threads = 0;
  int64_t skipped_steps = 0, rollbacks = 0;
  double seconds = 0, images_per_second = 0, data_wait = 0, startup_seconds = 0;
  // Seconds of the parts of each phase's steps: nodes, backward, optimizer.
  std::array<std::vector<std::pair<std::string, double>>, kPhases> parts;
  bool tested = false;
  std::map<std::string, double> test;  // numbers and flags of "test", by key
  std::vector<std::vector<int64_t>> confusion;
};

struct RunRecord {
  std::string folder;
  std::string name;  // short, and told apart from others that are shown with it
  std::string config_name, dataset, origin, task, split;
  bool embedded_sample = false;
  std::vector<std::string> classes;
  std::array<int64_t, kPhases> images = {0, 0, 0};         // as it began
  std::array<std::vector<int64_t>, kPhases> class_counts;  // empty for masks
  std::optional<Ending> ending;                            // nothing: it is not over, or was killed
  Passes passes;
  std::optional<Predictions> predictions;
  // Path and content of each file, by its phase; empty where there is no split.csv.
  std::array<std::map<std::string, std::string>, kPhases> split_files;
  std::string config_text;
  std::optional<Config> config;       // nothing where the text is no config of this program
  std::string calibration;            // the text of calibration.json; "" where there is none
  std::vector<std::string> problems;  // what could not be read, and why, a line each

  bool masks() const { return task == "segmentation"; }
  // Predictions of a phase, in their order.
  std::vector<const Prediction*> Of(Phase phase) const;
  // TEST, or VAL where nothing was tested.
  Phase JudgedPhase() const;
  // What stands before the columns of the node that reports accuracy, such as "metrics."; and of
  // the loss, such as "loss.".
  std::string metrics_prefix, loss_prefix;
};

// Errors only where the folder holds no run at all.
absl::StatusOr<RunRecord> ReadRunRecord(const std::string& folder);

// The index of a class in `record.classes`; -1 where it is none of them.
int ClassOf(const RunRecord& record, const std::string& name);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_RECORD_H_
