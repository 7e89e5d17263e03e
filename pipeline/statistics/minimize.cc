// L-BFGS.
#include "pipeline/statistics/minimize.h"

#include <cmath>
#include <cstddef>
#include <deque>
#include <limits>

namespace pipeline {
namespace {

using Vector = std::vector<double>;

constexpr int kIterations = 2000;
constexpr size_t kMemory = 20;
constexpr double kFlat = 1e-10;

double Dot(const Vector& a, const Vector& b) {
  double sum = 0;
  for (size_t i = 0; i < a.size(); ++i) sum += a[i] * b[i];
  return sum;
}

Vector Plus(const Vector& a, double factor, const Vector& b) {
  Vector sum = a;
  for (size_t i = 0; i < a.size(); ++i) sum[i] += factor * b[i];
  return sum;
}

// A step and how much it changed the gradient.
struct Step {
  Vector moved, bent;
  double product;
};

// The direction down that the last steps suggest (Nocedal's two loops).
Vector Direction(const Vector& gradient, const std::deque<Step>& steps) {
  Vector direction = Plus(Vector(gradient.size(), 0), -1, gradient);
  Vector shares(steps.size());
  for (size_t i = steps.size(); i-- > 0;) {
    shares[i] = Dot(steps[i].moved, direction) / steps[i].product;
    direction = Plus(direction, -shares[i], steps[i].bent);
  }
  if (!steps.empty()) {
    const double scale = steps.back().product / Dot(steps.back().bent, steps.back().bent);
    for (double& value : direction) value *= scale;
  }
  for (size_t i = 0; i < steps.size(); ++i) {
    const double share = Dot(steps[i].bent, direction) / steps[i].product;
    direction = Plus(direction, shares[i] - share, steps[i].moved);
  }
  return direction;
}

struct Point {
  Vector x, gradient;
  double value = 0;
};

Point At(const Function& function, Vector x) {
  Point point{std::move(x), {}, 0};
  point.gradient.resize(point.x.size());
  point.value = function(point.x, &point.gradient);
  return point;
}

// Along `direction`, a point lower by a share of what the slope promises and much less steep (the
// weak conditions of Wolfe), found by bisection; the best so far where rounding ends the search.
// Where values are equal but for rounding, their slopes say which is lower (Hager and Zhang 2005).
Point Search(const Function& function, const Point& from, const Vector& direction, double step) {
  const double slope = Dot(from.gradient, direction);
  double low = 0, high = std::numeric_limits<double>::infinity();
  Point best = from;
  for (int i = 0; i < 60; ++i) {
    Point at = At(function, Plus(from.x, step, direction));
    const double slope_there = Dot(at.gradient, direction);
    const bool lower = at.value <= from.value + 1e-4 * step * slope ||
                       (at.value <= from.value + 1e-14 * std::abs(from.value) &&
                        slope_there <= (2e-4 - 1) * slope);
    if (lower && at.value <= best.value) best = at;
    if (!lower) {  // also where it is NaN
      high = step;
    } else if (slope_there < 0.9 * slope) {
      low = step;
    } else {
      return at;
    }
    step = std::isinf(high) ? 2 * low : (low + high) / 2;
  }
  return best;
}

double Steepest(const Vector& gradient) {
  double most = 0;
  for (const double value : gradient) most = std::fmax(most, std::abs(value));
  return most;
}

}  // namespace

std::vector<double> Minimize(const Function& function, std::vector<double> x) {
  Point at = At(function, std::move(x));
  std::deque<Step> steps;
  for (int i = 0; i < kIterations && Steepest(at.gradient) > kFlat; ++i) {
    const Vector direction = Direction(at.gradient, steps);
    const double first = steps.empty() ? 1 / std::fmax(1, std::sqrt(Dot(direction, direction))) : 1;
    Point next = Search(function, at, direction, first);
    Step step{Plus(next.x, -1, at.x), Plus(next.gradient, -1, at.gradient), 0};
    step.product = Dot(step.moved, step.bent);
    if (step.product > 0) {
      steps.push_back(std::move(step));
      if (steps.size() > kMemory) steps.pop_front();
    } else if (steps.empty()) {
      break;  // not even straight down
    } else {
      steps.clear();
    }
    at = std::move(next);
  }
  return at.x;
}

}  // namespace pipeline
