// Files of decoded images.
#include <xxhash.h>

#include <cstring>
#include <string>

#include "fuzz/target.h"
#include "plugins/loading/image_cache.h"

namespace fuzz {
namespace {

using plugins::ImageCache;

// Of an entry's header: where its checksum lies, which is of all before it.
constexpr size_t kMarkBytes = 8, kChecksumAt = 56, kHeaderBytes = 64;

// No fuzzer guesses a checksum: the first headers get the right ones.
std::string WithChecksums(absl::string_view bytes) {
  std::string file(bytes);
  for (size_t at = kMarkBytes; at + kHeaderBytes <= file.size(); at += kHeaderBytes) {
    const uint64_t sum = XXH3_64bits(file.data() + at, kChecksumAt);
    std::memcpy(file.data() + at + kChecksumAt, &sum, sizeof(sum));
    if (at > kHeaderBytes) break;
  }
  return file;
}

void Read(const std::string& path, bool writes) {
  auto cache = ImageCache::Open(path, /*max_bytes=*/1 << 20, writes);
  RequireReason(cache.status(), path);
  if (!cache.ok()) return;
  for (const char* name : {"a", "b"}) {
    for (const bool has_mask : {false, true}) {
      const auto sample = (*cache)->Find(ImageCache::KeyOf(name), {4, 3, has_mask});
      if (!sample.has_value()) continue;
      Require(sample->image.size() == cv::Size(4, 4) && sample->image.type() == CV_8UC3,
              "a sample has the shape that was asked for");
    }
  }
  datasets::Sample sample;
  sample.image = cv::Mat(4, 4, CV_8UC3, cv::Scalar(1, 2, 3));
  (*cache)->Add(ImageCache::KeyOf("new"), sample);
  const bool found = (*cache)->Find(ImageCache::KeyOf("new"), {4, 3, false}).has_value();
  Require(found || !writes, "who writes finds what it wrote");
  (*cache)->TakeNotes();
}

void Run(absl::string_view bytes) {
  for (const std::string& content : {std::string(bytes), WithChecksums(bytes)}) {
    const InputFile file(content);
    Read(file.path(), /*writes=*/false);
    Read(file.path(), /*writes=*/true);
    // Whoever writes leaves a file that is whole.
    Read(file.path(), /*writes=*/false);
  }
}

const Target kTarget("cache", Run);

}  // namespace
}  // namespace fuzz
