// The samples of one step, as rows of tensors.
#ifndef PLUGINS_LOADING_BATCH_H_
#define PLUGINS_LOADING_BATCH_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "datasets/dataset.h"

namespace plugins {

class Batch {
 public:
  struct Shape {
    int64_t channels = 3;
    int64_t side = 0;     // height and width
    bool masks = false;   // labels are of pixels
    bool pinned = false;  // memory that a GPU can copy from while others work
    bool bytes = false;   // masks stay bytes, as datasets give them
  };

  void AddSample(int64_t sample) { samples_.push_back(sample); }
  // One that comes again in its pass; all of the batch are added so, or none.
  void AddSample(int64_t sample, int64_t repeat) {
    samples_.push_back(sample);
    repeats_.push_back(repeat);
  }
  // Makes the tensors, with a row for each sample. That of pipeline::kNobody is a blank image whose
  // labels are ignored.
  void Allocate(const Shape& shape);

  // Sets a row; different ones on different threads at a time. Colors become their gray where there
  // is one channel.
  void Put(int64_t row, const datasets::Sample& sample);
  // The row's sample cannot be read: "PATH: why".
  void PutBroken(int64_t row, const std::string& why) { broken_[row] = why; }

  // Sample and why, of those that cannot be read.
  std::vector<std::pair<int64_t, std::string>> Broken() const;
  // Takes these out: the batch then has a row less for each.
  void DropBroken();

  // As Step has them.
  const std::vector<int64_t>& samples() const { return samples_; }
  const std::vector<int64_t>& repeats() const { return repeats_; }
  int64_t size() const { return static_cast<int64_t>(samples_.size()); }
  // uint8 [N, C, side, side], rows of pixels as OpenCV has them in memory.
  const at::Tensor& images() const { return images_; }
  // int64 [N], or [N, side, side] for masks (uint8 with Shape::bytes).
  const at::Tensor& labels() const { return labels_; }

 private:
  std::vector<int64_t> samples_, repeats_;
  std::vector<std::string> broken_;  // by row; "" where there is nothing wrong
  at::Tensor images_, labels_;
};

// Whether batches of so many samples fit into memory: `ready` of them, and the one that a step
// takes as float images; else an error for the option batch_size.
absl::Status CheckMemory(int64_t samples, const Batch::Shape& shape, int64_t ready);

// Labels as they are, or those of masks of bytes.
at::Tensor Classes(const at::Tensor& labels);

}  // namespace plugins

#endif  // PLUGINS_LOADING_BATCH_H_
