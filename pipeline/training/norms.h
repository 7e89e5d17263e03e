// Exact statistics for batch normalisation.
#ifndef PIPELINE_TRAINING_NORMS_H_
#define PIPELINE_TRAINING_NORMS_H_

#include <cstdint>
#include <memory>
#include <vector>

namespace torch::nn {
class Module;
}

namespace pipeline {

// While it lives, the batch-norm layers that are in training mode when it is made gather the
// average of their batches' statistics, each batch weighed by its images, from scratch, instead of
// the moving average that training leaves: that one lags behind weights that still move fast, and
// can make a network that fits its batches useless in inference. (Wu and Johnson, "Rethinking
// 'Batch' in BatchNorm", 2021, call this precise batch norm.)
class NormCalibration {
 public:
  explicit NormCalibration(const std::vector<torch::nn::Module*>& modules);
  NormCalibration(const NormCalibration&) = delete;
  // Unless Keep was called, the layers have the statistics again that they came with.
  ~NormCalibration();

  // Called before each batch with the number of its images.
  void Expect(int64_t images);
  // The batch that was expected last left no trace.
  void Forget(int64_t images) { images_ -= images; }
  // The batches were run: what was gathered stays.
  void Keep() { kept_ = true; }
  // Whether there is any batch-norm layer.
  bool needed() const { return !layers_.empty(); }
  // Those of the modules that hold one.
  const std::vector<torch::nn::Module*>& modules() const { return modules_; }

 private:
  struct Layer;
  bool kept_ = false;
  int64_t images_ = 0;  // so far, those expected included
  std::vector<torch::nn::Module*> modules_;
  std::vector<std::unique_ptr<Layer>> layers_;
};

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_NORMS_H_
