// Finds the same picture more than once in a dataset: leaks between splits, conflicting labels.
#ifndef DATASETS_SPLIT_DUPLICATES_H_
#define DATASETS_SPLIT_DUPLICATES_H_

#include <cstddef>
#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "datasets/split/file_facts.h"
#include "pipeline/data.h"

namespace datasets {

using pipeline::FileRef;

// When two images are near: their 64-bit perceptual hashes differ in at most kNearDistance bits
// (near_hashes.h), and their 64x64 gray thumbnails correlate by at least kNearCorrelation
// (looks.h).
//
// The hash is the DCT hash of C. Zauner, "Implementation and Benchmarking of Perceptual Image Hash
// Functions" (Hagenberg, 2010): the image in gray at 32x32, the 8x8 lowest frequencies of its DCT
// without the first row and column, one bit for each that is above their median. Two hashes differ
// in an even number of bits. On the MRI slices, leaves and cracks that this was tried on:
// - copies (JPEG of quality 50 to 95, scales of 0.5 to 1.5, another shape, 15 % brighter) differ in
//   0 to 4 bits and correlate by 0.977 or more; one found in the wild differs in 6;
// - neighbouring slices of one patient are often within 4 bits as well, so that the hash alone
//   takes them for copies, but correlate by 0.961 or less.
// Crops that cut off 2 % or more are mostly missed, mirrored and turned copies always are.

// Groups hold indices into the files, ascending, at least two; groups are in order of their first.
struct Copies {
  // Files of equal bytes (of equal XXH3_128).
  std::vector<std::vector<size_t>> identical;
  // Files connected by near pairs, if not all of them are identical. All files identical to a
  // member are members.
  std::vector<std::vector<size_t>> near;
  std::vector<std::string>
      contents;  // of each file, as ContentHash (pipeline/content_hash.h) has it
  // Of each file "PATH: why" if it cannot be read or decoded, else "".
  std::vector<std::string> broken;
  // Images of more than 8 bits a sample: how many, and the largest sample of any, of 16 bits; it is
  // looked for only where it lies in the lowest quarter of that range.
  int64_t deep = 0;
  int brightest_of_deep = 0;
};

struct LookingOptions {
  // What is known of the files already, and gets what is found out; nullptr for nothing. It is
  // saved on the way, so that a search that is cut short goes on later.
  FileFacts* facts = nullptr;
  // Told how many of the files that are not known were read; from one thread at a time.
  std::function<void(int64_t done, int64_t total)> progress;
  // That are kept in memory, of 4 KiB each. Where more are needed, their files are read again.
  size_t max_thumbnails = 1 << 16;
};

// Reads and decodes every file that is not known, on all cores: 0.6 ms of one for an MRI slice, 2
// ms for 512x512 in color. Broken files (too large for the memory are among them) are in no group.
// Images nearly without contrast, such as masks of one class, are compared by their bytes only.
Copies FindCopies(const std::vector<std::string>& paths, int64_t max_pixels,
                  const LookingOptions& options = {});

// For files that nobody looks at: no groups, nothing broken, and kUnread (split_file.h) for the
// contents.
Copies NotLookedAt(size_t count);

// A number for each of `count` files, equal for files that are copies of each other.
std::vector<size_t> CopyGroups(const Copies& copies, size_t count);

// The groups with their files; identical ones first.
std::vector<pipeline::CopyGroup> GroupsOf(const Copies& copies, const std::vector<FileRef>& files);

// What copies mean for a split of the files.
struct DuplicateReport {
  // Groups with a file in TEST and one outside it; a leak within a near group may be of identical
  // files, and then counts in both.
  int64_t identical_across_splits = 0;
  int64_t near_across_splits = 0;
  // Groups of files with more than one label.
  int64_t conflicting_labels = 0;       // of `identical`
  int64_t near_conflicting_labels = 0;  // of `near`
};

DuplicateReport CountCopies(const std::vector<pipeline::CopyGroup>& groups);

}  // namespace datasets

#endif  // DATASETS_SPLIT_DUPLICATES_H_
