// Decoding, hashing, and texts of what came of it.
#include "datasets/split/looks.h"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <exception>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "datasets/images/image_file.h"
#include "datasets/images/image_header.h"
#include "pipeline/content_hash.h"

namespace datasets {
namespace {

constexpr int kThumbnail = 64;
constexpr int kHashed = 32;
constexpr int kFrequencies = 8;
constexpr int kParts = 4;
constexpr double kMinDeviation = 2;  // gray levels
constexpr int kBright = 64;          // of 255: as many as 14 bits of 16 cannot reach
constexpr double kUnit = 1 << 14;    // of Look::coarse

// Texts of facts begin with one of these.
constexpr char kSeen = 'L', kBroken = 'B';
constexpr size_t kHexDigits = 32;

uint64_t PerceptualHash(const cv::Mat& thumbnail) {
  cv::Mat gray, small, spectrum;
  thumbnail.convertTo(gray, CV_32F);
  cv::resize(gray, small, {kHashed, kHashed}, 0, 0, cv::INTER_AREA);
  cv::dct(small, spectrum);
  const cv::Mat low = spectrum(cv::Rect(1, 1, kFrequencies, kFrequencies)).clone();
  std::vector<float> sorted(low.begin<float>(), low.end<float>());
  std::sort(sorted.begin(), sorted.end());
  const float median = (sorted[sorted.size() / 2 - 1] + sorted[sorted.size() / 2]) / 2;
  uint64_t hash = 0;
  for (auto it = low.begin<float>(); it != low.end<float>(); ++it) {
    hash = hash << 1 | (*it > median);
  }
  return hash;
}

// The largest sample of a color, of 16 bits. `gray` is the image in 8 bits.
int BrightestDeep(const std::string& bytes, const cv::Mat& gray) {
  double brightest = 0;
  cv::minMaxLoc(gray, nullptr, &brightest);
  const absl::StatusOr<cv::Mat> stored =
      brightest < kBright ? DecodeImage(bytes, Channels::kStored)
                          : absl::StatusOr<cv::Mat>(absl::NotFoundError("bright enough"));
  if (!stored.ok() || stored->depth() != CV_16U) return 65535;
  int found = 0;
  for (int channel = 0; channel < std::min(stored->channels(), 3); ++channel) {
    cv::Mat one;
    cv::extractChannel(*stored, one, channel);
    cv::minMaxLoc(one, nullptr, &brightest);
    found = std::max(found, static_cast<int>(brightest));
  }
  return found;
}

bool IsDeep(const std::string& bytes) {
  ImageHeader header;
  return !IsJpeg(bytes) && ReadImageHeader(bytes, bytes, &header).empty() && header.bits > 8;
}

Thumbnail ThumbnailOf(const cv::Mat& gray) {
  Thumbnail thumbnail;
  cv::resize(gray, thumbnail.pixels, {kThumbnail, kThumbnail}, 0, 0, cv::INTER_AREA);
  cv::Scalar mean, deviation;
  cv::meanStdDev(thumbnail.pixels, mean, deviation);
  thumbnail.mean = mean[0];
  thumbnail.deviation = deviation[0];
  return thumbnail;
}

std::array<int16_t, Look::kCoarse> CoarseOf(const Thumbnail& thumbnail) {
  constexpr int kSide = kThumbnail / kParts;
  std::array<int16_t, Look::kCoarse> coarse;
  for (int i = 0; i < Look::kCoarse; ++i) {
    const cv::Rect part(i % kParts * kSide, i / kParts * kSide, kSide, kSide);
    const double above = cv::sum(thumbnail.pixels(part))[0] - kSide * kSide * thumbnail.mean;
    // The direction is 1 / kSide on the part, the picture's length kThumbnail * deviation.
    const double projected = above / kSide / (kThumbnail * thumbnail.deviation);
    coarse[i] = static_cast<int16_t>(std::lround(projected * kUnit));
  }
  return coarse;
}

Look LookAt(const Thumbnail& thumbnail) {
  Look look;
  look.hash = PerceptualHash(thumbnail.pixels);
  look.flat = thumbnail.deviation < kMinDeviation;
  if (!look.flat) look.coarse = CoarseOf(thumbnail);
  return look;
}

// Of a picture of length 1; MayCorrelate relies on it.
bool IsProjection(const std::array<int16_t, Look::kCoarse>& coarse) {
  double squares = 0;
  for (const int16_t one : coarse) squares += static_cast<double>(one) * one;
  constexpr double kMost = 1.01;
  return squares <= kMost * kUnit * kUnit;
}

// Whether an image cannot be read because of what is in its file.
bool IsOfTheFile(const absl::Status& status) {
  return absl::IsInvalidArgument(status) && !absl::StrContains(status.message(), "memory") &&
         !absl::StrContains(status.message(), "bad_alloc");
}

template <class T>
void AppendBytes(const T& value, std::string* text) {
  text->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

template <class T>
void TakeBytes(absl::string_view* text, T* value) {
  std::memcpy(value, text->data(), sizeof(*value));
  text->remove_prefix(sizeof(*value));
}

}  // namespace

bool Correlate(const Thumbnail& a, const Thumbnail& b) {
  const double product = a.pixels.dot(b.pixels) / (kThumbnail * kThumbnail);
  return product - a.mean * b.mean >= kNearCorrelation * a.deviation * b.deviation;
}

bool MayCorrelate(const Look& a, const Look& b) {
  // The square of the distance of pictures of length 1, and what rounding adds.
  constexpr double kSlack = 1e-3;
  constexpr auto kMost = static_cast<int32_t>((2 - 2 * kNearCorrelation + kSlack) * kUnit * kUnit);
  int32_t sum = 0;
  for (int i = 0; i < Look::kCoarse; ++i) {
    const int32_t difference = int32_t{a.coarse[i]} - int32_t{b.coarse[i]};
    sum += difference * difference;
  }
  return sum <= kMost;
}

Seen See(const std::string& path, int64_t max_pixels) try {
  const auto bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok())
    return {pipeline::ContentHash(path), bytes.status(), IsOfTheFile(bytes.status()), {}};
  const absl::StatusOr<cv::Mat> gray = DecodeImage(*bytes, Channels::kGray);
  if (!gray.ok()) {
    return {pipeline::HashOf(*bytes),
            absl::InvalidArgumentError(absl::StrCat(path, ": damaged: ", gray.status().message())),
            IsOfTheFile(gray.status()),
            {}};
  }
  Thumbnail thumbnail = ThumbnailOf(*gray);
  Look look = LookAt(thumbnail);
  if (IsDeep(*bytes)) look.deep = BrightestDeep(*bytes, *gray);
  return {pipeline::HashOf(*bytes), look, true, std::move(thumbnail)};
} catch (const std::exception& error) {
  return {"unreadable", WhenDecoded(path, error), false, {}};
}

std::string LookFactName(int64_t max_pixels) {
  return absl::StrCat("look 1, OpenCV " CV_VERSION ", max_pixels ", max_pixels);
}

std::string TextOf(const Seen& seen, const std::string& path) {
  if (!seen.lasting || seen.content.size() != kHexDigits) return "";
  std::string text;
  if (!seen.look.ok()) {
    absl::string_view why = seen.look.status().message();
    if (!absl::ConsumePrefix(&why, absl::StrCat(path, ": "))) return "";
    return absl::StrCat(std::string(1, kBroken), seen.content, why);
  }
  absl::StrAppend(&text, std::string(1, kSeen), seen.content);
  AppendBytes(seen.look->hash, &text);
  AppendBytes(seen.look->coarse, &text);
  AppendBytes(static_cast<uint8_t>(seen.look->flat), &text);
  AppendBytes(int32_t{seen.look->deep}, &text);
  return text;
}

std::optional<Seen> SeenFrom(absl::string_view text, const std::string& path) {
  if (text.size() <= kHexDigits) return std::nullopt;
  const char kind = text[0];
  Seen seen = {std::string(text.substr(1, kHexDigits)), Look(), true, {}};
  if (!std::all_of(seen.content.begin(), seen.content.end(), absl::ascii_isxdigit)) {
    return std::nullopt;
  }
  text.remove_prefix(1 + kHexDigits);
  if (kind == kBroken) {
    seen.look = absl::InvalidArgumentError(absl::StrCat(path, ": ", text));
    return seen;
  }
  uint8_t flat = 0;
  int32_t deep = 0;
  Look& look = *seen.look;
  if (kind != kSeen ||
      text.size() != sizeof(look.hash) + sizeof(look.coarse) + sizeof(flat) + sizeof(deep)) {
    return std::nullopt;
  }
  TakeBytes(&text, &look.hash);
  TakeBytes(&text, &look.coarse);
  TakeBytes(&text, &flat);
  TakeBytes(&text, &deep);
  if (!IsProjection(look.coarse)) return std::nullopt;
  look.flat = flat != 0;
  look.deep = std::clamp(deep, -1, 65535);
  return seen;
}

}  // namespace datasets
