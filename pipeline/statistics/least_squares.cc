// Pseudoinverse by Householder's reflections.
#include "pipeline/statistics/least_squares.h"

#include <cmath>
#include <cstdlib>

namespace pipeline {
namespace {

using Matrix = std::vector<std::vector<double>>;

constexpr double kDependent = 1e-10;  // of a column that the columns before it make up

// Reflects rows k.. of both so that column k of `a` is zero below the diagonal. False where there
// is nothing left of the column.
bool Reflect(Matrix* a, Matrix* q, size_t k, double column_size) {
  double size = 0;
  for (size_t i = k; i < a->size(); ++i) size += (*a)[i][k] * (*a)[i][k];
  size = std::sqrt(size);
  if (!(size > kDependent * column_size)) return false;
  std::vector<double> direction(a->size());
  for (size_t i = k; i < a->size(); ++i) direction[i] = (*a)[i][k];
  direction[k] += direction[k] < 0 ? -size : size;
  double square = 0;
  for (const double value : direction) square += value * value;
  for (Matrix* matrix : {a, q}) {
    for (size_t c = 0; c < (*matrix)[0].size(); ++c) {
      double along = 0;
      for (size_t i = k; i < direction.size(); ++i) along += direction[i] * (*matrix)[i][c];
      along *= 2 / square;
      for (size_t i = k; i < direction.size(); ++i) (*matrix)[i][c] -= along * direction[i];
    }
  }
  return true;
}

}  // namespace

std::optional<Matrix> Pseudoinverse(const Matrix& rows) {
  const size_t m = rows.size(), p = rows.empty() ? 0 : rows[0].size();
  if (p == 0 || m < p) return std::nullopt;
  for (const std::vector<double>& row : rows) {
    if (row.size() != p) std::abort();
  }
  Matrix r = rows, q(m, std::vector<double>(m, 0));  // q: the reflections, rows = r then zeros
  for (size_t i = 0; i < m; ++i) q[i][i] = 1;
  for (size_t k = 0; k < p; ++k) {
    double size = 0;
    for (const std::vector<double>& row : rows) size += row[k] * row[k];
    if (!Reflect(&r, &q, k, std::sqrt(size))) return std::nullopt;
  }
  Matrix inverse(p, std::vector<double>(m));
  for (size_t k = p; k-- > 0;) {
    for (size_t c = 0; c < m; ++c) {
      double rest = q[k][c];
      for (size_t j = k + 1; j < p; ++j) rest -= r[k][j] * inverse[j][c];
      inverse[k][c] = rest / r[k][k];
    }
  }
  return inverse;
}

}  // namespace pipeline
