// Several processes with a part of a batch each give what one gives with the whole: collectives,
// fused losses, gradients, dropout and batch norm.
#include "pipeline/processes.h"

#include <ATen/Parallel.h>
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/full.h>
#include <ATen/ops/full_like.h>
#include <ATen/ops/ones.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/zeros.h>
#include <c10/core/GradMode.h>
#include <torch/csrc/autograd/autograd.h>

#include <cmath>

#include "absl/strings/numbers.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "losses/fusion.h"
#include "models/layers.h"
#include "models/shared_batch.h"
#include "pipeline/training/device.h"
#include "plugins/loading/sampling.h"
#include "tests/fusions.h"
#include "tests/process_group.h"

namespace {

using pipeline::Processes;
using testing_support::InProcesses;
using testing_support::Make;

// The rows of `whole` that a process has; a blank one where it has none.
at::Tensor Own(const at::Tensor& whole, const Processes* processes, double blank) {
  if (processes == nullptr) return whole;
  const auto [first, rows] = plugins::RowsOf(whole.size(0), processes->rank(), processes->size());
  processes->SetShare({first, rows, whole.size(0)});
  if (rows > 0) return whole.narrow(0, first, rows).clone();
  return at::full_like(whole.narrow(0, 0, 1), blank);
}

std::string TextOf(const at::Tensor& tensor) {
  const at::Tensor flat = tensor.detach().to(at::kDouble).contiguous().flatten();
  std::string text;
  for (int64_t i = 0; i < flat.numel(); ++i) {
    absl::StrAppendFormat(&text, "%.17g ", flat.data_ptr<double>()[i]);
  }
  return text;
}

std::vector<double> Numbers(const std::string& text) {
  std::vector<double> numbers;
  for (const absl::string_view word : absl::StrSplit(text, ' ', absl::SkipEmpty())) {
    EXPECT_TRUE(absl::SimpleAtod(word, &numbers.emplace_back())) << text;
  }
  return numbers;
}

// Every process of 2, 3 and 4 says the same to the bit, and what one alone says to `tolerance` of
// the largest number of each part between semicolons.
void ExpectAsAlone(const std::function<std::string(const Processes*)>& body, double tolerance) {
  const std::string alone = InProcesses(1, body)[0];
  const std::vector<std::string> parts = absl::StrSplit(alone, ';', absl::SkipEmpty());
  ASSERT_FALSE(parts.empty());
  for (const int size : {2, 3, 4}) {
    const std::vector<std::string> all = InProcesses(size, body);
    for (const std::string& each : all) EXPECT_EQ(each, all[0]) << size << " processes";
    const std::vector<std::string> others = absl::StrSplit(all[0], ';', absl::SkipEmpty());
    ASSERT_EQ(others.size(), parts.size()) << all[0];
    for (size_t part = 0; part < parts.size(); ++part) {
      const std::vector<double> expected = Numbers(parts[part]), numbers = Numbers(others[part]);
      ASSERT_EQ(numbers.size(), expected.size());
      double largest = 0;
      for (const double number : expected) largest = std::max(largest, std::abs(number));
      for (size_t i = 0; i < numbers.size(); ++i) {
        EXPECT_NEAR(numbers[i], expected[i], tolerance * largest)
            << "number " << i << " of part " << part << " by " << size << " processes";
      }
    }
  }
}

TEST(ProcessesTest, CollectivesGoByRank) {
  const auto said = InProcesses(3, [](const Processes* processes) {
    const int rank = processes->rank();
    const at::Tensor sum = processes->Sum(at::full({2}, rank + 1, at::kLong));
    const std::vector<std::string> texts = processes->Gather(std::string(rank * 2, 'a' + rank));
    const at::Tensor shared = at::full({3}, rank + 5, at::kDouble);
    processes->Broadcast(shared);
    pipeline::State state;
    if (rank == 0) {
      state.Put("numbers", std::vector<double>{1, 2.5});
      state.PutText("text", "of the first");
      state.Put("mask", at::ones({2, 3}, at::kBool));
    }
    processes->Broadcast(&state);
    return absl::StrCat(sum[1].item<int64_t>(), ";", absl::StrJoin(texts, ","), ";",
                        shared[2].item<double>(), ";", (*state.Numbers("numbers"))[1], ";",
                        *state.Text("text"), ";", state.tensors().at("mask").numel());
  });
  for (const std::string& each : said) EXPECT_EQ(each, "6;,bb,cccc;5;2.5;of the first;6");
}

// Sums are in order of ranks, not of arrival: 1e16 + 1 - 1e16 is 0, 1e16 - 1e16 + 1 would be 1.
TEST(ProcessesTest, SumsHaveOneOrder) {
  for (int repetition = 0; repetition < 3; ++repetition) {
    const auto said = InProcesses(3, [&](const Processes* processes) {
      usleep(1000 * ((processes->rank() + repetition) % 3) * 10);
      const double own[] = {1e16, 1, -1e16};
      return absl::StrCat(processes->Sum(std::vector<double>{own[processes->rank()]})[0]);
    });
    for (const std::string& each : said) EXPECT_EQ(each, "0");
  }
}

struct Case {
  const char* loss;
  const char* options;
};
const Case kCases[] = {
    {"CategoricalCrossEntropy", ""},
    {"SmoothL1", ""},
    {"Focal", ""},
    {"BinaryCrossEntropy", ""},
    {"Mse", ""},
    {"Dice", ""},
    {"Dice", "sums: PER_BATCH"},
    {"Tversky", ""},
    {"Tversky", "sums: PER_BATCH"},
    {"Calibration", ""},
};

// Total, account and gradient of a fusion of all losses over 7 rows: no number of processes divides
// them. Gradients are put together by rank.
std::string FuseAll(const Processes* processes, at::ScalarType type, bool masks, bool alone_rows) {
  at::set_num_threads(1);
  pipeline::SeedGenerators(3);
  std::vector<int64_t> shape = {alone_rows ? 2 : 7, 3};
  if (masks) shape.insert(shape.end(), {6, 5});
  const testing_support::Batch batch =
      testing_support::RandomBatch(shape, 2, /*ignored=*/true, /*weighted=*/true);
  std::vector<std::unique_ptr<losses::Loss>> all;
  std::vector<losses::Term> terms;
  for (const Case& each : kCases) {
    all.push_back(Make(each.loss, each.options));
    terms.push_back({all.back().get(), 0.5 + 0.25 * static_cast<double>(terms.size())});
  }
  const at::Tensor logits = Own(batch.logits.to(type), processes, 0).requires_grad_();
  const at::Tensor labels = Own(batch.labels, processes, pipeline::kIgnoredLabel);
  const at::Tensor weight = Own(batch.weight.to(type), processes, 0);
  const losses::FusedValue value =
      losses::Fuse(testing_support::kStep, logits, labels, weight, terms, true, processes);
  at::Tensor gradient = torch::autograd::grad({value.total}, {logits})[0];
  if (processes != nullptr) {
    at::Tensor whole = at::zeros(shape, gradient.options());
    const Processes::Share& share = processes->share();
    if (share.rows > 0) whole.narrow(0, share.first, share.rows).copy_(gradient);
    gradient = processes->Sum(whole);
  }
  return absl::StrCat(TextOf(value.total), ";", TextOf(value.account[0]), ";",
                      TextOf(value.account[1]), ";", TextOf(gradient));
}

TEST(ProcessesTest, LossesInDoubleAreThoseOfOne) {
  for (const bool masks : {false, true}) {
    ExpectAsAlone([&](const Processes* p) { return FuseAll(p, at::kDouble, masks, false); }, 1e-12);
  }
}

TEST(ProcessesTest, LossesInBlocksAreThoseOfOne) {
  for (const bool masks : {false, true}) {
    ExpectAsAlone([&](const Processes* p) { return FuseAll(p, at::kFloat, masks, false); }, 1e-6);
  }
}

TEST(ProcessesTest, WhoHasNoRowTakesPart) {
  for (const at::ScalarType type : {at::kFloat, at::kDouble}) {
    ExpectAsAlone([&](const Processes* p) { return FuseAll(p, type, true, true); }, 1e-6);
  }
}

// Twenty steps of a two-layer network in float64, with dropout, on 7 rows: the curve of the loss.
std::string Curve(const Processes* processes) {
  at::set_num_threads(1);
  pipeline::SeedGenerators(5);
  const at::Tensor x = at::randn({7, 20}, at::kDouble), y = at::randint(4, {7}, at::kLong);
  std::vector<at::Tensor> parameters = {(at::randn({20, 30}, at::kDouble) / 4).requires_grad_(),
                                        (at::randn({30, 4}, at::kDouble) / 5).requires_grad_(),
                                        // Nothing depends on it, so that it has no gradient.
                                        at::ones({3}, at::kDouble).requires_grad_()};
  const auto cce = Make("CategoricalCrossEntropy"), dice = Make("Dice", "sums: PER_BATCH");
  std::unique_ptr<pipeline::GradientSum> sum;
  if (processes != nullptr) sum = processes->SumGradients(parameters);
  const at::Tensor own_x = Own(x, processes, 0);
  const at::Tensor own_y = Own(y, processes, pipeline::kIgnoredLabel);
  std::string text;
  for (uint64_t step = 0; step < 20; ++step) {
    pipeline::SeedGenerators(step);
    for (at::Tensor& parameter : parameters) parameter.mutable_grad().reset();
    at::Tensor hidden = own_x.matmul(parameters[0]).tanh();
    {
      const models::SharedBatch batch(processes);
      hidden = models::Dropout(hidden, 0.4);
    }
    const at::Tensor weight = (own_y >= 0).to(at::kDouble);
    const at::Tensor total =
        losses::Fuse(testing_support::kStep, hidden.matmul(parameters[1]), own_y, weight,
                     {{cce.get(), 1}, {dice.get(), 0.5}}, true, processes)
            .total;
    if (sum != nullptr) sum->Begin();
    total.backward();
    if (sum != nullptr) sum->Finish();
    if (parameters[2].grad().defined()) return "a gradient from nowhere";
    const c10::NoGradGuard no_gradients;
    for (int i = 0; i < 2; ++i) parameters[i].add_(parameters[i].grad(), -0.2);
    text += TextOf(total);
  }
  return text + ";" + TextOf(parameters[0]);
}

TEST(ProcessesTest, CurveInDoubleIsThatOfOne) { ExpectAsAlone(Curve, 1e-9); }

// The output and the gradients of a convolution with batch norm, and the averages it keeps.
std::string Norm(const Processes* processes, int64_t rows) {
  at::set_num_threads(1);
  pipeline::SeedGenerators(7);
  models::Sequence layers;
  layers.AddConvolution({2, 3, 3, /*batch_norm=*/true}, nullptr);
  const at::Tensor x = at::randn({rows, 2, 5, 4}) * 3 + 1, pull = at::randn({rows, 3, 5, 4});
  const at::Tensor own_x = Own(x, processes, 0), own_pull = Own(pull, processes, 0);
  std::vector<at::Tensor> parameters = layers.parameters();
  std::unique_ptr<pipeline::GradientSum> sum;
  if (processes != nullptr) sum = processes->SumGradients(parameters);
  const models::SharedBatch batch(processes);
  const at::Tensor y = layers.Forward(own_x);
  if (sum != nullptr) sum->Begin();
  (y * own_pull).sum().backward();
  if (sum != nullptr) sum->Finish();
  std::string text;
  // The bias before a norm moves nothing; its gradient is noise.
  for (const auto& item : layers.named_parameters()) {
    if (item.key() != "0.bias") text += TextOf(item.value().grad()) + ";";
  }
  for (const auto& item : layers.named_buffers()) text += TextOf(item.value()) + ";";
  return text;
}

TEST(ProcessesTest, BatchNormIsThatOfOne) {
  ExpectAsAlone([](const Processes* p) { return Norm(p, 7); }, 1e-5);
  ExpectAsAlone([](const Processes* p) { return Norm(p, 2); }, 1e-5);
}

}  // namespace
