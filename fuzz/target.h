// What reads bytes that nobody trusts, as fuzzers and tests drive it.
#ifndef FUZZ_TARGET_H_
#define FUZZ_TARGET_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace fuzz {

// One reader, under the name of its corpus. The files that define one end with
//   const Target kTarget("split", Run);
struct Target {
  using Function = void (*)(absl::string_view bytes);
  Target(const char* name, Function run);

  const char* name;
  Function run;
};

// All that are linked.
const std::vector<Target>& Targets();

// Ends the program where something that must hold for every input does not.
void Require(bool holds, absl::string_view what);
// An error that a user can act on: a reason, and the file's name.
void RequireReason(const absl::Status& status, const std::string& path);

// A file in memory that holds these bytes while this lives.
class InputFile {
 public:
  explicit InputFile(absl::string_view bytes);
  InputFile(const InputFile&) = delete;
  ~InputFile();
  const std::string& path() const { return path_; }

 private:
  const int descriptor_;
  const std::string path_;
};

}  // namespace fuzz

#endif  // FUZZ_TARGET_H_
