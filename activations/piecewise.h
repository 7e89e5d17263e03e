// The fast float32 form of a function of one variable: sums of piecewise polynomials.
#ifndef ACTIVATIONS_PIECEWISE_H_
#define ACTIVATIONS_PIECEWISE_H_

#include <array>
#include <cstdint>
#include <functional>
#include <limits>
#include <memory>
#include <vector>

#include "activations/special_function.h"

namespace activations {

// What lies beyond an end of a table.
enum class Tail {
  kExact,     // the function itself, in double: slow, so for where inputs are rare
  kConstant,  // its value at the end, slope 0
  kLinear,    // its tangent at the end
};

// How a table's argument p comes from x.
enum class Fold {
  kNone,   // p = x
  kDense,  // p = x, and pieces are of equal width in p / (2 + |p|): dense around 0
  kOdd,    // f(-x) = -f(x): p = |x|
  kUnit,   // p = |frequency x - n|, in [0, 1/2], n being the nearest integer
};

// The symmetry of a function of period 1, or that changes its sign with every period.
struct Symmetry {
  bool odd = false;   // T(-r) = -T(r); else T(-r) = T(r)
  bool anti = false;  // T(r + 1) = -T(r); else T(r + 1) = T(r)
};

// One table and how it is used.
struct Table {
  // Value and slope of the tabled function at p. Called by the constructor of Piecewise only.
  std::function<Jet(double p)> function;
  Fold fold = Fold::kNone;
  double low = 0, high = 0;  // of p; [0, 1/2] for kUnit
  Tail below = Tail::kExact, above = Tail::kExact;
  Symmetry symmetry;  // of kUnit
  struct Use {
    double amplitude = 1;
    double frequency = 1;  // of kUnit
  };
  // The function is the sum of amplitude * T(fold(frequency x)) over these.
  std::vector<Use> uses = {Use()};
};

// How many pieces and degrees a table has: as few as are accurate, or all, so that its layout is
// the same for all functions.
enum class Pieces { kFew, kAll };

// y(x) = slope x + the sum of the tables' uses. Each table has 8 or 16 pieces, found by permuting
// registers, not by gathering, and polynomials of the least degree that is accurate enough. A
// polynomial's derivative is fitted at Chebyshev nodes and integrated, so that value and derivative
// are both accurate and the derivative is that of the value.
class Piecewise {
 public:
  // `exact` is the whole function; it stands in where tables with Tail::kExact end, and where
  // kUnit's frequency x is too large to fold (2^21).
  Piecewise(std::shared_ptr<const SpecialFunction> exact, const std::vector<Table>& tables,
            double slope = 0, Pieces pieces = Pieces::kFew);

  // For `count` floats, on the calling thread. In place is allowed.
  void Value(const float* x, float* y, int64_t count) const;
  // gx = gy y'(x).
  void Gradient(const float* x, const float* gy, float* gx, int64_t count) const;

  const SpecialFunction& exact() const { return *exact_; }
  float slope() const { return slope_; }
  // The largest |error| / max(1, |f|) of value and slope (over its largest) that was found when the
  // tables were fitted, between their nodes.
  double value_error() const { return value_error_; }
  double slope_error() const { return slope_error_; }

  static constexpr int kPieces = 16;
  // Of the value; what kernels are compiled for.
  static constexpr int kDegrees[] = {3, 4, 6, 8, 9, 10, 11};
  static constexpr int kMaxDegree = 11;

  // A table in float32. Rows are coefficients: of the value, ascending, then of the slope.
  struct Fitted {
    alignas(64) float centers[kPieces] = {};
    alignas(64) float value[kMaxDegree + 1][kPieces] = {};
    alignas(64) float slope[kMaxDegree + 1][kPieces] = {};
    Fold fold = Fold::kNone;
    Symmetry symmetry;
    int pieces = kPieces;
    int degree = 0;
    float low = 0, scale = 1;                          // piece = (place of p - low) * scale
    float least = -std::numeric_limits<float>::max();  // arguments p outside are exact
    float most = std::numeric_limits<float>::max();
  };
  // A use of a table, amplitude folded into its coefficients.
  struct Term {
    Fitted table;
    float frequency = 1, frequency_low = 0;  // their sum is the frequency
  };
  const std::vector<Term>& terms() const { return terms_; }

  // What others made of it, such as its tables on a GPU: lives as long as it does.
  std::shared_ptr<void>& beside() const { return beside_; }

 private:
  template <bool kSlope>
  void Evaluate(const float* x, const float* gy, float* out, int64_t count) const;
  // Puts the exact function where a table does not hold.
  template <bool kSlope>
  void Correct(const float* x, float* out, int count) const;

  std::shared_ptr<const SpecialFunction> exact_;
  float slope_;
  std::vector<Term> terms_;
  double value_error_ = 0, slope_error_ = 0;
  mutable std::shared_ptr<void> beside_;
};

}  // namespace activations

#endif  // ACTIVATIONS_PIECEWISE_H_
