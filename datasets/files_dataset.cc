// Folders of images.
#include "datasets/files_dataset.h"

#include <algorithm>
#include <cmath>
#include <filesystem>
#include <map>
#include <numeric>
#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "datasets/duplicates.h"
#include "datasets/image_file.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

using Files = std::vector<ImageFile>;
using Phases = std::array<Files, pipeline::kPhases>;

absl::StatusOr<std::vector<std::string>> List(const std::string& folder, bool folders) {
  std::vector<std::string> paths;
  std::error_code error;
  fs::directory_iterator at(folder, error);
  for (; !error && at != fs::directory_iterator(); at.increment(error)) {
    const std::string name = at->path().filename().string();
    if (absl::StartsWith(name, ".")) continue;
    std::error_code ignored;
    if (folders ? at->is_directory(ignored) : HasImageName(name) && !at->is_directory(ignored)) {
      paths.push_back(at->path().string());
    }
  }
  if (error) {
    return absl::InvalidArgumentError(absl::StrCat("cannot read ", folder, ": ", error.message()));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

class FilesDataset : public Dataset {
 public:
  FilesDataset(pipeline::DataInfo info, int64_t max_pixels, Phases files)
      : info_(std::move(info)), max_pixels_(max_pixels), files_(std::move(files)) {}

  const pipeline::DataInfo& info() const override { return info_; }

  absl::StatusOr<Sample> Read(pipeline::Phase phase, int64_t index, int size) const override {
    const ImageFile& file = At(phase, index);
    absl::StatusOr<cv::Mat> image = ReadImage(file.path, max_pixels_, size);
    if (!image.ok()) return image.status();
    return Sample{*std::move(image), {}, file.label};
  }

  absl::Status CheckHeader(pipeline::Phase phase, int64_t index) const override {
    return CheckImageHeader(At(phase, index).path, max_pixels_);
  }

  std::string Name(pipeline::Phase phase, int64_t index) const override {
    return At(phase, index).path;
  }

 private:
  const ImageFile& At(pipeline::Phase phase, int64_t index) const {
    return files_[PhaseIndex(phase)][index];
  }

  const pipeline::DataInfo info_;
  const int64_t max_pixels_;
  const Phases files_;
};

// Which of `files` go to VAL; copies (files of one group) go together.
std::vector<bool> ChooseValidation(const Files& files, const std::vector<size_t>& groups,
                                   const DatasetContext& context) {
  std::map<size_t, std::vector<size_t>> members;
  std::map<int64_t, int64_t> wanted;  // by class
  for (size_t i = 0; i < files.size(); ++i) {
    members[groups[i]].push_back(i);
    ++wanted[files[i].label];
  }
  for (auto& [label, count] : wanted) {
    count = std::llround(context.validation_fraction * static_cast<double>(count));
  }
  std::vector<bool> chosen(files.size());
  for (const int64_t i : ShuffledIndices(static_cast<int64_t>(files.size()), context.seed)) {
    // A group goes as a whole, counted for the class of the member that came up.
    if (chosen[i] || wanted[files[i].label] <= 0) continue;
    for (const size_t member : members[groups[i]]) {
      chosen[member] = true;
      --wanted[files[member].label];
    }
  }
  return chosen;
}

std::string Plural(int64_t count, const char* what) {
  return absl::StrCat(count, " ", what, count == 1 ? "" : "s");
}

// Counts copies in `info`; says what they mean for the result.
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

// The indices of files whose copies are test images (those at `first_test` and after it).
std::set<size_t> CopiesOfTestImages(const Copies& copies, size_t first_test) {
  std::set<size_t> found;
  for (const auto* groups : {&copies.identical, &copies.near}) {
    for (const std::vector<size_t>& group : *groups) {
      if (group.back() < first_test) continue;
      for (const size_t i : group) {
        if (i < first_test) found.insert(i);
      }
    }
  }
  return found;
}

// A class that TRAIN lacks cannot be learned.
void NoteMissingClasses(pipeline::DataInfo* info) {
  for (size_t i = 0; i < info->classes.size(); ++i) {
    if (info->class_counts[PhaseIndex(pipeline::TRAIN)][i] > 0) continue;
    const bool tested = info->class_counts[PhaseIndex(pipeline::TEST)][i] > 0;
    info->notes.push_back(absl::StrCat("no training image of ", info->classes[i],
                                       tested ? ", although there are test images" : ""));
  }
}

}  // namespace

absl::StatusOr<std::vector<std::string>> ListFolders(const std::string& folder) {
  return List(folder, true);
}

absl::StatusOr<std::vector<std::string>> ListImages(const std::string& folder) {
  return List(folder, false);
}

std::vector<int64_t> ShuffledIndices(int64_t n, uint64_t seed) {
  std::vector<int64_t> order(n);
  std::iota(order.begin(), order.end(), int64_t{0});
  for (auto i = static_cast<uint64_t>(n); i > 1; --i) {
    std::swap(order[i - 1], order[pipeline::Hash({seed, i}) % i]);
  }
  return order;
}

std::unique_ptr<Dataset> OpenFiles(pipeline::DataInfo info, std::vector<ImageFile> train,
                                   std::vector<ImageFile> test, bool drop_copies,
                                   const DatasetContext& context) {
  std::vector<std::string> paths;
  for (const Files* files : {&train, &test}) {
    for (const ImageFile& file : *files) paths.push_back(file.path);
  }
  const Copies copies = FindCopies(paths, context.max_pixels);
  const std::vector<bool> validation =
      ChooseValidation(train, CopyGroups(copies, paths.size()), context);
  const std::set<size_t> tested = CopiesOfTestImages(copies, train.size());
  std::vector<FileRef> refs;
  Phases files;
  std::array<std::vector<int64_t>, pipeline::kPhases> labels;
  for (size_t i = 0; i < paths.size(); ++i) {
    const bool is_test = i >= train.size();
    ImageFile& file = is_test ? test[i - train.size()] : train[i];
    const int phase = PhaseIndex(is_test         ? pipeline::TEST
                                 : validation[i] ? pipeline::VAL
                                                 : pipeline::TRAIN);
    refs.push_back({file.path, file.label, phase});
    if (drop_copies && tested.count(i) > 0) continue;
    labels[phase].push_back(file.label);
    files[phase].push_back(std::move(file));
  }
  info.duplicate_groups = Describe(copies, refs);
  NoteCopies(copies, CountCopies(copies, refs), drop_copies, &info);
  CountClasses(labels, &info);
  NoteMissingClasses(&info);
  return std::make_unique<FilesDataset>(std::move(info), context.max_pixels, std::move(files));
}

void CountClasses(const std::array<std::vector<int64_t>, pipeline::kPhases>& labels,
                  pipeline::DataInfo* info) {
  for (int phase = 0; phase < pipeline::kPhases; ++phase) {
    info->images[phase] = static_cast<int64_t>(labels[phase].size());
    info->class_counts[phase].assign(info->classes.size(), 0);
    for (const int64_t label : labels[phase]) ++info->class_counts[phase][label];
  }
}

}  // namespace datasets
