// Reading and writing of whole files: bounded, and atomic.
#ifndef PIPELINE_FILES_H_
#define PIPELINE_FILES_H_

#include <cstddef>
#include <cstdint>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

// The whole of a file; more than `limit` bytes are an error.
absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit);

// A file that appears under its name only when it is complete: written to a temporary name beside
// it, synced, then renamed. Without Commit, or after an error, the earlier file stays as it was.
class AtomicFile {
 public:
  explicit AtomicFile(const std::string& path);
  AtomicFile(const AtomicFile&) = delete;
  ~AtomicFile();

  // What went wrong so far, if only when the file was opened.
  const absl::Status& status() const { return status_; }
  // After an error, further calls do nothing and Commit returns it.
  void Append(const void* data, size_t size);
  absl::Status Commit();

  // Whether a file's name is that of one which was never committed, as a process that is killed
  // leaves it.
  static bool IsLeftOver(const std::string& name);

 private:
  void Fail(const std::string& what);
  void Write(const void* data, size_t size);

  const std::string path_;
  const std::string temporary_;
  int descriptor_;
  std::string buffer_;  // not written yet
  absl::Status status_;
};

absl::Status WriteFileAtomically(const std::string& path, const std::string& content);

// A file that grows by whole records: each is one write at its end, and one that fails is taken
// back. What was added before stays, whatever ends the process.
class GrowingFile {
 public:
  // Goes on at the end of a file that is there.
  explicit GrowingFile(const std::string& path);
  GrowingFile(const GrowingFile&) = delete;
  ~GrowingFile();

  // What went wrong, if only when the file was opened.
  absl::Status Append(const std::string& record);
  // Bytes so far, once they are on the disk.
  absl::StatusOr<int64_t> Sync() const;
  // Takes back all that was added after its first `size` bytes; NOT_FOUND where it has less.
  absl::Status CutBack(int64_t size);

 private:
  const std::string path_;
  const int descriptor_;
  absl::Status opened_;
};

// mkdir -p.
absl::Status MakeFolders(const std::string& path);

// Makes one folder: true; false where something of that name is there already.
absl::StatusOr<bool> MakeFolder(const std::string& path);

// Makes an empty file: true; false where something of that name is there already. Of many that try,
// one gets true.
absl::StatusOr<bool> ClaimFile(const std::string& path);

}  // namespace pipeline

#endif  // PIPELINE_FILES_H_
