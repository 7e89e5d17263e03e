// PlantVillage's tomato leaves.
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/folders/source_folders.h"
#include "datasets/tomato_leaf.pb.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr char kHealthy[] = "healthy";

// "Tomato___Tomato_mosaic_virus" -> "mosaic_virus"; "" for other plants.
std::string ClassName(const std::string& folder) {
  const std::string lower = absl::AsciiStrToLower(folder);
  if (absl::StrContains(lower, "___") && !absl::StartsWith(lower, "tomato")) return "";
  std::string name;
  for (const char c : lower) {
    const bool letter = absl::ascii_isalnum(c) || !absl::ascii_isascii(c);
    if (letter) name.push_back(c);
    if (!letter && !name.empty() && name.back() != '_') name.push_back('_');
  }
  absl::string_view rest = absl::StripSuffix(name, "_");
  for (; absl::StartsWith(rest, "tomato_"); rest.remove_prefix(7)) {
  }
  return std::string(rest);
}

bool IsTomato(const std::string& folder) { return absl::StartsWithIgnoreCase(folder, "tomato_"); }

// The part of a file's name that all views of its leaf share: up to the number after "leaf ", or
// after the last blank that a number follows; "" where there is no such number.
std::string LeafName(const std::string& path) {
  std::string name = absl::AsciiStrToLower(fs::path(path).stem().string());
  const size_t id = name.rfind("___");
  if (id != std::string::npos) name.erase(0, id + 3);
  const std::string before = "leaf ";
  size_t number = name.find(before);
  if (number != std::string::npos) {
    number += before.size();
  } else {
    number = name.rfind(' ') + 1;  // 0 where there is no blank
  }
  size_t end = number;
  while (end < name.size() && absl::ascii_isdigit(name[end])) ++end;
  return number == 0 || end == number ? "" : name.substr(0, end);
}

std::string GroupOf(const std::string& name, const std::string& below) {
  const std::string leaf = LeafName(below);
  return leaf.empty() ? "" : absl::StrCat(name, ": ", leaf);
}

// Labels and names of the two classes in place of those found.
void TellHealthy(SourceFiles* files, pipeline::DataInfo* info) {
  for (auto* split : {&files->train, &files->val, &files->test, &files->unsplit}) {
    for (ImageFile& file : *split) file.label = info->classes[file.label] != kHealthy;
  }
  info->classes = {kHealthy, "diseased"};
}

}  // namespace

// Opens either the folders or the sample; both are datasets of their own.
class TomatoLeaf : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const TomatoLeafOptions& options,
                                                         const DatasetContext& context) {
    pipeline::DataInfo info;
    info.dataset = "tomato_leaf";
    info.origin = options.root();
    info.task = options.task() == TomatoLeafOptions::BINARY ? pipeline::Task::kBinary
                                                            : pipeline::Task::kMulticlass;
    if (options.root().empty()) {
      return OpenEmbeddedSample(info.dataset, DrawnDomain::kLeaf, info.task, context);
    }
    auto files = FindClasses({ClassName, GroupOf, IsTomato}, &info);
    if (!files.ok()) return files.status();
    if (info.task == pipeline::Task::kBinary) TellHealthy(&*files, &info);
    const absl::Status enough = CheckClasses(*files, info);
    if (!enough.ok()) return RootError(enough.message());
    FilesOptions how;
    how.look = options.duplicates() != Duplicates::UNCHECKED;
    how.drop_copies = options.duplicates() == Duplicates::DROP_FROM_TRAIN;
    how.named_groups = true;
    return OpenFiles(std::move(info), *std::move(files), std::move(how), context);
  }
};

REGISTER_PLUGIN(Datasets, TomatoLeaf);

}  // namespace datasets
