// Places, collected errors and suggestions.
#include "pipeline/diagnostics.h"

#include <algorithm>
#include <numeric>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"

namespace pipeline {
namespace {

size_t EditDistance(const std::string& a, const std::string& b) {
  std::vector<size_t> row(b.size() + 1);
  std::iota(row.begin(), row.end(), size_t{0});
  for (size_t i = 1; i <= a.size(); ++i) {
    size_t diagonal = row[0];
    row[0] = i;
    for (size_t j = 1; j <= b.size(); ++j) {
      const size_t replace = diagonal + (a[i - 1] != b[j - 1]);
      diagonal = row[j];
      row[j] = std::min({row[j] + 1, row[j - 1] + 1, replace});
    }
  }
  return row[b.size()];
}

}  // namespace

std::string Location::ToString() const {
  return line == 0 ? file : absl::StrCat(file, ":", line, ":", column);
}

void Diagnostics::Add(const Location& location, const std::string& message) {
  const std::string where = location.ToString();
  errors_.push_back(where.empty() ? message : absl::StrCat(where, ": ", message));
}

void Diagnostics::Add(const absl::Status& status) {
  if (!status.ok()) errors_.emplace_back(status.message());
}

absl::Status Diagnostics::ToStatus() const {
  if (errors_.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrJoin(errors_, "\n"));
}

std::string DidYouMean(const std::string& got, const std::vector<std::string>& candidates) {
  const std::string wanted = absl::AsciiStrToLower(got);
  size_t best = std::max<size_t>(2, got.size() / 3) + 1;
  std::string nearest;
  for (const std::string& candidate : candidates) {
    const size_t distance = EditDistance(wanted, absl::AsciiStrToLower(candidate));
    if (distance >= best || distance >= candidate.size()) continue;
    best = distance;
    nearest = candidate;
  }
  return nearest.empty() ? "" : absl::StrCat("; did you mean \"", nearest, "\"?");
}

}  // namespace pipeline
