// Folders of images.
#include "datasets/folders/files_dataset.h"

#include <algorithm>
#include <filesystem>
#include <iterator>
#include <map>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/folders/file_notes.h"
#include "datasets/folders/listing.h"
#include "datasets/images/image_file.h"
#include "datasets/split/duplicates.h"
#include "datasets/split/file_facts.h"
#include "datasets/split/sets.h"
#include "datasets/split/split.h"
#include "datasets/split/split_file.h"
#include "pipeline/all_cores.h"
#include "pipeline/files.h"
#include "pipeline/utf8.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

using pipeline::PhaseIndex;

using Files = std::vector<ImageFile>;
using FilesByPhase = std::array<Files, pipeline::kPhases>;

// A file's path, size and time of change; "" where it cannot be told.
std::string StampOf(const std::string& path) {
  std::error_code error;
  const std::string whole = fs::absolute(path, error).string();
  if (error) return "";
  const auto size = fs::file_size(path, error);
  if (error) return "";
  const auto changed = fs::last_write_time(path, error);
  if (error) return "";
  return absl::StrCat(whole, "\n", size, " ", changed.time_since_epoch().count());
}

// "" for what caches made before there was a choice hold.
const char* TextOf(Fit fit) {
  return fit == Fit::kStretch ? "" : fit == Fit::kLetterbox ? "\nletterbox" : "\ncrop";
}

class FilesDataset : public Dataset {
 public:
  FilesDataset(pipeline::DataInfo info, MaskReader read_mask, const DatasetContext& context,
               FilesByPhase files)
      : info_(std::move(info)),
        read_mask_(std::move(read_mask)),
        max_pixels_(context.max_pixels),
        color_(context.color),
        fit_(context.fit),
        files_(std::move(files)) {}

  const pipeline::DataInfo& info() const override { return info_; }

  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override {
    const ImageFile& file = At(phase, index);
    absl::StatusOr<cv::Mat> image =
        ReadImage(file.path, max_pixels_, {size, file.tile, color_, fit_});
    if (!image.ok()) return image.status();
    Sample sample = {*std::move(image), {}, file.label};
    if (info_.task != pipeline::Task::kSegmentation) return sample;
    const absl::StatusOr<cv::Mat> mask = read_mask_(file, max_pixels_);
    if (!mask.ok()) return mask.status();
    sample.mask = FitMask(*mask, size, fit_, kIgnoredMask);
    return sample;
  }

  absl::Status CheckHeader(pipeline::Phase phase, int64_t index) const override {
    const ImageFile& file = At(phase, index);
    const absl::Status status = CheckImageHeader(file.path, max_pixels_);
    const bool masked = info_.task == pipeline::Task::kSegmentation && !file.mask.empty();
    return status.ok() && masked ? CheckImageHeader(file.mask, max_pixels_) : status;
  }

  std::string Identity(pipeline::Phase phase, int64_t index) const override {
    const ImageFile& file = At(phase, index);
    const std::string image = StampOf(file.path);
    const std::string mask = file.mask.empty() ? "none" : StampOf(file.mask);
    if (image.empty() || mask.empty()) return "";
    const cv::Rect& tile = file.tile;
    return absl::StrCat(image, "\n", mask, "\n", tile.x, " ", tile.y, " ", tile.width, " ",
                        tile.height, "\n", file.label, color_ ? "" : "\ngray", TextOf(fit_));
  }

  std::string Name(pipeline::Phase phase, int64_t index) const override {
    return pipeline::ValidUtf8(At(phase, index).path);
  }

 private:
  const ImageFile& At(pipeline::Phase phase, int64_t index) const {
    return files_[PhaseIndex(phase)][index];
  }

  const pipeline::DataInfo info_;
  const MaskReader read_mask_;
  const int64_t max_pixels_;
  const bool color_;
  const Fit fit_;
  const FilesByPhase files_;
};

// The files in one row, with what is known of their splits.
struct Row {
  Files files;
  Phases phases;
  // Different paths, and each file's place among them: tiles share one.
  std::vector<std::string> paths;
  std::vector<size_t> path_of;
};

Row InARow(SourceFiles source) {
  Row row;
  absl::flat_hash_map<std::string, size_t> places;
  const std::pair<Files*, std::optional<pipeline::Phase>> lists[] = {
      {&source.train, pipeline::TRAIN},
      {&source.val, pipeline::VAL},
      {&source.test, pipeline::TEST},
      {&source.unsplit, kUnsplit}};
  for (const auto& [files, phase] : lists) {
    for (ImageFile& file : *files) {
      const auto [place, is_new] = places.emplace(file.path, row.paths.size());
      if (is_new) row.paths.push_back(file.path);
      row.path_of.push_back(place->second);
      row.phases.push_back(phase);
      row.files.push_back(std::move(file));
    }
  }
  return row;
}

// Splits the row as the split file says; drops what it does not list.
absl::Status Obey(const DatasetContext& context, FileFacts* facts, pipeline::DataInfo* info,
                  Row* row) {
  const std::string& split_file = context.split_file;
  std::vector<std::string> below;
  for (const std::string& path : row->paths) below.push_back(PathBelow(path, info->origin));
  std::set<std::string> masks;
  for (const ImageFile& file : row->files) {
    if (!file.mask.empty()) masks.insert(PathBelow(file.mask, info->origin));
  }
  const auto phases = PhasesByFile(split_file, info->origin, below, masks, facts, context.progress);
  if (!phases.ok()) return SplitFileError(phases.status());
  SourceFiles listed;
  Files* lists[] = {&listed.train, &listed.val, &listed.test};
  for (size_t i = 0; i < row->files.size(); ++i) {
    const std::optional<pipeline::Phase> phase = (*phases)[row->path_of[i]];
    if (phase.has_value()) lists[PhaseIndex(*phase)]->push_back(std::move(row->files[i]));
  }
  const auto unlisted = std::count(phases->begin(), phases->end(), kUnsplit);
  if (unlisted > 0) {
    const auto first = std::find(phases->begin(), phases->end(), kUnsplit) - phases->begin();
    info->notes.push_back(absl::StrCat(unlisted, unlisted == 1 ? " image" : " images", " not in ",
                                       split_file, ", left out; the first is ", row->paths[first]));
  }
  *row = InARow(std::move(listed));
  info->split = absl::StrCat("split file ", split_file);
  return absl::OkStatus();
}

// What a split file says of the row.
std::string TextOf(const Row& row, const Copies& copies, const std::string& root,
                   FileFacts* facts) {
  std::vector<SplitEntry> entries(row.paths.size()), masks;
  std::vector<std::pair<std::string, size_t>> mask_paths;  // and their images' places
  absl::flat_hash_set<absl::string_view> listed;
  for (size_t i = 0; i < row.files.size(); ++i) {
    const ImageFile& file = row.files[i];
    const size_t path = row.path_of[i];
    entries[path] = {*row.phases[i], PathBelow(file.path, root), copies.contents[path]};
    if (file.mask.empty() || !listed.insert(file.mask).second) continue;
    masks.push_back({*row.phases[i], PathBelow(file.mask, root), kUnread});
    mask_paths.emplace_back(file.mask, path);
  }
  pipeline::OnAllCores(masks.size(), [&](size_t i) {
    const auto& [path, image] = mask_paths[i];
    if (copies.contents[image] != kUnread) masks[i].content = ContentHash(path, facts);
  });
  entries.insert(entries.end(), masks.begin(), masks.end());
  return SplitText(entries);
}

// For each file a number; files of equal numbers belong on one side.
std::vector<size_t> Together(const Row& row, const Copies& copies) {
  Sets sets(row.paths.size());
  const std::vector<size_t> of_path = CopyGroups(copies, row.paths.size());
  for (size_t i = 0; i < of_path.size(); ++i) sets.Join(i, of_path[i]);
  std::map<std::string, size_t> named;
  for (size_t i = 0; i < row.files.size(); ++i) {
    if (row.files[i].group.empty()) continue;
    sets.Join(named.emplace(row.files[i].group, row.path_of[i]).first->second, row.path_of[i]);
  }
  std::vector<size_t> together;
  for (const size_t path : row.path_of) together.push_back(sets.Root(path));
  return together;
}

// Numbers of files as from Together, but only copies belong together in a class all of whose files
// would.
void PartLoneGroups(const Row& row, const Copies& copies, std::vector<size_t>* together,
                    pipeline::DataInfo* info) {
  const std::vector<size_t> of_path = CopyGroups(copies, row.paths.size());
  std::map<int64_t, std::vector<size_t>> classes;
  for (size_t i = 0; i < row.files.size(); ++i) {
    if (row.phases[i] == kUnsplit) classes[row.files[i].label].push_back(i);
  }
  for (const auto& [label, files] : classes) {
    const auto is_first = [&, first = files[0]](size_t i) {
      return (*together)[i] == (*together)[first];
    };
    if (files.size() < 2 || !std::all_of(files.begin(), files.end(), is_first)) continue;
    for (const size_t i : files) (*together)[i] = of_path[row.path_of[i]];
    info->notes.push_back(absl::StrCat(
        "all ", files.size(), " images of ", info->classes[label],
        " are of one photo and split all the same: its test result is an over-estimate"));
  }
}

// Paths outside TEST whose copies are in it.
std::set<size_t> CopiesOfTestImages(const Copies& copies, const std::vector<FileRef>& refs) {
  const auto is_test = [&refs](size_t i) { return refs[i].phase == pipeline::TEST; };
  std::set<size_t> found;
  for (const auto* groups : {&copies.identical, &copies.near}) {
    for (const std::vector<size_t>& group : *groups) {
      if (std::none_of(group.begin(), group.end(), is_test)) continue;
      std::copy_if(group.begin(), group.end(), std::inserter(found, found.end()),
                   [&](size_t i) { return !is_test(i); });
    }
  }
  return found;
}

}  // namespace

absl::StatusOr<std::unique_ptr<Dataset>> OpenFiles(pipeline::DataInfo info, SourceFiles files,
                                                   FilesOptions options,
                                                   const DatasetContext& context) {
  Row row = InARow(std::move(files));
  const std::string& split_file = context.split_file;
  std::error_code ignored;
  const auto facts = options.facts != nullptr
                         ? options.facts
                         : FactsAbout(info.origin, context.facts, context.write_split);
  const bool obey = !split_file.empty() && fs::exists(split_file, ignored);
  if (obey) {
    const absl::Status status = Obey(context, facts.get(), &info, &row);
    facts->Save();
    if (!status.ok()) return status;
  } else if (!split_file.empty()) {
    const absl::Status status = CheckWritable(split_file);
    if (!status.ok()) return SplitFileError(status);
  }
  const Copies copies =
      options.look ? FindCopies(row.paths, context.max_pixels, {facts.get(), context.progress})
                   : NotLookedAt(row.paths.size());
  const bool strata = info.task != pipeline::Task::kSegmentation;
  if (!obey) {
    SplitItems items = {{}, Together(row, copies), row.phases};
    if (strata && options.part_lone_groups) PartLoneGroups(row, copies, &items.groups, &info);
    for (const ImageFile& file : row.files) items.labels.push_back(strata ? file.label : 0);
    info.split = SplitBySeed(context, &items);
    row.phases = std::move(items.phases);
  }
  if (context.write_split) info.split_text = TextOf(row, copies, info.origin, facts.get());
  facts->Save();
  if (!obey && !split_file.empty() && context.write_split) {
    const absl::Status status = pipeline::WriteFileAtomically(split_file, info.split_text);
    if (!status.ok()) return SplitFileError(status);
    absl::StrAppend(&info.split, ", written to ", split_file);
  }
  std::vector<FileRef> refs(row.paths.size());
  for (size_t i = row.files.size(); i-- > 0;) {
    refs[row.path_of[i]] = {row.files[i].path, strata ? row.files[i].label : 0, *row.phases[i]};
  }
  info.duplicate_groups = GroupsOf(copies, refs);
  if (options.look) {
    NoteCopies(copies, CountCopies(info.duplicate_groups), options.drop_copies, &info);
  } else {
    info.notes.push_back(
        "nobody looked for copies and broken images (duplicates: UNCHECKED): if test images have "
        "copies among the training images, the test result is an over-estimate");
  }
  NoteDeepImages(copies, &info);
  NotePartedGroups(row.files, row.phases, options.named_groups, &info);
  const std::set<size_t> copied = CopiesOfTestImages(copies, refs);
  FilesByPhase kept;
  std::array<std::vector<int64_t>, pipeline::kPhases> labels;
  for (size_t i = 0; i < row.files.size(); ++i) {
    if (options.drop_copies && copied.count(row.path_of[i]) > 0) continue;
    const std::string& broken = copies.broken[row.path_of[i]];
    if (!broken.empty()) {
      info.AddSkipped(*row.phases[i], broken);
      continue;
    }
    const int at = PhaseIndex(*row.phases[i]);
    labels[at].push_back(row.files[i].label);
    kept[at].push_back(std::move(row.files[i]));
  }
  CountClasses(labels, &info);
  NoteMissingClasses(&info);
  for (std::string& note : facts->TakeNotes()) info.notes.push_back(std::move(note));
  MakeTextsValid(&info);
  return std::make_unique<FilesDataset>(std::move(info), std::move(options.read_mask), context,
                                        std::move(kept));
}

void MakeTextsValid(pipeline::DataInfo* info) {
  for (std::string* text : {&info->origin, &info->split, &info->split_text}) {
    *text = pipeline::ValidUtf8(*text);
  }
  for (auto* texts : {&info->classes, &info->notes}) {
    for (std::string& text : *texts) text = pipeline::ValidUtf8(text);
  }
  for (pipeline::CopyGroup& group : info->duplicate_groups) {
    for (pipeline::FileRef& file : group.files) file.path = pipeline::ValidUtf8(file.path);
  }
  for (auto& texts : info->skipped) {
    for (std::string& text : texts) text = pipeline::ValidUtf8(text);
  }
}

void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info) {
  for (int i = 0; i < pipeline::kPhases; ++i) {
    info->images[i] = static_cast<int64_t>(labels[i].size());
    if (info->task == pipeline::Task::kSegmentation) continue;
    info->class_counts[i].assign(info->classes.size(), 0);
    for (const int64_t label : labels[i]) ++info->class_counts[i][label];
  }
  if (info->task == pipeline::Task::kSegmentation) return;
  info->train_labels = labels[PhaseIndex(pipeline::TRAIN)];
}

}  // namespace datasets
