// JSON as text. Whoever writes or reads it does so here: a writer and a parser cost three seconds
// of every file that has its own.
#ifndef PIPELINE_JSON_H_
#define PIPELINE_JSON_H_

#include <nlohmann/json_fwd.hpp>
#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// Indented, with a line's end. Strings and keys may come from a user's disk: where they are not
// UTF-8, as ValidUtf8 shows them.
std::string JsonText(const nlohmann::ordered_json& json);
// The same in one line, without its end.
std::string JsonLine(const nlohmann::ordered_json& json);

// Discarded (is_discarded(), no object, no list) where the text is no JSON, NestsTooDeep, or has an
// object of more than 20,000 keys: they are compared with one another.
nlohmann::ordered_json ParseJson(absl::string_view text);

// Whether more than 32 lists and objects lie in one another, which no file that is read here needs:
// a parser would take fifty times the memory of a text of nothing but brackets.
bool NestsTooDeep(absl::string_view text);

}  // namespace pipeline

#endif  // PIPELINE_JSON_H_
