// Text from a user's disk, made fit for people and for files that must be UTF-8.
#ifndef PIPELINE_UTF8_H_
#define PIPELINE_UTF8_H_

#include <cstddef>
#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// `bytes` as valid UTF-8 (of RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF):
// each byte that belongs to no character is shown as \xNN, with capital digits; all else stays.
// Valid text is returned unchanged. For texts only: a file is opened by its bytes.
std::string ValidUtf8(absl::string_view bytes);

// The same for a terminal: the bytes of control characters (C0, DEL, C1) are shown as \xNN too.
std::string Printable(absl::string_view bytes);

// Characters of a text that is valid UTF-8, and its first `count` of them.
size_t CharactersIn(absl::string_view text);
std::string FirstCharacters(absl::string_view text, size_t count);

}  // namespace pipeline

#endif  // PIPELINE_UTF8_H_
