// Pavement with and without cracks.
#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/drawn/canvas.h"
#include "datasets/drawn/drawing.h"

namespace datasets {
namespace {

enum CrackClass { kNone, kCfd, kDeepCrack, kCracktree, kCrackClasses };

// How the cracks of one source look.
struct Look {
  int paths_low, paths_high;        // cracks that start on their own
  int branches_low, branches_high;  // and from others
  float width_low, width_high;
  float ragged;  // how much the width changes along a crack
  float turn;    // how much a crack changes its direction with each step, in radians
  float contrast_low, contrast_high;
};

constexpr Look kLooks[kCrackClasses] = {
    {},
    {1, 1, 0, 2, 0.010f, 0.014f, 0.2f, 0.35f, 0.24f, 0.34f},
    {1, 1, 0, 1, 0.024f, 0.036f, 0.5f, 0.55f, 0.30f, 0.42f},
    {2, 2, 3, 7, 0.008f, 0.011f, 0.2f, 0.45f, 0.22f, 0.32f},
};

constexpr float kStep = 0.03f;  // of a crack
constexpr float kLeastArea = 0.008f;
constexpr float kMostArea = 0.030f;

// Grains, slabs and wear; `look` is that of a source.
Plane Ground(int look, int size, cv::RNG* rng) {
  if (look == kCfd) return 0.04 * Noise(26, size, rng) + 0.03 * Noise(8, size, rng) + 1.0;
  if (look == kDeepCrack) return 0.07 * Noise(5, size, rng) + 0.03 * Noise(16, size, rng) + 1.0;
  return 0.06 * Noise(40, size, rng) + 0.02 * Noise(6, size, rng) + 1.0;
}

// A crack under way.
struct Path {
  Outline points;
  std::vector<float> widths;
  float heading = 0;
  float area = 0;
};

// Walks from `start` along `heading`, swerving, for up to `steps` or until the picture ends.
Path Walk(const Look& look, cv::Point2f start, float heading, float width, int steps,
          cv::RNG* rng) {
  Path path;
  path.heading = heading;
  cv::Point2f at = start;
  for (int i = 0; i <= steps; ++i) {
    const float here = width * (1 + Uniform(rng, -look.ragged, look.ragged));
    path.points.push_back(at);
    path.widths.push_back(here);
    const bool out = at.x < -0.02f || at.y < -0.02f || at.x > 1.02f || at.y > 1.02f;
    if (out) break;
    if (i > 0) path.area += kStep * here;
    at += Polar(kStep, heading + 1.7f * Uniform(rng, -look.turn, look.turn));
  }
  return path;
}

// A path from a point of the picture's rim, or near it, to the other side.
Path CrossingPath(const Look& look, cv::RNG* rng) {
  const float heading = Uniform(rng, 0, kTwoPi);
  const cv::Point2f middle{Uniform(rng, 0.3f, 0.7f), Uniform(rng, 0.3f, 0.7f)};
  const cv::Point2f back = middle - Polar(Uniform(rng, 0.45f, 0.7f), heading);
  const cv::Point2f start{std::clamp(back.x, 0.0f, 1.0f), std::clamp(back.y, 0.0f, 1.0f)};
  const float width = Uniform(rng, look.width_low, look.width_high);
  return Walk(look, start, heading, width, rng->uniform(26, 44), rng);
}

Path Branch(const Look& look, const Path& trunk, cv::RNG* rng) {
  const int from = rng->uniform(0, static_cast<int>(trunk.points.size()));
  const float side = Chance(rng, 0.5f) ? 1.0f : -1.0f;
  const float heading = trunk.heading + side * Uniform(rng, 0.6f, 1.4f);
  const float width = trunk.widths[from] * Uniform(rng, 0.7f, 1.0f);
  return Walk(look, trunk.points[from], heading, width, rng->uniform(8, 22), rng);
}

std::vector<Path> RandomCracks(const Look& look, cv::RNG* rng) {
  std::vector<Path> paths;
  float area = 0;
  const auto add = [&](Path path) {
    area += path.area;
    paths.push_back(std::move(path));
  };
  for (int i = rng->uniform(look.paths_low, look.paths_high + 1); i > 0 || area < kLeastArea; --i) {
    add(CrossingPath(look, rng));
  }
  for (int i = rng->uniform(look.branches_low, look.branches_high + 1); i > 0; --i) {
    if (area > kMostArea) break;
    add(Branch(look, paths[rng->uniform(0, static_cast<int>(paths.size()))], rng));
  }
  return paths;
}

// Paints the cracks; returns what they cover.
Plane DrawCracks(const Look& look, int size, Plane* ground, cv::RNG* rng) {
  std::vector<Outline> strokes;
  for (const Path& path : RandomCracks(look, rng)) {
    for (Outline& part : Stroke(path.points, path.widths)) strokes.push_back(std::move(part));
  }
  Plane cracks = Cover(strokes, 0.002f, size);
  *ground -= Uniform(rng, look.contrast_low, look.contrast_high) * 1.6 * cracks;
  return cracks;
}

// What is dark or straight but no crack.
void DrawDistractors(int size, Plane* ground, cv::RNG* rng) {
  std::vector<Outline> stains;
  for (int i = rng->uniform(0, 4); i > 0; --i) {
    const cv::Point2f place{Uniform(rng, 0, 1), Uniform(rng, 0, 1)};
    const float radius = Uniform(rng, 0.03f, 0.12f);
    stains.push_back(LobedDisc(place, radius, rng->uniform(3, 6), 0.2f, rng));
  }
  *ground -= Uniform(rng, 0.1f, 0.25f) * Cover(stains, 0.015f, size);

  const float across = Uniform(rng, 0, kTwoPi);
  const cv::Point2f middle{Uniform(rng, 0.2f, 0.8f), Uniform(rng, 0.2f, 0.8f)};
  const cv::Point2f along = Polar(2, across + kTwoPi / 4);
  if (Chance(rng, 0.3f)) {  // The joint of two slabs.
    const float width = Uniform(rng, 0.02f, 0.035f);
    const Outline line = {middle - along, middle + along};
    *ground -= Uniform(rng, 0.12f, 0.2f) * Cover(Stroke(line, {width, width}), 0.006f, size);
  }
  if (Chance(rng, 0.4f)) {  // The shadow of something outside.
    const cv::Point2f edge = middle + Polar(Uniform(rng, -0.3f, 0.3f), across);
    const cv::Point2f far = Polar(3, across);
    const Outline half = {edge - along, edge + along, edge + along + far, edge - along + far};
    const Plane shade = 1.0 - Uniform(rng, 0.2f, 0.4f) * Cover(half, 0.02f, size);
    *ground = ground->mul(shade);
  }
}

}  // namespace

Drawn DrawCrack(int label, uint64_t seed, int size) {
  CV_Assert(label >= 0 && label < kCrackClasses && size >= 32);
  cv::RNG rng = SeededRng(seed, label);
  const int any = rng.uniform(int{kCfd}, int{kCrackClasses});
  Plane ground = Ground(label == kNone ? any : label, size, &rng);
  Plane cracks(size, size, 0.0f);
  if (label != kNone) cracks = DrawCracks(kLooks[label], size, &ground, &rng);
  DrawDistractors(size, &ground, &rng);
  Picture scene = Tinted(cv::max(ground, 0.05), {1, 1, 1});
  const float level = Uniform(&rng, 0.40f, 0.65f);
  SetMean(Plane(size, size, 1.0f), RandomColor({level, level, level}, 0.03f, &rng), &scene);
  const float noise = Uniform(&rng, 0.004f, 0.02f);
  return {Photograph(scene, noise, &rng), Covered(cracks, 0.4f)};
}

}  // namespace datasets
