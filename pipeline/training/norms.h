// Exact statistics for batch normalisation.
#ifndef PIPELINE_TRAINING_NORMS_H_
#define PIPELINE_TRAINING_NORMS_H_

#include <memory>
#include <vector>

namespace torch::nn {
class Module;
}

namespace pipeline {

// While it lives, the batch-norm layers that are in training mode when it is made gather the plain
// average of their batches' statistics, from scratch, instead of the moving average that training
// leaves: that one lags behind weights that still move fast, and can make a network that fits its
// batches useless in inference. (Wu and Johnson, "Rethinking 'Batch' in BatchNorm", 2021, call this
// precise batch norm.)
class NormCalibration {
 public:
  explicit NormCalibration(const std::vector<torch::nn::Module*>& modules);
  NormCalibration(const NormCalibration&) = delete;
  // Unless Keep was called, the layers have the statistics again that they came with.
  ~NormCalibration();

  // The batches were run: what was gathered stays.
  void Keep() { kept_ = true; }
  // Whether there is any batch-norm layer.
  bool needed() const { return !layers_.empty(); }

 private:
  struct Layer;
  bool kept_ = false;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_NORMS_H_
