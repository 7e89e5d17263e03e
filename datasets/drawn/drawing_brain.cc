// Heads.
#include <algorithm>
#include <cmath>
#include <opencv2/imgproc.hpp>

#include "datasets/drawn/canvas.h"
#include "datasets/drawn/drawing.h"

namespace datasets {
namespace {

enum BrainClass { kGlioma, kMeningioma, kNoTumor, kPituitary, kBrainClasses };

constexpr float kBrainEdge = 0.87f;  // The brain's surface, as a fraction of the head's radius.

// Where the head lies: an ellipse whose own axes are x (ear to ear) and y (front to back).
struct Head {
  cv::Point2f centre;
  cv::Point2f radii;
  float tilt;  // Radians.

  // Maps a point of the unit disc to the picture.
  cv::Point2f At(cv::Point2f p) const {
    const float x = p.x * radii.x;
    const float y = p.y * radii.y;
    const float c = std::cos(tilt);
    const float s = std::sin(tilt);
    return centre + cv::Point2f(c * x - s * y, s * x + c * y);
  }

  Outline Map(Outline unit) const {
    for (cv::Point2f& p : unit) p = At(p);
    return unit;
  }

  Outline Ring(float radius) const { return Map(Disc({0, 0}, radius)); }
};

Head RandomHead(cv::RNG* rng) {
  const float length = Uniform(rng, 0.41f, 0.48f);
  const float width = length * Uniform(rng, 0.80f, 0.95f);
  const cv::Point2f centre{Uniform(rng, 0.47f, 0.53f), Uniform(rng, 0.47f, 0.53f)};
  return {centre, {width, length}, Uniform(rng, -0.25f, 0.25f)};
}

// The place of something that may lie anywhere up to `reach` of the head's radius.
cv::Point2f RandomPlace(const Head& head, float reach, cv::RNG* rng) {
  const float radius = reach * std::sqrt(Uniform(rng, 0, 1));
  return head.At(Polar(radius, Uniform(rng, 0, kTwoPi)));
}

// White matter inside, a grey cortex outside, and fluid in the furrows between the cortex's folds.
Plane DrawTissue(const Head& head, float level, float fluid, int size, cv::RNG* rng) {
  Plane tissue = 0.08f * Noise(5, size, rng) + level;
  const Plane cortex = 1.0 - Cover(head.Ring(Uniform(rng, 0.62f, 0.72f)), 0.03f, size);
  tissue += Uniform(rng, -0.12f, 0.08f) * cortex;

  // Furrows follow the zero crossings of noise, which are long thin curves.
  const Plane bumps = Noise(rng->uniform(13, 18), size, rng);
  Plane furrows;
  cv::exp(bumps.mul(bumps) * -12.0, furrows);
  Paint(0.8 * furrows.mul(cortex), fluid, &tissue);
  return tissue;
}

// The two horns of the lateral ventricles, mirrored about the midline, and the midline itself.
void DrawVentricles(const Head& head, float fluid, int size, Plane* canvas, cv::RNG* rng) {
  const float width = Uniform(rng, 0.05f, 0.11f);
  const float length = Uniform(rng, 0.22f, 0.38f);
  const float spread = Uniform(rng, 0.06f, 0.16f);
  const float middle = Uniform(rng, -0.12f, 0.12f);
  for (const float side : {-1.0f, 1.0f}) {
    Outline horn = Disc({0, 0}, 1);
    for (cv::Point2f& p : horn) {
      // Bowed away from the midline towards both ends, as the letter X is.
      const float x = spread + width * p.x + 0.14f * p.y * p.y;
      p = {side * x, middle + length * p.y};
    }
    Paint(Cover(head.Map(horn), 0.006f, size), fluid, canvas);
  }
  const Outline midline = {{-0.01f, -0.85f}, {0.01f, -0.85f}, {0.01f, 0.85f}, {-0.01f, 0.85f}};
  Paint(0.7 * Cover(head.Map(midline), 0.002f, size), fluid, canvas);
}

// Small vessels and cysts, in every class alike: a bright or dark spot tells nothing.
void DrawDistractors(const Head& head, int size, Plane* canvas, cv::RNG* rng) {
  for (int i = rng->uniform(1, 5); i > 0; --i) {
    const cv::Point2f place = RandomPlace(head, 0.8f, rng);
    const Outline spot = Disc(place, Uniform(rng, 0.010f, 0.020f));
    const bool vessel = Uniform(rng, 0, 1) < 0.6f;
    Paint(Cover(spot, 0.005f, size), vessel ? Uniform(rng, 0.7f, 0.9f) : 0.12f, canvas);
  }
}

// Paints the tumor; returns what it covers.
Plane DrawGlioma(const Head& head, float level, int size, Plane* canvas, cv::RNG* rng) {
  const cv::Point2f place = RandomPlace(head, 0.6f, rng);
  const float radius = Uniform(rng, 0.12f, 0.17f);
  const int lobes = rng->uniform(4, 7);
  const Outline rim = LobedDisc(place, radius, lobes, 0.16f, rng);
  const float hollow = Uniform(rng, 0.5f, 0.65f);
  Outline core = rim;
  for (cv::Point2f& p : core) p = place + (p - place) * hollow;
  const Plane mottled = 0.06f * Noise(24, size, rng) + level;
  const Plane whole = Cover(rim, 0.006f, size);
  Paint(whole, mottled, canvas);
  Paint(Cover(core, 0.008f, size), Uniform(rng, 0.1f, 0.25f), canvas);
  return whole;
}

Plane DrawMeningioma(const Head& head, float level, int size, Plane* canvas, cv::RNG* rng) {
  const float radius = Uniform(rng, 0.14f, 0.18f);
  const cv::Point2f edge = head.At(Polar(kBrainEdge, Uniform(rng, 0, kTwoPi)));
  const cv::Point2f inward = (head.centre - edge) / cv::norm(head.centre - edge);
  const cv::Point2f place = edge + inward * (radius * Uniform(rng, 0.65f, 0.85f));
  Plane ball = Cover(Disc(place, radius), 0.006f, size);
  Paint(ball, level, canvas);
  return ball;
}

Plane DrawPituitary(const Head& head, float level, int size, Plane* canvas, cv::RNG* rng) {
  const float large = Uniform(rng, 0.085f, 0.1f);
  const float small = large * Uniform(rng, 0.65f, 0.8f);
  const cv::Point2f middle = RandomPlace(head, 0.5f, rng);
  const cv::Point2f axis = Polar(1, Uniform(rng, 0, kTwoPi));
  // The discs only touch: a narrow waist tells them from one round lesion in a small picture.
  Plane body = cv::max(Cover(Disc(middle - axis * small, large), 0.006f, size),
                       Cover(Disc(middle + axis * large, small), 0.006f, size));
  Paint(body, level, canvas);
  return body;
}

Plane DrawLesion(int label, const Head& head, float level, int size, Plane* canvas, cv::RNG* rng) {
  if (label == kGlioma) return DrawGlioma(head, level, size, canvas, rng);
  if (label == kMeningioma) return DrawMeningioma(head, level, size, canvas, rng);
  if (label == kPituitary) return DrawPituitary(head, level, size, canvas, rng);
  return Plane(size, size, 0.0f);
}

// Applies the scanner: bias field, gamma, gain and noise. The gain brings the mean to a random
// level whatever was drawn, since a lesion would otherwise raise it.
cv::Mat Expose(const Plane& scene, int size, cv::RNG* rng) {
  Plane bias;
  cv::exp(0.15 * Noise(3, size, rng), bias);
  Plane picture = cv::max(scene.mul(bias), 0.0);
  cv::pow(picture, Uniform(rng, 0.85f, 1.2f), picture);
  picture *= Uniform(rng, 52, 72) / std::max(cv::mean(picture)[0], 1e-6);
  Plane noise(size, size);
  rng->fill(noise, cv::RNG::NORMAL, 0.0, Uniform(rng, 1, 5));
  picture += noise;
  cv::Mat grey, bgr;
  picture.convertTo(grey, CV_8U);
  cv::cvtColor(grey, bgr, cv::COLOR_GRAY2BGR);
  return bgr;
}

}  // namespace

Drawn DrawBrain(int label, uint64_t seed, int size) {
  CV_Assert(label >= 0 && label < kBrainClasses && size >= 32);
  cv::RNG rng = SeededRng(seed, label);
  const Head head = RandomHead(&rng);
  const float fluid = Uniform(&rng, 0.08f, 0.25f);  // Dark, as in T1-weighted pictures.
  const float grey = Uniform(&rng, 0.42f, 0.54f);
  Plane brain = DrawTissue(head, grey, fluid, size, &rng);
  DrawVentricles(head, fluid, size, &brain, &rng);
  DrawDistractors(head, size, &brain, &rng);
  const Plane lesion =
      DrawLesion(label, head, grey + Uniform(&rng, 0.45f, 0.55f), size, &brain, &rng);

  Plane scene(size, size, 0.0f);
  Paint(Cover(head.Ring(1.0f), 0.004f, size), Uniform(&rng, 0.6f, 1.0f), &scene);  // Scalp.
  Paint(Cover(head.Ring(0.94f), 0.004f, size), 0.06f, &scene);                     // Bone.
  const Plane inside = Cover(head.Ring(kBrainEdge), 0.004f, size);
  Paint(inside, brain, &scene);
  return {Expose(scene, size, &rng), Covered(cv::min(lesion, inside), 0.5f)};
}

}  // namespace datasets
