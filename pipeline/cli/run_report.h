// What a run says of itself: the header, the result table, and summary.json.
#ifndef PIPELINE_CLI_RUN_REPORT_H_
#define PIPELINE_CLI_RUN_REPORT_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "pipeline/cli/terminal.h"
#include "pipeline/config/config.h"
#include "pipeline/stage.h"

namespace pipeline {

// What the texts are made of.
struct RunFacts {
  const LoadedConfig& loaded;
  const BuildContext& context;     // built: context.data is set
  int64_t parameters = 0;          // numbers that are learned
  std::vector<std::string> notes;  // of the stages
  bool validation = false;         // whether there is a VAL split
  int64_t epochs = 0;              // whole ones so far
  int64_t best_epoch = 0;          // counted from 1; 0: none yet
  int64_t steps = 0;               // of TRAIN so far
  double seconds = 0;              // since the start
  double images_per_second = 0;    // in TRAIN
  double data_wait = 0;            // share of TRAIN's time that went into waiting for data
  double startup_seconds = 0;  // from the start of the process to the start of the first TRAIN step
  std::string stopped;         // why the run ended before its last epoch; else empty
};

void PrintHeader(const RunFacts& facts, Terminal* terminal);

// `test` is nullptr where nothing was tested.
nlohmann::ordered_json Summary(const RunFacts& facts, const Report* test);
void PrintResult(const RunFacts& facts, const Report* test, Terminal* terminal);

}  // namespace pipeline

#endif  // PIPELINE_CLI_RUN_REPORT_H_
