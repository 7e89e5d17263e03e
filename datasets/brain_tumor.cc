// The Kaggle brain-tumor folders.
#include <algorithm>
#include <filesystem>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "datasets/brain_tumor.pb.h"
#include "datasets/drawing.h"
#include "datasets/drawn_dataset.h"
#include "datasets/duplicates.h"
#include "datasets/files_dataset.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;
using Files = std::vector<ImageFile>;

// In the order of the labels.
const std::vector<std::string>& TumorClasses() {
  static const auto* classes =
      new std::vector<std::string>{"glioma", "meningioma", "no_tumor", "pituitary"};
  return *classes;
}

// Labels of those four by task.
std::vector<int64_t> Labels(const BrainTumorOptions& options) {
  if (options.task() == BrainTumorOptions::BINARY) return {1, 1, 0, 1};
  return {0, 1, 2, 3};
}

// Index into TumorClasses of a folder's name, -1 for any other folder.
int ClassOf(const std::string& folder) {
  std::string name = absl::AsciiStrToLower(fs::path(folder).filename().string());
  name = absl::StrReplaceAll(name, {{"_", ""}, {"-", ""}, {" ", ""}});
  if (name == "notumor") return 2;
  name = std::string(absl::StripSuffix(name, "tumor"));
  const auto& classes = TumorClasses();
  const auto found = std::find(classes.begin(), classes.end(), name);
  return found == classes.end() ? -1 : static_cast<int>(found - classes.begin());
}

// The subfolder of that name in any case; "" where there is none.
absl::StatusOr<std::string> Subfolder(const std::string& root, const std::string& name) {
  const auto folders = ListFolders(root);
  if (!folders.ok()) return folders.status();
  for (const std::string& folder : *folders) {
    if (absl::AsciiStrToLower(fs::path(folder).filename().string()) == name) return folder;
  }
  return std::string();
}

// The images of every class folder below `folder`; other folders are named in `notes`.
absl::StatusOr<Files> Collect(const std::string& folder, const std::vector<int64_t>& labels,
                              std::vector<std::string>* notes) {
  Files files;
  const auto folders = ListFolders(folder);
  if (!folders.ok()) return folders.status();
  for (const std::string& path : *folders) {
    const int index = ClassOf(path);
    if (index < 0) {
      notes->push_back(absl::StrCat("not a class folder, left out: ", path));
      continue;
    }
    const auto images = ListImages(path);
    if (!images.ok()) return images.status();
    if (images->empty()) notes->push_back(absl::StrCat("no images in ", path));
    for (const std::string& image : *images) files.push_back({image, labels[index]});
  }
  return files;
}

// Counts copies among the files and, if asked, takes those of test images out of TRAIN and VAL.
void HandleCopies(const BrainTumorOptions& options, int64_t max_pixels,
                  std::array<Files, pipeline::kPhases>* files, pipeline::DataInfo* info) {
  std::vector<FileRef> refs;
  for (int phase = 0; phase < pipeline::kPhases; ++phase) {
    for (const ImageFile& file : (*files)[phase]) refs.push_back({file.path, file.label, phase});
  }
  const DuplicateReport report = FindDuplicates(refs, max_pixels);
  info->duplicate_groups = Describe(report, refs);
  info->duplicates = {{"identical_groups", static_cast<int64_t>(report.identical.size())},
                      {"identical_across_train_and_test", report.identical_across_splits},
                      {"identical_with_different_labels", report.conflicting_labels},
                      {"near_groups", static_cast<int64_t>(report.near.size())},
                      {"near_across_train_and_test", report.near_across_splits},
                      {"near_with_different_labels", report.near_conflicting_labels}};
  const int64_t conflicts = report.conflicting_labels + report.near_conflicting_labels;
  if (conflicts > 0) {
    info->notes.push_back(absl::StrCat(conflicts, " groups of copies carry different labels"));
  }
  if (report.identical_across_splits + report.near_across_splits == 0) return;
  std::string note =
      absl::StrCat(report.identical_across_splits, " groups of identical and ",
                   report.near_across_splits, " of near-identical images span training and test");
  if (options.duplicates() == BrainTumorOptions::KEEP) {
    info->notes.push_back(note +
                          ": the test result is an over-estimate (duplicates: "
                          "DROP_FROM_TRAIN)");
    return;
  }
  std::set<std::string> dropped;
  for (const auto* groups : {&report.identical, &report.near}) {
    for (const std::vector<size_t>& group : *groups) {
      const bool tested = std::any_of(group.begin(), group.end(), [&](size_t i) {
        return refs[i].phase == PhaseIndex(pipeline::TEST);
      });
      for (const size_t i : group) {
        if (tested && refs[i].phase != PhaseIndex(pipeline::TEST)) dropped.insert(refs[i].path);
      }
    }
  }
  for (const auto phase : {pipeline::TRAIN, pipeline::VAL}) {
    Files& list = (*files)[PhaseIndex(phase)];
    list.erase(std::remove_if(list.begin(), list.end(),
                              [&](const ImageFile& file) { return dropped.count(file.path) > 0; }),
               list.end());
  }
  info->notes.push_back(absl::StrCat(note, ": ", dropped.size(), " copies left out of training"));
}

// Makes a class that TRAIN lacks a note: the model cannot learn what it never sees.
void NoteMissingClasses(const pipeline::DataInfo& info, std::vector<std::string>* notes) {
  for (size_t i = 0; i < info.classes.size(); ++i) {
    const int64_t training = info.class_counts[0][i];
    const int64_t test = info.class_counts[pipeline::PhaseIndex(pipeline::TEST)][i];
    if (training == 0) {
      notes->push_back(absl::StrCat("no training image of ", info.classes[i],
                                    test > 0 ? ", although there are test images" : ""));
    }
  }
}

}  // namespace

// Opens either the folders or the sample; both are datasets of their own.
class BrainTumor : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const BrainTumorOptions& options,
                                                         const DatasetContext& context) {
    pipeline::DataInfo info;
    info.dataset = "brain_tumor";
    const bool binary = options.task() == BrainTumorOptions::BINARY;
    info.task = binary ? pipeline::Task::kBinary : pipeline::Task::kMulticlass;
    info.classes = binary ? std::vector<std::string>{"no_tumor", "tumor"} : TumorClasses();
    if (options.root().empty()) {
      info.origin = "embedded sample";
      info.embedded_sample = true;
      return std::make_unique<DrawnDataset>(std::move(info), DrawBrain, Labels(options),
                                            DrawnCounts(), context);
    }
    return Open(options, context, std::move(info));
  }

 private:
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const BrainTumorOptions& options,
                                                       const DatasetContext& context,
                                                       pipeline::DataInfo info) {
    const std::string& root = options.root();
    std::error_code error;
    if (!fs::is_directory(root, error)) {
      return pipeline::OptionError("root", absl::StrCat("root: no folder ", root));
    }
    info.origin = root;
    const auto training = Subfolder(root, "training");
    if (!training.ok())
      return pipeline::OptionError("root", std::string(training.status().message()));
    const auto testing = Subfolder(root, "testing");
    if (training->empty()) {
      return pipeline::OptionError(
          "root", absl::StrCat("root: ", root,
                               " has no folder Training; it needs Training/<class> and "
                               "Testing/<class>, the classes being ",
                               absl::StrJoin(TumorClasses(), ", ")));
    }
    std::array<Files, pipeline::kPhases> files;
    auto train = Collect(*training, Labels(options), &info.notes);
    if (!train.ok()) return pipeline::OptionError("root", std::string(train.status().message()));
    if (testing->empty()) {
      info.notes.push_back("no folder Testing: the run will have no test result");
    } else {
      auto test = Collect(*testing, Labels(options), &info.notes);
      if (!test.ok()) return pipeline::OptionError("root", std::string(test.status().message()));
      files[PhaseIndex(pipeline::TEST)] = *std::move(test);
    }
    files[PhaseIndex(pipeline::VAL)] = SplitOff(context.validation_fraction, context.seed, &*train);
    files[PhaseIndex(pipeline::TRAIN)] = *std::move(train);
    HandleCopies(options, context.max_pixels, &files, &info);
    pipeline::DataInfo counted = info;
    std::array<std::vector<int64_t>, pipeline::kPhases> labels;
    for (int phase = 0; phase < pipeline::kPhases; ++phase) {
      for (const ImageFile& file : files[phase]) labels[phase].push_back(file.label);
    }
    CountClasses(labels, &counted);
    NoteMissingClasses(counted, &info.notes);
    return std::make_unique<FilesDataset>(std::move(info), context.max_pixels, std::move(files));
  }
};

REGISTER_PLUGIN(Datasets, BrainTumor);

}  // namespace datasets
