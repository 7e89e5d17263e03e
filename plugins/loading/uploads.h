// Batches on their way to the device that computes.
#ifndef PLUGINS_LOADING_UPLOADS_H_
#define PLUGINS_LOADING_UPLOADS_H_

#include <ATen/core/Tensor.h>
#include <c10/core/Stream.h>

#include <cstdint>
#include <optional>

#include "plugins/loading/batch.h"

namespace plugins {

// To a GPU batches go by a stream of their own, so that the next crosses the bus while the last is
// computed with; on a processor they are where they are needed. Calls are on one thread.
class Uploads {
 public:
  struct There {
    at::Tensor images, labels;  // as Batch has them
  };

  explicit Uploads(const at::Device& device) : device_(device) {}

  // Whether anything is gained by beginning before Take.
  bool Ahead() const { return !device_.is_cpu(); }

  // Begins to copy a batch, and forgets the one begun before it that was not taken. Its memory is
  // pinned, and may be freed at once.
  void Begin(int64_t index, const Batch& batch);

  // The batch on the device, for what is launched on the current stream from now on; nobody waits.
  There Take(int64_t index, const Batch& batch);

  // Forgets what was begun.
  void Forget() { begun_.reset(); }

 private:
  struct Begun {
    int64_t index = 0;
    There there;
  };

  There Copy(const Batch& batch) const;

  const at::Device device_;
  std::optional<c10::Stream> stream_;
  std::optional<Begun> begun_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_UPLOADS_H_
