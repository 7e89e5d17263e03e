// Listing of splits and classes.
#include "datasets/folders/source_folders.h"

#include <algorithm>
#include <filesystem>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "datasets/split/names.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

std::string LowerName(const std::string& path) {
  return absl::AsciiStrToLower(fs::path(path).filename().string());
}

std::vector<ImageFile>* FilesOf(pipeline::Phase phase, SourceFiles* files) {
  return phase == pipeline::TRAIN ? &files->train
         : phase == pipeline::VAL ? &files->val
                                  : &files->test;
}

}  // namespace

absl::Status RootError(absl::string_view why) {
  return pipeline::OptionError("root", absl::StrCat("root: ", why));
}

absl::Status CheckRoot(const std::string& root) {
  std::error_code error;
  if (fs::is_directory(root, error)) return absl::OkStatus();
  return RootError(absl::StrCat("no folder ", root));
}

absl::StatusOr<SourceFiles> FindSplits(
    const std::string& root, std::vector<std::string>* notes,
    const std::function<absl::StatusOr<std::vector<ImageFile>>(const std::string& folder)>& find,
    const Splits& splits) {
  SourceFiles files;
  std::vector<std::string> others;
  const auto folders = Listing().Folders(root);
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    const auto phase = splits(fs::path(folder).filename().string());
    if (!phase.has_value()) {
      others.push_back(folder);
      continue;
    }
    auto found = find(folder);
    if (!found.ok()) return found.status();
    std::vector<ImageFile>* split = FilesOf(*phase, &files);
    split->insert(split->end(), found->begin(), found->end());
  }
  if (files.train.empty() && files.val.empty() && files.test.empty()) {
    auto found = find(root);
    if (!found.ok()) return found.status();
    files.unsplit = *std::move(found);
    return files;
  }
  NoteMany("folder", "beside those of splits, left out", others, notes);
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
  std::set<int64_t> present;
  for (const auto* split : {&files.train, &files.unsplit}) {
    for (const ImageFile& file : *split) present.insert(file.label);
  }
  if (present.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("no training images in ", info.origin,
                                                   info.notes.empty() ? "" : ":\n  ",
                                                   absl::StrJoin(info.notes, "\n  ")));
  }
  if (info.task == pipeline::Task::kSegmentation || present.size() > 1) return absl::OkStatus();
  return absl::InvalidArgumentError(absl::StrCat(info.origin, " has training images of ",
                                                 info.classes[*present.begin()],
                                                 " only; it takes two classes to learn"));
}

absl::StatusOr<std::string> FindFolder(const std::string& root, const std::string& name) {
  const auto folders = Listing().Folders(root);
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    if (LowerName(folder) == name) return folder;
  }
  return std::string();
}

absl::StatusOr<std::vector<ImageFile>> ClassFolders::Find(const std::string& folder) {
  const auto folders = listing_.Folders(folder);
  if (!folders.ok()) return folders.status();
  const auto strays = listing_.Strays(folder);
  if (!strays.ok()) return strays.status();
  std::vector<ImageFile> files;
  for (const std::string& path : *folders) {
    const std::string shown = fs::path(path).filename().string();
    if (rules_.splits(shown).has_value()) {
      const absl::Status status = PassSplit(path);
      if (!status.ok()) return status;
      continue;
    }
    const std::string name = rules_.namer(shown);
    if (name.empty()) {
      notes_->push_back(absl::StrCat("not a class folder, left out: ", path));
      continue;
    }
    const absl::Status status = CheckLevel(path);
    if (!status.ok()) return status;
    const auto images = listing_.ImagesBelow(path);
    if (!images.ok()) return images.status();
    if (images->empty()) {
      notes_->push_back(absl::StrCat("no images in ", path));
      continue;
    }
    const int64_t number = found_.emplace(name, found_.size()).first->second;
    for (const std::string& image : *images) {
      files.push_back({image, number, "", rules_.grouper(name, PathBelow(image, path)), {}});
    }
  }
  NoteMany("image", "outside class folders, left out", *strays, notes_);
  return files;
}

// The folder of a split is no class, even where it holds no class folders.
absl::Status ClassFolders::PassSplit(const std::string& folder) {
  const auto images = listing_.Strays(folder);
  if (!images.ok()) return images.status();
  if (images->empty()) {
    notes_->push_back(absl::StrCat("not a class folder, left out: ", folder));
    return absl::OkStatus();
  }
  std::string note = absl::StrCat("the folder ", folder, " is taken for a split, not for a class: ",
                                  "left out with its images (", images->size(), ")");
  if (rules_.otherwise != nullptr) {
    absl::StrAppend(&note, "; if it is a class, say ",
                    rules_.otherwise(fs::path(folder).filename().string()));
  }
  notes_->push_back(note);
  passed_.push_back(std::move(note));
  return absl::OkStatus();
}

// Of a class folder: whether it is one.
absl::Status ClassFolders::CheckLevel(const std::string& folder) {
  const auto below = listing_.Folders(folder);
  if (!below.ok()) return below.status();
  for (const std::string& path : *below) {
    const std::string name = fs::path(path).filename().string();
    if (!rules_.splits(name).has_value() && !rules_.knower(name)) continue;
    return absl::InvalidArgumentError(absl::StrCat(folder, " is taken for a class, but holds the ",
                                                   "folder ", name, "; is it the root?"));
  }
  if (rules_.nested || below->size() < 2) return absl::OkStatus();
  const auto images = listing_.Images(folder);
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
  const absl::Status there = CheckRoot(root);
  if (!there.ok()) return there;
  Listing listing;
  const Splits splits = rules.splits;
  ClassFolders classes(std::move(rules), &listing, &info->notes);
  auto files = FindSplits(
      root, &info->notes, [&classes](const std::string& folder) { return classes.Find(folder); },
      splits);
  if (!files.ok()) return RootError(files.status().message());
  listing.Note(&info->notes);
  info->classes = classes.Label(&*files);
  std::string passed;
  for (const std::string& note : classes.passed()) absl::StrAppend(&passed, "; ", note);
  if (info->classes.size() > 1 || (info->classes.size() == 1 && passed.empty())) return files;
  if (info->classes.size() == 1) {
    return RootError(absl::StrCat(root, " has images of ", info->classes[0],
                                  " only; it takes two classes to learn", passed));
  }
  const std::string others = listing.Others();
  return RootError(absl::StrCat(
      "no class folder with images in ", root, "; it needs <class>, or train/<class> and test/",
      "<class>", others.empty() ? "" : absl::StrCat("; files of no format that is read: ", others),
      passed));
}

}  // namespace datasets
