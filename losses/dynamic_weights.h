// Factors of a fusion's terms that change while it trains.
#ifndef LOSSES_DYNAMIC_WEIGHTS_H_
#define LOSSES_DYNAMIC_WEIGHTS_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <vector>

#include "pipeline/stage.h"

namespace losses {

// K terms with values L_k (each with its fixed weight) get factors f_k; all start at 1. State lives
// in the parameters and buffers of module(), so that checkpoints hold it. Outside TRAIN the factors
// are those of the last training step.
class DynamicWeights {
 public:
  virtual ~DynamicWeights() = default;
  // The factors of this step; before Observe of the same step.
  virtual std::vector<double> Factors(const pipeline::Step& step) = 0;
  // Whether Observe wants gradient norms.
  virtual bool wants_norms() const { return false; }
  // After each TRAIN step: L_k, and the norms of dL_k / d logits if they are wanted. float64 [K],
  // where the logits are.
  virtual void Observe(const pipeline::Step& step, const at::Tensor& values,
                       const at::Tensor& norms) {}
  // What is added to the total: undefined for nothing. Differentiable with respect to the
  // parameters.
  virtual at::Tensor Extra(const at::Tensor& values) { return {}; }
  // Held by a shared pointer, as LibTorch needs to walk over its parts; nullptr without state.
  virtual torch::nn::Module* module() = 0;
};

// Kendall, Gal and Cipolla (CVPR 2018): learns s_k = log sigma_k^2, 0 at first; the total is
// sum of exp(-s_k) L_k + s_k / 2.
std::unique_ptr<DynamicWeights> UncertaintyWeights(int64_t terms);

// Dynamic weight average, Liu, Johns and Davison (CVPR 2019): f_k = K softmax(r_k / temperature),
// where r_k is the mean of L_k over the last epoch divided by that over the one before; where that
// was 0 the term has no ratio and counts as unchanged, r_k = 1. All are 1 in the first two epochs.
std::unique_ptr<DynamicWeights> DwaWeights(int64_t terms, double temperature);

// GradNorm, Chen et al. (ICML 2018), with norms taken with respect to the logits: wants every
// G_k = f_k |dL_k/dz| to be mean(G) (R_k / mean(R))^alpha, where R_k = L_k / L_k at the first step
// at which no term and no norm is 0 (at others nothing is learned).
// The step towards it is taken in log f_k, by rate log(wanted / G_k), and the f_k are then scaled
// to sum up to K: plain descent on the f_k, as in the paper, does not converge where norms differ
// by orders of magnitude.
std::unique_ptr<DynamicWeights> GradNormWeights(int64_t terms, double alpha, double rate);

// Random loss weighting, Lin et al. (TMLR 2022): f_k = K softmax(n_k) with standard normal n_k,
// drawn anew at each step from Hash(seed, epoch, index, k). 1 outside TRAIN.
std::unique_ptr<DynamicWeights> RandomWeights(int64_t terms);

}  // namespace losses

#endif  // LOSSES_DYNAMIC_WEIGHTS_H_
