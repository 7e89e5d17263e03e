// summary.json: what a run was and what came of it.
#ifndef PIPELINE_RUNS_SUMMARY_H_
#define PIPELINE_RUNS_SUMMARY_H_

#include <nlohmann/json_fwd.hpp>
#include <string>
#include <vector>

#include "pipeline/config/config.h"
#include "pipeline/report.h"
#include "pipeline/stage.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// File names of the config's plugins of one folder; a plugin made of others of the folder is one.
std::vector<std::string> PluginsOf(const Document& document, const std::string& folder);

// `context` is built: its data are set.
// What a report says, as in summary.json's "test".
nlohmann::ordered_json ReportJson(const Report& report);

std::string SummaryText(const LoadedConfig& config, const BuildContext& context,
                        const Outcome& outcome);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_SUMMARY_H_
