// Near pairs of random and of contrary hashes, against all pairs compared bit by bit.
#include "datasets/split/near_hashes.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <bitset>
#include <mutex>
#include <random>
#include <set>
#include <utility>

namespace datasets {
namespace {

using Pairs = std::vector<std::pair<uint32_t, uint32_t>>;

Pairs PairsOf(const std::vector<uint64_t>& hashes,
              void (*search)(const std::vector<uint64_t>&, const OnNearPair&)) {
  std::mutex mutex;
  Pairs pairs;
  search(hashes, [&](uint32_t i, uint32_t j) {
    const std::lock_guard<std::mutex> lock(mutex);
    pairs.emplace_back(i, j);
  });
  std::sort(pairs.begin(), pairs.end());
  return pairs;
}

Pairs BitByBit(const std::vector<uint64_t>& hashes) {
  Pairs pairs;
  for (uint32_t i = 0; i < hashes.size(); ++i) {
    for (uint32_t j = i + 1; j < hashes.size(); ++j) {
      if (std::bitset<64>(hashes[i] ^ hashes[j]).count() <= 6) pairs.emplace_back(i, j);
    }
  }
  return pairs;
}

// Hashes of which each but the first 100 lies `bits` or fewer from an earlier one.
std::vector<uint64_t> Families(size_t count, int bits, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> hashes;
  while (hashes.size() < count) {
    uint64_t hash = hashes.size() < 100 ? random() : hashes[random() % hashes.size()];
    for (int i = 0; i < bits; ++i) hash ^= uint64_t{1} << random() % 64;
    hashes.push_back(hash);
  }
  return hashes;
}

void ExpectAllFound(const std::vector<uint64_t>& hashes) {
  const Pairs expected = BitByBit(hashes);
  EXPECT_GT(expected.size(), 0);
  EXPECT_EQ(PairsOf(hashes, ForNearPairs), expected);
  EXPECT_EQ(PairsOf(hashes, ForNearPairsExactly), expected);
}

TEST(NearHashes, NoneInFew) {
  EXPECT_EQ(PairsOf({}, ForNearPairs), Pairs());
  EXPECT_EQ(PairsOf({5}, ForNearPairs), Pairs());
  EXPECT_EQ(PairsOf({0, 0x7f}, ForNearPairs), Pairs());
  EXPECT_EQ(PairsOf({0, 0x3f, 0x7f}, ForNearPairs), (Pairs{{0, 1}, {1, 2}}));
}

TEST(NearHashes, FindsEachPairOnceAmongFamilies) {
  for (const int bits : {1, 2, 3, 6, 7}) ExpectAllFound(Families(5000, bits, 10 + bits));
}

// Six bits that differ lie where they leave the fewest blocks equal.
TEST(NearHashes, FindsPairsThatDifferInSixBlocks) {
  std::mt19937_64 random(3);
  std::vector<uint64_t> hashes;
  for (int i = 0; i < 2000; ++i) {
    hashes.push_back(random());
    uint64_t other = hashes.back();
    const int spared = static_cast<int>(random() % 8), too = static_cast<int>(random() % 8);
    for (int block = 0; block < 8; ++block) {
      if (block != spared && block != too) other ^= uint64_t{1} << (8 * block + random() % 8);
    }
    hashes.push_back(other);
  }
  ExpectAllFound(hashes);
}

TEST(NearHashes, FindsPairsAmongHashesThatAreMostlyEqual) {
  std::mt19937_64 random(4);
  for (const uint64_t varied : {uint64_t{0xffff}, uint64_t{0x0101010101010101}, uint64_t{0}}) {
    std::vector<uint64_t> hashes;
    for (int i = 0; i < 3000; ++i) hashes.push_back(random() & varied);
    ExpectAllFound(hashes);
  }
}

// Half of the bits are 1, as in hashes of images.
TEST(NearHashes, FindsPairsAmongHashesOfHalfTheBits) {
  std::vector<uint64_t> hashes = Families(6000, 2, 5);
  std::mt19937_64 random(6);
  for (uint64_t& hash : hashes) {
    while (std::bitset<64>(hash).count() > 32) hash &= ~(uint64_t{1} << random() % 64);
    while (std::bitset<64>(hash).count() < 32) hash |= uint64_t{1} << random() % 64;
  }
  ExpectAllFound(hashes);
}

}  // namespace
}  // namespace datasets
