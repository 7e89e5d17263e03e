// Bounded reads and atomic writes on POSIX.
#include "pipeline/files.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <cstdio>
#include <cstring>
#include <filesystem>
#include <system_error>

#include "absl/strings/str_cat.h"

namespace pipeline {
namespace {

constexpr char kTemporary[] = ".tmp";
constexpr size_t kBuffer = 1 << 20;

absl::Status SystemError(const std::string& what, const std::string& path) {
  return absl::UnknownError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
}

// Closes its descriptor.
class Descriptor {
 public:
  explicit Descriptor(int descriptor) : descriptor_(descriptor) {}
  Descriptor(const Descriptor&) = delete;
  ~Descriptor() {
    if (descriptor_ >= 0) close(descriptor_);
  }
  int get() const { return descriptor_; }

 private:
  const int descriptor_;
};

}  // namespace

absl::StatusOr<std::string> ReadFile(const std::string& path, size_t limit) {
  // O_NONBLOCK: a named pipe must not hang the open.
  const Descriptor file(open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK));
  if (file.get() < 0) return SystemError("read", path);
  struct stat info = {};
  if (fstat(file.get(), &info) != 0) return SystemError("read", path);
  if (!S_ISREG(info.st_mode)) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", path, ": not a regular file"));
  }
  const auto too_large = [&] {
    return absl::InvalidArgumentError(
        absl::StrCat("cannot read ", path, ": larger than ", limit, " bytes"));
  };
  if (static_cast<size_t>(info.st_size) > limit) return too_large();
  std::string content;
  size_t size = 0;
  content.resize(static_cast<size_t>(info.st_size) + 1);
  while (true) {
    const ssize_t got = read(file.get(), &content[size], content.size() - size);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return SystemError("read", path);
    size += static_cast<size_t>(got);
    if (size > limit) return too_large();
    if (got == 0) break;
    // The file grows while it is read.
    if (size == content.size()) content.resize(size + size / 2 + 1);
  }
  content.resize(size);
  return content;
}

AtomicFile::AtomicFile(const std::string& path)
    : path_(path),
      temporary_(absl::StrCat(path, kTemporary, getpid())),
      descriptor_(open(temporary_.c_str(), O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) Fail("write");
  struct stat info = {};
  // A rename would say so only at the end.
  if (status_.ok() && stat(path.c_str(), &info) == 0 && S_ISDIR(info.st_mode)) {
    errno = EISDIR;
    Fail("write");
  }
}

AtomicFile::~AtomicFile() {
  if (descriptor_ < 0) return;
  close(descriptor_);
  unlink(temporary_.c_str());
}

void AtomicFile::Fail(const std::string& what) {
  if (status_.ok()) status_ = SystemError(what, path_);
}

void AtomicFile::Append(const void* data, size_t size) {
  if (buffer_.size() + size < kBuffer) {
    buffer_.append(static_cast<const char*>(data), size);
    return;
  }
  Write(buffer_.data(), buffer_.size());
  buffer_.clear();
  Write(data, size);
}

bool AtomicFile::IsLeftOver(const std::string& name) {
  const size_t at = name.rfind(kTemporary);
  if (at == std::string::npos) return false;
  const std::string process = name.substr(at + std::strlen(kTemporary));
  return !process.empty() && process.find_first_not_of("0123456789") == std::string::npos;
}

void AtomicFile::Write(const void* data, size_t size) {
  const char* from = static_cast<const char*>(data);
  while (size > 0 && status_.ok()) {
    const ssize_t wrote = write(descriptor_, from, size);
    if (wrote < 0 && errno == EINTR) continue;
    if (wrote < 0) return Fail("write");
    from += wrote;
    size -= static_cast<size_t>(wrote);
  }
}

absl::Status AtomicFile::Commit() {
  Write(buffer_.data(), buffer_.size());
  if (status_.ok() && fsync(descriptor_) != 0) Fail("sync");
  if (status_.ok() && std::rename(temporary_.c_str(), path_.c_str()) != 0) Fail("rename to");
  if (!status_.ok()) return status_;
  close(descriptor_);
  descriptor_ = -1;
  // The rename itself is on disk only once its folder is.
  const std::string parent = std::filesystem::absolute(path_).parent_path().string();
  const Descriptor folder(open(parent.c_str(), O_RDONLY | O_DIRECTORY | O_CLOEXEC));
  // Not every file system can.
  const bool synced = folder.get() >= 0 && (fsync(folder.get()) == 0 || errno == EINVAL);
  return synced ? absl::OkStatus() : SystemError("sync", parent);
}

absl::Status WriteFileAtomically(const std::string& path, const std::string& content) {
  AtomicFile file(path);
  file.Append(content.data(), content.size());
  return file.Commit();
}

GrowingFile::GrowingFile(const std::string& path)
    : path_(path),
      descriptor_(open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644)) {
  if (descriptor_ < 0) opened_ = SystemError("write", path);
}

GrowingFile::~GrowingFile() {
  if (descriptor_ >= 0) close(descriptor_);
}

absl::Status GrowingFile::Append(const std::string& record) {
  if (!opened_.ok()) return opened_;
  ssize_t wrote;
  do {
    wrote = write(descriptor_, record.data(), record.size());
  } while (wrote < 0 && errno == EINTR);
  if (wrote == static_cast<ssize_t>(record.size())) return absl::OkStatus();
  if (wrote < 0) return SystemError("write", path_);
  struct stat info = {};
  const bool taken_back = fstat(descriptor_, &info) == 0 &&
                          ftruncate(descriptor_, info.st_size - static_cast<off_t>(wrote)) == 0;
  return absl::UnknownError(absl::StrCat("cannot write ", path_, ": no space left",
                                         taken_back ? "" : "; its last record is torn"));
}

absl::StatusOr<int64_t> GrowingFile::Sync() const {
  if (!opened_.ok()) return opened_;
  struct stat info = {};
  if (fdatasync(descriptor_) != 0 || fstat(descriptor_, &info) != 0) {
    return SystemError("sync", path_);
  }
  return static_cast<int64_t>(info.st_size);
}

absl::Status GrowingFile::CutBack(int64_t size) {
  if (!opened_.ok()) return opened_;
  struct stat info = {};
  if (fstat(descriptor_, &info) != 0) return SystemError("read", path_);
  if (info.st_size < size) {
    return absl::NotFoundError(absl::StrCat(path_, " has less than ", size, " bytes"));
  }
  if (ftruncate(descriptor_, size) != 0) return SystemError("write", path_);
  return absl::OkStatus();
}

absl::Status MakeFolders(const std::string& path) {
  std::error_code error;
  std::filesystem::create_directories(path, error);
  if (error) return absl::UnknownError(absl::StrCat("cannot make ", path, ": ", error.message()));
  return absl::OkStatus();
}

absl::StatusOr<bool> MakeFolder(const std::string& path) {
  if (mkdir(path.c_str(), 0777) == 0) return true;
  if (errno == EEXIST) return false;
  return SystemError("make", path);
}

absl::StatusOr<bool> ClaimFile(const std::string& path) {
  const Descriptor file(open(path.c_str(), O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC, 0644));
  if (file.get() >= 0) return true;
  if (errno == EEXIST) return false;
  return SystemError("write", path);
}

}  // namespace pipeline
