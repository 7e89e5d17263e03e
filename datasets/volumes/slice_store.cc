// A temporary file without a name.
#include "datasets/volumes/slice_store.h"

#include <fcntl.h>
#include <unistd.h>

#include <cerrno>
#include <cstdlib>
#include <cstring>
#include <filesystem>
#include <string>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

absl::Status Failed(const char* what, int error) {
  return absl::ResourceExhaustedError(
      absl::StrCat("cannot ", what, " a temporary file for slices (TMPDIR says where it is): ",
                   error == 0 ? "it ends early" : std::strerror(error)));
}

}  // namespace

SliceStore::SliceStore(int64_t limit) : limit_(limit) {
  std::error_code error;
  std::string path = (std::filesystem::temp_directory_path(error) / "lossfusion-XXXXXX").string();
  if (error) {
    error_ = error.value();
    return;
  }
  descriptor_ = mkostemp(path.data(), O_CLOEXEC);
  if (descriptor_ < 0) {
    error_ = errno;
    return;
  }
  unlink(path.c_str());
}

SliceStore::~SliceStore() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::StatusOr<int64_t> SliceStore::Append(const void* data, int64_t size) {
  if (descriptor_ < 0) return Failed("make", error_);
  const int64_t offset = size_.fetch_add(size);
  if (offset + size > limit_) {
    return absl::ResourceExhaustedError(
        absl::StrCat("the slices take more than ", limit_ >> 20, " MiB"));
  }
  for (int64_t done = 0; done < size;) {
    const ssize_t wrote =
        pwrite(descriptor_, static_cast<const char*>(data) + done, size - done, offset + done);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote <= 0) return Failed("write", wrote < 0 ? errno : ENOSPC);
    done += wrote;
  }
  return offset;
}

absl::Status SliceStore::Read(int64_t offset, void* data, int64_t size) const {
  for (int64_t done = 0; done < size;) {
    const ssize_t got =
        pread(descriptor_, static_cast<char*>(data) + done, size - done, offset + done);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return Failed("read", got < 0 ? errno : 0);
    done += got;
  }
  return absl::OkStatus();
}

}  // namespace datasets
