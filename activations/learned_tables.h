// Tables of a function whose parameter is learned on a GPU.
#ifndef ACTIVATIONS_LEARNED_TABLES_H_
#define ACTIVATIONS_LEARNED_TABLES_H_

#include <ATen/core/Tensor.h>

#include <cstdint>
#include <vector>

#include "activations/piecewise.h"

namespace activations {

// Fits a table (piecewise.h) to values that are on a device, by operators there: nobody waits for
// the parameter. The layout is that of a Piecewise with Pieces::kAll.
class LearnedTables {
 public:
  // `like`: of `table` alone, whatever the parameter; `table` is of Fold::kNone or kOdd, and the
  // function has limits where the table ends with Tail::kExact.
  LearnedTables(const Piecewise& like, const Table& table, const at::Device& device);

  // float64 [n]: where the function is asked for.
  const at::Tensor& points() const { return points_; }

  // What TablesFor (piecewise_gpu.h) gives, from values and slopes at the points, float64 [n].
  at::Tensor Fit(const at::Tensor& values, const at::Tensor& slopes) const;

 private:
  // Where a table ends: what follows beyond it.
  struct End {
    int64_t place;  // among the tables
    int64_t point;  // the function is known there
    double at, limit, sign;
  };

  int64_t first_ = 0, inner_ = 0;  // pieces that are fitted
  at::Tensor points_, base_;
  at::Tensor fit_;  // rows of the tables from values and slopes at a piece's nodes
  std::vector<End> ends_;
};

}  // namespace activations

#endif  // ACTIVATIONS_LEARNED_TABLES_H_
