// Wrappers by their names.
#include "models/wrapping.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"

namespace models {
namespace {

bool IsWrapper(const std::string& segment) { return segment == "module" || segment == "_orig_mod"; }

std::string WithoutWrappers(const std::string& name, std::set<std::string>* removed) {
  std::vector<std::string> kept;
  for (const std::string& segment : std::vector<std::string>(absl::StrSplit(name, '.'))) {
    if (!IsWrapper(segment)) {
      kept.push_back(segment);
    } else {
      removed->insert(segment + ".");
    }
  }
  return absl::StrJoin(kept, ".");
}

// The prefix behind which most of the targets are; "" for none, or for two alike.
std::string CommonPrefix(const std::map<std::string, std::string>& names,
                         const std::set<std::string>& targets) {
  std::map<std::string, int> behind;
  for (const auto& [original, name] : names) {
    for (size_t dot = name.find('.'); dot != std::string::npos; dot = name.find('.', dot + 1)) {
      if (targets.count(name.substr(dot + 1)) != 0) ++behind[name.substr(0, dot + 1)];
    }
  }
  if (behind.empty()) return "";
  const auto fewer = [](const auto& a, const auto& b) { return a.second < b.second; };
  const auto most = std::max_element(behind.begin(), behind.end(), fewer);
  const auto as_many = [&](const auto& item) { return item.second == most->second; };
  return std::count_if(behind.begin(), behind.end(), as_many) == 1 ? most->first : "";
}

}  // namespace

Unwrapped Unwrap(const std::vector<std::string>& names, const std::set<std::string>& targets) {
  std::set<std::string> wrappers;
  std::map<std::string, std::string> shorter;
  for (const std::string& name : names) {
    shorter[name] = targets.count(name) != 0 ? name : WithoutWrappers(name, &wrappers);
  }
  const bool any = std::any_of(shorter.begin(), shorter.end(),
                               [&](const auto& item) { return targets.count(item.second) != 0; });
  const std::string prefix = any ? "" : CommonPrefix(shorter, targets);
  Unwrapped unwrapped;
  std::set<std::string> taken(names.begin(), names.end());
  for (const auto& [name, bare] : shorter) {
    const std::string own = absl::StartsWith(bare, prefix) ? bare.substr(prefix.size()) : bare;
    if (own == name || targets.count(own) == 0 || !taken.insert(own).second) continue;
    unwrapped.names[name] = own;
  }
  if (unwrapped.names.empty()) return unwrapped;
  unwrapped.removed = absl::StrCat(absl::StrJoin(wrappers, ""), prefix);
  return unwrapped;
}

}  // namespace models
