// A queue of items in batch order, served by threads.
#include "plugins/loading/prefetcher.h"

#include <system_error>
#include <utility>

namespace plugins {

Prefetcher::Prefetcher(int workers, std::function<void(int64_t, int64_t)> fill)
    : fill_(std::move(fill)) {
  try {
    for (int i = 0; i < workers; ++i) threads_.emplace_back([this] { Work(); });
  } catch (const std::system_error&) {
    if (threads_.empty()) throw;
  }
}

Prefetcher::~Prefetcher() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    quit_ = true;
  }
  work_.notify_all();
  for (std::thread& thread : threads_) thread.join();
}

void Prefetcher::Start(std::vector<int64_t> sizes, int64_t first) {
  Stop();
  const std::lock_guard<std::mutex> lock(mutex_);
  left_ = sizes;
  thrown_.assign(sizes.size(), nullptr);
  sizes_ = std::move(sizes);
  batch_ = first;
  item_ = allowed_ = 0;
}

void Prefetcher::Allow(int64_t batches) {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    allowed_ = batches;
  }
  work_.notify_all();
}

absl::Status Prefetcher::Wait(int64_t batch) {
  std::unique_lock<std::mutex> lock(mutex_);
  done_.wait(lock, [&] { return left_[batch] == 0; });
  if (thrown_[batch] == nullptr) return absl::OkStatus();
  try {
    std::rethrow_exception(thrown_[batch]);
  } catch (const std::exception& error) {
    return absl::InternalError(error.what());
  } catch (...) {
    return absl::InternalError("an exception of no known kind");
  }
}

bool Prefetcher::IsFull(int64_t batch) {
  const std::lock_guard<std::mutex> lock(mutex_);
  return left_[batch] == 0;
}

void Prefetcher::Stop() {
  std::unique_lock<std::mutex> lock(mutex_);
  allowed_ = 0;
  done_.wait(lock, [&] { return running_ == 0; });
}

void Prefetcher::Work() {
  std::unique_lock<std::mutex> lock(mutex_);
  while (true) {
    work_.wait(lock, [&] { return quit_ || HasWork(); });
    if (quit_) return;
    const int64_t batch = batch_, item = item_;
    if (++item_ == sizes_[batch_]) {
      ++batch_;
      item_ = 0;
    }
    ++running_;
    lock.unlock();
    std::exception_ptr thrown;
    try {
      fill_(batch, item);
    } catch (...) {
      thrown = std::current_exception();
    }
    lock.lock();
    if (thrown != nullptr) thrown_[batch] = thrown;
    --running_;
    if (--left_[batch] == 0 || running_ == 0) done_.notify_all();
  }
}

}  // namespace plugins
