// Sorting by two blocks of bits, and scans of what then lies side by side.
#include "datasets/split/near_hashes.h"

#include <algorithm>
#include <array>
#include <cstddef>
#include <utility>

#include "pipeline/all_cores.h"

namespace datasets {
namespace {

constexpr int kBlocks = 8;
constexpr size_t kKeys = size_t{1} << 16;  // of two blocks
constexpr size_t kFew = 2048;              // hashes of which all pairs are compared at once
constexpr size_t kMaxSorters = 8;          // each holds 12 bytes a hash
constexpr size_t kScanned = 64;            // hashes at a time
constexpr size_t kRows = 64;               // of all pairs, compared by one thread at a time

// Blocks by two, as shifts.
const std::vector<std::pair<int, int>>& BlockPairs() {
  static const auto* pairs = [] {
    auto* all = new std::vector<std::pair<int, int>>;
    for (int a = 0; a < kBlocks; ++a) {
      for (int b = a + 1; b < kBlocks; ++b) all->emplace_back(8 * a, 8 * b);
    }
    return all;
  }();
  return *pairs;
}

size_t KeyOf(uint64_t hash, const std::pair<int, int>& blocks) {
  return (hash >> blocks.first & 0xff) | (hash >> blocks.second & 0xff) << 8;
}

// Whether these blocks are the first two that the hashes have in common: a pair of hashes meets in
// every pair of equal blocks, but is told once.
bool IsFirstMeeting(uint64_t difference, const std::pair<int, int>& blocks) {
  int equal = 0;
  for (int shift = 0; shift <= blocks.second; shift += 8) {
    if ((difference >> shift & 0xff) == 0) ++equal;
  }
  return equal == 2;
}

// A bit for each of at most kScanned hashes: whether it is near.
__attribute__((always_inline)) inline uint64_t NearOnes(const uint64_t* hashes, size_t count,
                                                        uint64_t hash) {
  // Mostly none is.
  uint64_t least = count == kScanned ? 64 : 0;
  for (size_t i = 0; i < kScanned && count == kScanned; ++i) {
    const auto distance = static_cast<uint64_t>(__builtin_popcountll(hashes[i] ^ hash));
    least = distance < least ? distance : least;
  }
  if (least > kNearDistance) return 0;
  uint64_t near = 0;
  for (size_t i = 0; i < count; ++i) {
    near |= static_cast<uint64_t>(__builtin_popcountll(hashes[i] ^ hash) <= kNearDistance) << i;
  }
  return near;
}

using Scan = uint64_t (*)(const uint64_t* hashes, size_t count, uint64_t hash);

uint64_t ScanAnywhere(const uint64_t* hashes, size_t count, uint64_t hash) {
  return NearOnes(hashes, count, hash);
}

#if defined(__x86_64__)
__attribute__((target("popcnt"))) uint64_t ScanByPopcnt(const uint64_t* hashes, size_t count,
                                                        uint64_t hash) {
  return NearOnes(hashes, count, hash);
}
__attribute__((target("avx512f,avx512vl,avx512vpopcntdq,popcnt,prefer-vector-width=512"))) uint64_t
ScanByAvx512(const uint64_t* hashes, size_t count, uint64_t hash) {
  return NearOnes(hashes, count, hash);
}

Scan BestScan() {
  if (__builtin_cpu_supports("avx512vpopcntdq") && __builtin_cpu_supports("avx512vl")) {
    return ScanByAvx512;
  }
  return __builtin_cpu_supports("popcnt") ? ScanByPopcnt : ScanAnywhere;
}
#else
Scan BestScan() { return ScanAnywhere; }
#endif

// Calls found(k) for each of `count` hashes that is near.
template <class Found>
void PickNear(Scan scan, const uint64_t* hashes, size_t count, uint64_t hash, const Found& found) {
  for (size_t from = 0; from < count; from += kScanned) {
    uint64_t near = scan(hashes + from, std::min(count - from, kScanned), hash);
    for (; near != 0; near &= near - 1) found(from + static_cast<size_t>(__builtin_ctzll(near)));
  }
}

// Hashes in order of two of their blocks.
class SortedBy {
 public:
  SortedBy(const std::vector<uint64_t>& hashes, std::pair<int, int> blocks)
      : blocks_(blocks), begins_(kKeys + 1), hashes_(hashes.size()), numbers_(hashes.size()) {
    for (const uint64_t hash : hashes) ++begins_[KeyOf(hash, blocks_) + 1];
    for (size_t key = 0; key < kKeys; ++key) begins_[key + 1] += begins_[key];
    std::vector<uint32_t> next(begins_.begin(), begins_.end() - 1);
    for (size_t i = 0; i < hashes.size(); ++i) {
      const uint32_t at = next[KeyOf(hashes[i], blocks_)]++;
      hashes_[at] = hashes[i];
      numbers_[at] = static_cast<uint32_t>(i);
    }
  }

  void Compare(const OnNearPair& near) const {
    const Scan scan = BestScan();
    for (size_t key = 0; key < kKeys; ++key) {
      const size_t end = begins_[key + 1];
      for (size_t i = begins_[key]; i + 1 < end; ++i) {
        // Equal keys keep the order of their numbers.
        PickNear(scan, &hashes_[i + 1], end - i - 1, hashes_[i], [&](size_t k) {
          if (!IsFirstMeeting(hashes_[i] ^ hashes_[i + 1 + k], blocks_)) return;
          near(numbers_[i], numbers_[i + 1 + k]);
        });
      }
    }
  }

 private:
  const std::pair<int, int> blocks_;
  std::vector<uint32_t> begins_;  // by key
  std::vector<uint64_t> hashes_;
  std::vector<uint32_t> numbers_;
};

double PairsIn(double count) { return count * (count - 1) / 2; }

// How many pairs have these blocks in common.
double PairsToCompare(const std::vector<uint64_t>& hashes, const std::pair<int, int>& blocks) {
  std::vector<uint32_t> counts(kKeys);
  for (const uint64_t hash : hashes) ++counts[KeyOf(hash, blocks)];
  double pairs = 0;
  for (const uint32_t count : counts) pairs += PairsIn(count);
  return pairs;
}

}  // namespace

void ForNearPairsExactly(const std::vector<uint64_t>& hashes, const OnNearPair& near) {
  const Scan scan = BestScan();
  pipeline::OnAllCores((hashes.size() + kRows - 1) / kRows, [&](size_t part) {
    const size_t end = std::min(hashes.size(), (part + 1) * kRows);
    for (size_t i = part * kRows; i < end; ++i) {
      PickNear(scan, hashes.data() + i + 1, hashes.size() - i - 1, hashes[i],
               [&](size_t k) { near(static_cast<uint32_t>(i), static_cast<uint32_t>(i + 1 + k)); });
    }
  });
}

void ForNearPairs(const std::vector<uint64_t>& hashes, const OnNearPair& near) {
  if (hashes.size() <= kFew) return ForNearPairsExactly(hashes, near);
  const auto& blocks = BlockPairs();
  std::vector<double> pairs(blocks.size());
  pipeline::OnAllCores(blocks.size(),
                       [&](size_t i) { pairs[i] = PairsToCompare(hashes, blocks[i]); });
  double all = 0;
  for (const double of_two : pairs) all += of_two;
  if (all > PairsIn(static_cast<double>(hashes.size()))) return ForNearPairsExactly(hashes, near);
  pipeline::OnAllCores(blocks.size(), kMaxSorters,
                       [&](size_t i) { SortedBy(hashes, blocks[i]).Compare(near); });
}

}  // namespace datasets
