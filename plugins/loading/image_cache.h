// Decoded samples in a file, so that the next run need not decode them again.
//
// The file begins with a mark; entries follow, each a header (key, extents, two checksums) and then
// the pixels. Entries are only ever appended, and one counts once all of it is there: a process
// that dies leaves at most one torn entry at the end, which the next one cuts off. Where keys
// repeat, the last entry counts.
//
// Several processes may use one file: the first holds a lock on it and writes; the others, which
// never wait, read what was there when they opened it. Nothing in the file is believed: headers are
// checked when it is opened, pixels whenever they are read. Reads copy; a mapping would end the
// process once another one cuts the file short.
#ifndef PLUGINS_LOADING_IMAGE_CACHE_H_
#define PLUGINS_LOADING_IMAGE_CACHE_H_

#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <unordered_map>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "datasets/dataset.h"

namespace plugins {

class ImageCache {
 public:
  struct Key {
    uint64_t low = 0, high = 0;
    bool operator==(const Key& other) const { return low == other.low && high == other.high; }
  };
  struct Shape {
    int side = 0;  // height and width
    int channels = 0;
    bool has_mask = false;
  };
  // The hash (XXH3, 128 bits) of everything that a sample depends on.
  static Key KeyOf(const std::string& text);

  // Opens the file, or makes it if `writes`; nullptr where there is none otherwise. It never grows
  // beyond `max_bytes`. An error, "PATH: why", where the file cannot be opened or is not an image
  // cache; such a file is left alone.
  static absl::StatusOr<std::unique_ptr<ImageCache>> Open(const std::string& path,
                                                          int64_t max_bytes, bool writes);
  ImageCache(const ImageCache&) = delete;
  ~ImageCache();

  // The next ones may be called by many threads at a time.

  // What was added under this key, if it has this shape; nothing where there is none, or where it
  // is damaged.
  std::optional<datasets::Sample> Find(const Key& key, const Shape& shape);
  // Appends a sample, if this process is the one that writes and there is room.
  void Add(const Key& key, const datasets::Sample& sample);

  int64_t entries() const;
  // Lines about what went wrong since the last call; it did no harm but to speed.
  std::vector<std::string> TakeNotes();

 private:
  struct Hash {
    size_t operator()(const Key& key) const { return key.low; }
  };
  struct Header;

  ImageCache(std::string path, int descriptor, int64_t max_bytes)
      : path_(std::move(path)), descriptor_(descriptor), max_bytes_(max_bytes) {}
  absl::Status Load(bool writes);
  // The header at an offset, if it is one whose pixels end within the file's `size`.
  std::optional<Header> ReadHeader(int64_t offset, int64_t size) const;
  void StopWriting(const std::string& why);

  const std::string path_;
  const int descriptor_;
  const int64_t max_bytes_;
  mutable std::mutex mutex_;
  std::unordered_map<Key, int64_t, Hash> offsets_;
  int64_t end_ = 0;  // where the next entry goes
  bool writes_ = false;
  bool damage_noted_ = false;
  std::vector<std::string> notes_;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_IMAGE_CACHE_H_
