// Images are kept while they go by, so that drawn ones and slices of volumes are shown too.
#include "pipeline/prediction/notable.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/concat.h>
#include <ATen/ops/empty.h>
#include <ATen/ops/tensor.h>
#include <ATen/ops/where.h>
#include <c10/core/GradMode.h>

#include <algorithm>
#include <array>
#include <cmath>
#include <filesystem>
#include <opencv2/core.hpp>
#include <opencv2/imgproc.hpp>
#include <optional>
#include <utility>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/exceptions.h"
#include "pipeline/pictures.h"
#include "pipeline/prediction/explanation.h"
#include "pipeline/report.h"

namespace pipeline {
namespace {

constexpr size_t kMistakes = 12, kUncertain = 12, kExamples = 2, kWorst = 8, kOthers = 4;
constexpr size_t kClasses = 8;  // of which examples are shown

// A color where `mask` (bool [S, S]) holds.
at::Tensor Painted(const at::Tensor& image, const at::Tensor& mask, std::array<int, 3> rgb) {
  const at::Tensor color = at::tensor({rgb[0], rgb[1], rgb[2]}, at::kByte).view({3, 1, 1});
  return at::where(mask.unsqueeze(0), color.expand_as(image), image);
}

double EntropyOf(const std::vector<double>& p) {
  double sum = 0;
  for (const double value : p) sum -= value > 0 ? value * std::log(value) : 0;
  return sum;
}

std::string NameOf(const std::string& path) {
  return std::filesystem::path(path).filename().string();
}

}  // namespace

void Notable::Keep(Seen seen, size_t most, std::vector<Seen>* kept) {
  const auto place = std::upper_bound(kept->begin(), kept->end(), seen,
                                      [](const Seen& a, const Seen& b) { return a.rank > b.rank; });
  if (static_cast<size_t>(place - kept->begin()) >= most) return;
  kept->insert(place, std::move(seen));
  if (kept->size() > most) kept->pop_back();
}

absl::Status Notable::Look(const std::vector<Prediction>& rows) {
  return Caught([&] {
    Take(rows);
    return absl::OkStatus();
  });
}

void Notable::Take(const std::vector<Prediction>& rows) {
  const std::optional<Graph::Judged> judged = graph_.FindJudged();
  const at::Tensor images = graph_.SourceOutput("images");
  if (!judged.has_value() || !images.defined()) return;
  const at::Tensor labels = graph_.Output(judged->labels);
  const bool masks = labels.dim() > 1;
  const at::Tensor answers = masks ? graph_.Output(judged->logits).argmax(1) : labels;
  const std::vector<std::string> names =
      ClassNames(graph_.source().data().classes, graph_.Output(judged->logits).size(1));
  examples_.resize(names.size());
  for (size_t i = 0; i < rows.size(); ++i) {
    const auto at = static_cast<int64_t>(i);
    const auto seen = [&](double rank) {
      Seen one = {rows[i], rank, images[at].cpu().clone(), labels[at].cpu().clone(), {}};
      if (masks) one.answer = answers[at].cpu().clone();
      return one;
    };
    if (masks) {
      if (std::isnan(rows[i].mean_iou)) continue;
      Keep(seen(-rows[i].mean_iou), kWorst, &worst_);
      if (others_.size() < kOthers) others_.push_back(seen(0));
      continue;
    }
    if (rows[i].label.empty()) continue;
    const double sure =
        *std::max_element(rows[i].probabilities.begin(), rows[i].probabilities.end());
    if (rows[i].predicted != rows[i].label) Keep(seen(sure), kMistakes, &mistakes_);
    Keep(seen(EntropyOf(rows[i].probabilities)), kUncertain, &uncertain_);
    const auto label = std::find(names.begin(), names.end(), rows[i].label) - names.begin();
    if (examples_[label].size() < kExamples) examples_[label].push_back(seen(0));
  }
}

absl::StatusOr<Picture> Notable::OfImage(const Seen& seen) const {
  const double sure =
      *std::max_element(seen.row.probabilities.begin(), seen.row.probabilities.end());
  const std::string caption =
      absl::StrCat(NameOf(seen.row.path), "\n", seen.row.label, " taken for ", seen.row.predicted,
                   " (", Percent(sure), ")");
  return ToPicture(
      Thumbnail(seen.image), caption,
      absl::StrCat(seen.row.path, ": ", seen.row.label, ", predicted ", seen.row.predicted));
}

// Okabe and Ito's colors.
absl::StatusOr<Picture> Notable::OfMask(const Seen& seen) const {
  constexpr std::array<int, 3> kOrange = {230, 159, 0}, kBlue = {86, 180, 233},
                               kPurple = {204, 121, 167}, kGreen = {0, 158, 115};
  at::Tensor image =
      seen.image.size(0) == 3 ? seen.image.clone() : seen.image.slice(0, 0, 1).repeat({3, 1, 1});
  const at::Tensor known = seen.truth != kIgnoredLabel;
  const at::Tensor right = known & (seen.truth == seen.answer);
  const at::Tensor wrong = known & (seen.truth != seen.answer);
  at::Tensor marked = Painted(image, right & (seen.truth > 0), kGreen);
  marked = Painted(marked, wrong & (seen.truth == 0), kOrange);
  marked = Painted(marked, wrong & (seen.answer == 0), kBlue);
  marked = Painted(marked, wrong & (seen.answer > 0) & (seen.truth > 0), kPurple);
  const at::Tensor pair = at::concat({Thumbnail(image), Thumbnail(marked)}, 2);
  return ToPicture(
      pair, absl::StrFormat("%s\nmean IoU %s", NameOf(seen.row.path), Percent(seen.row.mean_iou)),
      absl::StrCat(seen.row.path, ": the image, and the same with its errors"));
}

absl::StatusOr<at::Tensor> Notable::CamOf(const Seen& seen, int64_t predicted) {
  absl::StatusOr<at::Tensor> maps = at::Tensor();
  const absl::Status status = Caught([&] {
    const c10::AutoGradMode gradients(true);
    const at::Device device = graph_.SourceOutput("images").device();
    Step step;
    step.phase = TEST;
    step.samples = {0};
    graph_.KeepFeatures(true);
    const absl::Status run = graph_.RunOn(step, {{"images", seen.image.unsqueeze(0).to(device)},
                                                 {"labels", seen.truth.unsqueeze(0).to(device)}});
    graph_.KeepFeatures(false);
    if (!run.ok()) return run;
    maps = GradCam(graph_, at::tensor({predicted}, at::kLong), seen.image.size(1));
    return maps.status();
  });
  if (!status.ok()) return status;
  return (*maps)[0];
}

absl::StatusOr<Gallery> Notable::Cams() {
  Gallery gallery = {"Where it looks",
                     "Grad-CAM: the brighter, the more a part of the image speaks for the class "
                     "that is predicted. A bright part beside the object is a shortcut.",
                     {}};
  for (size_t c = 0; c < std::min(examples_.size(), kClasses); ++c) {
    for (const Seen& seen : examples_[c]) {
      const size_t best =
          std::max_element(seen.row.probabilities.begin(), seen.row.probabilities.end()) -
          seen.row.probabilities.begin();
      const absl::StatusOr<at::Tensor> map = CamOf(seen, static_cast<int64_t>(best));
      if (absl::IsUnimplemented(map.status())) return gallery;  // a model without maps
      if (!map.ok()) return map.status();
      absl::StatusOr<Picture> picture =
          ToPicture(HeatOver(Thumbnail(seen.image), *map),
                    absl::StrCat(NameOf(seen.row.path), "\n", seen.row.label, ", predicted ",
                                 seen.row.predicted),
                    absl::StrCat("Grad-CAM of ", seen.row.predicted, " over ", seen.row.path));
      if (!picture.ok()) return picture.status();
      gallery.pictures.push_back(*std::move(picture));
    }
  }
  return gallery;
}

absl::StatusOr<std::vector<Gallery>> Notable::Galleries() {
  std::vector<Gallery> galleries;
  const auto add = [&](const std::string& title, const std::string& note,
                       const std::vector<Seen>& all, bool masks) {
    Gallery gallery = {title, note, {}};
    for (const Seen& seen : all) {
      absl::StatusOr<Picture> picture = masks ? OfMask(seen) : OfImage(seen);
      if (!picture.ok()) return picture.status();
      gallery.pictures.push_back(*std::move(picture));
    }
    if (!gallery.pictures.empty()) galleries.push_back(std::move(gallery));
    return absl::OkStatus();
  };
  constexpr char kColors[] =
      "Green: found. Orange: predicted where there is nothing. Blue: missed. Purple: taken for "
      "another class.";
  absl::Status status = add("The surest mistakes",
                            "Wrong, and most certain of it: often a label "
                            "to look at again.",
                            mistakes_, false);
  if (status.ok()) {
    status = add("The least certain images", "Of the highest entropy.", uncertain_, false);
  }
  if (status.ok()) status = add("Masks that fit worst", kColors, worst_, true);
  if (status.ok()) status = add("Other masks", kColors, others_, true);
  if (!status.ok()) return status;
  if (examples_.empty() || !worst_.empty()) return galleries;
  absl::StatusOr<Gallery> cams = Cams();
  if (!cams.ok()) return cams.status();
  if (!cams->pictures.empty()) galleries.push_back(*std::move(cams));
  return galleries;
}

}  // namespace pipeline
