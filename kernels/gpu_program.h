// CUDA source that is compiled for the card at hand when it is first needed, and kept for the next
// process (code_cache.h).
#ifndef KERNELS_GPU_PROGRAM_H_
#define KERNELS_GPU_PROGRAM_H_

#include <c10/core/Device.h>

#include <cstddef>
#include <cstdint>
#include <map>
#include <mutex>
#include <string>

namespace kernels {

// Machine code for an architecture such as "sm_90", by NVRTC, which LibTorch's wheels bring;
// without it, or for a wrong source, empty, and `error` says why. Needs no GPU.
std::string CompileCuda(const std::string& source, const std::string& architecture,
                        std::string* error);

// Kernels from one source. Nothing is linked against: where a symbol of CUDA is missing, no kernel
// can be made; with LOSSFUSION_GPU_KERNELS=off in the environment none is, and nothing is said.
class GpuProgram {
 public:
  struct Shape {
    uint32_t blocks = 1, threads = 1;
    size_t shared_bytes = 0;
  };

  // `name` is for messages. Kernels of the source are extern "C".
  GpuProgram(std::string name, std::string source)
      : name_(std::move(name)), source_(std::move(source)) {}

  // Starts a kernel on the device's current stream, which is not waited for. False where it cannot
  // be made, which is said once; others must then take its place. Before results of a kernel are
  // trusted on a card they are compared (gpu_check.h).
  bool Launch(const std::string& kernel, c10::Device device, const Shape& shape, void** arguments);

  // Blocks of a kernel that goes over `count` elements, `each` per block and round: enough to fill
  // the card, and no more than there is work.
  static uint32_t Blocks(c10::Device device, int64_t count, int64_t each);

  // For messages: "NVIDIA H100 80GB HBM3 (cuda:0)".
  static std::string CardOf(c10::Device device);

 private:
  using Kernel = void*;  // cudaKernel_t
  Kernel Find(const std::string& kernel, c10::Device device);
  void Complain(const std::string& why);

  const std::string name_, source_;
  std::mutex mutex_;                        // autograd has a thread for each device
  std::map<std::string, void*> libraries_;  // by architecture
  std::map<std::string, Kernel> kernels_;   // by architecture and name
  bool failed_ = false;
};

}  // namespace kernels

#endif  // KERNELS_GPU_PROGRAM_H_
