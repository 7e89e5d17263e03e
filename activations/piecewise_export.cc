// Tables of narrow pieces, and their lookup.
#include "activations/piecewise_export.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <functional>

#include "absl/strings/str_format.h"

namespace activations {
namespace {

using pipeline::Op;
using pipeline::Symbol;
using Function = std::function<double(double)>;

constexpr double kReach = 20;        // from where on pieces are of 1 / |x|
constexpr double kTolerance = 2e-7;  // of max(1, |f|)

// Quadratics about the centers of pieces whose width is a power of two, so that a runtime computes
// each center without rounding.
struct Grid {
  double low = 0, width = 0;
  std::vector<float> constant, linear, quadratic;

  double Center(size_t i) const { return low + (static_cast<double>(i) + 0.5) * width; }
  double At(double v) const {
    const auto i = static_cast<size_t>(
        std::clamp((v - low) / width, 0.0, static_cast<double>(constant.size() - 1)));
    const double u = v - Center(i);
    return (quadratic[i] * u + linear[i]) * u + constant[i];
  }
};

// Through three Chebyshev nodes of each piece.
Grid Fit(const Function& f, double low, double high, double width) {
  Grid grid = {low, width};
  const auto pieces = static_cast<size_t>(std::ceil((high - low) / width));
  const double away = width / 2 * std::sqrt(0.75);
  for (size_t i = 0; i < pieces; ++i) {
    const double center = grid.Center(i);
    const double before = f(center - away), at = f(center), after = f(center + away);
    grid.constant.push_back(static_cast<float>(at));
    grid.linear.push_back(static_cast<float>((after - before) / (2 * away)));
    grid.quadratic.push_back(static_cast<float>((after + before - 2 * at) / (2 * away * away)));
  }
  return grid;
}

// Between the nodes, of max(1, |f|).
double ErrorOf(const Grid& grid, const Function& f) {
  double error = 0;
  for (size_t i = 0; i < grid.constant.size(); ++i) {
    for (const double place : {-0.499, -0.22, 0.22, 0.499}) {
      const double v = grid.Center(i) + place * grid.width, value = f(v);
      error = std::max(error, std::abs(grid.At(v) - value) / std::max(1.0, std::abs(value)));
    }
  }
  return error;
}

// With the widest pieces that are accurate enough; refuses where the narrowest are not.
Grid Fitted(const Function& f, double low, double high, double widest,
            pipeline::OperatorGraph* to) {
  constexpr int kHalvings = 5;
  for (int i = 0; i <= kHalvings; ++i) {
    Grid grid = Fit(f, low, high, std::ldexp(widest, -i));
    const double error = ErrorOf(grid, f);
    if (error <= kTolerance) return grid;
    if (i == kHalvings) {
      to->Refuse(absl::StrFormat("is not met by piecewise quadratics: they err by %.1e", error));
    }
  }
  return {low, high - low, {0}, {0}, {0}};
}

// The table's value at v. NaN passes on: it finds the first piece, and is in what that computes.
Symbol Lookup(const Grid& grid, const Symbol& v) {
  const Symbol place = (v - grid.low) * (1 / grid.width), zero = Scalar(v, 0);
  const Symbol last = Scalar(v, static_cast<double>(grid.constant.size() - 1));
  const Symbol inside = Where(Op("Greater", {place, zero}), place, zero);
  const Symbol piece = Op("Floor", {Op("Min", {inside, last})});
  const Symbol u = v - (piece * grid.width + grid.Center(0));
  const Symbol index = Cast(piece, at::kInt);
  const auto row = [&](const std::vector<float>& values) {
    return Shaped(Op("Gather", {v.graph->Constant(at::tensor(values)), index}), v.shape);
  };
  return (row(grid.quadratic) * u + row(grid.linear)) * u + row(grid.constant);
}

// The power of |x| by which f grows or fades towards an infinity: 0 where it has a limit.
double PowerOf(const Function& f, double sign) {
  const double far = std::ldexp(sign, 100);
  const double power = std::log2(f(2 * far) / f(far));
  return std::isfinite(power) && std::abs(power) > 1e-9 ? power : 0;
}

// A function without a period.
Symbol WholeLine(const Function& f, const Symbol& x) {
  const double below = PowerOf(f, -1), above = PowerOf(f, 1);
  // v is x up to kReach, and kReach + 1 - t beyond.
  const Function folded = [&](double v) {
    if (std::abs(v) <= kReach) return f(v);
    const double t = kReach + 1 - std::abs(v);
    return f(std::copysign(kReach / t, v)) * std::pow(t, v < 0 ? below : above);
  };
  const Grid grid = Fitted(folded, -kReach - 1, kReach + 1, 0x1p-5, x.graph);
  const Symbol reach = Scalar(x, kReach), size = Op("Abs", {x});
  const Symbol t = reach / Op("Max", {size, reach});
  const Symbol beyond = Op("Sign", {x}) * (Scalar(x, kReach + 1) - t);
  const Symbol y = Lookup(grid, Where(Op("Greater", {size, reach}), beyond, x));
  if (below == 0 && above == 0) return y;
  const Symbol negative = Op("Less", {x, Scalar(x, 0)});
  return y * Op("Pow", {t, Where(negative, Scalar(x, -below), Scalar(x, -above))});
}

// A term's table at p, of which it has 16 pieces of a higher degree.
double TableAt(const Piecewise::Fitted& table, double p) {
  const double even = table.fold == Fold::kDense ? p / (2 + std::abs(p)) : p;
  const auto i =
      static_cast<int>(std::clamp<double>((even - table.low) * table.scale, 0, table.pieces - 1));
  double sum = 0;
  for (int k = table.degree; k >= 0; --k) sum = sum * (p - table.centers[i]) + table.value[k][i];
  return sum;
}

Symbol Periodic(const Piecewise::Term& term, const Symbol& x) {
  const Function f = [&](double p) { return TableAt(term.table, p); };
  const Grid grid = Fitted(f, 0, 0.5, 0x1p-9, x.graph);
  const double frequency = static_cast<double>(term.frequency) + term.frequency_low;
  const Symbol turns = Cast(x, at::kDouble) * frequency;
  const Symbol nearest = Op("Round", {turns});
  const Symbol r = Cast(turns - nearest, at::kFloat);
  Symbol y = Lookup(grid, Op("Abs", {r}));
  if (term.table.symmetry.odd) y = y * Op("Sign", {r});
  if (!term.table.symmetry.anti) return y;
  const Symbol odd = nearest - Op("Floor", {nearest * 0.5}) * 2;
  return y * (Scalar(x, 1) - Cast(odd, at::kFloat) * 2);
}

}  // namespace

Symbol Export(const Piecewise& f, const Symbol& x) {
  std::vector<const Piecewise::Term*> periodic, others;
  for (const Piecewise::Term& term : f.terms()) {
    (term.table.fold == Fold::kUnit ? periodic : others).push_back(&term);
  }
  if (periodic.empty()) return WholeLine([&](double p) { return f.exact()(p).value; }, x);
  Symbol sum = Periodic(*periodic[0], x);
  for (size_t i = 1; i < periodic.size(); ++i) sum = sum + Periodic(*periodic[i], x);
  if (f.slope() != 0) sum = sum + x * f.slope();
  if (others.empty()) return sum;
  // Tables beside periodic ones have tails of their own, so they hold everywhere.
  const Function rest = [&](double p) {
    double value = 0;
    for (const Piecewise::Term* term : others) {
      const bool odd = term->table.fold == Fold::kOdd;
      value += TableAt(term->table, odd ? std::abs(p) : p) * (odd && p < 0 ? -1 : 1);
    }
    return value;
  };
  return sum + WholeLine(rest, x);
}

}  // namespace activations
