// Text from a user's disk, made fit for people and for files that must be UTF-8.
#ifndef PIPELINE_UTF8_H_
#define PIPELINE_UTF8_H_

#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// `bytes` as valid UTF-8 (of RFC 3629: no surrogates, nothing overlong, nothing above U+10FFFF):
// each byte that belongs to no character is shown as \xNN, with capital digits; all else stays.
// Valid text is returned unchanged. For texts only: a file is opened by its bytes.
std::string ValidUtf8(absl::string_view bytes);

}  // namespace pipeline

#endif  // PIPELINE_UTF8_H_
