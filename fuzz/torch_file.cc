// What torch.save writes, in both formats.
#include "models/torch_file.h"

#include <ATen/core/Tensor.h>

#include "fuzz/target.h"

namespace fuzz {
namespace {

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  const auto none = [](const std::string&, at::IntArrayRef) { return false; };
  const auto unread = models::ReadTorchFile(file.path(), none);
  RequireReason(unread.status(), file.path());
  const auto tensors = models::ReadTorchFile(file.path());
  RequireReason(tensors.status(), file.path());
  if (!tensors.ok()) return;
  Require(unread.ok() && unread->size() == tensors->size(), "tensors are the same without data");
  uint64_t size = 0;
  for (size_t i = 0; i < tensors->size(); ++i) {
    const auto& [name, tensor] = (*tensors)[i];
    Require(name == (*unread)[i].first && tensor.sizes() == (*unread)[i].second.sizes(),
            "names and shapes are the same without data");
    size += static_cast<uint64_t>(tensor.numel()) * tensor.element_size();
  }
  Require(size <= 2 * bytes.size(), "tensors are no larger than their file, but where they share");
}

const Target kTarget("torch_file", Run);

}  // namespace
}  // namespace fuzz
