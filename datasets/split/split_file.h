// Splits that are kept in a file, so that they can be had again and elsewhere.
#ifndef DATASETS_SPLIT_SPLIT_FILE_H_
#define DATASETS_SPLIT_SPLIT_FILE_H_

#include <functional>
#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"
#include "datasets/split/file_facts.h"
#include "datasets/split/split.h"

namespace datasets {

// A split file is CSV (RFC 4180) below a first line that says what it is:
//
//   # lossfusion split 1: the split of each file, its path below the dataset's folder, its content
//   split,path,xxh3_128
//   TRAIN,healthy/a.jpg,99aa06d3014798d86001c324468d497f
//
// Masks have lines of their own, in the split of their images. Bytes of a path that are no UTF-8
// are shown as ValidUtf8 does, and found again by that. The last column is what `xxh128sum` prints
// of the file; "unreadable" where it cannot be read, kUnread where nobody tried. A byte order mark
// before it all does no harm.
struct SplitEntry {
  pipeline::Phase phase = pipeline::TRAIN;
  std::string path;  // bytes where it is to be written, text where it was read
  std::string content;
};

// Errors read "PATH:LINE: why".
absl::StatusOr<std::vector<SplitEntry>> ReadSplitFile(const std::string& path);

std::string SplitText(const std::vector<SplitEntry>& entries);

// Whether such a file could be written, as far as can be told without writing it.
absl::Status CheckWritable(const std::string& path);

// An error of the option "split_file".
absl::Status SplitFileError(const absl::Status& status);

// What the last column says of a file that nobody read; it fits any content.
constexpr char kUnread[] = "unread";

// What the last column says of a file (pipeline::ContentHash); nothing is read where it is known.
std::string ContentHash(const std::string& path, FileFacts* facts);

// Told how many files of those that were to be compared were.
using Comparing = std::function<void(int64_t done, int64_t total)>;

// The phases of the files `paths` (bytes, relative to `root`), kUnsplit for files that are not
// listed. `masks` need not be listed. Files that are listed and exist, but are among neither, are
// passed over: another task uses them. Errors name files that are listed but do not exist, and
// files (masks too) whose content is not that which is listed.
absl::StatusOr<Phases> PhasesByFile(const std::string& split_file, const std::string& root,
                                    const std::vector<std::string>& paths,
                                    const std::set<std::string>& masks, FileFacts* facts,
                                    const Comparing& progress);

}  // namespace datasets

#endif  // DATASETS_SPLIT_SPLIT_FILE_H_
