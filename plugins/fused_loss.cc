// Fusion of losses: one weight for each label, factors for the terms, and an account of what each
// contributes.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <ATen/ops/stack.h>

#include <cmath>
#include <utility>

#include "absl/strings/str_cat.h"
#include "losses/dynamic_weights.h"
#include "losses/fusion.h"
#include "pipeline/processes.h"
#include "pipeline/stage.h"
#include "plugins/fused_loss.pb.h"
#include "plugins/loss_sums.h"

namespace plugins {
namespace {

// Norms cost one more backward pass for each term, so they are taken at every 16th step.
constexpr int64_t kStepsBetweenNorms = 16;

std::unique_ptr<losses::DynamicWeights> MakeDynamic(const FusedLossOptions& options) {
  const int64_t terms = options.term_size();
  switch (options.dynamic_loss_weighting()) {
    case FusedLossOptions::UNCERTAINTY:
      return losses::UncertaintyWeights(terms);
    case FusedLossOptions::DWA:
      return losses::DwaWeights(terms, options.dwa_temperature());
    case FusedLossOptions::GRADNORM:
      return losses::GradNormWeights(terms, options.gradnorm_alpha(), options.gradnorm_rate());
    case FusedLossOptions::RANDOM:
      return losses::RandomWeights(terms);
    default:
      return nullptr;
  }
}

}  // namespace

class FusedLoss : public pipeline::Stage {
 public:
  static absl::StatusOr<std::unique_ptr<FusedLoss>> Create(const FusedLossOptions& options) {
    if (options.term_size() == 0) {
      return absl::InvalidArgumentError("[plugins/FusedLoss] needs at least one term");
    }
    if (options.loss_weights_size() > 0 && options.loss_weights_size() != options.term_size()) {
      return pipeline::OptionError("loss_weights",
                                   absl::StrCat("loss_weights has ", options.loss_weights_size(),
                                                " values for ", options.term_size(), " terms"));
    }
    if (options.class_weight_size() > 0 && options.class_weights() != FusedLossOptions::NONE) {
      return pipeline::OptionError("class_weight",
                                   "class_weight: either a list or class_weights, not both");
    }
    if (options.has_hard_negative_threshold() && options.difficulty_weight() == 0) {
      return pipeline::OptionError(
          "hard_negative_threshold",
          "hard_negative_threshold does nothing without difficulty_weight");
    }
    auto fused = std::make_unique<FusedLoss>(options);
    std::map<std::string, int> seen;
    for (int i = 0; i < options.term_size(); ++i) {
      auto loss = losses::Losses::Get().Create(options.term(i));
      if (!loss.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), loss.status());
      std::string name = pipeline::NameOfParts(options.term(i));
      const int count = ++seen[name];
      if (count > 1) absl::StrAppend(&name, "_", count);
      const double weight = options.loss_weights_size() > 0 ? options.loss_weights(i) : 1.0;
      // As many parts as Load finds in a state, before any step.
      fused->sums_.AddTerm(name, weight, (*loss)->PartsAt(pipeline::Step()).size());
      fused->terms_.push_back({name, *std::move(loss), weight});
    }
    return fused;
  }

  explicit FusedLoss(const FusedLossOptions& options)
      : options_(options), dynamic_(MakeDynamic(options)) {}

  pipeline::Ports ports() const override { return {{"logits", "labels"}, {"total"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    const absl::Status fits = pipeline::CheckLabels(in.at("logits"), in.at("labels"));
    if (!fits.ok()) return fits;
    processes_ = context->processes;
    losses::Classes classes;
    classes.count = in.at("logits").shape[1];
    if (context->data != nullptr) {
      classes.images = context->data->class_counts[PhaseIndex(pipeline::TRAIN)];
      classes.names = context->data->classes;
    }
    const absl::Status weighed = ChooseClassWeights(classes);
    if (!weighed.ok()) return weighed;
    classes.weights = class_weights_;
    for (size_t i = 0; i < terms_.size(); ++i) {
      const absl::Status ready = terms_[i].loss->Prepare(classes);
      if (!ready.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), ready);
    }
    return pipeline::Specs{{"total", {at::kFloat, {}, 0}}};
  }

  absl::Status Run(const pipeline::Step& step, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor& logits = in.at("logits");
    const at::Tensor& labels = in.at("labels");
    at::Tensor weight;
    const absl::Status weighed = Weigh(logits, labels, &weight);
    if (!weighed.ok()) return weighed;
    const std::vector<double> factors = Factors(step);
    std::vector<losses::Term> all;
    std::vector<LossSums::Weighing> weighings;
    for (size_t k = 0; k < terms_.size(); ++k) {
      const double own = terms_[k].loss->WeightAt(step);
      weighings.push_back({factors[k], own, {}});
      for (const auto& [loss, share] : terms_[k].loss->PartsAt(step)) {
        all.push_back({loss, terms_[k].weight * factors[k] * own * share});
        weighings.back().parts.push_back(share);
      }
    }
    const losses::FusedValue value =
        losses::Fuse(step, logits, labels, weight, all, /*use_blocks=*/true, processes_);
    sums_.Add(weighings, value.account);
    (*out)["total"] = value.total;
    if (step.phase != pipeline::TRAIN) return absl::OkStatus();
    at::Tensor norms;
    if ((dynamic_ && dynamic_->wants_norms()) || step.index % kStepsBetweenNorms == 0) {
      norms = TermNorms(step, logits, labels, weight);
      sums_.AddNorms(norms);
    }
    if (dynamic_ == nullptr) return absl::OkStatus();
    const at::Tensor values = sums_.Values();
    dynamic_->Observe(step, values, norms);
    at::Tensor extra = dynamic_->Extra(values);
    if (!extra.defined()) return absl::OkStatus();
    if (processes_ != nullptr) {
      // The same on all, and so are its gradients, which will be added up.
      const at::Tensor part = extra / processes_->size();
      extra = extra.detach() + (part - part.detach());
    }
    (*out)["total"] = value.total + extra;
    return absl::OkStatus();
  }

  absl::StatusOr<pipeline::NamedTensors> TermGradients(const pipeline::Step& step,
                                                       const pipeline::Tensors& in) override {
    const at::Tensor& logits = in.at("logits");
    const at::Tensor& labels = in.at("labels");
    at::Tensor weight;
    const absl::Status weighed = Weigh(logits, labels, &weight);
    if (!weighed.ok()) return weighed;
    const std::vector<double> factors = Factors(step);
    pipeline::NamedTensors gradients;
    for (size_t k = 0; k < terms_.size(); ++k) {
      gradients.emplace_back(terms_[k].name, losses::Gradient(step, logits, labels, weight,
                                                              Alone(k, factors[k], step)));
    }
    return gradients;
  }

  void EndPhase(const pipeline::Step& step, const std::string& node,
                pipeline::Report* report) override {
    sums_.Report(node, step.phase == pipeline::TRAIN, report);
    sums_.Forget();
  }

  void Save(const std::string& node, pipeline::State* state) const override {
    sums_.Save(node, state);
  }

  absl::Status Load(const std::string& node, const pipeline::State& state) override {
    return sums_.Load(node, state);
  }

  std::vector<std::pair<std::string, double>> Live() const override { return sums_.Live(); }

  torch::nn::Module* module() override { return dynamic_ ? dynamic_->module() : nullptr; }

 private:
  struct Term {
    std::string name;
    std::unique_ptr<losses::Loss> loss;
    double weight;
  };

  absl::Status ChooseClassWeights(const losses::Classes& classes) {
    class_weights_.assign(options_.class_weight().begin(), options_.class_weight().end());
    if (!class_weights_.empty() && static_cast<int64_t>(class_weights_.size()) != classes.count) {
      return pipeline::OptionError(
          "class_weight", absl::StrCat("class_weight has ", class_weights_.size(), " values for ",
                                       classes.count, " classes"));
    }
    if (options_.class_weights() == FusedLossOptions::NONE) return absl::OkStatus();
    absl::StatusOr<std::vector<double>> balanced = losses::BalancedWeights(classes);
    if (!balanced.ok()) {
      return pipeline::OptionError("class_weights",
                                   absl::StrCat("class_weights: ", balanced.status().message()));
    }
    class_weights_ = *std::move(balanced);
    if (options_.class_weights() == FusedLossOptions::BALANCED) return absl::OkStatus();
    const double beta = options_.effective_number_beta();
    double sum = 0;
    for (int64_t c = 0; c < classes.count; ++c) {
      const auto count = static_cast<double>(classes.images[c]);
      sum += class_weights_[c] = (1 - beta) / (1 - std::pow(beta, count));
    }
    for (double& weight : class_weights_) weight *= static_cast<double>(classes.count) / sum;
    return absl::OkStatus();
  }

  absl::Status Weigh(const at::Tensor& logits, const at::Tensor& labels, at::Tensor* weight) const {
    const absl::Status weighed =
        losses::WeighLabels(labels, logits.size(1), class_weights_, weight);
    if (!weighed.ok()) return weighed;
    if (options_.difficulty_weight() > 0) *weight = WeighHardSamples(logits, labels, *weight);
    return absl::OkStatus();
  }

  std::vector<double> Factors(const pipeline::Step& step) {
    return dynamic_ ? dynamic_->Factors(step) : std::vector<double>(terms_.size(), 1);
  }

  at::Tensor WeighHardSamples(const at::Tensor& logits, const at::Tensor& labels,
                              const at::Tensor& weight) const {
    const at::Tensor p = logits.detach().to(at::kFloat).softmax(1);
    const at::Tensor wrong = p.scatter(1, labels.clamp_min(0).unsqueeze(1), 0).amax(1);
    const at::Tensor factor =
        1 + options_.difficulty_weight() * (wrong > options_.hard_negative_threshold());
    return weight.defined() ? weight * factor : factor.to(at::kFloat);
  }

  // The fusion of term k, the others weighing nothing.
  std::vector<losses::Term> Alone(size_t k, double factor, const pipeline::Step& step) const {
    std::vector<losses::Term> all;
    for (const Term& term : terms_) {
      const bool counts = &term == &terms_[k];
      const double own = counts ? term.weight * factor * term.loss->WeightAt(step) : 0;
      for (const auto& [loss, share] : term.loss->PartsAt(step)) {
        all.push_back({loss, own * share});
      }
    }
    return all;
  }

  // Of the gradient of each term with its weight but without its factor: float64 [terms].
  at::Tensor TermNorms(const pipeline::Step& step, const at::Tensor& logits,
                       const at::Tensor& labels, const at::Tensor& weight) const {
    std::vector<at::Tensor> norms;
    for (size_t k = 0; k < terms_.size(); ++k) {
      const at::Tensor gradient =
          losses::Gradient(step, logits, labels, weight, Alone(k, /*factor=*/1, step), processes_);
      norms.push_back(gradient.norm().to(at::kDouble));
    }
    if (processes_ == nullptr) return at::stack(norms);
    return processes_->Sum(at::stack(norms).square()).sqrt();
  }

  const FusedLossOptions options_;
  std::vector<double> class_weights_;  // none, or one for each class
  std::vector<Term> terms_;
  std::unique_ptr<losses::DynamicWeights> dynamic_;  // nothing if the weights are fixed
  LossSums sums_;
  const pipeline::Processes* processes_ = nullptr;
};

REGISTER_PLUGIN(pipeline::Stages, FusedLoss);

}  // namespace plugins
