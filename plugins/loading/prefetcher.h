// Threads that fill batches ahead of the one who uses them.
#ifndef PLUGINS_LOADING_PREFETCHER_H_
#define PLUGINS_LOADING_PREFETCHER_H_

#include <condition_variable>
#include <cstdint>
#include <exception>
#include <functional>
#include <mutex>
#include <thread>
#include <vector>

#include "absl/status/status.h"

namespace plugins {

// Calls follow (Start (Allow | Wait)* Stop?)*, all on one thread.
class Prefetcher {
 public:
  // `fill` makes one item of a batch; called on worker threads, for different items at once. What
  // it throws, Wait for the batch returns. Fewer threads than `workers` serve where the system has
  // no more of them; without any it throws std::system_error.
  Prefetcher(int workers, std::function<void(int64_t batch, int64_t item)> fill);
  ~Prefetcher();

  // Begins a pass over batches of these sizes, none of which is allowed yet; those before `first`
  // are never filled. Stops the pass before.
  void Start(std::vector<int64_t> sizes, int64_t first = 0);
  // Lets workers fill the batches below `batches`.
  void Allow(int64_t batches);
  // Waits until a batch is full; an error if one of its items could not be made.
  absl::Status Wait(int64_t batch);
  // Whether Wait would return at once.
  bool IsFull(int64_t batch);
  // Ends the pass; no `fill` runs afterwards.
  void Stop();

 private:
  void Work();
  bool HasWork() const { return batch_ < allowed_ && batch_ < static_cast<int64_t>(left_.size()); }

  const std::function<void(int64_t, int64_t)> fill_;
  std::mutex mutex_;
  std::condition_variable work_, done_;
  // The next item to fill.
  int64_t batch_ = 0, item_ = 0;
  int64_t allowed_ = 0;
  std::vector<int64_t> sizes_;
  std::vector<int64_t> left_;               // items of each batch that are not filled yet
  std::vector<std::exception_ptr> thrown_;  // by batch
  int running_ = 0;
  bool quit_ = false;
  std::vector<std::thread> threads_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_PREFETCHER_H_
