// Comparing epochs.
#include "pipeline/training/monitor.h"

#include <cmath>
#include <limits>

#include "pipeline/count.h"
#include "pipeline/training/optimizer.h"

namespace pipeline {

bool Monitor::Judge(double value) {
  const auto epoch = static_cast<int64_t>(goodness_.size());
  // Once there was a value, one that is undefined is no better than any.
  goodness_.push_back(std::isnan(value) ? -std::numeric_limits<double>::infinity() : sign_ * value);
  const bool better = !defined() || goodness_[epoch] > goodness_[best_];
  if (!defined() && !std::isnan(value)) first_defined_ = epoch;
  if (better) best_ = epoch;
  return better;
}

int64_t Monitor::waited() const {
  return defined() ? static_cast<int64_t>(goodness_.size()) - 1 - best_ : 0;
}

double Monitor::PlateauFactor() const {
  if (!defined()) return 1;
  return pipeline::PlateauFactor({goodness_.begin() + first_defined_, goodness_.end()});
}

void Monitor::Save(State* state) const {
  state->Put("monitor.goodness", goodness_);
  state->Put("monitor.epochs", {static_cast<double>(first_defined_), static_cast<double>(best_)});
}

absl::Status Monitor::Load(const State& state, int64_t epochs) {
  auto goodness = state.Numbers("monitor.goodness", static_cast<size_t>(epochs));
  if (!goodness.ok()) return goodness.status();
  const auto which = state.Numbers("monitor.epochs", 2);
  if (!which.ok()) return which.status();
  for (const double epoch : *which) {
    const bool sound = epoch == -1 || (IsCount(epoch) && epoch < static_cast<double>(epochs));
    if (!sound) return absl::DataLossError("monitor.epochs names an epoch that was not");
  }
  // Where a value was defined, the best one is.
  if ((*which)[1] < (*which)[0]) {
    return absl::DataLossError("monitor.epochs has its best epoch before the first that counts");
  }
  goodness_ = *std::move(goodness);
  first_defined_ = static_cast<int64_t>((*which)[0]);
  best_ = static_cast<int64_t>((*which)[1]);
  return absl::OkStatus();
}

}  // namespace pipeline
