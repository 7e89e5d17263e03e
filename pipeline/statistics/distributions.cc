// Student's t, F and chi-squared.
#include "pipeline/statistics/distributions.h"

#include <cmath>
#include <utility>

namespace pipeline {
namespace {

constexpr int kMostTerms = 100000;
constexpr double kTiny = 1e-300;
constexpr double kEnough = 1e-16;

// ln Gamma(x) - ((x - 1/2) ln x - x + ln(2 pi) / 2) for x >= 20.
double StirlingRest(double x) {
  const double y = 1 / (x * x);
  return (1. / 12 - y * (1. / 360 - y * (1. / 1260 - y * (1. / 1680 - y / 1188)))) / x;
}

// ln(Gamma(a + b) / Gamma(a)); for great a the difference of two logarithms would lose digits.
double LogGammaRatio(double a, double b) {
  if (a < 20) return std::lgamma(a + b) - std::lgamma(a);
  return (a - 0.5) * std::log1p(b / a) + b * std::log(a + b) - b + StirlingRest(a + b) -
         StirlingRest(a);
}

double LogBeta(double a, double b) {
  if (a < b) std::swap(a, b);
  return std::lgamma(b) - LogGammaRatio(a, b);
}

// The continued fraction of I_x(a, b) (DLMF 8.17.22) by Lentz's method; quick for x below the mean.
double BetaFraction(double a, double b, double x) {
  double c = 1, d = 1 - (a + b) * x / (a + 1);
  d = 1 / (std::abs(d) < kTiny ? kTiny : d);
  double value = d;
  for (int m = 1; m < kMostTerms; ++m) {
    double change = 1;
    const double even = m * (b - m) * x / ((a + 2 * m - 1) * (a + 2 * m));
    const double odd = -(a + m) * (a + b + m) * x / ((a + 2 * m) * (a + 2 * m + 1));
    for (const double term : {even, odd}) {
      d = 1 + term * d;
      c = 1 + term / c;
      d = 1 / (std::abs(d) < kTiny ? kTiny : d);
      if (std::abs(c) < kTiny) c = kTiny;
      change = c * d;
      value *= change;
    }
    if (std::abs(change - 1) < kEnough) break;
  }
  return value;
}

// I_x(a, b), y being 1 - x with all its digits.
double BetaShare(double a, double b, double x, double y) {
  if (x <= 0) return 0;
  if (y <= 0) return 1;
  if (x > (a + 1) / (a + b + 2)) return 1 - BetaShare(b, a, y, x);
  const double log_x = x > 0.5 ? std::log1p(-y) : std::log(x);
  const double log_y = y > 0.5 ? std::log1p(-x) : std::log(y);
  return std::exp(a * log_x + b * log_y - LogBeta(a, b)) * BetaFraction(a, b, x) / a;
}

// The lower share of the gamma distribution by its series, for x < a + 1.
double GammaSeries(double a, double x) {
  double term = 1 / a, sum = term;
  for (int n = 1; n < kMostTerms && term > sum * kEnough; ++n) sum += term *= x / (a + n);
  return sum * std::exp(a * std::log(x) - x - std::lgamma(a));
}

// The upper share by its continued fraction (DLMF 8.9.2), for x >= a + 1.
double GammaFraction(double a, double x) {
  double b = x + 1 - a, c = 1 / kTiny, d = 1 / b, value = d;
  for (int n = 1; n < kMostTerms; ++n) {
    const double term = -n * (n - a);
    b += 2;
    d = term * d + b;
    d = 1 / (std::abs(d) < kTiny ? kTiny : d);
    c = b + term / c;
    if (std::abs(c) < kTiny) c = kTiny;
    value *= c * d;
    if (std::abs(c * d - 1) < kEnough) break;
  }
  return value * std::exp(a * std::log(x) - x - std::lgamma(a));
}

}  // namespace

double IncompleteBeta(double a, double b, double x) {
  if (!(a > 0 && b > 0 && x >= 0 && x <= 1)) return NAN;
  return BetaShare(a, b, x, 1 - x);
}

double StudentTwoSided(double t, double degrees) {
  if (!(degrees > 0) || std::isnan(t)) return NAN;
  if (std::isinf(t)) return 0;
  const double square = t * t, total = degrees + square;
  return BetaShare(degrees / 2, 0.5, degrees / total, square / total);
}

double StudentCdf(double t, double degrees) {
  const double tail = StudentTwoSided(t, degrees) / 2;
  return t < 0 ? tail : 1 - tail;
}

double StudentQuantile(double p, double degrees) {
  if (!(p >= 0 && p <= 1 && degrees > 0)) return NAN;
  if (p == 0) return -INFINITY;
  if (p == 1) return INFINITY;
  if (p == 0.5) return 0;
  if (p > 0.5) return -StudentQuantile(1 - p, degrees);
  double low = 0, high = 1;
  while (StudentTwoSided(high, degrees) > 2 * p && high < 1e300) {
    low = high;
    high *= 2;
  }
  for (double middle = (low + high) / 2; middle > low && middle < high; middle = (low + high) / 2) {
    (StudentTwoSided(middle, degrees) > 2 * p ? low : high) = middle;
  }
  return -high;
}

double FTail(double f, double numerator, double denominator) {
  if (!(f >= 0 && numerator > 0 && denominator > 0)) return NAN;
  if (std::isinf(f)) return 0;
  const double total = denominator + numerator * f;
  return BetaShare(denominator / 2, numerator / 2, denominator / total, numerator * f / total);
}

double ChiSquaredTail(double x, double degrees) {
  if (!(x >= 0 && degrees > 0)) return NAN;
  if (x == 0) return 1;
  const double a = degrees / 2, half = x / 2;
  return half < a + 1 ? 1 - GammaSeries(a, half) : GammaFraction(a, half);
}

}  // namespace pipeline
