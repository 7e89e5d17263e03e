// Land from above.
#include <array>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/drawn/canvas.h"
#include "datasets/drawn/drawing.h"

namespace datasets {
namespace {

enum LandClass { kUrban, kAgriculture, kRangeland, kForest, kWater, kBarren, kLandClasses };

constexpr uchar kUnknown = 255;     // datasets::kIgnoredMask
constexpr double kDominant = 0.58;  // of the picture, before a cloud comes over it

// A grid that lies askew over the picture, and random numbers for its cells.
class Grid {
 public:
  Grid(float cells, cv::RNG* rng)
      : cells_(cells), angle_(Uniform(rng, 0, kTwoPi)), values_(kValues, kValues) {
    rng->fill(values_, cv::RNG::UNIFORM, 0.0, 1.0);
    offset_ = {Uniform(rng, 10, 11), Uniform(rng, 10, 11)};  // keeps coordinates positive
    offset_ += cv::Point2f(cells, cells);
  }

  // A point of the picture in units of cells.
  cv::Point2f At(float x, float y) const {
    const float c = std::cos(angle_) * cells_;
    const float s = std::sin(angle_) * cells_;
    return offset_ + cv::Point2f(c * x - s * y, s * x + c * y);
  }

  // The number of the cell that a point (from At) is in; `which` tells numbers of one cell apart.
  float Value(cv::Point2f at, int which) const {
    const int x = static_cast<int>(at.x) + 5 * which;
    const int y = static_cast<int>(at.y) + 11 * which;
    return values_(y % kValues, x % kValues);
  }

 private:
  static constexpr int kValues = 32;
  const float cells_, angle_;
  cv::Point2f offset_;
  Plane values_;
};

float Fraction(float x) { return x - std::floor(x); }

// How light the ground is, 1 on average, for each class. No texture is finer than a twentieth of
// the picture, so that it outlives shrinking to 48 pixels and the blur of an augmented copy.

// Roofs of one block differ; streets run between the blocks.
Plane Urban(int size, cv::RNG* rng) {
  const Grid grid(Uniform(rng, 7, 9), rng);
  Plane light(size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const cv::Point2f at = grid.At((x + 0.5f) / size, (y + 0.5f) / size);
      const float u = Fraction(at.x);
      const float v = Fraction(at.y);
      const bool street = u < 0.2f || v < 0.2f;
      const float far = 0.65f + 0.35f * grid.Value(at, 1);
      const bool roof = u > 0.3f && v > 0.3f && u < far && v < 0.65f + 0.35f * grid.Value(at, 2);
      light(y, x) = street ? 1.2f : roof ? 0.4f + 1.5f * grid.Value(at, 0) : 0.8f;
    }
  }
  return light;
}

// Parcels, ploughed lengthwise or crosswise.
Plane Agriculture(int size, cv::RNG* rng) {
  const Grid grid(Uniform(rng, 2.5f, 3.5f), rng);
  const float furrows = Uniform(rng, 3.5f, 4.5f);  // in a cell
  Plane light(size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const cv::Point2f at = grid.At((x + 0.5f) / size, (y + 0.5f) / size);
      const float across = grid.Value(at, 1) < 0.5f ? at.x : at.y;
      const bool hedge = Fraction(at.x) < 0.05f || Fraction(at.y) < 0.05f;
      const float tone = 0.7f + 0.6f * grid.Value(at, 0);
      light(y, x) = hedge ? 0.5f : tone + 0.13f * std::sin(kTwoPi * furrows * across);
    }
  }
  return light;
}

// Open ground with single shrubs.
Plane Rangeland(int size, cv::RNG* rng) {
  Plane light = 0.09 * Noise(7, size, rng) + 0.04 * Noise(22, size, rng) + 1.0;
  std::vector<Outline> shrubs;
  for (int i = 45; i > 0; --i) {
    const cv::Point2f place{Uniform(rng, 0, 1), Uniform(rng, 0, 1)};
    shrubs.push_back(Disc(place, Uniform(rng, 0.013f, 0.021f)));
  }
  Paint(0.6 * Cover(shrubs, 0.004f, size), 0.4f, &light);
  return light;
}

// Crowns beside crowns.
Plane Forest(int size, cv::RNG* rng) {
  const Plane crowns = Noise(18, size, rng);
  return 0.28 * crowns + 0.08 * Noise(8, size, rng) + 1.0;
}

Plane Water(int size, cv::RNG* rng) { return 0.06 * Noise(3, size, rng) + 1.0; }

// Wavy bands, as of dunes and terraces.
Plane Barren(int size, cv::RNG* rng) {
  const float angle = Uniform(rng, 0, kTwoPi);
  const float bands = Uniform(rng, 4, 6);
  const Plane bow = Noise(5, size, rng);
  Plane light = 0.05 * Noise(18, size, rng) + 1.0;
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const float along = (std::cos(angle) * x + std::sin(angle) * y) / size;
      light(y, x) += 0.22f * std::sin(kTwoPi * (bands * along + 0.5f * bow(y, x)));
    }
  }
  return light;
}

Plane Light(int land, int size, cv::RNG* rng) {
  if (land == kUrban) return Urban(size, rng);
  if (land == kAgriculture) return Agriculture(size, rng);
  if (land == kRangeland) return Rangeland(size, rng);
  if (land == kForest) return Forest(size, rng);
  if (land == kWater) return Water(size, rng);
  return Barren(size, rng);
}

// Which of `cells` regions each pixel belongs to: the nearest of random points, seen through
// ripples, so that borders are crooked.
cv::Mat_<uchar> Regions(int cells, int size, cv::RNG* rng) {
  Outline points;
  for (int i = 0; i < cells; ++i) {
    points.push_back({Uniform(rng, 0, 1), Uniform(rng, 0, 1)});
  }
  const Plane shift_x = 0.03 * Noise(6, size, rng);
  const Plane shift_y = 0.03 * Noise(6, size, rng);
  cv::Mat_<uchar> regions(size, size);
  for (int y = 0; y < size; ++y) {
    for (int x = 0; x < size; ++x) {
      const cv::Point2f at((x + 0.5f) / size + shift_x(y, x), (y + 0.5f) / size + shift_y(y, x));
      float nearest = 1e9f;
      for (int i = 0; i < cells; ++i) {
        const cv::Point2f d = at - points[i];
        const float distance = d.dot(d);
        if (distance >= nearest) continue;
        nearest = distance;
        regions(y, x) = static_cast<uchar>(i);
      }
    }
  }
  return regions;
}

// The class of each pixel. Regions go to the dominant class until it has its share; the others
// are any of the other classes.
cv::Mat LandMap(int dominant, int size, cv::RNG* rng) {
  const int cells = rng->uniform(12, 19);
  cv::Mat_<uchar> map = Regions(cells, size, rng);
  std::vector<int64_t> areas(cells);
  for (const uchar region : map) ++areas[region];
  std::vector<uchar> classes(cells);
  int64_t left = std::llround(kDominant * size * size);
  for (int i = 0; i < cells; ++i) {
    const int other = (dominant + rng->uniform(1, int{kLandClasses})) % kLandClasses;
    classes[i] = static_cast<uchar>(left > 0 ? dominant : other);
    if (left > 0) left -= areas[i];
  }
  for (uchar& pixel : map) pixel = classes[pixel];
  return map;
}

// Colors of one picture's classes, which overlap between pictures.
std::array<cv::Vec3f, kLandClasses> Palette(cv::RNG* rng) {
  constexpr std::array<std::array<float, 3>, kLandClasses> kMeans = {{{0.43f, 0.47f, 0.46f},
                                                                      {0.36f, 0.49f, 0.45f},
                                                                      {0.38f, 0.48f, 0.46f},
                                                                      {0.35f, 0.45f, 0.38f},
                                                                      {0.44f, 0.43f, 0.36f},
                                                                      {0.42f, 0.49f, 0.52f}}};
  std::array<cv::Vec3f, kLandClasses> palette;
  for (int land = 0; land < kLandClasses; ++land) {
    const float light = Uniform(rng, 0.85f, 1.15f);
    const cv::Vec3f mean(kMeans[land][0], kMeans[land][1], kMeans[land][2]);
    palette[land] = RandomColor(mean, 0.025f, rng) * light;
  }
  return palette;
}

// A cloud, where there is one, hides what is below.
void DrawCloud(int size, Picture* scene, cv::Mat* mask, cv::RNG* rng) {
  const cv::Point2f place{Uniform(rng, 0, 1), Uniform(rng, 0, 1)};
  const float radius = Uniform(rng, 0.04f, 0.08f);
  const Outline outline = LobedDisc(place, radius, rng->uniform(3, 6), 0.2f, rng);
  if (!Chance(rng, 0.3f)) return;
  const Plane cloud = Cover(outline, 0.01f, size);
  Paint(cloud, cv::Vec3f(0.9f, 0.9f, 0.9f), scene);
  mask->setTo(kUnknown, cloud > 0.4f);
}

}  // namespace

Drawn DrawLand(int label, uint64_t seed, int size) {
  CV_Assert(label >= 0 && label < kLandClasses && size >= 32);
  cv::RNG rng = SeededRng(seed, label);
  cv::Mat mask = LandMap(label, size, &rng);
  const std::array<cv::Vec3f, kLandClasses> palette = Palette(&rng);
  Picture scene(size, size);
  for (int land = 0; land < kLandClasses; ++land) {
    const cv::Mat here = mask == land;
    Tinted(Light(land, size, &rng), palette[land]).copyTo(scene, here);
  }
  cv::GaussianBlur(scene, scene, cv::Size(), 0.003 * size);
  // Light, air and season: they leave nothing of the dominant class's own color.
  const float level = Uniform(&rng, 0.75f, 1.25f);
  SetMean(Plane(size, size, 1.0f), RandomColor({0.38f, 0.45f, 0.43f}, 0.03f, &rng) * level, &scene);
  DrawCloud(size, &scene, &mask, &rng);
  const float noise = Uniform(&rng, 0.004f, 0.02f);
  return {Photograph(scene, noise, &rng), mask};
}

}  // namespace datasets
