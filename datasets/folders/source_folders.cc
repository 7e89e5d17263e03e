// Listing of splits and classes.
#include "datasets/folders/source_folders.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/split/split.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxNamed = 10;

std::string LowerName(const std::string& path) {
  return absl::AsciiStrToLower(fs::path(path).filename().string());
}

// The files that the folder of such a name holds; nullptr where it is no split's.
std::vector<ImageFile>* SplitNamed(const std::string& folder, SourceFiles* files) {
  const std::optional<pipeline::Phase> phase = PhaseNamed(folder);
  if (!phase.has_value()) return nullptr;
  return *phase == pipeline::TRAIN ? &files->train
         : *phase == pipeline::VAL ? &files->val
                                   : &files->test;
}

// The images in a folder and in those below it, sorted within each.
absl::Status ListBelow(const std::string& folder, std::vector<std::string>* paths) {
  const auto images = ListImages(folder);
  if (!images.ok()) return images.status();
  paths->insert(paths->end(), images->begin(), images->end());
  const auto folders = ListFolders(folder);
  if (!folders.ok()) return folders.status();
  for (const std::string& below : *folders) {
    // A link may lead back up.
    std::error_code ignored;
    if (fs::is_symlink(below, ignored)) continue;
    const absl::Status status = ListBelow(below, paths);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<SourceFiles> FindSplits(
    const std::string& root, std::vector<std::string>* notes,
    const std::function<absl::StatusOr<std::vector<ImageFile>>(const std::string& folder)>& find) {
  SourceFiles files;
  std::vector<std::string> others;
  const auto folders = ListFolders(root);
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    std::vector<ImageFile>* split = SplitNamed(LowerName(folder), &files);
    if (split == nullptr) {
      others.push_back(folder);
      continue;
    }
    auto found = find(folder);
    if (!found.ok()) return found.status();
    split->insert(split->end(), found->begin(), found->end());
  }
  if (files.train.empty() && files.val.empty() && files.test.empty()) {
    auto found = find(root);
    if (!found.ok()) return found.status();
    files.unsplit = *std::move(found);
    return files;
  }
  NoteFiles(others.size() == 1 ? "folder beside those of splits, left out"
                               : "folders beside those of splits, left out",
            others, notes);
  if (files.train.empty() || (files.val.empty() && files.test.empty())) {
    // One side alone is no split.
    for (auto* split : {&files.train, &files.val, &files.test}) {
      files.unsplit.insert(files.unsplit.end(), split->begin(), split->end());
      split->clear();
    }
  } else if (files.test.empty()) {
    notes->push_back(
        "the validation folder is TEST, as there is no other; VAL is taken from train");
    files.test.swap(files.val);
  }
  return files;
}

absl::Status CheckClasses(const SourceFiles& files, const pipeline::DataInfo& info) {
  if (info.task == pipeline::Task::kSegmentation) return absl::OkStatus();
  std::set<int64_t> present;
  for (const auto* split : {&files.train, &files.unsplit}) {
    for (const ImageFile& file : *split) present.insert(file.label);
  }
  if (present.size() > 1) return absl::OkStatus();
  if (present.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no training images in ", info.origin));
  }
  return absl::InvalidArgumentError(absl::StrCat(info.origin, " has training images of ",
                                                 info.classes[*present.begin()],
                                                 " only; it takes two classes to learn"));
}

absl::StatusOr<std::string> FindFolder(const std::string& root, const std::string& name) {
  const auto folders = ListFolders(root);
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    if (LowerName(folder) == name) return folder;
  }
  return std::string();
}

void NoteFiles(const std::string& what, const std::vector<std::string>& names,
               std::vector<std::string>* notes) {
  if (names.empty()) return;
  const size_t named = std::min(names.size(), kMaxNamed);
  std::string note = absl::StrCat(names.size(), " ", what, ": ",
                                  absl::StrJoin(names.begin(), names.begin() + named, ", "));
  if (named < names.size()) absl::StrAppend(&note, ", and ", names.size() - named, " more");
  notes->push_back(std::move(note));
}

absl::StatusOr<std::vector<ImageFile>> ClassFolders::Find(const std::string& folder) {
  const auto folders = ListFolders(folder);
  if (!folders.ok()) return folders.status();
  const auto strays = ListImages(folder);
  if (!strays.ok()) return strays.status();
  std::vector<ImageFile> files;
  for (const std::string& path : *folders) {
    // The folder of a split is no class, even where it holds no class folders.
    const std::string shown = fs::path(path).filename().string();
    const std::string name = PhaseNamed(shown).has_value() ? "" : rules_.namer(shown);
    if (name.empty()) {
      notes_->push_back(absl::StrCat("not a class folder, left out: ", path));
      continue;
    }
    absl::Status status = CheckLevel(path);
    if (!status.ok()) return status;
    std::vector<std::string> images;
    status = ListBelow(path, &images);
    if (!status.ok()) return status;
    if (images.empty()) {
      notes_->push_back(absl::StrCat("no images in ", path));
      continue;
    }
    const int64_t number = found_.emplace(name, found_.size()).first->second;
    for (const std::string& image : images) {
      const std::string below = fs::path(image).lexically_relative(path).string();
      files.push_back({image, number, "", rules_.grouper(name, below), {}});
    }
  }
  NoteFiles(strays->size() == 1 ? "image outside class folders, left out"
                                : "images outside class folders, left out",
            *strays, notes_);
  return files;
}

// Of a class folder: whether it is one.
absl::Status ClassFolders::CheckLevel(const std::string& folder) {
  const auto below = ListFolders(folder);
  if (!below.ok()) return below.status();
  for (const std::string& path : *below) {
    const std::string name = fs::path(path).filename().string();
    if (!PhaseNamed(name).has_value() && !rules_.knower(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(folder, " is taken for a class, but holds the ",
                                                   "folder ", name, "; is it the root?"));
  }
  if (rules_.nested || below->size() < 2) return absl::OkStatus();
  const auto images = ListImages(folder);
  if (!images.ok()) return images.status();
  if (images->empty()) {
    notes_->push_back(absl::StrCat("all images of the class ", folder,
                                   " are in folders of its own (",
                                   fs::path(below->front()).filename().string(),
                                   ", ...); if those are the classes, it is the root"));
  }
  return absl::OkStatus();
}

std::vector<std::string> ClassFolders::Label(SourceFiles* files) const {
  std::vector<std::string> classes;
  std::vector<int64_t> labels(found_.size());  // by number
  for (const auto& [name, number] : found_) {
    labels[number] = static_cast<int64_t>(classes.size());
    classes.push_back(name);
  }
  for (auto* split : {&files->train, &files->val, &files->test, &files->unsplit}) {
    for (ImageFile& file : *split) file.label = labels[file.label];
  }
  return classes;
}

absl::StatusOr<SourceFiles> FindClasses(ClassFolders::Rules rules, pipeline::DataInfo* info) {
  const std::string& root = info->origin;
  const auto refuse = [](const auto&... why) {
    return pipeline::OptionError("root", absl::StrCat("root: ", why...));
  };
  std::error_code error;
  if (!fs::is_directory(root, error)) return refuse("no folder ", root);
  ClassFolders classes(std::move(rules), &info->notes);
  auto files = FindSplits(root, &info->notes,
                          [&classes](const std::string& folder) { return classes.Find(folder); });
  if (!files.ok()) return refuse(files.status().message());
  info->classes = classes.Label(&*files);
  if (!info->classes.empty()) return files;
  return refuse("no class folder with images in ", root,
                "; it needs <class>, or train/<class> and test/<class>");
}

}  // namespace datasets
