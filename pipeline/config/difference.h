// What differs between two configs, field by field.
#ifndef PIPELINE_CONFIG_DIFFERENCE_H_
#define PIPELINE_CONFIG_DIFFERENCE_H_

#include <string>
#include <vector>

#include "pipeline/pipeline.pb.h"

namespace pipeline {

struct Change {
  std::string path;           // as --set spells it: "loss.term[0].gamma", "load" for a whole node
  std::string before, after;  // in text format, shortened; "" where there is nothing
  bool neutral = false;       // an option that no result depends on

  // "train.seed: 0 -> 1".
  std::string Text() const;
};

// Of two resolved configs. A field that is not set counts as its default; nodes are compared by
// name, whatever their order.
std::vector<Change> Differences(const Config& before, const Config& after);

// Whether `path` is `field` or lies below it.
bool LiesIn(const std::string& path, const std::string& field);

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_DIFFERENCE_H_
