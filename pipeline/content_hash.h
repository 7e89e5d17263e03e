// What a file holds, as split.csv tells it.
#ifndef PIPELINE_CONTENT_HASH_H_
#define PIPELINE_CONTENT_HASH_H_

#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// What is said of a file that cannot be read.
constexpr char kUnreadable[] = "unreadable";

// 32 hexadecimal digits: XXH3, 128 bits, as `xxh128sum` prints it; kUnreadable of what is no file
// or larger than 1 GiB.
std::string ContentHash(const std::string& path);

// The same of a file that was read.
std::string HashOf(absl::string_view bytes);

}  // namespace pipeline

#endif  // PIPELINE_CONTENT_HASH_H_
