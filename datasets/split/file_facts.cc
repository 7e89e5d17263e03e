// A file of hashed keys and short texts, distrusted when read.
#include "datasets/split/file_facts.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <xxhash.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <ctime>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/clock.h"
#include "pipeline/files.h"

namespace datasets {
namespace {

namespace fs = std::filesystem;

constexpr absl::string_view kMark = "lossfusion file facts 1\n";
constexpr size_t kMaxFileBytes = size_t{512} << 20;
constexpr size_t kUnusedBytes = size_t{16} << 20;  // that are kept whatever was used
constexpr double kSaveSeconds = 30;
constexpr int64_t kSecond = 1'000'000'000;  // nanoseconds
constexpr int64_t kTick = 100'000'000, kCoarseTick = 2 * kSecond;
constexpr int64_t kDay = 24 * 60 * 60;
constexpr int64_t kMaxAge = 180 * kDay;
constexpr int64_t kMaxFolderBytes = int64_t{2} << 30;
constexpr absl::string_view kExtension = ".facts";

struct RecordHead {
  uint64_t low, high;  // the key
  uint32_t day, size;
};

int64_t Nanoseconds(const timespec& time) {
  return int64_t{time.tv_sec} * kSecond + int64_t{time.tv_nsec};
}

int64_t NowInNanoseconds() {
  timespec now = {};
  clock_gettime(CLOCK_REALTIME, &now);
  return Nanoseconds(now);
}

uint32_t Today() { return static_cast<uint32_t>(std::time(nullptr) / kDay); }

FileFacts::Key KeyFrom(const XXH128_hash_t& hash) { return {hash.low64, hash.high64}; }

// Which file lies at a path; "" for none.
std::string StampOf(const std::string& path) {
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return "";
  return absl::StrCat(info.st_ino, " ", info.st_size, " ", Nanoseconds(info.st_mtim));
}

template <class T>
void AppendBytes(const T& value, std::string* text) {
  text->append(reinterpret_cast<const char*>(&value), sizeof(value));
}

size_t BytesOf(absl::string_view fact) { return sizeof(RecordHead) + fact.size(); }

void AppendRecord(const FileFacts::Key& key, uint32_t day, absl::string_view fact,
                  std::string* text) {
  if (text->size() + BytesOf(fact) > kMaxFileBytes) return;
  AppendBytes(RecordHead{key.low, key.high, day, static_cast<uint32_t>(fact.size())}, text);
  absl::StrAppend(text, fact);
}

std::string WorkingFolder() {
  std::error_code ignored;
  return fs::current_path(ignored).string();
}

// Removes what nobody uses from a folder of such files.
void Tidy(const std::string& folder) {
  struct Entry {
    int64_t age, bytes;
    std::string path;
  };
  std::vector<Entry> entries;
  std::error_code error;
  for (fs::directory_iterator at(folder, error), end; !error && at != end; at.increment(error)) {
    struct stat info = {};
    const std::string path = at->path().string();
    if (stat(path.c_str(), &info) != 0 || !S_ISREG(info.st_mode)) continue;
    const int64_t age = std::time(nullptr) - info.st_mtim.tv_sec;
    const bool torn = absl::StrContains(path, absl::StrCat(kExtension, ".tmp")) && age > kDay;
    if (torn) std::remove(path.c_str());
    if (absl::EndsWith(path, kExtension)) entries.push_back({age, info.st_size, path});
  }
  std::sort(entries.begin(), entries.end(),
            [](const Entry& a, const Entry& b) { return a.age < b.age; });
  int64_t bytes = 0;
  for (const Entry& entry : entries) {
    bytes += entry.bytes;
    if (entry.age > kMaxAge || bytes > kMaxFolderBytes) std::remove(entry.path.c_str());
  }
}

}  // namespace

bool MayChangeUnseen(int64_t changed, int64_t now) {
  return now - changed < (changed % kSecond == 0 ? kCoarseTick : kTick);
}

FileFacts::FileFacts(std::string path, bool writes)
    : path_(std::move(path)),
      writes_(writes && !path_.empty()),
      working_folder_(WorkingFolder()),
      next_save_(pipeline::Now() + kSaveSeconds) {
  if (path_.empty()) return;
  const absl::Status status = Load(path_, &loaded_);
  if (!status.ok()) {
    loaded_ = {};
    notes_.push_back(absl::StrCat(path_, ": ", status.message(),
                                  ": what was known of files is found out again"));
  }
  used_ = std::make_unique<std::atomic<bool>[]>(loaded_.known.size());
  struct stat info = {};
  // That it is used keeps it from being tidied away.
  if (writes_ && stat(path_.c_str(), &info) == 0 && std::time(nullptr) - info.st_mtime > kDay) {
    utimensat(AT_FDCWD, path_.c_str(), nullptr, 0);
  }
}

absl::Status FileFacts::Load(const std::string& path, Loaded* loaded) {
  loaded->stamp = StampOf(path);
  if (loaded->stamp.empty()) return absl::OkStatus();
  absl::StatusOr<std::string> text = pipeline::ReadFile(path, kMaxFileBytes + kMark.size() + 8);
  if (!text.ok()) return absl::UnknownError("it cannot be read");
  loaded->text = *std::move(text);
  absl::string_view rest = loaded->text;
  uint64_t checksum = 0;
  if (rest.size() < kMark.size() + sizeof(checksum) || !absl::StartsWith(rest, kMark)) {
    return absl::InvalidArgumentError("not a file of facts, or a damaged one");
  }
  rest.remove_prefix(kMark.size());
  std::memcpy(&checksum, rest.data(), sizeof(checksum));
  rest.remove_prefix(sizeof(checksum));
  if (XXH3_64bits(rest.data(), rest.size()) != checksum) {
    return absl::InvalidArgumentError("damaged");
  }
  while (!rest.empty()) {
    RecordHead head;
    if (rest.size() < sizeof(head)) return absl::InvalidArgumentError("damaged");
    std::memcpy(&head, rest.data(), sizeof(head));
    rest.remove_prefix(sizeof(head));
    if (head.size > std::min(kMaxFact, rest.size())) return absl::InvalidArgumentError("damaged");
    const auto number = static_cast<uint32_t>(loaded->known.size());
    loaded->known.emplace(Key{head.low, head.high},
                          Known{rest.substr(0, head.size), head.day, number});
    rest.remove_prefix(head.size);
  }
  return absl::OkStatus();
}

FileFacts::Key FileFacts::KeyOf(absl::string_view what) {
  return KeyFrom(XXH3_128bits(what.data(), what.size()));
}

std::optional<FileFacts::Moment> FileFacts::MomentOf(absl::string_view what,
                                                     const std::string& path) const {
  const int64_t now = NowInNanoseconds();
  struct stat info = {};
  if (stat(path.c_str(), &info) != 0) return std::nullopt;
  const int64_t changed = Nanoseconds(info.st_ctim);
  std::string text(what);
  text += '\0';
  if (!absl::StartsWith(path, "/")) absl::StrAppend(&text, working_folder_, "/");
  text += path;
  text += '\0';
  for (const int64_t number : {int64_t{info.st_size}, Nanoseconds(info.st_mtim), changed,
                               static_cast<int64_t>(info.st_ino)}) {
    AppendBytes(number, &text);
  }
  return Moment{KeyOf(text), !MayChangeUnseen(changed, now)};
}

std::optional<std::string> FileFacts::Find(const Key& key) const {
  const auto known = loaded_.known.find(key);
  if (known != loaded_.known.end()) {
    used_[known->second.number].store(true, std::memory_order_relaxed);
    return std::string(known->second.fact);
  }
  const std::lock_guard<std::mutex> lock(mutex_);
  const auto added = added_.find(key);
  if (added == added_.end()) return std::nullopt;
  return added->second;
}

void FileFacts::Add(const Key& key, std::string fact) {
  if (fact.size() > kMaxFact) return;
  const std::lock_guard<std::mutex> lock(mutex_);
  unsaved_ = true;
  added_[key] = std::move(fact);
}

void FileFacts::AddOf(const Moment& before, absl::string_view what, const std::string& path,
                      std::string fact) {
  if (!before.settled) return;
  const std::optional<Moment> now = MomentOf(what, path);
  if (now.has_value() && now->key == before.key) Add(before.key, std::move(fact));
}

std::string FileFacts::Text(const KnownFacts& of_others) const {
  std::string text(kMark.size() + sizeof(uint64_t), '\0');
  for (const auto& [key, fact] : added_) AppendRecord(key, Today(), fact, &text);
  std::vector<std::pair<Key, const Known*>> unused;
  for (const auto& [key, known] : loaded_.known) {
    if (added_.contains(key)) continue;
    if (used_[known.number]) {
      AppendRecord(key, Today(), known.fact, &text);
    } else {
      unused.emplace_back(key, &known);
    }
  }
  for (const auto& [key, known] : of_others) {
    if (!added_.contains(key) && !loaded_.known.contains(key)) unused.emplace_back(key, &known);
  }
  std::stable_sort(unused.begin(), unused.end(),
                   [](const auto& a, const auto& b) { return a.second->day > b.second->day; });
  size_t room = std::max(kUnusedBytes, text.size());
  for (const auto& [key, known] : unused) {
    if (BytesOf(known->fact) > room) break;
    room -= BytesOf(known->fact);
    AppendRecord(key, known->day, known->fact, &text);
  }
  const size_t begin = kMark.size() + sizeof(uint64_t);
  const uint64_t checksum = XXH3_64bits(text.data() + begin, text.size() - begin);
  std::memcpy(text.data(), kMark.data(), kMark.size());
  std::memcpy(text.data() + kMark.size(), &checksum, sizeof(checksum));
  return text;
}

void FileFacts::SaveNowAndThen() {
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (pipeline::Now() < next_save_) return;
  }
  Save();
}

void FileFacts::Save() {
  const std::lock_guard<std::mutex> lock(mutex_);
  if (!writes_ || !unsaved_) return;
  unsaved_ = false;
  const double begun = pipeline::Now();
  Loaded others;
  // What is damaged is replaced.
  if (StampOf(path_) != loaded_.stamp && !Load(path_, &others).ok()) others = {};
  const std::string folder = fs::path(path_).parent_path().string();
  absl::Status status = folder.empty() ? absl::OkStatus() : pipeline::MakeFolders(folder);
  if (status.ok()) status = pipeline::WriteFileAtomically(path_, Text(others.known));
  if (!status.ok()) {
    const std::string note = absl::StrCat(
        status.message(), ": what was found out about files is found out again at the next start");
    if (std::find(notes_.begin(), notes_.end(), note) == notes_.end()) notes_.push_back(note);
  }
  // Writing takes at most a twentieth of the time.
  next_save_ = pipeline::Now() + std::max(kSaveSeconds, 20 * (pipeline::Now() - begun));
}

std::vector<std::string> FileFacts::TakeNotes() {
  const std::lock_guard<std::mutex> lock(mutex_);
  return std::exchange(notes_, {});
}

std::shared_ptr<FileFacts> FactsAbout(const std::string& root, const std::string& where,
                                      bool writes) {
  if (!absl::EndsWith(where, "/")) return std::make_shared<FileFacts>(where, writes);
  std::error_code error;
  const std::string folder = fs::canonical(root, error).string();
  if (error) return std::make_shared<FileFacts>("", writes);
  if (writes) Tidy(where);
  const auto key = FileFacts::KeyOf(folder);
  return std::make_shared<FileFacts>(
      absl::StrCat(where, absl::Hex(key.high, absl::kZeroPad16), kExtension), writes);
}

}  // namespace datasets
