// Cracks, with their masks.
#include <algorithm>
#include <filesystem>
#include <map>
#include <opencv2/core.hpp>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/crack.pb.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/masks/mask_folder.h"

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
absl::StatusOr<std::vector<std::string>> ListIn(const std::string& folder, const std::string& name,
                                                Listing* listing) {
  const auto found = FindFolder(folder, name);
  if (!found.ok()) return found.status();
  if (found->empty()) return std::vector<std::string>();
  return listing->Images(*found);
}

// Which images there are, and what they are labelled.
class CrackFiles {
 public:
  // What is left out goes to `notes`, which outlives this.
  CrackFiles(const CrackOptions& options, int64_t max_pixels, std::vector<std::string>* notes)
      : options_(options), max_pixels_(max_pixels), notes_(*notes) {}

  // The files of the subfolders images and masks, with labels by the task, crops of one photo as a
  // group. An image whose mask is missing or unusable is left out.
  absl::StatusOr<std::vector<ImageFile>> Find(const std::string& folder);

  // Once all folders were found: what of their masks' values says whether 255 is crack or ignored.
  // Leaves out files whose masks cannot be told, and says what else was left out.
  void Finish(SourceFiles* files);

  // MULTICLASS: the sources found in all folders so far, sorted by name without regard to case.
  std::vector<std::string> Sources() const;
  // MULTICLASS: labels of Find become indices into Sources().
  void Relabel(std::vector<ImageFile>* files) const;

 private:
  struct Source {
    std::string name;
    int64_t found = 0;  // how many were found before
  };

  std::vector<ImageFile> BySource(const std::vector<std::string>& images);
  std::vector<ImageFile> ByMask(const std::vector<MaskPair>& pairs);

  const CrackOptions options_;
  const int64_t max_pixels_;
  std::vector<std::string>& notes_;
  Listing listing_;
  std::map<std::string, Source> sources_;  // by name in lower case
  std::set<std::string> with_ignored_;     // masks of 0, 1 and 255
  std::set<std::string> black_and_white_;  // masks of 0 and 255
};

absl::StatusOr<std::vector<ImageFile>> CrackFiles::Find(const std::string& folder) {
  const auto images = ListIn(folder, "images", &listing_);
  if (!images.ok()) return images.status();
  if (options_.task() == CrackOptions::MULTICLASS) return BySource(*images);
  const auto masks = ListIn(folder, "masks", &listing_);
  if (!masks.ok()) return masks.status();
  const Pairs joined = JoinByKey(*images, *masks, Stem);
  NoteMany("image", "without a mask, left out", joined.images_alone, &notes_);
  NoteMany("mask", "without an image", joined.masks_alone, &notes_);
  return ByMask(joined.pairs);
}

void CrackFiles::Finish(SourceFiles* files) {
  listing_.Note(&notes_);
  if (with_ignored_.empty()) return;
  const bool few_ignore = with_ignored_.size() < black_and_white_.size();
  const std::set<std::string>& unclear = few_ignore ? with_ignored_ : black_and_white_;
  std::vector<std::string> left_out;
  for (auto* split : {&files->train, &files->val, &files->test, &files->unsplit}) {
    const auto is_unclear = [&](const ImageFile& file) { return unclear.count(file.mask) > 0; };
    for (const ImageFile& file : *split) {
      if (is_unclear(file)) left_out.push_back(file.mask);
    }
    split->erase(std::remove_if(split->begin(), split->end(), is_unclear), split->end());
  }
  if (few_ignore) {
    NoteMany("image", "left out, as its mask is of 0, 1 and 255, but most are of 0 and 255",
             left_out, &notes_);
    return;
  }
  NoteMany("mask", "of 0, 1 and 255, where 255 is ignored",
           {with_ignored_.begin(), with_ignored_.end()}, &notes_);
  NoteMany("image", "left out, as its mask is of 0 and 255 alone: crack, or ignored as in others",
           left_out, &notes_);
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
  std::vector<Mask::Values> values(pairs.size());
  const std::vector<absl::Status> read =
      LookAtMasks(pairs, ReadBinaryMask, max_pixels_, [&](size_t i, const Mask& mask) {
        pixels[i] = cv::countNonZero(mask.classes == 1);
        half[i] = static_cast<int64_t>(mask.classes.total()) / 2;
        stray[i] = mask.stray;
        values[i] = mask.values;
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
    if (values[i] == Mask::Values::kWithIgnored) with_ignored_.insert(pairs[i].mask);
    if (values[i] == Mask::Values::kBlackAndWhite) black_and_white_.insert(pairs[i].mask);
    files.push_back(File(pairs[i], binary && crack ? 1 : 0));
  }
  NoteMany("image", "without a usable mask, left out", unusable, &notes_);
  NoteMany("mask", "with cracks of images named noncrack, taken as crack", contrary, &notes_);
  NoteMany("mask", "with more crack than background, perhaps inverted", full, &notes_);
  NoteMany("mask", "with transparent pixels, ignored", transparent, &notes_);
  return files;
}

pipeline::Task TaskOf(const CrackOptions& options) {
  if (options.task() == CrackOptions::BINARY) return pipeline::Task::kBinary;
  return options.task() == CrackOptions::MULTICLASS ? pipeline::Task::kMulticlass
                                                    : pipeline::Task::kSegmentation;
}

}  // namespace

class Crack : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const CrackOptions& options,
                                                         const DatasetContext& context) {
    pipeline::DataInfo info;
    info.dataset = "crack";
    info.origin = options.root();
    info.task = TaskOf(options);
    // MULTICLASS: replaced by the sources found.
    info.classes = DrawnClasses(DrawnDomain::kCrack, info.task);
    if (options.root().empty()) {
      return OpenEmbeddedSample(info.dataset, DrawnDomain::kCrack, info.task, context);
    }
    const absl::Status there = CheckRoot(options.root());
    if (!there.ok()) return there;
    auto files = Find(options, context, &info);
    if (!files.ok()) return RootError(files.status().message());
    FilesOptions how;
    how.look = options.duplicates() != Duplicates::UNCHECKED;
    how.drop_copies = options.duplicates() == Duplicates::DROP_FROM_TRAIN;
    how.part_lone_groups = true;
    how.named_groups = true;
    if (info.task == pipeline::Task::kSegmentation) how.read_mask = MakeMaskReader(ReadBinaryMask);
    return OpenFiles(std::move(info), *std::move(files), std::move(how), context);
  }

 private:
  static absl::StatusOr<SourceFiles> Find(const CrackOptions& options,
                                          const DatasetContext& context, pipeline::DataInfo* info) {
    CrackFiles found(options, context.max_pixels, &info->notes);
    auto files = FindSplits(options.root(), &info->notes,
                            [&](const std::string& folder) { return found.Find(folder); });
    if (!files.ok()) return files;
    found.Finish(&*files);
    if (options.task() == CrackOptions::MULTICLASS) {
      info->classes = found.Sources();
      for (auto* split : {&files->train, &files->val, &files->test, &files->unsplit}) {
        found.Relabel(split);
      }
    }
    if (files->train.empty() && files->unsplit.empty() && info->notes.empty()) {
      return absl::InvalidArgumentError(absl::StrCat("no images/NAME with masks/NAME in ",
                                                     options.root(),
                                                     " or its folders train, val and test"));
    }
    const absl::Status enough = CheckClasses(*files, *info);
    if (!enough.ok()) return enough;
    return files;
  }
};

REGISTER_PLUGIN(Datasets, Crack);

}  // namespace datasets
