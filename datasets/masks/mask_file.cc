// Masks are decoded as they are stored; their values are then told apart.
#include "datasets/masks/mask_file.h"

#include <algorithm>
#include <cstdlib>
#include <opencv2/core.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "datasets/dataset.h"
#include "datasets/images/image_file.h"
#include "datasets/images/image_header.h"

namespace datasets {
namespace {

constexpr int kOpaque = 128;       // alpha of at least so much
constexpr int kFaintNoise = 16;    // that JPEG leaves on black
constexpr double kMaxStray = 0.5;  // of all pixels

// A file's pixels as stored: 8 or 16 bits, 1 channel, or 3 or 4 with blue first.
struct Stored {
  cv::Mat pixels;
  bool lossy = false;
};

absl::Status Refuse(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

absl::StatusOr<Stored> Decode(const std::string& path, int64_t max_pixels) {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  absl::StatusOr<cv::Mat> pixels = DecodeImage(*bytes, Channels::kStored);
  if (!pixels.ok()) return Refuse(path, absl::StrCat("damaged: ", pixels.status().message()));
  const int depth = pixels->depth(), channels = pixels->channels();
  if ((depth != CV_8U && depth != CV_16U) || (channels != 1 && channels != 3 && channels != 4)) {
    return Refuse(path,
                  "not a mask: its samples are not integers of 8 or 16 bits in 1, 3 or 4 channels");
  }
  return Stored{*std::move(pixels), IsLossy(*bytes)};
}

// Which values the brightest channel of a mask's pixels has.
struct Found {
  int brightest = 0;
  bool zero = false, one = false, other = false;  // other than 0, 1 and the brightest
};

template <class T>
Found FindValues(const cv::Mat& pixels) {
  const int channels = pixels.channels(), colors = std::min(channels, 3);
  std::vector<uint8_t> has(size_t{1} << 8 * sizeof(T));
  for (int y = 0; y < pixels.rows; ++y) {
    const T* row = pixels.ptr<T>(y);
    for (int x = 0; x < pixels.cols; ++x, row += channels) {
      has[*std::max_element(row, row + colors)] = 1;
    }
  }
  Found found = {0, has[0] != 0, has[1] != 0};
  for (size_t value = 0; value < has.size(); ++value) {
    if (has[value] == 0) continue;
    found.other |= found.brightest > 1;
    found.brightest = static_cast<int>(value);
  }
  return found;
}

bool IsTransparent(const cv::Mat& pixels, int alpha, int range) {
  return pixels.channels() == 4 && alpha * int64_t{255} < int64_t{kOpaque} * range;
}

template <class T>
Mask Threshold(const cv::Mat& pixels, int least) {
  const int channels = pixels.channels(), colors = std::min(channels, 3);
  const int range = sizeof(T) == 1 ? 255 : 65535;
  Mask mask = {cv::Mat(pixels.size(), CV_8UC1)};
  for (int y = 0; y < pixels.rows; ++y) {
    const T* row = pixels.ptr<T>(y);
    auto* out = mask.classes.ptr<uint8_t>(y);
    for (int x = 0; x < pixels.cols; ++x, row += channels) {
      out[x] = *std::max_element(row, row + colors) >= least ? 1 : 0;
      if (!IsTransparent(pixels, row[channels - 1], range)) continue;
      out[x] = kIgnoredMask;
      ++mask.stray;
    }
  }
  return mask;
}

// 0 and 1 as they are; what is more is ignored.
template <class T>
Mask WithIgnored(const cv::Mat& pixels) {
  Mask mask = Threshold<T>(pixels, 1);
  mask.classes.setTo(kIgnoredMask, Threshold<T>(pixels, 2).classes == 1);
  mask.values = Mask::Values::kWithIgnored;
  return mask;
}

template <class T>
absl::StatusOr<Mask> Binary(const std::string& path, const Stored& stored) {
  const Found found = FindValues<T>(stored.pixels);
  if (found.brightest <= 1 && !stored.lossy) return Threshold<T>(stored.pixels, 1);
  const int range = found.brightest > 255 ? 65535 : 255;
  const int half = range / 2 + 1;
  const int noise = stored.lossy ? kFaintNoise : 0;
  if (found.brightest > noise && found.brightest < half) {
    return Refuse(path, absl::StrCat("its largest value is ", found.brightest, " of ", range,
                                     "; a mask is of 0 and 1, or of black and white"));
  }
  const bool extremes = !stored.lossy && !found.other && found.brightest == range;
  if (extremes && found.one && found.zero) return WithIgnored<T>(stored.pixels);
  if (extremes && found.one) {
    return Refuse(path, absl::StrCat("of 1 and ", range,
                                     " alone, so that nobody can tell which is the thing"));
  }
  Mask mask = Threshold<T>(stored.pixels, half);
  if (extremes) mask.values = Mask::Values::kBlackAndWhite;
  return mask;
}

// The meanings of colors by `table`; remembers the last color, as masks consist of runs.
class ColorTable {
 public:
  explicit ColorTable(const std::vector<MaskColor>& table) : table_(table) {}

  // nullptr for a color that is in no reach of the table's.
  const MaskColor* Nearest(int red, int green, int blue) {
    const int color = red << 16 | green << 8 | blue;
    if (color == last_color_) return last_;
    last_color_ = color;
    last_ = nullptr;
    int least = kColorTolerance + 1;
    for (const MaskColor& entry : table_) {
      const int distance = std::max(
          {std::abs(red - entry.red), std::abs(green - entry.green), std::abs(blue - entry.blue)});
      if (distance >= least) continue;
      least = distance;
      last_ = &entry;
    }
    return last_;
  }

 private:
  const std::vector<MaskColor>& table_;
  int last_color_ = -1;
  const MaskColor* last_ = nullptr;
};

// Whether a mask of one channel and 8 bits holds indices below `count`; see ReadColorMask.
bool HoldsIndices(const cv::Mat& pixels, int count) {
  bool between = false;
  for (int y = 0; y < pixels.rows; ++y) {
    const auto* row = pixels.ptr<uint8_t>(y);
    for (int x = 0; x < pixels.cols; ++x) {
      if (row[x] >= count && row[x] != 255) return false;
      between |= row[x] > 0 && row[x] != 255;
    }
  }
  return between;
}

Mask FromIndices(const cv::Mat& pixels, const std::vector<MaskColor>& table) {
  Mask mask;
  cv::Mat meanings(1, 256, CV_8UC1, cv::Scalar(kIgnoredMask));
  for (size_t i = 0; i < table.size(); ++i) {
    meanings.at<uint8_t>(static_cast<int>(i)) = table[i].meaning;
  }
  cv::LUT(pixels, meanings, mask.classes);
  return mask;
}

absl::StatusOr<Mask> FromColors(const std::string& path, const cv::Mat& pixels,
                                const std::vector<MaskColor>& table) {
  const int channels = pixels.channels();
  ColorTable colors(table);
  Mask mask = {cv::Mat(pixels.size(), CV_8UC1)};
  std::string example;
  for (int y = 0; y < pixels.rows; ++y) {
    const auto* row = pixels.ptr<uint8_t>(y);
    auto* out = mask.classes.ptr<uint8_t>(y);
    for (int x = 0; x < pixels.cols; ++x, row += channels) {
      const int blue = row[0], green = channels > 1 ? row[1] : blue,
                red = channels > 1 ? row[2] : blue;
      const bool transparent = IsTransparent(pixels, row[channels - 1], 255);
      const MaskColor* color = transparent ? nullptr : colors.Nearest(red, green, blue);
      out[x] = color == nullptr ? kIgnoredMask : color->meaning;
      if (color != nullptr) continue;
      ++mask.stray;
      if (!example.empty()) continue;
      example = transparent ? "transparent" : absl::StrCat("(", red, ",", green, ",", blue, ")");
    }
  }
  const double share = static_cast<double>(mask.stray) / static_cast<double>(pixels.total());
  if (share <= kMaxStray) return mask;
  return Refuse(path, absl::StrFormat("%.0f %% of its pixels are of no color that means a class, "
                                      "the first of them %s",
                                      share * 100, example));
}

}  // namespace

absl::StatusOr<Mask> ReadColorMask(const std::string& path, const std::vector<MaskColor>& table,
                                   int64_t max_pixels) try {
  absl::StatusOr<Stored> stored = Decode(path, max_pixels);
  if (!stored.ok()) return stored.status();
  cv::Mat& pixels = stored->pixels;
  const bool may_be_indices = pixels.channels() == 1 && !stored->lossy;
  if (pixels.depth() == CV_16U) {
    // Small values are kept: they are indices, or 8 bits stored as 16.
    const bool small = FindValues<uint16_t>(pixels).brightest <= 255;
    pixels.convertTo(pixels, CV_8U, small ? 1 : 1.0 / 257);
  }
  if (may_be_indices && HoldsIndices(pixels, static_cast<int>(table.size()))) {
    return FromIndices(pixels, table);
  }
  return FromColors(path, pixels, table);
} catch (const std::exception& error) {
  return WhenDecoded(path, error);
}

absl::StatusOr<Mask> ReadBinaryMask(const std::string& path, int64_t max_pixels) try {
  const absl::StatusOr<Stored> stored = Decode(path, max_pixels);
  if (!stored.ok()) return stored.status();
  return stored->pixels.depth() == CV_8U ? Binary<uint8_t>(path, *stored)
                                         : Binary<uint16_t>(path, *stored);
} catch (const std::exception& error) {
  return WhenDecoded(path, error);
}

absl::Status CheckMaskSize(const std::string& mask_path, cv::Size mask,
                           const std::string& image_path, int64_t max_pixels) {
  const absl::StatusOr<cv::Size> image = ImageSize(image_path, max_pixels);
  if (!image.ok() || *image == mask) return absl::OkStatus();
  return Refuse(mask_path, absl::StrCat(mask.width, "x", mask.height, " pixels, but its image ",
                                        image_path, " has ", image->width, "x", image->height));
}

}  // namespace datasets
