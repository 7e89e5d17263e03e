// Gauss and Legendre's quadrature.
#include "pipeline/statistics/quadrature.h"

#include <cmath>
#include <vector>

namespace pipeline {
namespace {

constexpr int kNodes = 200;

struct Node {
  double x, weight;
};

// On [-1, 1]: the zeros of Legendre's polynomial, by Newton's steps from Tricomi's start.
std::vector<Node> LegendreNodes() {
  std::vector<Node> nodes;
  for (int k = 0; k < kNodes; ++k) {
    double x = std::cos(M_PI * (k + 0.75) / (kNodes + 0.5)), slope = 0;
    for (int step = 0; step < 10; ++step) {
      double last = 1, value = x;
      for (int n = 2; n <= kNodes; ++n) {
        const double next = ((2 * n - 1) * x * value - (n - 1) * last) / n;
        last = value;
        value = next;
      }
      slope = kNodes * (x * value - last) / (x * x - 1);
      x -= value / slope;
    }
    nodes.push_back({x, 2 / ((1 - x * x) * slope * slope)});
  }
  return nodes;
}

}  // namespace

double Integral(const std::function<double(double)>& function, double low, double high) {
  static const std::vector<Node> nodes = LegendreNodes();
  const double middle = (low + high) / 2, half = (high - low) / 2;
  double sum = 0;
  for (const Node& node : nodes) sum += node.weight * function(middle + half * node.x);
  return half * sum;
}

}  // namespace pipeline
