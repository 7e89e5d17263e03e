// Tabled functions on a GPU: one pass over memory, by kernels of our own.
#ifndef ACTIVATIONS_PIECEWISE_GPU_H_
#define ACTIVATIONS_PIECEWISE_GPU_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "activations/piecewise.h"
#include "kernels/gpu_check.h"

namespace activations {

// f(x) of every element of a dense float32, bfloat16 or float16 tensor, or gy f'(x) where there is
// a gy, which is laid out as x is. Undefined where no kernel can be made (that is said once).
// Beyond tables that end (Tail::kExact) a power of x follows that meets value and slope there:
// within 4e-3 of max(1, |f|) instead of the tables' 1e-6.
//
// Where there are `operators`, which compute the same, a kernel is compared with them before its
// first use on a card (kernels/gpu_check.h); one that differs is not used.
using Operators = at::Tensor(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy);
at::Tensor MapOnGpu(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy,
                    Operators* operators = nullptr);

// Whether MapOnGpu would give something.
bool MapsOnGpu(const Piecewise& f, const at::Tensor& x, Operators* operators = nullptr);

// `like` with other tables of the same layout (TablesFor), which are on a device and are not known
// elsewhere: it is of use to MapOnGpu alone.
std::shared_ptr<const Piecewise> WithTables(const Piecewise& like, const at::Tensor& tables);

// What they are compared on: where f has tables, and then where those end or f is nearly straight.
struct CheckedInputs {
  std::vector<float> in_tables, beyond;
  std::vector<float> All() const;
};
CheckedInputs InputsToCheck(const Piecewise& f);

// What a kernel's values and gradients at these inputs (of one element type) may differ by, from
// operators': those in the tables, and those beyond.
std::vector<kernels::Expected> ExpectedOf(const at::Tensor& values, const at::Tensor& gradients,
                                          int64_t in_tables);

// What the kernels compute from (piecewise_kernel.cu): floats of the function, then those of each
// term and its rows. What follows beyond the ends lies among the first, three floats each.
constexpr int kTablesHead = 16, kTablesTermHead = 16, kTailBelow = 4, kTailAbove = 7;
std::vector<float> TablesFor(const Piecewise& f);

// Their source, for elements of "float", "Bfloat16" or "Float16".
std::string PiecewiseSource(const std::string& element);

}  // namespace activations

#endif  // ACTIVATIONS_PIECEWISE_GPU_H_
