// Devices, threads and generators of LibTorch.
#include "pipeline/training/device.h"

#include <ATen/Context.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <malloc.h>
#include <torch/cuda.h>

#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"

namespace pipeline {
namespace {

// Whether matrix products in bfloat16 are faster than in float32 here.
bool HasBfloat16(bool cuda) {
  if (cuda) return true;
  return __builtin_cpu_supports("avx512bf16") != 0;
}

}  // namespace

absl::StatusOr<std::string> ChooseDevice(const std::string& wanted) {
  const int gpus = torch::cuda::is_available() ? static_cast<int>(torch::cuda::device_count()) : 0;
  if (wanted == "AUTO") return gpus > 0 ? "cuda:0" : "cpu";
  if (wanted == "CPU") return "cpu";
  absl::string_view rest = wanted;
  int index = 0;
  if (!absl::ConsumePrefix(&rest, "CUDA") ||
      (!rest.empty() &&
       (!absl::ConsumePrefix(&rest, ":") || !absl::SimpleAtoi(rest, &index) || index < 0))) {
    return OptionError(
        "device", absl::StrCat("device is \"", wanted, "\"; it may be: AUTO, CPU, CUDA, CUDA:n"));
  }
  if (index >= gpus) {
    return OptionError("device", absl::StrCat("device is ", wanted, ", but LibTorch sees ", gpus,
                                              gpus == 1 ? " GPU" : " GPUs"));
  }
  return absl::StrCat("cuda:", index);
}

bool BuiltForGpu() { return at::detail::getCUDAHooks().compiledWithCuDNN(); }

absl::StatusOr<Precision> ChoosePrecision(Precision wanted, const std::string& device) {
  const bool cuda = device != "cpu";
  if (wanted == Train::FP16 && !cuda) {
    return OptionError("precision", "precision FP16 needs a GPU; on a CPU it may be: FP32, BF16");
  }
  if (wanted != Train::AUTO) return wanted;
  return HasBfloat16(cuda) ? Train::BF16 : Train::FP32;
}

int SetThreads(int threads) {
  const int cores = static_cast<int>(std::max(1U, std::thread::hardware_concurrency()));
  const int chosen = threads > 0 ? std::min(threads, cores) : cores;
  at::set_num_threads(chosen);
  return chosen;
}

void KeepFreedMemory() {
#ifdef __GLIBC__
  mallopt(M_MMAP_MAX, 0);         // all of it from the heap,
  mallopt(M_TRIM_THRESHOLD, -1);  // which never shrinks
#endif
}

void RepeatOnGpu() { at::globalContext().setDeterministicCuDNN(true); }

void SeedGenerators(uint64_t seed) { at::manual_seed(seed); }

}  // namespace pipeline
