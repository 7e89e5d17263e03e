// Loops compiled for several instruction sets, of which the processor gets the best it has.
//
//   Vectorized([&]() SIMD { for (int i = 0; i < n; ++i) y[i] = Exp(x[i]); });
//
// The lambda, and every function of our own that it calls, is marked SIMD, so that it is inlined
// into each of the compiled versions. What a loop reads is copied into locals of the lambda first:
// what it captured might be changed by what the loop writes, for all the compiler knows, and then
// nothing is vectorised. Files that use it are compiled with SIMD_COPTS (simd.bzl);
// results may differ between instruction sets in the last bit (fused multiplication and addition).
#ifndef KERNELS_SIMD_H_
#define KERNELS_SIMD_H_

#include <cstdint>
#include <cstring>
#include <type_traits>

#define SIMD __attribute__((always_inline))

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define SIMD_TARGET(isa) __attribute__((target(isa)))
#else
#define SIMD_TARGET(isa)
#endif

namespace kernels {

enum class InstructionSet { kBaseline, kAvx2, kAvx512 };

// The best of this processor, or a lesser one that the environment variable
// LOSSFUSION_INSTRUCTION_SET (baseline, avx2 or avx512) asks for. Decided once.
InstructionSet ChosenInstructionSet();

namespace simd {

template <class Body>
SIMD_TARGET("arch=x86-64-v4,prefer-vector-width=512")
auto RunAvx512(const Body& body) {
  return body();
}
template <class Body>
SIMD_TARGET("arch=x86-64-v3")
auto RunAvx2(const Body& body) {
  return body();
}

}  // namespace simd

template <class Body>
auto Vectorized(const Body& body) {
  switch (ChosenInstructionSet()) {
    case InstructionSet::kAvx512:
      return simd::RunAvx512(body);
    case InstructionSet::kAvx2:
      return simd::RunAvx2(body);
    default:
      return body();
  }
}

// As Vectorized, for bodies that hold packets of floats themselves (GCC's vector types): the body
// is called with the number of floats that a register holds, 16, 8 or 1, as a
// std::integral_constant.
template <class Body>
auto VectorizedInLanes(const Body& body) {
  switch (ChosenInstructionSet()) {
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
    case InstructionSet::kAvx512:
      return simd::RunAvx512([&]() SIMD { return body(std::integral_constant<int, 16>()); });
    case InstructionSet::kAvx2:
      return simd::RunAvx2([&]() SIMD { return body(std::integral_constant<int, 8>()); });
#endif
    default:
      return body(std::integral_constant<int, 1>());
  }
}

// a or b, both of them read: `c ? x[i] : y[i]` would read one, which many loops cannot be
// vectorised for.
SIMD inline float Select(bool condition, float a, float b) { return condition ? a : b; }

// e^x with a relative error of 1e-7; 1.2e-38 for x below -87.3, and 3.4e38 above 88.7. NaN for NaN.
SIMD inline float Exp(float x) {
  constexpr float kMin = -87.3F, kMax = 88.7F;
  constexpr float kLog2E = 1.44269504F;
  // ln 2 in two parts, of which the first has few digits: n * kLn2High is exact.
  constexpr float kLn2High = 0.693359375F, kLn2Low = -2.12194440e-4F;
  // Adding it rounds a small float to an integer.
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23
  x = x < kMin ? kMin : x;
  x = x > kMax ? kMax : x;
  const float n = (x * kLog2E + kRound) - kRound;
  const float r = (x - n * kLn2High) - n * kLn2Low;
  // Interpolates e^r at the 7 Chebyshev nodes of [-ln 2 / 2, ln 2 / 2]: relative error 3e-9.
  float y = 1.394110847e-3F;
  y = y * r + 8.375126398e-3F;
  y = y * r + 4.166635290e-2F;
  y = y * r + 1.666641551e-1F;
  y = y * r + 0.5F;
  y = y * r + 1.0F;
  y = y * r + 1.0F;
  // Times 2^n, in the exponent's bits.
  int32_t bits;
  std::memcpy(&bits, &y, sizeof(bits));
  bits += static_cast<int32_t>(n) << 23;
  std::memcpy(&y, &bits, sizeof(y));
  return y;
}

// 2 artanh s = 2 (s + s^3/3 + s^5/5 + ...) = ln((1 + s) / (1 - s)), for |s| <= 0.172: five terms
// leave 2e-9.
SIMD inline float TwiceArtanh(float s) {
  const float square = s * s;
  float series = 2.0F / 9;
  series = series * square + 2.0F / 7;
  series = series * square + 2.0F / 5;
  series = series * square + 2.0F / 3;
  series = series * square + 2.0F;
  return s * series;
}

// ln x for normal x > 0, with an error of 1e-7 (relative, or absolute near 1); infinity and NaN
// pass.
SIMD inline float Log(float x) {
  int32_t bits;
  std::memcpy(&bits, &x, sizeof(bits));
  // x = m 2^n with m in [sqrt(1/2), sqrt(2)).
  constexpr int32_t kSqrtHalf = 0x3f3504f3;
  const int32_t n = (bits - kSqrtHalf) >> 23;
  bits -= n << 23;
  float m;
  std::memcpy(&m, &bits, sizeof(m));
  const float s = (m - 1) / (m + 1);
  const float y = TwiceArtanh(s) + static_cast<float>(n) * 0.693147181F;
  return x <= 3.4e38F ? y : x;
}

// ln(1 - x) for x in [0, 0.29], with a relative error of 1e-7.
SIMD inline float LogOneMinus(float x) {
  // As Log, with m = 1 - x: s is exact where m would be rounded.
  const float s = -x / (2 - x);
  return TwiceArtanh(s);
}

}  // namespace kernels

#endif  // KERNELS_SIMD_H_
