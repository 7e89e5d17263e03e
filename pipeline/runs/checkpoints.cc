// Checkpoint files and when they are written.
#include "pipeline/runs/checkpoints.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <cstdio>
#include <filesystem>
#include <system_error>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/clock.h"
#include "pipeline/exceptions.h"
#include "pipeline/files.h"
#include "pipeline/runs/safetensors.h"

namespace pipeline {
namespace {

namespace fs = std::filesystem;

constexpr char kFormat[] = "lossfusion.checkpoint", kVersion[] = "1";
constexpr char kEnding[] = ".safetensors", kBegin[] = "epoch-";
constexpr char kBest[] = "checkpoints.best";

// What may not be infinite or NaN: weights, moments and averages. (A monitor may be.)
bool MustBeFinite(const std::string& name) {
  return absl::StartsWith(name, "graph/") || absl::StartsWith(name, "optimizer.") ||
         absl::StartsWith(name, "average.");
}

// Whole epochs and steps of the next, as the name says.
std::pair<int64_t, int64_t> PlaceOf(const std::string& name) {
  long long epochs = 0, steps = 0;
  std::sscanf(name.c_str(), "epoch-%lld-step-%lld", &epochs, &steps);
  return {epochs, steps};
}

// Whether every number's exponent is below `infinite`, all of its bits set.
template <class Bits>
bool AllBelow(const at::Tensor& tensor, Bits infinite) {
  const auto* bits = static_cast<const Bits*>(tensor.data_ptr());
  bool bad = false;
  for (int64_t i = 0; i < tensor.numel(); ++i) bad |= (bits[i] & infinite) == infinite;
  return !bad;
}

// Of a contiguous tensor on the CPU.
bool IsFinite(const at::Tensor& tensor) {
  switch (tensor.scalar_type()) {
    case at::kFloat:
      return AllBelow<uint32_t>(tensor, 0x7F800000U);
    case at::kDouble:
      return AllBelow<uint64_t>(tensor, 0x7FF0000000000000U);
    default:
      return true;  // no parameter has another type
  }
}

}  // namespace

std::string CheckpointFolder::NameAt(int64_t epochs, int64_t steps) {
  return absl::StrFormat("%s%04d-step-%07d%s", kBegin, epochs, steps, kEnding);
}

std::vector<std::string> CheckpointFolder::Names() const {
  std::vector<std::string> names;
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    std::string name = entry.path().filename().string();
    if (absl::StartsWith(name, kBegin) && absl::EndsWith(name, kEnding)) {
      names.push_back(std::move(name));
    }
  }
  std::sort(names.begin(), names.end(),
            [](const std::string& a, const std::string& b) { return PlaceOf(a) > PlaceOf(b); });
  return names;
}

absl::Status CheckpointFolder::Write(const std::string& name, const State& state) const {
  NamedTensors tensors;
  for (const auto& [key, tensor] : state.tensors()) {
    if (MustBeFinite(key) && !IsFinite(tensor)) {
      return absl::InternalError(
          absl::StrCat("no checkpoint is written, for ", key, " is not finite"));
    }
    tensors.emplace_back(key, tensor);
  }
  const absl::Status made = MakeFolders(path_);
  if (!made.ok()) return made;
  return WriteSafetensors(File(name), tensors, {{"format", kFormat}, {"version", kVersion}})
      .status();
}

absl::StatusOr<State> CheckpointFolder::Read(const std::string& name) const {
  Metadata metadata;
  const absl::StatusOr<NamedTensors> tensors = ReadSafetensors(File(name), nullptr, &metadata);
  if (!tensors.ok()) return tensors.status();
  const auto refuse = [&](const std::string& why) {
    return absl::DataLossError(absl::StrCat(File(name), ": ", why));
  };
  if (metadata["format"] != kFormat || ChecksumOf(metadata).empty()) {
    return refuse("is no checkpoint of this program");
  }
  if (metadata["version"] != kVersion) {
    return refuse(absl::StrCat("is a checkpoint of version ", metadata["version"],
                               "; this program reads version ", kVersion));
  }
  State state;
  for (const auto& [key, tensor] : *tensors) {
    if (MustBeFinite(key) && !IsFinite(tensor)) return refuse(key + " is not finite");
    state.Put(key, tensor);
  }
  return state;
}

absl::StatusOr<State> CheckpointFolder::ReadLatest(std::vector<std::string>* notes) const {
  const std::vector<std::string> names = Names();
  for (const std::string& name : names) {
    absl::StatusOr<State> state = absl::NotFoundError("");
    const absl::Status read = Caught([&] {
      state = Read(name);
      return state.status();
    });
    if (read.ok()) return state;
    notes->push_back(absl::StrCat("cannot go on from ", read.message()));
  }
  if (names.empty()) return absl::NotFoundError(absl::StrCat("no checkpoint is in ", path_));
  return absl::DataLossError(absl::StrCat("no checkpoint in ", path_, " can be used"));
}

absl::Status CheckpointFolder::Keep(int64_t count, const std::string& best) const {
  std::vector<std::string> names = Names(), unwanted;
  for (size_t i = static_cast<size_t>(count); i < names.size(); ++i) {
    if (names[i] != best) unwanted.push_back(names[i]);
  }
  std::error_code error;
  for (const auto& entry : fs::directory_iterator(path_, error)) {
    std::string name = entry.path().filename().string();
    if (AtomicFile::IsLeftOver(name)) unwanted.push_back(std::move(name));
  }
  for (const std::string& name : unwanted) {
    fs::remove(File(name), error);
    if (error) {
      return absl::UnknownError(absl::StrCat("cannot remove ", File(name), ": ", error.message()));
    }
  }
  return absl::OkStatus();
}

Checkpoints::Checkpoints(const std::string& folder, const Train& options, State facts)
    : folder_(folder), options_(options), facts_(std::move(facts)), last_(Now()) {}

Checkpoints::~Checkpoints() { Finish().IgnoreError(); }

bool Checkpoints::Writing() const {
  return writing_.valid() &&
         writing_.wait_for(std::chrono::seconds(0)) != std::future_status::ready;
}

absl::Status Checkpoints::Finish() { return writing_.valid() ? writing_.get() : absl::OkStatus(); }

bool Checkpoints::Due(const PauseEvent& event) const {
  if (options_.keep_checkpoints() == 0) return false;
  if (event.epoch_done || event.interrupted) return true;
  if (!any_ && options_.on_bad_number() == Train::ROLLBACK) return true;
  const bool late =
      options_.checkpoint_minutes() > 0 && Now() - last_ >= 60 * options_.checkpoint_minutes();
  return late && !Writing();
}

void Checkpoints::Copy(const State& state) {
  const c10::NoGradGuard no_gradients;
  State copies;
  for (const auto& [name, tensor] : state.tensors()) {
    const auto found = copies_.tensors().find(name);
    const bool fits = found != copies_.tensors().end() && found->second.sizes() == tensor.sizes() &&
                      found->second.scalar_type() == tensor.scalar_type();
    at::Tensor copy = fits ? found->second : at::empty(tensor.sizes(), tensor.scalar_type());
    copies.Put(name, copy.copy_(tensor));
  }
  copies_ = std::move(copies);
}

absl::Status Checkpoints::Paused(const PauseEvent& event) {
  if (!Due(event)) return absl::OkStatus();
  absl::Status status = Finish();
  if (!status.ok()) return status;
  const std::string name = CheckpointFolder::NameAt(event.counters.epochs, event.index);
  if (event.best) best_ = name;
  const double begun = Now();
  State state = facts_;
  status = event.save(&state);
  if (!status.ok()) return status;
  Copy(state);
  any_ = true;
  last_ = Now();
  copy_seconds_ += last_ - begun;
  const auto write = [this, name, best = best_] {
    return Caught([&] {
      const absl::Status written = folder_.Write(name, copies_);
      return written.ok() ? folder_.Keep(options_.keep_checkpoints(), best) : written;
    });
  };
  // Without another thread this one writes, when it waits.
  writing_ = std::async(std::launch::async | std::launch::deferred, write);
  return event.interrupted ? Finish() : absl::OkStatus();
}

absl::Status Checkpoints::Trained(const TrainedEvent&) { return Finish(); }

absl::StatusOr<State> Checkpoints::LastKept() {
  const absl::Status finished = Finish();
  if (!finished.ok()) return finished;
  std::vector<std::string> notes;
  return folder_.ReadLatest(&notes);
}

absl::Status Checkpoints::Save(State* state) const {
  state->PutText(kBest, best_);
  return absl::OkStatus();
}

absl::Status Checkpoints::Load(const State& state) {
  absl::StatusOr<std::string> best = state.Text(kBest);
  if (best.ok()) best_ = *std::move(best);
  return best.status();
}

}  // namespace pipeline
