// Loading of files of weights into models, with an account of it.
#include "models/weights.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <fstream>
#include <map>
#include <set>

#include "absl/strings/escaping.h"
#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "models/torch_file.h"
#include "models/wrapping.h"
#include "pipeline/runs/safetensors.h"

namespace models {
namespace {

using pipeline::NamedTensors;

constexpr size_t kNamesShown = 4;
constexpr size_t kNameLength = 80;  // a file's names may be of any length

NamedTensors StateOf(const Model& model) {
  NamedTensors state;
  for (const auto& item : model.named_parameters()) state.emplace_back(item.key(), item.value());
  for (const auto& item : model.named_buffers()) state.emplace_back(item.key(), item.value());
  return state;
}

std::string ShownName(const std::string& name) {
  return absl::Utf8SafeCEscape(
      name.size() <= kNameLength ? name : absl::StrCat(name.substr(0, kNameLength), "..."));
}

std::string ShownShape(const at::Tensor& tensor) {
  return absl::StrCat("[", absl::StrJoin(tensor.sizes(), ", "), "]");
}

std::string FirstOf(const std::vector<std::string>& names) {
  const auto end = names.begin() + static_cast<int64_t>(std::min(names.size(), kNamesShown));
  const size_t rest = names.size() - (end - names.begin());
  return absl::StrCat(absl::StrJoin(names.begin(), end, ", "),
                      rest == 0 ? "" : absl::StrCat(", and ", rest, " more"));
}

constexpr int64_t kColors = 3;  // that a first convolution's kernels may be summed over

// Whether Fitted could make a tensor of this shape fit.
bool MayFit(at::IntArrayRef shape, const at::Tensor& target) {
  const int64_t values = c10::multiply_integers(shape);
  return values == target.numel() || values == kColors * target.numel();
}

// `saved` in the shape of `target`; undefined where it has another one.
at::Tensor Fitted(const at::Tensor& saved, const at::Tensor& target, bool first, bool* summed) {
  if (saved.sizes() == target.sizes()) return saved;
  if (target.dim() != 4) return {};
  const bool kernels = saved.dim() == 4 && saved.size(1) == kColors && target.size(1) == 1 &&
                       saved.size(0) == target.size(0) &&
                       saved.sizes().slice(2) == target.sizes().slice(2);
  if (first && kernels && saved.is_floating_point()) {
    *summed = true;
    return saved.sum({1}, /*keepdim=*/true, c10::promoteTypes(saved.scalar_type(), at::kFloat));
  }
  const bool flat = saved.dim() == 2 && saved.size(0) == target.size(0);
  return flat && saved.numel() == target.numel() ? saved.view(target.sizes()) : at::Tensor();
}

// What is wrong with the values of `saved` for `target`, or "".
std::string Unusable(const at::Tensor& saved, const at::Tensor& target) {
  if (saved.is_floating_point() != target.is_floating_point()) {
    return absl::StrCat("is of type ", c10::toString(saved.scalar_type()), ", not ",
                        c10::toString(target.scalar_type()));
  }
  // A double may be too large for the model's type.
  return saved.to(target.scalar_type()).isfinite().all().item<bool>() ? ""
                                                                      : "holds NaN or infinity";
}

bool HasNorms(const NamedTensors& tensors) {
  return std::any_of(tensors.begin(), tensors.end(),
                     [](const auto& item) { return absl::EndsWith(item.first, "running_mean"); });
}

bool HasLayers(const NamedTensors& tensors) {
  return std::count_if(tensors.begin(), tensors.end(),
                       [](const auto& item) { return item.second.dim() == 4; }) > 1;
}

// An error where the file begins as another format does.
absl::Status CheckFormat(const std::string& path) {
  std::string head(8, '\0');
  std::ifstream(path, std::ios::binary).read(head.data(), static_cast<int64_t>(head.size()));
  const char* const other = absl::StartsWith(head, "PK\x03\x04")    ? "a zip archive"
                            : absl::StartsWith(head, "\x89HDF\r\n") ? "an HDF5 file (as of Keras)"
                                                                    : nullptr;
  if (other == nullptr) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(path, ": ", other, ", neither safetensors nor a PyTorch file"));
}

absl::StatusOr<NamedTensors> ReadFile(const std::string& path, const pipeline::WantsTensor& wants) {
  if (IsTorchFile(path)) return ReadTorchFile(path, wants);
  const absl::Status known = CheckFormat(path);
  return known.ok() ? pipeline::ReadSafetensors(path, wants) : known;
}

// The file's tensors under the model's names; without values where `targets` have no use for them.
absl::StatusOr<NamedTensors> ReadFor(const std::map<std::string, at::Tensor>& targets,
                                     const std::string& path, std::string* removed) {
  const absl::StatusOr<NamedTensors> header =
      ReadFile(path, [](const std::string&, at::IntArrayRef) { return false; });
  if (!header.ok()) return header.status();
  std::vector<std::string> names;
  for (const auto& [name, tensor] : *header) names.push_back(name);
  std::set<std::string> wanted;
  for (const auto& [name, tensor] : targets) wanted.insert(name);
  const Unwrapped unwrapped = Unwrap(names, wanted);
  const auto own = [&unwrapped](const std::string& name) {
    const auto found = unwrapped.names.find(name);
    return found == unwrapped.names.end() ? name : found->second;
  };
  absl::StatusOr<NamedTensors> file =
      ReadFile(path, [&](const std::string& name, at::IntArrayRef shape) {
        const auto target = targets.find(own(name));
        return target != targets.end() && MayFit(shape, target->second);
      });
  if (!file.ok()) return file.status();
  for (auto& [name, tensor] : *file) name = own(name);
  *removed = unwrapped.removed;
  return file;
}

}  // namespace

absl::StatusOr<WeightsFit> LoadWeights(const std::string& path, Model* model) {
  const NamedTensors state = StateOf(*model);
  const std::map<std::string, at::Tensor> targets(state.begin(), state.end());
  WeightsFit fit;
  const absl::StatusOr<NamedTensors> file = ReadFor(targets, path, &fit.removed);
  if (!file.ok()) return file.status();
  if (HasLayers(*file) && HasNorms(*file) != HasNorms(state)) {
    const bool has = HasNorms(*file);
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": has ", has ? "" : "no ", "batch norm, but the model has ", has ? "none" : "some",
        ", so layers of one name are not the same; set batch_norm: ", has ? "true" : "false"));
  }
  const c10::NoGradGuard no_gradients;
  std::map<std::string, at::Tensor> saved(file->begin(), file->end());
  const auto is_kernel = [](const auto& item) { return item.second.dim() == 4; };
  const auto first = std::find_if(state.begin(), state.end(), is_kernel);
  std::vector<std::string> names;
  for (auto item = state.begin(); item != state.end(); ++item) {
    const auto& [name, target] = *item;
    names.push_back(name);
    const auto found = saved.find(name);
    if (found == saved.end()) {
      fit.missing.push_back(name);
      fit.unfilled.insert(name);
      continue;
    }
    bool summed = false;
    const at::Tensor fitted = Fitted(found->second, target, item == first, &summed);
    if (!fitted.defined()) {
      fit.unfilled.insert(name);
      fit.wrong_shape.push_back(
          absl::StrCat(name, " ", ShownShape(found->second), " for ", ShownShape(target)));
    } else {
      const std::string wrong = Unusable(fitted, target);
      if (!wrong.empty()) {
        return absl::InvalidArgumentError(absl::StrCat(path, ": tensor \"", name, "\" ", wrong));
      }
      target.copy_(fitted);
      ++fit.loaded;
      if (summed) fit.summed = name;
    }
    saved.erase(found);
  }
  for (const auto& [name, tensor] : *file) {
    if (saved.count(name) != 0) fit.unexpected.push_back(ShownName(name));
  }
  if (fit.loaded == 0) {
    return absl::InvalidArgumentError(absl::StrCat(
        path, ": holds nothing that fits the model; it has: ",
        file->empty() ? "no tensors"
                      : FirstOf(fit.unexpected.empty() ? fit.wrong_shape : fit.unexpected),
        "; the model has: ", FirstOf(names)));
  }
  return fit;
}

absl::Status CheckFrozen(const std::string& path, const WeightsFit& fit, const Model& model) {
  std::vector<std::string> drawn;
  for (const auto& item : model.named_parameters()) {
    if (!item.value().requires_grad() && fit.unfilled.count(item.key()) != 0) {
      drawn.push_back(item.key());
    }
  }
  if (drawn.empty()) return absl::OkStatus();
  return absl::InvalidArgumentError(
      absl::StrCat(FirstOf(drawn), " would stay as drawn at random: ", path, " has nothing for ",
                   drawn.size() == 1 ? "it" : "them"));
}

std::vector<std::string> Lines(const std::string& path, const WeightsFit& fit) {
  std::vector<std::string> lines = {absl::StrCat(
      "weights of ", path, ": ", fit.loaded, " loaded, ", fit.missing.size(), " missing, ",
      fit.unexpected.size(), " unexpected, ", fit.wrong_shape.size(), " of wrong shape")};
  if (!fit.summed.empty()) {
    lines.push_back(absl::StrCat("weights: ", fit.summed, " summed over its 3 input channels"));
  }
  if (!fit.removed.empty()) {
    lines.push_back(absl::StrCat("weights: names taken without \"", fit.removed, "\""));
  }
  const auto list = [&](const char* what, const std::vector<std::string>& names) {
    if (!names.empty()) lines.push_back(absl::StrCat("weights ", what, ": ", FirstOf(names)));
  };
  list("missing", fit.missing);
  list("unexpected", fit.unexpected);
  list("of wrong shape", fit.wrong_shape);
  return lines;
}

}  // namespace models
