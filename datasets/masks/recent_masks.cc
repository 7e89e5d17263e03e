// A list by age, and where each path is in it.
#include "datasets/masks/recent_masks.h"

namespace datasets {

std::shared_ptr<RecentMasks::Entry> RecentMasks::Find(const std::string& path) {
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = places_.find(path);
  if (found != places_.end()) {
    entries_.splice(entries_.begin(), entries_, found->second);
  } else {
    entries_.push_front(std::make_shared<Entry>());
    entries_.front()->path = path;
    places_[path] = entries_.begin();
  }
  return entries_.front();
}

void RecentMasks::Count(Entry* entry) {
  constexpr size_t kEntryBytes = 512;  // of an error, of a place in the list
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto found = places_.find(entry->path);
  if (found == places_.end() || found->second->get() != entry) return;  // pushed out meanwhile
  entry->bytes = kEntryBytes + (entry->mask.ok() ? (*entry->mask)->bytes() : 0);
  bytes_ += entry->bytes;
  while (bytes_ > max_bytes_) {
    bytes_ -= entries_.back()->bytes;
    places_.erase(entries_.back()->path);
    entries_.pop_back();
  }
}

absl::StatusOr<std::shared_ptr<const MaskRuns>> RecentMasks::Get(
    const std::string& path, const std::function<absl::StatusOr<cv::Mat>()>& load) {
  const std::shared_ptr<Entry> entry = Find(path);
  const std::lock_guard<std::mutex> lock(entry->mutex);
  if (!entry->made) {
    const absl::StatusOr<cv::Mat> read = load();
    if (read.ok()) {
      entry->mask = std::make_shared<const MaskRuns>(*read);
    } else {
      entry->mask = read.status();
    }
    entry->made = true;
    Count(entry.get());
  }
  return entry->mask;
}

}  // namespace datasets
