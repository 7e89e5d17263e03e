// Kernels that are right, wrong or broken, beside operators; on the processor.
#include "kernels/gpu_check.h"

#include <ATen/core/Tensor.h>
#include <ATen/ops/tensor.h>
#include <gtest/gtest.h>

#include <cmath>
#include <cstdlib>
#include <stdexcept>
#include <string>
#include <vector>

#include "kernels/gpu_program.h"

namespace kernels {
namespace {

at::Tensor Row(const std::vector<double>& numbers) { return at::tensor(numbers, at::kDouble); }

std::vector<Expected> Operators() {
  return {{"values", Row({0, 0.5, -200}), 1e-3}, {"gradients", Row({1e-3, -4e-3}), 1e-2, true}};
}

std::vector<at::Tensor> Right() { return {Row({5e-4, 0.4995, -200.1}), Row({0.00103, -0.004})}; }

struct Outcome {
  bool agree = false;
  std::string said;
};

Outcome Try(const std::function<std::vector<at::Tensor>()>& by_kernel) {
  GpuChecks checks;
  testing::internal::CaptureStderr();
  const bool agree = checks.Agree(
      "key", "activations in float32", [] { return "NVIDIA H100 (cuda:0)"; }, by_kernel, Operators);
  return {agree, testing::internal::GetCapturedStderr()};
}

std::string Line(const std::string& why) {
  return "note: on NVIDIA H100 (cuda:0) operators take the place of the kernel for activations in "
         "float32: " +
         why + "; LOSSFUSION_GPU_KERNELS=off silences this\n";
}

TEST(GpuChecks, AKernelThatIsRightIsUsedAndNothingSaid) {
  const Outcome outcome = Try(Right);
  EXPECT_TRUE(outcome.agree);
  EXPECT_EQ(outcome.said, "");
}

TEST(GpuChecks, AKernelThatIsSlightlyWrongIsNotUsed) {
  const Outcome values = Try([] {
    auto found = Right();
    found[0][2] = -200.5;
    return found;
  });
  EXPECT_FALSE(values.agree);
  EXPECT_EQ(values.said, Line("its values differ from theirs by 0.0025, more than 0.001"));
  const Outcome gradients = Try([] {
    auto found = Right();
    found[1][0] = 0.0012;
    return found;
  });
  EXPECT_FALSE(gradients.agree);
  EXPECT_EQ(gradients.said, Line("its gradients differ from theirs by 0.05, more than 0.01"));
}

TEST(GpuChecks, AKernelThatThrowsIsNotUsed) {
  const Outcome outcome = Try([]() -> std::vector<at::Tensor> {
    throw std::runtime_error("an illegal memory access was encountered\nframe #0");
  });
  EXPECT_FALSE(outcome.agree);
  EXPECT_EQ(outcome.said, Line("comparing them failed: an illegal memory access was encountered"));
}

TEST(GpuChecks, AKernelThatGivesNoNumberWhereOperatorsDoIsNotUsed) {
  for (const double number : {std::nan(""), HUGE_VAL}) {
    const Outcome outcome = Try([&] {
      auto found = Right();
      found[1][1] = number;
      return found;
    });
    EXPECT_FALSE(outcome.agree);
    EXPECT_EQ(outcome.said, Line("its gradients are not finite where theirs are"));
  }
}

TEST(GpuChecks, WhereOperatorsGiveNoNumberNothingIsAsked) {
  EXPECT_EQ(Difference({Row({7, 1})}, {{"values", Row({HUGE_VAL, 1}), 1e-3, true}}), "");
}

TEST(GpuChecks, ResultsOfAnotherShapeDiffer) {
  EXPECT_EQ(Difference({Row({7})}, {{"values", Row({7, 7}), 1e-3}}),
            "its values are of another shape than theirs");
}

TEST(GpuChecks, AKernelThatCannotBeMadeIsNotComparedNorSpokenOf) {
  const Outcome outcome = Try([] { return std::vector<at::Tensor>(); });
  EXPECT_FALSE(outcome.agree);
  EXPECT_EQ(outcome.said, "");
}

TEST(GpuChecks, ComparesOncePerKey) {
  GpuChecks checks;
  int compared = 0;
  double error = 0;
  const auto by_kernel = [&] {
    ++compared;
    return std::vector<at::Tensor>{Row({1 + error})};
  };
  const auto by_operators = [] { return std::vector<Expected>{{"values", Row({1}), 1e-3}}; };
  const auto agree = [&](const char* key) {
    return checks.Agree(
        key, "a fusion", [] { return "a card"; }, by_kernel, by_operators);
  };
  testing::internal::CaptureStderr();
  EXPECT_TRUE(agree("cuda:0"));
  error = 1;
  EXPECT_FALSE(agree("cuda:1"));
  EXPECT_TRUE(agree("cuda:0"));
  EXPECT_FALSE(agree("cuda:1"));
  EXPECT_EQ(compared, 2);
  EXPECT_EQ(
      testing::internal::GetCapturedStderr(),
      "note: on a card operators take the place of the kernel for a fusion: its values differ "
      "from theirs by 1, more than 0.001; LOSSFUSION_GPU_KERNELS=off silences this\n");
}

TEST(GpuPrograms, SayNothingWhereTheyAreOff) {
  setenv("LOSSFUSION_GPU_KERNELS", "off", 1);
  GpuProgram program("activations", "");
  testing::internal::CaptureStderr();
  EXPECT_FALSE(program.Launch("Value", c10::Device(c10::kCPU), {}, nullptr));
  EXPECT_EQ(testing::internal::GetCapturedStderr(), "");
  unsetenv("LOSSFUSION_GPU_KERNELS");
}

}  // namespace
}  // namespace kernels
