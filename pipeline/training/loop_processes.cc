// What a loop does where several processes train a run together.
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include "pipeline/clock.h"
#include "pipeline/training/loop.h"
#include "pipeline/training/signals.h"

namespace pipeline {

void Loop::Agree(Step* step) {
  const double begin = Now();
  const int64_t own = IsNobodys(step->samples) ? 0 : static_cast<int64_t>(step->samples.size());
  const int64_t asked = InterruptSignal() != 0 ? 1 : 0;
  const std::vector<at::Tensor> all = processes_->Gather(at::tensor({own, asked}, at::kLong));
  Processes::Share share;
  share.rows = own;
  interrupted_ = false;
  for (int rank = 0; rank < static_cast<int>(all.size()); ++rank) {
    const int64_t* numbers = all[rank].data_ptr<int64_t>();
    if (rank < processes_->rank()) share.first += numbers[0];
    share.all += numbers[0];
    interrupted_ = interrupted_ || numbers[1] != 0;
  }
  processes_->SetShare(share);
  // Nothing of the whole batch can be read.
  if (share.all == 0) step->samples.clear();
  graph_.profile().Add(step->phase, "step of others", begin);
}

int64_t Loop::Images(const Step& step) const {
  return processes_ == nullptr ? static_cast<int64_t>(step.samples.size())
                               : processes_->share().all;
}

void Loop::AwaitGradients(Phase phase) {
  const double begin = Now();
  gradients_->Finish();
  graph_.profile().Add(phase, "gradients of others", begin);
}

absl::Status Loop::ShareWeights() const {
  if (processes_ == nullptr) return absl::OkStatus();
  for (const auto& [name, tensor] : graph_.State()) processes_->Broadcast(tensor);
  return absl::OkStatus();
}

absl::Status Loop::ShareBuffers() const {
  if (processes_ == nullptr) return absl::OkStatus();
  for (const at::Tensor& buffer : graph_.Buffers()) processes_->Broadcast(buffer);
  return absl::OkStatus();
}

absl::StatusOr<State> Loop::LastKept() const {
  absl::StatusOr<State> kept = absl::NotFoundError("nothing is kept");
  for (Observer* observer : observers_) {
    if (!kept.ok()) kept = observer->LastKept();
  }
  if (processes_ == nullptr) return kept;
  const bool has = processes_->rank() == 0 && kept.ok();
  if (processes_->Sum(std::vector<double>{has ? 1.0 : 0.0})[0] == 0) return kept;
  State state = has ? *std::move(kept) : State();
  processes_->Broadcast(&state);
  return state;
}

}  // namespace pipeline
