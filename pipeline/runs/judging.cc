// Per-image results, on the device, then as rows.
#include "pipeline/runs/judging.h"

#include <ATen/TensorOperators.h>
#include <ATen/ops/arange.h>
#include <ATen/ops/bincount.h>

#include <cmath>
#include <limits>
#include <optional>

#include "absl/strings/str_join.h"
#include "pipeline/files.h"
#include "pipeline/state.h"

namespace pipeline {
namespace {

double Ratio(double part, double whole) {
  return whole > 0 ? part / whole : std::numeric_limits<double>::quiet_NaN();
}

std::vector<Prediction> JudgeImages(const at::Tensor& logits, const at::Tensor& labels,
                                    const std::vector<std::string>& names) {
  const at::Tensor p = logits.detach().to(at::kFloat).softmax(1).cpu().contiguous();
  const at::Tensor predicted = logits.detach().argmax(1).cpu();
  const at::Tensor truth = labels.cpu();
  const auto classes = static_cast<size_t>(p.size(1));
  std::vector<Prediction> rows(p.size(0));
  for (size_t i = 0; i < rows.size(); ++i) {
    const int64_t label = truth.data_ptr<int64_t>()[i];
    if (label >= 0) rows[i].label = names[label];
    rows[i].predicted = names[predicted.data_ptr<int64_t>()[i]];
    const float* first = p.data_ptr<float>() + i * classes;
    rows[i].probabilities.assign(first, first + classes);
  }
  return rows;
}

// counts[truth * classes + prediction] of one image.
Prediction OfCounts(const int64_t* counts, int64_t classes) {
  Prediction row;
  int64_t right = 0, present = 0;
  double iou_sum = 0, dice_sum = 0;
  for (int64_t c = 0; c < classes; ++c) {
    int64_t truth = 0, predicted = 0;
    for (int64_t other = 0; other < classes; ++other) {
      truth += counts[c * classes + other];
      predicted += counts[other * classes + c];
    }
    const auto both = static_cast<double>(counts[c * classes + c]);
    const auto sum = static_cast<double>(truth + predicted);
    row.iou.push_back(Ratio(both, sum - both));
    row.dice.push_back(Ratio(2 * both, sum));
    row.pixels += truth;
    right += counts[c * classes + c];
    if (truth == 0) continue;
    ++present;
    iou_sum += row.iou.back();
    dice_sum += row.dice.back();
  }
  row.accuracy = Ratio(static_cast<double>(right), static_cast<double>(row.pixels));
  row.mean_iou = Ratio(iou_sum, static_cast<double>(present));
  row.mean_dice = Ratio(dice_sum, static_cast<double>(present));
  return row;
}

std::vector<Prediction> JudgeMasks(const at::Tensor& logits, const at::Tensor& labels) {
  const int64_t classes = logits.size(1), images = logits.size(0);
  const at::Tensor predicted = logits.detach().argmax(1);
  const at::Tensor image = at::arange(images, labels.options()).view({images, 1, 1});
  const at::Tensor cells = (image * classes + labels) * classes + predicted;
  const at::Tensor counted = cells.masked_select(labels != kIgnoredLabel);
  const at::Tensor counts = at::bincount(counted, {}, images * classes * classes).cpu();
  std::vector<Prediction> rows;
  for (int64_t i = 0; i < images; ++i) {
    rows.push_back(OfCounts(counts.data_ptr<int64_t>() + i * classes * classes, classes));
  }
  return rows;
}

}  // namespace

std::vector<Prediction> Judge(const at::Tensor& logits, const at::Tensor& labels,
                              const std::vector<std::string>& names) {
  return labels.dim() > 1 ? JudgeMasks(logits, labels) : JudgeImages(logits, labels, names);
}

std::vector<Prediction> JudgeStep(const Step& step, Graph* graph) {
  const std::optional<Graph::Judged> judged = graph->FindJudged();
  if (!judged.has_value() || IsNobodys(step.samples)) return {};
  const at::Tensor& logits = graph->Output(judged->logits);
  const Source& source = graph->source();
  std::vector<Prediction> rows = Judge(logits, graph->Output(judged->labels),
                                       ClassNames(source.data().classes, logits.size(1)));
  for (size_t i = 0; i < rows.size(); ++i) {
    rows[i].phase = step.phase;
    rows[i].path = source.SampleName(step.phase, step.samples[i]);
  }
  return rows;
}

Predictions EmptyPredictions(Graph* graph) {
  const std::optional<Graph::Judged> judged = graph->FindJudged();
  if (!judged.has_value()) return {};
  return {graph->Spec(judged->labels).shape.size() > 1,
          ClassColumns(graph->source().data().classes, graph->Spec(judged->logits).shape[1]),
          {}};
}

absl::Status PredictionsCsv::StepDone(const PassEvent& event, double) {
  if (event.step.phase == TRAIN) return absl::OkStatus();
  Predictions step = EmptyPredictions(&graph_);
  step.rows = JudgeStep(event.step, &graph_);
  const std::string rows = RowsText(step);
  if (processes_ == nullptr) {
    pass_ += rows;
  } else {
    const std::vector<std::string> all = processes_->Gather(rows);
    if (Writes()) pass_ += absl::StrJoin(all, "");
  }
  const bool told = event.step.phase == TEST && tested_;
  return told ? tested_(step.rows) : absl::OkStatus();
}

absl::Status PredictionsCsv::PassDone(const PassEvent& event) {
  if (event.step.phase == TRAIN) pass_.clear();
  return event.step.phase == TEST ? Write(pass_) : absl::OkStatus();
}

absl::Status PredictionsCsv::Trained(const TrainedEvent&) {
  pass_.clear();
  return absl::OkStatus();
}

absl::Status PredictionsCsv::EpochDone(const EpochEvent& event) {
  if (event.validation == nullptr || !event.best) return absl::OkStatus();
  best_ = std::move(pass_);
  pass_.clear();
  return Write("");
}

absl::Status PredictionsCsv::Write(const std::string& test) const {
  if (!Writes()) return absl::OkStatus();
  const Predictions empty = EmptyPredictions(&graph_);
  if (empty.columns.empty()) return absl::OkStatus();
  return WriteFileAtomically(path_, HeaderText(empty) + best_ + test);
}

absl::Status PredictionsCsv::Save(State* state) const {
  state->PutText("predictions.best", best_);
  state->PutText("predictions.pass", pass_);
  return absl::OkStatus();
}

absl::Status PredictionsCsv::Load(const State& state) {
  if (!Writes() || !state.Has("predictions.best")) return absl::OkStatus();  // an older checkpoint
  const auto best = state.Text("predictions.best"), pass = state.Text("predictions.pass");
  if (!best.ok()) return best.status();
  if (!pass.ok()) return pass.status();
  best_ = *best;
  pass_ = *pass;
  return best_.empty() ? absl::OkStatus() : Write("");
}

}  // namespace pipeline
