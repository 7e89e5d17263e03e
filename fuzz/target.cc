// The list of targets, and their files.
#include "fuzz/target.h"

#include <sys/mman.h>
#include <unistd.h>

#include <cstdio>
#include <cstdlib>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace fuzz {
namespace {

std::vector<Target>& All() {
  static auto* all = new std::vector<Target>();
  return *all;
}

}  // namespace

Target::Target(const char* name, Function run) : name(name), run(run) { All().push_back(*this); }

const std::vector<Target>& Targets() { return All(); }

void Require(bool holds, absl::string_view what) {
  if (holds) return;
  std::fprintf(stderr, "does not hold: %.*s\n", static_cast<int>(what.size()), what.data());
  std::abort();
}

void RequireReason(const absl::Status& status, const std::string& path) {
  if (status.ok()) return;
  Require(status.message().size() > path.size() && absl::StrContains(status.message(), path),
          absl::StrCat("the error names the file and a reason: ", status.message()));
}

InputFile::InputFile(absl::string_view bytes)
    : descriptor_(memfd_create("input", 0)), path_(absl::StrCat("/proc/self/fd/", descriptor_)) {
  const ssize_t written = write(descriptor_, bytes.data(), bytes.size());
  Require(written == static_cast<ssize_t>(bytes.size()), "an input fits into memory");
}

InputFile::~InputFile() { close(descriptor_); }

}  // namespace fuzz
