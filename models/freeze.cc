// Freezing by names.
#include "models/freeze.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <set>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "pipeline/diagnostics.h"
#include "pipeline/registry.h"

namespace models {
namespace {

// "features", "features.0", "features.0.weight", ...: all that a prefix may be.
std::vector<std::string> PrefixesOf(const Model& model) {
  std::set<std::string> prefixes;
  for (const auto& item : model.named_parameters()) {
    for (size_t dot = 0; dot != std::string::npos;) {
      dot = item.key().find('.', dot + 1);
      prefixes.insert(item.key().substr(0, dot));
    }
  }
  return {prefixes.begin(), prefixes.end()};
}

}  // namespace

absl::StatusOr<int64_t> Freeze(const std::vector<std::string>& prefixes, Model* model) {
  int64_t frozen = 0, learned = 0;
  for (size_t i = 0; i < prefixes.size(); ++i) {
    bool found = false;
    for (auto& item : model->named_parameters()) {
      if (item.key() != prefixes[i] && !absl::StartsWith(item.key(), prefixes[i] + ".")) continue;
      item.value().set_requires_grad(false);
      found = true;
    }
    if (!found) {
      return pipeline::OptionError(
          absl::StrCat("freeze[", i, "]"),
          absl::StrCat("freeze: no parameter of the model is, or begins with, \"", prefixes[i],
                       "\"", pipeline::DidYouMean(prefixes[i], PrefixesOf(*model))));
    }
  }
  for (const at::Tensor& parameter : model->parameters()) {
    parameter.requires_grad() ? ++learned : ++frozen;
  }
  if (learned == 0) {
    return pipeline::OptionError("freeze", "freeze: leaves the model with nothing to learn");
  }
  return frozen;
}

}  // namespace models
