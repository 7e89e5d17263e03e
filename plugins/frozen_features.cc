// Hashes of pixels, and batches of what is not known yet.
#include "plugins/frozen_features.h"

#include <ATen/ops/stack.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <xxhash.h>

#include <algorithm>
#include <vector>

namespace plugins {

at::Tensor FrozenFeatures::Of(const at::Tensor& images,
                              const std::function<at::Tensor(const at::Tensor&)>& backbone) {
  const c10::NoGradGuard no_gradients;
  const int64_t count = images.size(0);
  asked_ += count;
  std::vector<Key> keys;
  std::vector<at::Tensor> rows(count);
  std::vector<int64_t> unknown;
  for (int64_t i = 0; i < count; ++i) {
    const at::Tensor image = images[i].contiguous();
    const XXH128_hash_t hash =
        XXH3_128bits(image.data_ptr(), static_cast<size_t>(image.numel()) * image.element_size());
    keys.emplace_back(hash.low64, hash.high64);
    const auto known = features_.find(keys.back());
    if (known != features_.end()) {
      rows[i] = known->second;
    } else {
      unknown.push_back(i);
    }
  }
  std::vector<int64_t> shape = images.sizes().vec();
  shape[0] = kBatch;
  for (size_t begin = 0; begin < unknown.size(); begin += kBatch) {
    const size_t end = std::min(begin + kBatch, unknown.size());
    const at::Tensor batch =
        at::zeros(shape, images.options().memory_format(images.suggest_memory_format()));
    for (size_t i = begin; i < end; ++i) {
      batch[static_cast<int64_t>(i - begin)].copy_(images[unknown[i]]);
    }
    const at::Tensor made = backbone(batch);
    for (size_t i = begin; i < end; ++i) {
      // Memory of its own: the batch's goes.
      const at::Tensor row = made[static_cast<int64_t>(i - begin)].clone();
      rows[unknown[i]] = row;
      const double size =
          static_cast<double>(row.numel()) * static_cast<double>(row.element_size());
      if (bytes_ + size > max_bytes_) continue;
      if (features_.emplace(keys[unknown[i]], row).second) bytes_ += size;
    }
    computed_ += static_cast<int64_t>(end - begin);
  }
  return at::stack(rows);
}

}  // namespace plugins
