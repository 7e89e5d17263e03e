// Labels by the mask, or by the name.
#include "datasets/crack_files.h"

#include <algorithm>
#include <filesystem>
#include <opencv2/core.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/string_view.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

std::string Stem(const std::string& path) {
  return absl::AsciiStrToLower(fs::path(path).stem().string());
}

// The letters (and bytes beyond ASCII) that a name begins with.
std::string Prefix(const std::string& path) {
  const std::string stem = fs::path(path).stem().string();
  const auto end = std::find_if_not(stem.begin(), stem.end(), [](char c) {
    return absl::ascii_isalpha(c) || static_cast<unsigned char>(c) >= 0x80;
  });
  return {stem.begin(), end};
}

// How the source of such a prefix is called.
std::string SourceName(const std::string& prefix) {
  for (const char* known : {"CFD", "Volker", "cracktree", "DeepCrack", "noncrack"}) {
    if (absl::EqualsIgnoreCase(prefix, known)) return known;
  }
  return absl::StartsWithIgnoreCase(prefix, "sylvie") ? "Sylvie_Chambon" : prefix;
}

// Whether "_12" at the end of a name says where in a photo a crop lies. Numbers of photos have
// leading zeros or many digits (dates, times).
bool IsPlace(absl::string_view number) {
  constexpr size_t kMostDigits = 5;
  return !number.empty() && number.size() <= kMostDigits &&
         std::all_of(number.begin(), number.end(), absl::ascii_isdigit) &&
         (number == "0" || number[0] != '0');
}

// The photo that an image is cut from, by the names of the public collections:
//   DeepCrack_11166-2                                  -> deepcrack_11166
//   CRACK500_20160222_081011_1_361                     -> crack500_20160222_081011
//   GAPS384_train_0001_541_641                         -> gaps384_train_0001
//   Volker_DSC01646_161_1054_1412_1471                 -> volker_dsc01646
//   noncrack_concrete_wall_10_11                       -> noncrack_concrete_wall
//   CFD_001, Sylvie_Chambon_001, cracktree200_6192     as they are
std::string PhotoOf(const std::string& path) {
  std::string stem = Stem(path);
  const size_t dash = stem.rfind('-');
  if (dash != std::string::npos && dash > 0 && dash + 1 < stem.size() &&
      std::all_of(stem.begin() + dash + 1, stem.end(), absl::ascii_isdigit)) {
    return stem.substr(0, dash);
  }
  size_t end = stem.size();
  int places = 0;
  for (size_t at = stem.rfind('_'); at != std::string::npos && at > 0;
       at = stem.rfind('_', at - 1)) {
    if (!IsPlace(absl::string_view(stem).substr(at + 1, end - at - 1))) break;
    end = at;
    ++places;
  }
  return places < 2 ? stem : stem.substr(0, end);
}

ImageFile File(const MaskPair& pair, int64_t label) {
  ImageFile file;
  file.path = pair.image;
  file.mask = pair.mask;
  file.label = label;
  file.group = PhotoOf(pair.image);
  return file;
}

// The images of a subfolder; none where there is none.
absl::StatusOr<std::vector<std::string>> ListIn(const std::string& folder,
                                                const std::string& name) {
  const auto found = FindFolder(folder, name);
  if (!found.ok()) return found.status();
  if (found->empty()) return std::vector<std::string>();
  return ListImages(*found);
}

}  // namespace

absl::StatusOr<std::vector<ImageFile>> CrackFiles::Find(const std::string& folder) {
  const auto images = ListIn(folder, "images");
  if (!images.ok()) return images.status();
  if (options_.task() == CrackOptions::MULTICLASS) return BySource(*images);
  const auto masks = ListIn(folder, "masks");
  if (!masks.ok()) return masks.status();
  const Pairs joined = JoinByKey(*images, *masks, Stem);
  NoteMany("image", "without a mask, left out", joined.images_alone, &notes_);
  NoteMany("mask", "without an image", joined.masks_alone, &notes_);
  return ByMask(joined.pairs);
}

std::vector<std::string> CrackFiles::Sources() const {
  std::vector<std::string> names;
  for (const auto& [key, source] : sources_) names.push_back(source.name);
  return names;
}

void CrackFiles::Relabel(std::vector<ImageFile>* files) const {
  std::vector<int64_t> labels(sources_.size());
  int64_t next = 0;
  for (const auto& [key, source] : sources_) labels[source.found] = next++;
  for (ImageFile& file : *files) file.label = labels[file.label];
}

std::vector<ImageFile> CrackFiles::BySource(const std::vector<std::string>& images) {
  std::vector<ImageFile> files;
  std::vector<std::string> nameless;
  for (const std::string& image : images) {
    const std::string prefix = Prefix(image);
    if (prefix.empty()) {
      nameless.push_back(image);
      continue;
    }
    const std::string name = SourceName(prefix);
    const auto found = static_cast<int64_t>(sources_.size());
    const auto at = sources_.emplace(absl::AsciiStrToLower(name), Source{name, found}).first;
    files.push_back(File({image, ""}, at->second.found));
  }
  NoteMany("image", "named without a letter at the start, left out", nameless, &notes_);
  return files;
}

std::vector<ImageFile> CrackFiles::ByMask(const std::vector<MaskPair>& pairs) {
  std::vector<int64_t> pixels(pairs.size());  // of crack
  std::vector<int64_t> half(pairs.size());    // of all pixels
  std::vector<int64_t> stray(pairs.size());
  const std::vector<absl::Status> read =
      LookAtMasks(pairs, ReadBinaryMask, max_pixels_, [&](size_t i, const Mask& mask) {
        pixels[i] = cv::countNonZero(mask.classes == 1);
        half[i] = static_cast<int64_t>(mask.classes.total()) / 2;
        stray[i] = mask.stray;
      });
  std::vector<ImageFile> files;
  const bool binary = options_.task() == CrackOptions::BINARY;
  std::vector<std::string> unusable, contrary, full, transparent;
  for (size_t i = 0; i < pairs.size(); ++i) {
    if (!read[i].ok()) {
      unusable.emplace_back(read[i].message());
      continue;
    }
    const bool crack = pixels[i] >= options_.crack_pixels();
    if (crack && SourceName(Prefix(pairs[i].image)) == "noncrack") {
      contrary.push_back(pairs[i].mask);
    }
    if (pixels[i] > half[i]) full.push_back(pairs[i].mask);
    if (stray[i] > 0) transparent.push_back(pairs[i].mask);
    files.push_back(File(pairs[i], binary && crack ? 1 : 0));
  }
  NoteMany("image", "without a usable mask, left out", unusable, &notes_);
  NoteMany("mask", "with cracks of images named noncrack, taken as crack", contrary, &notes_);
  NoteMany("mask", "with more crack than background, perhaps inverted", full, &notes_);
  NoteMany("mask", "with transparent pixels, ignored", transparent, &notes_);
  return files;
}

}  // namespace datasets
