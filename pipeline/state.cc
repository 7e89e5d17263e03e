// Tensors by name.
#include "pipeline/state.h"

#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"

namespace pipeline {

void State::Put(const std::string& name, const std::vector<double>& numbers) {
  const at::Tensor tensor = at::empty({static_cast<int64_t>(numbers.size())}, at::kDouble);
  std::copy(numbers.begin(), numbers.end(), tensor.data_ptr<double>());
  Put(name, tensor);
}

void State::PutText(const std::string& name, const std::string& text) {
  const at::Tensor bytes = at::empty({static_cast<int64_t>(text.size())}, at::kByte);
  std::copy(text.begin(), text.end(), static_cast<char*>(bytes.data_ptr()));
  Put(name, bytes);
}

void State::PutAll(const std::string& prefix, const State& part) {
  for (const auto& [name, tensor] : part.tensors()) Put(prefix + name, tensor);
}

absl::StatusOr<at::Tensor> State::Find(const std::string& name) const {
  const auto found = tensors_.find(name);
  if (found != tensors_.end()) return found->second;
  return absl::NotFoundError(absl::StrCat("no ", name));
}

absl::StatusOr<std::vector<double>> State::Numbers(const std::string& name) const {
  const absl::StatusOr<at::Tensor> found = Find(name);
  if (!found.ok()) return found.status();
  if (found->scalar_type() != at::kDouble || found->dim() != 1) {
    return absl::DataLossError(absl::StrCat(name, " does not hold numbers"));
  }
  const at::Tensor numbers = found->contiguous();
  const double* from = numbers.data_ptr<double>();
  return std::vector<double>(from, from + numbers.numel());
}

absl::StatusOr<std::vector<double>> State::Numbers(const std::string& name, size_t count) const {
  absl::StatusOr<std::vector<double>> numbers = Numbers(name);
  if (absl::IsNotFound(numbers.status())) return numbers;
  if (numbers.ok() && numbers->size() == count) return numbers;
  return absl::DataLossError(absl::StrCat(name, " does not hold ", count, " numbers"));
}

absl::StatusOr<std::string> State::Text(const std::string& name) const {
  const absl::StatusOr<at::Tensor> found = Find(name);
  if (!found.ok()) return found.status();
  if (found->scalar_type() != at::kByte || found->dim() != 1) {
    return absl::DataLossError(absl::StrCat(name, " does not hold text"));
  }
  const at::Tensor bytes = found->contiguous();
  return std::string(static_cast<const char*>(bytes.data_ptr()),
                     static_cast<size_t>(bytes.numel()));
}

State State::Part(const std::string& prefix) const {
  State part;
  for (auto at = tensors_.lower_bound(prefix);
       at != tensors_.end() && absl::StartsWith(at->first, prefix); ++at) {
    part.Put(at->first.substr(prefix.size()), at->second);
  }
  return part;
}

State State::Copy() const {
  const c10::NoGradGuard no_gradients;
  State copy;
  for (const auto& [name, tensor] : tensors_) copy.Put(name, tensor.clone());
  return copy;
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
