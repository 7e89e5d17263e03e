// CSV of RFC 4180: cells, and records of a text that is distrusted.
#ifndef PIPELINE_CSV_H_
#define PIPELINE_CSV_H_

#include <cstdint>
#include <string>
#include <vector>

#include "absl/strings/string_view.h"

namespace pipeline {

// `text` as a cell of RFC 4180: in quotes where it holds a comma, a quote or a line's end.
std::string CsvCell(absl::string_view text);

// A record of such cells, which become valid UTF-8, with its line's end.
std::string CsvRecord(const std::vector<std::string>& cells);

// Takes records off the front of a text, which must outlive the reader.
class CsvReader {
 public:
  // `line` is the number of the text's first line.
  explicit CsvReader(absl::string_view text, int64_t line = 1) : text_(text), line_(line) {}

  bool AtEnd() const { return text_.empty(); }
  // Of the record that comes next.
  int64_t line() const { return line_; }

  // False where a quote is not closed or more follows it.
  bool Next(std::vector<std::string>* cells);

 private:
  void TakePlain(std::string* cell);
  bool TakeQuoted(std::string* cell);

  absl::string_view text_;
  int64_t line_;
};

}  // namespace pipeline

#endif  // PIPELINE_CSV_H_
