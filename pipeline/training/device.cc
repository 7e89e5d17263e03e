// Devices, threads and generators of LibTorch.
#include "pipeline/training/device.h"

#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <libtorch_context.h>
#include <malloc.h>
#include <torch/cuda.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdlib>
#include <thread>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "pipeline/processes.h"

namespace pipeline {
namespace {

void MakeCurrent(const at::Device& gpu) {
  c10::impl::getDeviceGuardImpl(at::kCUDA)->setDevice(gpu);
}

// Whether matrix products in bfloat16 are faster than in float32 here: on GPUs from Ampere on.
bool HasBfloat16(const std::string& device) {
  if (device == "cpu") return __builtin_cpu_supports("avx512bf16") != 0;
  MakeCurrent(at::Device(device));
  return at::detail::getCUDAHooks().supportsBFloat16ConvolutionWithCuDNNv8();
}

// Operators whose sums have no order of their own take a form that has one, or warn.
void ForbidRaces() {
  setenv("CUBLAS_WORKSPACE_CONFIG", ":4096:8", /*overwrite=*/0);  // what cuBLAS asks for it
  at::globalContext().setDeterministicAlgorithms(true, /*warn_only=*/true);
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 2)
  at::globalContext().setDeterministicFillUninitializedMemory(false);  // a pass for every tensor
#endif
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
  if ((wanted == Train::FP16 || wanted == Train::TF32) && device == "cpu") {
    return OptionError("precision", absl::StrCat("precision ", Train::Precision_Name(wanted),
                                                 " needs a GPU; on a CPU it may be: FP32, BF16"));
  }
  if (wanted != Train::AUTO) return wanted;
  return HasBfloat16(device) ? Train::BF16 : Train::FP32;
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

void ConfigureGpu(const std::string& device, Precision precision, bool deterministic) {
  MakeCurrent(at::Device(device));
  at::Context& context = at::globalContext();
  context.setAllowTF32CuDNN(precision == Train::TF32);
  context.setAllowTF32CuBLAS(precision == Train::TF32);
  context.setDeterministicCuDNN(deterministic);
  context.setBenchmarkCuDNN(!deterministic);
  if (deterministic) ForbidRaces();
}

void SeedGenerators(uint64_t seed) { at::manual_seed(seed); }

absl::Status ChooseHardware(const LoadedConfig& loaded, BuildContext* context) {
  const Train& train = loaded.document.config.train();
  const auto placed = [&](const absl::Status& status) {
    Diagnostics errors;
    errors.Add(loaded.document.where.Of("train." + OptionOf(status)),
               std::string(status.message()));
    return errors.ToStatus();
  };
  const Processes* processes = context->processes;
  absl::StatusOr<std::string> device = ChooseDevice(train.device());
  if (processes != nullptr && train.device() == "AUTO" && device.ok() && *device != "cpu") {
    device = ChooseDevice(absl::StrCat("CUDA:", processes->local_rank()));
  }
  if (!device.ok()) return placed(device.status());
  const absl::StatusOr<Precision> precision = ChoosePrecision(train.precision(), *device);
  if (!precision.ok()) return placed(precision.status());
  context->device = *device;
  context->precision = *precision;
  context->seed = static_cast<uint64_t>(train.seed());
  context->threads = SetThreads(train.threads());
  if (processes != nullptr && train.threads() == 0) {
    context->threads = SetThreads(std::max(1, context->threads / processes->local_size()));
  }
  if (*device != "cpu") ConfigureGpu(*device, *precision, train.deterministic());
  SeedGenerators(context->seed);
  return absl::OkStatus();
}

}  // namespace pipeline
