// The normal distribution.
#ifndef PIPELINE_STATISTICS_NORMAL_H_
#define PIPELINE_STATISTICS_NORMAL_H_

namespace pipeline {

// P(Z <= z).
double NormalCdf(double z);

// The z with P(Z <= z) = p, to the last few bits: -infinity at 0, infinity at 1, NaN outside.
double NormalQuantile(double p);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_NORMAL_H_
