// JSON as the text of a file.
#ifndef PIPELINE_RUNS_JSON_H_
#define PIPELINE_RUNS_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

namespace pipeline {

// Indented, with a line's end. Strings and keys may come from a user's disk: where they are not
// UTF-8, as ValidUtf8 shows them.
std::string JsonText(const nlohmann::ordered_json& json);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_JSON_H_
