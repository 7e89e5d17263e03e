// Mittag-Leffler functions E_a(-t) of a real argument, as an ELU or as a tanh, in tables.
#ifndef ACTIVATIONS_MITTAG_LEFFLER_TABLES_H_
#define ACTIVATIONS_MITTAG_LEFFLER_TABLES_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <utility>

#include "activations/learned_tables.h"
#include "activations/piecewise.h"

namespace activations {

// The activation at 0 < alpha <= 1, and its derivative by alpha, both functions of x.
std::shared_ptr<const Piecewise> MittagLefflerOf(bool elu, double alpha,
                                                 Pieces pieces = Pieces::kFew);
std::shared_ptr<const Piecewise> MittagLefflerByAlpha(bool elu, double alpha,
                                                      Pieces pieces = Pieces::kFew);

// The same for an alpha that is on a device, which is not waited for.
class MittagLefflerOnDevice {
 public:
  MittagLefflerOnDevice(bool elu, const at::Device& device);

  // Of the layout of what At gives.
  const Piecewise& like() const { return *like_; }
  const at::Device& device() const { return device_; }

  struct Both {
    std::shared_ptr<const Piecewise> f, by_alpha;
  };
  // alpha: [1] on the device. What MapOnGpu takes, and nothing else.
  Both At(const at::Tensor& alpha) const;

  // Their tables, as TablesFor lays them out: of the function, and of its derivative.
  std::pair<at::Tensor, at::Tensor> Fit(const at::Tensor& alpha) const;

 private:
  const bool elu_;
  const at::Device device_;
  const std::shared_ptr<const Piecewise> like_, like_by_alpha_;
  const LearnedTables f_, by_alpha_;
  at::Tensor logs_, weights_;  // of the contour's nodes
};

}  // namespace activations

#endif  // ACTIVATIONS_MITTAG_LEFFLER_TABLES_H_
