// UTF-8 by RFC 3629's table of well-formed bytes.
#include "pipeline/utf8.h"

#include <algorithm>
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

// Whether a whole character is one that only terminals understand.
bool IsControl(absl::string_view character) {
  const auto first = static_cast<uint8_t>(character[0]);
  if (character.size() == 1) return first < 0x20 || first == 0x7F;
  return first == 0xC2 && static_cast<uint8_t>(character[1]) < 0xA0;
}

std::string Rewritten(absl::string_view bytes, bool show_control) {
  std::string text;
  text.reserve(bytes.size());
  while (!bytes.empty()) {
    const size_t length = CharacterLength(bytes);
    const absl::string_view next = bytes.substr(0, length == 0 ? 1 : length);
    if (length == 0 || (show_control && IsControl(next))) {
      for (const char byte : next) {
        absl::StrAppendFormat(&text, "\\x%02X", static_cast<uint8_t>(byte));
      }
    } else {
      text.append(next.data(), next.size());
    }
    bytes.remove_prefix(next.size());
  }
  return text;
}

bool BeginsCharacter(char byte) { return (static_cast<uint8_t>(byte) & 0xC0) != 0x80; }

}  // namespace

std::string ValidUtf8(absl::string_view bytes) { return Rewritten(bytes, false); }

std::string Printable(absl::string_view bytes) { return Rewritten(bytes, true); }

size_t CharactersIn(absl::string_view text) {
  return static_cast<size_t>(std::count_if(text.begin(), text.end(), BeginsCharacter));
}

std::string FirstCharacters(absl::string_view text, size_t count) {
  size_t end = 0;
  for (; end < text.size(); ++end) {
    if (BeginsCharacter(text[end]) && count-- == 0) break;
  }
  return std::string(text.substr(0, end));
}

}  // namespace pipeline
