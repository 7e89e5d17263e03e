// Quoting of CSV.
#include "pipeline/csv.h"

#include "absl/strings/str_cat.h"
#include "absl/strings/str_replace.h"

namespace pipeline {

std::string CsvCell(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

}  // namespace pipeline
