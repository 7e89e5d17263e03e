// Tensors and autograd around the tables.
#include "activations/elementwise.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/take.h>
#include <ATen/ops/where.h>
#include <ATen/ops/zeros_like.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/custom_function.h>

#include <algorithm>
#include <cmath>
#include <cstring>
#include <utility>

#include "activations/piecewise_gpu.h"
#include "kernels/simd.h"

namespace activations {
namespace {

using torch::autograd::AutogradContext;
using torch::autograd::variable_list;
using Shared = std::shared_ptr<const Piecewise>;

constexpr int64_t kGrain = 1 << 14;  // elements that are worth a thread
constexpr int64_t kChunk = 1024;     // that are widened at a time

// For AutogradContext, which keeps only what it knows.
struct Held : torch::CustomClassHolder {
  explicit Held(Shared held) : f(std::move(held)) {}
  Shared f;
};

void Hold(AutogradContext* context, const char* key, Shared f) {
  context->saved_data[key] = c10::IValue::make_capsule(c10::make_intrusive<Held>(std::move(f)));
}

Shared HeldFunction(AutogradContext* context, const char* key) {
  return static_cast<const Held&>(*context->saved_data[key].toCapsule()).f;
}

// `gy` is null for the value.
void Evaluate(const Piecewise& f, const float* x, const float* gy, float* out, int64_t count) {
  gy == nullptr ? f.Value(x, out, count) : f.Gradient(x, gy, out, count);
}

void Evaluate(const Piecewise& f, const double* x, const double* gy, double* out, int64_t count) {
  for (int64_t i = 0; i < count; ++i) {
    const Jet jet = f.exact()(x[i]);
    out[i] = gy == nullptr ? jet.value : gy[i] * jet.first;
  }
}

void Widen(const at::Half* from, int64_t count, float* to) { std::copy_n(from, count, to); }
void Narrow(const float* from, int64_t count, at::Half* to) { std::copy_n(from, count, to); }

// bfloat16 is the upper half of float32.
void Widen(const at::BFloat16* from, int64_t count, float* to) {
  kernels::Vectorized([&]() SIMD {
    const at::BFloat16* const in = from;
    float* const out = to;
    const int size = static_cast<int>(count);
    for (int i = 0; i < size; ++i) {
      const uint32_t bits = static_cast<uint32_t>(in[i].x) << 16;
      std::memcpy(out + i, &bits, sizeof(bits));
    }
  });
}

// Rounds to the nearest, ties to even, as LibTorch does.
void Narrow(const float* from, int64_t count, at::BFloat16* to) {
  kernels::Vectorized([&]() SIMD {
    const float* const in = from;
    at::BFloat16* const out = to;
    const int size = static_cast<int>(count);
    for (int i = 0; i < size; ++i) {
      uint32_t bits;
      std::memcpy(&bits, in + i, sizeof(bits));
      const uint32_t rounded = (bits + 0x7fff + (bits >> 16 & 1)) >> 16;
      const bool nan = (bits & 0x7fffffff) > 0x7f800000;
      out[i].x = static_cast<uint16_t>(nan ? 0x7fc0 : rounded);
    }
  });
}

template <class Half>
void Evaluate(const Piecewise& f, const Half* x, const Half* gy, Half* out, int64_t count) {
  float wide[kChunk], incoming[kChunk];
  for (int64_t begin = 0; begin < count; begin += kChunk) {
    const int64_t size = std::min(kChunk, count - begin);
    Widen(x + begin, size, wide);
    if (gy != nullptr) Widen(gy + begin, size, incoming);
    Evaluate(f, wide, gy == nullptr ? nullptr : incoming, wide, size);
    Narrow(wide, size, out + begin);
  }
}

template <class Number>
void EvaluateAll(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy, at::Tensor* out) {
  const auto* from = x.data_ptr<Number>();
  const auto* incoming = gy.defined() ? gy.data_ptr<Number>() : nullptr;
  auto* to = out->data_ptr<Number>();
  at::parallel_for(0, x.numel(), kGrain, [&](int64_t begin, int64_t end) {
    Evaluate(f, from + begin, incoming == nullptr ? nullptr : incoming + begin, to + begin,
             end - begin);
  });
}

at::Tensor MapByOperators(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy) {
  const at::Tensor y = EvaluateByOperators(f, x.to(at::kFloat), gy.defined());
  return (gy.defined() ? gy * y : y).to(x.scalar_type());
}

at::Tensor MapElsewhere(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy) {
  const at::Tensor mapped = MapOnGpu(f, x, gy, MapByOperators);
  return mapped.defined() ? mapped : MapByOperators(f, x, gy);
}

// f(x), or gy f'(x) where there is a gy.
at::Tensor Map(const Piecewise& f, const at::Tensor& given, const at::Tensor& incoming = {}) {
  const at::Tensor x = given.is_non_overlapping_and_dense() ? given : given.contiguous();
  at::Tensor gy = incoming;
  if (gy.defined() && (gy.strides() != x.strides() || gy.scalar_type() != x.scalar_type())) {
    gy = at::empty_like(x).copy_(incoming);
  }
  if (!x.is_cpu()) return MapElsewhere(f, x, gy);
  at::Tensor out = at::empty_like(x);
  switch (x.scalar_type()) {
    case at::kFloat:
      EvaluateAll<float>(f, x, gy, &out);
      break;
    case at::kDouble:
      EvaluateAll<double>(f, x, gy, &out);
      break;
    case at::kBFloat16:
      EvaluateAll<at::BFloat16>(f, x, gy, &out);
      break;
    case at::kHalf:
      EvaluateAll<at::Half>(f, x, gy, &out);
      break;
    default:
      TORCH_CHECK(false, "activations take floating-point tensors, not ", x.scalar_type());
  }
  return out;
}

// Value, slope or second derivative by the exact function, whatever the type and device.
at::Tensor Exactly(const Piecewise& f, const at::Tensor& x, double Jet::*part) {
  at::Tensor result = at::empty(x.sizes(), at::kDouble);
  const at::Tensor wide = x.to(at::kCPU, at::kDouble).contiguous();
  for (int64_t i = 0; i < wide.numel(); ++i) {
    result.data_ptr<double>()[i] = f.exact()(wide.data_ptr<double>()[i]).*part;
  }
  return result.to(x.options());
}

// gy f'(x), differentiable in gy and x.
class GradientNode : public torch::autograd::Function<GradientNode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const at::Tensor& gy,
                            const Shared& f) {
    context->save_for_backward({x, gy});
    Hold(context, "f", f);
    return Map(*f, x, gy);
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    TORCH_CHECK(!c10::GradMode::is_enabled(), "activations have no third derivative");
    const variable_list saved = context->get_saved_variables();
    const Shared f = HeldFunction(context, "f");
    return {incoming[0] * saved[1] * Exactly(*f, saved[0], &Jet::second),
            Map(*f, saved[0], incoming[0]), at::Tensor()};
  }
};

class ValueNode : public torch::autograd::Function<ValueNode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x, const Shared& f) {
    context->save_for_backward({x});
    Hold(context, "f", f);
    return Map(*f, x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    const at::Tensor x = context->get_saved_variables()[0];
    return {GradientNode::apply(x, incoming[0], HeldFunction(context, "f")), at::Tensor()};
  }
};

class ParametricNode : public torch::autograd::Function<ParametricNode> {
 public:
  static at::Tensor forward(AutogradContext* context, const at::Tensor& x,
                            const at::Tensor& parameter, const Shared& f,
                            const Shared& by_parameter) {
    context->save_for_backward({x, parameter});
    Hold(context, "f", f);
    Hold(context, "by_parameter", by_parameter);
    return Map(*f, x);
  }

  static variable_list backward(AutogradContext* context, const variable_list& incoming) {
    TORCH_CHECK(!c10::GradMode::is_enabled(),
                "activations with learnable parameters have no second derivative");
    const variable_list saved = context->get_saved_variables();
    const at::Tensor each = Map(*HeldFunction(context, "by_parameter"), saved[0]);
    const at::Tensor summed = (each * incoming[0]).sum().to(saved[1].scalar_type());
    return {Map(*HeldFunction(context, "f"), saved[0], incoming[0]),
            summed.reshape(saved[1].sizes()), at::Tensor(), at::Tensor()};
  }
};

// rows[index] of one coefficient.
at::Tensor Row(const float* row, const at::Tensor& index) {
  const at::Tensor table =
      at::from_blob(const_cast<float*>(row), {Piecewise::kPieces}, at::kFloat).to(index.device());
  return at::take(table, index);
}

// One term; lanes where its table does not hold are added to `outside`.
at::Tensor TermByOperators(const Piecewise::Term& term, const at::Tensor& x, bool slope,
                           at::Tensor* outside) {
  const Piecewise::Fitted& table = term.table;
  at::Tensor p = x, sign = at::ones_like(x);
  if (table.fold == Fold::kOdd) {
    p = x.abs();
    if (!slope) sign = x.sign();
  } else if (table.fold == Fold::kUnit) {
    const at::Tensor turns =
        x.to(at::kDouble) * (static_cast<double>(term.frequency) + term.frequency_low);
    const at::Tensor nearest = turns.round();
    const at::Tensor r = turns - nearest;
    p = r.abs().to(at::kFloat);
    if (table.symmetry.anti) sign = 1 - 2 * nearest.remainder(2).to(at::kFloat);
    if (table.symmetry.odd != slope) sign = sign * at::where(r < 0, -1.0, 1.0).to(at::kFloat);
  }
  *outside = *outside | (table.fold == Fold::kUnit ? x.abs() > table.most
                                                   : (p < table.least) | (p > table.most));
  const at::Tensor even = table.fold == Fold::kDense ? p / (2 + p.abs()) : p;
  const at::Tensor place = ((even - table.low) * table.scale).nan_to_num(0, 0, 0);
  const at::Tensor index = place.clamp(0, table.pieces - 1).to(at::kLong);
  const at::Tensor u = p - Row(table.centers, index);
  at::Tensor sum = at::zeros_like(x);
  for (int k = table.degree - (slope ? 1 : 0); k >= 0; --k) {
    sum = sum * u + Row(slope ? table.slope[k] : table.value[k], index);
  }
  return sum * sign;
}

}  // namespace

at::Tensor Apply(const std::shared_ptr<const Piecewise>& f, const at::Tensor& x) {
  return ValueNode::apply(x, f);
}

at::Tensor Apply(const std::shared_ptr<const Piecewise>& f,
                 const std::shared_ptr<const Piecewise>& by_parameter, const at::Tensor& x,
                 const at::Tensor& parameter) {
  return ParametricNode::apply(x, parameter, f, by_parameter);
}

at::Tensor EvaluateByOperators(const Piecewise& f, const at::Tensor& x, bool slope) {
  at::Tensor sum = slope ? at::full_like(x, f.slope()) : x * f.slope();
  at::Tensor outside = at::zeros_like(x, at::kBool);
  for (const Piecewise::Term& term : f.terms()) sum += TermByOperators(term, x, slope, &outside);
  if (!outside.any().item<bool>()) return sum;
  return sum.masked_scatter(
      outside, Exactly(f, x.masked_select(outside), slope ? &Jet::first : &Jet::value));
}

bool MapsByKernels(const Piecewise& f, const at::Tensor& x) {
  return MapsOnGpu(f, x, MapByOperators);
}

double GainOf(const Piecewise& f) {
  // The midpoint rule over 8.5 deviations; with so many points it also resolves functions that
  // oscillate a thousand times within one.
  constexpr int kPoints = 1 << 16;
  constexpr double kReach = 8.5;
  std::vector<float> x(kPoints), y(kPoints);
  for (int i = 0; i < kPoints; ++i) {
    x[i] = static_cast<float>(((i + 0.5) / kPoints * 2 - 1) * kReach);
  }
  f.Value(x.data(), y.data(), kPoints);
  double moment = 0, mass = 0;
  for (int i = 0; i < kPoints; ++i) {
    const double weight = std::exp(-0.5 * x[i] * x[i]);
    moment += weight * y[i] * y[i];
    mass += weight;
  }
  return std::sqrt(mass / moment);
}

}  // namespace activations
