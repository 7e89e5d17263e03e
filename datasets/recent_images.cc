// A short list, so that a linear search is enough.
#include "datasets/recent_images.h"

#include <algorithm>

namespace datasets {
namespace {

// Images without pixels (errors) take a place as well.
constexpr size_t kMaxEntries = 64;

}  // namespace

std::shared_ptr<RecentImages::Entry> RecentImages::Find(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = std::find_if(entries_.begin(), entries_.end(),
                                  [&](const auto& entry) { return entry->path == path; });
  if (found != entries_.end()) {
    entries_.splice(entries_.begin(), entries_, found);
  } else {
    entries_.push_front(std::make_shared<Entry>());
    entries_.front()->path = path;
  }
  return entries_.front();
}

void RecentImages::Count(Entry* entry) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto listed = [&](const auto& other) { return other.get() == entry; };
  if (std::none_of(entries_.begin(), entries_.end(), listed)) return;  // pushed out meanwhile
  entry->bytes = entry->image.ok() ? entry->image->total() * entry->image->elemSize() : 0;
  bytes_ += entry->bytes;
  while (bytes_ > max_bytes_ || entries_.size() > kMaxEntries) {
    bytes_ -= entries_.back()->bytes;
    entries_.pop_back();
  }
}

absl::StatusOr<cv::Mat> RecentImages::Get(const std::string& path,
                                          const std::function<absl::StatusOr<cv::Mat>()>& load) {
  const std::shared_ptr<Entry> entry = Find(path);
  const std::lock_guard<std::mutex> lock(entry->mutex);
  if (!entry->made) {
    entry->image = load();
    entry->made = true;
    Count(entry.get());
  }
  return entry->image;
}

}  // namespace datasets
