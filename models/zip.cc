// Zip as PKWARE's APPNOTE.TXT has it: 4.3.7 local headers, 4.3.12 the directory, 4.3.14 to 16 its
// end.
#include "models/zip.h"

#include <algorithm>
#include <cstring>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"

namespace models {
namespace {

constexpr uint64_t kEnd = 22, kLocator64 = 20, kEnd64 = 56, kLocal = 30, kEntry = 46;
constexpr uint64_t kMostComment = 65535, kMostDirectory = uint64_t{1} << 26;
constexpr uint32_t kElsewhere = 0xffffffff;  // a number of zip64

// Little endian; the caller knows that it is there.
template <class T>
T At(absl::string_view bytes, uint64_t offset) {
  T number;
  std::memcpy(&number, bytes.data() + offset, sizeof(T));
  return number;
}

absl::Status Error(const std::string& why) { return absl::InvalidArgumentError(why); }

class Archive {
 public:
  Archive(std::istream& file, uint64_t size) : file_(file), size_(size) {}

  // "" where the file has less.
  std::string Read(uint64_t offset, uint64_t count) {
    if (offset > size_ || count > size_ - offset) return "";
    std::string bytes(count, '\0');
    file_.clear();
    file_.seekg(static_cast<std::streamoff>(offset));
    return file_.read(bytes.data(), static_cast<std::streamsize>(count)) ? bytes : "";
  }

  absl::StatusOr<std::string> Directory() {
    const uint64_t reach = std::min(size_, kEnd + kMostComment);
    const std::string tail = Read(size_ - reach, reach);
    const size_t end = tail.rfind("PK\x05\x06");
    if (end == std::string::npos || tail.size() - end < kEnd) {
      return Error("a zip archive that is cut off: it has no directory");
    }
    uint64_t count = At<uint32_t>(tail, end + 12), offset = At<uint32_t>(tail, end + 16);
    if (offset == kElsewhere || count == kElsewhere || At<uint16_t>(tail, end + 10) == 0xffff) {
      if (end < kLocator64 || !absl::StartsWith(tail.substr(end - kLocator64), "PK\x06\x07")) {
        return Error("a zip archive that is damaged: it has no zip64 directory");
      }
      const std::string wide = Read(At<uint64_t>(tail, end - kLocator64 + 8), kEnd64);
      if (!absl::StartsWith(wide, "PK\x06\x06")) {
        return Error("a zip archive that is damaged: it has no zip64 directory");
      }
      count = At<uint64_t>(wide, 40);
      offset = At<uint64_t>(wide, 48);
    }
    if (count > kMostDirectory) return Error("a zip archive whose directory is over 64 MB");
    std::string directory = Read(offset, count);
    if (directory.size() != count) return Error("a zip archive whose directory lies outside of it");
    return directory;
  }

  // Where the member's bytes begin, its own header being at `offset`.
  absl::StatusOr<ZipMember> Member(uint64_t offset, uint64_t count) {
    const std::string header = Read(offset, kLocal);
    if (!absl::StartsWith(header, "PK\x03\x04")) return Error("has no header where it should");
    const uint64_t begin = offset + kLocal + At<uint16_t>(header, 26) + At<uint16_t>(header, 28);
    if (begin > size_ || count > size_ - begin) return Error("lies outside of the file");
    return ZipMember{begin, count};
  }

 private:
  std::istream& file_;
  const uint64_t size_;
};

// An entry of the directory: sizes and offset, those of zip64 out of its extra field.
struct Numbers {
  uint64_t whole, packed, offset;
};

bool ReadNumbers(absl::string_view entry, absl::string_view extra, Numbers* numbers) {
  *numbers = {At<uint32_t>(entry, 24), At<uint32_t>(entry, 20), At<uint32_t>(entry, 42)};
  std::string wide;
  while (extra.size() >= 4) {
    const uint16_t id = At<uint16_t>(extra, 0), count = At<uint16_t>(extra, 2);
    if (count > extra.size() - 4) break;
    if (id == 1) wide = std::string(extra.substr(4, count));
    extra.remove_prefix(4 + size_t{count});
  }
  size_t used = 0;
  for (uint64_t* number : {&numbers->whole, &numbers->packed, &numbers->offset}) {
    if (*number != kElsewhere) continue;
    if (wide.size() - used < sizeof(uint64_t)) return false;
    *number = At<uint64_t>(wide, used);
    used += sizeof(uint64_t);
  }
  return true;
}

}  // namespace

absl::StatusOr<std::map<std::string, ZipMember>> ReadZip(std::istream& file, uint64_t size) {
  Archive archive(file, size);
  const absl::StatusOr<std::string> directory = archive.Directory();
  if (!directory.ok()) return directory.status();
  std::map<std::string, ZipMember> members;
  absl::string_view rest = *directory;
  while (!rest.empty()) {
    if (rest.size() < kEntry || !absl::StartsWith(rest, "PK\x01\x02")) {
      return Error("a zip archive whose directory is damaged");
    }
    const uint64_t name_size = At<uint16_t>(rest, 28), extra_size = At<uint16_t>(rest, 30);
    const uint64_t whole = kEntry + name_size + extra_size + At<uint16_t>(rest, 32);
    if (whole > rest.size()) return Error("a zip archive whose directory is damaged");
    const std::string name(rest.substr(kEntry, name_size));
    const auto refuse = [&](absl::string_view why) {
      return Error(
          absl::StrCat("a zip archive whose member \"", absl::Utf8SafeCEscape(name), "\" ", why));
    };
    Numbers numbers;
    if (!ReadNumbers(rest, rest.substr(kEntry + name_size, extra_size), &numbers)) {
      return refuse("has no size");
    }
    if ((At<uint16_t>(rest, 8) & 1) != 0) return refuse("is encrypted");
    if (At<uint16_t>(rest, 10) != 0 || numbers.packed != numbers.whole) {
      return refuse("is compressed, as torch.save leaves none");
    }
    const absl::StatusOr<ZipMember> member = archive.Member(numbers.offset, numbers.whole);
    if (!member.ok()) return refuse(member.status().message());
    if (!members.emplace(name, *member).second) return refuse("is there twice");
    rest.remove_prefix(whole);
  }
  return members;
}

}  // namespace models
