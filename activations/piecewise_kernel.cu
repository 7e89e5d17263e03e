// A function given by tables (piecewise.h), of every element: the source of a GPU's kernels, which
// NVRTC compiles at run time and a test compiles for the processor.
//
// `tables` is what TablesFor (piecewise_gpu.h) lays out:
//   kHead floats of the function: number of terms, slope; where tables end below and above; what
//   follows there, c + a (x / end)^q, as c, a, q for either side
//   for each term kTermHead floats: fold, last piece, degree, anti, odd, low, scale, most, and the
//   frequency in two parts; then rows of kPieces: centers, coefficients of the value, of the slope

constexpr int kHead = 16, kTermHead = 16, kPieces = 16, kEach = 8;
constexpr float kLargest = 3.402823466e38f;
constexpr int kDense = 1, kOdd = 2, kUnit = 3;  // Fold

struct Bfloat16 {
  unsigned short bits;
};
struct Float16 {
  unsigned short bits;
};

// Elements that one thread takes, in aligned memory.
template <class T>
struct alignas(16) Packet {
  T values[kEach];
};

using Element = ELEMENT;  // float, Bfloat16 or Float16

__device__ inline float Wide(float x) { return x; }
__device__ inline float Wide(Bfloat16 x) { return __uint_as_float((unsigned)x.bits << 16); }
__device__ inline float Wide(Float16 x) { return HalfToFloat(x.bits); }

__device__ inline void Narrow(float x, float* to) { *to = x; }
__device__ inline void Narrow(float x, Float16* to) { to->bits = FloatToHalf(x); }
// To the nearest, ties to even.
__device__ inline void Narrow(float x, Bfloat16* to) {
  const unsigned bits = __float_as_uint(x);
  const unsigned rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
  to->bits = x == x ? rounded : 0x7fc0;
}

// Beyond the tables, where few elements are.
template <bool kSlope>
__device__ __noinline__ float Tail(const float* tail, float end, float x) {
  const float grown = tail[1] * powf(x / end, tail[2]);
  return kSlope ? grown * tail[2] / x : tail[0] + grown;
}

// y += a term of x, or its slope.
template <bool kSlope>
__device__ inline void AddTerm(const float* term, const float* x, float* y) {
  const int fold = (int)term[0], degree = (int)term[2], top = kSlope ? degree - 1 : degree;
  const float last = term[1], low = term[5], scale = term[6], most = term[7];
  const float frequency = term[8], frequency_low = term[9];
  const bool anti = term[3] != 0, signed_fold = (term[4] != 0) != kSlope;
  const float* const centers = term + kTermHead;
  const float* const rows = centers + kPieces * (kSlope ? degree + 2 : 1);
  int index[kEach];
  float u[kEach], sum[kEach];
  bool flip[kEach];
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    float p = x[e];
    flip[e] = false;
    if (fold == kOdd) {
      p = fabsf(p);
      flip[e] = !kSlope && x[e] < 0;
    } else if (fold == kUnit) {
      p = fminf(fmaxf(p, -most), most);
      const float nearest = rintf(p * frequency);
      const float r = fmaf(p, frequency, -nearest) + p * frequency_low;
      flip[e] = (anti && ((int)nearest & 1)) != (signed_fold && r < 0);
      p = fabsf(r);
    }
    float place = fold == kDense ? p / (2 + fabsf(p)) : p;
    place = fmaxf((place - low) * scale, 0.0f);  // 0 for NaN too
    index[e] = (int)fminf(place, last);
    u[e] = p - centers[index[e]];
    sum[e] = rows[top * kPieces + index[e]];
  }
  for (int k = top - 1; k >= 0; --k) {
#pragma unroll
    for (int e = 0; e < kEach; ++e) sum[e] = fmaf(sum[e], u[e], rows[k * kPieces + index[e]]);
  }
#pragma unroll
  for (int e = 0; e < kEach; ++e) y[e] += flip[e] ? -sum[e] : sum[e];
}

template <bool kSlope>
__device__ inline void Evaluate(const float* tables, const float* given, float* y) {
  const int terms = (int)tables[0];
  const float slope = tables[1], low = tables[2], high = tables[3];
  float x[kEach];
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    x[e] = fminf(fmaxf(given[e], -kLargest), kLargest);
    y[e] = kSlope ? slope : slope * x[e];
  }
  const float* term = tables + kHead;
  for (int i = 0; i < terms; ++i) {
    AddTerm<kSlope>(term, x, y);
    term += kTermHead + kPieces * (2 * (int)term[2] + 2);
  }
#pragma unroll
  for (int e = 0; e < kEach; ++e) {
    if (x[e] < low) y[e] = Tail<kSlope>(tables + 4, low, x[e]);
    if (x[e] > high) y[e] = Tail<kSlope>(tables + 7, high, x[e]);
    if (!(given[e] == given[e])) y[e] = given[e];
  }
}

// out = f(x), or gy f'(x).
template <bool kSlope, class T>
__device__ inline void Map(const T* x, const T* gy, T* out, long long count, int aligned,
                           const float* from, int floats) {
  SHARED_FLOATS(tables);
  for (int i = threadIdx.x; i < floats; i += blockDim.x) tables[i] = from[i];
  __syncthreads();
  const long long round = (long long)gridDim.x * blockDim.x * kEach;
  long long i = ((long long)blockIdx.x * blockDim.x + threadIdx.x) * kEach;
  for (; i < count; i += round) {
    const int size = count - i < kEach ? (int)(count - i) : kEach;
    Packet<T> in = {}, incoming = {};
    if (aligned && size == kEach) {
      in = *reinterpret_cast<const Packet<T>*>(x + i);
      if (kSlope) incoming = *reinterpret_cast<const Packet<T>*>(gy + i);
    } else {
      for (int e = 0; e < size; ++e) in.values[e] = x[i + e];
      for (int e = 0; kSlope && e < size; ++e) incoming.values[e] = gy[i + e];
    }
    float wide[kEach], y[kEach];
#pragma unroll
    for (int e = 0; e < kEach; ++e) wide[e] = Wide(in.values[e]);
    Evaluate<kSlope>(tables, wide, y);
#pragma unroll
    for (int e = 0; e < kEach; ++e) {
      Narrow(kSlope ? y[e] * Wide(incoming.values[e]) : y[e], &in.values[e]);
    }
    if (aligned && size == kEach) {
      *reinterpret_cast<Packet<T>*>(out + i) = in;
    } else {
      for (int e = 0; e < size; ++e) out[i + e] = in.values[e];
    }
  }
}

extern "C" __global__ void Value(const Element* x, const Element* gy, Element* out, long long count,
                                 int aligned, const float* tables, int floats) {
  Map<false>(x, gy, out, count, aligned, tables, floats);
}

extern "C" __global__ void Gradient(const Element* x, const Element* gy, Element* out,
                                    long long count, int aligned, const float* tables, int floats) {
  Map<true>(x, gy, out, count, aligned, tables, floats);
}
