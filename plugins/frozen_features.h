// Features of images that the frozen part of a model gives, so that each is computed once.
#ifndef PLUGINS_FROZEN_FEATURES_H_
#define PLUGINS_FROZEN_FEATURES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <functional>
#include <unordered_map>
#include <utility>

namespace plugins {

// By the pixels of each image. On the CPU; for one thread.
class FrozenFeatures {
 public:
  // Keeps no more than so many bytes; what does not fit is computed each time.
  explicit FrozenFeatures(double max_bytes) : max_bytes_(max_bytes) {}

  // `backbone` of images [N, ...]: its result's first dimension is theirs. It is called on
  // kBatch images at a time, zeros among them, so that an image's features do not depend on those
  // beside it.
  at::Tensor Of(const at::Tensor& images,
                const std::function<at::Tensor(const at::Tensor&)>& backbone);

  // Images whose features were computed, and that were asked for.
  int64_t computed() const { return computed_; }
  int64_t asked() const { return asked_; }

  static constexpr int64_t kBatch = 16;

 private:
  using Key = std::pair<uint64_t, uint64_t>;
  struct Hash {
    size_t operator()(const Key& key) const { return key.first; }
  };

  const double max_bytes_;
  double bytes_ = 0;
  int64_t computed_ = 0, asked_ = 0;
  std::unordered_map<Key, at::Tensor, Hash> features_;
};

}  // namespace plugins

#endif  // PLUGINS_FROZEN_FEATURES_H_
