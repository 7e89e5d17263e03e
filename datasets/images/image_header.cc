// Formats are told by their content; their headers are read only as far as their extents.
#include "datasets/images/image_header.h"

#include <zlib.h>

#include <algorithm>
#include <cstdlib>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace datasets {
namespace {

constexpr absl::string_view kPng = "\x89PNG\r\n\x1a\n";

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

// The value of a tag in the first directory of a TIFF; 0 where there is none, or not one integer of
// 16 or 32 bits. Of equal tags the first counts, as for libtiff.
uint32_t TiffValue(absl::string_view bytes, uint32_t tag) {
  const auto number = [&](size_t at, int count) -> uint32_t {
    if (at + count > bytes.size()) return 0;
    return bytes[0] == 'I' ? LittleEndian(bytes, at, count) : BigEndian(bytes, at, count);
  };
  constexpr uint32_t kShort = 3, kLong = 4;
  constexpr size_t kEntryBytes = 12;
  const size_t directory = number(4, 4);
  for (size_t i = 0; i < number(directory, 2); ++i) {
    const size_t entry = directory + 2 + i * kEntryBytes;
    if (number(entry, 2) != tag) continue;
    const uint32_t type = number(entry + 2, 2);
    if ((type != kShort && type != kLong) || number(entry + 4, 4) != 1) return 0;
    return number(entry + 8, type == kShort ? 2 : 4);
  }
  return 0;
}

int TiffOrientation(absl::string_view bytes) {
  constexpr uint32_t kOrientation = 0x112, kLast = 8;
  const uint32_t orientation = TiffValue(bytes, kOrientation);
  return orientation >= 1 && orientation <= kLast ? static_cast<int>(orientation) : 1;
}

// False where the first directory of a TIFF tells no extents.
bool ReadTiff(absl::string_view bytes, ImageHeader* header) {
  constexpr uint32_t kWidth = 256, kHeight = 257;
  *header = {TiffValue(bytes, kWidth), TiffValue(bytes, kHeight), TiffOrientation(bytes)};
  return header->width > 0 && header->height > 0;
}

bool Begins(absl::string_view bytes, absl::string_view magic) {
  return absl::StartsWith(bytes, magic);
}

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

// By the first EXIF segment.
int JpegOrientation(absl::string_view bytes) {
  constexpr uint8_t kApplication1 = 0xe1;
  constexpr absl::string_view kExif("Exif\0\0", 6);
  const size_t at = JpegSegment(bytes, [&](uint8_t marker, size_t at) {
    return marker == kApplication1 && bytes.substr(at + 4, kExif.size()) == kExif;
  });
  if (at == absl::string_view::npos) return 1;
  const absl::string_view segment = bytes.substr(at + 4, BigEndian(bytes, at + 2, 2));
  if (segment.size() <= kExif.size()) return 1;
  return TiffOrientation(segment.substr(kExif.size()));
}

// False where no frame header lies in `bytes`.
bool ReadJpeg(absl::string_view bytes, ImageHeader* header) {
  const size_t at = JpegSegment(bytes, [](uint8_t marker, size_t) {
    return marker >= 0xc0 && marker <= 0xcf && marker != 0xc4 && marker != 0xc8 && marker != 0xcc;
  });
  if (at == absl::string_view::npos) return false;
  *header = {BigEndian(bytes, at + 7, 2), BigEndian(bytes, at + 5, 2), JpegOrientation(bytes)};
  return true;
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

}  // namespace

bool IsJpeg(absl::string_view bytes) { return Begins(bytes, "\xff\xd8\xff"); }

bool IsPng(absl::string_view bytes) { return Begins(bytes, kPng); }

bool IsTiff(absl::string_view bytes) {
  return Begins(bytes, absl::string_view("II*\0", 4)) ||
         Begins(bytes, absl::string_view("MM\0*", 4));
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
  constexpr uint8_t kScan = 0xda;
  const size_t scan = JpegSegment(bytes, [](uint8_t marker, size_t) { return marker == kScan; });
  return bytes.substr(std::min(bytes.size(), scan));
}

std::string ReadImageHeader(absl::string_view head, absl::string_view tail, ImageHeader* header) {
  *header = {};
  if (IsJpeg(head)) {
    if (!ReadJpeg(head, header)) return "a JPEG without a frame header";
    if (!absl::StrContains(tail, "\xff\xd9")) return "a JPEG cut short";
  } else if (IsPng(head)) {
    if (head.size() < 24) return "a PNG cut short";
    *header = {BigEndian(head, 16, 4), BigEndian(head, 20, 4)};
    if (!absl::StrContains(tail, "IEND")) return "a PNG cut short";
  } else if (Begins(head, "BM")) {
    if (head.size() < 26) return "a BMP cut short";
    // Negative heights mean rows from top to bottom.
    *header = {static_cast<int32_t>(LittleEndian(head, 18, 4)),
               std::abs(int64_t{static_cast<int32_t>(LittleEndian(head, 22, 4))})};
  } else if (Begins(head, "RIFF") && head.size() >= 30 && head.substr(8, 4) == "WEBP") {
    if (head.substr(12, 4) == "VP8X") {
      *header = {LittleEndian(head, 24, 3) + 1, LittleEndian(head, 27, 3) + 1};
    } else if (head.substr(12, 4) == "VP8L") {
      const uint32_t bits = LittleEndian(head, 21, 4);
      *header = {(bits & 0x3fff) + 1, (bits >> 14 & 0x3fff) + 1};
    } else if (head.substr(12, 4) == "VP8 ") {
      *header = {LittleEndian(head, 26, 2) & 0x3fff, LittleEndian(head, 28, 2) & 0x3fff};
    }
  } else if (IsTiff(head)) {
    if (!ReadTiff(head, header)) return "a TIFF cut short";
  } else if (Begins(head, "GIF8")) {
    return "a GIF, which is not read here; convert it to PNG";
  } else {
    return Guess(head);
  }
  return header->width > 0 && header->height > 0 ? "" : "an image without pixels";
}

}  // namespace datasets
