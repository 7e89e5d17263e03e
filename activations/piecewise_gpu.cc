// Laying out tables, and launching what piecewise_kernel.cu makes of them.
#include "activations/piecewise_gpu.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/empty_like.h>
#include <ATen/ops/from_blob.h>
#include <ATen/ops/tensor.h>

#include <algorithm>
#include <cmath>
#include <cstdint>
#include <limits>

#include "absl/strings/str_cat.h"
#include "kernels/gpu_program.h"

namespace activations {
namespace {

// As in piecewise_kernel.cu.
constexpr int kEach = 8;
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
  std::string form;         // what the kernels' branches depend on
  bool only_there = false;  // they are not what the function says
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

std::string FormOf(const Piecewise& f) {
  std::string form;
  for (const Piecewise::Term& term : f.terms()) {
    const Piecewise::Fitted& table = term.table;
    absl::StrAppend(&form, " ", static_cast<int>(table.fold), ",", table.pieces, ",", table.degree,
                    table.symmetry.odd ? "odd" : "", table.symmetry.anti ? "anti" : "");
  }
  return form;
}

const char* NameOf(at::ScalarType type) {
  return type == at::kFloat ? "float32" : type == at::kBFloat16 ? "bfloat16" : "float16";
}

kernels::GpuProgram* ProgramFor(at::ScalarType type) {
  static kernels::GpuProgram floats("activations in float32", PiecewiseSource("float"));
  static kernels::GpuProgram bfloats("activations in bfloat16", PiecewiseSource("Bfloat16"));
  static kernels::GpuProgram halves("activations in float16", PiecewiseSource("Float16"));
  return type == at::kFloat ? &floats : type == at::kBFloat16 ? &bfloats : &halves;
}

// Kept beside the function as long as that lives.
const OnGpu& TablesOn(const at::Device& device, const Piecewise& f) {
  auto kept = std::static_pointer_cast<OnGpu>(f.beside());
  if (kept == nullptr || kept->tables.device() != device) {
    TORCH_CHECK(kept == nullptr || !kept->only_there, "tables are on another device");
    std::vector<float> tables = TablesFor(f);
    kept = std::make_shared<OnGpu>();
    const auto count = static_cast<int64_t>(tables.size());
    kept->tables = at::from_blob(tables.data(), {count}, at::kFloat).to(device);
    kept->form = FormOf(f);
    f.beside() = kept;
  }
  return *kept;
}

bool IsAligned(const void* pointer) { return reinterpret_cast<uintptr_t>(pointer) % 16 == 0; }

// Whether kernels for functions of this form and elements of this type give what operators give.
bool Agree(const Piecewise& f, const std::string& form, const at::Tensor& like,
           Operators* operators) {
  static kernels::GpuChecks checks;
  const at::ScalarType type = like.scalar_type();
  const at::Device device = like.device();
  at::Tensor x, gy;
  int64_t in_tables = 0;
  const auto by_kernel = [&]() -> std::vector<at::Tensor> {
    const CheckedInputs inputs = InputsToCheck(f);
    in_tables = static_cast<int64_t>(inputs.in_tables.size());
    std::vector<float> incoming;
    while (incoming.size() < inputs.All().size()) {
      incoming.push_back(kernels::HashedNumber(~incoming.size()));
    }
    x = at::tensor(inputs.All(), at::kFloat).to(device, type);
    gy = at::tensor(incoming, at::kFloat).to(device, type);
    const at::Tensor values = MapOnGpu(f, x, {});
    if (!values.defined()) return {};
    const at::Tensor gradients = MapOnGpu(f, x, gy);
    const at::Tensor unaligned = MapOnGpu(f, x.slice(0, 1), gy.slice(0, 1));
    if (!gradients.defined() || !unaligned.defined()) return {};
    return {values.slice(0, 0, in_tables), values.slice(0, in_tables),
            gradients.slice(0, 0, in_tables), gradients.slice(0, in_tables),
            unaligned.slice(0, 0, in_tables - 1)};
  };
  const auto by_operators = [&] {
    return ExpectedOf(operators(f, x, {}), operators(f, x, gy), in_tables);
  };
  const std::string key = absl::StrCat(static_cast<int>(type), " ", device.str(), form);
  return checks.Agree(
      key, absl::StrCat("activations in ", NameOf(type)),
      [&] { return kernels::GpuProgram::CardOf(device); }, by_kernel, by_operators);
}

}  // namespace

std::string PiecewiseSource(const std::string& element) {
  return absl::StrCat(kPrelude, "#define ELEMENT ", element, "\n", kSource);
}

std::vector<float> TablesFor(const Piecewise& f) {
  constexpr float kLargest = std::numeric_limits<float>::max();
  std::vector<float> all(kTablesHead);
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
    all.resize(all.size() + kTablesTermHead - head.size());
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
  FitTail(f, low, &all[kTailBelow]);
  FitTail(f, high, &all[kTailAbove]);
  return all;
}

std::vector<float> CheckedInputs::All() const {
  std::vector<float> all = in_tables;
  all.insert(all.end(), beyond.begin(), beyond.end());
  return all;
}

CheckedInputs InputsToCheck(const Piecewise& f) {
  constexpr size_t kInTables = 5003;  // more than two blocks, and a rest
  constexpr float kTable = 20, kFarthest = 1e4F;
  const std::vector<float> tables = TablesFor(f);
  // Where frequency times x is too large to fold, a kernel is not asked.
  float most = kFarthest;
  for (const Piecewise::Term& term : f.terms()) {
    if (term.table.fold == Fold::kUnit) most = std::min(most, 0.99F * term.table.most);
  }
  const float low = std::max({tables[2], -kTable, -most}) * 0.99F;
  const float high = std::min({tables[3], kTable, most}) * 0.99F;
  CheckedInputs inputs;
  inputs.in_tables = {0.0F, -0.0F, 1e-8F, -1e-8F, low, high};
  while (inputs.in_tables.size() < kInTables) {
    const float u = kernels::HashedNumber(inputs.in_tables.size());
    inputs.in_tables.push_back(std::clamp(kTable * u * std::abs(u), low, high));  // dense around 0
  }
  for (float size = 1.02F * kTable; size < kFarthest; size *= 1.3F) {
    inputs.beyond.insert(inputs.beyond.end(), {std::min(size, most), std::max(-size, -most)});
  }
  return inputs;
}

std::vector<kernels::Expected> ExpectedOf(const at::Tensor& values, const at::Tensor& gradients,
                                          int64_t in_tables) {
  const at::ScalarType type = values.scalar_type();
  // A step between neighbours, beside what tables and powers are right within.
  const double step = type == at::kBFloat16 ? 1.0 / 128 : type == at::kHalf ? 1.0 / 1024 : 0;
  return {
      {"values", values.slice(0, 0, in_tables), 5e-6 + step},
      {"values beyond its tables", values.slice(0, in_tables), 5e-3 + step},
      {"gradients", gradients.slice(0, 0, in_tables), 5e-5 + step, /*of_largest=*/true},
      {"gradients beyond its tables", gradients.slice(0, in_tables), 5e-3 + step},
      {"gradients", gradients.slice(0, 1, in_tables), 5e-5 + step, /*of_largest=*/true},
  };
}

std::shared_ptr<const Piecewise> WithTables(const Piecewise& like, const at::Tensor& tables) {
  const auto made = std::make_shared<const Piecewise>(like);
  made->beside() = std::make_shared<OnGpu>(OnGpu{tables, FormOf(like), /*only_there=*/true});
  return made;
}

bool MapsOnGpu(const Piecewise& f, const at::Tensor& x, Operators* operators) {
  const at::ScalarType type = x.scalar_type();
  const bool known = type == at::kFloat || type == at::kBFloat16 || type == at::kHalf;
  if (!known || !x.is_cuda()) return false;
  const OnGpu& beside = TablesOn(x.device(), f);
  if (beside.tables.numel() * sizeof(float) > kSharedBytes) return false;
  return operators == nullptr || Agree(f, beside.form, x, operators);
}

at::Tensor MapOnGpu(const Piecewise& f, const at::Tensor& x, const at::Tensor& gy,
                    Operators* operators) {
  if (x.numel() > 0 && !MapsOnGpu(f, x, operators)) return {};
  at::Tensor out = at::empty_like(x);
  auto count = static_cast<long long>(x.numel());
  if (count == 0) return out;
  const OnGpu& beside = TablesOn(x.device(), f);
  auto floats = static_cast<int>(beside.tables.numel());
  const bool slope = gy.defined();
  const void *from = x.data_ptr(), *incoming = slope ? gy.data_ptr() : nullptr;
  void* to = out.data_ptr();
  const float* held = beside.tables.data_ptr<float>();
  int aligned = IsAligned(from) && IsAligned(incoming) && IsAligned(to) ? 1 : 0;
  void* arguments[] = {&from, &incoming, &to, &count, &aligned, &held, &floats};
  const uint32_t blocks = kernels::GpuProgram::Blocks(x.device(), count, kThreads * kEach);
  const kernels::GpuProgram::Shape shape = {blocks, kThreads, floats * sizeof(float)};
  const bool launched = ProgramFor(x.scalar_type())
                            ->Launch(slope ? "Gradient" : "Value", x.device(), shape, arguments);
  TORCH_CHECK(launched || !beside.only_there, "a kernel cannot be started that ran before");
  return launched ? out : at::Tensor();
}

}  // namespace activations
