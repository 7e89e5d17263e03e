// The processes that train one run together, as stages, losses and layers see them. How they talk
// is pipeline/parallel's; a run that trains alone has none.
#ifndef PIPELINE_PROCESSES_H_
#define PIPELINE_PROCESSES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <memory>
#include <string>
#include <vector>

#include "pipeline/state.h"

namespace pipeline {

// The sample of a process that has no row of a batch: it runs the step with one blank image whose
// labels are ignored, so that all processes call the same collectives.
constexpr int64_t kNobody = -1;
inline bool IsNobodys(const std::vector<int64_t>& samples) {
  return samples.size() == 1 && samples[0] == kNobody;
}

// Adds up gradients over the processes while backward still makes others.
class GradientSum {
 public:
  virtual ~GradientSum() = default;
  // Before backward. From then on the parameters' gradients are sent as they come.
  virtual void Begin() = 0;
  // After backward: each gradient is now the sum over the processes, equal to the bit on all.
  virtual void Finish() = 0;
};

// Collectives are calls that all processes make in the same order, with tensors of the same shape
// and type; they throw where a process is gone. None of them is part of autograd.
class Processes {
 public:
  // `local`: among those of the same host.
  Processes(int rank, int size, int local_rank, int local_size)
      : rank_(rank), size_(size), local_rank_(local_rank), local_size_(local_size) {}
  virtual ~Processes() = default;

  int rank() const { return alone_ ? 0 : rank_; }
  int size() const { return alone_ ? 1 : size_; }
  int local_rank() const { return local_rank_; }
  int local_size() const { return local_size_; }

  // Those of all processes, by rank.
  std::vector<at::Tensor> Gather(const at::Tensor& tensor) const;
  std::vector<std::string> Gather(const std::string& text) const;
  // Added up in order of ranks, so that the result is the same every time and everywhere.
  at::Tensor Sum(const at::Tensor& tensor) const;
  std::vector<double> Sum(const std::vector<double>& numbers) const;
  // Overwrites the tensor with that of rank 0.
  void Broadcast(const at::Tensor& tensor) const;
  // The state of rank 0; what the others give is lost.
  void Broadcast(State* state) const;

  virtual std::unique_ptr<GradientSum> SumGradients(std::vector<at::Tensor> parameters) const = 0;

  // The rows of the batch under way: this process has `rows` of the `all`, from `first` on. None
  // where the batch is nobody's row.
  struct Share {
    int64_t first = 0, rows = 0, all = 0;
  };
  const Share& share() const { return share_; }
  void SetShare(const Share& share) const { share_ = share; }

  // While it lives, collectives are of this process alone: for what one of them looks into.
  class Alone {
   public:
    explicit Alone(const Processes* processes) : processes_(processes) {
      if (processes_ != nullptr) processes_->alone_ = true;
    }
    Alone(const Alone&) = delete;
    ~Alone() {
      if (processes_ != nullptr) processes_->alone_ = false;
    }

   private:
    const Processes* const processes_;
  };

 protected:
  virtual std::vector<at::Tensor> GatherAll(const at::Tensor& tensor) const = 0;
  virtual void BroadcastToAll(const at::Tensor& tensor) const = 0;

 private:
  const int rank_, size_, local_rank_, local_size_;
  // Where the run is, not who trains it: stages hold the processes as constant.
  mutable Share share_;
  mutable bool alone_ = false;
};

}  // namespace pipeline

#endif  // PIPELINE_PROCESSES_H_
