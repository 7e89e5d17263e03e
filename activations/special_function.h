// Functions in float64, accurate to the last few digits: what activations are built from and
// checked against.
#ifndef ACTIVATIONS_SPECIAL_FUNCTION_H_
#define ACTIVATIONS_SPECIAL_FUNCTION_H_

namespace activations {

// f(x), f'(x) and f''(x).
struct Jet {
  double value = 0, first = 0, second = 0;
};

// Pure and safe on several threads.
class SpecialFunction {
 public:
  virtual ~SpecialFunction() = default;
  // At a finite x.
  virtual Jet At(double x) const = 0;
  // The limit at +infinity (`positive`) or -infinity; NaN where there is none.
  virtual Jet Limit(bool positive) const = 0;

  // At any x: NaN for NaN, the limits at infinities.
  Jet operator()(double x) const;
};

}  // namespace activations

#endif  // ACTIVATIONS_SPECIAL_FUNCTION_H_
