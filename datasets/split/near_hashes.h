// Pairs of hashes that differ in few bits, found without comparing all of them.
#ifndef DATASETS_SPLIT_NEAR_HASHES_H_
#define DATASETS_SPLIT_NEAR_HASHES_H_

#include <cstdint>
#include <functional>
#include <vector>

namespace datasets {

// Hashes that differ in at most so many bits are near.
constexpr int kNearDistance = 6;

// Calls near(i, j) with i < j once for each near pair, from several threads at a time.
//
// Of eight blocks of eight bits, six different bits leave two that are equal. So for each two
// blocks the hashes are sorted by these, and compared only where both are equal: of a million
// uniform ones each with 420 others. Where hashes have so much in common that this would compare
// more than all pairs, all pairs are compared.
using OnNearPair = std::function<void(uint32_t i, uint32_t j)>;
void ForNearPairs(const std::vector<uint64_t>& hashes, const OnNearPair& near);

// The same by comparing all pairs.
void ForNearPairsExactly(const std::vector<uint64_t>& hashes, const OnNearPair& near);

}  // namespace datasets

#endif  // DATASETS_SPLIT_NEAR_HASHES_H_
