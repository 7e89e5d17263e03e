// Work on many files at once, while a dataset is opened.
#ifndef PIPELINE_ALL_CORES_H_
#define PIPELINE_ALL_CORES_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <exception>
#include <mutex>
#include <system_error>
#include <thread>
#include <vector>

namespace pipeline {

// Calls work(i) for each i below `count`, on as many threads as there are cores but no more than
// `most`, and returns once all is done. What `work` throws does not leave its thread: no more work
// is begun then, and once all threads have ended, this throws the first exception that came up.
template <class Work>
void OnAllCores(size_t count, size_t most, const Work& work) {
  std::atomic<size_t> next{0};
  std::mutex mutex;
  std::exception_ptr thrown;
  const auto take = [&] {
    try {
      for (size_t i = next++; i < count; i = next++) work(i);
    } catch (...) {
      next = count;
      const std::lock_guard<std::mutex> lock(mutex);
      if (thrown == nullptr) thrown = std::current_exception();
    }
  };
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  const size_t threads = std::max<size_t>(1, std::min({cores, most, count}));
  std::vector<std::thread> others;
  others.reserve(threads);
  try {
    while (others.size() + 1 < threads) others.emplace_back(take);
  } catch (const std::system_error&) {
    // Fewer will do.
  }
  take();
  for (std::thread& other : others) other.join();
  if (thrown != nullptr) std::rethrow_exception(thrown);
}

template <class Work>
void OnAllCores(size_t count, const Work& work) {
  OnAllCores(count, count, work);
}

}  // namespace pipeline

#endif  // PIPELINE_ALL_CORES_H_
