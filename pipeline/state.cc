// Tensors by name.
#include "pipeline/state.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "absl/strings/str_cat.h"

namespace pipeline {

void State::Put(const std::string& name, const std::vector<double>& numbers) {
  const at::Tensor tensor = at::empty({static_cast<int64_t>(numbers.size())}, at::kDouble);
  std::copy(numbers.begin(), numbers.end(), tensor.data_ptr<double>());
  Put(name, tensor);
}

absl::StatusOr<at::Tensor> State::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  return absl::NotFoundError(absl::StrCat("no ", name));
}

absl::StatusOr<std::vector<double>> State::Numbers(const std::string& name, size_t count) const {
  const absl::StatusOr<at::Tensor> found = Find(name);
  if (!found.ok()) return found.status();
  if (found->scalar_type() != at::kDouble || found->dim() != 1 ||
      found->numel() != static_cast<int64_t>(count)) {
    return absl::DataLossError(absl::StrCat(name, " does not hold ", count, " numbers"));
  }
  const at::Tensor numbers = found->contiguous();
  const double* from = numbers.data_ptr<double>();
  return std::vector<double>(from, from + count);
}

absl::Status State::CopyTo(const std::string& name, const at::Tensor& target) const {
  const absl::StatusOr<at::Tensor> found = Find(name);
  if (!found.ok()) return found.status();
  if (found->scalar_type() != target.scalar_type() || found->sizes() != target.sizes()) {
    return absl::DataLossError(absl::StrCat(name, " has another type or shape"));
  }
  const c10::NoGradGuard no_gradients;
  target.copy_(*found);
  return absl::OkStatus();
}

}  // namespace pipeline
