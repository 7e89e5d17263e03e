// Jacobi's elliptic functions, and his polynomials, as activations.
#include <algorithm>
#include <array>
#include <cmath>

#include "activations/elementwise.h"
#include "activations/jacobi.pb.h"

namespace activations {
namespace {

using Form = JacobiOptions::Form;

// sn, cn and dn by descending Landen transformations (Abramowitz and Stegun 16.4) after reduction
// by the period.
class EllipticFunction : public SpecialFunction {
 public:
  EllipticFunction(Form form, double m) : form_(form), m_(m) {
    long double a = 1, b = std::sqrt(1 - static_cast<long double>(m));
    ratios_[0] = std::sqrt(m);
    while (steps_ < kMaxSteps && ratios_[steps_] > 1e-17) {
      const long double c = (a - b) / 2, mean = (a + b) / 2;
      b = std::sqrt(a * b);
      a = mean;
      ratios_[++steps_] = static_cast<double>(c / a);
    }
    mean_ = static_cast<double>(a);
    quarter_ = m < 1 ? static_cast<long double>(M_PIl) / (2 * a) : INFINITY;
  }

  // K(m), a quarter of the period; infinite for m = 1.
  double quarter() const { return static_cast<double>(quarter_); }

  Jet At(double x) const override {
    const Values v = Elliptic(x);
    const double product = v.sn * v.cn * v.dn;
    switch (form_) {
      case JacobiOptions::ELLIPTIC_CN:
        return {v.cn, -v.sn * v.dn, v.cn * (2 * m_ * v.sn * v.sn - 1)};
      case JacobiOptions::ELLIPTIC_DN:
        return {v.dn, -m_ * v.sn * v.cn, -m_ * v.dn * (v.cn * v.cn - v.sn * v.sn)};
      case JacobiOptions::SNAKE: {
        const double square = v.sn * v.sn;
        return {x + square, 1 + 2 * product,
                2 * (1 - 2 * (1 + m_) * square + 3 * m_ * square * square)};
      }
      default:
        return {v.sn, v.cn * v.dn, v.sn * (2 * m_ * v.sn * v.sn - 1 - m_)};
    }
  }

  Jet Limit(bool positive) const override {
    if (form_ == JacobiOptions::SNAKE) {
      return {positive ? INFINITY : -INFINITY, m_ == 1 ? 1 : NAN, m_ == 1 ? 0 : NAN};
    }
    if (m_ < 1) return {NAN, NAN, NAN};
    return {form_ == JacobiOptions::ELLIPTIC_SN ? (positive ? 1.0 : -1.0) : 0.0, 0, 0};
  }

 private:
  struct Values {
    double sn, cn, dn;
  };

  Values Elliptic(double x) const {
    if (m_ == 1) {
      const double decay = std::exp(-std::abs(x));
      const double sech = 2 * decay / (1 + decay * decay);
      return {std::tanh(x), sech, sech};
    }
    const auto u = static_cast<double>(std::remainder(static_cast<long double>(x), 4 * quarter_));
    double phase = std::ldexp(mean_ * u, steps_);
    for (int n = steps_; n > 0; --n) {
      phase = (phase + std::asin(ratios_[n] * std::sin(phase))) / 2;
    }
    const double sn = std::sin(phase), cn = std::cos(phase);
    // 1 - m sn^2 without cancellation near m = 1.
    return {sn, cn, std::sqrt((1 - m_) + m_ * cn * cn)};
  }

  static constexpr int kMaxSteps = 12;  // for m = 1 - 1e-16
  const Form form_;
  const double m_;
  int steps_ = 0;
  std::array<double, kMaxSteps + 1> ratios_ = {};  // c_n / a_n of the arithmetic-geometric mean
  double mean_ = 1;
  long double quarter_ = 0;
};

// P_n^(a,b)(tanh x); the derivative of P_n^(a,b) is (n + a + b + 1) / 2 P_(n-1)^(a+1,b+1).
class PolynomialFunction : public SpecialFunction {
 public:
  explicit PolynomialFunction(const JacobiOptions& options)
      : n_(options.n()), a_(options.a()), b_(options.b()) {}

  Jet At(double x) const override {
    const double t = std::tanh(x);
    const double slope = 1 - t * t;
    const double once = (n_ + a_ + b_ + 1) / 2;
    const double twice = once * (n_ + a_ + b_ + 2) / 2;
    const double first = once * P(n_ - 1, a_ + 1, b_ + 1, t);
    const double second = twice * P(n_ - 2, a_ + 2, b_ + 2, t);
    return {P(n_, a_, b_, t), first * slope, second * slope * slope - 2 * t * slope * first};
  }

  Jet Limit(bool positive) const override { return {P(n_, a_, b_, positive ? 1 : -1), 0, 0}; }

  double Least() const {
    constexpr int kPoints = 20000;
    double least = INFINITY;
    for (int i = 0; i <= kPoints; ++i) {
      least = std::min(least, P(n_, a_, b_, 2.0 * i / kPoints - 1));
    }
    return least;
  }

 private:
  // By the recurrence over degrees (DLMF 18.9.2).
  static double P(int n, double a, double b, double t) {
    if (n < 0) return 0;
    double before = 0, now = 1;
    for (int k = 1; k <= n; ++k) {
      const double sum = 2 * k + a + b;
      double next = (a - b + (a + b + 2) * t) / 2;
      if (k > 1) {
        const double by_now = (sum - 1) * (sum * (sum - 2) * t + a * a - b * b);
        const double by_before = 2 * (k + a - 1) * (k + b - 1) * sum;
        next = (by_now * now - by_before * before) / (2 * k * (k + a + b) * (sum - 2));
      }
      before = now;
      now = next;
    }
    return now;
  }

  const int n_;
  const double a_, b_;
};

// Constant beyond `saturated`, either way.
Table Whole(const std::shared_ptr<const SpecialFunction>& f, double saturated) {
  Table table;
  table.function = [f](double p) { return f->At(p); };
  table.fold = Fold::kDense;
  table.low = -saturated;
  table.high = saturated;
  table.below = table.above = Tail::kConstant;
  return table;
}

// One half period 2 K as the unit, over which sn and cn change their sign.
Table Periodic(const std::shared_ptr<const SpecialFunction>& f, Form form, double quarter) {
  Table table;
  const bool snake = form == JacobiOptions::SNAKE;
  table.fold = Fold::kUnit;
  table.high = 0.5;
  table.symmetry.odd = form == JacobiOptions::ELLIPTIC_SN;
  table.symmetry.anti = form == JacobiOptions::ELLIPTIC_SN || form == JacobiOptions::ELLIPTIC_CN;
  table.uses = {{1, 1 / (2 * quarter)}};
  table.function = [f, snake, quarter](double p) {
    const double x = 2 * quarter * p;
    Jet jet = f->At(x);
    if (snake) jet = {jet.value - x, jet.first - 1, jet.second};
    return Jet{jet.value, jet.first * 2 * quarter, 0};
  };
  return table;
}

// The square of tanh beside x, for the one SNAKE without a period.
Table SquareTable(const std::shared_ptr<const SpecialFunction>& f) {
  Table table = Whole(f, 20);
  table.function = [f](double p) {
    const Jet jet = f->At(p);
    return Jet{jet.value - p, jet.first - 1, 0};
  };
  return table;
}

std::shared_ptr<const Piecewise> Tabulated(const JacobiOptions& options) {
  using Tables = std::vector<Table>;
  if (options.form() == JacobiOptions::POLYNOMIAL) {
    auto f = std::make_shared<PolynomialFunction>(options);
    return std::make_shared<const Piecewise>(f, Tables{Whole(f, 10)});  // tanh 10 is 1 - 4e-9
  }
  auto f = std::make_shared<EllipticFunction>(options.form(), options.m());
  const double slope = options.form() == JacobiOptions::SNAKE ? 1 : 0;
  Table table = options.m() < 1
                    ? Periodic(f, options.form(), f->quarter())
                    : (slope == 1 ? SquareTable(f) : Whole(f, 20));  // 1 / cosh 20 is 4e-9
  return std::make_shared<const Piecewise>(f, Tables{table}, slope);
}

double Infimum(const JacobiOptions& options) {
  switch (options.form()) {
    case JacobiOptions::POLYNOMIAL:
      return PolynomialFunction(options).Least();
    case JacobiOptions::SNAKE:
      return -INFINITY;
    case JacobiOptions::ELLIPTIC_DN:
      return std::sqrt(1 - options.m());
    case JacobiOptions::ELLIPTIC_CN:
      return options.m() == 1 ? 0 : -1;
    default:
      return -1;
  }
}

}  // namespace

class Jacobi : public Elementwise {
 public:
  explicit Jacobi(const JacobiOptions& options)
      : Elementwise(Tabulated(options), Infimum(options)) {}
};

REGISTER_PLUGIN(Activations, Jacobi);

}  // namespace activations
