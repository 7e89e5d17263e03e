// Which epoch is the best, by a value that the stages report on VAL.
#ifndef PIPELINE_TRAINING_MONITOR_H_
#define PIPELINE_TRAINING_MONITOR_H_

#include <cstdint>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/report.h"
#include "pipeline/state.h"

namespace pipeline {

class Monitor {
 public:
  explicit Monitor(Better better) : sign_(better == Better::kLower ? -1 : 1) {}

  // Judges the value of the next epoch: whether it is the best so far, the earliest on ties. NaN is
  // better than none: until the value is first defined, the latest epoch counts as best.
  bool Judge(double value);

  // The best epoch, counted from 0; -1 before the first.
  int64_t best_epoch() const { return best_; }
  // Epochs since the best one; 0 as long as the value was never defined.
  int64_t waited() const;
  // Whether any epoch had a value.
  bool defined() const { return first_defined_ >= 0; }
  // What PLATEAU multiplies the learning rate by.
  double PlateauFactor() const;

  // Under "monitor.".
  void Save(State* state) const;
  absl::Status Load(const State& state, int64_t epochs);

 private:
  const double sign_;
  int64_t first_defined_ = -1;  // epoch
  int64_t best_ = -1;
  std::vector<double> goodness_;  // of each epoch; minus infinity where undefined
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_MONITOR_H_
