// An ellipsoid with a ball in it, voxel by voxel.
#include "datasets/volumes/drawn_volume.h"

#include <cmath>
#include <opencv2/core.hpp>

namespace datasets {
namespace {

constexpr int kSide = 48, kSlices = 20;
constexpr int kLabels = 2;  // as a modality

// In units of half the head: -1 to 1 from edge to edge.
struct Ball {
  double x, y, z, radius;
};

// The square of the distance from the middle of the head, 1 on its surface.
double Head(double x, double y, double z) { return 1.3 * x * x + y * y + 1.1 * z * z; }

int LabelAt(const Ball& tumor, double x, double y, double z) {
  const double distance = std::hypot(x - tumor.x, y - tumor.y, z - tumor.z) / tumor.radius;
  return distance < 0.4 ? 1 : distance < 0.65 ? 4 : distance < 1 ? 2 : 0;
}

// What a tissue gives in a modality.
double Brightness(int label, int modality) {
  constexpr double kFlair[] = {400, 600, 900, 0, 700};
  constexpr double kContrast[] = {500, 300, 450, 0, 950};
  return modality == 0 ? kFlair[label] : kContrast[label];
}

}  // namespace

Volume DrawBrainVolume(uint64_t seed, int modality) {
  cv::RNG places(seed * 2654435761U + 1);
  const double side = places.uniform(0, 2) == 0 ? -1 : 1;
  const Ball tumor = {side * places.uniform(0.25, 0.45), places.uniform(-0.4, 0.4),
                      places.uniform(-0.35, 0.35), places.uniform(0.25, 0.4)};
  cv::RNG noise(seed * 3 + modality + 1);
  Volume volume = {kSlices, kSide, kSide, {}, {}};
  const auto coordinate = [](int i, int n) { return (2 * i + 1.0) / n - 1; };
  for (int k = 0; k < kSlices; ++k) {
    for (int j = 0; j < kSide; ++j) {
      for (int i = 0; i < kSide; ++i) {
        const double x = coordinate(i, kSide), y = coordinate(j, kSide), z = coordinate(k, kSlices);
        const double head = Head(x, y, z);
        const int label = head < 0.8 ? LabelAt(tumor, x, y, z) : 0;
        double voxel = head < 0.9 ? Brightness(label, modality) + noise.gaussian(60) : 0;
        // Fluid in the middle, dark in both: darkness alone is no tumor.
        if (label == 0 && head < 0.05) voxel *= 0.5;
        volume.voxels.push_back(static_cast<float>(modality == kLabels ? label : voxel));
      }
    }
  }
  return volume;
}

}  // namespace datasets
