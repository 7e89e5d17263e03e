// A kernel's first use on a card: what it gives beside what LibTorch's operators give.
#ifndef KERNELS_GPU_CHECK_H_
#define KERNELS_GPU_CHECK_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <map>
#include <mutex>
#include <string>
#include <vector>

namespace kernels {

// What operators give, and how far a kernel may be from it.
struct Expected {
  std::string what;  // in the plural, for messages
  at::Tensor results;
  double tolerance = 0;     // times max(1, |result|)
  bool of_largest = false;  // times the largest |result| instead
};

// How a kernel's results differ from the expected ones, as the end of a sentence about the kernel;
// empty where they do not. Where operators give no finite number, anything is right.
std::string Difference(const std::vector<at::Tensor>& found, const std::vector<Expected>& expected);

// Which kernels agreed with operators.
class GpuChecks {
 public:
  // Compares at the first call for a key, the kernel's results being computed first, and remembers.
  // Without results of the kernel, which then could not be made, false. Where it throws or differs,
  // false, and a line on stderr says so of `kernel` (for example "activations in float32") and
  // `card`.
  bool Agree(const std::string& key, const std::string& kernel,
             const std::function<std::string()>& card,
             const std::function<std::vector<at::Tensor>()>& by_kernel,
             const std::function<std::vector<Expected>()>& by_operators);

 private:
  std::mutex mutex_;  // autograd has a thread for each device
  std::map<std::string, bool> agree_;
};

// In [-1, 1), the same on every machine: what inputs to compare on are made of.
float HashedNumber(uint64_t index);

}  // namespace kernels

#endif  // KERNELS_GPU_CHECK_H_
