// Mistakes in a config: where they are, collected so that a user sees all of them at once.
#ifndef PIPELINE_DIAGNOSTICS_H_
#define PIPELINE_DIAGNOSTICS_H_

#include <string>
#include <vector>

#include "absl/status/status.h"

namespace pipeline {

// A place in a config file, or a --set on the command line (line 0). Lines and columns count
// from 1.
struct Location {
  std::string file;
  int line = 0;
  int column = 0;

  // "configs/a.pbtxt:3:5", or the file alone where line is 0.
  std::string ToString() const;
};

// Errors in the order they were found.
class Diagnostics {
 public:
  void Add(const Location& location, const std::string& message);
  // Adds the lines of a status that is not ok.
  void Add(const absl::Status& status);
  bool empty() const { return errors_.empty(); }
  // OK, or INVALID_ARGUMENT with one error a line.
  absl::Status ToStatus() const;

 private:
  std::vector<std::string> errors_;
};

// "; did you mean "x"?", or nothing where no candidate is near.
std::string DidYouMean(const std::string& got, const std::vector<std::string>& candidates);

}  // namespace pipeline

#endif  // PIPELINE_DIAGNOSTICS_H_
