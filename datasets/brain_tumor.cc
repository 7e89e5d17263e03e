// The Kaggle brain-tumor folders.
#include <algorithm>
#include <filesystem>

#include "absl/strings/ascii.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "absl/strings/strip.h"
#include "datasets/brain_tumor.pb.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/folders/source_folders.h"

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

// The images of every class folder below `folder`; other folders are named in `notes`.
absl::StatusOr<Files> Collect(const std::string& folder, const std::vector<int64_t>& labels,
                              Listing* listing, std::vector<std::string>* notes) {
  Files files;
  const auto folders = listing->Folders(folder);
  if (!folders.ok()) return folders.status();
  for (const std::string& path : *folders) {
    const int index = ClassOf(path);
    if (index < 0) {
      notes->push_back(absl::StrCat("not a class folder, left out: ", path));
      continue;
    }
    const auto images = listing->Images(path);
    if (!images.ok()) return images.status();
    if (images->empty()) notes->push_back(absl::StrCat("no images in ", path));
    for (const std::string& image : *images) files.push_back({image, labels[index]});
  }
  return files;
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
    info.classes = DrawnClasses(DrawnDomain::kBrain, info.task);
    if (options.root().empty()) {
      return OpenEmbeddedSample(info.dataset, DrawnDomain::kBrain, info.task, context);
    }
    return Open(options, context, std::move(info));
  }

 private:
  static absl::StatusOr<std::unique_ptr<Dataset>> Open(const BrainTumorOptions& options,
                                                       const DatasetContext& context,
                                                       pipeline::DataInfo info) {
    const std::string& root = options.root();
    const absl::Status there = CheckRoot(root);
    if (!there.ok()) return there;
    info.origin = root;
    const auto training = FindFolder(root, "training");
    if (!training.ok()) return RootError(training.status().message());
    const auto testing = FindFolder(root, "testing");
    if (!testing.ok()) return RootError(testing.status().message());
    if (training->empty()) {
      return RootError(absl::StrCat(root,
                                    " has no folder Training; it needs Training/<class> and "
                                    "Testing/<class>, the classes being ",
                                    absl::StrJoin(TumorClasses(), ", ")));
    }
    Listing listing;
    SourceFiles files;
    auto train = Collect(*training, Labels(options), &listing, &info.notes);
    if (!train.ok()) return RootError(train.status().message());
    files.train = *std::move(train);
    if (testing->empty()) {
      info.notes.push_back("no folder Testing: the run will have no test result");
    } else {
      auto test = Collect(*testing, Labels(options), &listing, &info.notes);
      if (!test.ok()) return RootError(test.status().message());
      files.test = *std::move(test);
    }
    listing.Note(&info.notes);
    const absl::Status enough = CheckClasses(files, info);
    if (!enough.ok()) return RootError(enough.message());
    FilesOptions wanted;
    wanted.look = options.duplicates() != Duplicates::UNCHECKED;
    wanted.drop_copies = options.duplicates() == Duplicates::DROP_FROM_TRAIN;
    return OpenFiles(std::move(info), std::move(files), std::move(wanted), context);
  }
};

REGISTER_PLUGIN(Datasets, BrainTumor);

}  // namespace datasets
