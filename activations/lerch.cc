// Lerch transcendents of real arguments: fractional softplus, and a bounded form.
#include <algorithm>
#include <cmath>
#include <complex>
#include <vector>

#include "activations/elementwise.h"
#include "activations/lerch.pb.h"

namespace activations {
namespace {

using Complex = std::complex<double>;

// L_s(x) = -Li_s(-e^x), the complete Fermi-Dirac integral, and its derivatives L_(s-1), L_(s-2).
class FractionalSoftplus : public SpecialFunction {
 public:
  explicit FractionalSoftplus(double s) : s_(s) {
    for (int k = 1; k <= kTerms; ++k) powers_.push_back(std::pow(k, -s) * (k % 2 == 1 ? 1 : -1));
    for (double y = 0; y < kReach; y += kStep) {
      const Complex p(kLine, y);
      const Complex weight = kStep / std::sin(M_PI * p) * std::pow(p, -s);
      // The other half of the line gives the conjugate.
      weights_.push_back(y == 0 ? weight / 2.0 : weight);
    }
    // 2 eta(2k) / Gamma(s + 1 - 2k), by x^(s - 2k).
    for (int k = 0; k <= kTerms / 2; ++k) {
      const double eta = k == 0 ? 0.5 : std::riemann_zeta(2.0 * k) * (1 - std::exp2(1 - 2.0 * k));
      sommerfeld_.push_back(2 * eta * ReciprocalGamma(s + 1 - 2 * k));
    }
  }

  Jet At(double x) const override {
    if (x < -1) return Series(std::exp(x));
    return x < kFar ? Integral(x) : Asymptotic(x);
  }

  Jet Limit(bool positive) const override {
    if (!positive) return {};
    return {s_ == 0 ? 1 : INFINITY, s_ > 1 ? INFINITY : (s_ == 1 ? 1.0 : 0.0), s_ == 2 ? 1.0 : 0.0};
  }

 private:
  static constexpr int kTerms = 40;
  static constexpr double kFar = 30;
  // The line Re p = kLine, and the step and reach at which its trapezoid rule errs by 1e-15.
  static constexpr double kLine = 0.25, kStep = 0.045, kReach = 13;

  static double ReciprocalGamma(double z) {
    // At poles of Gamma, 0.
    return z <= 0 && z == std::floor(z) ? 0 : 1 / std::tgamma(z);
  }

  // sum (-1)^(k-1) z^k / k^s for z <= 1/e.
  Jet Series(double z) const {
    Jet jet;
    double power = 1;
    for (int k = 1; k <= kTerms; ++k) {
      power *= z;
      const double term = powers_[k - 1] * power;
      jet.value += term;
      jet.first += k * term;
      jet.second += static_cast<double>(k) * k * term;
    }
    return jet;
  }

  // 1 / (2 pi i) times the integral of pi e^(x p) / (p^s sin(pi p)) over a line with 0 < Re p < 1
  // (the bilateral Laplace transform of the sigmoid, integrated s times).
  Jet Integral(double x) const {
    Jet jet;
    Complex turn = 1;
    const Complex step = std::polar(1.0, x * kStep);
    Complex p(kLine, 0);
    for (const Complex& weight : weights_) {
      const Complex term = weight * turn;
      jet.value += term.real();
      jet.first += (term * p).real();
      jet.second += (term * p * p).real();
      turn *= step;
      p += Complex(0, kStep);
    }
    const double scale = std::exp(x * kLine);
    return {jet.value * scale, jet.first * scale, jet.second * scale};
  }

  // Sommerfeld's expansion, to its least term; what it leaves out is below e^-x.
  Jet Asymptotic(double x) const {
    Jet jet;
    double power = std::pow(x, s_), least = INFINITY;
    for (int k = 0; k <= kTerms / 2; ++k) {
      const double term = sommerfeld_[k] * power;
      if (std::abs(term) > least && k > 2) break;
      if (term != 0) least = std::abs(term);
      const double exponent = s_ - 2 * k;
      jet.value += term;
      jet.first += term * exponent / x;
      jet.second += term * exponent * (exponent - 1) / (x * x);
      power /= x * x;
    }
    return jet;
  }

  const double s_;
  std::vector<double> powers_;
  std::vector<Complex> weights_;
  std::vector<double> sommerfeld_;
};

// Phi(rho tanh x, s, a) - a^-s.
class BoundedLerch : public SpecialFunction {
 public:
  explicit BoundedLerch(const LerchOptions& options) : rho_(options.rho()) {
    // The rest of the series is below its next term / (1 - rho).
    double power = 1;
    for (int k = 1; power > 1e-17; ++k, power *= rho_) {
      coefficients_.push_back(std::pow(options.a() + k, -options.s()));
    }
  }

  Jet At(double x) const override {
    const double t = std::tanh(x);
    const double z = rho_ * t;
    // Horner's rule for the series and its derivatives by z.
    double sum = 0, first = 0, second = 0;
    for (size_t k = coefficients_.size(); k-- > 0;) {
      second = second * z + 2 * first;
      first = first * z + sum;
      sum = sum * z + coefficients_[k];
    }
    // z times the sum, by z: sum + z first, and 2 first + z second.
    const double by_z = sum + z * first, by_zz = 2 * first + z * second;
    const double slope = rho_ * (1 - t * t);
    return {z * sum, by_z * slope, by_zz * slope * slope - by_z * 2 * t * slope};
  }

  Jet Limit(bool positive) const override {
    return {At(positive ? kSaturated : -kSaturated).value, 0, 0};
  }

  static constexpr double kSaturated = 20;  // tanh is 1 there, to the last bit

 private:
  const double rho_;
  std::vector<double> coefficients_;  // of z^(k+1)
};

std::shared_ptr<const Piecewise> Tabulated(const LerchOptions& options) {
  Table table;
  std::shared_ptr<const SpecialFunction> f;
  if (options.form() == LerchOptions::SOFTPLUS) {
    f = std::make_shared<FractionalSoftplus>(options.s());
    table.high = 20;
  } else {
    f = std::make_shared<BoundedLerch>(options);
    table.fold = Fold::kDense;
    table.high = 10;  // where tanh is 1 but for 4e-9
    table.below = table.above = Tail::kConstant;
  }
  table.low = -table.high;
  table.function = [f](double p) { return f->At(p); };
  return std::make_shared<const Piecewise>(f, std::vector<Table>{table});
}

}  // namespace

class Lerch : public Elementwise {
 public:
  explicit Lerch(const LerchOptions& options) : Lerch(options, Tabulated(options)) {}

 private:
  // Both forms increase.
  Lerch(const LerchOptions&, const std::shared_ptr<const Piecewise>& f)
      : Elementwise(f, f->exact()(-INFINITY).value) {}
};

REGISTER_PLUGIN(Activations, Lerch);

}  // namespace activations
