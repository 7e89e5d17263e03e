// What folders say about splits and classes.
#ifndef DATASETS_FOLDERS_SOURCE_FOLDERS_H_
#define DATASETS_FOLDERS_SOURCE_FOLDERS_H_

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/string_view.h"
#include "datasets/folders/files_dataset.h"
#include "datasets/folders/listing.h"
#include "datasets/split/split.h"

namespace datasets {

// An error of the option "root": "root: WHY".
absl::Status RootError(absl::string_view why);

// The folder must be there.
absl::Status CheckRoot(const std::string& root);

// Gives the phase whose images a folder of such a name holds, if it is a split's.
using Splits = std::function<std::optional<pipeline::Phase>(const std::string& folder)>;

// The files of a root's folders train (training), val (valid, validation) and test (testing), in
// any case, or as `splits` says, as `find` finds them; those of the root itself where these folders
// hold none. With train and one more, that one is TEST, which is noted if it is val; files of one
// folder are left to the seed. Errors are those of `find`.
absl::StatusOr<SourceFiles> FindSplits(
    const std::string& root, std::vector<std::string>* notes,
    const std::function<absl::StatusOr<std::vector<ImageFile>>(const std::string& folder)>& find,
    const Splits& splits = PhaseNamed);

// There must be something to learn: an error where there are no images outside TEST (the notes so
// far say why), or where all of them are of one class, unless pixels are what is classified.
absl::Status CheckClasses(const SourceFiles& files, const pipeline::DataInfo& info);

// The subfolder of that name in any case; "" where there is none.
absl::StatusOr<std::string> FindFolder(const std::string& root, const std::string& name);

// Folders of which each holds the images of a class, in folders of its own too (at any depth).
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
    Splits splits = PhaseNamed;
    // How a user says that a folder is a class although it is named like a split, by its name; ""
    // where there is no way.
    std::function<std::string(const std::string& folder)> otherwise = nullptr;
  };

  // Both outlive this.
  ClassFolders(Rules rules, Listing* listing, std::vector<std::string>* notes)
      : rules_(std::move(rules)), listing_(*listing), notes_(notes) {}

  // The images of every class folder below `folder`, for FindSplits. Folders that are no class,
  // empty ones, those with all their images in folders of their own (unless that is expected),
  // those of splits, and images outside class folders are noted. An error where a class folder
  // holds those of splits or of classes for sure: the root is then one level too high.
  absl::StatusOr<std::vector<ImageFile>> Find(const std::string& folder);

  // The classes that have images, sorted. The labels of `files`, which Find found, become indices
  // into them.
  std::vector<std::string> Label(SourceFiles* files) const;

  // Notes on folders with images that were passed over because they are named like splits.
  const std::vector<std::string>& passed() const { return passed_; }

 private:
  absl::Status CheckLevel(const std::string& folder);
  absl::Status PassSplit(const std::string& folder);

  const Rules rules_;
  Listing& listing_;
  std::vector<std::string>* notes_;
  std::vector<std::string> passed_;
  std::map<std::string, int64_t> found_;  // class to number, in the order in which they were met
};

// The files of info->origin, as FindSplits and ClassFolders have them; fills in info->classes and
// notes. Errors are those of the option "root".
absl::StatusOr<SourceFiles> FindClasses(ClassFolders::Rules rules, pipeline::DataInfo* info);

}  // namespace datasets

#endif  // DATASETS_FOLDERS_SOURCE_FOLDERS_H_
