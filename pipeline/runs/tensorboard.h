// What a run shows in TensorBoard: the columns of metrics.csv as curves, and a few images.
#ifndef PIPELINE_RUNS_TENSORBOARD_H_
#define PIPELINE_RUNS_TENSORBOARD_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/files.h"
#include "pipeline/stage.h"

namespace pipeline {

namespace tensorboard {
class Event;
}

// The checksum of event files: CRC-32C, rotated and offset as their format asks.
uint32_t MaskedCrc32c(const std::string& bytes);

// Event files in <folder>/train, /val and /test: TensorBoard draws a tag's curves over the three in
// one chart. A file is made when its phase first has something to say. Events are appended, each
// with one write: a run that is cut off loses at most the last one.
class TensorBoard {
 public:
  explicit TensorBoard(std::string folder) : folder_(std::move(folder)) {}
  TensorBoard(const TensorBoard&) = delete;

  // Columns such as "loss.total" become tags such as "loss/total"; NaN is left out. `step` counts
  // TRAIN steps since the start of the run.
  absl::Status AddScalars(Phase phase, int64_t step,
                          const std::vector<std::pair<std::string, double>>& values);

  // The first few of `images` [N, C, H, W] side by side, gray or RGB; where C is neither 1 nor 3,
  // the first channel. uint8 as it is, other types stretched from their least to their greatest
  // value. Tensors of other ranks are left out.
  absl::Status AddImages(Phase phase, int64_t step, const std::string& tag,
                         const at::Tensor& images);

  // The first few of `masks`, int64 [N, H, W], side by side in colors: class 0 black, each of the
  // next seven one of its own (which then repeat), kIgnoredLabel gray.
  absl::Status AddMasks(Phase phase, int64_t step, const std::string& tag, const at::Tensor& masks);

  // How long the files are, once they are on the disk. Load cuts them back to that and removes
  // those that were made since: what was drawn after the state was saved is drawn once.
  absl::Status Save(State* state) const;
  absl::Status Load(const State& state);

 private:
  std::string FolderOf(Phase phase) const;
  absl::Status GoOn(Phase phase, const std::string& name, double size);
  absl::Status Append(Phase phase, const tensorboard::Event& event);
  absl::Status Open(Phase phase);

  const std::string folder_;
  struct File {
    File(const std::string& folder, std::string name_in_it)
        : name(std::move(name_in_it)), file(folder + "/" + name) {}
    const std::string name;
    GrowingFile file;
  };
  std::array<std::unique_ptr<File>, kPhases> files_;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_TENSORBOARD_H_
