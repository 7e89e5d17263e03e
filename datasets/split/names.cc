// Lists cut to their beginnings.
#include "datasets/split/names.h"

#include <algorithm>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace datasets {

std::string FirstNames(const std::vector<std::string>& names) {
  constexpr size_t kMost = 10;
  const auto end = names.begin() + static_cast<std::ptrdiff_t>(std::min(names.size(), kMost));
  std::string text = absl::StrJoin(names.begin(), end, ", ");
  if (names.size() > kMost) absl::StrAppend(&text, ", and ", names.size() - kMost, " more");
  return text;
}

void NoteMany(const std::string& noun, const std::string& what,
              const std::vector<std::string>& names, std::vector<std::string>* notes) {
  if (names.empty()) return;
  notes->push_back(absl::StrCat(names.size(), " ", noun, names.size() == 1 ? " " : "s ", what, ": ",
                                FirstNames(names)));
}

}  // namespace datasets
