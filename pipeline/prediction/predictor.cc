// Reading, asking and answering, batch by batch.
#include "pipeline/prediction/predictor.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/bincount.h>
#include <ATen/ops/stack.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_join.h"
#include "pipeline/prediction/mask_files.h"
#include "pipeline/runs/judging.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

constexpr int64_t kWidth = -1;  // the dimension along which images are mirrored

absl::Status CheckAlike(const Run& one, const Run& other) {
  if (one.data().classes == other.data().classes && one.data().task == other.data().task) {
    return absl::OkStatus();
  }
  return absl::InvalidArgumentError(
      absl::StrCat(other.path(), " tells ", absl::StrJoin(other.data().classes, ", "), " apart (",
                   TaskName(other.data().task), "), but ", one.path(), " ",
                   absl::StrJoin(one.data().classes, ", "), " (", TaskName(one.data().task), ")"));
}

// Float32 probabilities [N, classes], in place.
void Calibrate(const Calibration& calibration, at::Tensor* probabilities) {
  const auto classes = static_cast<size_t>(probabilities->size(1));
  *probabilities = probabilities->contiguous();
  for (int64_t i = 0; i < probabilities->size(0); ++i) {
    float* const row = probabilities->data_ptr<float>() + static_cast<size_t>(i) * classes;
    const std::vector<double> right = calibration.Apply({row, row + classes});
    std::transform(right.begin(), right.end(), row,
                   [](double value) { return static_cast<float>(value); });
  }
}

// The files of a batch as each member reads them.
struct Readings {
  std::vector<Reading::Batch> batches;  // by member
  // Why a file cannot be read; "" where all can.
  std::string Error(size_t i) const {
    for (const Reading::Batch& batch : batches) {
      if (!batch.images[i].ok()) return std::string(batch.images[i].status().message());
    }
    return "";
  }
};

}  // namespace

absl::StatusOr<Predictor> Predictor::Open(const std::vector<Run>& runs, const BuildContext& context,
                                          PredictionOptions options) {
  Predictor predictor;
  for (const Run& run : runs) {
    const absl::Status alike = CheckAlike(runs[0], run);
    if (!alike.ok()) return alike;
    absl::StatusOr<Member> member = Member::Open(run, context);
    if (!member.ok()) return member.status();
    if (options.calibrated) {
      absl::StatusOr<Calibration> calibration = LoadCalibration(run);
      if (!calibration.ok()) return calibration.status();
      predictor.calibrations_.push_back(*std::move(calibration));
    }
    predictor.members_.push_back(*std::move(member));
    if (predictor.members_.back().tile_size() != predictor.members_[0].tile_size()) {
      return absl::InvalidArgumentError(absl::StrCat(
          run.path(), " learned from tiles of another size than ", runs[0].path(),
          " (tile_size: ", predictor.members_.back().tile_size(), " and ",
          predictor.members_[0].tile_size(), "): their answers are of different parts"));
    }
    if (options.dropout_draws > 0) predictor.members_.back().DrawDropout(options.seed);
  }
  predictor.ahead_ = context.device != "cpu";
  predictor.masks_ = runs[0].data().task == Task::kSegmentation;
  predictor.classes_ = ClassNames(runs[0].data().classes, predictor.members_[0].classes());
  if (predictor.masks_) predictor.mask_files_.emplace_back(options.masks);
  predictor.options_ = std::move(options);
  return predictor;
}

absl::StatusOr<Opinion> Predictor::Ask(const std::vector<at::Tensor>& batches) {
  std::vector<at::Tensor> opinions;
  for (size_t m = 0; m < members_.size(); ++m) {
    for (const bool flipped : {false, true}) {
      if (flipped && !options_.flips) continue;
      const at::Tensor images = flipped ? batches[m].flip(kWidth) : batches[m];
      for (int draw = 0; draw < std::max(1, options_.dropout_draws); ++draw) {
        absl::StatusOr<at::Tensor> said = members_[m].Probabilities(images);
        if (!said.ok()) return said.status();
        if (!calibrations_.empty()) Calibrate(calibrations_[m], &*said);
        opinions.push_back(flipped && masks_ ? said->flip(kWidth) : *said);
        drew_ = drew_ || (draw > 0 && !opinions.back().equal(opinions[opinions.size() - 2]));
      }
    }
  }
  if (options_.dropout_draws > 1 && !drew_) {
    return absl::InvalidArgumentError(
        "--mc-dropout: the model has no dropout, so nothing is drawn");
  }
  return Agree(opinions);
}

void Predictor::AnswerImage(const at::Tensor& probabilities, Answer* answer) const {
  const float* first = probabilities.data_ptr<float>();
  answer->probabilities.assign(first, first + probabilities.numel());
  const auto best = probabilities.argmax().item<int64_t>();
  answer->predicted = classes_[best];
  answer->probability = answer->probabilities[best];
}

absl::Status Predictor::AnswerMask(const at::Tensor& mask, Answer* answer) {
  const absl::StatusOr<at::Tensor> whole = source().ReadWhole(answer->path);
  if (!whole.ok()) {
    answer->error = std::string(whole.status().message());
    return absl::OkStatus();
  }
  if (whole->size(1) != mask.size(0) || whole->size(2) != mask.size(1)) {
    answer->error = answer->path + ": changed while it was read";
    return absl::OkStatus();
  }
  const absl::StatusOr<std::string> file = mask_files_[0].Write(answer->path, mask, *whole);
  if (!file.ok()) return file.status();
  answer->mask = *file;
  const at::Tensor counts =
      at::bincount(mask.masked_select(mask != kUnseen), {}, static_cast<int64_t>(classes_.size()));
  const auto sum = static_cast<double>(counts.sum().item<int64_t>());
  for (size_t c = 0; c < classes_.size(); ++c) {
    answer->shares.push_back(static_cast<double>(counts.data_ptr<int64_t>()[c]) / sum);
  }
  return absl::OkStatus();
}

absl::Status Predictor::Predict(const std::vector<std::string>& files,
                                const std::function<absl::Status(const Answer&)>& take) {
  if (members_[0].tile_size() > 0) return PredictTiles(files, take);
  std::vector<std::unique_ptr<Reading>> readings;
  for (const Member& member : members_) {
    readings.push_back(std::make_unique<Reading>(
        files, options_.batch, ahead_,
        [&member](const std::string& path) { return member.Read(path); }));
  }
  while (true) {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    Readings read;
    for (const auto& reading : readings) {
      std::optional<Reading::Batch> batch = reading->Next();
      if (!batch.has_value()) return absl::OkStatus();
      read.batches.push_back(*std::move(batch));
    }
    const std::vector<std::string>& names = read.batches[0].files;
    std::vector<Answer> answers(names.size());
    std::vector<size_t> sound;  // places in the batch
    for (size_t i = 0; i < names.size(); ++i) {
      answers[i].path = names[i];
      answers[i].error = read.Error(i);
      if (answers[i].error.empty()) sound.push_back(i);
    }
    if (!sound.empty()) {
      std::vector<at::Tensor> batches;
      for (const Reading::Batch& batch : read.batches) {
        std::vector<at::Tensor> images;
        for (const size_t i : sound) images.push_back(batch.images[i]->pixels);
        batches.push_back(at::stack(images));
      }
      const absl::StatusOr<Opinion> opinion = Ask(batches);
      if (!opinion.ok()) return opinion.status();
      for (size_t row = 0; row < sound.size(); ++row) {
        Answer& answer = answers[sound[row]];
        const auto at = static_cast<int64_t>(row);
        answer.entropy = opinion->entropy[at].mean().item<double>();
        answer.mutual_information = opinion->mutual_information[at].mean().item<double>();
        if (masks_) {
          const absl::Status masked = AnswerMask(
              MaskOf(opinion->probabilities[at], *read.batches[0].images[sound[row]]), &answer);
          if (!masked.ok()) return masked;
        } else {
          AnswerImage(opinion->probabilities[at], &answer);
        }
      }
    }
    for (const Answer& answer : answers) {
      const absl::Status taken = take(answer);
      if (!taken.ok()) return taken;
    }
  }
}

}  // namespace pipeline
