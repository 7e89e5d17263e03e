// The interval that a study's claims rest on.
#include <algorithm>
#include <cmath>

#include "pipeline/statistics/distributions.h"
#include "pipeline/studies/analysis.h"

namespace pipeline {
namespace {

std::vector<const MeanInterval*> Usable(const CrossedInterval& interval) {
  std::vector<const MeanInterval*> usable;
  for (const MeanInterval* one : {&interval.images, &interval.seeds, &interval.both}) {
    if (!std::isnan(one->low)) usable.push_back(one);
  }
  return usable;
}

}  // namespace

MeanInterval MainOf(const CrossedInterval& interval) {
  MeanInterval widest = {kUnknown, kUnknown, kUnknown, kUnknown};
  for (const MeanInterval* one : Usable(interval)) {
    if (std::isnan(widest.low) || one->high - one->low > widest.high - widest.low) widest = *one;
  }
  // NaN stays.
  if (widest.low < -1) widest.low = -1;
  if (widest.high > 1) widest.high = 1;
  return widest;
}

double MainP(const CrossedInterval& interval) {
  double p = kUnknown;
  for (const MeanInterval* one : Usable(interval)) {
    double here = interval.mean == 0 ? 1 : 0;
    if (one->variance > 0) {
      here = StudentTwoSided(interval.mean / std::sqrt(one->variance), one->degrees);
    }
    p = std::isnan(p) ? here : std::max(p, here);
  }
  return p;
}

}  // namespace pipeline
