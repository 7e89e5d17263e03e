// UTF-8 by RFC 3629's table of well-formed bytes.
#include "pipeline/utf8.h"

#include <cstddef>
#include <cstdint>

#include "absl/strings/str_format.h"

namespace pipeline {
namespace {

bool IsBetween(uint8_t byte, int low, int high) { return low <= byte && byte <= high; }

// The bytes of the character that `bytes`, which is not empty, begins with; 0 if with none.
size_t CharacterLength(absl::string_view bytes) {
  const auto at = [&](size_t i) { return static_cast<uint8_t>(bytes[i]); };
  const uint8_t first = at(0);
  const size_t length = first < 0x80                   ? 1
                        : IsBetween(first, 0xC2, 0xDF) ? 2
                        : IsBetween(first, 0xE0, 0xEF) ? 3
                        : IsBetween(first, 0xF0, 0xF4) ? 4
                                                       : 0;
  if (length < 2) return length;
  if (bytes.size() < length) return 0;
  // The second byte tells what is overlong, a surrogate, or too large.
  const int low = first == 0xE0 ? 0xA0 : first == 0xF0 ? 0x90 : 0x80;
  const int high = first == 0xED ? 0x9F : first == 0xF4 ? 0x8F : 0xBF;
  if (!IsBetween(at(1), low, high)) return 0;
  for (size_t i = 2; i < length; ++i) {
    if (!IsBetween(at(i), 0x80, 0xBF)) return 0;
  }
  return length;
}

}  // namespace

std::string ValidUtf8(absl::string_view bytes) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    if (length == 0) {
      absl::StrAppendFormat(&text, "\\x%02X", static_cast<uint8_t>(bytes[0]));
      bytes.remove_prefix(1);
      continue;
    }
    text.append(bytes.data(), length);
    bytes.remove_prefix(length);
  }
  return text;
}

}  // namespace pipeline
