// Folders read by the system's own iterator; links told by where they lead.
#include "datasets/folders/listing.h"

#include <sys/stat.h>

#include <algorithm>
#include <filesystem>
#include <system_error>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "datasets/images/image_file.h"
#include "datasets/split/names.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

bool IsHidden(const std::string& name) {
  if (absl::StartsWith(name, ".")) return true;
  for (const char* known :
       {"@eaDir", "@Recycle", "#recycle", "$RECYCLE.BIN", "__MACOSX", "System Volume Information",
        "lost+found", "Thumbs.db", "desktop.ini"}) {
    if (absl::EqualsIgnoreCase(name, known)) return true;
  }
  return false;
}

}  // namespace

absl::StatusOr<const Listing::Content*> Listing::Read(const std::string& folder) {
  const auto known = read_.find(folder);
  if (known != read_.end()) return &known->second;
  Content content;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (++entries_ > limit_) {
      return absl::ResourceExhaustedError(absl::StrCat("cannot read ", folder, ": more than ",
                                                       limit_, " files; name a smaller folder"));
    }
    if (IsHidden(name)) continue;
    std::error_code ignored;
    const bool is_folder = at->is_directory(ignored);
    const bool is_image = !is_folder && HasImageName(name);
    auto& kind = is_folder             ? content.folders
                 : is_image            ? content.images  // those that lead nowhere cannot be read
                 : at->exists(ignored) ? content.others
                                       : content.dangling;
    kind.push_back(at->path().string());
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  }
  for (auto* kind : {&content.folders, &content.images, &content.others, &content.dangling}) {
    std::sort(kind->begin(), kind->end());
  }
  return &read_.emplace(folder, std::move(content)).first->second;
}

std::string PathBelow(const std::string& path, const std::string& folder) {
  if (!folder.empty() && absl::StartsWith(path, folder)) {
    absl::string_view below = absl::string_view(path).substr(folder.size());
    const bool in_it = folder.back() == '/' || absl::ConsumePrefix(&below, "/");
    const bool plain = in_it && !below.empty() && below[0] != '.' && below[0] != '/' &&
                       !absl::StrContains(below, "//") && !absl::StrContains(below, "/.");
    if (plain) return std::string(below);
  }
  return fs::path(path).lexically_proximate(folder).string();
}

std::pair<uint64_t, uint64_t> PlaceOnDisk(const std::string& folder) {
  struct stat info = {};
  if (stat(folder.c_str(), &info) != 0) return {0, 0};
  return {info.st_dev, info.st_ino};
}

absl::StatusOr<Listing::Paths> Listing::Folders(const std::string& folder) {
  const auto content = Read(folder);
  if (!content.ok()) return content.status();
  return (*content)->folders;
}

absl::StatusOr<Listing::Paths> Listing::Strays(const std::string& folder) {
  const auto content = Read(folder);
  if (!content.ok()) return content.status();
  return (*content)->images;
}

absl::StatusOr<Listing::Paths> Listing::Images(const std::string& folder) {
  const auto read = Read(folder);
  if (!read.ok()) return read.status();
  const Content& content = **read;
  if (!counted_.insert(folder).second) return content.images;
  for (const std::string& other : content.others) {
    ++others_[absl::AsciiStrToLower(fs::path(other).extension().string())];
  }
  dangling_.insert(dangling_.end(), content.dangling.begin(), content.dangling.end());
  return content.images;
}

absl::Status Listing::AddBelow(const std::string& folder, std::set<Place>* seen, Paths* images,
                               Paths* links) {
  const auto here = Images(folder);
  if (!here.ok()) return here.status();
  images->insert(images->end(), here->begin(), here->end());
  const auto folders = Folders(folder);
  if (!folders.ok()) return folders.status();
  for (const std::string& below : *folders) {
    std::error_code ignored;
    if (fs::is_symlink(below, ignored)) {
      links->push_back(below);
      continue;
    }
    seen->insert(PlaceOnDisk(below));
    const absl::Status status = AddBelow(below, seen, images, links);
    if (!status.ok()) return status;
  }
  return absl::OkStatus();
}

absl::StatusOr<Listing::Paths> Listing::ImagesBelow(const std::string& folder) {
  std::set<Place> seen = {PlaceOnDisk(folder)};
  std::error_code ignored;
  fs::path above = fs::canonical(folder, ignored);
  for (; above.has_relative_path(); above = above.parent_path()) {
    seen.insert(PlaceOnDisk(above.parent_path().string()));
  }
  Paths images, links;
  absl::Status status = AddBelow(folder, &seen, &images, &links);
  // Links come last, so that a folder goes by its own path if it has one here.
  for (size_t i = 0; status.ok() && i < links.size(); ++i) {
    const std::string link = links[i];
    if (seen.insert(PlaceOnDisk(link)).second) {
      status = AddBelow(link, &seen, &images, &links);
    } else {
      again_.push_back(link);
    }
  }
  if (!status.ok()) return status;
  return images;
}

std::string Listing::Others() const {
  std::vector<std::pair<int64_t, std::string>> counts;
  for (const auto& [extension, count] : others_) counts.emplace_back(-count, extension);
  std::sort(counts.begin(), counts.end());
  std::vector<std::string> names;
  for (const auto& [count, extension] : counts) {
    names.push_back(
        absl::StrCat(-count, " ", extension.empty() ? "without an extension" : extension));
  }
  return FirstNames(names);
}

void Listing::Note(std::vector<std::string>* notes) const {
  int64_t count = 0;
  for (const auto& [extension, of] : others_) count += of;
  if (count > 0) {
    notes->push_back(absl::StrCat(count, count == 1 ? " file" : " files",
                                  " of no format that is read, left out: ", Others()));
  }
  NoteMany("link", "to a folder that is read already or lies above, left out", again_, notes);
  NoteMany("link", "that leads nowhere, left out", dangling_, notes);
}

}  // namespace datasets
