// Timing in turns, and the table.
#include "bench/measure.h"

#include <ATen/Parallel.h>
#include <c10/util/Exception.h>
#include <gflags/gflags.h>
#include <torch/version.h>

#include <algorithm>
#include <chrono>
#include <cstdio>
#include <fstream>
#include <limits>
#include <nlohmann/json.hpp>

#include "kernels/simd.h"
#include "pipeline/training/device.h"

DEFINE_int32(threads, 0, "threads of both sides; 0 means one for each core");
DEFINE_bool(json, false, "print one JSON object instead of a table");

namespace bench {
namespace {

double Ms(const std::function<void()>& body, int64_t calls) {
  const auto start = std::chrono::steady_clock::now();
  for (int64_t i = 0; i < calls; ++i) body();
  const std::chrono::duration<double, std::milli> taken = std::chrono::steady_clock::now() - start;
  return taken.count() / static_cast<double>(calls);
}

std::string Processor() {
  std::ifstream info("/proc/cpuinfo");
  for (std::string line; std::getline(info, line);) {
    if (line.rfind("model name", 0) == 0) return line.substr(line.find(':') + 2);
  }
  return "unknown processor";
}

std::string InstructionSetName() {
  switch (kernels::ChosenInstructionSet()) {
    case kernels::InstructionSet::kAvx512:
      return "AVX-512";
    case kernels::InstructionSet::kAvx2:
      return "AVX2";
    default:
      return "baseline";
  }
}

}  // namespace

std::vector<double> LeastMs(const std::vector<std::function<void()>>& bodies, double seconds) {
  // Short bodies are timed several calls at once: the clock has a resolution.
  constexpr double kShortestMs = 0.5;
  std::vector<int64_t> calls;
  std::vector<double> least(bodies.size(), std::numeric_limits<double>::infinity());
  double round_ms = 0;
  for (const auto& body : bodies) {
    body();  // warms up
    const double once = Ms(body, 1);
    calls.push_back(std::max<int64_t>(1, static_cast<int64_t>(kShortestMs / once)));
    round_ms += once * static_cast<double>(calls.back());
  }
  const auto rounds = std::max<int64_t>(3, static_cast<int64_t>(seconds * 1e3 / round_ms));
  for (int64_t round = 0; round < rounds; ++round) {
    for (size_t i = 0; i < bodies.size(); ++i) {
      least[i] = std::min(least[i], Ms(bodies[i], calls[i]));
    }
  }
  return least;
}

std::string OutputOf(const std::string& command) {
  std::string text;
  FILE* const pipe = popen(command.c_str(), "r");
  TORCH_CHECK(pipe != nullptr, "popen");
  char buffer[4096];
  for (size_t got; (got = fread(buffer, 1, sizeof(buffer), pipe)) > 0;) text.append(buffer, got);
  TORCH_CHECK(pclose(pipe) == 0, "failed: ", command);
  return text;
}

void Print(const std::vector<Case>& cases) {
  if (FLAGS_json) {
    auto list = nlohmann::ordered_json::array();
    for (const Case& one : cases) {
      list.push_back({{"name", one.name},
                      {"ms", one.ms},
                      {"against", one.against},
                      {"ratio", one.ms / one.against}});
    }
    std::puts(nlohmann::ordered_json({{"cases", list}}).dump(1).c_str());
    return;
  }
  size_t width = 4;
  for (const Case& one : cases) width = std::max(width, one.name.size());
  const int column = static_cast<int>(width);
  std::printf("%-*s  %9s  %9s  %6s\n", column, "case", "ours ms", "against", "ratio");
  for (const Case& one : cases) {
    std::printf("%-*s  %9.4g  %9.4g  %6.3f\n", column, one.name.c_str(), one.ms, one.against,
                one.ms / one.against);
  }
}

void Start(int* argc, char*** argv, const std::string& what) {
  gflags::SetUsageMessage(what);
  gflags::ParseCommandLineFlags(argc, argv, /*remove_flags=*/true);
  pipeline::SetThreads(FLAGS_threads);
  if (FLAGS_json) return;
  std::printf("%s\n%s, %d threads; LibTorch %s; our loops: %s\n\n", what.c_str(),
              Processor().c_str(), at::get_num_threads(), TORCH_VERSION,
              InstructionSetName().c_str());
}

}  // namespace bench
