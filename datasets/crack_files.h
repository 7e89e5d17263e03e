// Which images of a crack dataset there are, and what they are labelled.
#ifndef DATASETS_CRACK_FILES_H_
#define DATASETS_CRACK_FILES_H_

#include <map>
#include <string>
#include <vector>

#include "datasets/crack.pb.h"
#include "datasets/masks/mask_folder.h"

namespace datasets {

class CrackFiles {
 public:
  // What is left out goes to `notes`, which outlives this.
  CrackFiles(const CrackOptions& options, int64_t max_pixels, std::vector<std::string>* notes)
      : options_(options), max_pixels_(max_pixels), notes_(*notes) {}

  // The files of the subfolders images and masks, with labels by the task, crops of one photo as a
  // group. An image whose mask is missing or unusable is left out.
  absl::StatusOr<std::vector<ImageFile>> Find(const std::string& folder);

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
  std::map<std::string, Source> sources_;  // by name in lower case
};

}  // namespace datasets

#endif  // DATASETS_CRACK_FILES_H_
