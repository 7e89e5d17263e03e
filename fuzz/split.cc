// Split files.
#include <algorithm>
#include <string>
#include <vector>

#include "absl/strings/ascii.h"
#include "datasets/split/file_facts.h"
#include "datasets/split/split_file.h"
#include "fuzz/target.h"
#include "pipeline/utf8.h"

namespace fuzz {
namespace {

// Whether the program itself could have written it.
bool IsOwn(const datasets::SplitEntry& entry) {
  return pipeline::ValidUtf8(entry.path) == entry.path &&
         std::all_of(entry.content.begin(), entry.content.end(), absl::ascii_isalnum);
}

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  const auto entries = datasets::ReadSplitFile(file.path());
  RequireReason(entries.status(), file.path());
  if (!entries.ok() || !std::all_of(entries->begin(), entries->end(), IsOwn)) return;
  const std::string text = datasets::SplitText(*entries);
  const InputFile written(text);
  const auto again = datasets::ReadSplitFile(written.path());
  Require(again.ok() && datasets::SplitText(*again) == text, "what was written is read");
  const std::vector<std::string> paths = {"a/1.png", "a/2.png", "b/3.png"};
  datasets::FileFacts facts("", false);
  const auto phases =
      datasets::PhasesByFile(written.path(), "/nowhere", paths, {"m.png"}, &facts, nullptr);
  Require(!phases.ok() || phases->size() == paths.size(), "every file has a phase");
}

const Target kTarget("split", Run);

}  // namespace
}  // namespace fuzz
