// One process holds one protobuf, one OpenMP runtime and one OpenCV, whichever LibTorch it is built
// against.
#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <gtest/gtest.h>
#include <libtorch_context.h>
#include <unistd.h>

#include <fstream>
#include <map>
#include <mutex>
#include <set>
#include <string>
#include <thread>

#include "pipeline/training/device.h"

namespace {

// Paths of the loaded shared libraries whose name begins so.
std::set<std::string> Loaded(const std::string& name) {
  std::ifstream maps("/proc/self/maps");
  std::set<std::string> found;
  for (std::string line; std::getline(maps, line);) {
    const size_t slash = line.rfind('/');
    if (slash == std::string::npos || line.compare(slash + 1, name.size(), name) != 0) continue;
    found.insert(line.substr(line.find('/')));
  }
  return found;
}

TEST(Libraries, AreLoadedOnce) {
  at::parallel_for(0, 1 << 20, 1, [](int64_t, int64_t) {});
  EXPECT_EQ(Loaded("libprotobuf.so").size(), 1);
  EXPECT_EQ(Loaded("libopencv_core.so").size(), 1);
  EXPECT_EQ(Loaded("libc10.so").size(), 1);
  size_t runtimes = 0;
  for (const char* name : {"libgomp", "libomp", "libiomp"}) runtimes += Loaded(name).size();
  EXPECT_EQ(runtimes, 1);
}

TEST(Libraries, ParallelLoopsRunOnSeveralThreads) {
  if (std::thread::hardware_concurrency() < 2) GTEST_SKIP() << "one core";
  // at::parallel_for is serial in a file that is not compiled with -fopenmp.
  ASSERT_EQ(pipeline::SetThreads(2), 2);
  std::mutex mutex;
  std::set<std::thread::id> threads;
  at::parallel_for(0, 1000, 1, [&](int64_t, int64_t) {
    const std::lock_guard<std::mutex> lock(mutex);
    threads.insert(std::this_thread::get_id());
  });
  EXPECT_EQ(threads.size(), 2);
}

TEST(Device, FallsBackToTheProcessor) {
  const auto device = pipeline::ChooseDevice("AUTO");
  ASSERT_TRUE(device.ok());
  if (!at::hasCUDA() || access("/dev/nvidiactl", F_OK) != 0) {
    EXPECT_EQ(*device, "cpu");
  }
}

}  // namespace
