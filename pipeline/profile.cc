// Sums of seconds, and events.
#include "pipeline/profile.h"

#include <algorithm>
#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/json.h"
#include "pipeline/utf8.h"

namespace pipeline {
namespace {

constexpr size_t kMaxEvents = 100000;  // 10 MB of text
constexpr double kMicroseconds = 1e6;

}  // namespace

size_t Profile::Find(Phase phase, const std::string& name) {
  const auto found = std::find_if(parts_.begin(), parts_.end(), [&](const Part& part) {
    return part.phase == phase && part.name == name;
  });
  if (found != parts_.end()) return static_cast<size_t>(found - parts_.begin());
  parts_.push_back({phase, name, 0});
  return parts_.size() - 1;
}

void Profile::Add(Phase phase, const std::string& part, double begin) {
  const double seconds = Now() - begin;
  const size_t at = Find(phase, part);
  parts_[at].seconds += seconds;
  if (traced_ && events_.size() < kMaxEvents) events_.push_back({at, begin, seconds});
}

std::vector<std::pair<std::string, double>> Profile::Seconds(Phase phase) const {
  std::vector<std::pair<std::string, double>> seconds;
  for (const Part& part : parts_) {
    if (part.phase == phase) seconds.emplace_back(part.name, part.seconds);
  }
  return seconds;
}

std::string Profile::TraceText() const {
  nlohmann::ordered_json events = nlohmann::ordered_json::array();
  const double start = events_.empty() ? 0 : events_.front().begin;
  for (const Event& event : events_) {
    const Part& part = parts_[event.part];
    events.push_back({{"name", ValidUtf8(part.name)},
                      {"cat", Phase_Name(part.phase)},
                      {"ph", "X"},
                      {"ts", (event.begin - start) * kMicroseconds},
                      {"dur", event.seconds * kMicroseconds},
                      {"pid", 1},
                      {"tid", 1}});
  }
  return JsonLine({{"traceEvents", events}, {"displayTimeUnit", "ms"}});
}

}  // namespace pipeline
