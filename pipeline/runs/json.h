// JSON as the text of a file.
#ifndef PIPELINE_RUNS_JSON_H_
#define PIPELINE_RUNS_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// Indented, with a line's end. Strings and keys may come from a user's disk: where they are not
// UTF-8, as ValidUtf8 shows them.
std::string JsonText(const nlohmann::ordered_json& json);

// Whether more than 32 lists and objects lie in one another, which no file that is read here needs:
// a parser would take fifty times the memory of a text of nothing but brackets.
bool NestsTooDeep(absl::string_view text);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_JSON_H_
