// Checks of file headers, and decoding once they passed: JPEG by libjpeg-turbo, the rest by OpenCV.
#include "datasets/images/image_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <new>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/images/image_header.h"
#include "datasets/images/jpeg.h"
#include "pipeline/files.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kHeadBytes = 1 << 18;  // JPEG may carry an ICC profile and a preview first
constexpr size_t kTailBytes = 1 << 12;
constexpr size_t kMagicBytes = 1 << 12;  // those that tell what a file is

absl::Status Refuse(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

// The first bytes of a file, at most `count`; "" where it cannot be read.
std::string ReadHead(const std::string& path, size_t count) {
  std::error_code ignored;
  if (!fs::is_regular_file(path, ignored)) return "";
  std::ifstream stream(path, std::ios::binary);
  std::string head(count, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(stream.gcount()));
  return head;
}

absl::Status Check(const std::string& path, absl::string_view head, absl::string_view tail,
                   int64_t max_pixels) {
  ImageHeader header;
  const std::string wrong = ReadImageHeader(head, tail, &header);
  if (!wrong.empty()) return Refuse(path, wrong);
  if (header.width <= max_pixels / header.height) return absl::OkStatus();  // may overflow
  return Refuse(path, absl::StrCat(header.width, "x", header.height,
                                   " pixels, more than max_pixels (", max_pixels, ")"));
}

// The header of a file that was checked.
ImageHeader HeaderOf(absl::string_view bytes) {
  ImageHeader header;
  ReadImageHeader(bytes, AfterHeaders(bytes), &header);
  return header;
}

// By how much a JPEG may be reduced that is to be fitted into size x size.
int Reduction(const ImageHeader& full, int64_t size, Fit fit) {
  constexpr int64_t kLargerThanMade = 3;
  const int64_t longer = std::max(full.width, full.height);
  const int64_t shorter = std::min(full.width, full.height);
  for (const int factor : {8, 4, 2}) {
    // What is cut off must end between pixels of the reduced image, too.
    const bool divides = longer % factor == 0 && shorter % factor == 0 &&
                         (fit != Fit::kCrop || (longer - shorter) / 2 % factor == 0);
    const int64_t side = (fit == Fit::kLetterbox ? longer : shorter) / factor;
    if (divides && side >= kLargerThanMade * size) return factor;
  }
  return 1;
}

bool IsTurned(const ImageHeader& header) { return header.orientation >= 5; }

cv::Size ShownSize(const ImageHeader& header) {
  const cv::Size stored(static_cast<int>(header.width), static_cast<int>(header.height));
  return IsTurned(header) ? cv::Size(stored.height, stored.width) : stored;
}

// The image as its header asks: rows made columns, then mirrored.
cv::Mat Turned(cv::Mat image, const ImageHeader& header) {
  if (IsTurned(header)) cv::transpose(image, image);
  const int asked = header.orientation;
  const bool across = asked == 2 || asked == 3 || asked == 6 || asked == 7;
  const bool down = asked == 3 || asked == 4 || asked == 7 || asked == 8;
  if (across || down) cv::flip(image, image, across && down ? -1 : across ? 1 : 0);
  return image;
}

// The image, or a part of it, as it is shown.
absl::StatusOr<cv::Mat> DecodeShownJpeg(absl::string_view bytes, const ImageHeader& header,
                                        JpegDecoding how, const cv::Rect& tile) {
  const bool as_stored = header.orientation == 1;
  if (as_stored) how.part = tile;
  const absl::StatusOr<cv::Mat> stored = DecodeJpeg(bytes, how);
  if (!stored.ok() || as_stored) return stored;
  const cv::Mat shown = Turned(*stored, header);
  return tile.empty() ? shown : shown(tile);
}

absl::StatusOr<cv::Mat> DecodeByOpenCv(absl::string_view bytes, const ImageHeader& header,
                                       Channels channels) {
  const std::string damage = IsPng(bytes) ? PngDamage(bytes) : "";
  if (!damage.empty()) return absl::InvalidArgumentError(damage);
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  // TIFF is turned whatever the flags.
  const int flags = channels == Channels::kStored ? cv::IMREAD_UNCHANGED
                    : channels == Channels::kColor
                        ? cv::IMREAD_COLOR | cv::IMREAD_IGNORE_ORIENTATION
                        : cv::IMREAD_GRAYSCALE | cv::IMREAD_IGNORE_ORIENTATION;
  cv::Mat decoded = cv::imdecode(encoded, flags);
  if (decoded.empty()) return absl::InvalidArgumentError("it cannot be decoded");
  cv::Mat shown = IsTiff(bytes) ? decoded : Turned(decoded, header);
  if (shown.size() == ShownSize(header)) return shown;
  return absl::InvalidArgumentError("its pixels are not as many as its header says");
}

// What FitImage is to make the view of, with blue first or one channel.
absl::StatusOr<cv::Mat> Decode(absl::string_view bytes, const ImageHeader& header,
                               const ImageView& view) {
  if (IsJpeg(bytes)) {
    JpegDecoding how;
    how.gray = !view.color;
    if (view.tile.empty()) how.reduction = Reduction(header, view.size, view.fit);
    return DecodeShownJpeg(bytes, header, how, view.tile);
  }
  const absl::StatusOr<cv::Mat> whole = DecodeByOpenCv(bytes, header, Channels::kColor);
  if (!whole.ok() || view.tile.empty()) return whole;
  return (*whole)(view.tile);
}

cv::Mat ToRgb(const cv::Mat& image) {
  cv::Mat rgb;
  cv::cvtColor(image, rgb, image.channels() == 1 ? cv::COLOR_GRAY2RGB : cv::COLOR_BGR2RGB);
  return rgb;
}

}  // namespace

absl::Status WhenDecoded(const std::string& path, const std::exception& error) {
  const auto* of_opencv = dynamic_cast<const cv::Exception*>(&error);
  const bool memory = dynamic_cast<const std::bad_alloc*>(&error) != nullptr ||
                      (of_opencv != nullptr && of_opencv->code == cv::Error::StsNoMem);
  if (memory) return Refuse(path, "there is not enough memory to read it");
  const std::string what = error.what();
  return Refuse(path, absl::StrCat("damaged: ", what.substr(0, what.find('\n'))));
}

bool HasImageName(const std::string& path) {
  const std::string extension = absl::AsciiStrToLower(fs::path(path).extension().string());
  for (const char* known :
       {".jpg", ".jpeg", ".jpe", ".jfif", ".png", ".bmp", ".dib", ".tif", ".tiff", ".webp", ".jp2",
        ".j2k", ".ppm", ".pgm", ".pbm", ".pnm", ".gif"}) {
    if (extension == known) return true;
  }
  return false;
}

absl::Status CheckImageHeader(const std::string& path, int64_t max_pixels) {
  std::error_code error;
  if (!fs::is_regular_file(path, error)) return Refuse(path, "not a readable file");
  std::ifstream stream(path, std::ios::binary);
  if (!stream) return Refuse(path, std::strerror(errno));
  std::string head(kHeadBytes, '\0');
  stream.read(head.data(), static_cast<std::streamsize>(head.size()));
  head.resize(static_cast<size_t>(stream.gcount()));
  // The whole of a short file; a TIFF has its header anywhere.
  if (stream.eof() || IsTiff(head)) return ReadImageBytes(path, max_pixels).status();
  std::string tail(kTailBytes, '\0');
  stream.seekg(-static_cast<std::streamoff>(kTailBytes), std::ios::end);
  stream.read(tail.data(), static_cast<std::streamsize>(tail.size()));
  const absl::Status checked = Check(path, head, tail, max_pixels);
  // What others appended may hide the end.
  return checked.ok() ? checked : ReadImageBytes(path, max_pixels).status();
}

absl::StatusOr<std::string> ReadImageBytes(const std::string& path, int64_t max_pixels) try {
  // A large file that is no image at all need not be read.
  const std::string head = ReadHead(path, kMagicBytes);
  const std::string other = head.empty() ? "" : NoImage(head);
  if (!other.empty()) return Refuse(path, other);
  absl::StatusOr<std::string> bytes = pipeline::ReadFile(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes;
  const absl::Status checked = Check(path, *bytes, AfterHeaders(*bytes), max_pixels);
  if (!checked.ok()) return checked;
  return bytes;
} catch (const std::exception& error) {
  return WhenDecoded(path, error);
}

absl::StatusOr<cv::Size> ImageSize(const std::string& path, int64_t max_pixels) {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  return ShownSize(HeaderOf(*bytes));
}

absl::StatusOr<cv::Mat> DecodeImage(absl::string_view bytes, Channels channels) try {
  if (!IsJpeg(bytes)) return DecodeByOpenCv(bytes, HeaderOf(bytes), channels);
  JpegDecoding how;
  how.gray = channels == Channels::kGray;
  return DecodeShownJpeg(bytes, HeaderOf(bytes), how, {});
} catch (const std::exception& error) {
  return absl::InvalidArgumentError(error.what());
}

absl::StatusOr<cv::Mat> ReadImage(const std::string& path, int64_t max_pixels,
                                  const ImageView& view, cv::Size* whole) try {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  const ImageHeader header = HeaderOf(*bytes);
  const cv::Size shown = ShownSize(header);
  if (whole != nullptr) *whole = shown;
  const cv::Rect& tile = view.tile;
  if ((tile & cv::Rect({}, shown)) != tile) {
    return Refuse(
        path, absl::StrCat("no tile of ", tile.width, "x", tile.height, " at ", tile.x, ",", tile.y,
                           " in ", shown.width, "x", shown.height, " pixels"));
  }
  const absl::StatusOr<cv::Mat> decoded = Decode(*bytes, header, view);
  if (!decoded.ok()) return Refuse(path, absl::StrCat("damaged: ", decoded.status().message()));
  return ToRgb(FitImage(*decoded, view.size, view.fit));
} catch (const std::exception& error) {
  return WhenDecoded(path, error);
}

absl::StatusOr<cv::Mat> ReadWholeImage(const std::string& path, int64_t max_pixels) {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  const absl::StatusOr<cv::Mat> decoded = DecodeImage(*bytes, Channels::kColor);
  if (!decoded.ok()) return Refuse(path, absl::StrCat("damaged: ", decoded.status().message()));
  return ToRgb(*decoded);
}

}  // namespace datasets
