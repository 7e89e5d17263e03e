// One batch at a time.
#include "pipeline/prediction/reading.h"

#include <algorithm>
#include <utility>

#include "pipeline/all_cores.h"
#include "pipeline/exceptions.h"

namespace pipeline {

Reading::Reading(std::vector<std::string> files, size_t batch, bool ahead, Read read)
    : files_(std::move(files)), batch_(batch), ahead_(ahead), read_(std::move(read)) {
  Begin();
}

Reading::~Reading() {
  if (ahead_ && next_.valid()) next_.wait();
}

void Reading::Begin() {
  if (begun_ == files_.size()) return;
  const size_t first = begun_;
  begun_ = std::min(files_.size(), first + batch_);
  Batch batch;
  batch.files.assign(files_.begin() + static_cast<std::ptrdiff_t>(first),
                     files_.begin() + static_cast<std::ptrdiff_t>(begun_));
  next_ = std::async(ahead_ ? std::launch::async : std::launch::deferred,
                     [this, batch = std::move(batch)]() mutable {
                       batch.images.assign(batch.files.size(), absl::UnknownError("not read"));
                       OnAllCores(batch.files.size(), [&](size_t i) {
                         const absl::Status status = Caught([&] {
                           batch.images[i] = read_(batch.files[i]);
                           return absl::OkStatus();
                         });
                         if (!status.ok()) batch.images[i] = status;
                       });
                       return std::move(batch);
                     });
}

std::optional<Reading::Batch> Reading::Next() {
  if (!next_.valid()) return std::nullopt;
  std::optional<Batch> batch = next_.get();
  Begin();
  return batch;
}

}  // namespace pipeline
