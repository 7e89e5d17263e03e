// One pass over the files, then all pairs of what was kept of them.
#include "datasets/split/duplicates.h"

#include <algorithm>
#include <map>
#include <numeric>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/string_view.h"
#include "datasets/images/image_file.h"
#include "datasets/images/image_header.h"
#include "datasets/split/sets.h"
#include "datasets/split/split_file.h"
#include "pipeline/all_cores.h"

namespace datasets {
namespace {

using Groups = std::vector<std::vector<size_t>>;

constexpr int kThumbnail = 64;
constexpr int kHashed = 32;
constexpr int kFrequencies = 8;
// Gray levels. Below, noise and rounding would decide the hash and the correlation.
constexpr double kMinDeviation = 2;

constexpr int kBright = 64;  // of 255: as many as 14 bits of 16 cannot reach

// What is kept of an image.
struct Look {
  int deep = -1;  // the brightest sample of 16 bits; -1 where there are but 8
  uint64_t hash = 0;
  cv::Mat thumbnail;  // 8 bits
  double mean = 0, deviation = 0;
};

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

Look LookAt(const cv::Mat& gray) {
  Look look;
  cv::resize(gray, look.thumbnail, {kThumbnail, kThumbnail}, 0, 0, cv::INTER_AREA);
  cv::Scalar mean, deviation;
  cv::meanStdDev(look.thumbnail, mean, deviation);
  look.mean = mean[0];
  look.deviation = deviation[0];
  look.hash = PerceptualHash(look.thumbnail);
  return look;
}

bool Correlate(const Look& a, const Look& b) {
  const double product = a.thumbnail.dot(b.thumbnail) / (kThumbnail * kThumbnail);
  return product - a.mean * b.mean >= kNearCorrelation * a.deviation * b.deviation;
}

// The different contents among the files, in order of their first file.
struct Contents {
  Groups files;
  std::vector<Look> looks;
};

// What one file shows.
struct Seen {
  std::string content;
  absl::StatusOr<Look> look;
};

// Decodes at full size: reduced decoding of JPEG saves a third of the time at best, and copies of
// different sizes would then differ by up to 8 bits.
Seen See(const std::string& path, int64_t max_pixels) try {
  const auto bytes = ReadImageBytes(path, max_pixels);
  if (!bytes.ok()) return {ContentHash(path), bytes.status()};
  const absl::StatusOr<cv::Mat> gray = DecodeImage(*bytes, Channels::kGray);
  if (!gray.ok()) {
    return {HashOf(*bytes),
            absl::InvalidArgumentError(absl::StrCat(path, ": damaged: ", gray.status().message()))};
  }
  Look look = LookAt(*gray);
  if (IsDeep(*bytes)) look.deep = BrightestDeep(*bytes, *gray);
  return {HashOf(*bytes), std::move(look)};
} catch (const std::exception& error) {
  return {"unreadable", WhenDecoded(path, error)};
}

std::vector<Seen> LookAtAll(const std::vector<std::string>& paths, int64_t max_pixels) {
  std::vector<Seen> seen(paths.size());
  pipeline::OnAllCores(paths.size(), [&](size_t i) { seen[i] = See(paths[i], max_pixels); });
  return seen;
}

Contents Distinct(std::vector<Seen> seen) {
  Contents contents;
  std::map<std::string, size_t> known;
  for (size_t i = 0; i < seen.size(); ++i) {
    if (!seen[i].look.ok()) continue;
    const auto [found, is_new] = known.emplace(seen[i].content, contents.files.size());
    if (!is_new) {
      contents.files[found->second].push_back(i);
      continue;
    }
    contents.files.push_back({i});
    contents.looks.push_back(*std::move(seen[i].look));
  }
  return contents;
}

Sets JoinNear(const std::vector<Look>& looks) {
  Sets sets(looks.size());
  // Side by side, as there are many pairs and few of them are near.
  std::vector<uint64_t> hashes;
  std::vector<size_t> seen;
  for (size_t i = 0; i < looks.size(); ++i) {
    if (looks[i].deviation < kMinDeviation) continue;
    for (size_t k = 0; k < hashes.size(); ++k) {
      if (__builtin_popcountll(hashes[k] ^ looks[i].hash) > kNearDistance) continue;
      if (Correlate(looks[i], looks[seen[k]])) sets.Join(i, seen[k]);
    }
    hashes.push_back(looks[i].hash);
    seen.push_back(i);
  }
  return sets;
}

Groups NearGroups(const Contents& contents) {
  Sets sets = JoinNear(contents.looks);
  std::map<size_t, Groups> joined;
  for (size_t i = 0; i < contents.files.size(); ++i) {
    joined[sets.Root(i)].push_back(contents.files[i]);
  }
  Groups groups;
  for (const auto& [root, parts] : joined) {
    if (parts.size() < 2) continue;
    std::vector<size_t>& group = groups.emplace_back();
    for (const auto& part : parts) group.insert(group.end(), part.begin(), part.end());
    std::sort(group.begin(), group.end());
  }
  return groups;
}

bool IsAcrossSplits(const std::vector<size_t>& group, const std::vector<FileRef>& files) {
  const auto tests = std::count_if(group.begin(), group.end(),
                                   [&files](size_t i) { return files[i].phase == pipeline::TEST; });
  return tests > 0 && static_cast<size_t>(tests) < group.size();
}

bool HasConflict(const std::vector<size_t>& group, const std::vector<FileRef>& files) {
  return std::any_of(group.begin(), group.end(), [&files, &group](size_t i) {
    return files[i].label != files[group[0]].label;
  });
}

std::string DescribeGroup(absl::string_view kind, const std::vector<size_t>& group,
                          const std::vector<FileRef>& files) {
  std::string line(kind);
  if (IsAcrossSplits(group, files)) absl::StrAppend(&line, ", across splits");
  if (HasConflict(group, files)) absl::StrAppend(&line, ", different labels");
  absl::string_view before = ": ";
  for (const size_t i : group) {
    const FileRef& file = files[i];
    absl::StrAppend(&line, before, file.path, " (", pipeline::Phase_Name(file.phase), ", label ",
                    file.label, ")");
    before = ", ";
  }
  return line;
}

}  // namespace

Copies FindCopies(const std::vector<std::string>& paths, int64_t max_pixels) {
  std::vector<Seen> seen = LookAtAll(paths, max_pixels);
  Copies copies;
  for (const Seen& one : seen) {
    copies.contents.push_back(one.content);
    copies.broken.emplace_back(one.look.status().message());
    if (!one.look.ok() || one.look->deep < 0) continue;
    ++copies.deep;
    copies.brightest_of_deep = std::max(copies.brightest_of_deep, one.look->deep);
  }
  const Contents contents = Distinct(std::move(seen));
  for (const std::vector<size_t>& same : contents.files) {
    if (same.size() > 1) copies.identical.push_back(same);
  }
  copies.near = NearGroups(contents);
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

DuplicateReport CountCopies(const Copies& copies, const std::vector<FileRef>& files) {
  DuplicateReport report;
  for (const std::vector<size_t>& group : copies.identical) {
    report.identical_across_splits += IsAcrossSplits(group, files);
    report.conflicting_labels += HasConflict(group, files);
  }
  for (const std::vector<size_t>& group : copies.near) {
    report.near_across_splits += IsAcrossSplits(group, files);
    report.near_conflicting_labels += HasConflict(group, files);
  }
  return report;
}

std::vector<std::string> Describe(const Copies& copies, const std::vector<FileRef>& files) {
  std::vector<std::string> lines;
  for (const auto& group : copies.identical) {
    lines.push_back(DescribeGroup("identical", group, files));
  }
  for (const auto& group : copies.near) {
    lines.push_back(DescribeGroup("near-identical", group, files));
  }
  return lines;
}

}  // namespace datasets
