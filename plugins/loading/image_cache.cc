// An append-only file of checked entries on POSIX.
#include "plugins/loading/image_cache.h"

#include <fcntl.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <xxhash.h>

#include <algorithm>
#include <cerrno>
#include <cstddef>
#include <cstring>
#include <limits>

#include "absl/status/status.h"
#include "absl/strings/str_cat.h"

namespace plugins {
namespace {

// Names the layout too: a new layout gets a new number, and files of the old one are made anew. In
// the byte order of the machine, so that a file from another kind of machine is foreign.
constexpr uint64_t kMark = 0x314843414d49464cULL;  // "LFIMACH1"
constexpr uint64_t kEntry = 0x5952544e4547494dULL;

constexpr uint32_t kMostSide = 1 << 16, kMostChannels = 512;

// Reads or writes all of `size` bytes; false where that is not possible.
bool ReadAt(int descriptor, void* data, size_t size, int64_t offset) {
  auto* to = static_cast<char*>(data);
  while (size > 0) {
    const ssize_t got = pread(descriptor, to, size, offset);
    if (got < 0 && errno == EINTR) continue;
    if (got <= 0) return false;
    to += got;
    offset += got;
    size -= static_cast<size_t>(got);
  }
  return true;
}

bool WriteAt(int descriptor, const void* data, size_t size, int64_t offset) {
  const auto* from = static_cast<const char*>(data);
  while (size > 0) {
    const ssize_t put = pwrite(descriptor, from, size, offset);
    if (put < 0 && errno == EINTR) continue;
    if (put <= 0) return false;
    from += put;
    offset += put;
    size -= static_cast<size_t>(put);
  }
  return true;
}

absl::Status Refuse(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

}  // namespace

// As it lies in the file; the pixels of the image follow, then those of the mask.
struct ImageCache::Header {
  uint64_t mark = kEntry;
  Key key;
  int64_t label = 0;
  uint32_t rows = 0, columns = 0, channels = 0;
  uint32_t has_mask = 0;
  uint64_t pixels_hash = 0;
  uint64_t header_hash = 0;  // of everything before it

  uint64_t Hash() const { return XXH3_64bits(this, offsetof(Header, header_hash)); }
  bool Has(const Shape& shape) const {
    return static_cast<int64_t>(rows) == shape.side &&
           static_cast<int64_t>(columns) == shape.side &&
           static_cast<int64_t>(channels) == shape.channels && (has_mask != 0) == shape.has_mask;
  }
  int64_t ImageBytes() const { return int64_t{rows} * columns * channels; }
  int64_t MaskBytes() const { return has_mask != 0 ? int64_t{rows} * columns : 0; }
  int64_t Bytes() const {
    return static_cast<int64_t>(sizeof(Header)) + ImageBytes() + MaskBytes();
  }
};

ImageCache::Key ImageCache::KeyOf(const std::string& text) {
  const XXH128_hash_t hash = XXH3_128bits(text.data(), text.size());
  return {hash.low64, hash.high64};
}

absl::StatusOr<std::unique_ptr<ImageCache>> ImageCache::Open(const std::string& path,
                                                             int64_t max_bytes, bool writes) {
  // O_NONBLOCK: a named pipe must not hang the open.
  const int flags = O_CLOEXEC | O_NONBLOCK | (writes ? O_RDWR | O_CREAT : O_RDONLY);
  int descriptor = open(path.c_str(), flags, 0644);
  // A file of somebody else can still be read.
  if (descriptor < 0 && writes) descriptor = open(path.c_str(), O_RDONLY | O_CLOEXEC | O_NONBLOCK);
  if (descriptor < 0 && errno == ENOENT && !writes) return nullptr;
  if (descriptor < 0) return Refuse(path, std::strerror(errno));
  std::unique_ptr<ImageCache> cache(new ImageCache(path, descriptor, max_bytes));
  const absl::Status loaded = cache->Load(writes);
  if (!loaded.ok()) return loaded;
  return cache;
}

ImageCache::~ImageCache() { close(descriptor_); }

absl::Status ImageCache::Load(bool writes) {
  struct stat info = {};
  if (fstat(descriptor_, &info) != 0) return Refuse(path_, std::strerror(errno));
  if (!S_ISREG(info.st_mode)) return Refuse(path_, "not a regular file");
  const bool writable = (fcntl(descriptor_, F_GETFL) & O_ACCMODE) == O_RDWR;
  writes_ = writes && writable && flock(descriptor_, LOCK_EX | LOCK_NB) == 0;
  // Only now is the size that of the last writer.
  if (fstat(descriptor_, &info) != 0) return Refuse(path_, std::strerror(errno));
  const int64_t size = info.st_size;
  uint64_t mark = 0;
  if (size > 0 && (!ReadAt(descriptor_, &mark, sizeof(mark), 0) || mark != kMark)) {
    return Refuse(path_, "not an image cache, so it is left as it is; name another file");
  }
  end_ = sizeof(kMark);
  if (size == 0) {
    if (writes_ && !WriteAt(descriptor_, &kMark, sizeof(kMark), 0)) {
      return Refuse(path_, std::strerror(errno));
    }
    return absl::OkStatus();
  }
  while (const std::optional<Header> header = ReadHeader(end_, size)) {
    offsets_[header->key] = end_;
    end_ += header->Bytes();
  }
  if (end_ == size || !writes_) return absl::OkStatus();
  notes_.push_back(absl::StrCat(path_, ": ", size - end_, " damaged bytes behind ", offsets_.size(),
                                " images are cut off"));
  if (ftruncate(descriptor_, end_) != 0) StopWriting(std::strerror(errno));
  return absl::OkStatus();
}

std::optional<ImageCache::Header> ImageCache::ReadHeader(int64_t offset, int64_t size) const {
  Header header;
  if (offset + static_cast<int64_t>(sizeof(header)) > size) return std::nullopt;
  if (!ReadAt(descriptor_, &header, sizeof(header), offset)) return std::nullopt;
  const bool sane = header.mark == kEntry && header.header_hash == header.Hash() &&
                    header.rows <= kMostSide && header.columns <= kMostSide &&
                    header.channels >= 1 && header.channels <= kMostChannels;
  if (!sane || header.Bytes() > size - offset) return std::nullopt;
  return header;
}

std::optional<datasets::Sample> ImageCache::Find(const Key& key, const Shape& shape) {
  int64_t offset = 0;
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    const auto found = offsets_.find(key);
    if (found == offsets_.end()) return std::nullopt;
    offset = found->second;
  }
  const std::optional<Header> header = ReadHeader(offset, std::numeric_limits<int64_t>::max());
  if (header.has_value() && header->key == key && header->Has(shape)) {
    datasets::Sample sample;
    sample.label = header->label;
    sample.image.create(shape.side, shape.side, CV_8UC(shape.channels));
    if (shape.has_mask) sample.mask.create(shape.side, shape.side, CV_8U);
    const int64_t pixels = offset + static_cast<int64_t>(sizeof(Header));
    const bool read =
        ReadAt(descriptor_, sample.image.data, header->ImageBytes(), pixels) &&
        ReadAt(descriptor_, sample.mask.data, header->MaskBytes(), pixels + header->ImageBytes());
    const uint64_t image_hash = XXH3_64bits(sample.image.data, header->ImageBytes());
    if (read && header->pixels_hash ==
                    XXH3_64bits_withSeed(sample.mask.data, header->MaskBytes(), image_hash)) {
      return sample;
    }
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  offsets_.erase(key);
  if (!damage_noted_) notes_.push_back(absl::StrCat(path_, ": damaged images are decoded again"));
  damage_noted_ = true;
  return std::nullopt;
}

void ImageCache::Add(const Key& key, const datasets::Sample& sample) {
  const cv::Mat& image = sample.image;
  const bool fits =
      image.depth() == CV_8U && image.isContinuous() &&
      static_cast<uint32_t>(std::max(image.rows, image.cols)) <= kMostSide &&
      (sample.mask.empty() || (sample.mask.type() == CV_8U && sample.mask.isContinuous() &&
                               sample.mask.size() == image.size()));
  if (!fits) return;
  Header header;
  header.key = key;
  header.label = sample.label;
  header.rows = image.rows;
  header.columns = image.cols;
  header.channels = image.channels();
  header.has_mask = sample.mask.empty() ? 0 : 1;
  header.pixels_hash = XXH3_64bits_withSeed(sample.mask.data, header.MaskBytes(),
                                            XXH3_64bits(image.data, header.ImageBytes()));
  header.header_hash = header.Hash();
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!writes_ || offsets_.count(key) > 0 || end_ + header.Bytes() > max_bytes_) return;
  // The header last: before it is there, the entry is not.
  const int64_t pixels = end_ + static_cast<int64_t>(sizeof(header));
  if (!WriteAt(descriptor_, image.data, header.ImageBytes(), pixels) ||
      !WriteAt(descriptor_, sample.mask.data, header.MaskBytes(), pixels + header.ImageBytes()) ||
      !WriteAt(descriptor_, &header, sizeof(header), end_)) {
    return StopWriting(std::strerror(errno));
  }
  offsets_[key] = end_;
  end_ += header.Bytes();
}

// A full disk, for example. What was written in part is cut off.
void ImageCache::StopWriting(const std::string& why) {
  writes_ = false;
  const bool cut = ftruncate(descriptor_, end_) == 0;
  notes_.push_back(absl::StrCat(path_, ": no more images are added: ", why,
                                cut ? "" : "; the last of them is torn"));
}

int64_t ImageCache::entries() const {
  const std::lock_guard<std::mutex> lock(mutex_);
  return static_cast<int64_t>(offsets_.size());
}

std::vector<std::string> ImageCache::TakeNotes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(notes_, {});
}

}  // namespace plugins
