// Fusion of losses: one weight for each label, factors for the terms, and an account of what each
// contributes.
#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>

#include <algorithm>
#include <cmath>
#include <tuple>

#include "absl/strings/str_cat.h"
#include "losses/dynamic_weights.h"
#include "losses/fusion.h"
#include "pipeline/stage.h"
#include "plugins/fused_loss.pb.h"

namespace plugins {
namespace {

// Norms cost one more backward pass for each term, so they are taken at every 16th step.
constexpr int64_t kStepsBetweenNorms = 16;

std::string DeadRemark(const std::string& term) {
  return absl::StrCat(
      "the term ", term,
      " was exactly 0 over the whole epoch, and its gradient too: nothing is learned from it");
}

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
      std::vector<Part> parts((*loss)->PartsAt(pipeline::Step()).size());
      fused->terms_.push_back({name, *std::move(loss), weight, std::move(parts)});
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
    const losses::FusedValue value =
        losses::Fuse(step, logits, labels, weight, PartsAt(step, factors));
    const std::vector<double> means = Record(factors, value);
    (*out)["total"] = value.total;
    if (step.phase != pipeline::TRAIN) return absl::OkStatus();
    Balance(step, logits, labels, weight, factors, means);
    const at::Tensor extra = dynamic_ ? dynamic_->Extra(means) : at::Tensor();
    if (extra.defined()) (*out)["total"] = value.total + extra;
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
      const Term& term = terms_[k];
      std::vector<losses::Term> parts;
      for (const auto& [loss, share] : term.loss->PartsAt(step)) {
        parts.push_back({loss, term.weight * factors[k] * term.loss->WeightAt(step) * share});
      }
      gradients.emplace_back(term.name, losses::Gradient(step, logits, labels, weight, parts));
    }
    return gradients;
  }

  void EndPhase(const pipeline::Step& step, const std::string& node,
                pipeline::Report* report) override {
    double total = 0;
    for (const Term& term : terms_) total += Weight(term) * term.Mean();
    report->Add(node + ".total", total, pipeline::Better::kLower);
    for (const Term& term : terms_) {
      report->Add(absl::StrCat(node, ".", term.name), term.Mean(), pipeline::Better::kLower);
    }
    for (const Term& term : terms_) report->Add("weight." + term.name, Weight(term));
    if (step.phase == pipeline::TRAIN) {
      for (const Term& term : terms_) {
        report->Add("gradient_share." + term.name,
                    shares_ == 0 ? 0 : term.share / static_cast<double>(shares_));
      }
    }
    if (step.phase == pipeline::TRAIN && shares_ > 0) {
      for (const Term& term : terms_) {
        if (term.IsDead()) report->AddRemark(DeadRemark(term.name));
      }
    }
    steps_ = shares_ = 0;
    for (Term& term : terms_) {
      term.factors = term.share = term.norms = 0;
      for (Part& part : term.parts) part.sum = part.amount = 0;
    }
  }

  void Save(const std::string& node, pipeline::State* state) const override {
    std::vector<double> sums = {static_cast<double>(steps_), static_cast<double>(shares_)};
    for (const Term& term : terms_) {
      sums.insert(sums.end(), {term.now, term.live, term.factors, term.share, term.norms});
      for (const Part& part : term.parts) {
        sums.insert(sums.end(), {part.weight, part.sum, part.amount});
      }
    }
    state->Put(node + ".sums", sums);
  }

  absl::Status Load(const std::string& node, const pipeline::State& state) override {
    size_t count = 2;
    for (const Term& term : terms_) count += 5 + 3 * term.parts.size();
    const auto sums = state.Numbers(node + ".sums", count);
    if (!sums.ok()) return sums.status();
    auto next = sums->begin();
    steps_ = static_cast<int64_t>(*next++);
    shares_ = static_cast<int64_t>(*next++);
    for (Term& term : terms_) {
      for (double* value : {&term.now, &term.live, &term.factors, &term.share, &term.norms}) {
        *value = *next++;
      }
      for (Part& part : term.parts) {
        for (double* value : {&part.weight, &part.sum, &part.amount}) *value = *next++;
      }
    }
    return absl::OkStatus();
  }

  std::vector<std::pair<std::string, double>> Live() const override {
    std::vector<std::pair<std::string, double>> values;
    for (const Term& term : terms_) values.emplace_back(term.name, term.live);
    return values;
  }

  torch::nn::Module* module() override { return dynamic_ ? dynamic_->module() : nullptr; }

 private:
  // A loss of a term, with what the phase adds up.
  struct Part {
    losses::Loss* loss = nullptr;
    double weight = 0;           // within the term, at the last step
    double sum = 0, amount = 0;  // over the phase
  };
  struct Term {
    std::string name;
    std::unique_ptr<losses::Loss> loss;
    double weight;
    std::vector<Part> parts;
    double now = 1;      // the loss's own factor, at the last step
    double live = 0;     // value of the last step
    double factors = 0;  // sum over the phase's steps of what the weight was multiplied by
    // Sums over the steps at which norms were taken: its share of them, and its norm.
    double share = 0, norms = 0;

    // Whether it was exactly 0 over the phase, and moved no logit.
    bool IsDead() const {
      const auto is_zero = [](const Part& part) { return part.sum == 0; };
      return norms == 0 && std::all_of(parts.begin(), parts.end(), is_zero);
    }

    // The sum of its parts' means over the phase.
    double Mean() const {
      double mean = 0;
      for (const Part& part : parts) {
        if (part.amount > 0) mean += part.weight * part.sum / part.amount;
      }
      return mean;
    }
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

  // Every part of every term, with all of its factors.
  std::vector<losses::Term> PartsAt(const pipeline::Step& step,
                                    const std::vector<double>& factors) {
    std::vector<losses::Term> all;
    for (size_t k = 0; k < terms_.size(); ++k) {
      Term& term = terms_[k];
      term.now = term.loss->WeightAt(step);
      const auto parts = term.loss->PartsAt(step);
      term.parts.resize(parts.size());
      for (size_t i = 0; i < parts.size(); ++i) {
        std::tie(term.parts[i].loss, term.parts[i].weight) = parts[i];
        all.push_back({parts[i].first, term.weight * factors[k] * term.now * parts[i].second});
      }
    }
    return all;
  }

  // Adds up what the phase reports; returns each term's value with its fixed weights.
  std::vector<double> Record(const std::vector<double>& factors, const losses::FusedValue& value) {
    std::vector<double> means;
    size_t i = 0;
    for (size_t k = 0; k < terms_.size(); ++k) {
      Term& term = terms_[k];
      term.live = 0;
      for (Part& part : term.parts) {
        part.sum += value.sums[i];
        part.amount += value.amounts[i];
        if (value.amounts[i] > 0) term.live += part.weight * value.sums[i] / value.amounts[i];
        ++i;
      }
      term.factors += factors[k] * term.now;
      means.push_back(term.weight * term.now * term.live);
    }
    ++steps_;
    return means;
  }

  // Takes gradient norms where they are due, and lets the factors follow.
  void Balance(const pipeline::Step& step, const at::Tensor& logits, const at::Tensor& labels,
               const at::Tensor& weight, const std::vector<double>& factors,
               const std::vector<double>& means) {
    const bool wanted = dynamic_ && dynamic_->wants_norms();
    std::vector<double> norms;
    if (wanted || step.index % kStepsBetweenNorms == 0) {
      norms = TermNorms(step, logits, labels, weight);
      AddShares(factors, norms);
    }
    if (dynamic_) dynamic_->Observe(step, means, norms);
  }

  // Of each term with its fixed weights.
  std::vector<double> TermNorms(const pipeline::Step& step, const at::Tensor& logits,
                                const at::Tensor& labels, const at::Tensor& weight) const {
    std::vector<double> norms;
    for (const Term& term : terms_) {
      std::vector<losses::Term> parts;
      for (const Part& part : term.parts) {
        parts.push_back({part.loss, term.weight * term.now * part.weight});
      }
      norms.push_back(losses::GradientNorm(step, logits, labels, weight, parts));
    }
    return norms;
  }

  void AddShares(const std::vector<double>& factors, const std::vector<double>& norms) {
    double sum = 0;
    for (size_t k = 0; k < terms_.size(); ++k) sum += factors[k] * norms[k];
    for (size_t k = 0; k < terms_.size(); ++k) {
      terms_[k].norms += norms[k];
      terms_[k].share +=
          sum > 0 ? factors[k] * norms[k] / sum : 1.0 / static_cast<double>(terms_.size());
    }
    ++shares_;
  }

  // Over the phase.
  double Weight(const Term& term) const {
    return steps_ == 0 ? term.weight : term.weight * term.factors / static_cast<double>(steps_);
  }

  const FusedLossOptions options_;
  std::vector<double> class_weights_;  // none, or one for each class
  std::vector<Term> terms_;
  std::unique_ptr<losses::DynamicWeights> dynamic_;  // nothing if the weights are fixed
  int64_t steps_ = 0;                                // of the phase
  int64_t shares_ = 0;                               // steps at which norms were taken
};

REGISTER_PLUGIN(pipeline::Stages, FusedLoss);

}  // namespace plugins
