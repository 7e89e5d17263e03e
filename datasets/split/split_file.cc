// CSV of splits, distrusted when read.
#include "datasets/split/split_file.h"

#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <cstring>
#include <filesystem>
#include <mutex>
#include <optional>
#include <set>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "absl/strings/string_view.h"
#include "absl/strings/strip.h"
#include "datasets/split/names.h"
#include "pipeline/all_cores.h"
#include "pipeline/content_hash.h"
#include "pipeline/csv.h"
#include "pipeline/files.h"
#include "pipeline/pipeline.pb.h"
#include "pipeline/registry.h"
#include "pipeline/utf8.h"

namespace datasets {
namespace {

constexpr char kBegin[] = "# lossfusion split 1:";
constexpr char kWhatItIs[] =
    " the split of each file, its path below the dataset's folder, its content";
constexpr char kColumns[] = "split,path,xxh3_128";
constexpr size_t kMaxBytes = size_t{1} << 28;                 // about a million files
constexpr absl::string_view kByteOrderMark = "\xEF\xBB\xBF";  // some programs begin UTF-8 with it

absl::Status Refuse(const std::string& path, int64_t line, absl::string_view why) {
  return absl::InvalidArgumentError(absl::StrCat(path, ":", line, ": ", why));
}

// The bytes that ValidUtf8 may have shown so.
std::string BytesOf(absl::string_view text) {
  std::string bytes;
  while (!text.empty()) {
    const bool shown = text.size() >= 4 && absl::StartsWith(text, "\\x") &&
                       absl::ascii_isxdigit(text[2]) && absl::ascii_isxdigit(text[3]);
    bytes += shown ? absl::HexStringToBytes(text.substr(2, 2)) : std::string(text.substr(0, 1));
    text.remove_prefix(shown ? 4 : 1);
  }
  return bytes;
}

// The paths of files whose content is another.
std::vector<std::string> Changed(const std::vector<SplitEntry>& entries, FileFacts* facts,
                                 const Comparing& progress) {
  std::vector<char> differs(entries.size());
  std::mutex mutex;
  int64_t done = 0;
  pipeline::OnAllCores(entries.size(), [&](size_t i) {
    differs[i] = ContentHash(entries[i].path, facts) != entries[i].content ? 1 : 0;
    const std::lock_guard<std::mutex> lock(mutex);
    ++done;
    if (progress) progress(done, static_cast<int64_t>(entries.size()));
    facts->SaveNowAndThen();
  });
  std::vector<std::string> changed;
  for (size_t i = 0; i < entries.size(); ++i) {
    if (differs[i] != 0) changed.push_back(entries[i].path);
  }
  return changed;
}

bool Exists(const std::string& path) {
  std::error_code ignored;
  return std::filesystem::exists(path, ignored);
}

}  // namespace

absl::Status SplitFileError(const absl::Status& status) {
  return pipeline::OptionError("split_file", absl::StrCat("split_file: ", status.message()));
}

std::string ContentHash(const std::string& path, FileFacts* facts) {
  constexpr char kFact[] = "content 1";
  const auto before = facts->MomentOf(kFact, path);
  if (!before.has_value()) return pipeline::ContentHash(path);
  const std::optional<std::string> known = facts->Find(before->key);
  if (known.has_value()) return *known;
  std::string content = pipeline::ContentHash(path);
  if (content != pipeline::kUnreadable) facts->AddOf(*before, kFact, path, content);
  return content;
}

absl::StatusOr<std::vector<SplitEntry>> ReadSplitFile(const std::string& path) {
  const absl::StatusOr<std::string> file = pipeline::ReadFile(path, kMaxBytes);
  if (!file.ok()) return file.status();
  const absl::string_view text = absl::StripPrefix(*file, kByteOrderMark);
  if (!absl::StartsWith(text, kBegin)) {
    return Refuse(path, 1, absl::StrCat("not a split file; one begins with \"", kBegin, "\""));
  }
  const size_t first = std::min(text.size() - 1, text.find('\n'));
  pipeline::CsvReader csv(text.substr(first + 1), 2);
  std::vector<std::string> cells;
  if (!csv.Next(&cells) || absl::StrJoin(cells, ",") != kColumns) {
    return Refuse(path, 2, absl::StrCat("the columns must be ", kColumns));
  }
  std::vector<SplitEntry> entries;
  absl::flat_hash_set<std::string> seen;
  while (!csv.AtEnd()) {
    const int64_t line = csv.line();
    if (!csv.Next(&cells) || cells.size() != 3) {
      return Refuse(path, line, "not a line of three columns");
    }
    pipeline::Phase phase;
    if (!pipeline::Phase_Parse(cells[0], &phase) || phase < pipeline::TRAIN) {
      return Refuse(path, line, absl::StrCat("\"", cells[0], "\" is not TRAIN, VAL or TEST"));
    }
    if (!seen.insert(cells[1]).second) {
      return Refuse(path, line, absl::StrCat("lists ", cells[1], " again"));
    }
    entries.push_back({phase, cells[1], cells[2]});
  }
  return entries;
}

std::string SplitText(const std::vector<SplitEntry>& entries) {
  std::string text = absl::StrCat(kBegin, kWhatItIs, "\n", kColumns, "\n");
  for (const SplitEntry& entry : entries) {
    absl::StrAppend(&text, pipeline::Phase_Name(entry.phase), ",",
                    pipeline::CsvCell(pipeline::ValidUtf8(entry.path)), ",", entry.content, "\n");
  }
  return text;
}

absl::Status CheckWritable(const std::string& path) {
  const std::string parent = std::filesystem::path(path).parent_path().string();
  if (access(parent.empty() ? "." : parent.c_str(), W_OK) == 0) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat("cannot write ", path, ": ", std::strerror(errno)));
}

absl::StatusOr<Phases> PhasesByFile(const std::string& split_file, const std::string& root,
                                    const std::vector<std::string>& paths,
                                    const std::set<std::string>& masks, FileFacts* facts,
                                    const Comparing& progress) {
  const absl::StatusOr<std::vector<SplitEntry>> entries = ReadSplitFile(split_file);
  if (!entries.ok()) return entries.status();
  // By what the file says of them.
  absl::flat_hash_map<std::string, size_t> places;
  for (size_t i = 0; i < paths.size(); ++i) places.emplace(pipeline::ValidUtf8(paths[i]), i);
  absl::flat_hash_map<std::string, std::string> known_masks;
  for (const std::string& mask : masks) known_masks.emplace(pipeline::ValidUtf8(mask), mask);
  Phases phases(paths.size(), kUnsplit);
  std::vector<std::string> missing;
  std::vector<SplitEntry> listed;
  for (const SplitEntry& entry : *entries) {
    const auto found = places.find(entry.path);
    const auto mask = known_masks.find(entry.path);
    if (found == places.end() && mask == known_masks.end()) {
      const bool there = Exists(absl::StrCat(root, "/", entry.path)) ||
                         Exists(absl::StrCat(root, "/", BytesOf(entry.path)));
      if (!there) missing.push_back(entry.path);
      continue;
    }
    if (found != places.end()) phases[found->second] = entry.phase;
    const std::string& below = found != places.end() ? paths[found->second] : mask->second;
    if (entry.content == kUnread) continue;
    listed.push_back({entry.phase, absl::StrCat(root, "/", below), entry.content});
  }
  if (!missing.empty()) {
    return absl::InvalidArgumentError(
        absl::StrCat(split_file, " lists what is not in ", root, ": ", FirstNames(missing)));
  }
  const std::vector<std::string> changed = Changed(listed, facts, progress);
  if (!changed.empty()) {
    return absl::InvalidArgumentError(absl::StrCat("the content has changed since ", split_file,
                                                   " was written: ", FirstNames(changed)));
  }
  return phases;
}

}  // namespace datasets
