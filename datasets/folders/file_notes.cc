// Counting, and sentences.
#include "datasets/folders/file_notes.h"

#include <algorithm>
#include <filesystem>
#include <map>
#include <set>
#include <string>

#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

using pipeline::PhaseIndex;

std::string Plural(int64_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

// The files of a group, by the name without folder and extension.
struct Sides {
  std::set<std::string> tested, others;
};

bool IsParted(const Sides& sides, bool by_names) {
  if (sides.tested.empty() || sides.others.empty()) return false;
  return !by_names ||
         std::none_of(sides.tested.begin(), sides.tested.end(),
                      [&](const std::string& name) { return sides.others.count(name) > 0; });
}

}  // namespace

void NoteCopies(const Copies& copies, const DuplicateReport& report, bool drop_copies,
                pipeline::DataInfo* info) {
  info->duplicates = {{"identical_groups", static_cast<int64_t>(copies.identical.size())},
                      {"identical_across_train_and_test", report.identical_across_splits},
                      {"identical_with_different_labels", report.conflicting_labels},
                      {"near_groups", static_cast<int64_t>(copies.near.size())},
                      {"near_across_train_and_test", report.near_across_splits},
                      {"near_with_different_labels", report.near_conflicting_labels}};
  const int64_t conflicts = report.conflicting_labels + report.near_conflicting_labels;
  if (conflicts > 0) {
    info->notes.push_back(
        absl::StrCat(Plural(conflicts, "group"), " of copies with different labels"));
  }
  if (report.identical_across_splits + report.near_across_splits == 0) return;
  info->notes.push_back(absl::StrCat(
      "training and test share ", Plural(report.identical_across_splits, "group"),
      " of identical and ", report.near_across_splits, " of near-identical images: ",
      drop_copies ? "left out of training"
                  : "the test result is an over-estimate (duplicates: DROP_FROM_TRAIN)"));
}

void NoteDeepImages(const Copies& copies, pipeline::DataInfo* info) {
  constexpr int kFullBits = 15;
  int bits = 8;
  while (copies.brightest_of_deep >> bits > 0) ++bits;
  if (copies.deep == 0 || bits >= kFullBits) return;
  info->notes.push_back(absl::StrCat(
      Plural(copies.deep, "image"), " of 16 bits a sample with values up to ",
      copies.brightest_of_deep, " (", bits, " bits): read as 0 to ", copies.brightest_of_deep >> 8,
      " of 255, nearly black; scale the values to 16 bits"));
}

void NotePartedGroups(const std::vector<ImageFile>& files, const Phases& phases, bool by_names,
                      pipeline::DataInfo* info) {
  std::map<std::string, Sides> groups;
  for (size_t i = 0; i < files.size(); ++i) {
    if (files[i].group.empty()) continue;
    Sides& sides = groups[files[i].group];
    const bool is_test = phases[i] == pipeline::TEST;
    (is_test ? sides.tested : sides.others)
        .insert(std::filesystem::path(files[i].path).stem().string());
  }
  const auto is_parted = [&](const auto& group) { return IsParted(group.second, by_names); };
  const auto parted = std::count_if(groups.begin(), groups.end(), is_parted);
  if (parted == 0) return;
  info->notes.push_back(absl::StrCat("training and test share ", Plural(parted, "group"),
                                     " of images that belong together, such ", "as ",
                                     std::find_if(groups.begin(), groups.end(), is_parted)->first));
}

void NoteMissingClasses(pipeline::DataInfo* info) {
  if (info->task == pipeline::Task::kSegmentation) return;
  for (size_t i = 0; i < info->classes.size(); ++i) {
    if (info->class_counts[PhaseIndex(pipeline::TRAIN)][i] > 0) continue;
    const bool tested = info->class_counts[PhaseIndex(pipeline::TEST)][i] > 0;
    info->notes.push_back(absl::StrCat("no training image of ", info->classes[i],
                                       tested ? ", although there are test images" : ""));
  }
}

}  // namespace datasets
