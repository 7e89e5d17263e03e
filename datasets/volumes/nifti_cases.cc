// Finding cases by the names of folders and files.
#include "datasets/volumes/nifti_cases.h"

#include <algorithm>
#include <cstddef>
#include <filesystem>
#include <map>
#include <set>
#include <utility>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/strip.h"
#include "datasets/folders/listing.h"
#include "datasets/split/split.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;
using Words = std::vector<std::string>;

constexpr int kDepth = 4;

// "VSD.Brain_3more.OT.54512" -> vsd brain 3more ot 54512.
Words WordsOf(const std::string& text) {
  Words words = {""};
  for (const char c : text) {
    if (absl::ascii_isalnum(c)) {
      words.back() += absl::ascii_tolower(c);
    } else if (!words.back().empty()) {
      words.emplace_back();
    }
  }
  if (words.back().empty()) words.pop_back();
  return words;
}

// Whether the words of the pattern stand in a row in the name.
bool Matches(const Words& name, const Words& pattern) {
  return std::search(name.begin(), name.end(), pattern.begin(), pattern.end()) != name.end();
}

// How sure a name says that labels are in the file; 0 is an image.
enum Kind { kImage = 0, kOtherMask, kMask, kLabels, kSegmentation };

Kind KindOf(const Words& words) {
  Kind kind = kImage;
  bool brain = false;
  for (const std::string& word : words) {
    brain = brain || absl::StartsWith(word, "brain") || word == "bet";
    Kind said = kImage;
    if (absl::StartsWith(word, "seg") || absl::StartsWith(word, "otm") || word == "ot") {
      said = kSegmentation;
    } else if (word == "label" || word == "labels" || word == "truth" || word == "gt") {
      said = kLabels;
    } else if (absl::EndsWith(word, "mask") || absl::EndsWith(word, "masks")) {
      said = kMask;
    }
    kind = std::max(kind, said);
  }
  return kind == kMask && brain ? kOtherMask : kind;
}

struct File {
  std::string path;
  std::string key;  // what is left of the name without the case's, by which cases are compared
  Words words;
};

// The files of one folder, by name.
struct Folder {
  std::string path, name;
  std::vector<File> files;
};

// The name without .nii or .nii.gz; "" for other files.
std::string Stem(const std::string& file) {
  std::string lower = absl::AsciiStrToLower(file);
  for (const char* extension : {".nii.gz", ".nii"}) {
    if (absl::EndsWith(lower, extension)) {
      return file.substr(0, file.size() - std::string(extension).size());
    }
  }
  return "";
}

// A file's words without those of its case's folders that they begin with: "sub-01_ses-2_T1w" in
// sub-01/ses-2/anat -> t1w. One word is always left.
std::string KeyOf(const Words& words, const std::vector<Words>& folders) {
  auto rest = words.begin();
  for (const Words& folder : folders) {
    const bool longer = words.end() - rest > static_cast<std::ptrdiff_t>(folder.size());
    if (longer && std::equal(folder.begin(), folder.end(), rest)) {
      rest += static_cast<std::ptrdiff_t>(folder.size());
    }
  }
  return absl::StrJoin(rest, words.end(), "_");
}

// The NIfTI files in a folder, which is called `name` as seen from the root, or "" for the root.
absl::StatusOr<std::vector<File>> FilesIn(const std::string& folder, const std::string& name) {
  std::vector<Words> folders;
  for (const fs::path& above : name.empty() ? fs::path(folder).filename() : fs::path(name)) {
    folders.push_back(WordsOf(above.string()));
  }
  std::vector<File> files;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string stem = Stem(at->path().filename().string());
    std::error_code ignored;
    if (stem.empty() || absl::StartsWith(stem, ".") || at->is_directory(ignored)) continue;
    const Words words = WordsOf(stem);
    files.push_back({at->path().string(), KeyOf(words, folders), words});
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  }
  std::sort(files.begin(), files.end(),
            [](const File& a, const File& b) { return a.path < b.path; });
  return files;
}

// `seen` are the folders so far; one that is met again through a link is not walked again.
absl::Status Walk(const std::string& path, const std::string& name, int depth,
                  std::set<std::pair<uint64_t, uint64_t>>* seen, std::vector<Folder>* found) {
  if (!seen->insert(PlaceOnDisk(path)).second) return absl::OkStatus();
  auto files = FilesIn(path, name);
  if (!files.ok()) return files.status();
  if (!files->empty()) found->push_back({path, name.empty() ? "." : name, *std::move(files)});
  if (depth == 0) return absl::OkStatus();
  auto folders = Listing().Folders(path);
  if (!folders.ok()) return folders.status();
  // Links come last, so that a folder goes by its own path.
  std::stable_partition(folders->begin(), folders->end(), [](const std::string& folder) {
    std::error_code ignored;
    return !fs::is_symlink(folder, ignored);
  });
  for (const std::string& folder : *folders) {
    const std::string below = fs::path(folder).filename().string();
    const absl::Status status =
        Walk(folder, name.empty() ? below : absl::StrCat(name, "/", below), depth - 1, seen, found);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

// The path of the only file among them, or why there is none.
absl::StatusOr<std::string> Only(const std::vector<const File*>& files, const std::string& what) {
  if (files.size() == 1) return files[0]->path;
  if (files.empty()) return absl::NotFoundError(absl::StrCat("no ", what));
  return absl::InvalidArgumentError(
      absl::StrCat(files.size(), " files could be the ", what, ": ",
                   absl::StrJoin(files, ", ", [](std::string* out, const File* file) {
                     absl::StrAppend(out, fs::path(file->path).filename().string());
                   })));
}

absl::StatusOr<std::string> SegmentationOf(const Folder& folder, const Words& pattern) {
  std::map<Kind, std::vector<const File*>> by_kind;
  for (const File& file : folder.files) {
    if (pattern.empty()) {
      by_kind[KindOf(file.words)].push_back(&file);
    } else if (Matches(file.words, pattern)) {
      by_kind[kSegmentation].push_back(&file);
    }
  }
  for (const Kind kind : {kSegmentation, kLabels, kMask}) {
    if (by_kind.count(kind) > 0) return Only(by_kind[kind], "segmentation");
  }
  return absl::NotFoundError("no segmentation");
}

// The files that may be images.
std::vector<const File*> ImagesOf(const Folder& folder, const std::string& segmentation) {
  std::vector<const File*> images;
  for (const File& file : folder.files) {
    if (file.path != segmentation && KindOf(file.words) == kImage) images.push_back(&file);
  }
  return images;
}

struct Labelled {
  const Folder* folder;
  std::string segmentation;
};

// Names that at least half of the cases have an image under.
std::vector<std::string> SharedKeys(const std::vector<Labelled>& cases) {
  std::map<std::string, size_t> counts;
  for (const auto& [folder, segmentation] : cases) {
    for (const File* image : ImagesOf(*folder, segmentation)) ++counts[image->key];
  }
  std::vector<std::string> keys;
  for (const auto& [key, count] : counts) {
    if (2 * count >= cases.size()) keys.push_back(key);
  }
  return keys;
}

// The case's image of a modality: by key, or by words where a user gave them.
absl::StatusOr<std::string> ImageOf(const Labelled& one, const std::string& modality,
                                    bool by_words) {
  std::vector<const File*> files;
  for (const File* file : ImagesOf(*one.folder, one.segmentation)) {
    if (by_words ? Matches(file->words, WordsOf(modality)) : file->key == modality) {
      files.push_back(file);
    }
  }
  return Only(files, modality);
}

std::optional<pipeline::Phase> PhaseOf(const std::string& name) {
  for (const fs::path& folder : fs::path(name).parent_path()) {
    const std::optional<pipeline::Phase> phase = PhaseNamed(folder.string());
    if (phase.has_value()) return phase;
  }
  return std::nullopt;
}

}  // namespace

absl::StatusOr<NiftiCases> FindNiftiCases(const std::string& root, const NiftiPatterns& patterns) {
  std::vector<Folder> folders;
  std::set<std::pair<uint64_t, uint64_t>> seen;
  const absl::Status status = Walk(root, "", kDepth, &seen, &folders);
  if (!status.ok()) return status;
  std::sort(folders.begin(), folders.end(),
            [](const Folder& a, const Folder& b) { return a.path < b.path; });
  NiftiCases found;
  const auto leave_out = [&](const Folder& folder, const absl::Status& why) {
    found.left_out.push_back(absl::StrCat(folder.name, ": ", why.message()));
  };
  std::vector<Labelled> labelled;
  for (const Folder& folder : folders) {
    auto segmentation = SegmentationOf(folder, WordsOf(patterns.segmentation));
    if (segmentation.ok()) {
      labelled.push_back({&folder, *std::move(segmentation)});
    } else {
      leave_out(folder, segmentation.status());
    }
  }
  const bool given = !patterns.modalities.empty();
  found.modalities = given ? patterns.modalities : SharedKeys(labelled);
  if (found.modalities.empty() && !labelled.empty()) {
    return absl::InvalidArgumentError("no image is in half of the cases under one name");
  }
  for (const Labelled& one : labelled) {
    const std::string& name = one.folder->name;
    NiftiCase added = {name, PhaseOf(name), {}, one.segmentation};
    absl::Status why;
    for (const std::string& modality : found.modalities) {
      auto image = ImageOf(one, modality, given);
      if (image.ok()) {
        added.images.push_back(*std::move(image));
      } else {
        why = image.status();
      }
    }
    if (why.ok()) {
      found.cases.push_back(std::move(added));
    } else {
      leave_out(*one.folder, why);
    }
  }
  return found;
}

}  // namespace datasets
