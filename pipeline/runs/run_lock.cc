// flock, and a line that says who has it.
#include "pipeline/runs/run_lock.h"

#include <fcntl.h>
#include <signal.h>
#include <sys/file.h>
#include <unistd.h>

#include <array>
#include <cerrno>
#include <chrono>
#include <climits>
#include <cstring>
#include <thread>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"
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

// How long the workers of a process that was killed may take to end.
constexpr std::chrono::seconds kPatience(30);
constexpr std::chrono::milliseconds kBetweenTrials(20);

std::string Signature(pid_t process) { return absl::StrCat("pid ", process, " on ", Host()); }

// Whether the lock's holder, as the file names it, was a process of this host and is no more. The
// lock is then with what it started, which ends.
bool HasEnded(const std::string& holder) {
  const std::vector<std::string> words = absl::StrSplit(holder, ' ');
  pid_t process = 0;
  if (words.size() < 2 || !absl::SimpleAtoi(words[1], &process) || process <= 0) return false;
  return holder == Signature(process) && kill(process, 0) != 0 && errno == ESRCH;
}

bool Lock(int descriptor) {
  int locked;
  do {
    locked = flock(descriptor, LOCK_EX | LOCK_NB);
  } while (locked != 0 && errno == EINTR);
  return locked == 0;
}

bool LockOnceLeft(int descriptor) {
  const auto until = std::chrono::steady_clock::now() + kPatience;
  while (true) {
    if (Lock(descriptor)) return true;
    if (errno != EWOULDBLOCK) return false;
    const bool left = HasEnded(FirstLine(descriptor));
    errno = EWOULDBLOCK;
    if (!left || std::chrono::steady_clock::now() > until) return false;
    std::this_thread::sleep_for(kBetweenTrials);
  }
}

}  // namespace

absl::StatusOr<RunLock> RunLock::Take(const std::string& folder) {
  const std::string path = absl::StrCat(folder, "/lock");
  RunLock lock(open(path.c_str(), O_RDWR | O_CREAT | O_CLOEXEC, 0644));
  const auto failed = [&](const char* what) {
    return absl::UnknownError(absl::StrCat("cannot ", what, " ", path, ": ", std::strerror(errno)));
  };
  if (lock.descriptor_ < 0) return failed("write");
  const bool locked = LockOnceLeft(lock.descriptor_);
  if (!locked && errno == EWOULDBLOCK) {
    return absl::FailedPreconditionError(absl::StrCat(
        folder, ": another process trains in this folder: ", FirstLine(lock.descriptor_)));
  }
  if (!locked) return failed("lock");
  const std::string who = absl::StrCat(Signature(getpid()), "\n");
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
