// Memory as Linux tells it.
#include "pipeline/memory.h"

#include <sys/resource.h>
#include <unistd.h>

#include <algorithm>
#include <fstream>

#include "absl/strings/str_format.h"

namespace pipeline {
namespace {

// A number that begins a file; `otherwise` where there is none ("max", or no such file).
double NumberIn(const char* file, double otherwise) {
  double number = 0;
  return std::ifstream(file) >> number ? number : otherwise;
}

}  // namespace

double MemoryOfMachine() {
  const auto page = static_cast<double>(sysconf(_SC_PAGESIZE));
  double bytes = static_cast<double>(sysconf(_SC_PHYS_PAGES)) * page;
  bytes = std::min(bytes, NumberIn("/sys/fs/cgroup/memory.max", bytes));
  rlimit limit = {};
  if (getrlimit(RLIMIT_AS, &limit) != 0 || limit.rlim_cur == RLIM_INFINITY) return bytes;
  const double used = NumberIn("/proc/self/statm", 0) * page;
  return std::min(bytes, std::max(0., static_cast<double>(limit.rlim_cur) - used));
}

std::string BytesText(double bytes) {
  return bytes < 1e9 ? absl::StrFormat("%.0f MB", bytes / 1e6)
                     : absl::StrFormat("%.1f GB", bytes / 1e9);
}

}  // namespace pipeline
