// Names of a file's tensors, freed of what PyTorch's wrappers put around a model's own names.
#ifndef MODELS_WRAPPING_H_
#define MODELS_WRAPPING_H_

#include <map>
#include <set>
#include <string>
#include <vector>

namespace models {

struct Unwrapped {
  std::map<std::string, std::string>
      names;            // of the file to those of the model; only where changed
  std::string removed;  // such as "module."; empty where nothing was
};

// Takes off "module." (DataParallel, over the model or a part of it) and "_orig_mod."
// (torch.compile) wherever they stand, and, where no name is then the model's (`targets`), the one
// prefix behind which most of its names are, such as "model." or "backbone.encoder."; none if two
// prefixes hold equally many. No name becomes one that the file has already.
Unwrapped Unwrap(const std::vector<std::string>& names, const std::set<std::string>& targets);

}  // namespace models

#endif  // MODELS_WRAPPING_H_
