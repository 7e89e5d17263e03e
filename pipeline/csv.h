// Cells of CSV.
#ifndef PIPELINE_CSV_H_
#define PIPELINE_CSV_H_

#include <string>

#include "absl/strings/string_view.h"

namespace pipeline {

// `text` as a cell of RFC 4180: in quotes where it holds a comma, a quote or a line's end.
std::string CsvCell(absl::string_view text);

}  // namespace pipeline

#endif  // PIPELINE_CSV_H_
