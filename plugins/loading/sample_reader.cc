// Caches in front of a dataset.
#include "plugins/loading/sample_reader.h"

#include <xxhash.h>

#include <algorithm>
#include <exception>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "pipeline/all_cores.h"

namespace plugins {
namespace {

// Changes whenever the pixels of a decoded file do, so that older caches are not believed.
constexpr int kDecoding = 3;

}  // namespace

absl::StatusOr<std::unique_ptr<SampleReader>> SampleReader::Open(const datasets::Dataset* dataset,
                                                                 Options options,
                                                                 const File& file) {
  std::unique_ptr<ImageCache> cache;
  if (!file.path.empty()) {
    auto opened = ImageCache::Open(file.path, file.bytes, file.writes);
    if (!opened.ok()) {
      return pipeline::OptionError("cache_file", std::string(opened.status().message()));
    }
    cache = *std::move(opened);
  }
  return std::make_unique<SampleReader>(dataset, std::move(options), std::move(cache));
}

SampleReader::SampleReader(const datasets::Dataset* dataset, Options options,
                           std::unique_ptr<ImageCache> file)
    : dataset_(*dataset), options_(std::move(options)), file_(std::move(file)) {
  for (const pipeline::Phase phase : {pipeline::TRAIN, pipeline::VAL, pipeline::TEST}) {
    const auto count = static_cast<size_t>(dataset_.info().images[PhaseIndex(phase)]);
    memory_[PhaseIndex(phase)].resize(count);
    std::vector<uint64_t>& stamps = stamps_[PhaseIndex(phase)];
    stamps.resize(count);
    pipeline::OnAllCores(count,
                         [&](size_t i) { stamps[i] = StampOf(phase, static_cast<int64_t>(i)); });
  }
}

uint64_t SampleReader::StampOf(pipeline::Phase phase, int64_t index) const {
  const std::string identity = dataset_.Identity(phase, index);
  return identity.empty() ? 0 : XXH3_64bits(identity.data(), identity.size());
}

absl::StatusOr<std::shared_ptr<const datasets::Sample>> SampleReader::Read(pipeline::Phase phase,
                                                                           int64_t index) try {
  return ReadThroughMemory(phase, index);
} catch (const std::exception& error) {
  return absl::InternalError(absl::StrCat(dataset_.Name(phase, index), ": ", error.what()));
}

absl::StatusOr<datasets::Sample> SampleReader::ReadAnew(pipeline::Phase phase, int64_t index) const
    try {
  return dataset_.Read(phase, index, options_.image_size);
} catch (const std::exception& error) {
  return absl::InternalError(absl::StrCat(dataset_.Name(phase, index), ": ", error.what()));
}

absl::StatusOr<std::shared_ptr<const datasets::Sample>> SampleReader::ReadThroughMemory(
    pipeline::Phase phase, int64_t index) {
  std::shared_ptr<const datasets::Sample>& kept = memory_[PhaseIndex(phase)][index];
  {
    const std::lock_guard<std::mutex> lock(mutex_);
    if (kept != nullptr) return kept;
  }
  absl::StatusOr<datasets::Sample> fresh = ReadThroughFile(phase, index);
  const uint64_t stamp = stamps_[PhaseIndex(phase)][index];
  if (stamp != 0 && stamp != StampOf(phase, index)) {
    return absl::AbortedError(
        absl::StrCat(dataset_.Name(phase, index), ": gone or changed since the run began"));
  }
  if (!fresh.ok()) return fresh.status();
  auto sample = std::make_shared<const datasets::Sample>(*std::move(fresh));
  const auto bytes =
      static_cast<int64_t>(sample->image.total() * sample->image.elemSize() + sample->mask.total());
  const std::lock_guard<std::mutex> lock(mutex_);
  if (kept == nullptr && memory_bytes_ + bytes <= options_.memory_bytes) {
    memory_bytes_ += bytes;
    kept = sample;
  }
  return sample;
}

absl::StatusOr<datasets::Sample> SampleReader::ReadThroughFile(pipeline::Phase phase,
                                                               int64_t index) const {
  const std::string identity = file_ == nullptr ? "" : dataset_.Identity(phase, index);
  if (identity.empty()) return dataset_.Read(phase, index, options_.image_size);
  const ImageCache::Key key = ImageCache::KeyOf(
      absl::StrCat(kDecoding, "\n", options_.image_size, "\n", identity, "\n", options_.options));
  const bool masks = dataset_.info().task == pipeline::Task::kSegmentation;
  const ImageCache::Shape shape = {options_.image_size, static_cast<int>(dataset_.info().channels),
                                   masks};
  std::optional<datasets::Sample> found = file_->Find(key, shape);
  if (found.has_value() && HasKnownClasses(*found)) return *std::move(found);
  absl::StatusOr<datasets::Sample> fresh = dataset_.Read(phase, index, options_.image_size);
  if (fresh.ok()) file_->Add(key, *fresh);
  return fresh;
}

bool SampleReader::HasKnownClasses(const datasets::Sample& sample) const {
  const auto classes = static_cast<int64_t>(dataset_.info().classes.size());
  if (sample.mask.empty()) return sample.label >= 0 && sample.label < classes;
  const uint8_t* const pixels = sample.mask.data;
  return std::all_of(pixels, pixels + sample.mask.total(), [classes](uint8_t value) {
    return value < classes || value == datasets::kIgnoredMask;
  });
}

std::vector<std::string> SampleReader::TakeNotes() {
  return file_ == nullptr ? std::vector<std::string>() : file_->TakeNotes();
}

}  // namespace plugins
