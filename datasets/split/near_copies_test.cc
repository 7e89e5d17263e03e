// Groups of near looks, against all pairs.
#include "datasets/split/near_copies.h"

#include <gtest/gtest.h>

#include <atomic>
#include <bitset>
#include <cmath>
#include <random>

#include "datasets/split/sets.h"

namespace datasets {
namespace {

// By all pairs.
std::vector<size_t> ByAllPairs(const std::vector<Look>& looks,
                               const std::function<bool(size_t i, size_t j)>& correlate) {
  Sets sets(looks.size());
  for (size_t i = 0; i < looks.size(); ++i) {
    for (size_t j = i + 1; j < looks.size(); ++j) {
      const bool near = std::bitset<64>(looks[i].hash ^ looks[j].hash).count() <= 6;
      if (near && !looks[i].flat && !looks[j].flat && correlate(i, j)) sets.Join(i, j);
    }
  }
  std::vector<size_t> roots;
  for (size_t i = 0; i < looks.size(); ++i) roots.push_back(sets.Root(i));
  return roots;
}

// Looks of `hashes` hashes at a few bits from each other, some flat.
std::vector<Look> Looks(size_t count, size_t hashes, uint64_t seed) {
  std::mt19937_64 random(seed);
  std::vector<uint64_t> known = {random()};
  while (known.size() < hashes) {
    known.push_back(known[random() % known.size()]);
    for (int bit = 0; bit < 5; ++bit) known.back() ^= uint64_t{1} << random() % 64;
  }
  std::vector<Look> looks(count);
  for (Look& look : looks) {
    look.hash = known[random() % known.size()];
    look.flat = random() % 10 == 0;
  }
  return looks;
}

// About one pair of `rare`, whatever the order.
std::function<bool(size_t i, size_t j)> Sometimes(uint64_t rare) {
  return [rare](size_t i, size_t j) {
    const auto [low, high] = std::minmax(i, j);
    const uint64_t mixed = (low * 100'003 + high) * 0x9e3779b97f4a7c15;
    return (mixed >> 32) % rare == 0;
  };
}

TEST(NearCopies, AreThoseOfAllPairs) {
  for (const size_t hashes : {1, 2, 30, 1500}) {
    for (const uint64_t rare : {1, 3, 100, 5000}) {
      const std::vector<Look> looks = Looks(1500, hashes, hashes);
      const auto correlate = Sometimes(rare);
      EXPECT_EQ(ConnectNear(looks, correlate), ByAllPairs(looks, correlate))
          << hashes << " hashes, one of " << rare;
    }
  }
}

TEST(NearCopies, ManyOfOneKindAreAskedAboutOnceEach) {
  constexpr size_t kCount = 20'000;
  std::vector<Look> looks = Looks(kCount, 1, 1);
  for (Look& look : looks) look.flat = false;
  std::atomic<int64_t> asked{0};
  const std::vector<size_t> roots = ConnectNear(looks, [&](size_t, size_t) {
    ++asked;
    return true;
  });
  EXPECT_EQ(roots, std::vector<size_t>(kCount, 0));
  EXPECT_EQ(asked, kCount - 1);
}

// Where pictures are too far apart in a few directions, nobody asks for more of them.
TEST(NearCopies, AreNotAskedAboutWhereProjectionsDiffer) {
  std::vector<Look> looks(2);
  for (Look& look : looks) look.hash = 42;
  const auto at = [&](double angle) {
    looks[1].coarse[0] = static_cast<int16_t>(std::lround(std::cos(angle) * (1 << 14)));
    looks[1].coarse[5] = static_cast<int16_t>(std::lround(std::sin(angle) * (1 << 14)));
    bool asked = false;
    ConnectNear(looks, [&](size_t, size_t) { return asked = true; });
    return asked;
  };
  looks[0].coarse[0] = 1 << 14;
  EXPECT_TRUE(at(std::acos(0.9701)));
  EXPECT_FALSE(at(std::acos(0.968)));
  EXPECT_FALSE(at(std::acos(-1.0)));
}

}  // namespace
}  // namespace datasets
