// Which instruction set loops run with.
#include "kernels/simd.h"

#include <algorithm>
#include <cstdlib>
#include <cstring>

namespace kernels {
namespace {

InstructionSet Best() {
#if defined(__x86_64__) && defined(__GNUC__)
  const bool avx2 = __builtin_cpu_supports("avx2") && __builtin_cpu_supports("fma") &&
                    __builtin_cpu_supports("bmi2");
  const bool avx512 = avx2 && __builtin_cpu_supports("avx512f") &&
                      __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512cd") &&
                      __builtin_cpu_supports("avx512dq") && __builtin_cpu_supports("avx512vl");
  if (avx512) return InstructionSet::kAvx512;
  if (avx2) return InstructionSet::kAvx2;
#endif
  return InstructionSet::kBaseline;
}

InstructionSet Choose() {
  const char* wanted = std::getenv("LOSSFUSION_INSTRUCTION_SET");
  if (wanted == nullptr) return Best();
  if (std::strcmp(wanted, "baseline") == 0) return InstructionSet::kBaseline;
  if (std::strcmp(wanted, "avx2") == 0) return std::min(Best(), InstructionSet::kAvx2);
  return Best();
}

}  // namespace

InstructionSet ChosenInstructionSet() {
  static const InstructionSet chosen = Choose();
  return chosen;
}

}  // namespace kernels
