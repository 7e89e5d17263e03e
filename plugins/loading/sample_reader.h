// The samples of a dataset, from memory, from a file of decoded ones, or from the dataset.
#ifndef PLUGINS_LOADING_SAMPLE_READER_H_
#define PLUGINS_LOADING_SAMPLE_READER_H_

#include <array>
#include <cstdint>
#include <memory>
#include <mutex>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "datasets/dataset.h"
#include "plugins/loading/image_cache.h"

namespace plugins {

class SampleReader {
 public:
  struct Options {
    int image_size = 0;
    int64_t memory_bytes = 0;  // of decoded samples that are kept
    std::string options;       // what else a sample depends on: the dataset's options
  };
  // A file of decoded samples; without a path there is none.
  struct File {
    std::string path;
    int64_t bytes = 0;
    bool writes = false;
  };
  // An error for the option cache_file where the file cannot be used.
  static absl::StatusOr<std::unique_ptr<SampleReader>> Open(const datasets::Dataset* dataset,
                                                            Options options, const File& file);

  // The dataset must outlive the reader; `file` may be nullptr.
  SampleReader(const datasets::Dataset* dataset, Options options, std::unique_ptr<ImageCache> file);

  // A sample of image_size x image_size. Called by many threads at a time. An exception (OpenCV's,
  // or that there is no more memory) becomes an error that names the sample. ABORTED where its file
  // is not the one any more that was there when the reader was made: a run must not go on with
  // other data.
  absl::StatusOr<std::shared_ptr<const datasets::Sample>> Read(pipeline::Phase phase,
                                                               int64_t index);
  // The same from the dataset itself.
  absl::StatusOr<datasets::Sample> ReadAnew(pipeline::Phase phase, int64_t index) const;

  // Lines about the cache file that the user should see, since the last call.
  std::vector<std::string> TakeNotes();

 private:
  absl::StatusOr<std::shared_ptr<const datasets::Sample>> ReadThroughMemory(pipeline::Phase phase,
                                                                            int64_t index);
  absl::StatusOr<datasets::Sample> ReadThroughFile(pipeline::Phase phase, int64_t index) const;
  // Of the sample's files as they are now; 0 where they tell nothing.
  uint64_t StampOf(pipeline::Phase phase, int64_t index) const;
  // Whether a sample from the file is what the dataset's could be: the file might be forged.
  bool HasKnownClasses(const datasets::Sample& sample) const;

  const datasets::Dataset& dataset_;
  const Options options_;
  const std::unique_ptr<ImageCache> file_;
  std::array<std::vector<uint64_t>, pipeline::kPhases> stamps_;  // when the reader was made
  std::mutex mutex_;                                             // of the next ones
  std::array<std::vector<std::shared_ptr<const datasets::Sample>>, pipeline::kPhases> memory_;
  int64_t memory_bytes_ = 0;
};

}  // namespace plugins

#endif  // PLUGINS_LOADING_SAMPLE_READER_H_
