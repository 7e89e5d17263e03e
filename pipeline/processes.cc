// Collectives made of two: gathering and broadcasting tensors.
#include "pipeline/processes.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstring>

namespace pipeline {
namespace {

at::Tensor BytesOf(const std::string& text, int64_t size) {
  at::Tensor bytes = at::zeros({size}, at::kByte);
  std::memcpy(bytes.data_ptr<uint8_t>(), text.data(), text.size());
  return bytes;
}

std::string TextOf(const at::Tensor& bytes, int64_t size) {
  return {reinterpret_cast<const char*>(bytes.data_ptr<uint8_t>()), static_cast<size_t>(size)};
}

}  // namespace

std::vector<at::Tensor> Processes::Gather(const at::Tensor& tensor) const {
  const c10::NoGradGuard no_gradients;
  if (alone_) return {tensor};
  return GatherAll(tensor.detach().contiguous());
}

std::vector<std::string> Processes::Gather(const std::string& text) const {
  if (alone_) return {text};
  std::vector<int64_t> sizes;
  for (const at::Tensor& size :
       Gather(at::tensor({static_cast<int64_t>(text.size())}, at::kLong))) {
    sizes.push_back(size.item<int64_t>());
  }
  const int64_t longest = *std::max_element(sizes.begin(), sizes.end());
  std::vector<std::string> texts(sizes.size());
  if (longest == 0) return texts;
  const std::vector<at::Tensor> all = Gather(BytesOf(text, longest));
  for (size_t i = 0; i < all.size(); ++i) texts[i] = TextOf(all[i], sizes[i]);
  return texts;
}

at::Tensor Processes::Sum(const at::Tensor& tensor) const {
  const c10::NoGradGuard no_gradients;
  const std::vector<at::Tensor> all = Gather(tensor);
  at::Tensor sum = all[0].clone();
  for (size_t i = 1; i < all.size(); ++i) sum += all[i];
  return sum;
}

std::vector<double> Processes::Sum(const std::vector<double>& numbers) const {
  const at::Tensor sum = Sum(at::tensor(numbers, at::kDouble));
  return {sum.data_ptr<double>(), sum.data_ptr<double>() + sum.numel()};
}

void Processes::Broadcast(const at::Tensor& tensor) const {
  const c10::NoGradGuard no_gradients;
  if (alone_) return;
  if (tensor.numel() == 0) return;
  const bool dense = tensor.is_non_overlapping_and_dense();
  const at::Tensor plain = dense ? tensor.detach() : tensor.detach().contiguous();
  // Its memory in the order in which it lies, as bytes: Gloo does not know all types.
  BroadcastToAll(plain.as_strided({plain.numel()}, {1}).view(at::kByte));
  if (!dense) tensor.detach().copy_(plain);
}

void Processes::Broadcast(State* state) const {
  // Names, types and shapes first.
  std::string names;
  std::vector<int64_t> numbers;
  for (const auto& [name, tensor] : state->tensors()) {
    names += name + '\n';
    numbers.push_back(static_cast<int64_t>(tensor.scalar_type()));
    numbers.push_back(tensor.dim());
    for (const int64_t extent : tensor.sizes()) numbers.push_back(extent);
  }
  names = Gather(rank_ == 0 ? names : "")[0];
  const at::Tensor count = at::tensor({static_cast<int64_t>(numbers.size())}, at::kLong);
  Broadcast(count);
  numbers.resize(count.item<int64_t>());
  const at::Tensor shapes = at::empty({count.item<int64_t>()}, at::kLong);
  std::copy(numbers.begin(), numbers.end(), shapes.data_ptr<int64_t>());
  Broadcast(shapes);
  State shared;
  const int64_t* next = shapes.data_ptr<int64_t>();
  for (size_t begin = 0; begin < names.size();) {
    const size_t end = names.find('\n', begin);
    const std::string name = names.substr(begin, end - begin);
    begin = end + 1;
    const auto type = static_cast<at::ScalarType>(*next++);
    const int64_t dim = *next++;
    const at::Tensor value = at::empty(at::IntArrayRef(next, dim), type);
    next += dim;
    if (rank_ == 0) value.copy_(state->tensors().at(name));
    Broadcast(value);
    shared.Put(name, value);
  }
  *state = std::move(shared);
}

}  // namespace pipeline
