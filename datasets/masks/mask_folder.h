// Folders of images with a mask for each.
#ifndef DATASETS_MASKS_MASK_FOLDER_H_
#define DATASETS_MASKS_MASK_FOLDER_H_

#include <functional>
#include <string>
#include <vector>

#include "datasets/folders/files_dataset.h"
#include "datasets/folders/source_folders.h"
#include "datasets/masks/mask_file.h"
#include "datasets/split/file_facts.h"
#include "datasets/split/names.h"

namespace datasets {

struct MaskPair {
  std::string image, mask;
};

// Pairs of one folder, sorted by image, and what has no partner.
struct Pairs {
  std::vector<MaskPair> pairs;
  std::vector<std::string> images_alone, masks_alone;
};

// Joins images and masks of one key; `key` says what two paths have in common. Where an image has
// several masks, the first that is no JPEG is its own.
Pairs JoinByKey(const std::vector<std::string>& images, const std::vector<std::string>& masks,
                const std::function<std::string(const std::string& path)>& key);

using ReadMask = std::function<absl::StatusOr<Mask>(const std::string& path, int64_t max_pixels)>;

// A mask that is as large as its image.
absl::StatusOr<Mask> ReadPair(const MaskPair& pair, const ReadMask& read, int64_t max_pixels);

// What a dataset wants to know of each mask. Both functions may run on several threads.
struct MaskLook {
  // What is found out, and all that it depends on but the files, max_pixels and OpenCV.
  std::string name;
  ReadMask read;
  // What there is to know, as a text.
  std::function<std::string(const Mask& mask)> describe;
  // Gets that text of a pair, once; false where it is no such text.
  std::function<bool(size_t index, const std::string& text)> take;
};

// Reads every mask that `facts` does not know, on all cores, one at a time on each; tells
// context.progress. Returns a status for each pair, of what was thrown too; it names the file, and
// `take` got no text then.
std::vector<absl::Status> LookAtMasks(const std::vector<MaskPair>& pairs, const MaskLook& look,
                                      const DatasetContext& context, FileFacts* facts);

// For FilesOptions. The masks of tiles are cut out of the one of the whole image.
MaskReader MakeMaskReader(ReadMask read);

}  // namespace datasets

#endif  // DATASETS_MASKS_MASK_FOLDER_H_
