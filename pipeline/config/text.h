// Protobuf text with short plugin names: [losses/Focal] { gamma: 2 }.
#ifndef PIPELINE_CONFIG_TEXT_H_
#define PIPELINE_CONFIG_TEXT_H_

#include <google/protobuf/message.h>

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/config/path.h"
#include "pipeline/diagnostics.h"
#include "pipeline/pipeline.pb.h"

namespace pipeline {

// Parses `text` into `message` and notes in `where` the place of every field, also of those inside
// plugins. Unknown fields and plugins do not stop the parser: the fields are added to `errors`, the
// plugins are left in their Any for Validate() to name. False where a syntax error stopped the
// parser, after those; `message` then holds what was read before.
bool ParseConfigText(const std::string& text, const std::string& file, Config* message,
                     Locations* where, Diagnostics* errors);

// The same of any other message; a path begins with a field of it.
bool ParseMessageText(const std::string& text, const std::string& file,
                      google::protobuf::Message* message, Locations* where, Diagnostics* errors);

// Parses a few fields of any message, without locations; the first mistake.
absl::Status ParseFields(const std::string& text, google::protobuf::Message* message);

// The message as text; plugins by their short names.
std::string PrintText(const google::protobuf::Message& message);

// "it has: a, b, c", the fields of a message.
std::string FieldList(const google::protobuf::Descriptor& type);
std::vector<std::string> FieldNames(const google::protobuf::Descriptor& type);

// "[losses/Focal]" for a plugin's options, "Train" for messages of the core.
std::string TypeName(const google::protobuf::Descriptor& type);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_TEXT_H_
