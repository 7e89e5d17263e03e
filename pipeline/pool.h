// What graphs of one process that follow each other share, so that it is made once: decoded data,
// features of frozen layers.
#ifndef PIPELINE_POOL_H_
#define PIPELINE_POOL_H_

#include <cstddef>
#include <functional>
#include <list>
#include <memory>
#include <string>
#include <typeinfo>
#include <utility>

#include "absl/status/statusor.h"
#include "absl/strings/str_cat.h"

namespace pipeline {

// For one thread at a time; what it holds may be used by many.
class Pool {
 public:
  // Holds so many things; the one that was asked for longest ago goes first.
  explicit Pool(size_t capacity) : capacity_(capacity) {}

  // What was made under `key`, which must name everything that it depends on; by `make` where there
  // is none yet. A failure is not kept.
  template <typename T>
  absl::StatusOr<std::shared_ptr<T>> Get(
      const std::string& key, const std::function<absl::StatusOr<std::shared_ptr<T>>()>& make) {
    const std::string name = absl::StrCat(typeid(T).name(), " ", key);
    for (auto held = held_.begin(); held != held_.end(); ++held) {
      if (held->first != name) continue;
      held_.splice(held_.begin(), held_, held);
      return std::static_pointer_cast<T>(held->second);
    }
    absl::StatusOr<std::shared_ptr<T>> made = make();
    if (!made.ok()) return made;
    held_.emplace_front(name, *made);
    if (held_.size() > capacity_) held_.pop_back();
    return made;
  }

 private:
  const size_t capacity_;
  std::list<std::pair<std::string, std::shared_ptr<void>>> held_;  // latest first
};

}  // namespace pipeline

#endif  // PIPELINE_POOL_H_
