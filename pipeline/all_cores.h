// Work on many files at once, while a dataset is opened.
#ifndef PIPELINE_ALL_CORES_H_
#define PIPELINE_ALL_CORES_H_

#include <algorithm>
#include <atomic>
#include <cstddef>
#include <thread>
#include <vector>

namespace pipeline {

// Calls work(i) for each i below `count`, on as many threads as there are cores but no more than
// `most`, and returns once all is done. `work` must not throw.
template <class Work>
void OnAllCores(size_t count, size_t most, const Work& work) {
  std::atomic<size_t> next{0};
  const auto take = [&] {
    for (size_t i = next++; i < count; i = next++) work(i);
  };
  const size_t cores = std::max(1U, std::thread::hardware_concurrency());
  std::vector<std::thread> others;
  while (others.size() + 1 < std::min({cores, most, count})) others.emplace_back(take);
  take();
  for (std::thread& other : others) other.join();
}

template <class Work>
void OnAllCores(size_t count, const Work& work) {
  OnAllCores(count, count, work);
}

}  // namespace pipeline

#endif  // PIPELINE_ALL_CORES_H_
