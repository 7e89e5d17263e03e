// Hashes, names of tasks and classes, groups of copies.
#include "pipeline/data.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "pipeline/utf8.h"

namespace pipeline {

uint64_t Hash(std::initializer_list<uint64_t> numbers) {
  // SplitMix64 (Steele, Lea, Flood 2014), its finalizer applied after each number is added.
  uint64_t state = 0;
  for (const uint64_t number : numbers) {
    state += number + 0x9e3779b97f4a7c15;
    state = (state ^ (state >> 30)) * 0xbf58476d1ce4e5b9;
    state = (state ^ (state >> 27)) * 0x94d049bb133111eb;
    state ^= state >> 31;
  }
  return state;
}

std::string StepName(const Step& step) {
  return absl::StrCat("step ", step.index + 1, " of epoch ", step.epoch + 1, " (",
                      Phase_Name(step.phase), ")");
}

const char* TaskName(Task task) {
  switch (task) {
    case Task::kBinary:
      return "binary";
    case Task::kMulticlass:
      return "multiclass";
    case Task::kSegmentation:
      return "segmentation";
  }
  return "";
}

bool CopyGroup::IsAcrossSplits() const {
  const auto tests = std::count_if(files.begin(), files.end(),
                                   [](const FileRef& file) { return file.phase == TEST; });
  return tests > 0 && static_cast<size_t>(tests) < files.size();
}

bool CopyGroup::HasConflict() const {
  return std::any_of(files.begin(), files.end(),
                     [&](const FileRef& file) { return file.label != files[0].label; });
}

std::string CopyGroup::Text() const {
  std::string line = identical ? "identical" : "near-identical";
  if (IsAcrossSplits()) absl::StrAppend(&line, ", across splits");
  if (HasConflict()) absl::StrAppend(&line, ", different labels");
  absl::string_view before = ": ";
  for (const FileRef& file : files) {
    absl::StrAppend(&line, before, file.path, " (", Phase_Name(file.phase), ", label ", file.label,
                    ")");
    before = ", ";
  }
  return line;
}

void DataInfo::AddSkipped(Phase phase, const std::string& why) {
  std::vector<std::string>& files = skipped[PhaseIndex(phase)];
  if (std::find(files.begin(), files.end(), why) == files.end()) files.push_back(why);
}

std::vector<std::string> ClassColumns(const std::vector<std::string>& classes, int64_t count) {
  std::vector<std::string> columns;
  for (int64_t i = 0; i < count; ++i) {
    std::string name = i < static_cast<int64_t>(classes.size()) ? ValidUtf8(classes[i]) : "";
    for (char& c : name) {
      const auto byte = static_cast<unsigned char>(c);
      if (byte < 0x80 && !absl::ascii_isalnum(byte) && c != '-') c = '_';
    }
    if (name.empty()) name = absl::StrCat(i);
    while (std::find(columns.begin(), columns.end(), name) != columns.end()) {
      absl::StrAppend(&name, "_", i);
    }
    columns.push_back(name);
  }
  return columns;
}

}  // namespace pipeline
