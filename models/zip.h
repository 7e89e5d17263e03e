// The directory of a zip archive whose members are stored as they are.
#ifndef MODELS_ZIP_H_
#define MODELS_ZIP_H_

#include <cstdint>
#include <istream>
#include <map>
#include <string>

#include "absl/status/statusor.h"

namespace models {

// Where a member's bytes are in the file.
struct ZipMember {
  uint64_t offset = 0, size = 0;
};

// By name. `size` is the file's. Archives beyond 4 GB too (zip64). Errors say what is wrong,
// without the file's name: no archive, cut off, compressed, encrypted, members outside of it, more
// than 64 MB of directory.
absl::StatusOr<std::map<std::string, ZipMember>> ReadZip(std::istream& file, uint64_t size);

}  // namespace models

#endif  // MODELS_ZIP_H_
