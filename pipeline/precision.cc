// LibTorch's autocast.
#include "pipeline/precision.h"

#include <ATen/autocast_mode.h>
#include <torch/version.h>

namespace pipeline {
namespace {

void SetAutocast(bool cuda, bool enabled, at::ScalarType type) {
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 4)
  const at::DeviceType device = cuda ? at::kCUDA : at::kCPU;
  at::autocast::set_autocast_enabled(device, enabled);
  at::autocast::set_autocast_dtype(device, type);
#else
  if (cuda) {
    at::autocast::set_enabled(enabled);
    at::autocast::set_autocast_gpu_dtype(type);
  } else {
    at::autocast::set_cpu_enabled(enabled);
    at::autocast::set_autocast_cpu_dtype(type);
  }
#endif
}

}  // namespace

PrecisionScope::PrecisionScope(Precision precision, const std::string& device)
    : active_(precision == Train::BF16 || precision == Train::FP16), cuda_(device != "cpu") {
  if (!active_) return;
  SetAutocast(cuda_, true, precision == Train::FP16 ? at::kHalf : at::kBFloat16);
  at::autocast::increment_nesting();
}

PrecisionScope::~PrecisionScope() {
  if (!active_) return;
  // The cache holds casts of weights that the optimizer is about to change.
  if (at::autocast::decrement_nesting() == 0) at::autocast::clear_cache();
  SetAutocast(cuda_, false, at::kBFloat16);
}

}  // namespace pipeline
