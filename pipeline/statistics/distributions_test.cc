// Tails and quantiles against scipy's and Boost's.
#include "pipeline/statistics/distributions.h"

#include <gtest/gtest.h>

#include <boost/math/distributions/chi_squared.hpp>
#include <boost/math/distributions/fisher_f.hpp>
#include <boost/math/distributions/students_t.hpp>
#include <boost/math/special_functions/beta.hpp>
#include <cmath>

#include "pipeline/statistics/quadrature.h"

namespace pipeline {
namespace {

constexpr double kNear = 1e-11;  // relative

TEST(Student, QuantilesOfAFewSeeds) {
  EXPECT_NEAR(StudentQuantile(0.975, 2), 0.95 * std::sqrt(2 / 0.0975), 1e-13);
  EXPECT_NEAR(StudentQuantile(0.975, 3), 3.182446305, 1e-9);
  EXPECT_NEAR(StudentQuantile(0.975, 4), 2.776445105, 1e-9);
  EXPECT_NEAR(StudentQuantile(0.025, 4), -2.776445105, 1e-9);
  EXPECT_EQ(StudentQuantile(0.5, 3), 0);
  EXPECT_EQ(StudentQuantile(1, 3), INFINITY);
  EXPECT_TRUE(std::isnan(StudentQuantile(0.5, 0)));
  EXPECT_TRUE(std::isnan(StudentQuantile(-0.1, 3)));
}

TEST(Student, IsBoosts) {
  for (const double degrees : {0.7, 1., 2., 4.63803681, 19., 39., 40.5, 399., 1e4, 1e6}) {
    const boost::math::students_t other(degrees);
    for (const double t : {1e-6, 0.3, 1., 2.6, 9., 33., 400.}) {
      const double tail = 2 * cdf(complement(other, t));
      if (tail > 1e-280) {
        EXPECT_NEAR(StudentTwoSided(t, degrees), tail, kNear * tail) << t << " " << degrees;
      }
      EXPECT_NEAR(StudentCdf(-t, degrees), tail / 2, kNear * tail);
      EXPECT_NEAR(StudentCdf(t, degrees), 1 - tail / 2, 1e-13);
    }
    for (const double p : {1e-9, 0.001, 0.025, 0.4}) {
      const double t = quantile(other, p);
      EXPECT_NEAR(StudentQuantile(p, degrees), t, -kNear * t) << p << " " << degrees;
      EXPECT_NEAR(StudentQuantile(1 - p, degrees), -t, -1e-6 * t);
    }
  }
  EXPECT_EQ(StudentTwoSided(0, 3), 1);
  EXPECT_EQ(StudentTwoSided(INFINITY, 3), 0);
  EXPECT_TRUE(std::isnan(StudentTwoSided(NAN, 3)));
}

TEST(IncompleteBeta, IsBoosts) {
  for (const double a : {0.1, 0.5, 1., 7., 150., 3000.}) {
    for (const double b : {0.1, 0.5, 2., 30., 2500.}) {
      for (const double x : {0.001, 0.1, 0.4, 0.5, 0.77, 0.99}) {
        const double share = boost::math::ibeta(a, b, x);
        if (share > 1e-280) {
          EXPECT_NEAR(IncompleteBeta(a, b, x), share, kNear * share) << a << " " << b << " " << x;
        }
      }
    }
  }
  EXPECT_EQ(IncompleteBeta(2, 3, 0), 0);
  EXPECT_EQ(IncompleteBeta(2, 3, 1), 1);
  EXPECT_TRUE(std::isnan(IncompleteBeta(2, 3, 1.1)));
}

TEST(FTail, IsBoosts) {
  for (const double f : {0.01, 1., 4., 21.97297297, 300.}) {
    for (const double a : {1., 4., 62.}) {
      for (const double b : {3., 12., 186.}) {
        const double tail = cdf(complement(boost::math::fisher_f(a, b), f));
        EXPECT_NEAR(FTail(f, a, b), tail, kNear * tail);
      }
    }
  }
  EXPECT_EQ(FTail(0, 2, 3), 1);
  EXPECT_EQ(FTail(INFINITY, 2, 3), 0);
}

TEST(ChiSquaredTail, IsBoosts) {
  for (const double x : {0.01, 1., 5., 14., 80., 300.}) {
    for (const double degrees : {1., 4., 30., 62.}) {
      const double tail = cdf(complement(boost::math::chi_squared(degrees), x));
      EXPECT_NEAR(ChiSquaredTail(x, degrees), tail, kNear * tail) << x << " " << degrees;
    }
  }
  EXPECT_EQ(ChiSquaredTail(0, 3), 1);
}

// Of 12 and 4 discordant images: with and without correction for continuity (statsmodels).
TEST(ChiSquaredTail, McNemarWithoutBinomials) {
  EXPECT_NEAR(ChiSquaredTail(7. * 7 / 16, 1), 0.08011831373, 1e-11);
  EXPECT_NEAR(ChiSquaredTail(8. * 8 / 16, 1), 0.0455002639, 1e-10);
}

TEST(Integral, OfTheNormalDensityAndOfPowers) {
  const auto density = [](double z) { return std::exp(-z * z / 2) / std::sqrt(2 * M_PI); };
  EXPECT_NEAR(Integral(density, -9, 9), 1, 1e-14);
  EXPECT_NEAR(Integral([](double x) { return std::pow(x, 50); }, 0, 2), std::exp2(51) / 51, 1);
}

}  // namespace
}  // namespace pipeline
