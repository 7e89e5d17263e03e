// The steady clock, and the kernel's account of this process.
#include "pipeline/clock.h"

#include <unistd.h>

#include <chrono>
#include <fstream>
#include <sstream>
#include <string>

#include "absl/strings/numbers.h"

namespace pipeline {

double Now() {
  return std::chrono::duration<double>(std::chrono::steady_clock::now().time_since_epoch()).count();
}

double ProcessAge() {
  std::ifstream stat("/proc/self/stat"), uptime("/proc/uptime");
  std::string line;
  std::getline(stat, line);
  // The second field, the program's name, may hold blanks; the start time is the 22nd.
  std::istringstream fields(line.substr(line.rfind(')') + 1));
  constexpr int kStartTime = 22, kFirst = 3;
  std::string field;
  for (int i = kFirst; i <= kStartTime; ++i) fields >> field;
  double ticks = 0, now = 0;
  uptime >> now;
  if (!absl::SimpleAtod(field, &ticks)) return 0;
  return now - ticks / static_cast<double>(sysconf(_SC_CLK_TCK));
}

}  // namespace pipeline
