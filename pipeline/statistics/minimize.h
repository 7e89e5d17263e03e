// The minimum of a smooth convex function.
#ifndef PIPELINE_STATISTICS_MINIMIZE_H_
#define PIPELINE_STATISTICS_MINIMIZE_H_

#include <functional>
#include <vector>

namespace pipeline {

// The value at x; its derivatives by each of x go to `gradient`, which has the size of x.
using Function = std::function<double(const std::vector<double>& x, std::vector<double>* gradient)>;

// The x of the least value, by L-BFGS from `x`: no derivative is above 1e-10 there, or rounding
// allows no further progress, or 2,000 iterations have gone by.
std::vector<double> Minimize(const Function& function, std::vector<double> x);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_MINIMIZE_H_
