// Weights as safetensors: 8 bytes of header length (little endian), a JSON header, raw tensors.
// Format: github.com/huggingface/safetensors, README "Format".
#ifndef PIPELINE_RUNS_SAFETENSORS_H_
#define PIPELINE_RUNS_SAFETENSORS_H_

#include <ATen/core/Tensor.h>

#include <functional>
#include <map>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace pipeline {

using NamedTensors = std::vector<std::pair<std::string, at::Tensor>>;
using Metadata = std::map<std::string, std::string>;

// Writes atomically, row-major whatever the tensors' strides. Types: float64, float32, float16,
// bfloat16, int64, int32, int16, int8, uint8, bool. To the metadata come an XXH3 of each tensor's
// bytes, "xxh3_64 NAME", and "xxh3_128" over the header, and so over the whole. Returns the latter,
// which tells files of other content apart. No threads but the caller's compute.
absl::StatusOr<std::string> WriteSafetensors(const std::string& path, const NamedTensors& tensors,
                                             Metadata metadata);

// Whether the values of a tensor are wanted.
using WantsTensor = std::function<bool(const std::string& name, at::IntArrayRef shape)>;

// Reads tensors to the CPU, in the order of their data; those that `wants` declines come without
// memory, on the device "meta" (a hostile file may claim more than memory holds). Refuses, naming
// file and reason: headers over 100 MB or that are no JSON object of tensors (nesting 32 deep at
// most), unknown types, sizes that overflow or disagree with their offsets, offsets that overlap,
// leave gaps or leave the file, and, where the writer left checksums as above, content that does
// not fit them. `metadata`, if given, gets what the file has.
absl::StatusOr<NamedTensors> ReadSafetensors(const std::string& path,
                                             const WantsTensor& wants = nullptr,
                                             Metadata* metadata = nullptr);

// What WriteSafetensors returned for this file; "" where it is another program's.
std::string ChecksumOf(const Metadata& metadata);

}  // namespace pipeline

#endif  // PIPELINE_RUNS_SAFETENSORS_H_
