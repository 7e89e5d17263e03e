// NVRTC and the CUDA runtime, looked up in what LibTorch has loaded.
#include "kernels/gpu_program.h"

#include <c10/core/impl/DeviceGuardImplInterface.h>
#include <dlfcn.h>
#include <torch/version.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>
#include <cstring>
#include <filesystem>

#include "kernels/code_cache.h"

namespace kernels {
namespace {

// As CUDA's headers declare them.
struct Dim3 {
  uint32_t x, y, z;
};
using LibraryLoadData = int(void**, const void*, void*, void**, uint32_t, void*, void**, uint32_t);
using LibraryGetKernel = int(void**, void*, const char*);
using LaunchKernel = int(const void*, Dim3, Dim3, void**, size_t, void*);
using DeviceGetAttribute = int(int*, int, int);
using DeviceGetProperties = int(void*, int);
using GetErrorString = const char*(int);
constexpr int kMultiprocessors = 16, kMajor = 75, kMinor = 76;

template <class Function>
Function* Find(void* library, const char* name) {
  return reinterpret_cast<Function*>(dlsym(library, name));
}

template <class Function>
Function* FindInCuda(const char* name) {
  return Find<Function>(RTLD_DEFAULT, name);
}

int Attribute(int which, c10::Device device) {
  auto* const get = FindInCuda<DeviceGetAttribute>("cudaDeviceGetAttribute");
  int value = 0;
  if (get != nullptr) get(&value, which, device.index());
  return value;
}

// NVRTC lies beside the CUDA runtime, which LibTorch has loaded.
void* OpenNvrtc() {
  std::string folder;
  Dl_info info;
  void* const runtime = dlsym(RTLD_DEFAULT, "cudaDeviceGetAttribute");
  if (runtime != nullptr && dladdr(runtime, &info) != 0) {
    folder = std::filesystem::path(info.dli_fname).parent_path().string() + "/";
  }
  for (const std::string& where : {folder, std::string()}) {
    for (const char* version : {"13", "12", "11.2"}) {
      const std::string path = where + "libnvrtc.so." + version;
      if (void* const library = dlopen(path.c_str(), RTLD_NOW | RTLD_LOCAL)) return library;
    }
  }
  return nullptr;
}

struct Nvrtc {
  void* library = OpenNvrtc();
  int (*create)(void**, const char*, const char*, int, const char**, const char**) = nullptr;
  int (*compile)(void*, int, const char**) = nullptr;
  int (*destroy)(void**) = nullptr;
  int (*code_size)(void*, size_t*) = nullptr;
  int (*code)(void*, char*) = nullptr;
  int (*log_size)(void*, size_t*) = nullptr;
  int (*log)(void*, char*) = nullptr;
  int (*version)(int*, int*) = nullptr;

  Nvrtc() {
    if (library == nullptr) return;
    const auto find = [&](const char* name, auto** function) {
      *function =
          Find<std::remove_pointer_t<std::remove_pointer_t<decltype(function)>>>(library, name);
    };
    find("nvrtcCreateProgram", &create);
    find("nvrtcCompileProgram", &compile);
    find("nvrtcDestroyProgram", &destroy);
    find("nvrtcGetCUBINSize", &code_size);
    find("nvrtcGetCUBIN", &code);
    find("nvrtcGetProgramLogSize", &log_size);
    find("nvrtcGetProgramLog", &log);
    find("nvrtcVersion", &version);
  }
  bool whole() const {
    return create != nullptr && compile != nullptr && destroy != nullptr && code_size != nullptr &&
           code != nullptr && log_size != nullptr && log != nullptr && version != nullptr;
  }
};

// What is asked for by a size and then by a buffer.
std::string Read(void* program, int (*size)(void*, size_t*), int (*read)(void*, char*)) {
  size_t bytes = 0;
  size(program, &bytes);
  std::string text(bytes, '\0');
  if (bytes > 0) read(program, text.data());
  return text;
}

const Nvrtc& TheNvrtc() {
  static const Nvrtc nvrtc;
  return nvrtc;
}

std::string NvrtcVersion() {
  int major = 0, minor = 0;
  if (TheNvrtc().whole()) TheNvrtc().version(&major, &minor);
  return std::to_string(major) + "." + std::to_string(minor);
}

}  // namespace

std::string CompileCuda(const std::string& source, const std::string& architecture,
                        std::string* error) {
  const Nvrtc& nvrtc = TheNvrtc();
  if (!nvrtc.whole()) {
    *error = "NVRTC is not there";
    return "";
  }
  void* program = nullptr;
  if (nvrtc.create(&program, source.c_str(), "kernel.cu", 0, nullptr, nullptr) != 0) {
    *error = "NVRTC makes no program";
    return "";
  }
  const std::string target = "--gpu-architecture=" + architecture;
  const char* options[] = {target.c_str(), "--std=c++17"};
  std::string code;
  if (nvrtc.compile(program, 2, options) == 0) {
    code = Read(program, nvrtc.code_size, nvrtc.code);
    if (code.empty()) *error = "NVRTC gives no code for " + architecture;
  } else {
    *error = Read(program, nvrtc.log_size, nvrtc.log);
    if (error->empty()) *error = "NVRTC does not know " + architecture;
  }
  nvrtc.destroy(&program);
  return code;
}

void GpuProgram::Complain(const std::string& why) {
  failed_ = true;
  std::fprintf(stderr, "note: no GPU kernel for %s, which takes operators instead: %s\n",
               name_.c_str(), why.c_str());
}

GpuProgram::Kernel GpuProgram::Find(const std::string& kernel, c10::Device device) {
  const std::string architecture =
      "sm_" + std::to_string(Attribute(kMajor, device) * 10 + Attribute(kMinor, device));
  const std::string key = architecture + " " + kernel;
  const auto known = kernels_.find(key);
  if (known != kernels_.end()) return known->second;
  auto* const load = FindInCuda<LibraryLoadData>("cudaLibraryLoadData");
  auto* const get = FindInCuda<LibraryGetKernel>("cudaLibraryGetKernel");
  if (load == nullptr || get == nullptr) {
    Complain("this CUDA runtime loads none");
    return nullptr;
  }
  void*& library = libraries_[architecture];
  if (library == nullptr) {
    std::string error;
    const std::string code =
        CodeCache::OfUser().Get(NvrtcVersion() + "\n" + architecture + "\n" + source_,
                                [&] { return CompileCuda(source_, architecture, &error); });
    const int failed =
        code.empty() ? 0 : load(&library, code.data(), nullptr, nullptr, 0, nullptr, nullptr, 0);
    if (failed != 0) error = "loading it failed with error " + std::to_string(failed);
    if (!error.empty()) {
      Complain(error);
      return nullptr;
    }
  }
  void* found = nullptr;
  if (get(&found, library, kernel.c_str()) != 0) {
    Complain("it lacks " + kernel);
    return nullptr;
  }
  return kernels_[key] = found;
}

bool GpuProgram::Launch(const std::string& kernel, c10::Device device, const Shape& shape,
                        void** arguments) {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (failed_) return false;
  const char* const wanted = std::getenv("LOSSFUSION_GPU_KERNELS");
  if (wanted != nullptr && std::strcmp(wanted, "off") == 0) {
    failed_ = true;
    return false;
  }
  void* stream = nullptr;
#if TORCH_VERSION_MAJOR > 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR >= 11)
  const auto* const gpu = c10::impl::getDeviceGuardImpl(device.type());
  gpu->setDevice(device);
  stream = gpu->getStream(device).native_handle();
#else
  Complain("LibTorch is older than 2.11");
  return false;
#endif
  const Kernel found = Find(kernel, device);
  auto* const launch = FindInCuda<LaunchKernel>("cudaLaunchKernel");
  if (found == nullptr || launch == nullptr) return false;
  const int failed = launch(found, {shape.blocks, 1, 1}, {shape.threads, 1, 1}, arguments,
                            shape.shared_bytes, stream);
  if (failed == 0) return true;
  auto* const text = FindInCuda<GetErrorString>("cudaGetErrorString");
  Complain(text == nullptr ? "it does not start" : text(failed));
  return false;
}

uint32_t GpuProgram::Blocks(c10::Device device, int64_t count, int64_t each) {
  constexpr int64_t kPerMultiprocessor = 8;
  static const int multiprocessors = std::max(1, Attribute(kMultiprocessors, device));
  const int64_t work = (count + each - 1) / each;
  return static_cast<uint32_t>(std::clamp<int64_t>(work, 1, kPerMultiprocessor * multiprocessors));
}

std::string GpuProgram::CardOf(c10::Device device) {
  auto* get = FindInCuda<DeviceGetProperties>("cudaGetDeviceProperties_v2");
  if (get == nullptr) get = FindInCuda<DeviceGetProperties>("cudaGetDeviceProperties");
  // cudaDeviceProp begins with the name, 256 characters, and has about a thousand bytes.
  alignas(16) char properties[1 << 14] = {};
  if (get == nullptr || get(properties, device.index()) != 0) return device.str();
  return std::string(properties) + " (" + device.str() + ")";
}

}  // namespace kernels
