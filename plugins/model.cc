// A model as a stage: channels-last, in the run's precision.
#include "models/model.h"

#include <ATen/TensorOperators.h>
#include <ATen/core/Tensor.h>
#include <xxhash.h>

#include <algorithm>
#include <cmath>
#include <memory>
#include <optional>

#include "absl/strings/match.h"
#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "activations/activation.h"
#include "models/freeze.h"
#include "models/layers.h"
#include "models/weights.h"
#include "pipeline/exceptions.h"
#include "pipeline/memory.h"
#include "pipeline/pool.h"
#include "pipeline/precision.h"
#include "pipeline/stage.h"
#include "pipeline/workspace.h"
#include "plugins/frozen_features.h"
#include "plugins/model.pb.h"

namespace plugins {
namespace {

constexpr double kShareOfMemory = 1. / 16;  // for the features of frozen backbones

}  // namespace

class Model : public pipeline::Stage {
 public:
  static absl::StatusOr<std::unique_ptr<Model>> Create(const ModelOptions& options) {
    if (!options.has_model()) {
      return absl::InvalidArgumentError("[plugins/Model] needs a model, such as [models/Vgg16] {}");
    }
    if (!options.has_activation()) {
      return absl::InvalidArgumentError(
          "[plugins/Model] needs an activation, such as [activations/Relu] {}");
    }
    return std::make_unique<Model>(options);
  }

  explicit Model(const ModelOptions& options) : options_(options) {}

  pipeline::Ports ports() const override { return {{"images"}, {"logits"}}; }

  absl::StatusOr<pipeline::Specs> Build(const pipeline::Specs& in,
                                        pipeline::BuildContext* context) override {
    const pipeline::TensorSpec& images = in.at("images");
    if (images.dtype != at::kFloat || images.shape.size() != 4) {
      return absl::InvalidArgumentError(
          "images must be float32 [N, C, H, W]; put [plugins/Normalize] before the model");
    }
    const auto classes = static_cast<int64_t>(context->data->classes.size());
    // An activation's own mistakes are found here, so that the factory below cannot fail.
    auto trial = activations::Activations::Get().Create(options_.activation());
    if (!trial.ok()) return pipeline::Within("activation", trial.status());
    const models::ModelContext wanted = {
        images.shape[1], images.shape[2], images.shape[3], classes, context->data->task, [this] {
          return *activations::Activations::Get().Create(options_.activation());
        }};
    const absl::Status fits = CheckMemory(wanted, context->pretrained);
    if (!fits.ok()) return fits;
    auto model = models::Models::Get().Create(options_.model(), wanted);
    if (!model.ok()) return pipeline::Within("model", model.status());
    model_ = *std::move(model);
    absl::Status status = context->pretrained ? LoadPretrained() : absl::OkStatus();
    if (status.ok()) status = FreezeParts();
    if (status.ok()) status = MakeOutput();
    if (!status.ok()) return status;
    for (at::Tensor& parameter : model_->parameters()) {
      if (parameter.dim() == 4) {
        parameter.set_data(parameter.contiguous(at::MemoryFormat::ChannelsLast));
      }
    }
    status = ShareFeatures(*context);
    if (!status.ok()) return status;
    train_images_ = context->data->images[PhaseIndex(pipeline::TRAIN)];
    precision_ = context->precision;
    device_ = context->device;
    std::vector<int64_t> shape = {-1, classes};
    if (context->data->task == pipeline::Task::kSegmentation) {
      shape.insert(shape.end(), {images.shape[2], images.shape[3]});
    }
    return pipeline::Specs{{"logits", {at::kFloat, shape, images.geometry}}};
  }

  absl::Status Run(const pipeline::Step&, const pipeline::Tensors& in,
                   pipeline::Tensors* out) override {
    const pipeline::PrecisionScope scope(precision_, device_);
    at::Tensor images = in.at("images").contiguous(at::MemoryFormat::ChannelsLast);
    std::optional<models::FeatureTap> tap;
    if (keeps_features_) {
      tap.emplace();
      images = images.detach().requires_grad_();  // also where no parameter is learned
    }
    const absl::Status status = pipeline::Caught([&] {
      const at::Tensor scores = Scores(images).to(at::kFloat);
      (*out)["logits"] = output_ == nullptr ? scores : output_->LogProbabilities(scores);
      return absl::OkStatus();
    });
    features_ = tap.has_value() ? tap->last() : at::Tensor();
    // LibTorch's words for a channel of one value.
    if (!absl::StrContains(status.message(), "more than 1 value per channel")) return status;
    return absl::InvalidArgumentError(
        absl::StrCat(status.message(),
                     ": batch norm cannot learn from a batch of one image here; choose a "
                     "batch_size of the loader "
                     "that leaves more than one of the training images (",
                     train_images_, ") for the last batch"));
  }

  void Export(const pipeline::Symbols& in, pipeline::OperatorGraph* graph,
              pipeline::Symbols* out) override {
    const pipeline::Symbol& images = in.at("images");
    graph->SetWriter(UrlOf(options_.activation()));
    WriteAlone(options_.activation(), images.shape, graph);
    graph->SetWriter(UrlOf(options_.model()));
    const pipeline::Symbol scores = model_->Export(images);
    if (output_ != nullptr) graph->SetWriter(UrlOf(options_.output_activation()));
    (*out)["logits"] = output_ == nullptr ? scores : output_->ExportLogProbabilities(scores);
  }

  void KeepFeatures(bool keep) override { keeps_features_ = keep; }
  at::Tensor Features() const override { return features_; }

  std::vector<std::string> Notes() const override { return notes_; }

  torch::nn::Module* module() override { return model_.get(); }

 private:
  // Of a backbone that is frozen the features are asked of those that earlier runs had too.
  at::Tensor Scores(const at::Tensor& images) {
    if (frozen_ == nullptr || keeps_features_) return model_->Forward(images);
    return model_->Head(
        frozen_->Of(images, [this](const at::Tensor& batch) { return model_->Backbone(batch); }));
  }

  // Whether nothing of the backbone is learned, so that it gives an image the same features in
  // every run that has its weights.
  bool HasFrozenBackbone() const {
    const torch::nn::Module* backbone = model_->backbone();
    if (backbone == nullptr || options_.freeze_size() == 0) return false;
    const std::vector<at::Tensor> parameters = backbone->parameters();
    return std::none_of(parameters.begin(), parameters.end(),
                        [](const at::Tensor& parameter) { return parameter.requires_grad(); });
  }

  absl::Status ShareFeatures(const pipeline::BuildContext& context) {
    // On a GPU hashing the pixels would cost more than the features.
    if (context.pool == nullptr || context.device != "cpu" || !HasFrozenBackbone()) {
      return absl::OkStatus();
    }
    std::string key = absl::StrCat(options_.model().SerializeAsString(), "\n",
                                   options_.activation().SerializeAsString(), "\n",
                                   pipeline::Train::Precision_Name(context.precision));
    for (const auto& tensors : {model_->backbone()->parameters(), model_->backbone()->buffers()}) {
      for (const at::Tensor& tensor : tensors) {
        const at::Tensor values = tensor.contiguous();
        const uint64_t hash = XXH3_64bits(
            values.data_ptr(), static_cast<size_t>(values.numel()) * values.element_size());
        absl::StrAppend(&key, "\n", hash);
      }
    }
    const auto shared = context.pool->Get<FrozenFeatures>(
        key, []() -> absl::StatusOr<std::shared_ptr<FrozenFeatures>> {
          return std::make_shared<FrozenFeatures>(pipeline::MemoryOfMachine() * kShareOfMemory);
        });
    if (!shared.ok()) return shared.status();
    frozen_ = *shared;
    return absl::OkStatus();
  }

  // Weights alone where nothing is learned; with them their gradients and the optimizer's two
  // averages.
  absl::Status CheckMemory(const models::ModelContext& wanted, bool learns) const {
    const models::ParameterCount count;
    const auto hollow = models::Models::Get().Create(options_.model(), wanted);
    if (!hollow.ok()) return pipeline::Within("model", hollow.status());
    const double bytes = count.parameters() * sizeof(float) * (learns ? 4 : 1);
    const double there = pipeline::MemoryOfMachine();
    if (bytes <= there) return absl::OkStatus();
    return pipeline::OptionError(
        "model", absl::StrFormat("[%s] has %.0f million parameters, which take %s of memory, and "
                                 "there are %s; make it narrower or less deep",
                                 pipeline::NameOf(options_.model()).Url(), count.parameters() / 1e6,
                                 pipeline::BytesText(bytes), pipeline::BytesText(there)));
  }

  static std::string UrlOf(const google::protobuf::Any& plugin) {
    return absl::StrCat("[", pipeline::NameOf(plugin).Url(), "]");
  }

  // So that an activation which cannot be exported is named, not the model that has it.
  static void WriteAlone(const google::protobuf::Any& activation, std::vector<int64_t> shape,
                         pipeline::OperatorGraph* graph) {
    pipeline::OperatorGraph alone;
    (*activations::Activations::Get().Create(activation))
        ->Export(alone.Input("x", at::kFloat, std::move(shape)));
    if (!alone.status().ok()) graph->Refuse(std::string(alone.status().message()).substr(1));
  }

  absl::Status LoadPretrained() {
    if (options_.weights().empty()) return absl::OkStatus();
    absl::StatusOr<models::WeightsFit> fit = models::LoadWeights(options_.weights(), model_.get());
    if (!fit.ok()) {
      return pipeline::OptionError("weights", absl::StrCat("weights: ", fit.status().message()));
    }
    notes_ = models::Lines(pipeline::Shown(options_.weights()), *fit);
    fit_ = *std::move(fit);
    return absl::OkStatus();
  }

  absl::Status FreezeParts() {
    if (options_.freeze_size() == 0) return absl::OkStatus();
    const std::vector<std::string> prefixes(options_.freeze().begin(), options_.freeze().end());
    const auto frozen = models::Freeze(prefixes, model_.get());
    if (!frozen.ok()) return frozen.status();
    const absl::Status filled =
        models::CheckFrozen(pipeline::Shown(options_.weights()), fit_, *model_);
    if (!filled.ok()) {
      return pipeline::OptionError("freeze", absl::StrCat("freeze: ", filled.message()));
    }
    notes_.push_back(absl::StrCat(
        "frozen: ", *frozen, " of ", model_->parameters().size(), " parameters (",
        absl::StrJoin(prefixes, ", "), ")",
        options_.weights().empty() ? ", as drawn at random: no weights are given" : ""));
    return absl::OkStatus();
  }

  absl::Status MakeOutput() {
    if (!options_.has_output_activation()) return absl::OkStatus();
    auto made = activations::Activations::Get().Create(options_.output_activation());
    if (!made.ok()) return pipeline::Within("output_activation", made.status());
    output_ = *std::move(made);
    const std::string name = pipeline::NameOf(options_.output_activation()).Url();
    if (std::isinf(output_->infimum())) {
      return pipeline::OptionError(
          "output_activation", absl::StrCat("output_activation: [", name,
                                            "] is unbounded below, so it makes no probabilities"));
    }
    if (auto module = output_->module()) model_->register_module("output_activation", module);
    notes_.push_back(absl::StrCat("output activation: ", name));
    return absl::OkStatus();
  }

  const ModelOptions options_;
  std::unique_ptr<activations::Activation>
      output_;  // nullptr: softmax, which losses take themselves
  // Shared, as LibTorch's modules must be to have children.
  std::shared_ptr<models::Model> model_;
  std::shared_ptr<FrozenFeatures> frozen_;  // nullptr: they are computed
  bool keeps_features_ = false;
  at::Tensor features_;
  int64_t train_images_ = 0;
  pipeline::Precision precision_ = pipeline::Train::FP32;
  std::string device_;
  models::WeightsFit fit_;  // of the weights, where they are given
  std::vector<std::string> notes_;
};

REGISTER_PLUGIN(pipeline::Stages, Model);

}  // namespace plugins
