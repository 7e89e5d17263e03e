// Quoting, and its undoing.
#include "pipeline/csv.h"

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "pipeline/utf8.h"

namespace pipeline {

std::string CsvCell(absl::string_view text) {
  if (text.find_first_of(",\"\r\n") == absl::string_view::npos) return std::string(text);
  return absl::StrCat("\"", absl::StrReplaceAll(text, {{"\"", "\"\""}}), "\"");
}

std::string CsvRecord(const std::vector<std::string>& cells) {
  return absl::StrCat(absl::StrJoin(cells, ",",
                                    [](std::string* out, const std::string& cell) {
                                      absl::StrAppend(out, CsvCell(ValidUtf8(cell)));
                                    }),
                      "\n");
}

bool CsvReader::Next(std::vector<std::string>* cells) {
  cells->clear();
  while (true) {
    std::string& cell = cells->emplace_back();
    if (!absl::StartsWith(text_, "\"")) {
      TakePlain(&cell);
    } else if (!TakeQuoted(&cell)) {
      return false;
    }
    const bool more = absl::StartsWith(text_, ",");
    if (!more && absl::StartsWith(text_, "\r")) text_.remove_prefix(1);
    if (!more && !AtEnd() && text_[0] != '\n') return false;
    if (!AtEnd()) text_.remove_prefix(1);
    if (!more) break;
  }
  ++line_;
  return true;
}

void CsvReader::TakePlain(std::string* cell) {
  const size_t end = std::min(text_.size(), text_.find_first_of(",\r\n"));
  *cell = std::string(text_.substr(0, end));
  text_.remove_prefix(end);
}

bool CsvReader::TakeQuoted(std::string* cell) {
  while (true) {
    text_.remove_prefix(1);  // the opening quote, or the second of two
    const size_t end = text_.find('"');
    if (end == absl::string_view::npos) return false;
    absl::StrAppend(cell, text_.substr(0, end));
    text_.remove_prefix(end + 1);
    if (!absl::StartsWith(text_, "\"")) break;
    cell->push_back('"');
  }
  line_ += std::count(cell->begin(), cell->end(), '\n');
  return true;
}

}  // namespace pipeline
