// Fusions of losses, forward and backward, against one cross entropy of LibTorch and against the
// same seven losses summed as users of LibTorch write them.
#include <ATen/TensorOperators.h>
#include <ATen/core/Reduction.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/binary_cross_entropy.h>
#include <ATen/ops/cross_entropy_loss.h>
#include <ATen/ops/mse_loss.h>
#include <ATen/ops/rand.h>
#include <ATen/ops/randint.h>
#include <ATen/ops/randn.h>
#include <ATen/ops/smooth_l1_loss.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/zeros_like.h>
#include <gflags/gflags.h>
#include <torch/csrc/autograd/autograd.h>

#include <nlohmann/json.hpp>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "bench/measure.h"
#include "losses/fusion.h"
#include "pipeline/config/text.h"
#include "pipeline/training/device.h"

DEFINE_double(seconds, 2, "time for each shape, layout and weighting");
DEFINE_string(python, "", "an interpreter with torch and MONAI, to run --peer with");
DEFINE_string(peer, "",
              "the peers' losses.py: its sum of seven is set beside the naive one of here");

namespace {

using losses::Term;

const char* const kSeven[] = {
    "CategoricalCrossEntropy", "BinaryCrossEntropy", "Dice", "Focal", "SmoothL1", "Mse", "Tversky"};

struct Setting {
  std::vector<int64_t> shape;
  bool channels_last = false;
  bool weighted = false;  // with an ignore index and class weights
};

struct Batch {
  at::Tensor logits, labels;
  at::Tensor one_hot;                 // floats, of the logits' shape
  std::vector<double> class_weights;  // empty unless weighted
};

Batch RandomBatch(const Setting& setting) {
  pipeline::SeedGenerators(0);
  Batch batch;
  batch.logits = at::randn(setting.shape);
  if (setting.channels_last) batch.logits = batch.logits.contiguous(at::MemoryFormat::ChannelsLast);
  batch.logits.requires_grad_();
  std::vector<int64_t> label_shape = setting.shape;
  label_shape.erase(label_shape.begin() + 1);
  batch.labels = at::randint(setting.shape[1], label_shape, at::kLong);
  batch.one_hot = at::zeros_like(batch.logits.detach()).scatter_(1, batch.labels.unsqueeze(1), 1);
  if (setting.weighted) {
    batch.labels.masked_fill_(at::rand(label_shape) < 0.1, pipeline::kIgnoredLabel);
    for (int64_t c = 0; c < setting.shape[1]; ++c) {
      batch.class_weights.push_back(0.5 + static_cast<double>(c) / 4);
    }
  }
  return batch;
}

void Differentiate(const at::Tensor& total, const at::Tensor& logits) {
  torch::autograd::grad({total}, {logits});
}

at::Tensor CrossEntropy(const Batch& batch, const at::Tensor& class_weights) {
  return at::cross_entropy_loss(batch.logits, batch.labels, class_weights, at::Reduction::Mean,
                                pipeline::kIgnoredLabel);
}

// Sums over pixels of an image, by class: [N, C].
at::Tensor OverPixels(const at::Tensor& values) {
  return values.dim() == 2 ? values : values.flatten(2).sum(2);
}

// The seven as the peers' script has them: each from the logits, with its own softmax. For [N, C],
// the script's MONAI losses see a third dimension of one pixel, which changes no value.
at::Tensor SumByOperators(const Batch& batch) {
  const at::Tensor& z = batch.logits;
  const at::Tensor& t = batch.one_hot;
  const at::Tensor cross_entropy = at::cross_entropy_loss(z, batch.labels);
  const at::Tensor binary = at::binary_cross_entropy(z.softmax(1), t);
  const at::Tensor mse = at::mse_loss(z.softmax(1), t);
  const at::Tensor smooth_l1 = at::smooth_l1_loss(z.softmax(1), t);
  const at::Tensor log_p = z.log_softmax(1);
  const at::Tensor focal = (-(1 - log_p.exp()).pow(2) * log_p * t).mean();
  const at::Tensor p_dice = z.softmax(1);
  const at::Tensor both = OverPixels(p_dice * t);
  const at::Tensor false_positive = (OverPixels(p_dice) - both) * 0.5;
  const at::Tensor false_negative = (OverPixels(t) - both) * 0.5;
  const at::Tensor dice =
      (1 - (2 * both + 1e-5) / (2 * (both + false_positive + false_negative) + 1e-5)).mean();
  const at::Tensor p = z.softmax(1);
  const at::Tensor hits = OverPixels(p * t);
  const at::Tensor wrong = OverPixels(p * (1 - t)) * 0.3, missed = OverPixels((1 - p) * t) * 0.7;
  const at::Tensor tversky = (1 - (hits + 1e-5) / (hits + wrong + missed + 1e-5)).mean();
  return cross_entropy + binary + mse + smooth_l1 + focal + dice + tversky;
}

// Owns the losses of a fusion.
struct Fusion {
  std::vector<std::unique_ptr<losses::Loss>> owned;
  std::vector<Term> terms;
};

Fusion Seven(int64_t count) {
  Fusion fusion;
  for (int64_t i = 0; i < count; ++i) {
    pipeline::Node node;
    const absl::Status parsed =
        pipeline::ParseFields(absl::StrCat("plugin { [losses/", kSeven[i], "] {} }"), &node);
    TORCH_CHECK(parsed.ok(), parsed.ToString());
    auto loss = losses::Losses::Get().Create(node.plugin());
    TORCH_CHECK(loss.ok(), loss.status().ToString());
    fusion.owned.push_back(*std::move(loss));
    fusion.terms.push_back({fusion.owned.back().get(), 1});
  }
  return fusion;
}

std::string NameOf(const Setting& setting) {
  std::string name = "[";
  for (const int64_t size : setting.shape) absl::StrAppend(&name, name == "[" ? "" : ",", size);
  absl::StrAppend(&name, "]", setting.channels_last ? " channels-last" : "",
                  setting.weighted ? " weighted" : "");
  return name;
}

// Our fusions as a stage runs them: labels are checked and weighed, then fused and differentiated.
void Measure(const Setting& setting, std::vector<bench::Case>* cases, double* naive_ms) {
  const Batch batch = RandomBatch(setting);
  const at::Tensor class_weights =
      setting.weighted ? at::tensor(batch.class_weights, at::kFloat) : at::Tensor();
  const std::vector<int> counts = {1, 2, 3, 7};
  std::vector<Fusion> fusions;
  for (const int count : counts) fusions.push_back(Seven(count));
  const pipeline::Step step;
  std::vector<std::function<void()>> bodies;
  bodies.push_back([&] { Differentiate(CrossEntropy(batch, class_weights), batch.logits); });
  for (const Fusion& fusion : fusions) {
    bodies.push_back([&] {
      at::Tensor weight;
      const absl::Status weighed =
          losses::WeighLabels(batch.labels, setting.shape[1], batch.class_weights, &weight);
      TORCH_CHECK(weighed.ok(), weighed.ToString());
      Differentiate(losses::Fuse(step, batch.logits, batch.labels, weight, fusion.terms).total,
                    batch.logits);
    });
  }
  if (!setting.weighted) {
    bodies.push_back([&] { Differentiate(SumByOperators(batch), batch.logits); });
  }
  const std::vector<double> ms = bench::LeastMs(bodies, FLAGS_seconds);
  for (size_t i = 0; i < counts.size(); ++i) {
    cases->push_back({absl::StrFormat("%s: %d term%s / cross_entropy", NameOf(setting), counts[i],
                                      counts[i] == 1 ? "" : "s"),
                      ms[1 + i], ms[0]});
  }
  if (setting.weighted) return;
  *naive_ms = ms.back();
  cases->push_back({NameOf(setting) + ": 7 terms / sum by operators", ms[4], ms.back()});
}

// What the peers' script prints for its sum of seven, in milliseconds.
double PeerMs(const std::string& key) {
  static const nlohmann::json printed =
      nlohmann::json::parse(bench::OutputOf(absl::StrCat(FLAGS_python, " ", FLAGS_peer)));
  return printed.at(key).at("all7");
}

}  // namespace

int main(int argc, char** argv) {
  bench::Start(&argc, &argv,
               "Fused losses, forward and backward, against one cross entropy and against the sum "
               "of seven by operators.");
  std::vector<bench::Case> cases;
  for (const std::vector<int64_t>& shape :
       {std::vector<int64_t>{64, 7}, {8, 2, 224, 224}, {8, 7, 224, 224}}) {
    for (const bool channels_last : {false, true}) {
      if (channels_last && shape.size() == 2) continue;
      for (const bool weighted : {false, true}) {
        double naive_ms = 0;
        Measure({shape, channels_last, weighted}, &cases, &naive_ms);
        const char* key = shape.size() == 2 ? "cls_64x7" : "seg_8x7x224x224";
        if (FLAGS_peer.empty() || channels_last || weighted || shape[1] != 7) continue;
        cases.push_back(
            {NameOf({shape}) + ": sum by operators / the peers' script", naive_ms, PeerMs(key)});
      }
    }
  }
  bench::Print(cases);
}
