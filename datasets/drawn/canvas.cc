// Shapes, noise and paint.
#include "datasets/drawn/canvas.h"

#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

namespace datasets {
namespace {

constexpr int kOutlinePoints = 72;

// SplitMix64's finaliser: cv::RNG's first draws are correlated when its seeds are consecutive.
uint64_t Mix(uint64_t x) {
  x += 0x9E3779B97F4A7C15u;
  x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9u;
  x = (x ^ (x >> 27)) * 0x94D049BB133111EBu;
  return x ^ (x >> 31);
}

}  // namespace

cv::RNG SeededRng(uint64_t seed, int label) { return cv::RNG(Mix(Mix(seed) + label)); }

float Uniform(cv::RNG* rng, float low, float high) { return rng->uniform(low, high); }

bool Chance(cv::RNG* rng, float probability) { return Uniform(rng, 0, 1) < probability; }

cv::Vec3f RandomColor(const cv::Vec3f& mean, float spread, cv::RNG* rng) {
  cv::Vec3f color = mean;
  for (int c = 0; c < 3; ++c) color[c] += Uniform(rng, -spread, spread);
  return color;
}

Plane Noise(int cells, int size, cv::RNG* rng) {
  Plane grid(cells, cells);
  rng->fill(grid, cv::RNG::NORMAL, 0.0, 1.0);
  Plane noise;
  cv::resize(grid, noise, cv::Size(size, size), 0, 0, cv::INTER_CUBIC);
  return noise;
}

Plane Cover(const std::vector<Outline>& outlines, float softness, int size) {
  constexpr int kShift = 4;  // fillPoly takes fixed-point coordinates with this many fraction bits.
  cv::Mat_<uchar> filled(size, size, uchar{0});
  for (const Outline& outline : outlines) {
    std::vector<cv::Point> points;
    for (const cv::Point2f& p : outline) points.emplace_back(p * (size * (1 << kShift)));
    cv::fillPoly(filled, std::vector<std::vector<cv::Point>>{points}, 255, cv::LINE_AA, kShift);
  }
  Plane cover;
  filled.convertTo(cover, CV_32F, 1.0 / 255);
  cv::GaussianBlur(cover, cover, cv::Size(), softness * size);
  return cover;
}

Plane Cover(const Outline& outline, float softness, int size) {
  return Cover(std::vector<Outline>{outline}, softness, size);
}

void Paint(const Plane& cover, const cv::Vec3f& color, Picture* canvas) {
  for (int y = 0; y < canvas->rows; ++y) {
    for (int x = 0; x < canvas->cols; ++x) {
      cv::Vec3f& pixel = (*canvas)(y, x);
      pixel += cover(y, x) * (color - pixel);
    }
  }
}

void Paint(const Plane& cover, const Picture& paint, Picture* canvas) {
  for (int y = 0; y < canvas->rows; ++y) {
    for (int x = 0; x < canvas->cols; ++x) {
      cv::Vec3f& pixel = (*canvas)(y, x);
      pixel += cover(y, x) * (paint(y, x) - pixel);
    }
  }
}

Picture Tinted(const Plane& light, const cv::Vec3f& color) {
  Picture picture(light.size());
  for (int y = 0; y < light.rows; ++y) {
    for (int x = 0; x < light.cols; ++x) picture(y, x) = light(y, x) * color;
  }
  return picture;
}

void SetMean(const Plane& where, const cv::Vec3f& color, Picture* canvas) {
  cv::Vec3d sum;
  double weight = 1e-6;
  for (int y = 0; y < canvas->rows; ++y) {
    for (int x = 0; x < canvas->cols; ++x) {
      sum += cv::Vec3d((*canvas)(y, x) * where(y, x));
      weight += where(y, x);
    }
  }
  cv::Vec3f gain;
  for (int c = 0; c < 3; ++c) gain[c] = color[c] * static_cast<float>(weight / (sum[c] + 1e-6));
  for (cv::Vec3f& pixel : *canvas) pixel = pixel.mul(gain);
}

cv::Mat Photograph(const Picture& scene, float noise, cv::RNG* rng) {
  Picture grain(scene.size());
  rng->fill(grain, cv::RNG::NORMAL, 0.0, noise);
  grain += scene;
  cv::Mat image;
  grain.convertTo(image, CV_8U, 255);
  return image;
}

cv::Mat Covered(const Plane& cover, float least) { return (cover > least) & 1; }

cv::Point2f Polar(float radius, float angle) {
  return {radius * std::cos(angle), radius * std::sin(angle)};
}

Outline Disc(cv::Point2f centre, float radius) {
  Outline outline;
  for (int i = 0; i < kOutlinePoints; ++i) {
    outline.push_back(centre + Polar(radius, kTwoPi * i / kOutlinePoints));
  }
  return outline;
}

Outline LobedDisc(cv::Point2f centre, float radius, int lobes, float depth, cv::RNG* rng) {
  const float phase = Uniform(rng, 0, kTwoPi);
  const float skew = Uniform(rng, 0, kTwoPi);
  Outline outline;
  for (int i = 0; i < kOutlinePoints; ++i) {
    const float angle = kTwoPi * i / kOutlinePoints;
    const float bulge = std::cos(lobes * angle + phase) + 0.5f * std::cos(2 * angle + skew) +
                        0.5f * std::cos((lobes - 1) * angle + skew);
    outline.push_back(centre + Polar(radius * (1 + depth * bulge), angle));
  }
  return outline;
}

std::vector<Outline> Stroke(const Outline& path, const std::vector<float>& widths) {
  std::vector<Outline> parts;
  for (size_t i = 1; i < path.size(); ++i) {
    const cv::Point2f along = path[i] - path[i - 1];
    const float length = std::max(1e-6f, std::hypot(along.x, along.y));
    const cv::Point2f aside(-along.y / length / 2, along.x / length / 2);
    const float before = widths[i - 1];
    const float after = widths[i];
    parts.push_back({path[i - 1] + aside * before, path[i] + aside * after, path[i] - aside * after,
                     path[i - 1] - aside * before});
    parts.push_back(Disc(path[i], after / 2));  // fills the corner
  }
  return parts;
}

}  // namespace datasets
