// Samples that turned out not to be readable, and why.
#ifndef PLUGINS_LOADING_LEFT_OUT_H_
#define PLUGINS_LOADING_LEFT_OUT_H_

#include <cstdint>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/data.h"
#include "pipeline/state.h"

namespace plugins {

struct LeftOutSample {
  pipeline::Phase phase;
  int64_t sample;
  std::string why;
};

class LeftOut {
 public:
  // False where it is known already.
  bool Add(const LeftOutSample& sample);

  // Under the name. A sample that is not below `count` of its phase is DATA_LOSS.
  void Save(const std::string& name, pipeline::State* state) const;
  template <class Count>
  static absl::StatusOr<std::vector<LeftOutSample>> Load(const std::string& name,
                                                         const pipeline::State& state,
                                                         const Count& count) {
    absl::StatusOr<std::vector<LeftOutSample>> all = Parse(name, state);
    for (size_t i = 0; all.ok() && i < all->size(); ++i) {
      if ((*all)[i].sample < count((*all)[i].phase)) continue;
      return absl::DataLossError(name + " names a sample that is not");
    }
    return all;
  }

  // A line for each, and back.
  std::string Text() const;
  static std::vector<LeftOutSample> OfText(const std::string& text);

 private:
  static absl::StatusOr<std::vector<LeftOutSample>> Parse(const std::string& name,
                                                          const pipeline::State& state);

  std::map<std::pair<pipeline::Phase, int64_t>, std::string> samples_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_LEFT_OUT_H_
