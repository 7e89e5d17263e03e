// The kernels of tabled functions: their source compiled for the processor, against the processor's
// own form, and compiled for cards.
#include "activations/piecewise_gpu.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cmath>
#include <limits>
#include <string>
#include <vector>

#include "activations/activation.h"
#include "activations/elementwise.h"
#include "activations/mittag_leffler_tables.h"
#include "kernels/gpu_check.h"
#include "kernels/gpu_on_cpu.h"
#include "kernels/gpu_program.h"
#include "tests/oracle.h"

namespace on_cpu {
#define ELEMENT float
#include "activations/piecewise_kernel.cu"
}  // namespace on_cpu

namespace activations {
namespace {

struct Function {
  const char* name;
  const char* options;
  bool has_tails = true;  // else it is periodic
};
const Function kFunctions[] = {{"MittagLeffler", ""},
                               {"MittagLeffler", "alpha: 0.5"},
                               {"MittagLeffler", "form: TANH"},
                               {"Lerch", ""},
                               {"Lerch", "s: 1.5"},
                               {"Lerch", "form: BOUNDED"},
                               {"Jacobi", "", false},
                               {"Jacobi", "form: SNAKE", false},
                               {"Jacobi", "form: POLYNOMIAL"},
                               {"Weierstrass", "", false},
                               {"Weierstrass", "form: TANH_RIPPLE", false}};

std::unique_ptr<Activation> Make(const std::string& name, const std::string& options) {
  return *Activations::Get().Create(testing_support::PluginOf("activations/" + name, options));
}

std::vector<float> ByKernel(const std::vector<float>& tables, const std::vector<float>& x,
                            const std::vector<float>& gy = {}) {
  std::vector<float> out(x.size());
  const auto count = static_cast<long long>(x.size());
  const auto floats = static_cast<int>(tables.size());
  if (gy.empty()) {
    on_cpu::Value(x.data(), nullptr, out.data(), count, 0, tables.data(), floats);
  } else {
    on_cpu::Gradient(x.data(), gy.data(), out.data(), count, 0, tables.data(), floats);
  }
  return out;
}

std::vector<float> ByKernel(const Piecewise& f, const std::vector<float>& x,
                            const std::vector<float>& gy = {}) {
  return ByKernel(TablesFor(f), x, gy);
}

double WorstError(const std::vector<float>& found, const std::vector<float>& expected) {
  double worst = 0, most = 1;
  for (size_t i = 0; i < found.size(); ++i) {
    most = std::max(1.0, std::abs(double{expected[i]}));
    worst = std::max(worst, std::abs(double{found[i]} - expected[i]) / most);
  }
  return worst;
}

// Values and slopes of the processor's form, with what it looks up exactly.
void ExpectSame(const Function& function, const std::vector<float>& x, double tolerance,
                double slope_tolerance) {
  SCOPED_TRACE(std::string(function.name) + " " + function.options);
  const auto activation = Make(function.name, function.options);
  const Piecewise& f = *activation->piecewise();
  std::vector<float> y(x.size()), gx(x.size()), gy(x.size());
  for (size_t i = 0; i < x.size(); ++i) gy[i] = i % 2 == 0 ? 1 : -0.5F;
  f.Value(x.data(), y.data(), static_cast<int64_t>(x.size()));
  f.Gradient(x.data(), gy.data(), gx.data(), static_cast<int64_t>(x.size()));
  EXPECT_LE(WorstError(ByKernel(f, x), y), tolerance);
  EXPECT_LE(WorstError(ByKernel(f, x, gy), gx), slope_tolerance);
}

TEST(PiecewiseOnGpu, EqualsTheProcessorsForm) {
  std::vector<float> x;
  for (int i = 0; i <= 100003; ++i) x.push_back(-19.99F + 39.98F * static_cast<float>(i) / 100003);
  for (const Function& function : kFunctions) ExpectSame(function, x, 1e-6, 3e-5);
}

TEST(PiecewiseOnGpu, FollowsTheFunctionBeyondItsTables) {
  std::vector<float> x;
  for (float size = 20.01F; size < 1e4F; size *= 1.01F) x.insert(x.end(), {size, -size});
  for (const Function& function : kFunctions) {
    if (function.has_tails) ExpectSame(function, x, 4e-3, 4e-3);
  }
}

at::Tensor Row(const std::vector<float>& numbers) { return at::tensor(numbers, at::kFloat); }

// What is compared on a card, of one function's kernels with another's operators.
std::string Compared(const Piecewise& f, const Piecewise& by_operators) {
  const CheckedInputs inputs = InputsToCheck(f);
  const std::vector<float> x = inputs.All();
  const auto in_tables = static_cast<int64_t>(inputs.in_tables.size());
  std::vector<float> gy;
  for (size_t i = 0; i < x.size(); ++i) gy.push_back(kernels::HashedNumber(i));
  const at::Tensor values = Row(ByKernel(f, x)), gradients = Row(ByKernel(f, x, gy));
  const at::Tensor expected = EvaluateByOperators(by_operators, Row(x), false);
  const at::Tensor slopes = EvaluateByOperators(by_operators, Row(x), true);
  return kernels::Difference(
      {values.slice(0, 0, in_tables), values.slice(0, in_tables), gradients.slice(0, 0, in_tables),
       gradients.slice(0, in_tables), gradients.slice(0, 1, in_tables)},
      ExpectedOf(expected, Row(gy) * slopes, in_tables));
}

TEST(PiecewiseOnGpu, AgreesWithOperatorsOnWhatIsChecked) {
  for (const Function& function : kFunctions) {
    const auto f = Make(function.name, function.options);
    EXPECT_EQ(Compared(*f->piecewise(), *f->piecewise()), "")
        << function.name << " " << function.options;
  }
}

TEST(PiecewiseOnGpu, AnotherFunctionIsToldFromIt) {
  const auto f = Make("Lerch", "s: 1.5"), near = Make("Lerch", "s: 1.5001");
  EXPECT_THAT(Compared(*f->piecewise(), *near->piecewise()),
              testing::StartsWith("its values differ from theirs by "));
}

std::vector<float> Numbers(const at::Tensor& tensor) {
  return {tensor.data_ptr<float>(), tensor.data_ptr<float>() + tensor.numel()};
}

// Tables that a device fits to an alpha there, against those of the processor's own fit: within a
// few steps of float32, in which both are rounded.
TEST(PiecewiseOnGpu, LearnedTablesAreThoseOfTheProcessorsFit) {
  std::vector<float> x, ones;
  for (int i = 0; i <= 20003; ++i) x.push_back(-40 + 80 * static_cast<float>(i) / 20003);
  x.insert(x.end(), {-1000, 1000});
  ones.assign(x.size(), 1);
  for (const bool elu : {true, false}) {
    const MittagLefflerOnDevice device(elu, at::kCPU);
    for (const double alpha : {0.06, 0.3, 0.5, 0.85, 0.99}) {
      SCOPED_TRACE(std::string(elu ? "ELU " : "TANH ") + std::to_string(alpha));
      const auto [f, by_alpha] = device.Fit(at::tensor({alpha}, at::kDouble));
      const std::vector<float> expected[] = {
          TablesFor(*MittagLefflerOf(elu, alpha, Pieces::kAll)),
          TablesFor(*MittagLefflerByAlpha(elu, alpha, Pieces::kAll))};
      const std::vector<float> found[] = {Numbers(f), Numbers(by_alpha)};
      for (int i = 0; i < 2; ++i) {
        ASSERT_EQ(found[i].size(), expected[i].size());
        EXPECT_LE(WorstError(ByKernel(found[i], x), ByKernel(expected[i], x)), 1e-6);
        EXPECT_LE(WorstError(ByKernel(found[i], x, ones), ByKernel(expected[i], x, ones)), 3e-6);
      }
    }
  }
}

TEST(PiecewiseOnGpu, PassesNaNOnAndStaysFiniteWhereTheFunctionIs) {
  const float infinity = std::numeric_limits<float>::infinity();
  const auto activation = Make("MittagLeffler", "form: TANH");
  const std::vector<float> y =
      ByKernel(*activation->piecewise(), {std::nanf(""), infinity, -infinity, 0});
  EXPECT_TRUE(std::isnan(y[0]));
  EXPECT_NEAR(y[1], 1, 1e-6);
  EXPECT_NEAR(y[2], -1, 1e-6);
  EXPECT_NEAR(y[3], 0, 1e-7);
}

TEST(PiecewiseOnGpu, CompilesForEveryCard) {
  std::string error;
  if (kernels::CompileCuda("", "sm_90", &error).empty() && error == "NVRTC is not there") {
    GTEST_SKIP() << error << ": only LibTorch's wheels bring it";
  }
  for (const char* element : {"float", "Bfloat16", "Float16"}) {
    for (const char* architecture : {"sm_80", "sm_90", "sm_120"}) {
      EXPECT_FALSE(kernels::CompileCuda(PiecewiseSource(element), architecture, &error).empty())
          << element << " " << architecture << ": " << error;
    }
  }
}

}  // namespace
}  // namespace activations
