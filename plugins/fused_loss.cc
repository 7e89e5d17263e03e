// Fusion of losses: one weight tensor for all of them, and an account of what each contributes.
#include <ATen/ATen.h>
#include <torch/autograd.h>

#include "absl/strings/str_cat.h"
#include "losses/loss.h"
#include "pipeline/stage.h"
#include "plugins/fused_loss.pb.h"

namespace plugins {

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
    auto fused = std::make_unique<FusedLoss>();
    std::map<std::string, int> seen;
    for (int i = 0; i < options.term_size(); ++i) {
      auto loss = losses::Losses::Get().Create(options.term(i));
      if (!loss.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), loss.status());
      std::string name = pipeline::NameOf(options.term(i)).file;
      const int count = ++seen[name];
      if (count > 1) absl::StrAppend(&name, "_", count);
      fused->terms_.push_back({name, *std::move(loss),
                               options.loss_weights_size() > 0 ? options.loss_weights(i) : 1.0});
    }
    return fused;
  }

  pipeline::Ports ports() const override { return {{"logits", "labels"}, {"total"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext*) override {
    const absl::Status fits = pipeline::CheckLabels(in.at("logits"), in.at("labels"));
    if (!fits.ok()) return fits;
    for (size_t i = 0; i < terms_.size(); ++i) {
      const absl::Status checked = terms_[i].loss->Check(in.at("logits").shape[1]);
      if (!checked.ok()) return pipeline::Within(absl::StrCat("term[", i, "]"), checked);
    }
    return pipeline::Specs{{"total", {at::kFloat, {}, 0}}};
  }

  absl::Status Run(const pipeline::Step& step, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const at::Tensor& logits = in.at("logits");
    const at::Tensor& labels = in.at("labels");
    const absl::Status in_range = CheckRange(labels, logits.size(1));
    if (!in_range.ok()) return in_range;
    const at::Tensor ignored = labels == pipeline::kIgnoredLabel;
    const at::Tensor weight = ignored.logical_not().to(logits.scalar_type());
    const losses::LossInput input(step, logits, labels.masked_fill(ignored, 0), weight);
    at::Tensor total = at::zeros({}, logits.options());
    const bool training = step.phase == pipeline::TRAIN && logits.requires_grad();
    std::vector<at::Tensor> norms;
    for (Term& term : terms_) {
      const losses::LossValue value = (*term.loss)(input);
      const at::Tensor sum = value.sum.sum(), amount = value.weight.sum();
      // Where nothing has weight the sum is 0, and so is the value.
      const at::Tensor mean = sum / at::where(amount > 0, amount, at::ones_like(amount));
      total = total + mean * term.weight;
      term.live = mean.item<double>();
      term.sum += sum.item<double>();
      term.amount += amount.item<double>();
      if (training) norms.push_back(GradientNorm(mean, logits) * term.weight);
    }
    if (training) AddShares(norms);
    (*out)["total"] = total;
    return absl::OkStatus();
  }

  void EndPhase(const pipeline::Step& step, const std::string& node,
                pipeline::Report* report) override {
    double total = 0;
    for (const Term& term : terms_) total += term.weight * Mean(term);
    report->Add(node + ".total", total);
    for (const Term& term : terms_) report->Add(absl::StrCat(node, ".", term.name), Mean(term));
    for (const Term& term : terms_) report->Add("weight." + term.name, term.weight);
    if (step.phase == pipeline::TRAIN) {
      for (const Term& term : terms_) {
        report->Add("gradient_share." + term.name, term.share / static_cast<double>(steps_));
      }
    }
    steps_ = 0;
    for (Term& term : terms_) term.sum = term.amount = term.share = 0;
  }

  std::vector<std::pair<std::string, double>> Live() const override {
    std::vector<std::pair<std::string, double>> values;
    for (const Term& term : terms_) values.emplace_back(term.name, term.live);
    return values;
  }

 private:
  struct Term {
    std::string name;
    std::unique_ptr<losses::Loss> loss;
    double weight = 1;
    double live = 0;             // value of the last step
    double sum = 0, amount = 0;  // over the phase
    double share = 0;            // sum over the phase's steps
  };

  // Losses index memory by label, so a wrong one must not get that far.
  static absl::Status CheckRange(const at::Tensor& labels, int64_t classes) {
    if (labels.numel() == 0) return absl::OkStatus();
    const at::Tensor wrong =
        ((labels < 0) & (labels != pipeline::kIgnoredLabel)) | (labels >= classes);
    if (!wrong.any().item<bool>()) return absl::OkStatus();
    return absl::InvalidArgumentError(absl::StrCat("labels must be in [0, ", classes, ") or ",
                                                   pipeline::kIgnoredLabel, " (ignored); got ",
                                                   labels.masked_select(wrong)[0].item<int64_t>()));
  }

  static double Mean(const Term& term) {
    if (term.amount == 0) return 0;
    return term.sum / term.amount;
  }

  static at::Tensor GradientNorm(const at::Tensor& value, const at::Tensor& logits) {
    if (!value.requires_grad()) return at::zeros({}, logits.options());
    const auto gradients =
        torch::autograd::grad({value}, {logits}, {}, /*retain_graph=*/true, /*create_graph=*/false,
                              /*allow_unused=*/true);
    return gradients[0].defined() ? gradients[0].norm() : at::zeros({}, logits.options());
  }

  // A term's share: its weighted norm over the sum of all.
  void AddShares(const std::vector<at::Tensor>& norms) {
    const at::Tensor values = at::stack(norms).to(at::kCPU, at::kDouble);
    const double sum = values.sum().item<double>();
    for (size_t i = 0; i < terms_.size(); ++i) {
      const double norm = values[static_cast<int64_t>(i)].item<double>();
      terms_[i].share += sum > 0 ? norm / sum : 1.0 / static_cast<double>(terms_.size());
    }
    ++steps_;
  }

  std::vector<Term> terms_;
  int64_t steps_ = 0;
};

REGISTER_PLUGIN(pipeline::Stages, FusedLoss);

}  // namespace plugins
