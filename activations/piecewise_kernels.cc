// Evaluating the tables, a register of floats at a time.
#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "activations/piecewise.h"
#include "kernels/packets.h"
#include "kernels/simd.h"

namespace activations {
namespace {

constexpr int kChunk = 512;  // floats that stay in the nearest cache through all terms
constexpr int kMaxLanes = 16;

using Fitted = Piecewise::Fitted;
using Term = Piecewise::Term;

// Whether the tables do not hold for x.
bool Outside(const Fitted& table, float x) {
  const bool signed_argument = table.fold == Fold::kNone || table.fold == Fold::kDense;
  const float p = signed_argument ? x : std::abs(x);
  return p < table.least || p > table.most;
}

// One term at one x: the plain form of the kernels below.
template <bool kSlope>
float TermAt(const Term& term, float x) {
  const Fitted& table = term.table;
  float p = x;
  bool negative = false;
  if (table.fold == Fold::kOdd) {
    p = std::abs(x);
    negative = !kSlope && x < 0;
  } else if (table.fold == Fold::kUnit) {
    const double turns =
        static_cast<double>(x) * (static_cast<double>(term.frequency) + term.frequency_low);
    const double nearest = std::nearbyint(turns);
    const double r = turns - nearest;
    p = static_cast<float>(std::abs(r));
    const bool odd_turn = std::fmod(nearest, 2) != 0;
    negative = (table.symmetry.anti && odd_turn) != (table.symmetry.odd != kSlope && r < 0);
  }
  float place = table.fold == Fold::kDense ? p / (2 + std::abs(p)) : p;
  place = (place - table.low) * table.scale;
  place = place > 0 ? place : 0;  // 0 for NaN too
  const int i = std::min(static_cast<int>(std::min<float>(place, table.pieces)), table.pieces - 1);
  const float u = p - table.centers[i];
  const auto& rows = kSlope ? table.slope : table.value;
  float sum = 0;
  for (int k = table.degree - (kSlope ? 1 : 0); k >= 0; --k) sum = sum * u + rows[k][i];
  return negative ? -sum : sum;
}

template <bool kSlope>
void EvaluateChunk(std::integral_constant<int, 1>, const std::vector<Term>& terms, const float* x,
                   float* out, int count, bool* outside) {
  for (int i = 0; i < count; ++i) {
    for (const Term& term : terms) {
      out[i] += TermAt<kSlope>(term, x[i]);
      *outside = *outside || Outside(term.table, x[i]);
    }
  }
}

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)

using kernels::Floats;
using kernels::Ints;
using kernels::Load;

template <class To, class From>
SIMD inline To Bits(const From& from) {
  static_assert(sizeof(To) == sizeof(From));
  To to;
  std::memcpy(&to, &from, sizeof(to));
  return to;
}

// row[i] for each i of `index`, which is below kPieces.
template <int kLanes, int kPieces>
SIMD inline Floats<kLanes> Lookup(const float* row, const Ints<kLanes>& index) {
  const auto low = Load<Floats<kLanes>>(row);
  if constexpr (kPieces <= kLanes) return __builtin_shuffle(low, index);
  if constexpr (kPieces > kLanes) {
    return __builtin_shuffle(low, Load<Floats<kLanes>>(row + kLanes), index);
  }
}

// out += one term (its slope, if kSlope). Returns a nonzero lane where the table does not hold.
template <bool kSlope, int kLanes, int kPieces, int kDegree, Fold kFold>
SIMD inline Ints<kLanes> AddTerm(const Term& term, const float* x, float* out, int count) {
  using F = Floats<kLanes>;
  using I = Ints<kLanes>;
  constexpr int32_t kSign = INT32_MIN;
  constexpr float kRound = 12582912.0F;  // 1.5 * 2^23: adding it rounds to an integer
  const Fitted& table = term.table;
  const float low = table.low, scale = table.scale, least = table.least, most = table.most;
  const float frequency = term.frequency, frequency_low = term.frequency_low;
  const float last = static_cast<float>(kPieces - 1);
  const int32_t anti = table.symmetry.anti ? -1 : 0;
  const int32_t signed_fold = table.symmetry.odd != kSlope ? kSign : 0;
  I outside = {};
  for (int i = 0; i < count; i += kLanes) {
    const F given = Load<F>(x + i);
    F p = given;
    I flip = {};
    F place = given;
    const F size = Bits<F>(Bits<I>(given) & ~kSign);
    if constexpr (kFold == Fold::kDense) place = given / (size + 2);
    if constexpr (kFold == Fold::kNone || kFold == Fold::kDense) {
      // One comparison, which NaN meets as well: two of them GCC 12 does float by float.
      F held = p < least ? least + F{} : p;
      held = held > most ? most + F{} : held;
      outside |= held != p;
    } else {
      outside |= size > most;
      p = size;
      if constexpr (kFold == Fold::kOdd && !kSlope) flip = Bits<I>(given) & kSign;
    }
    if constexpr (kFold == Fold::kUnit) {
      // With fused multiplication and subtraction, frequency x - n is exact before it is rounded.
      const F nearest = (given * frequency + kRound) - kRound;
      const F r = (given * frequency - nearest) + given * frequency_low;
      const I turns = __builtin_convertvector(nearest, I);
      flip = ((turns & anti) << 31) ^ (Bits<I>(r) & signed_fold);
      p = Bits<F>(Bits<I>(r) & ~kSign);
    }
    if constexpr (kFold == Fold::kOdd || kFold == Fold::kUnit) place = p;
    place = (place - low) * scale;
    place = place > 0 ? place : F{};  // 0 for NaN too
    place = place < last ? place : last + F{};
    const I index = __builtin_convertvector(place, I);
    const F u = p - Lookup<kLanes, kPieces>(table.centers, index);
    const auto& rows = kSlope ? table.slope : table.value;
    constexpr int kTop = kSlope ? kDegree - 1 : kDegree;
    F sum = Lookup<kLanes, kPieces>(rows[kTop], index);
#pragma GCC unroll 12
    for (int k = kTop - 1; k >= 0; --k) sum = sum * u + Lookup<kLanes, kPieces>(rows[k], index);
    sum = Load<F>(out + i) + Bits<F>(Bits<I>(sum) ^ flip);
    std::memcpy(out + i, &sum, sizeof(sum));
  }
  return outside;
}

template <bool kSlope, int kLanes, int kPieces, int kDegree>
SIMD inline Ints<kLanes> AddFolded(const Term& term, const float* x, float* out, int count) {
  switch (term.table.fold) {
    case Fold::kNone:
      return AddTerm<kSlope, kLanes, kPieces, kDegree, Fold::kNone>(term, x, out, count);
    case Fold::kDense:
      return AddTerm<kSlope, kLanes, kPieces, kDegree, Fold::kDense>(term, x, out, count);
    case Fold::kOdd:
      return AddTerm<kSlope, kLanes, kPieces, kDegree, Fold::kOdd>(term, x, out, count);
    default:
      return AddTerm<kSlope, kLanes, kPieces, kDegree, Fold::kUnit>(term, x, out, count);
  }
}

template <bool kSlope, int kLanes, int kPieces, size_t... kIndices>
SIMD inline Ints<kLanes> AddOfDegree(const Term& term, const float* x, float* out, int count,
                                     std::index_sequence<kIndices...>) {
  Ints<kLanes> outside = {};
  (void)((term.table.degree == Piecewise::kDegrees[kIndices] &&
          (outside = AddFolded<kSlope, kLanes, kPieces, Piecewise::kDegrees[kIndices]>(term, x, out,
                                                                                       count),
           true)) ||
         ...);
  return outside;
}

template <bool kSlope, int kLanes>
SIMD inline void EvaluateChunk(std::integral_constant<int, kLanes>, const std::vector<Term>& terms,
                               const float* x, float* out, int count, bool* outside) {
  constexpr std::make_index_sequence<std::size(Piecewise::kDegrees)> kAll;
  for (const Term& term : terms) {
    Ints<kLanes> lanes;
    if (kLanes == Piecewise::kPieces || term.table.pieces == Piecewise::kPieces) {
      lanes = AddOfDegree<kSlope, kLanes, Piecewise::kPieces>(term, x, out, count, kAll);
    } else {
      lanes = AddOfDegree<kSlope, kLanes, Piecewise::kPieces / 2>(term, x, out, count, kAll);
    }
    for (int i = 0; i < kLanes; ++i) *outside = *outside || lanes[i] != 0;
  }
}

#endif

}  // namespace

template <bool kSlope>
void Piecewise::Evaluate(const float* x, const float* gy, float* out, int64_t count) const {
  kernels::VectorizedInLanes([&](auto lanes) SIMD {
    alignas(64) float in[kChunk], sums[kChunk];
    for (int64_t begin = 0; begin < count; begin += kChunk) {
      const int size = static_cast<int>(std::min<int64_t>(kChunk, count - begin));
      const int padded = (size + kMaxLanes - 1) / kMaxLanes * kMaxLanes;
      std::memcpy(in, x + begin, size * sizeof(float));
      for (int i = size; i < padded; ++i) in[i] = 0;
      for (int i = 0; i < padded; ++i) sums[i] = kSlope ? slope_ : slope_ * in[i];
      bool outside = false;
      EvaluateChunk<kSlope>(lanes, terms_, in, sums, padded, &outside);
      if (outside) Correct<kSlope>(in, sums, size);
      if constexpr (kSlope) {
        for (int i = 0; i < size; ++i) out[begin + i] = gy[begin + i] * sums[i];
      } else {
        std::memcpy(out + begin, sums, size * sizeof(float));
      }
    }
  });
}

template <bool kSlope>
void Piecewise::Correct(const float* x, float* out, int count) const {
  for (int i = 0; i < count; ++i) {
    for (const Term& term : terms_) {
      if (!Outside(term.table, x[i])) continue;
      const Jet jet = (*exact_)(x[i]);
      out[i] = static_cast<float>(kSlope ? jet.first : jet.value);
      break;
    }
  }
}

void Piecewise::Value(const float* x, float* y, int64_t count) const {
  Evaluate<false>(x, nullptr, y, count);
}

void Piecewise::Gradient(const float* x, const float* gy, float* gx, int64_t count) const {
  Evaluate<true>(x, gy, gx, count);
}

}  // namespace activations
