// Where the time of a run goes, by phase and part: each node, backward, the optimizer.
#ifndef PIPELINE_PROFILE_H_
#define PIPELINE_PROFILE_H_

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "pipeline/data.h"

namespace pipeline {

// On a GPU the times are those of the thread that launches work, and the part that waits for the
// device has what the others left to do.
class Profile {
 public:
  // What a part did from `begin` on, by Now(), until now.
  void Add(Phase phase, const std::string& part, double begin);

  // Seconds of each part of a phase, in the order in which they first came.
  std::vector<std::pair<std::string, double>> Seconds(Phase phase) const;

  // From now on the first parts are kept one by one, for TraceText: Chrome's trace events, as
  // chrome://tracing and Perfetto open them.
  void Trace() { traced_ = true; }
  std::string TraceText() const;

 private:
  struct Part {
    Phase phase;
    std::string name;
    double seconds;
  };
  struct Event {
    size_t part;
    double begin, seconds;
  };

  size_t Find(Phase phase, const std::string& name);

  std::vector<Part> parts_;
  std::vector<Event> events_;
  bool traced_ = false;
};

}  // namespace pipeline

#endif  // PIPELINE_PROFILE_H_
