// The losses of ratios in a block fusion: sums by class, values, and gradients as coefficients.
#ifndef LOSSES_BLOCK_RATIOS_H_
#define LOSSES_BLOCK_RATIOS_H_

#include <vector>

#include "losses/block_fusion.h"
#include "losses/block_memory.h"
#include "losses/block_weights.h"

namespace losses {

class BlockRatios {
 public:
  // All must outlive it.
  BlockRatios(const Layout& layout, const Blocks& blocks, const UnitWeights& units,
              const std::vector<BlockTerm>& terms);

  // Adds up a block, after LoadLabels and Exponentiate; leaves p normalized. Blocks may come in any
  // order and from any thread.
  void AddBlock(int64_t block, Scratch* s);

  // After all blocks: the sums of images, and of the whole batch.
  void AddUp();
  // What the losses are made of beside the sums of single images: the number that images weigh
  // together, pixels that count, and class sums. Where several processes have a part of the batch,
  // theirs are added to it before Finish.
  std::vector<double>& totals() { return totals_; }
  // The terms' sums and amounts; `weight` is that of the whole batch.
  void Finish(double weight, BlockResult* result);

  // dp of a block: what the ratios give, from p and y.
  void Start(const Span& span, Scratch* s) const;

 private:
  void SumBlock(const Scratch& s, double* sums) const;
  void ListPixels(const Span& span, Scratch* s);
  void AddBatchRatio(size_t k, double weight, BlockResult* result);
  void AddRatio(size_t k, const double* sums, double weight, double count, int64_t first,
                int64_t last, BlockResult* result);
  void StartPixels(const Span& span, Scratch* s) const;

  const Layout& layout_;
  const Blocks& blocks_;
  const UnitWeights& units_;
  const std::vector<BlockTerm>& terms_;
  std::vector<double> by_block_;                  // [blocks][kSums][classes]
  std::vector<double> class_sums_;                // [units][kSums][classes]
  std::vector<double> totals_;                    // images' weight, pixels, [kSums][classes]
  std::vector<float> coefficients_;               // [units][3][classes]
  std::vector<double> divided_, ratio_gradient_;  // of AddRatio
};

}  // namespace losses

#endif  // LOSSES_BLOCK_RATIOS_H_
