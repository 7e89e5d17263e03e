// Values by column, and how numbers are shown.
#include "pipeline/report.h"

#include <cmath>
#include <limits>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"

namespace pipeline {

bool ReportedValue::operator==(const ReportedValue& other) const {
  const bool same = value == other.value || (std::isnan(value) && std::isnan(other.value));
  return same && column == other.column && better == other.better && kind == other.kind &&
         key == other.key;
}

double Report::Find(const std::string& column) const {
  for (const ReportedValue& value : values_) {
    if (value.column == column) return value.value;
  }
  return std::numeric_limits<double>::quiet_NaN();
}

std::string Percent(double share) {
  return std::isnan(share) ? "-" : absl::StrFormat("%.1f %%", 100 * share);
}

std::string Thousands(int64_t number) {
  std::string digits = absl::StrCat(number);
  const int first = number < 0 ? 1 : 0;
  for (int at = static_cast<int>(digits.size()) - 3; at > first; at -= 3) digits.insert(at, ",");
  return digits;
}

}  // namespace pipeline
