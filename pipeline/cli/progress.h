// The live line of a run: how far it is, what it learns, when it ends.
#ifndef PIPELINE_CLI_PROGRESS_H_
#define PIPELINE_CLI_PROGRESS_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/data.h"

namespace pipeline {

struct Progress {
  Phase phase = TRAIN;
  int64_t epoch = 1;  // counted from 1
  int64_t epochs = 1;
  int64_t step = 0;  // done in this pass
  int64_t steps = 0;
  double images_per_second = 0;
  double data_wait = 0;     // share of the time
  double seconds_left = 0;  // of the training
  // Names and values, the one that matters most (the loss) first.
  std::vector<std::pair<std::string, double>> terms;
};

// One line of at most `width` characters. What matters most stands first; what does not fit is left
// out whole: first the wait for data, then the bar, the speed, the terms from the last one on, the
// time left.
std::string ProgressLine(const Progress& progress, size_t width);

}  // namespace pipeline

#endif  // PIPELINE_CLI_PROGRESS_H_
