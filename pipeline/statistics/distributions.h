// Student's t, F and chi-squared, by the incomplete beta and gamma functions.
#ifndef PIPELINE_STATISTICS_DISTRIBUTIONS_H_
#define PIPELINE_STATISTICS_DISTRIBUTIONS_H_

namespace pipeline {

// I_x(a, b), the share of the beta function that lies below x: a, b > 0, x in [0, 1]; NaN outside.
// Continued fraction (Lentz), relative error about 1e-13.
double IncompleteBeta(double a, double b, double x);

// P(T <= t), any real degrees of freedom > 0; NaN outside.
double StudentCdf(double t, double degrees);
// P(|T| >= |t|), without losing digits where it is small.
double StudentTwoSided(double t, double degrees);
// The t with P(T <= t) = p: -infinity at 0, infinity at 1, NaN outside.
double StudentQuantile(double p, double degrees);

// P(F >= f) of F with these degrees of freedom, f >= 0.
double FTail(double f, double numerator, double denominator);

// P(X >= x) of chi-squared, x >= 0.
double ChiSquaredTail(double x, double degrees);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_DISTRIBUTIONS_H_
