// What was found out about files, kept between runs: a start costs what changed, not what is there.
//
// Facts go by a key, the hash (XXH3, 128 bits) of what they are and of what they depend on: for a
// file its path, size, inode and times of change, in nanoseconds. So a file that changed has no
// facts. One that changed so shortly before it was read that it may have changed again since within
// the same tick of its file system's clock gets none either.
//
// The file of facts begins with a mark and a checksum of the rest; records follow. It is written
// aside and renamed, so that other processes read the old or the new one. A process that writes
// takes over what others added since it read the file; where two write in the same moment, the
// facts of one are lost and found out again. What is damaged is left out as a whole and written
// anew. A file of facts has at most 512 MiB: facts that were not used for longest go first, and
// those that a run did not use never take more room than those it did, or 16 MiB.
#ifndef DATASETS_SPLIT_FILE_FACTS_H_
#define DATASETS_SPLIT_FILE_FACTS_H_

#include <atomic>
#include <cstdint>
#include <memory>
#include <mutex>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/status.h"
#include "absl/strings/string_view.h"

namespace datasets {

class FileFacts {
 public:
  struct Key {
    uint64_t low = 0, high = 0;
    bool operator==(const Key& other) const { return low == other.low && high == other.high; }
    template <class H>
    friend H AbslHashValue(H h, const Key& key) {
      return H::combine(std::move(h), key.low);
    }
  };
  // A file at one moment.
  struct Moment {
    Key key;
    bool settled = false;  // it had not changed shortly before
  };

  // Facts that are in the file at `path`, and goes there if `writes`. "" keeps facts while this
  // lives.
  FileFacts(std::string path, bool writes);
  FileFacts(const FileFacts&) = delete;

  // Nothing of the file system goes into this key.
  static Key KeyOf(absl::string_view what);
  // Of a fact about a file; nothing where there is no such file. A link goes by what it leads to.
  std::optional<Moment> MomentOf(absl::string_view what, const std::string& path) const;

  // The next ones may be called by many threads at a time.

  std::optional<std::string> Find(const Key& key) const;
  // At most kMaxFact bytes are kept.
  void Add(const Key& key, std::string fact);
  // Keeps what was read of a file since `before`, unless it changed meanwhile.
  void AddOf(const Moment& before, absl::string_view what, const std::string& path,
             std::string fact);

  // Writes what was added since the last time; calls at short intervals write only now and then.
  void SaveNowAndThen();
  void Save();
  // Lines about what went wrong since the last call; it did no harm but to speed.
  std::vector<std::string> TakeNotes();

  static constexpr size_t kMaxFact = 1 << 16;

 private:
  // A fact that was read from the file.
  struct Known {
    absl::string_view fact;  // in Loaded::text
    uint32_t day = 0;        // when it was last used, since 1970
    uint32_t number = 0;     // in used_
  };
  using KnownFacts = absl::flat_hash_map<Key, Known>;
  struct Loaded {
    std::string text, stamp;  // the file's content, and which one it was
    KnownFacts known;
  };

  static absl::Status Load(const std::string& path, Loaded* loaded);
  std::string Text(const KnownFacts& of_others) const;

  const std::string path_;
  const bool writes_;
  const std::string working_folder_;
  Loaded loaded_;
  std::unique_ptr<std::atomic<bool>[]> used_;

  mutable std::mutex mutex_;  // of the next ones
  absl::flat_hash_map<Key, std::string> added_;
  bool unsaved_ = false;
  double next_save_;
  std::vector<std::string> notes_;
};

// The facts about files below a folder. `where` is a file, or a folder (with '/' at its end) of
// such files, one for each `root`; "" keeps none. Of that folder, files that were not used for half
// a year are removed, and the oldest ones while there are more than 2 GiB.
std::shared_ptr<FileFacts> FactsAbout(const std::string& root, const std::string& where,
                                      bool writes);

// Whether a file that changed at one time may change again by another without its time showing
// that; in nanoseconds. Clocks of file systems tick every 10 ms or less, but where a time has no
// fraction every 2 s.
bool MayChangeUnseen(int64_t changed, int64_t now);

}  // namespace datasets

#endif  // DATASETS_SPLIT_FILE_FACTS_H_
