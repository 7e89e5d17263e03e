// Comparing epochs.
#include "pipeline/training/monitor.h"

#include <cmath>
#include <limits>

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

}  // namespace pipeline
