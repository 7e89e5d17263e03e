// What verbs do where they are given a study instead of a config.
#ifndef PIPELINE_CLI_STUDY_H_
#define PIPELINE_CLI_STUDY_H_

#include <optional>
#include <string>

#include "pipeline/cli/command_line.h"

namespace pipeline {

// The file of a study, if it is that and no config that the line names.
std::optional<std::string> StudyNamed(const CommandLine& line);

// `check` of a study: every config that it makes, how many runs, about how long. The exit code.
int CheckStudy(const std::string& path, const CommandLine& line);

}  // namespace pipeline

#endif  // PIPELINE_CLI_STUDY_H_
