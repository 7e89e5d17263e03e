// State dicts as torch.save writes them: weights out of .pth files, without Python.
#ifndef MODELS_TORCH_FILE_H_
#define MODELS_TORCH_FILE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/runs/safetensors.h"

namespace models {

// Whether the file begins as torch.save's do: a zip archive with a data.pkl, or, before
// PyTorch 1.6, a pickle of its magic number.
bool IsTorchFile(const std::string& path);

// The tensors of a state dict, or of the one in a checkpoint's dict (under "state_dict", or the
// only one). As pipeline::ReadSafetensors: those that `wants` declines come without memory. No code
// of the file is run: a pickle that does other than make tensors is refused. So is, naming file and
// reason, what is compressed, encrypted, cut off, big-endian, not of numbers, or claims more than
// the file holds.
absl::StatusOr<pipeline::NamedTensors> ReadTorchFile(const std::string& path,
                                                     const pipeline::WantsTensor& wants = nullptr);

}  // namespace models

#endif  // MODELS_TORCH_FILE_H_
