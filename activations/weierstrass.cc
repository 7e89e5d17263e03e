// Weierstrass' function, cut off, as an activation.
#include <algorithm>
#include <cmath>

#include "absl/strings/str_format.h"
#include "activations/elementwise.h"
#include "activations/weierstrass.pb.h"

namespace activations {
namespace {

// What the series is, whatever x.
struct Series {
  explicit Series(const WeierstrassOptions& options) : a(options.a()), b(options.b()) {
    for (int n = 0; n <= options.terms(); ++n) {
      frequencies.push_back(std::pow(b, n));
      weights.push_back(std::pow(a, n));
      total += weights.back();
    }
    for (double& weight : weights) weight /= total;
  }

  int terms() const { return static_cast<int>(weights.size()); }

  // The largest slope there can be.
  double Lipschitz() const {
    double sum = 0;
    for (int n = 0; n < terms(); ++n) sum += M_PI * weights[n] * frequencies[n];
    return sum;
  }

  double a, b, total = 0;
  std::vector<double> frequencies, weights;
};

// amplitude * cos(b^n pi x) terms, and tanh x where there is a ripple.
class WeierstrassFunction : public SpecialFunction {
 public:
  WeierstrassFunction(const Series& series, double amplitude, bool ripple)
      : series_(series), amplitude_(amplitude), ripple_(ripple) {}

  Jet At(double x) const override {
    Jet jet;
    for (int n = 0; n < series_.terms(); ++n) {
      // Half turns, reduced before they are rounded to double.
      const auto turns = static_cast<double>(
          std::remainder(static_cast<long double>(x) * series_.frequencies[n], 2.0L));
      const double rate = M_PI * series_.frequencies[n];
      const double weight = amplitude_ * series_.weights[n];
      const double cosine = std::cos(M_PI * turns);
      jet.value += weight * cosine;
      jet.first -= weight * rate * std::sin(M_PI * turns);
      jet.second -= weight * rate * rate * cosine;
    }
    if (!ripple_) return jet;
    const double t = std::tanh(x), slope = 1 - t * t;
    return {jet.value + t, jet.first + slope, jet.second - 2 * t * slope};
  }

  Jet Limit(bool) const override { return {NAN, NAN, NAN}; }

 private:
  const Series series_;
  const double amplitude_;
  const bool ripple_;
};

// How many terms, beginning with cos(pi x), one table over a quarter turn resolves: 16 pieces of
// less than 1.5 radians of the fastest.
int TermsOfTable(const Series& series) {
  constexpr double kFastest = 16 * 1.5 * 2 / M_PI;
  // The sum has the symmetries of a cosine only if every term has: b odd.
  if (std::fmod(series.b, 2) != 1) return 1;
  int count = 1;
  while (count < series.terms() && series.frequencies[count] <= kFastest) ++count;
  // Tables of equal size, as few as there must be.
  const int tables = (series.terms() + count - 1) / count;
  return (series.terms() + tables - 1) / tables;
}

// sum a^n cos(b^n pi x) as tables of `count` terms each: since a^(n + count) cos(b^(n + count) pi
// x) = a^count (a^n cos(b^n pi (b^count x))), one table serves them all. The last use may have
// fewer terms; it then has a table of its own.
std::vector<Table> CosineTables(const Series& series, double amplitude) {
  const int count = TermsOfTable(series);
  std::vector<Table> tables;
  for (int n = 0; n < series.terms(); n += count) {
    const int own = std::min(count, series.terms() - n);
    const Table::Use use = {amplitude * series.weights[n], series.frequencies[n]};
    if (own == count && n > 0) {
      tables[0].uses.push_back(use);
      continue;
    }
    Table table;
    table.fold = Fold::kUnit;
    table.high = 0.5;
    table.symmetry.anti = true;
    table.uses = {use};
    table.function = [series, own](double p) {
      Jet jet;
      for (int n = 0; n < own; ++n) {
        const double rate = M_PI * series.frequencies[n], weight = std::pow(series.a, n);
        jet.value += weight * std::cos(rate * p);
        jet.first -= weight * rate * std::sin(rate * p);
      }
      return jet;
    };
    tables.push_back(std::move(table));
  }
  return tables;
}

Table TanhTable() {
  Table table;
  table.fold = Fold::kOdd;
  table.high = 10;  // where tanh is 1 but for 4e-9
  table.above = Tail::kConstant;
  table.function = [](double p) {
    const double t = std::tanh(p);
    return Jet{t, 1 - t * t, 0};
  };
  return table;
}

std::shared_ptr<const Piecewise> Tabulated(const WeierstrassOptions& options) {
  const Series series(options);
  const bool ripple = options.form() == WeierstrassOptions::TANH_RIPPLE;
  const double amplitude = ripple ? options.amplitude() : 1;
  std::vector<Table> tables = CosineTables(series, amplitude);
  if (ripple) tables.push_back(TanhTable());
  return std::make_shared<const Piecewise>(
      std::make_shared<WeierstrassFunction>(series, amplitude, ripple), std::move(tables));
}

}  // namespace

class Weierstrass : public Elementwise {
 public:
  static absl::StatusOr<std::unique_ptr<Weierstrass>> Create(const WeierstrassOptions& options) {
    constexpr double kMostRadians = 1e-3, kMostSlope = 100;
    const Series series(options);
    const double moved = series.frequencies.back() * M_PI * 10 * 0x1p-24;
    const std::string given =
        absl::StrFormat("a %g, b %g, terms %d", options.a(), options.b(), options.terms());
    if (!(moved <= kMostRadians)) {
      return pipeline::OptionError(
          "terms", absl::StrFormat("%s: rounding an input of 10 to float32 moves the fastest term "
                                   "by %.2g radians, more than %g; take fewer terms or a smaller b",
                                   given, moved, kMostRadians));
    }
    if (!(series.Lipschitz() <= kMostSlope)) {
      return pipeline::OptionError(
          "terms", absl::StrFormat("%s: slopes reach %.3g, more than %g; take fewer terms or a "
                                   "smaller a or b",
                                   given, series.Lipschitz(), kMostSlope));
    }
    return std::make_unique<Weierstrass>(options);
  }

  explicit Weierstrass(const WeierstrassOptions& options)
      : Elementwise(Tabulated(options),
                    options.form() == WeierstrassOptions::FRACTAL ? -1 : -1 - options.amplitude()) {
  }
};

REGISTER_PLUGIN(Activations, Weierstrass);

}  // namespace activations
