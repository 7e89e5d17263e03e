// Parts of a model that stay as they are.
#ifndef MODELS_FREEZE_H_
#define MODELS_FREEZE_H_

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "models/model.h"

namespace models {

// Stops learning of every parameter whose name is one of `prefixes` or begins with one and a dot:
// "features.1" freezes features.1.weight, not features.10.weight. Returns how many tensors are
// frozen. A prefix of no parameter, and a model that is left with nothing to learn, are errors of
// the option "freeze".
absl::StatusOr<int64_t> Freeze(const std::vector<std::string>& prefixes, Model* model);

}  // namespace models

#endif  // MODELS_FREEZE_H_
