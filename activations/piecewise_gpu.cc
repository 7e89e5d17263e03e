// Laying out tables, and launching what piecewise_kernel.cu makes of them.
#include "activations/piecewise_gpu.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/gpu_program.h"

namespace activations {
namespace {

// As in piecewise_kernel.cu.
constexpr int kHead = 16, kTermHead = 16, kEach = 8;
constexpr uint32_t kThreads = 256;
constexpr size_t kSharedBytes = 48 << 10;  // that every card has for a block

constexpr char kPrelude[] =
#include "kernels/gpu_prelude.inc"
    ;
constexpr char kSource[] =
#include "activations/piecewise_kernel.inc"
    ;

struct OnGpu {
  at::Tensor tables;
};

// c + a (x / end)^q with value and slope of f at `end`, and f's limit or, without one, the power by
// which f grows far out.
void FitTail(const Piecewise& f, double end, float* tail) {
  constexpr double kFar = 1000;
  if (!(std::abs(end) < std::numeric_limits<float>::max())) return;
  const Jet jet = f.exact()(end), far = f.exact()(kFar * end);
  const double limit = f.exact().Limit(end > 0).value, rise = jet.first * end;
  double constant = limit, power = 0;
  if (std::isfinite(limit)) {
    power = jet.value == limit ? 0 : rise / (jet.value - limit);
  } else {
    power = far.first == 0 ? 0 : 1 + kFar * end * far.second / far.first;
    constant = power == 0 ? jet.value : jet.value - rise / power;
  }
  tail[0] = static_cast<float>(constant);
  tail[1] = static_cast<float>(jet.value - constant);
  tail[2] = static_cast<float>(power);
}

kernels::GpuProgram* ProgramFor(at::ScalarType type) {
  static kernels::GpuProgram floats("activations in float32", PiecewiseSource("float"));
  static kernels::GpuProgram bfloats("activations in bfloat16", PiecewiseSource("Bfloat16"));
  static kernels::GpuProgram halves("activations in float16", PiecewiseSource("Float16"));
  return type == at::kFloat ? &floats : type == at::kBFloat16 ? &bfloats : &halves;
}

// Kept beside the function as long as that lives.
const at::Tensor& TablesOn(const at::Device& device, const Piecewise& f) {
  auto kept = std::static_pointer_cast<OnGpu>(f.beside());
  if (kept == nullptr || kept->tables.device() != device) {
    std::vector<float> tables = TablesFor(f);
    kept = std::make_shared<OnGpu>();
    const auto count = static_cast<int64_t>(tables.size());
    kept->tables = at::from_blob(tables.data(), {count}, at::kFloat).to(device);
    f.beside() = kept;
  }
  return kept->tables;
}

bool IsAligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

}  // namespace

std::string PiecewiseSource(const std::string& element) {
  return absl::StrCat(kPrelude, "#define ELEMENT ", element, "\n", kSource);
}

std::vector<float> TablesFor(const Piecewise& f) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::vector<float> all(kHead);
  float low = -kLargest, high = kLargest;
  for (const Piecewise::Term& term : f.terms()) {
    const Piecewise::Fitted& table = term.table;
    const bool folded = table.fold == Fold::kOdd || table.fold == Fold::kUnit;
    if (table.fold != Fold::kUnit) {
      low = std::max(low, folded ? -table.most : table.least);
      high = std::min(high, table.most);
    }
    const std::vector<float> head = {static_cast<float>(table.fold),
                                     static_cast<float>(table.pieces - 1),
                                     static_cast<float>(table.degree),
                                     table.symmetry.anti ? 1.0F : 0.0F,
                                     table.symmetry.odd ? 1.0F : 0.0F,
                                     table.low,
                                     table.scale,
                                     table.most,
                                     term.frequency,
                                     term.frequency_low};
    all.insert(all.end(), head.begin(), head.end());
    all.resize(all.size() + kTermHead - head.size());
    const auto add = [&](const float* row) {
      all.insert(all.end(), row, row + Piecewise::kPieces);
    };
    add(table.centers);
    for (int k = 0; k <= table.degree; ++k) add(table.value[k]);
    for (int k = 0; k < table.degree; ++k) add(table.slope[k]);
  }
  all[0] = static_cast<float>(f.terms().size());
  all[1] = f.slope();
  all[2] = low;
  all[3] = high;
  FitTail(f, low, &all[4]);
  FitTail(f, high, &all[7]);
  return all;
}

at::Tensor MapOnGpu(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy) {
  const at::ScalarType type = x.scalar_type();
  const bool known = type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
  if (!known || !x.is_cuda()) return {};
  const at::Tensor& tables = TablesOn(x.device(), f);
  auto floats = static_cast<int>(tables.numel());
  const size_t shared_bytes = floats * sizeof(float);
  if (shared_bytes > kSharedBytes) return {};
  const bool slope = gy.defined();
  at::Tensor out = at::empty_like(x);
  auto count = static_cast<long long>(x.numel());
  if (count == 0) return out;
  const void *from = x.data_ptr(), *incoming = slope ? gy.data_ptr() : nullptr;
  void* to = out.data_ptr();
  const float* held = tables.data_ptr<float>();
  int aligned = IsAligned(from) && IsAligned(incoming) && IsAligned(to) ? 1 : 0;
  void* arguments[] = {&from, &incoming, &to, &count, &aligned, &held, &floats};
  const uint32_t blocks = kernels::GpuProgram::Blocks(x.device(), count, kThreads * kEach);
  const bool launched = ProgramFor(type)->Launch(slope ? "Gradient" : "Value", x.device(),
                                                 {blocks, kThreads, shared_bytes}, arguments);
  return launched ? out : at::Tensor();
}

}  // namespace activations
