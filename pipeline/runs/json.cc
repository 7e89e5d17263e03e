// JSON that no text can keep from being written.
#include "pipeline/runs/json.h"

#include <nlohmann/json.hpp>

#include "pipeline/utf8.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;

Json WithValidText(const Json& json) {
  if (json.is_string()) return ValidUtf8(json.get_ref<const std::string&>());
  if (!json.is_structured()) return json;
  Json valid = json.is_array() ? Json::array() : Json::object();
  for (const auto& [key, value] : json.items()) {
    if (json.is_array()) {
      valid.push_back(WithValidText(value));
    } else {
      valid[ValidUtf8(key)] = WithValidText(value);
    }
  }
  return valid;
}

}  // namespace

std::string JsonText(const Json& json) {
  // Nothing is left to replace; an exception here would cost what a run has learned.
  return WithValidText(json).dump(2, ' ', false, Json::error_handler_t::replace) + "\n";
}

bool NestsTooDeep(absl::string_view text) {
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size() && depth <= kMaxDepth; ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++i;
    if (quoted) continue;
    if (c == '[' || c == '{') ++depth;
    if (c == ']' || c == '}') --depth;
  }
  return depth > kMaxDepth;
}

}  // namespace pipeline
