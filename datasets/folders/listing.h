// Which images a dataset's folders hold, and what else was met there.
#ifndef DATASETS_FOLDERS_LISTING_H_
#define DATASETS_FOLDERS_LISTING_H_

#include <cstdint>
#include <map>
#include <set>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"

namespace datasets {

// Lists folders, sorted by name, and remembers what it left out. Hidden are names that begin with a
// dot and what systems put beside a user's files (@eaDir, __MACOSX, Thumbs.db, ...). Links to
// folders and files are followed. A folder is read once. Errors: "cannot read FOLDER: why".
class Listing {
 public:
  using Paths = std::vector<std::string>;

  // The most files and folders that all of them together may hold: more are an error.
  explicit Listing(int64_t limit = 10'000'000) : limit_(limit) {}

  absl::StatusOr<Paths> Folders(const std::string& folder);
  absl::StatusOr<Paths> Images(const std::string& folder);
  // The images of a folder that ought to hold none: what else is there is not counted.
  absl::StatusOr<Paths> Strays(const std::string& folder);
  // The images of the folder, then those of the folders below it, at any depth. A folder that is
  // met again through a link, or that lies above, is not read again.
  absl::StatusOr<Paths> ImagesBelow(const std::string& folder);

  // Files that are no images, by extension: "6 .heic, 1 without an extension"; "" for none.
  std::string Others() const;
  // Says what was left out in all folders so far.
  void Note(std::vector<std::string>* notes) const;

 private:
  using Place = std::pair<uint64_t, uint64_t>;  // of a folder on its disk
  struct Content {
    Paths folders, images, others, dangling;  // sorted
  };

  absl::StatusOr<const Content*> Read(const std::string& folder);
  absl::Status AddBelow(const std::string& folder, std::set<Place>* seen, Paths* images,
                        Paths* links);

  const int64_t limit_;
  int64_t entries_ = 0;
  std::map<std::string, Content> read_;
  std::map<std::string, int64_t> others_;  // by extension
  std::set<std::string> counted_;          // folders
  Paths again_, dangling_;                 // links
};

// The path as seen from the folder, as fs::path::lexically_proximate has it, in less time.
std::string PathBelow(const std::string& path, const std::string& folder);

// Where a folder is on its disk, whatever path leads there; {0, 0} where it cannot be told.
std::pair<uint64_t, uint64_t> PlaceOnDisk(const std::string& folder);

}  // namespace datasets

#endif  // DATASETS_FOLDERS_LISTING_H_
