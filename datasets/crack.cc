// Cracks, with their masks.
#include <filesystem>

#include "absl/strings/str_cat.h"
#include "datasets/crack.pb.h"
#include "datasets/crack_files.h"
#include "datasets/drawn/drawn_domains.h"
#include "datasets/masks/mask_folder.h"

namespace datasets {

namespace {

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
    std::error_code error;
    if (!std::filesystem::is_directory(options.root(), error)) {
      return pipeline::OptionError("root", absl::StrCat("root: no folder ", options.root()));
    }
    auto files = Find(options, context, &info);
    if (!files.ok()) {
      return pipeline::OptionError("root", absl::StrCat("root: ", files.status().message()));
    }
    FilesOptions how;
    how.drop_copies = options.duplicates() == CrackOptions::DROP_FROM_TRAIN;
    how.part_lone_groups = true;
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
    const absl::Status any = CheckAny(*files, *info);
    if (!any.ok()) return any;
    const absl::Status enough = CheckClasses(*files, *info);
    if (!enough.ok()) return enough;
    return files;
  }
};

REGISTER_PLUGIN(Datasets, Crack);

}  // namespace datasets
