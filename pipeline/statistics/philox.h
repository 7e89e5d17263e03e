// Random numbers that are a function of a key and a counter.
#ifndef PIPELINE_STATISTICS_PHILOX_H_
#define PIPELINE_STATISTICS_PHILOX_H_

#include <array>
#include <cstdint>
#include <vector>

namespace pipeline {

using PhiloxKey = std::array<uint64_t, 2>;
using PhiloxBlock = std::array<uint64_t, 4>;

// Philox4x64-10 (Salmon et al., SC 2011): 256 random bits for each counter.
PhiloxBlock Philox(const PhiloxKey& key, const PhiloxBlock& counter);

// The numbers of one resample: a function of (key, resample), so the same for any order or number
// of threads. The key is (seed, what the numbers are for).
class PhiloxStream {
 public:
  PhiloxStream(const PhiloxKey& key, uint64_t resample) : key_(key), resample_(resample) {}

  // In [0, n), n >= 1; the bias is below n / 2^64.
  int64_t Below(int64_t n);

 private:
  const PhiloxKey key_;
  const uint64_t resample_;
  uint64_t block_ = 0;
  PhiloxBlock numbers_ = {};
  int used_ = 4;
};

}  // namespace pipeline

#endif  // PIPELINE_STATISTICS_PHILOX_H_
