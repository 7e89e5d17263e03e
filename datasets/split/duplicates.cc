// One pass over the files that are not known, then groups of what was kept of them.
#include "datasets/split/duplicates.h"

#include <algorithm>
#include <mutex>
#include <numeric>
#include <optional>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/split/looks.h"
#include "datasets/split/near_copies.h"
#include "datasets/split/split_file.h"
#include "pipeline/all_cores.h"

namespace datasets {
namespace {

using Groups = std::vector<std::vector<size_t>>;

// One pass over the files, and their thumbnails by need.
class Looking {
 public:
  Looking(const std::vector<std::string>& paths, int64_t max_pixels, const LookingOptions& options)
      : paths_(paths),
        max_pixels_(max_pixels),
        fact_(LookFactName(max_pixels)),
        options_(options),
        contents_(paths.size()),
        broken_(paths.size()),
        looks_(paths.size()) {}

  void LookAtAll() {
    std::vector<char> known(paths_.size());
    pipeline::OnAllCores(paths_.size(), [&](size_t i) { known[i] = Recall(i) ? 1 : 0; });
    std::vector<size_t> unknown;
    for (size_t i = 0; i < known.size(); ++i) {
      if (known[i] == 0) unknown.push_back(i);
    }
    int64_t done = 0;
    pipeline::OnAllCores(unknown.size(), [&](size_t k) {
      LookAnew(unknown[k]);
      const std::lock_guard<std::mutex> lock(mutex_);
      ++done;
      if (options_.progress) options_.progress(done, static_cast<int64_t>(unknown.size()));
      if (options_.facts != nullptr) options_.facts->SaveNowAndThen();
    });
  }

  // Whether the thumbnails of two files that were looked at correlate.
  bool AreNear(size_t i, size_t j) {
    const auto [first, second] = std::minmax(contents_[i], contents_[j]);
    const auto key = FileFacts::KeyOf(absl::StrCat("correlate, ", fact_, "\n", first, second));
    const auto known = options_.facts == nullptr ? std::nullopt : options_.facts->Find(key);
    if (known.has_value()) return *known == "1";
    const std::optional<Thumbnail> a = ThumbnailOf(i), b = ThumbnailOf(j);
    if (!a.has_value() || !b.has_value()) return false;
    const bool near = Correlate(*a, *b);
    if (options_.facts != nullptr) options_.facts->Add(key, near ? "1" : "0");
    return near;
  }

  std::vector<std::string>& contents() { return contents_; }
  std::vector<std::string>& broken() { return broken_; }
  const std::vector<Look>& looks() const { return looks_; }

 private:
  bool Recall(size_t i) {
    if (options_.facts == nullptr) return false;
    const auto moment = options_.facts->MomentOf(fact_, paths_[i]);
    if (!moment.has_value()) return false;
    const std::optional<std::string> text = options_.facts->Find(moment->key);
    std::optional<Seen> seen = text.has_value() ? SeenFrom(*text, paths_[i]) : std::nullopt;
    if (!seen.has_value()) return false;
    Take(i, &*seen);
    return true;
  }

  void LookAnew(size_t i) {
    std::optional<FileFacts::Moment> before;
    if (options_.facts != nullptr) before = options_.facts->MomentOf(fact_, paths_[i]);
    Seen seen = See(paths_[i], max_pixels_);
    const std::string text = before.has_value() ? TextOf(seen, paths_[i]) : "";
    if (!text.empty()) options_.facts->AddOf(*before, fact_, paths_[i], text);
    Take(i, &seen);
    if (seen.look.ok()) Keep(i, std::move(seen.thumbnail));
  }

  void Take(size_t i, Seen* seen) {
    contents_[i] = std::move(seen->content);
    broken_[i] = std::string(seen->look.status().message());
    if (seen->look.ok()) looks_[i] = *seen->look;
  }

  void Keep(size_t i, Thumbnail thumbnail) {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (thumbnails_.size() < options_.max_thumbnails) thumbnails_.emplace(i, std::move(thumbnail));
  }

  // Nothing where the file is not any more what it was.
  std::optional<Thumbnail> ThumbnailOf(size_t i) {
    {
      const std::lock_guard<std::mutex> lock(mutex_);
      const auto kept = thumbnails_.find(i);
      if (kept != thumbnails_.end()) return kept->second;
    }
    Seen seen = See(paths_[i], max_pixels_);
    if (!seen.look.ok() || seen.content != contents_[i]) return std::nullopt;
    Keep(i, seen.thumbnail);
    return std::move(seen.thumbnail);
  }

  const std::vector<std::string>& paths_;
  const int64_t max_pixels_;
  const std::string fact_;
  const LookingOptions& options_;
  // Of each file.
  std::vector<std::string> contents_, broken_;
  std::vector<Look> looks_;

  std::mutex mutex_;
  absl::flat_hash_map<size_t, Thumbnail> thumbnails_;
};

// The different contents among the files that are not broken, in order of their first file.
Groups Distinct(const std::vector<std::string>& contents, const std::vector<std::string>& broken) {
  Groups files;
  absl::flat_hash_map<absl::string_view, size_t> known;
  known.reserve(contents.size());
  for (size_t i = 0; i < contents.size(); ++i) {
    if (!broken[i].empty()) continue;
    const auto [found, is_new] = known.emplace(contents[i], files.size());
    if (is_new) files.emplace_back();
    files[found->second].push_back(i);
  }
  return files;
}

Groups NearGroups(const Groups& distinct, Looking* looking) {
  std::vector<Look> looks;
  for (const std::vector<size_t>& files : distinct) looks.push_back(looking->looks()[files[0]]);
  const std::vector<size_t> roots = ConnectNear(
      looks, [&](size_t i, size_t j) { return looking->AreNear(distinct[i][0], distinct[j][0]); });
  // A root is the first of its group.
  absl::flat_hash_map<size_t, size_t> places;
  Groups groups;
  for (size_t i = 0; i < roots.size(); ++i) {
    if (roots[i] == i) continue;
    const auto [place, is_new] = places.emplace(roots[i], groups.size());
    if (is_new) groups.push_back(distinct[roots[i]]);
    std::vector<size_t>& group = groups[place->second];
    group.insert(group.end(), distinct[i].begin(), distinct[i].end());
  }
  for (std::vector<size_t>& group : groups) std::sort(group.begin(), group.end());
  std::sort(groups.begin(), groups.end());
  return groups;
}

}  // namespace

Copies FindCopies(const std::vector<std::string>& paths, int64_t max_pixels,
                  const LookingOptions& options) {
  Looking looking(paths, max_pixels, options);
  looking.LookAtAll();
  Copies copies;
  for (size_t i = 0; i < paths.size(); ++i) {
    const int deep = looking.looks()[i].deep;
    if (!looking.broken()[i].empty() || deep < 0) continue;
    ++copies.deep;
    copies.brightest_of_deep = std::max(copies.brightest_of_deep, deep);
  }
  const Groups distinct = Distinct(looking.contents(), looking.broken());
  for (const std::vector<size_t>& same : distinct) {
    if (same.size() > 1) copies.identical.push_back(same);
  }
  copies.near = NearGroups(distinct, &looking);
  copies.contents = std::move(looking.contents());
  copies.broken = std::move(looking.broken());
  if (options.facts != nullptr) options.facts->Save();
  return copies;
}

Copies NotLookedAt(size_t count) {
  Copies copies;
  copies.contents.assign(count, kUnread);
  copies.broken.resize(count);
  return copies;
}

std::vector<size_t> CopyGroups(const Copies& copies, size_t count) {
  std::vector<size_t> groups(count);
  std::iota(groups.begin(), groups.end(), size_t{0});
  // Near groups last: they hold identical ones whole.
  for (const Groups* kind : {&copies.identical, &copies.near}) {
    for (const std::vector<size_t>& group : *kind) {
      for (const size_t i : group) groups[i] = group[0];
    }
  }
  return groups;
}

std::vector<pipeline::CopyGroup> GroupsOf(const Copies& copies, const std::vector<FileRef>& files) {
  std::vector<pipeline::CopyGroup> groups;
  for (const bool identical : {true, false}) {
    for (const std::vector<size_t>& group : identical ? copies.identical : copies.near) {
      groups.push_back({identical, {}});
      for (const size_t i : group) groups.back().files.push_back(files[i]);
    }
  }
  return groups;
}

DuplicateReport CountCopies(const std::vector<pipeline::CopyGroup>& groups) {
  DuplicateReport report;
  for (const pipeline::CopyGroup& group : groups) {
    (group.identical ? report.identical_across_splits : report.near_across_splits) +=
        group.IsAcrossSplits();
    (group.identical ? report.conflicting_labels : report.near_conflicting_labels) +=
        group.HasConflict();
  }
  return report;
}

}  // namespace datasets
