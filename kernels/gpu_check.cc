// Comparing, and remembering and telling what came of it.
#include "kernels/gpu_check.h"

#include <algorithm>
#include <cmath>
#include <cstdio>
#include <exception>

#include "absl/strings/str_cat.h"
#include "pipeline/data.h"

namespace kernels {
namespace {

at::Tensor Doubles(const at::Tensor& results) {
  return results.detach().to(at::kCPU, at::kDouble).contiguous();
}

std::string DifferenceOf(const at::Tensor& given, const Expected& expected) {
  if (given.sizes() != expected.results.sizes()) return " are of another shape than theirs";
  const at::Tensor found = Doubles(given), right = Doubles(expected.results);
  const double *a = found.data_ptr<double>(), *b = right.data_ptr<double>();
  double largest = 0, worst = 0;
  for (int64_t i = 0; i < right.numel(); ++i) {
    if (std::isfinite(b[i])) largest = std::max(largest, std::abs(b[i]));
  }
  for (int64_t i = 0; i < right.numel(); ++i) {
    if (!std::isfinite(b[i])) continue;
    if (!std::isfinite(a[i])) return " are not finite where theirs are";
    const double scale = !expected.of_largest ? std::max(1.0, std::abs(b[i]))
                         : largest > 0        ? largest
                                              : 1;
    worst = std::max(worst, std::abs(a[i] - b[i]) / scale);
  }
  if (worst <= expected.tolerance) return "";
  return absl::StrCat(" differ from theirs by ", worst, ", more than ", expected.tolerance);
}

std::string FirstLine(const std::string& text) { return text.substr(0, text.find('\n')); }

}  // namespace

std::string Difference(const std::vector<at::Tensor>& found,
                       const std::vector<Expected>& expected) {
  for (size_t i = 0; i < expected.size(); ++i) {
    const std::string difference = DifferenceOf(found.at(i), expected[i]);
    if (!difference.empty()) return absl::StrCat("its ", expected[i].what, difference);
  }
  return "";
}

bool GpuChecks::Agree(const std::string& key, const std::string& kernel,
                      const std::function<std::string()>& card,
                      const std::function<std::vector<at::Tensor>()>& by_kernel,
                      const std::function<std::vector<Expected>()>& by_operators) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto known = agree_.find(key);
  if (known != agree_.end()) return known->second;
  std::string difference;
  bool made = true;
  try {
    const std::vector<at::Tensor> found = by_kernel();
    made = !found.empty();
    if (made) difference = Difference(found, by_operators());
  } catch (const std::exception& error) {
    difference = "comparing them failed: " + FirstLine(error.what());
  }
  if (!difference.empty()) {
    std::fprintf(stderr,
                 "note: on %s operators take the place of the kernel for %s: %s; "
                 "LOSSFUSION_GPU_KERNELS=off silences this\n",
                 card().c_str(), kernel.c_str(), difference.c_str());
  }
  return agree_[key] = made && difference.empty();
}

float HashedNumber(uint64_t index) {
  return static_cast<float>(pipeline::Hash({index}) >> 40) * 0x1p-23F - 1;
}

}  // namespace kernels
