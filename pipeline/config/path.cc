// Paths and what is kept by them.
#include "pipeline/config/path.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_split.h"

namespace pipeline {
namespace {

bool SameField(const Path::Segment& a, const Path::Segment& b) {
  return a.name == b.name && a.own == b.own;
}

}  // namespace

std::optional<Path> Path::Parse(absl::string_view text) {
  Path path;
  for (const absl::string_view part : absl::StrSplit(text, '.')) {
    const size_t open = part.find('[');
    Segment segment = {std::string(part.substr(0, open))};
    if (segment.name.empty()) return std::nullopt;
    if (open != absl::string_view::npos) {
      const absl::string_view index = part.substr(open + 1);
      if (!absl::EndsWith(index, "]") ||
          !absl::SimpleAtoi(index.substr(0, index.size() - 1), &segment.index) ||
          segment.index < 0) {
        return std::nullopt;
      }
    }
    path.segments_.push_back(std::move(segment));
  }
  return path;
}

Path Path::operator/(const std::string& name) const {
  Path below = *this;
  below.segments_.push_back({name});
  return below;
}

Path Path::Own(const std::string& name) const {
  Path below = *this;
  below.segments_.push_back({name, -1, true});
  return below;
}

Path Path::operator[](int index) const {
  Path element = *this;
  element.segments_.back().index = index;
  return element;
}

Path Path::parent() const {
  Path above = *this;
  if (above.segments_.back().index >= 0) {
    above.segments_.back().index = -1;
  } else {
    above.segments_.pop_back();
  }
  return above;
}

std::optional<Path> Path::From(const Path& ancestor) const {
  const std::vector<Segment>& above = ancestor.segments_;
  if (above.size() > segments_.size()) return std::nullopt;
  Path rest;
  rest.segments_.assign(segments_.begin() + static_cast<int64_t>(above.size()), segments_.end());
  if (above.empty()) return rest;
  if (!std::equal(above.begin(), above.end() - 1, segments_.begin())) return std::nullopt;
  // An element lies below its list.
  const Segment& last = segments_[above.size() - 1];
  const bool below =
      last == above.back() || (SameField(last, above.back()) && above.back().index < 0);
  if (!below || *this == ancestor) return std::nullopt;
  return rest;
}

std::string Path::ToString() const {
  std::string text;
  for (const Segment& segment : segments_) {
    absl::StrAppend(&text, text.empty() ? "" : segment.own ? ":" : ".", segment.name);
    if (segment.index >= 0) absl::StrAppend(&text, "[", segment.index, "]");
  }
  return text;
}

void Locations::EraseBelow(const Path& path) {
  for (auto it = at_.upper_bound(path); it != at_.end();) {
    const std::optional<Path> below = it->first.From(path);
    if (!below.has_value()) break;
    const bool own = !below->whole() && below->segments()[0].own;
    it = own ? std::next(it) : at_.erase(it);
  }
}

void Locations::Take(const Locations& other, const Path& path) {
  for (const auto& [from, location] : other.at_) {
    const std::optional<Path> below = from.From(path);
    if (below.has_value()) at_[*below] = location;
  }
}

Location Locations::Of(Path path) const {
  for (; !path.whole(); path = path.parent()) {
    const auto found = at_.find(path);
    if (found != at_.end()) return found->second;
  }
  return {};
}

Location Locations::Of(absl::string_view option) const {
  const std::optional<Path> path = Path::Parse(option);
  return path.has_value() ? Of(*path) : Location();
}

}  // namespace pipeline
