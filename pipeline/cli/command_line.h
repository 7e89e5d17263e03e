// The words and flags that the program was started with.
#ifndef PIPELINE_CLI_COMMAND_LINE_H_
#define PIPELINE_CLI_COMMAND_LINE_H_

#include <gflags/gflags_declare.h>

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/cli/verb.h"

DECLARE_bool(json);
DECLARE_bool(quiet);
DECLARE_string(allow);
DECLARE_string(out);
DECLARE_string(resume);

namespace pipeline {

struct CommandLine {
  const Verb* verb = nullptr;      // nullptr only with `help`, where no verb was named
  std::string config;              // as the user named it; "" where none was
  std::vector<std::string> words;  // after the verb; none for a verb that takes a config
  std::map<std::string, std::vector<std::string>> repeated;  // values of such flags, by name
  bool help = false;

  std::vector<std::string> Values(const std::string& flag) const;
};

// Sets the gflags of the flags that were given. A word that is no verb is a config to train.
absl::StatusOr<CommandLine> ParseCommandLine(const std::vector<std::string>& arguments);

}  // namespace pipeline

#endif  // PIPELINE_CLI_COMMAND_LINE_H_
