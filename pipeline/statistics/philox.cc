// Philox4x64-10.
#include "pipeline/statistics/philox.h"

namespace pipeline {
namespace {

struct Product {
  uint64_t high, low;
};

Product Multiply(uint64_t a, uint64_t b) {
  __extension__ using Wide = unsigned __int128;
  const Wide product = static_cast<Wide>(a) * b;
  return {static_cast<uint64_t>(product >> 64), static_cast<uint64_t>(product)};
}

}  // namespace

PhiloxBlock Philox(const PhiloxKey& key, const PhiloxBlock& counter) {
  PhiloxBlock x = counter;
  uint64_t first = key[0], second = key[1];
  for (int round = 0; round < 10; ++round) {
    const Product a = Multiply(0xD2E7470EE14C6C93, x[0]);
    const Product b = Multiply(0xCA5A826395121157, x[2]);
    x = {b.high ^ x[1] ^ first, b.low, a.high ^ x[3] ^ second, a.low};
    first += 0x9E3779B97F4A7C15;
    second += 0xBB67AE8584CAA73B;
  }
  return x;
}

int64_t PhiloxStream::Below(int64_t n) {
  if (used_ == 4) {
    numbers_ = Philox(key_, {++block_, resample_, 0, 0});
    used_ = 0;
  }
  return static_cast<int64_t>(Multiply(numbers_[used_++], static_cast<uint64_t>(n)).high);
}

}  // namespace pipeline
