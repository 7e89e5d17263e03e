// run.json: what a run knew before it trained, so that it can be opened without its data.
#ifndef PIPELINE_RUNS_RUN_FACTS_H_
#define PIPELINE_RUNS_RUN_FACTS_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/stage.h"

namespace pipeline {

struct RunFacts {
  std::string config;  // its name
  DataInfo data;       // without the labels of single images and the lists of copies
  Specs inputs;        // outputs of the source
};

std::string FactsText(const RunFacts& facts);

// Errors say what is wrong in the text.
absl::StatusOr<RunFacts> ParseFacts(const std::string& text);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_RUN_FACTS_H_
