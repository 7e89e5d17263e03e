// JSON that no text can keep from being written.
#include "pipeline/json.h"

#include <array>
#include <cstdint>
#include <nlohmann/json.hpp>

#include "pipeline/utf8.h"

namespace pipeline {
namespace {

using Json = nlohmann::ordered_json;

constexpr int kMaxDepth = 32;
// Of keys with earlier ones of their object: 20,000 keys in one, a second.
constexpr int64_t kMaxComparisons = 200'000'000;

// What a parser of ordered objects would have to do.
struct Work {
  bool too_deep = false;
  int64_t comparisons = 0;
};

Work WorkOf(absl::string_view text) {
  Work work;
  std::array<int64_t, kMaxDepth + 1> keys = {};  // of the objects that are open, by depth
  int depth = 0;
  bool quoted = false;
  for (size_t i = 0; i < text.size() && !work.too_deep; ++i) {
    const char c = text[i];
    if (c == '"') quoted = !quoted;
    if (quoted && c == '\\') ++i;
    if (quoted) continue;
    if (c == '[' || c == '{') work.too_deep = ++depth > kMaxDepth;
    if (c == '{' && !work.too_deep) keys[depth] = 0;
    // What closes more than it opened is no JSON.
    if ((c == ']' || c == '}') && depth > 0) --depth;
    if (c == ':') work.comparisons += keys[depth]++;
  }
  return work;
}

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

std::string JsonLine(const Json& json) {
  return WithValidText(json).dump(-1, ' ', false, Json::error_handler_t::replace);
}

Json ParseJson(absl::string_view text) {
  const Work work = WorkOf(text);
  if (work.too_deep || work.comparisons > kMaxComparisons) return Json(Json::value_t::discarded);
  return Json::parse(text.begin(), text.end(), nullptr, /*allow_exceptions=*/false);
}

bool NestsTooDeep(absl::string_view text) { return WorkOf(text).too_deep; }

}  // namespace pipeline
