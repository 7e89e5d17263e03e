// Safetensors, and the state that a checkpoint holds in them.
#include "pipeline/runs/safetensors.h"

#include "fuzz/target.h"
#include "pipeline/state.h"

namespace fuzz {
namespace {

void Run(absl::string_view bytes) {
  const InputFile file(bytes);
  const auto none = [](const std::string&, at::IntArrayRef) { return false; };
  const auto unread = pipeline::ReadSafetensors(file.path(), none);
  RequireReason(unread.status(), file.path());
  pipeline::Metadata metadata;
  const auto tensors = pipeline::ReadSafetensors(file.path(), nullptr, &metadata);
  RequireReason(tensors.status(), file.path());
  if (!tensors.ok()) return;
  Require(unread.ok() && unread->size() == tensors->size(), "tensors are the same without data");
  pipeline::State state;
  int64_t size = 0;
  for (const auto& [name, tensor] : *tensors) {
    size += tensor.numel() * static_cast<int64_t>(tensor.element_size());
    state.Put(name, tensor);
  }
  Require(size <= static_cast<int64_t>(bytes.size()), "tensors are no larger than their file");
  const pipeline::State part = state.Part("graph/");
  for (const auto& [name, tensor] : state.tensors()) {
    state.Numbers(name).IgnoreError();
    state.Text(name).IgnoreError();
    state.CopyTo(name, tensor).IgnoreError();
  }
}

const Target kTarget("safetensors", Run);

}  // namespace
}  // namespace fuzz
