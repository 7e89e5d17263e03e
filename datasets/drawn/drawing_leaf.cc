// Leaves.
#include <algorithm>
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/drawn/canvas.h"
#include "datasets/drawn/drawing.h"

namespace datasets {
namespace {

enum LeafClass {
  kBacterialSpot,
  kHealthy,
  kLateBlight,
  kMosaicVirus,
  kTargetSpot,
  kLeafClasses,
};

// Where the leaf lies. Its own coordinates are along the midrib, -1 at the stalk and 1 at the tip,
// and across it, -1 and 1 on the edges.
struct Leaf {
  cv::Point2f centre;
  float angle;   // of the midrib, in radians
  float length;  // half of it
  float width;   // half of it at the widest
  float bend;    // of the midrib, to one side

  cv::Point2f At(float along, float across) const {
    // Egg-shaped, with a pointed tip.
    const float half =
        width * std::pow(std::max(0.0f, 1 - along * along), 0.7f) * (1 - 0.35f * along);
    const float x = length * along;
    const float y = half * across + bend * (1 - along * along);
    const float c = std::cos(angle);
    const float s = std::sin(angle);
    return centre + cv::Point2f(c * x - s * y, s * x + c * y);
  }
};

Leaf RandomLeaf(cv::RNG* rng) {
  const cv::Point2f centre{Uniform(rng, 0.46f, 0.54f), Uniform(rng, 0.46f, 0.54f)};
  const float angle = Uniform(rng, 0, kTwoPi);
  const float length = Uniform(rng, 0.40f, 0.47f);
  const float width = length * Uniform(rng, 0.62f, 0.75f);
  return {centre, angle, length, width, Uniform(rng, -0.05f, 0.05f)};
}

// A place on the leaf, away from its edge by a share of the width.
cv::Point2f RandomPlace(const Leaf& leaf, float reach, cv::RNG* rng) {
  const float along = Uniform(rng, -0.8f, 0.75f);
  return leaf.At(along, Uniform(rng, -reach, reach));
}

// The leaf's outline with its teeth.
Outline Edge(const Leaf& leaf, cv::RNG* rng) {
  constexpr int kPoints = 240;
  const int teeth = rng->uniform(9, 14);
  const float depth = Uniform(rng, 0.04f, 0.09f);
  const float phase = Uniform(rng, 0, kTwoPi);
  Outline outline;
  for (int i = 0; i < kPoints; ++i) {
    const float turn = kTwoPi * i / kPoints;
    const float across = std::sin(turn) > 0 ? 1.0f : -1.0f;
    const float tooth = 1 + depth * std::sin(teeth * turn + phase);
    outline.push_back(leaf.At(std::cos(turn), across * tooth));
  }
  return outline;
}

// The midrib and the veins that branch off it.
Plane Veins(const Leaf& leaf, int size, cv::RNG* rng) {
  std::vector<Outline> veins;
  const auto add = [&veins](const Outline& path, float width) {
    std::vector<float> widths;
    for (size_t i = 0; i < path.size(); ++i) widths.push_back(width * (1 - 0.12f * i));
    for (Outline& part : Stroke(path, widths)) veins.push_back(std::move(part));
  };
  Outline midrib;
  for (int i = 0; i <= 6; ++i) midrib.push_back(leaf.At(-0.99f + 0.32f * i, 0));
  add(midrib, 0.022f);
  const int pairs = rng->uniform(4, 7);
  for (int i = 0; i < pairs; ++i) {
    const float start = -0.75f + 1.4f * i / pairs;
    for (const float side : {-1.0f, 1.0f}) {
      add({leaf.At(start, 0), leaf.At(start + 0.14f, side * 0.4f),
           leaf.At(start + 0.24f, side * 0.85f)},
          0.011f);
    }
  }
  return Cover(veins, 0.003f, size);
}

// What a disease does to the tissue: each of these paints it and returns what it covers.

// Many small specks, dark with a pale halo.
Plane DrawBacterialSpots(const Leaf& leaf, int size, Picture* tissue, cv::RNG* rng) {
  std::vector<Outline> specks, halos;
  for (int i = rng->uniform(22, 40); i > 0; --i) {
    const cv::Point2f place = RandomPlace(leaf, 0.85f, rng);
    const float radius = Uniform(rng, 0.014f, 0.022f);
    specks.push_back(Disc(place, radius));
    halos.push_back(Disc(place, radius * 1.7f));
  }
  Plane halo = Cover(halos, 0.006f, size);
  Paint(0.5 * halo, RandomColor({0.25f, 0.72f, 0.75f}, 0.05f, rng), tissue);
  Paint(Cover(specks, 0.003f, size), RandomColor({0.10f, 0.15f, 0.20f}, 0.04f, rng), tissue);
  return halo;
}

// A few large ragged blotches with a pale rim, most of them on the leaf's edge.
Plane DrawLateBlight(const Leaf& leaf, int size, Picture* tissue, cv::RNG* rng) {
  std::vector<Outline> blotches, rims;
  for (int i = rng->uniform(2, 5); i > 0; --i) {
    const cv::Point2f place = RandomPlace(leaf, 1.0f, rng);
    const float radius = Uniform(rng, 0.07f, 0.12f);
    const Outline blotch = LobedDisc(place, radius, rng->uniform(5, 9), 0.17f, rng);
    Outline rim = blotch;
    for (cv::Point2f& p : rim) p = place + (p - place) * 1.2f;
    blotches.push_back(blotch);
    rims.push_back(rim);
  }
  Plane rim = Cover(rims, 0.008f, size);
  Paint(0.5 * rim, RandomColor({0.40f, 0.65f, 0.62f}, 0.05f, rng), tissue);
  const Plane mottled = 0.25 * Noise(20, size, rng) + 1.0;
  Paint(Cover(blotches, 0.005f, size),
        Tinted(mottled, RandomColor({0.14f, 0.20f, 0.24f}, 0.04f, rng)), tissue);
  return rim;
}

// Pale patches between the veins, all over the leaf.
Plane DrawMosaic(int size, Picture* tissue, cv::RNG* rng) {
  const Plane field = Noise(rng->uniform(11, 15), size, rng);
  Plane patches = cv::min(cv::max(3.0 * field + 0.5, 0.0), 1.0);
  Paint(0.7 * patches, RandomColor({0.30f, 0.80f, 0.78f}, 0.06f, rng), tissue);
  const Plane dark = cv::min(cv::max(-2.0 * field - 1.0, 0.0), 1.0);
  Paint(0.5 * dark, RandomColor({0.12f, 0.28f, 0.12f}, 0.03f, rng), tissue);
  return patches;
}

// Round spots of rings, pale and dark in turn, around a dark middle.
Plane DrawTargetSpots(const Leaf& leaf, int size, Picture* tissue, cv::RNG* rng) {
  constexpr std::array<float, 3> kRings = {1.0f, 0.78f, 0.42f};
  const cv::Vec3f dark = RandomColor({0.08f, 0.13f, 0.20f}, 0.03f, rng);
  const cv::Vec3f pale = RandomColor({0.50f, 0.72f, 0.82f}, 0.05f, rng);
  std::array<std::vector<Outline>, 3> spots;
  for (int i = rng->uniform(3, 6); i > 0; --i) {
    const cv::Point2f place = RandomPlace(leaf, 0.6f, rng);
    const float radius = Uniform(rng, 0.085f, 0.115f);
    for (size_t ring = 0; ring < kRings.size(); ++ring) {
      spots[ring].push_back(Disc(place, radius * kRings[ring]));
    }
  }
  for (size_t ring = 0; ring < kRings.size(); ++ring) {
    Paint(Cover(spots[ring], 0.003f, size), ring % 2 == 0 ? dark : pale, tissue);
  }
  return Cover(spots[0], 0.003f, size);
}

Plane DrawDisease(int label, const Leaf& leaf, int size, Picture* tissue, cv::RNG* rng) {
  if (label == kBacterialSpot) return DrawBacterialSpots(leaf, size, tissue, rng);
  if (label == kLateBlight) return DrawLateBlight(leaf, size, tissue, rng);
  if (label == kMosaicVirus) return DrawMosaic(size, tissue, rng);
  if (label == kTargetSpot) return DrawTargetSpots(leaf, size, tissue, rng);
  return Plane(size, size, 0.0f);
}

// Gloss and shade on the leaf, in every class alike.
void DrawLight(int size, Picture* tissue, cv::RNG* rng) {
  Plane light;
  cv::exp(0.18 * Noise(4, size, rng), light);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) (*tissue)(y, x) *= light(y, x);
  }
  std::vector<Outline> gloss;
  for (int i = rng->uniform(0, 4); i > 0; --i) {
    const cv::Point2f place{Uniform(rng, 0.25f, 0.75f), Uniform(rng, 0.25f, 0.75f)};
    gloss.push_back(LobedDisc(place, Uniform(rng, 0.03f, 0.07f), 3, 0.2f, rng));
  }
  Paint(0.3 * Cover(gloss, 0.02f, size), cv::Vec3f(0.9f, 0.9f, 0.9f), tissue);
}

}  // namespace

Drawn DrawLeaf(int label, uint64_t seed, int size) {
  CV_Assert(label >= 0 && label < kLeafClasses && size >= 32);
  cv::RNG rng = SeededRng(seed, label);
  const Leaf leaf = RandomLeaf(&rng);
  const Plane inside = Cover(Edge(leaf, &rng), 0.003f, size);
  const Plane texture = 0.05 * Noise(30, size, &rng) + 0.08 * Noise(7, size, &rng) + 1.0;
  Picture tissue = Tinted(texture, {0.27f, 0.52f, 0.32f});
  Paint(0.5 * Veins(leaf, size, &rng), cv::Vec3f(0.45f, 0.72f, 0.55f), &tissue);
  const Plane diseased = DrawDisease(label, leaf, size, &tissue, &rng);
  DrawLight(size, &tissue, &rng);
  // Whatever the disease did to the leaf's mean color is undone.
  const float level = Uniform(&rng, 0.8f, 1.2f);
  SetMean(inside, RandomColor({0.27f, 0.46f, 0.34f}, 0.05f, &rng) * level, &tissue);

  const Plane uneven = 0.06 * Noise(3, size, &rng) + 0.02 * Noise(40, size, &rng) + 1.0;
  const float paper = Uniform(&rng, 0.40f, 0.75f);
  Picture scene = Tinted(uneven, RandomColor({paper, paper, paper}, 0.05f, &rng));
  Plane shadow;
  const cv::Point2f shift = Polar(0.02f * size, Uniform(&rng, 0, kTwoPi));
  const cv::Mat_<float> moved = (cv::Mat_<float>(2, 3) << 1, 0, shift.x, 0, 1, shift.y);
  cv::warpAffine(inside, shadow, moved, inside.size());
  Paint(0.5 * shadow, cv::Vec3f(0.1f, 0.1f, 0.1f), &scene);
  Paint(inside, tissue, &scene);
  const float noise = Uniform(&rng, 0.004f, 0.02f);
  return {Photograph(scene, noise, &rng), Covered(cv::min(diseased, inside), 0.5f)};
}

}  // namespace datasets
