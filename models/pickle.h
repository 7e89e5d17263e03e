// A reader of the part of Python's pickle that a state dict is made of. Nothing is run.
#ifndef MODELS_PICKLE_H_
#define MODELS_PICKLE_H_

#include <cstddef>
#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/strings/string_view.h"

namespace models {

// Values name each other by their place in `values`, so that whatever a file makes of them takes no
// recursion to read or to free.
struct Pickle {
  enum Kind {
    kNone,
    kInteger,  // and booleans
    kNumber,   // passed over: weights are in storages
    kText,
    kList,     // and tuples
    kDict,     // `items`: key and value in turn
    kGlobal,   // `text`: "torch FloatStorage"
    kStorage,  // `items`: what its persistent id is made of
    kTensor,   // `items`: storage, offset, size, stride
  };
  struct Value {
    Kind kind = kNone;
    int64_t integer = 0;
    std::string text;
    std::vector<size_t> items;
  };

  std::vector<Value> values;

  const Value& operator[](size_t place) const { return values[place]; }
  // The value of a dict's text key; nullptr where there is none, or this is no dict.
  const Value* Find(const Value& dict, absl::string_view key) const;
};

// Reads the pickle that begins at *position of `bytes`, and moves that behind it. Returns the place
// of its value. Opcodes of protocol 2 alone; of what a pickle may call, OrderedDict and PyTorch's
// tensors and parameters; anything else is an error that names it.
absl::StatusOr<size_t> ReadPickle(absl::string_view bytes, size_t* position, Pickle* pickle);

}  // namespace models

#endif  // MODELS_PICKLE_H_
