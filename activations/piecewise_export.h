// Special functions in ONNX's operators.
#ifndef ACTIVATIONS_PIECEWISE_EXPORT_H_
#define ACTIVATIONS_PIECEWISE_EXPORT_H_

#include "activations/piecewise.h"
#include "pipeline/operator_graph.h"

namespace activations {

// f of every element, by quadratics over many narrow pieces (few lookups, which are what costs in a
// runtime), within 1e-6 of max(1, |f|) on the whole line. Tables of period 1 are looked up by
// frequency x, reduced in float64. Everything else is one table: over [-20, 20] by x, and beyond by
// t = 20 / |x| in (0, 1], of f t^s, s being the power by which f grows. What cannot be had with
// this accuracy is refused.
pipeline::Symbol Export(const Piecewise& f, const pipeline::Symbol& x);

}  // namespace activations

#endif  // ACTIVATIONS_PIECEWISE_EXPORT_H_
