// Checks of file headers, and decoding once they passed: JPEG by libjpeg-turbo, the rest by OpenCV.
#include "datasets/image_file.h"

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <fstream>
#include <opencv2/core/utils/logger.hpp>
#include <opencv2/imgcodecs.hpp>
#include <opencv2/imgproc.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/jpeg.h"
#include "datasets/resize.h"
#include "pipeline/files.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr size_t kMaxFileBytes = size_t{1} << 30;
constexpr size_t kHeadBytes = 1 << 18;  // JPEG may carry an ICC profile and a preview first
constexpr size_t kTailBytes = 1 << 12;

struct Size {
  int64_t width = 0, height = 0;
};

uint32_t BigEndian(absl::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = 0; i < count; ++i) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

uint32_t LittleEndian(absl::string_view bytes, size_t at, int count) {
  uint32_t value = 0;
  for (int i = count; i-- > 0;) value = value << 8 | static_cast<uint8_t>(bytes[at + i]);
  return value;
}

// The value of a tag in the first directory of a TIFF; 0 where there is none.
uint32_t TiffValue(absl::string_view bytes, uint32_t tag) {
  const auto number = [&](size_t at, int count) -> uint32_t {
    if (at + count > bytes.size()) return 0;
    return bytes[0] == 'I' ? LittleEndian(bytes, at, count) : BigEndian(bytes, at, count);
  };
  constexpr uint32_t kShort = 3;
  constexpr size_t kEntryBytes = 12;
  uint32_t value = 0;
  const size_t directory = number(4, 4);
  for (size_t i = 0; i < number(directory, 2); ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (number(entry, 2) != tag) continue;
    value = number(entry + 8, number(entry + 2, 2) == kShort ? 2 : 4);
  }
  return value;
}

// The extents in the first directory of a TIFF; false where there are none.
bool TiffSize(absl::string_view bytes, Size* size) {
  constexpr uint32_t kWidth = 256, kHeight = 257;
  *size = {TiffValue(bytes, kWidth), TiffValue(bytes, kHeight)};
  return size->width > 0 && size->height > 0;
}

bool Begins(absl::string_view bytes, absl::string_view magic) {
  return absl::StartsWith(bytes, magic);
}

bool IsJpeg(absl::string_view bytes) { return Begins(bytes, "\xff\xd8\xff"); }

// The first segment of a JPEG that `wanted` accepts by its marker and its place; npos where none
// lies in `bytes`. Segments are skipped whole: those of applications hold previews, JPEGs of their
// own. Must end where libjpeg would: what it found elsewhere would not have been checked.
template <class Wanted>
size_t JpegSegment(absl::string_view bytes, const Wanted& wanted) {
  size_t at = 2;
  while (at + 9 < bytes.size()) {
    if (static_cast<uint8_t>(bytes[at]) != 0xff) break;
    const auto marker = static_cast<uint8_t>(bytes[at + 1]);
    constexpr uint8_t kNone = 0, kTemporary = 1, kRestart = 0xd0, kPadding = 0xff;
    if (marker == kNone) break;
    if (marker == kPadding) {
      ++at;
      continue;
    }
    if (wanted(marker, at)) return at;
    const bool bare = marker == kTemporary || (marker & 0xf8) == kRestart;
    at += 2 + (bare ? 0 : BigEndian(bytes, at + 2, 2));
  }
  return absl::string_view::npos;
}

struct JpegFrame {
  Size size;
  int components = 0;
};

// What a JPEG holds; false where `head` has no frame header.
bool ReadJpegFrame(absl::string_view head, JpegFrame* frame) {
  const size_t at = JpegSegment(head, [](uint8_t marker, size_t) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
  });
  if (at == absl::string_view::npos) return false;
  *frame = {{BigEndian(head, at + 7, 2), BigEndian(head, at + 5, 2)},
            static_cast<uint8_t>(head[at + 9])};
  return true;
}

// The EXIF orientation of a JPEG, from 1 (as stored) to 8.
int Orientation(absl::string_view bytes) {
  constexpr uint8_t kApplication1 = 0xe1;
  constexpr absl::string_view kExif("Exif\0\0", 6);
  constexpr uint32_t kOrientation = 0x112, kLast = 8;
  const size_t at = JpegSegment(bytes, [&](uint8_t marker, size_t at) {
    return marker == kApplication1 && bytes.substr(at + 4, kExif.size()) == kExif;
  });
  if (at == absl::string_view::npos) return 1;
  const absl::string_view segment = bytes.substr(at + 4, BigEndian(bytes, at + 2, 2));
  if (segment.size() <= kExif.size()) return 1;
  const uint32_t orientation = TiffValue(segment.substr(kExif.size()), kOrientation);
  return orientation >= 1 && orientation <= kLast ? static_cast<int>(orientation) : 1;
}

// Whether an orientation exchanges rows and columns.
bool IsTurned(int orientation) { return orientation >= 5; }

// The image as an orientation asks: exchanged, then mirrored.
cv::Mat Turned(cv::Mat image, int orientation) {
  if (IsTurned(orientation)) cv::transpose(image, image);
  const bool across = orientation == 2 || orientation == 3 || orientation == 6 || orientation == 7;
  const bool down = orientation == 3 || orientation == 4 || orientation == 7 || orientation == 8;
  if (across || down) cv::flip(image, image, across && down ? -1 : across ? 1 : 0);
  return image;
}

// What follows the headers of a whole file.
absl::string_view AfterHeaders(absl::string_view bytes) {
  if (!IsJpeg(bytes)) return bytes;
  constexpr uint8_t kScan = 0xda;
  const size_t scan = JpegSegment(bytes, [](uint8_t marker, size_t) { return marker == kScan; });
  return bytes.substr(std::min(bytes.size(), scan));
}

bool IsTiff(absl::string_view bytes) {
  return Begins(bytes, absl::string_view("II*\0", 4)) ||
         Begins(bytes, absl::string_view("MM\0*", 4));
}

// What the first bytes say of a file that is not an image.
std::string Guess(absl::string_view head) {
  if (head.empty()) return "the file is empty";
  if (Begins(head, "version https://git-lfs")) return "a Git LFS pointer, not the image itself";
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(head);
  if (Begins(text, "<")) return "a web page, not an image";
  const bool printable =
      std::all_of(head.begin(), head.begin() + std::min<size_t>(64, head.size()),
                  [](char c) { return absl::ascii_isprint(c) || absl::ascii_isspace(c); });
  return printable ? "text, not an image" : "not an image of a known format";
}

// What is wrong with a file of `head` and `tail`, or "". Its size, where it can be told, in
// `*size`.
std::string Judge(absl::string_view head, absl::string_view tail, Size* size) {
  if (IsJpeg(head)) {
    JpegFrame frame;
    if (!ReadJpegFrame(head, &frame)) return "a JPEG without a frame header";
    *size = frame.size;
    if (!absl::StrContains(tail, "\xff\xd9")) return "a JPEG cut short";
  } else if (Begins(head, "\x89PNG\r\n\x1a\n")) {
    if (head.size() < 24) return "a PNG cut short";
    *size = {BigEndian(head, 16, 4), BigEndian(head, 20, 4)};
    if (!absl::StrContains(tail, "IEND")) return "a PNG cut short";
  } else if (Begins(head, "BM")) {
    if (head.size() < 26) return "a BMP cut short";
    // Negative heights mean rows from top to bottom.
    *size = {static_cast<int32_t>(LittleEndian(head, 18, 4)),
             std::abs(int64_t{static_cast<int32_t>(LittleEndian(head, 22, 4))})};
  } else if (Begins(head, "RIFF") && head.size() >= 30 && head.substr(8, 4) == "WEBP") {
    if (head.substr(12, 4) == "VP8X") {
      *size = {LittleEndian(head, 24, 3) + 1, LittleEndian(head, 27, 3) + 1};
    } else if (head.substr(12, 4) == "VP8L") {
      const uint32_t bits = LittleEndian(head, 21, 4);
      *size = {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
    } else {
      *size = {LittleEndian(head, 26, 2) & 0x3fff, LittleEndian(head, 28, 2) & 0x3fff};
    }
  } else if (IsTiff(head)) {
    if (!TiffSize(head, size)) return "a TIFF cut short";
  } else if (Begins(head, "GIF8")) {
    return "a GIF, which is not read here; convert it to PNG";
  } else {
    return Guess(head);
  }
  return size->width > 0 && size->height > 0 ? "" : "an image without pixels";
}

std::string JudgeSize(const Size& size, int64_t max_pixels) {
  if (size.width <= max_pixels / size.height) return "";  // the product may overflow
  return absl::StrCat(size.width, "x", size.height, " pixels, more than max_pixels (", max_pixels,
                      ")");
}

// By how much a JPEG of this size may be reduced that is to be resized to size x size.
int Reduction(const Size& full, int64_t size) {
  constexpr int64_t kLargerThanMade = 3;
  for (const int factor : {8, 4, 2}) {
    const bool divides = full.width % factor == 0 && full.height % factor == 0;
    const int64_t side = std::min(full.width, full.height) / factor;
    if (divides && side >= kLargerThanMade * size) return factor;
  }
  return 1;
}

absl::Status Refuse(const std::string& path, const std::string& why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ": ", why));
}

absl::Status Check(const std::string& path, absl::string_view head, absl::string_view tail,
                   int64_t max_pixels) {
  Size size;
  std::string wrong = Judge(head, tail, &size);
  if (wrong.empty()) wrong = JudgeSize(size, max_pixels);
  return wrong.empty() ? absl::OkStatus() : Refuse(path, wrong);
}

// The size of a checked file, turned by its orientation.
cv::Size ShownSize(absl::string_view bytes) {
  Size size;
  Judge(bytes, AfterHeaders(bytes), &size);
  if (IsJpeg(bytes) && IsTurned(Orientation(bytes))) std::swap(size.width, size.height);
  return {static_cast<int>(size.width), static_cast<int>(size.height)};
}

// A JPEG that is not CMYK, reduced where the view is much smaller.
absl::StatusOr<cv::Mat> DecodeFrame(absl::string_view bytes, const JpegFrame& frame,
                                    const ImageView& view) {
  const int orientation = Orientation(bytes);
  JpegDecoding how;
  how.gray = !view.color || frame.components == 1;
  if (view.tile.empty()) how.reduction = Reduction(frame.size, view.size);
  if (orientation == 1) how.part = view.tile;
  const absl::StatusOr<cv::Mat> stored = DecodeJpeg(bytes, how);
  if (!stored.ok() || orientation == 1) return stored;
  const cv::Mat shown = Turned(*stored, orientation);
  return view.tile.empty() ? shown : shown(view.tile);
}

// RGB, or one channel where red, green and blue are equal or nobody looks at colors; not resized.
absl::StatusOr<cv::Mat> Decode(absl::string_view bytes, const ImageView& view) {
  JpegFrame frame;
  constexpr int kCmyk = 4;
  if (IsJpeg(bytes) && ReadJpegFrame(bytes, &frame) && frame.components < kCmyk) {
    return DecodeFrame(bytes, frame, view);
  }
  cv::utils::logging::setLogLevel(cv::utils::logging::LOG_LEVEL_SILENT);
  const cv::Mat encoded(1, static_cast<int>(bytes.size()), CV_8U, const_cast<char*>(bytes.data()));
  const cv::Mat decoded = cv::imdecode(encoded, cv::IMREAD_COLOR);
  if (decoded.empty()) return absl::InvalidArgumentError("it cannot be decoded");
  cv::Mat rgb;
  cv::cvtColor(view.tile.empty() ? decoded : decoded(view.tile), rgb, cv::COLOR_BGR2RGB);
  return rgb;
}

}  // namespace

bool HasImageName(const std::string& path) {
  const std::string extension = absl::AsciiStrToLower(fs::path(path).extension().string());
  for (const char* known : {".jpg", ".jpeg", ".png", ".bmp", ".tif", ".tiff", ".webp", ".gif"}) {
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

absl::StatusOr<std::string> ReadImageBytes(const std::string& path, int64_t max_pixels) {
  absl::StatusOr<std::string> bytes = pipeline::ReadFile(path, kMaxFileBytes);
  if (!bytes.ok()) return bytes;
  const absl::Status checked = Check(path, *bytes, AfterHeaders(*bytes), max_pixels);
  if (!checked.ok()) return checked;
  return bytes;
}

absl::StatusOr<cv::Size> ImageSize(const std::string& path, int64_t max_pixels) {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  return ShownSize(*bytes);
}

absl::StatusOr<cv::Mat> ReadImage(const std::string& path, int64_t max_pixels,
                                  const ImageView& view) {
  const absl::StatusOr<std::string> bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return bytes.status();
  const cv::Size shown = ShownSize(*bytes);
  const cv::Rect& tile = view.tile;
  if ((tile & cv::Rect({}, shown)) != tile) {
    return Refuse(
        path, absl::StrCat("no tile of ", tile.width, "x", tile.height, " at ", tile.x, ",", tile.y,
                           " in ", shown.width, "x", shown.height, " pixels"));
  }
  try {
    const absl::StatusOr<cv::Mat> decoded = Decode(*bytes, view);
    if (!decoded.ok()) return Refuse(path, absl::StrCat("damaged: ", decoded.status().message()));
    cv::Mat resized = ResizeBilinear(*decoded, {view.size, view.size});
    if (resized.channels() == 1) cv::cvtColor(resized, resized, cv::COLOR_GRAY2RGB);
    return resized;
  } catch (const std::exception& error) {
    return Refuse(path, absl::StrCat("damaged: ", error.what()));
  }
}

}  // namespace datasets
