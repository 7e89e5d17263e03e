// Whatever images a user has, in a folder per class.
#include <algorithm>
#include <optional>

#include "absl/strings/escaping.h"
#include "absl/strings/str_cat.h"
#include "datasets/folder.pb.h"
#include "datasets/folders/source_folders.h"

namespace datasets {
namespace {

// "patient7/scan1/a.png" -> "patient7"; "" for a file alone.
std::string FirstFolder(const std::string& path) {
  const size_t end = path.find('/');
  return end == std::string::npos ? "" : path.substr(0, end);
}

}  // namespace

class Folder : public Dataset {
 public:
  static absl::StatusOr<std::unique_ptr<Dataset>> Create(const FolderOptions& options,
                                                         const DatasetContext& context) {
    if (options.root().empty()) {
      return RootError("name the folder of your images; it holds a folder for each class");
    }
    pipeline::DataInfo info;
    info.dataset = "folder";
    info.origin = options.root();
    info.task = pipeline::Task::kMulticlass;
    ClassFolders::Rules rules;
    rules.namer = [](const std::string& folder) { return folder; };
    rules.grouper = [&options](const std::string&, const std::string& below) {
      return options.group_subfolders() ? FirstFolder(below) : "";
    };
    rules.knower = [](const std::string&) { return false; };
    rules.nested = options.group_subfolders();
    rules.splits = [&options](const std::string& folder) -> std::optional<pipeline::Phase> {
      const auto& classes = options.class_names();
      const bool is_class = std::find(classes.begin(), classes.end(), folder) != classes.end();
      return is_class ? std::nullopt : PhaseNamed(folder);
    };
    rules.otherwise = [](const std::string& folder) {
      return absl::StrCat("class_names: [\"", absl::CEscape(folder), "\"]");
    };
    auto files = FindClasses(std::move(rules), &info);
    if (!files.ok()) return files.status();
    const absl::Status enough = CheckClasses(*files, info);
    if (!enough.ok()) return RootError(enough.message());
    FilesOptions how;
    how.look = options.duplicates() != Duplicates::UNCHECKED;
    how.drop_copies = options.duplicates() == Duplicates::DROP_FROM_TRAIN;
    return OpenFiles(std::move(info), *std::move(files), std::move(how), context);
  }
};

REGISTER_PLUGIN(Datasets, Folder);

}  // namespace datasets
