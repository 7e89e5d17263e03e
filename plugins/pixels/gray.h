// The gray of a color.
#ifndef PLUGINS_PIXELS_GRAY_H_
#define PLUGINS_PIXELS_GRAY_H_

#include <cstdint>

#include "kernels/simd.h"

namespace plugins {

// As Pillow's convert("L"). Where the three are equal, it is they.
SIMD inline uint8_t GrayOf(uint32_t red, uint32_t green, uint32_t blue) {
  return static_cast<uint8_t>((red * 19595 + green * 38470 + blue * 7471 + (1 << 15)) >> 16);
}

}  // namespace plugins

#endif  // PLUGINS_PIXELS_GRAY_H_
