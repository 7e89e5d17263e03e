// Formats are told by their content; their headers are read only as far as their extents.
#include "datasets/images/image_header.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/strip.h"
#include "datasets/images/jpeg.h"

namespace datasets {
namespace {

constexpr absl::string_view kPng = "\x89PNG\r\n\x1a\n";
constexpr absl::string_view kJp2("\0\0\0\x0cjP  \r\n\x87\n", 12);
constexpr absl::string_view kCodestream = "\xff\x4f\xff\x51";  // of JPEG 2000
constexpr absl::string_view kJpegEnd = "\xff\xd9";             // of JPEG 2000 too

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

// The first directory of a TIFF.
class TiffDirectory {
 public:
  explicit TiffDirectory(absl::string_view bytes) : bytes_(bytes) {}

  // The value of a tag; 0 where there is none, or not one integer of 16 or 32 bits. Of equal tags
  // the first counts, as for libtiff.
  uint32_t Only(uint32_t tag) const { return Value(tag, /*only=*/true); }
  // The first of a tag's values.
  uint32_t First(uint32_t tag) const { return Value(tag, /*only=*/false); }

 private:
  uint32_t Number(size_t at, int count) const {
    if (at + count > bytes_.size()) return 0;
    return bytes_[0] == 'I' ? LittleEndian(bytes_, at, count) : BigEndian(bytes_, at, count);
  }

  uint32_t Value(uint32_t tag, bool only) const {
    constexpr uint32_t kShort = 3, kLong = 4;
    constexpr size_t kEntryBytes = 12;
    const size_t directory = Number(4, 4);
    for (size_t i = 0; i < Number(directory, 2); ++i) {
      const size_t entry = directory + 2 + i * kEntryBytes;
      if (Number(entry, 2) != tag) continue;
      const uint32_t type = Number(entry + 2, 2), count = Number(entry + 4, 4);
      if ((type != kShort && type != kLong) || (only && count != 1)) return 0;
      const int bytes = type == kShort ? 2 : 4;
      const bool inside = uint64_t{count} * bytes <= 4;
      return Number(inside ? entry + 8 : Number(entry + 8, 4), bytes);
    }
    return 0;
  }

  const absl::string_view bytes_;
};

int TiffOrientation(absl::string_view bytes) {
  constexpr uint32_t kOrientation = 0x112, kLast = 8;
  const uint32_t orientation = TiffDirectory(bytes).Only(kOrientation);
  return orientation >= 1 && orientation <= kLast ? static_cast<int>(orientation) : 1;
}

std::string ReadTiff(absl::string_view bytes, ImageHeader* header) {
  constexpr uint32_t kWidth = 256, kHeight = 257, kBits = 258, kFormat = 339, kFloat = 3;
  constexpr uint32_t kPhotometric = 262, kLogL = 32844, kLogLuv = 32845;
  const TiffDirectory tags(bytes);
  *header = {tags.Only(kWidth), tags.Only(kHeight), TiffOrientation(bytes),
             static_cast<int>(std::min<uint32_t>(tags.First(kBits), 64))};
  if (header->width == 0 || header->height == 0) return "a TIFF cut short";
  const uint32_t photometric = tags.Only(kPhotometric);
  if (tags.First(kFormat) == kFloat || photometric == kLogL || photometric == kLogLuv) {
    return "a TIFF of floating-point samples; store it with 8 or 16 bits a sample";
  }
  if (header->bits <= 16) return "";
  return absl::StrCat("a TIFF of ", header->bits, " bits a sample; store it with 8 or 16");
}

bool Begins(absl::string_view bytes, absl::string_view magic) {
  return absl::StartsWith(bytes, magic);
}

std::string ReadJpeg(absl::string_view head, absl::string_view tail, ImageHeader* header) {
  if (!absl::StrContains(tail, kJpegEnd)) return "a JPEG cut short";
  const absl::StatusOr<JpegHeader> found = ReadJpegHeader(head);
  if (!found.ok()) {
    return absl::StrCat("a JPEG whose header cannot be read: ", found.status().message());
  }
  *header = {found->width, found->height, TiffOrientation(found->exif)};
  return "";
}

// The content of the first chunk of a tag; "" where none lies in `bytes`.
absl::string_view PngChunk(absl::string_view bytes, absl::string_view tag) {
  constexpr size_t kAround = 12;  // length, tag and checksum
  for (size_t at = kPng.size(); at + kAround <= bytes.size();) {
    const size_t length = BigEndian(bytes, at, 4);
    if (bytes.substr(at + 4, 4) == tag) return bytes.substr(at + 8, length);
    at += kAround + length;
  }
  return "";
}

std::string ReadPng(absl::string_view head, absl::string_view tail, ImageHeader* header) {
  if (head.size() < 25 || !absl::StrContains(tail, "IEND")) return "a PNG cut short";
  *header = {BigEndian(head, 16, 4), BigEndian(head, 20, 4),
             TiffOrientation(PngChunk(head, "eXIf")), static_cast<uint8_t>(head[24])};
  return "";
}

// As PngChunk.
absl::string_view WebpChunk(absl::string_view bytes, absl::string_view tag) {
  for (size_t at = 12; at + 8 <= bytes.size();) {
    const size_t length = LittleEndian(bytes, at + 4, 4);
    if (bytes.substr(at, 4) == tag) return bytes.substr(at + 8, length);
    at += 8 + length + length % 2;
  }
  return "";
}

std::string ReadWebp(absl::string_view head, ImageHeader* header) {
  if (head.substr(12, 4) == "VP8X") {
    absl::string_view exif = WebpChunk(head, "EXIF");
    absl::ConsumePrefix(&exif, absl::string_view("Exif\0\0", 6));
    *header = {LittleEndian(head, 24, 3) + 1, LittleEndian(head, 27, 3) + 1, TiffOrientation(exif)};
  } else if (head.substr(12, 4) == "VP8L") {
    const uint32_t bits = LittleEndian(head, 21, 4);
    *header = {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
  } else if (head.substr(12, 4) == "VP8 ") {
    *header = {LittleEndian(head, 26, 2) & 0x3fff, LittleEndian(head, 28, 2) & 0x3fff};
  }
  return "";
}

// Where the codestream of a JPEG 2000 begins, alone or in the boxes of a .jp2; npos if not in
// `bytes`.
size_t CodestreamIn(absl::string_view bytes) {
  if (Begins(bytes, kCodestream)) return 0;
  for (size_t at = 0; at + 8 <= bytes.size();) {
    if (bytes.substr(at + 4, 4) == "jp2c") return at + 8;
    const size_t length = BigEndian(bytes, at, 4);
    if (length < 8) break;  // the last one, or longer than any image
    at += length;
  }
  return absl::string_view::npos;
}

std::string ReadJpeg2000(absl::string_view head, absl::string_view tail, ImageHeader* header) {
  const size_t at = CodestreamIn(head);
  constexpr size_t kNeeded = 43;  // up to the bits of the first component
  if (at > head.size() || head.size() - at < kNeeded || !Begins(head.substr(at), kCodestream)) {
    return "a JPEG 2000 without a frame header";
  }
  const auto number = [&](size_t place) { return int64_t{BigEndian(head, at + place, 4)}; };
  *header = {number(8) - number(16), number(12) - number(20), 1,
             (static_cast<uint8_t>(head[at + 42]) & 0x7f) + 1};
  return absl::StrContains(tail, kJpegEnd) ? "" : "a JPEG 2000 cut short";
}

// The numbers at the beginning of a PBM, PGM or PPM, with comments between them.
std::string ReadPnm(absl::string_view head, ImageHeader* header) {
  absl::string_view rest = head.substr(2);
  bool ended = true;  // every number by a blank: other decoders take what comes else for a number
  const auto next = [&] {
    while (!rest.empty() && (absl::ascii_isspace(rest[0]) || rest[0] == '#')) {
      rest.remove_prefix(rest[0] == '#' ? std::min(rest.size(), rest.find('\n')) : 1);
    }
    int64_t number = 0;
    for (; !rest.empty() && absl::ascii_isdigit(rest[0]); rest.remove_prefix(1)) {
      number = std::min<int64_t>(number * 10 + (rest[0] - '0'), int64_t{1} << 40);
    }
    ended &= !rest.empty() && absl::ascii_isspace(rest[0]);
    return number;
  };
  header->width = next();
  header->height = next();
  const bool black_and_white = head[1] == '1' || head[1] == '4';
  header->bits = black_and_white || next() <= 255 ? 8 : 16;
  return ended ? "" : "a PNM in whose header no blank follows a number";
}

bool IsWebp(absl::string_view bytes) {
  return Begins(bytes, "RIFF") && bytes.size() >= 30 && bytes.substr(8, 4) == "WEBP";
}

bool IsJpeg2000(absl::string_view bytes) {
  return Begins(bytes, kJp2) || Begins(bytes, kCodestream);
}

bool IsPnm(absl::string_view bytes) {
  return bytes.size() > 2 && bytes[0] == 'P' && bytes[1] >= '1' && bytes[1] <= '6' &&
         (absl::ascii_isspace(bytes[2]) || bytes[2] == '#');
}

bool IsBmp(absl::string_view bytes) { return Begins(bytes, "BM"); }

std::string ReadBmp(absl::string_view head, ImageHeader* header) {
  if (head.size() < 26) return "a BMP cut short";
  // Negative heights mean rows from top to bottom.
  *header = {static_cast<int32_t>(LittleEndian(head, 18, 4)),
             std::abs(int64_t{static_cast<int32_t>(LittleEndian(head, 22, 4))})};
  return "";
}

}  // namespace

bool IsJpeg(absl::string_view bytes) { return Begins(bytes, "\xff\xd8\xff"); }

bool IsPng(absl::string_view bytes) { return Begins(bytes, kPng); }

bool IsTiff(absl::string_view bytes) {
  return Begins(bytes, absl::string_view("II*\0", 4)) ||
         Begins(bytes, absl::string_view("MM\0*", 4));
}

bool IsLossy(absl::string_view bytes) {
  return IsJpeg(bytes) || IsJpeg2000(bytes) || IsWebp(bytes);
}

std::string NoImage(absl::string_view head) {
  const bool known = IsJpeg(head) || IsPng(head) || IsTiff(head) || IsBmp(head) || IsWebp(head) ||
                     IsJpeg2000(head) || IsPnm(head);
  if (known) return "";
  if (head.empty()) return "the file is empty";
  if (Begins(head, "GIF8")) return "a GIF, which is not read here; convert it to PNG";
  if (Begins(head, "version https://git-lfs")) return "a Git LFS pointer, not the image itself";
  const absl::string_view text = absl::StripLeadingAsciiWhitespace(head);
  if (Begins(text, "<")) return "a web page, not an image";
  const bool printable =
      std::all_of(head.begin(), head.begin() + std::min<size_t>(64, head.size()),
                  [](char c) { return absl::ascii_isprint(c) || absl::ascii_isspace(c); });
  return printable ? "text, not an image" : "not an image of a known format";
}

std::string PngDamage(absl::string_view bytes) {
  constexpr size_t kTag = 4, kAround = 12;  // length, tag and checksum
  for (size_t at = kPng.size(); at + kAround <= bytes.size();) {
    const size_t length = BigEndian(bytes, at, 4);
    const absl::string_view tag = bytes.substr(at + 4, kTag);
    if (length > bytes.size() - at - kAround) return "a chunk is longer than the file";
    const absl::string_view summed = bytes.substr(at + 4, kTag + length);
    const auto sum =
        crc32(0, reinterpret_cast<const Bytef*>(summed.data()), static_cast<uInt>(summed.size()));
    const bool needed = absl::ascii_isupper(tag[0]);
    if (needed && sum != BigEndian(bytes, at + 4 + kTag + length, 4)) {
      return absl::StrCat("the checksum of a chunk ", absl::CHexEscape(tag), " is wrong");
    }
    if (tag == "IEND") return "";
    at += kAround + length;
  }
  return "it has no end";
}

absl::string_view AfterHeaders(absl::string_view bytes) {
  if (!IsJpeg(bytes)) return bytes;
  const absl::StatusOr<JpegHeader> header = ReadJpegHeader(bytes);
  return header.ok() ? bytes.substr(header->scan) : bytes;
}

std::string ReadImageHeader(absl::string_view head, absl::string_view tail, ImageHeader* header) {
  *header = {};
  const std::string wrong = IsJpeg(head)       ? ReadJpeg(head, tail, header)
                            : IsPng(head)      ? ReadPng(head, tail, header)
                            : IsTiff(head)     ? ReadTiff(head, header)
                            : IsWebp(head)     ? ReadWebp(head, header)
                            : IsJpeg2000(head) ? ReadJpeg2000(head, tail, header)
                            : IsPnm(head)      ? ReadPnm(head, header)
                            : IsBmp(head)      ? ReadBmp(head, header)
                                               : NoImage(head);
  if (!wrong.empty()) return wrong;
  return header->width > 0 && header->height > 0 ? "" : "an image without pixels";
}

}  // namespace datasets
