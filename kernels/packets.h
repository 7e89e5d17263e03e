// Registers of floats and of integers, by GCC's vector types, for the bodies of VectorizedInLanes
// (simd.h).
#ifndef KERNELS_PACKETS_H_
#define KERNELS_PACKETS_H_

#include <cstdint>
#include <cstring>

#include "kernels/simd.h"

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

namespace kernels {

template <int kLanes>
struct Packet {
  typedef float Floats __attribute__((vector_size(kLanes * 4)));
  typedef int32_t Ints __attribute__((vector_size(kLanes * 4)));
};
template <int kLanes>
using Floats = typename Packet<kLanes>::Floats;
template <int kLanes>
using Ints = typename Packet<kLanes>::Ints;

// From and to any address.
template <class To>
SIMD inline To Load(const float* from) {
  To to;
  std::memcpy(&to, from, sizeof(to));
  return to;
}
template <class From>
SIMD inline void Store(const From& from, float* to) {
  std::memcpy(to, &from, sizeof(from));
}

}  // namespace kernels

#endif

#endif  // KERNELS_PACKETS_H_
