// What folders say about splits and classes.
#ifndef DATASETS_FOLDERS_SOURCE_FOLDERS_H_
#define DATASETS_FOLDERS_SOURCE_FOLDERS_H_

#include <functional>
#include <map>
#include <string>
#include <vector>

#include "datasets/folders/files_dataset.h"

namespace datasets {

// The files of a root's folders train (training), val (valid, validation) and test (testing), in
// any case, as `find` finds them; those of the root itself where these folders hold none. With
// train and one more, that one is TEST, which is noted if it is val; files of one folder are left
// to the seed. Errors are those of `find`.
absl::StatusOr<SourceFiles> FindSplits(
    const std::string& root, std::vector<std::string>* notes,
    const std::function<absl::StatusOr<std::vector<ImageFile>>(const std::string& folder)>& find);

// There must be something to tell apart: an error where all images outside TEST are of one class,
// unless pixels are what is classified, or where there are none.
absl::Status CheckClasses(const SourceFiles& files, const pipeline::DataInfo& info);

// The subfolder of that name in any case; "" where there is none.
absl::StatusOr<std::string> FindFolder(const std::string& root, const std::string& name);

// Adds "N WHAT: first, second, ..." to the notes, unless there are none. At most ten are named.
void NoteFiles(const std::string& what, const std::vector<std::string>& names,
               std::vector<std::string>* notes);

// Folders of which each holds the images of a class, in folders of its own too (at any depth; links
// to folders are followed only to the class folder itself).
class ClassFolders {
 public:
  // Gives the class that a folder's name stands for; "" where it is no class.
  using Namer = std::function<std::string(const std::string& folder)>;
  // Gives an image's group ("" for none) by its class and its path below the class folder.
  using Grouper = std::function<std::string(const std::string& name, const std::string& below)>;
  // Whether a folder of such a name is a class's wherever it lies.
  using Knower = std::function<bool(const std::string& folder)>;
  struct Rules {
    Namer namer;
    Grouper grouper;
    Knower knower;
    bool nested = false;  // images in folders of class folders are what is expected
  };

  ClassFolders(Rules rules, std::vector<std::string>* notes)
      : rules_(std::move(rules)), notes_(notes) {}

  // The images of every class folder below `folder`, for FindSplits. Folders that are no class,
  // empty ones, those with all their images in folders of their own (unless that is expected), and
  // images outside class folders are noted. An error where a class folder holds those of splits or
  // of classes for sure: the root is then one level too high.
  absl::StatusOr<std::vector<ImageFile>> Find(const std::string& folder);

  // The classes that have images, sorted. The labels of `files`, which Find found, become indices
  // into them.
  std::vector<std::string> Label(SourceFiles* files) const;

 private:
  absl::Status CheckLevel(const std::string& folder);

  const Rules rules_;
  std::vector<std::string>* notes_;
  std::map<std::string, int64_t> found_;  // class to number, in the order in which they were met
};

// The files of info->origin, as FindSplits and ClassFolders have them; fills in info->classes and
// notes. Errors are those of the option "root".
absl::StatusOr<SourceFiles> FindClasses(ClassFolders::Rules rules, pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FOLDERS_SOURCE_FOLDERS_H_
