// The live line and the lines of epochs.
#include "pipeline/cli/epoch_lines.h"

#include <cmath>

#include "absl/strings/str_cat.h"
#include "absl/strings/str_format.h"
#include "pipeline/cli/progress.h"

namespace pipeline {

absl::Status EpochLines::StepDone(const PassEvent& event, double loss) {
  if (!terminal_.Due()) return absl::OkStatus();
  const Step& step = event.step;
  const int64_t done = step.index + 1;
  const double per_step = event.seconds / static_cast<double>(done);
  double left = per_step * static_cast<double>(step.steps - done);
  if (step.phase == TRAIN) {
    left += per_step * static_cast<double>(step.steps * (step.epochs - step.epoch - 1));
  }
  Progress progress = {step.phase,      step.epoch + 1,          step.epochs,     done,
                       step.steps,      event.ImagesPerSecond(), event.data_wait, left,
                       {{"loss", loss}}};
  for (auto& term : graph_.Live()) progress.terms.push_back(std::move(term));
  terminal_.Live(ProgressLine(progress, terminal_.width()));
  return absl::OkStatus();
}

absl::Status EpochLines::EpochDone(const EpochEvent& event) {
  const int digits = static_cast<int>(absl::StrCat(options_.epochs()).size());
  std::string line = absl::StrFormat("epoch %*d/%d  train loss %.4f", digits, event.epoch + 1,
                                     options_.epochs(), event.train.Find(options_.minimize()));
  if (event.validation != nullptr) {
    absl::StrAppendFormat(&line, "  val loss %.4f  val %s ",
                          event.validation->Find(options_.minimize()), options_.monitor());
    const double value = event.validation->Find(options_.monitor());
    absl::StrAppend(&line, std::isnan(value) ? "not defined" : absl::StrFormat("%.4f", value));
    if (event.defined && event.best) absl::StrAppend(&line, " (best)");
  }
  absl::StrAppendFormat(&line, "  %.1f images/s  %s", event.counters.ImagesPerSecond(),
                        Duration(event.counters.seconds));
  terminal_.Line(line);
  for (const std::string& remark : event.train.remarks()) {
    if (told_.insert(remark).second) terminal_.Line("note: " + remark);
  }
  if (event.validation != nullptr && !event.defined && event.epoch == 0) {
    terminal_.Line(
        absl::StrCat("note: ", options_.monitor(),
                     " is not defined on the validation images (a class that they lack?); "
                     "as long as it is not, the latest weights are kept"));
  }
  return absl::OkStatus();
}

void EpochLines::Noted(const std::string& line) { terminal_.Line(line); }

absl::Status EpochLines::Trained(const TrainedEvent& event) {
  const bool early = event.will_test && !event.stopped.empty();
  if (early) terminal_.Line("stopped early: " + event.stopped);
  return absl::OkStatus();
}

}  // namespace pipeline
