// What an image looks like, in a few numbers that tell whether another one shows the same.
#ifndef DATASETS_SPLIT_LOOKS_H_
#define DATASETS_SPLIT_LOOKS_H_

#include <array>
#include <cstddef>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <optional>
#include <string>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace datasets {

// Thumbnails of two near images correlate by at least so much.
constexpr double kNearCorrelation = 0.97;

// A gray picture of 64x64.
struct Thumbnail {
  cv::Mat pixels;  // 8 bits
  double mean = 0, deviation = 0;
};

bool Correlate(const Thumbnail& a, const Thumbnail& b);

struct Look {
  static constexpr int kCoarse = 16;

  uint64_t hash = 0;  // by which near images are found; see duplicates.h
  // Means of the 4x4 parts of the thumbnail, as parts of what its deviation is in all: the
  // projection of the picture (without its mean, of length 1) onto 16 directions, times 2^14.
  std::array<int16_t, kCoarse> coarse = {};
  bool flat = false;  // nearly without contrast: noise and rounding would decide what is near
  int deep = -1;      // the brightest sample of 16 bits; -1 where there are but 8
};

// Whether thumbnails of such looks can correlate: of pictures of length 1 no projections are
// farther apart than the pictures.
bool MayCorrelate(const Look& a, const Look& b);

// What one file shows.
struct Seen {
  std::string content;  // as ContentHash (pipeline/content_hash.h) has it
  absl::StatusOr<Look> look;
  bool lasting = true;  // false: another try may end otherwise, as memory or a disk was to blame
  Thumbnail thumbnail;  // empty where this was known before
};

// Decodes at full size: reduced decoding of JPEG saves a third of the time at best, and copies of
// different sizes would then differ by up to 8 bits. Errors of the look read "PATH: why".
Seen See(const std::string& path, int64_t max_pixels);

// For FileFacts: what is known of a file ("" where that should not be kept), under a name that says
// what it depends on; and back, nothing where it is no such text.
std::string LookFactName(int64_t max_pixels);
std::string TextOf(const Seen& seen, const std::string& path);
std::optional<Seen> SeenFrom(absl::string_view text, const std::string& path);

}  // namespace datasets

#endif  // DATASETS_SPLIT_LOOKS_H_
