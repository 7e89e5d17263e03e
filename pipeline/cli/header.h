// What a run prints before it starts, and its result.
#ifndef PIPELINE_CLI_HEADER_H_
#define PIPELINE_CLI_HEADER_H_

#include "pipeline/cli/terminal.h"
#include "pipeline/config/config.h"
#include "pipeline/graph/graph.h"
#include "pipeline/stage.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Config, data, model, loss and device, in aligned rows. `graph` was built with `context`.
void PrintHeader(const LoadedConfig& config, const BuildContext& context, const Graph& graph,
                 Terminal* terminal);

// A title, then a report's headlines, its table and its remarks.
void PrintReport(const std::string& title, const Report& report, Terminal* terminal);

// The same of the test.
void PrintResult(const DataInfo& data, const Outcome& outcome, Terminal* terminal);

}  // namespace pipeline

#endif  // PIPELINE_CLI_HEADER_H_
