// Image files as batches, which may be read while the ones before are worked on.
#ifndef PIPELINE_PREDICTION_READING_H_
#define PIPELINE_PREDICTION_READING_H_

#include <cstddef>
#include <functional>
#include <future>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/stage.h"

namespace pipeline {

class Reading {
 public:
  using Read = std::function<absl::StatusOr<OutsideImage>(const std::string& path)>;

  // Batches of `batch` of the files, in order, each read by all cores: `ahead`, as soon as the one
  // before is taken, else when it is asked for, which is faster where the work is done by the same
  // cores. `read` is called by many threads at a time, until the last batch was taken or this
  // object is gone.
  Reading(std::vector<std::string> files, size_t batch, bool ahead, Read read);
  ~Reading();

  struct Batch {
    std::vector<std::string> files;
    std::vector<absl::StatusOr<OutsideImage>> images;  // or why not
  };
  // Nothing at the end.
  std::optional<Batch> Next();

 private:
  void Begin();

  const std::vector<std::string> files_;
  const size_t batch_;
  const bool ahead_;
  const Read read_;
  size_t begun_ = 0;  // files
  std::future<Batch> next_;
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_READING_H_
