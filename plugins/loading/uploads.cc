// Copies on a stream beside the current one; nothing here needs CUDA's headers.
#include "plugins/loading/uploads.h"

#include <ATen/core/Tensor.h>
#include <c10/core/Event.h>
#include <c10/core/StreamGuard.h>
#include <c10/core/impl/VirtualGuardImpl.h>

#include <utility>

namespace plugins {

Uploads::There Uploads::Copy(const Batch& batch) const {
  const bool beside = Ahead();
  return {batch.images().to(device_, /*non_blocking=*/beside),
          batch.labels().to(device_, /*non_blocking=*/beside)};
}

void Uploads::Begin(int64_t index, const Batch& batch) {
  if (!Ahead()) return;
  if (!stream_.has_value()) {
    stream_ = c10::impl::VirtualGuardImpl(device_.type()).getStreamFromGlobalPool(device_);
  }
  const c10::StreamGuard on(*stream_);
  begun_ = Begun{index, Copy(batch)};
}

Uploads::There Uploads::Take(int64_t index, const Batch& batch) {
  if (!begun_.has_value() || begun_->index != index) {
    Forget();
    return Copy(batch);
  }
  There there = std::move(begun_->there);
  Forget();
  const c10::Stream current = c10::impl::VirtualGuardImpl(device_.type()).getStream(device_);
  c10::Event copied(device_.type());
  copied.record(*stream_);
  copied.block(current);
  // Their memory is the other stream's: not before the current one is done with it.
  there.images.record_stream(current);
  there.labels.record_stream(current);
  return there;
}

}  // namespace plugins
