// A run on disk: made when training starts, opened again without the training data.
#ifndef PIPELINE_RUNS_RUN_H_
#define PIPELINE_RUNS_RUN_H_

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/config/config.h"
#include "pipeline/data.h"
#include "pipeline/graph/graph.h"
#include "pipeline/stage.h"

namespace pipeline {

class Run {
 public:
  // Makes `out`, or runs/<config>/<timestamp> below the current folder where `out` is empty, and
  // writes what is known before training: config.pbtxt (resolved), run.json (classes, task, counts,
  // size of the images), split.csv where the data are files. The folder is this process's alone,
  // however many start at once; one that already holds a run is refused.
  static absl::StatusOr<Run> Create(const std::string& out, const LoadedConfig& config,
                                    const Graph& graph);

  // The run in `folder`, its config changed by `sets`. Errors name the file that is missing or
  // wrong.
  static absl::StatusOr<Run> Open(const std::string& folder,
                                  const std::vector<std::string>& sets = {});

  // Makes config.pbtxt say what the run now goes on with.
  absl::Status ReplaceConfig(const LoadedConfig& config);

  const std::string& path() const { return path_; }
  std::string File(const std::string& name) const { return path_ + "/" + name; }
  std::string WeightsFile() const { return File("weights.safetensors"); }

  const LoadedConfig& config() const { return config_; }
  // Of the data that it was trained on: dataset, task, channels, classes, counts.
  const DataInfo& data() const { return data_; }
  // What its source gives: uint8 images [N, C, H, W], and labels.
  const Specs& inputs() const { return inputs_; }

  // The graph with the run's weights, for images that the caller gives: built with `context`, whose
  // data become the run's. No file that the config names is touched.
  absl::StatusOr<std::unique_ptr<Graph>> MakeGraph(BuildContext* context) const;

 private:
  Run() = default;

  std::string path_;
  LoadedConfig config_;
  DataInfo data_;
  Specs inputs_;
};

// Writes a folder's config.pbtxt, unless it says so already; `text` is a resolved config.
absl::Status WriteConfig(const std::string& folder, const std::string& text);

// The source of such a graph: one batch after another, given by the caller.
class GivenImages : public Source {
 public:
  GivenImages(DataInfo data, Specs outputs)
      : data_(std::move(data)), outputs_(std::move(outputs)) {}

  // The batch of the next step: uint8 images [N, C, H, W] and int64 labels, [N] or [N, H, W]; where
  // `labels` is undefined, all are ignored ones.
  void Give(const at::Tensor& images, const at::Tensor& labels = {});

  Ports ports() const override { return {{}, {"images", "labels"}}; }
  absl::StatusOr<Specs> Build(const Specs& in, BuildContext* context) override;
  absl::Status Run(const Step& step, const Tensors& in, Tensors* out) override;
  const DataInfo& data() const override { return data_; }
  int64_t StepsIn(Phase) const override { return 0; }
  absl::Status Begin(const Step&) override { return absl::OkStatus(); }
  std::vector<int64_t> Samples(int64_t) override { return {}; }
  std::string SampleName(Phase, int64_t) const override { return "a given image"; }
  std::vector<std::string> BrokenFiles(bool) override { return {}; }

 private:
  const DataInfo data_;
  const Specs outputs_;
  std::string device_;
  at::Tensor images_, labels_;
};

}  // namespace pipeline

#endif  // PIPELINE_RUNS_RUN_H_
