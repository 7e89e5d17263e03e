// Counts that are kept as numbers, among others in a state.
#ifndef PIPELINE_COUNT_H_
#define PIPELINE_COUNT_H_

#include <cmath>

namespace pipeline {

// Whether it is a whole number, at least 0, that a float64 holds exactly.
inline bool IsCount(double number) {
  constexpr double kMost = 1e15;
  return number >= 0 && number <= kMost && number == std::floor(number);
}

}  // namespace pipeline

#endif  // PIPELINE_COUNT_H_
