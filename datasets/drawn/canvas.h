// What the drawings share: random numbers, shapes, noise and paint.
#ifndef DATASETS_DRAWN_CANVAS_H_
#define DATASETS_DRAWN_CANVAS_H_

#include <cstdint>
#include <opencv2/core.hpp>
#include <vector>

namespace datasets {

// Lengths and points are fractions of the picture's side until Cover() turns them into pixels, so
// that a picture looks alike at every size. Intensities are 0 (black) to about 1 until the end.
using Plane = cv::Mat_<float>;
using Picture = cv::Mat_<cv::Vec3f>;  // B, G, R
using Outline = std::vector<cv::Point2f>;

constexpr float kTwoPi = 6.2831853f;

// Unrelated numbers for every pair of arguments.
cv::RNG SeededRng(uint64_t seed, int label);

// Draw at most once per argument list: C++ leaves the order of arguments to the compiler, and the
// picture must not depend on it (a braced list is in order).
float Uniform(cv::RNG* rng, float low, float high);
bool Chance(cv::RNG* rng, float probability);

// A colour around `mean`, each channel off by up to `spread`.
cv::Vec3f RandomColor(const cv::Vec3f& mean, float spread, cv::RNG* rng);

// Smooth zero-mean noise of unit variance with about `cells` bumps along a side.
Plane Noise(int cells, int size, cv::RNG* rng);

// Coverage in [0, 1] of the outlines' insides; edges are blurred by `softness`, which is above 0.
Plane Cover(const std::vector<Outline>& outlines, float softness, int size);
Plane Cover(const Outline& outline, float softness, int size);

// Blends `value` (a number or a plane) over the canvas where it is covered.
template <typename Value>
void Paint(const Plane& cover, const Value& value, Plane* canvas) {
  Plane change = value - *canvas;
  *canvas += cover.mul(change);
}
void Paint(const Plane& cover, const cv::Vec3f& color, Picture* canvas);
void Paint(const Plane& cover, const Picture& paint, Picture* canvas);

// One color, lighter and darker as `light` says (1 leaves it).
Picture Tinted(const Plane& light, const cv::Vec3f& color);

// Scales each channel so that its mean over `where` is that of `color`.
void SetMean(const Plane& where, const cv::Vec3f& color, Picture* canvas);

// The camera: noise of a standard deviation in [0, 1], and rounding to 8 bits.
cv::Mat Photograph(const Picture& scene, float noise, cv::RNG* rng);

// The mask of two classes: 1 where more than `least` is covered.
cv::Mat Covered(const Plane& cover, float least);

cv::Point2f Polar(float radius, float angle);
Outline Disc(cv::Point2f centre, float radius);
// An irregular closed curve with `lobes` bulges as deep as `depth` times the radius.
Outline LobedDisc(cv::Point2f centre, float radius, int lobes, float depth, cv::RNG* rng);
// A line through the points, as wide at each as `widths` says.
std::vector<Outline> Stroke(const Outline& path, const std::vector<float>& widths);

}  // namespace datasets

#endif  // DATASETS_DRAWN_CANVAS_H_
