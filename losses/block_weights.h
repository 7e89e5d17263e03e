// What the units of a batch weigh.
#ifndef LOSSES_BLOCK_WEIGHTS_H_
#define LOSSES_BLOCK_WEIGHTS_H_

#include <vector>

#include "losses/block_memory.h"

namespace losses {

struct UnitWeights {
  // `weight` of each pixel, as FuseBlocks has it; nullptr: all 1.
  UnitWeights(const Layout& layout, const Blocks& blocks, const float* weight);

  std::vector<double> weight;  // of each unit
  std::vector<double> count;   // of its pixels with any
  double total = 0;
};

}  // namespace losses

#endif  // LOSSES_BLOCK_WEIGHTS_H_
