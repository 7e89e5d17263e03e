// NaN and infinities, the same for every function.
#include "activations/special_function.h"

#include <cmath>

namespace activations {

Jet SpecialFunction::operator()(double x) const {
  if (std::isnan(x)) return {x, x, x};
  return std::isinf(x) ? Limit(x > 0) : At(x);
}

}  // namespace activations
