// Choice of device, precision and threads.
#ifndef PIPELINE_TRAINING_DEVICE_H_
#define PIPELINE_TRAINING_DEVICE_H_

#include <string>

#include "absl/status/statusor.h"
#include "pipeline/config/config.h"
#include "pipeline/stage.h"

namespace pipeline {

// "cpu" or "cuda:n" for a train.device of AUTO, CPU, CUDA or CUDA:n. A GPU that is asked for and
// not there is an error.
absl::StatusOr<std::string> ChooseDevice(const std::string& wanted);

// Whether this build could use a GPU, were there one.
bool BuiltForGpu();

// The precision for `wanted` on `device`; FP16 and TF32 on a CPU are an error.
absl::StatusOr<Precision> ChoosePrecision(Precision wanted, const std::string& device);

// Sets the threads of LibTorch's and OpenMP's loops, at most one per core; 0 means all cores.
// Returns how many.
int SetThreads(int threads);

// Makes the process keep memory that it frees, for tensors of the next step: given back to the
// kernel, it comes back as pages to be zeroed, a tenth of a training step on the processor. Costs
// more resident memory, since what was freed lies in pieces.
void KeepFreedMemory();

// Of a GPU, for the whole process: makes `device` the current one, so that no memory is taken on
// another; TF32 products or none; `deterministic` kernels, which give the same bytes every time, or
// the fastest, found by trial. (Measured on an H100 with 2.11 in float32: without, weights were
// apart by 0.19 of their norm after one epoch; with, they were equal byte for byte.)
void ConfigureGpu(const std::string& device, Precision precision, bool deterministic);

// Restarts LibTorch's random generators: initial weights and dropout draw from them.
void SeedGenerators(uint64_t seed);

// All of this as the config asks: sets device, precision, threads and seed of `context`.
absl::Status ChooseHardware(const LoadedConfig& loaded, BuildContext* context);

}  // namespace pipeline

#endif  // PIPELINE_TRAINING_DEVICE_H_
