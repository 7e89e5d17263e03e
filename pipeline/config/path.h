// Places within a config, and where each was written.
#ifndef PIPELINE_CONFIG_PATH_H_
#define PIPELINE_CONFIG_PATH_H_

#include <map>
#include <optional>
#include <string>
#include <tuple>
#include <vector>

#include "absl/strings/string_view.h"
#include "pipeline/diagnostics.h"

namespace pipeline {

// What --set names: a node or a field of Config, then options of the node's plugin or fields below,
// through plugins without naming their types: loss.term[0].gamma. A node's own fields are none of
// its plugin's options, and print as "load:input[0]".
class Path {
 public:
  struct Segment {
    std::string name;
    int index = -1;    // of a list's element; -1: all of it
    bool own = false;  // the node's before it, not its plugin's
    bool operator<(const Segment& other) const {
      return std::tie(name, own, index) < std::tie(other.name, other.own, other.index);
    }
    bool operator==(const Segment& other) const {
      return name == other.name && own == other.own && index == other.index;
    }
  };

  // The whole config.
  Path() = default;
  // Of a text such as "loss.term[0].gamma"; nothing where it is malformed.
  static std::optional<Path> Parse(absl::string_view text);

  // The field or option `name` below this.
  Path operator/(const std::string& name) const;
  // A node's own field.
  Path Own(const std::string& name) const;
  // An element of this list.
  Path operator[](int index) const;
  // The list of an element, else what this lies below. Not of the whole config.
  Path parent() const;
  // This as seen from `ancestor`; nothing where it does not lie below it.
  std::optional<Path> From(const Path& ancestor) const;

  const std::vector<Segment>& segments() const { return segments_; }
  bool whole() const { return segments_.empty(); }
  // The inverse of Parse.
  std::string ToString() const;

  // Orders every path before all that lies below it, and that before its next sibling.
  bool operator<(const Path& other) const { return segments_ < other.segments_; }
  bool operator==(const Path& other) const { return segments_ == other.segments_; }

 private:
  std::vector<Segment> segments_;
};

// Where each field of a config was written.
class Locations {
 public:
  void Set(const Path& path, const Location& location) { at_[path] = location; }
  // Forgets all that lies below `path`, but not a node's own fields.
  void EraseBelow(const Path& path);
  // Takes over all of `other` that lies below `path` there.
  void Take(const Locations& other, const Path& path = Path());
  // The location of `path`, else of its nearest known ancestor, else an empty one.
  Location Of(Path path) const;
  // Of an option as --set spells it.
  Location Of(absl::string_view option) const;

 private:
  std::map<Path, Location> at_;
};

}  // namespace pipeline

#endif  // PIPELINE_CONFIG_PATH_H_
