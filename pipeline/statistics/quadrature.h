// Integrals of smooth functions.
#ifndef PIPELINE_STATISTICS_QUADRATURE_H_
#define PIPELINE_STATISTICS_QUADRATURE_H_

#include <functional>

namespace pipeline {

// Of `function` over [low, high], by Gauss and Legendre's 200 nodes: exact to the last few bits for
// what is smooth at that scale, such as a normal density over [-9, 9].
double Integral(const std::function<double(double)>& function, double low, double high);

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_QUADRATURE_H_
