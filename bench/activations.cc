// The special-function activations, forward and backward, against GELU, and against the truncated
// series that others write with operators.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/gelu.h>
#include <ATen/ops/linspace.h>
#include <ATen/ops/logspace.h>
#include <ATen/ops/ones_like.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/relu.h>
#include <gflags/gflags.h>
#include <torch/csrc/autograd/autograd.h>

#include <chrono>
#include <cmath>
#include <cstdio>

#include "absl/strings/str_cat.h"
#include "activations/activation.h"
#include "activations/piecewise.h"
#include "bench/measure.h"
#include "pipeline/config/text.h"
#include "pipeline/training/device.h"

DEFINE_double(seconds, 10, "time for all activations together");
DEFINE_bool(series, true, "measure the series by operators as well");

namespace {

using activations::Activation;

std::unique_ptr<Activation> Make(const std::string& plugin) {
  pipeline::Node node;
  const absl::Status parsed =
      pipeline::ParseFields(absl::StrCat("plugin { [activations/", plugin, " }"), &node);
  TORCH_CHECK(parsed.ok(), parsed.ToString());
  auto made = activations::Activations::Get().Create(node.plugin());
  TORCH_CHECK(made.ok(), made.status().ToString());
  return *std::move(made);
}

// As the peers' script writes them, with its numbers of terms.
at::Tensor WeierstrassSeries(const at::Tensor& x) {
  at::Tensor sum = (x * M_PI).cos();
  for (int k = 1; k < 6; ++k) sum = sum + (x * (std::pow(3, k) * M_PI)).cos() * std::pow(0.5, k);
  return sum;
}
at::Tensor MittagLefflerSeries(const at::Tensor& x) {
  const at::Tensor z = x.clamp(-3, 3);
  at::Tensor sum = at::ones_like(z);
  for (int k = 1; k < 20; ++k) sum = sum + z.pow(k) / std::tgamma(0.9 * k + 1);
  return sum;
}
at::Tensor LerchSeries(const at::Tensor& x) {
  const at::Tensor z = x.tanh();
  at::Tensor sum = at::ones_like(z);
  for (int k = 1; k < 20; ++k) sum = sum + z.pow(k) / (1.0 + k);
  return sum;
}
at::Tensor JacobiSeries(const at::Tensor& x) {
  const at::Tensor z = x.tanh();
  at::Tensor before = at::ones_like(z), now = 1.5 * z;
  for (int k = 2; k <= 3; ++k) {
    const double sum = 2 * k + 1, least = 2 * k * (k + 1) * (sum - 2);
    const at::Tensor next =
        ((sum - 1) * sum * (sum - 2) * z * now - 2 * (k - 0.5) * (k - 0.5) * sum * before) / least;
    before = now;
    now = next;
  }
  return now;
}

// Milliseconds that making one takes: the median of a few.
double ConstructionMs(const std::string& plugin) {
  std::vector<double> taken;
  for (int i = 0; i < 7; ++i) {
    const auto start = std::chrono::steady_clock::now();
    Make(plugin);
    const std::chrono::duration<double, std::milli> ms = std::chrono::steady_clock::now() - start;
    taken.push_back(ms.count());
  }
  std::sort(taken.begin(), taken.end());
  return taken[taken.size() / 2];
}

// The largest error of float32 against the exact function: |e| / max(1, |f|) of the value over
// [-20, 20] and far tails, and of the slope relative to its largest.
std::pair<double, double> Errors(Activation& f) {
  const at::Tensor near = at::linspace(-20, 20, 200001, at::kFloat);
  const at::Tensor far = at::logspace(1.3, 4, 1000, 10, at::kFloat);
  const at::Tensor x = at::concat({near, far, -far}).reshape({-1, 1});
  const auto both = [&](const at::Tensor& at) {
    const at::Tensor leaf = at.clone().requires_grad_();
    const at::Tensor y = f(leaf * 1);
    const at::Tensor slope = torch::autograd::grad({y.sum()}, {leaf})[0];
    return std::pair{y.detach().to(at::kDouble), slope.to(at::kDouble)};
  };
  const auto [y, slope] = both(x);
  const auto [exact_y, exact_slope] = both(x.to(at::kDouble));
  return {((y - exact_y).abs() / exact_y.abs().clamp_min(1)).max().item<double>(),
          ((slope - exact_slope).abs().max() / exact_slope.abs().max()).item<double>()};
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv,
               "Activations on [8,64,112,112] float32, forward and backward, against GELU.");
  const std::vector<std::string> plugins = {
      "Relu] {}",
      "MittagLeffler] {}",
      "MittagLeffler] { form: TANH }",
      "Lerch] {}",
      "Lerch] { form: BOUNDED }",
      "Jacobi] {}",
      "Jacobi] { form: SNAKE }",
      "Jacobi] { form: POLYNOMIAL }",
      "Weierstrass] {}",
      "Weierstrass] { form: TANH_RIPPLE }",
  };
  pipeline::SeedGenerators(0);
  // Wider than a layer's input usually is: 3 deviations, so that tails are met.
  const at::Tensor x = (at::randn({8, 64, 112, 112}) * 3).requires_grad_();
  const at::Tensor g = at::ones_like(x);
  std::vector<std::unique_ptr<Activation>> made;
  std::vector<std::function<void()>> bodies;
  const auto add = [&](std::function<at::Tensor()> forward) {
    bodies.push_back(
        [&x, &g, forward = std::move(forward)] { torch::autograd::grad({forward()}, {x}, {g}); });
  };
  add([&] { return at::gelu(x); });
  for (const std::string& plugin : plugins) {
    made.push_back(Make(plugin));
    // ReLU works in place on what is not a leaf: it is given a view, which costs nothing.
    Activation* const f = made.back().get();
    const bool in_place = f->piecewise() == nullptr;
    add([&x, f, in_place] { return in_place ? at::relu(x) : (*f)(x); });
  }
  const std::vector<std::pair<std::string, at::Tensor (*)(const at::Tensor&)>> series = {
      {"mittag_leffler, 20 terms", MittagLefflerSeries},
      {"lerch, 20 terms", LerchSeries},
      {"jacobi polynomial, n = 3", JacobiSeries},
      {"weierstrass, 6 terms", WeierstrassSeries}};
  std::vector<double> ms = bench::LeastMs(bodies, FLAGS_seconds);
  std::vector<bench::Case> cases;
  for (size_t i = 0; i < plugins.size(); ++i) {
    cases.push_back({absl::StrCat("[activations/", plugins[i], " / gelu"), ms[i + 1], ms[0]});
  }
  if (FLAGS_series) {
    bodies.clear();
    add([&] { return at::gelu(x); });
    for (const auto& [name, function] : series) {
      add([&x, function = function] { return function(x); });
    }
    ms = bench::LeastMs(bodies, FLAGS_seconds / 2);
    for (size_t i = 0; i < series.size(); ++i) {
      cases.push_back(
          {absl::StrCat("series by operators: ", series[i].first, " / gelu"), ms[i + 1], ms[0]});
    }
  }
  // As models compute them where there is bfloat16.
  const at::Tensor half = x.detach().to(at::kBFloat16).requires_grad_();
  const at::Tensor half_g = at::ones_like(half);
  bodies.clear();
  bodies.push_back([&] { torch::autograd::grad({at::gelu(half)}, {half}, {half_g}); });
  for (const auto& f : made) {
    if (f->piecewise() == nullptr) continue;
    bodies.push_back(
        [&half, &half_g, f = f.get()] { torch::autograd::grad({(*f)(half)}, {half}, {half_g}); });
  }
  ms = bench::LeastMs(bodies, FLAGS_seconds);
  for (size_t i = 0, body = 0; i < plugins.size(); ++i) {
    if (made[i]->piecewise() == nullptr) continue;
    cases.push_back(
        {absl::StrCat("bfloat16: [activations/", plugins[i], " / gelu"), ms[++body], ms[0]});
  }
  // Against the bars.
  constexpr double kMostMs = 2, kMostError = 1e-6, kMostSlopeError = 1e-5;
  for (size_t i = 0; i < plugins.size(); ++i) {
    if (made[i]->piecewise() == nullptr) continue;
    const std::string name = absl::StrCat("[activations/", plugins[i]);
    cases.push_back({name + ": construction / 2 ms", ConstructionMs(plugins[i]), kMostMs});
    const auto [error, slope_error] = Errors(*made[i]);
    cases.push_back({name + ": error of the value / 1e-6", error, kMostError});
    cases.push_back({name + ": error of the slope / 1e-5", slope_error, kMostSlopeError});
  }
  bench::Print(cases);
}
