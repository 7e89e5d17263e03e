// The fit of piecewise.cc as one matrix, since it is linear in values and slopes.
#include "activations/learned_tables.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/linalg_inv.h>
#include <ATen/ops/stack.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros.h>
#include <ATen/ops/zeros_like.h>

#include <cmath>
#include <vector>

#include "activations/piecewise_gpu.h"

namespace activations {
namespace {

constexpr int64_t kDegree = Piecewise::kMaxDegree, kNodes = kDegree, kPieces = Piecewise::kPieces;

// From values and slopes at the nodes of a piece to its coefficients: 1 + kDegree of the value,
// then kDegree of the slope, as TablesFor has them. The slope's polynomial goes through its nodes,
// the value's is its integral, with the mean error 0.
at::Tensor FitOf(const std::vector<double>& nodes, double half) {
  const at::Tensor t = at::tensor(nodes, at::kDouble);
  std::vector<at::Tensor> powers, value_rows, slope_rows;
  for (int64_t k = 0; k < kNodes; ++k) powers.push_back(t.pow(k));
  const at::Tensor coefficients = at::linalg_inv(at::stack(powers, 1));  // of t^k, by slopes
  at::Tensor constant = at::zeros({kNodes}, at::kDouble);
  for (int64_t k = 0; k < kNodes; ++k) {
    slope_rows.push_back(coefficients[k] / std::pow(half, k));
    value_rows.push_back(slope_rows.back() / static_cast<double>(k + 1));
    constant -= coefficients[k] * half / static_cast<double>(k + 1) * t.pow(k + 1).mean();
  }
  value_rows.insert(value_rows.begin(), constant);
  value_rows.insert(value_rows.end(), slope_rows.begin(), slope_rows.end());
  const at::Tensor by_slopes = at::stack(value_rows);
  const at::Tensor by_values = at::zeros_like(by_slopes);
  by_values[0].fill_(1.0 / kNodes);
  return at::concat({by_values, by_slopes}, 1);
}

}  // namespace

LearnedTables::LearnedTables(const Piecewise& like, const Table& table, const at::Device& device) {
  const bool odd = table.fold == Fold::kOdd, ends_below = table.below == Tail::kExact;
  const bool ends_above = table.above == Tail::kExact;
  TORCH_CHECK((odd || table.fold == Fold::kNone) && like.terms().size() == 1);
  const Piecewise::Fitted& fitted = like.terms()[0].table;
  TORCH_CHECK(fitted.degree == kDegree && fitted.pieces == kPieces);
  first_ = ends_below ? 0 : 1;
  inner_ = kPieces - first_ - (ends_above ? 0 : 1);
  const double half = (table.high - table.low) / static_cast<double>(inner_) / 2;
  std::vector<double> nodes, points;
  for (int64_t j = 0; j < kNodes; ++j) {
    nodes.push_back(std::cos(M_PI * (static_cast<double>(j) + 0.5) / kNodes));
  }
  for (int64_t i = 0; i < inner_; ++i) {
    for (const double t : nodes) {
      points.push_back(table.low + half * (2 * static_cast<double>(i) + 1 + t));
    }
  }
  const auto add = [&](int64_t place, double at, double sign) {
    ends_.push_back({place, static_cast<int64_t>(points.size()), at,
                     like.exact().Limit(at * sign > 0).value, sign});
    points.push_back(at);
  };
  if (odd || ends_below) add(kTailBelow, odd ? table.high : table.low, odd ? -1 : 1);
  if (ends_above) add(kTailAbove, table.high, 1);
  points_ = at::tensor(points, at::kDouble).to(device);
  base_ = at::tensor(TablesFor(like), at::kFloat).to(device);
  fit_ = FitOf(nodes, half).to(device);
}

at::Tensor LearnedTables::Fit(const at::Tensor& values, const at::Tensor& slopes) const {
  // Centers are the first row.
  constexpr int64_t kHeads = kTablesHead + kTablesTermHead + kPieces;
  const int64_t count = inner_ * kNodes;
  const auto by_piece = [&](const at::Tensor& all) {
    return all.slice(0, 0, count).reshape({inner_, kNodes});
  };
  const at::Tensor samples = at::concat({by_piece(values), by_piece(slopes)}, 1);
  at::Tensor tables = base_.clone();
  tables.slice(0, kHeads, kHeads + fit_.size(0) * kPieces)
      .reshape({fit_.size(0), kPieces})
      .slice(1, first_, first_ + inner_)
      .copy_(fit_.matmul(samples.t()));
  for (const End& end : ends_) {
    // c + a (x / end)^q; for an odd function's other side c and a are negated.
    const at::Tensor a = end.sign * values[end.point] - end.limit;
    const at::Tensor rise = end.sign * end.at * slopes[end.point];
    const at::Tensor q = at::where(a == 0, at::zeros_like(a), rise / a);
    tables.slice(0, end.place, end.place + 3).copy_(at::stack({at::full_like(a, end.limit), a, q}));
  }
  return tables;
}

}  // namespace activations
