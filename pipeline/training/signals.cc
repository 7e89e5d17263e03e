// The first signal is remembered, the second has its usual effect.
#include "pipeline/training/signals.h"

#include <unistd.h>

#include <atomic>
#include <csignal>

namespace pipeline {
namespace {

std::atomic<int> interrupted{0};  // the signal

void Remember(int signal) { interrupted = signal; }

void OnInterrupt(int signal) {
  Remember(signal);
  std::signal(signal, SIG_DFL);
}

}  // namespace

void EndOnInterrupt() {
  constexpr int kSignal = 128;
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    const auto end = [](int which) { _exit(kSignal + which); };
    if (std::signal(signal, end) == SIG_IGN) std::signal(signal, SIG_IGN);
  }
}

void InstallInterruptHandler(bool patient) {
  for (const int signal : {SIGINT, SIGTERM, SIGHUP}) {
    std::signal(signal, patient ? Remember : OnInterrupt);
  }
}

int InterruptSignal() { return interrupted; }

}  // namespace pipeline
