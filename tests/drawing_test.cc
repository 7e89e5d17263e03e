// The pictures that stand in for datasets, and their masks.
#include "datasets/drawn/drawing.h"

#include <gtest/gtest.h>

#include <array>
#include <map>
#include <opencv2/imgproc.hpp>
#include <set>
#include <string>
#include <thread>
#include <vector>

#include "datasets/dataset.h"

namespace {

using datasets::Drawn;
using datasets::kIgnoredMask;

constexpr int kSize = 128;

struct Domain {
  const char* name;
  Drawn (*draw)(int, uint64_t, int);
  int kinds;
};
constexpr Domain kBrain = {"BRAIN", datasets::DrawBrain, 4};
constexpr Domain kLeaf = {"LEAF", datasets::DrawLeaf, 5};
constexpr Domain kLand = {"LAND", datasets::DrawLand, 6};
constexpr Domain kCrack = {"CRACK", datasets::DrawCrack, 4};
constexpr Domain kDomains[] = {kBrain, kLeaf, kLand, kCrack};

bool Same(const Drawn& a, const Drawn& b) {
  return cv::norm(a.image, b.image) == 0 && cv::norm(a.mask, b.mask) == 0;
}

double Share(const cv::Mat& where) {
  return cv::countNonZero(where) / static_cast<double>(where.total());
}

cv::Mat Gray(const cv::Mat& image) {
  cv::Mat gray;
  cv::cvtColor(image, gray, cv::COLOR_BGR2GRAY);
  return gray;
}

TEST(Drawing, IsAPureFunction) {
  for (const Domain& domain : kDomains) {
    for (int kind = 0; kind < domain.kinds; ++kind) {
      const Drawn drawn = domain.draw(kind, 5, 64);
      EXPECT_EQ(drawn.image.type(), CV_8UC3);
      EXPECT_EQ(drawn.mask.type(), CV_8UC1);
      EXPECT_EQ(drawn.image.size(), cv::Size(64, 64));
      EXPECT_EQ(drawn.mask.size(), cv::Size(64, 64));
      EXPECT_TRUE(Same(drawn, domain.draw(kind, 5, 64))) << domain.name;
      EXPECT_FALSE(Same(drawn, domain.draw(kind, 6, 64))) << domain.name;
      EXPECT_FALSE(Same(drawn, domain.draw((kind + 1) % domain.kinds, 5, 64))) << domain.name;
    }
  }
}

TEST(Drawing, IsTheSameOnManyThreads) {
  for (const Domain& domain : kDomains) {
    const Drawn alone = domain.draw(1, 3, 64);
    std::vector<Drawn> drawn(4);
    std::vector<std::thread> threads;
    for (Drawn& one : drawn) {
      threads.emplace_back([&] { one = domain.draw(1, 3, 64); });
    }
    for (std::thread& thread : threads) thread.join();
    for (const Drawn& one : drawn) EXPECT_TRUE(Same(alone, one)) << domain.name;
  }
}

TEST(Drawing, RefusesWhatItCannotDraw) {
  for (const Domain& domain : kDomains) {
    EXPECT_THROW(domain.draw(-1, 0, 64), cv::Exception) << domain.name;
    EXPECT_THROW(domain.draw(domain.kinds, 0, 64), cv::Exception) << domain.name;
    EXPECT_THROW(domain.draw(0, 0, 31), cv::Exception) << domain.name;
    EXPECT_NO_THROW(domain.draw(0, 0, 32)) << domain.name;
  }
}

TEST(Drawing, MasksAgreeWithLabels) {
  const std::map<std::string, int> healthy = {{"BRAIN", 2}, {"LEAF", 1}, {"CRACK", 0}};
  for (const Domain& domain : {kBrain, kLeaf, kCrack}) {
    for (int kind = 0; kind < domain.kinds; ++kind) {
      for (uint64_t seed = 0; seed < 30; ++seed) {
        const cv::Mat mask = domain.draw(kind, seed, kSize).mask;
        EXPECT_EQ(cv::countNonZero(mask > 1), 0) << domain.name;
        const double share = Share(mask);
        if (kind == healthy.at(domain.name)) {
          EXPECT_EQ(share, 0) << domain.name << " seed " << seed;
        } else {
          // No lesion is a speck, none is most of the picture.
          EXPECT_GT(share, 0.005) << domain.name << " " << kind << " seed " << seed;
          EXPECT_LT(share, 0.4) << domain.name << " " << kind << " seed " << seed;
        }
      }
    }
  }
}

TEST(Drawing, CracksCoverAsMuchAsInTheRealSets) {
  for (const int size : {128, 256}) {
    for (int kind = 1; kind < kCrack.kinds; ++kind) {
      for (uint64_t seed = 0; seed < 40; ++seed) {
        const double share = Share(kCrack.draw(kind, seed, size).mask);
        EXPECT_GE(share, 0.005) << kind << " seed " << seed << " size " << size;
        EXPECT_LE(share, 0.10) << kind << " seed " << seed << " size " << size;
      }
    }
  }
}

TEST(Drawing, LandIsMostlyOfItsKind) {
  std::set<int> seen;
  int clouded = 0;
  for (int kind = 0; kind < kLand.kinds; ++kind) {
    for (uint64_t seed = 0; seed < 30; ++seed) {
      const cv::Mat mask = kLand.draw(kind, seed, kSize).mask;
      EXPECT_GT(Share(mask == kind), 0.5) << kind << " seed " << seed;
      EXPECT_LT(Share(mask == kind), 0.95) << kind << " seed " << seed;
      const double unknown = Share(mask == kIgnoredMask);
      EXPECT_LT(unknown, 0.06) << kind << " seed " << seed;
      clouded += unknown > 0;
      for (int y = 0; y < kSize; ++y) seen.insert(mask.ptr(y), mask.ptr(y) + kSize);
    }
  }
  EXPECT_EQ(seen, (std::set<int>{0, 1, 2, 3, 4, 5, kIgnoredMask}));
  EXPECT_GT(clouded, 0);
  EXPECT_LT(clouded, 90);  // of 180
}

// Masks belong to what is seen, not only to the label. Averages over many pictures, since in one a
// shadow or a speck may speak against it.
TEST(Drawing, MasksLieOnWhatTheyName) {
  const auto ring = [](const cv::Mat& mask) {
    cv::Mat around;
    cv::dilate(mask, around, cv::getStructuringElement(cv::MORPH_ELLIPSE, {9, 9}));
    return cv::Mat(around != mask);
  };
  double crack = 0, beside_crack = 0, tumor = 0, beside_tumor = 0, sick = 0, beside_sick = 0;
  for (uint64_t seed = 0; seed < 20; ++seed) {
    for (const int kind : {1, 2, 3}) {
      const Drawn drawn = kCrack.draw(kind, seed, kSize);
      crack += cv::mean(Gray(drawn.image), drawn.mask)[0];
      beside_crack += cv::mean(Gray(drawn.image), ring(drawn.mask))[0];
    }
    for (const int kind : {0, 1, 3}) {
      const Drawn drawn = kBrain.draw(kind, seed, kSize);
      tumor += cv::mean(Gray(drawn.image), drawn.mask)[0];
      beside_tumor += cv::mean(Gray(drawn.image), ring(drawn.mask))[0];
    }
    for (const int kind : {0, 2, 3, 4}) {
      // Red against green: leaves are green, what ails them is brown or yellow.
      const Drawn drawn = kLeaf.draw(kind, seed, kSize);
      const cv::Scalar in = cv::mean(drawn.image, drawn.mask);
      const cv::Scalar out = cv::mean(drawn.image, ring(drawn.mask));
      sick += in[2] / in[1];
      beside_sick += out[2] / out[1];
    }
  }
  EXPECT_LT(crack, 0.85 * beside_crack);
  EXPECT_GT(tumor, 1.15 * beside_tumor);
  EXPECT_GT(sick, 1.1 * beside_sick);
}

TEST(Drawing, TextureTellsLandApart) {
  // Mean contrast between neighbouring pixels, by class.
  std::array<double, 6> contrast = {}, pixels = {};
  for (uint64_t seed = 0; seed < 60; ++seed) {
    const Drawn drawn = kLand.draw(static_cast<int>(seed % 6), seed, kSize);
    cv::Mat smooth, edges;
    cv::GaussianBlur(Gray(drawn.image), smooth, {}, 1.5);  // the camera's noise is on all alike
    cv::Laplacian(smooth, edges, CV_32F);
    edges = cv::abs(edges);
    for (int land = 0; land < 6; ++land) {
      cv::Mat inside;
      cv::erode(drawn.mask == land, inside, cv::Mat(), {-1, -1}, 3);
      contrast[land] += cv::mean(edges, inside)[0] * cv::countNonZero(inside);
      pixels[land] += cv::countNonZero(inside);
    }
  }
  for (int land = 0; land < 6; ++land) contrast[land] /= pixels[land];
  EXPECT_GT(contrast[0], 2 * contrast[4]);    // urban, water
  EXPECT_GT(contrast[3], 1.5 * contrast[4]);  // forest, water
}

}  // namespace
