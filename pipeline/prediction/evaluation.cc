// Steps of the source, shown to the others as TEST.
#include "pipeline/prediction/evaluation.h"

#include <c10/core/GradMode.h>

#include "pipeline/exceptions.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

absl::Status Pass(Phase phase, Graph* graph,
                  const std::function<absl::Status(const Step&)>& step_done) {
  Source& source = graph->source();
  Step step;
  step.phase = phase;
  step.steps = source.StepsIn(phase);
  absl::Status status = Caught([&] { return source.Begin(step); });
  for (; status.ok() && step.index < step.steps; ++step.index) {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    step.samples = source.Samples(step.index);
    step.repeats = source.Repeats(step.index);
    if (step.samples.empty()) continue;
    Tensors batch;
    status = Caught([&] { return source.Run(step, {}, &batch); });
    Step as_test = step;
    as_test.phase = TEST;
    if (status.ok()) status = graph->RunOn(as_test, std::move(batch));
    if (status.ok()) status = step_done(step);
  }
  return status;
}

}  // namespace

absl::StatusOr<Report> Evaluate(const std::vector<Phase>& phases, Graph* graph,
                                const std::function<absl::Status(const Step&)>& step_done) {
  const c10::NoGradGuard no_gradients;
  graph->SetTraining(false);
  absl::Status status;
  for (const Phase phase : phases) {
    if (status.ok()) status = Pass(phase, graph, step_done);
  }
  Report report;
  if (status.ok()) status = graph->EndPhase(Step{TEST}, &report);
  if (!status.ok()) return status;
  return report;
}

}  // namespace pipeline
