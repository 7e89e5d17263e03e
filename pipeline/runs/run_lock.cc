// flock, and a line that says who has it.
#include "pipeline/runs/run_lock.h"

#include <fcntl.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <climits>
#include <cstring>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

std::string Host() {
  std::array<char, HOST_NAME_MAX + 1> name = {};
  return gethostname(name.data(), name.size() - 1) == 0 ? name.data() : "this host";
}

std::string FirstLine(int descriptor) {
  std::array<char, 512> text = {};
  const ssize_t got = pread(descriptor, text.data(), text.size(), 0);
  const std::string read(text.data(), got > 0 ? static_cast<size_t>(got) : 0);
  return Printable(read.substr(0, read.find('\n')));
}

}  // namespace

absl::StatusOr<RunLock> RunLock::Take(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/lock");
  RunLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const auto failed = [&](const char* what) {
    return absl::UnknownError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
  };
  if (lock.descriptor_ < 0) return failed("write");
  int locked;
  do {
    locked = flock(lock.descriptor_, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  if (locked != 0 && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder, ": another process trains in this folder: ", FirstLine(lock.descriptor_)));
  }
  if (locked != 0) return failed("lock");
  const std::string who = absl::StrCat("pid ", getpid(), " on ", Host(), "\n");
  if (ftruncate(lock.descriptor_, 0) != 0) return failed("write");
  if (pwrite(lock.descriptor_, who.data(), who.size(), 0) != static_cast<ssize_t>(who.size())) {
    return failed("write");
  }
  return lock;
}

RunLock::RunLock(RunLock&& other) noexcept : descriptor_(std::exchange(other.descriptor_, -1)) {}

RunLock::~RunLock() {
  if (descriptor_ >= 0) close(descriptor_);
}

}  // namespace pipeline
