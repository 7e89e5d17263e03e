// Steps of the source, shown to the others as TEST.
#include "pipeline/prediction/evaluation.h"

#include <c10/core/GradMode.h>

#include <utility>

#include "pipeline/exceptions.h"
#include "pipeline/training/signals.h"

namespace pipeline {
namespace {

absl::Status Pass(Phase phase, Source* source,
                  const std::function<absl::Status(const Step&, Tensors batch)>& take) {
  Step step;
  step.phase = phase;
  step.steps = source->StepsIn(phase);
  absl::Status status = source->Begin(step);
  for (; status.ok() && step.index < step.steps; ++step.index) {
    if (InterruptSignal() != 0) return absl::CancelledError("interrupted");
    step.samples = source->Samples(step.index);
    step.repeats = source->Repeats(step.index);
    if (step.samples.empty()) continue;
    Tensors batch;
    status = source->Run(step, {}, &batch);
    if (status.ok()) status = take(step, std::move(batch));
  }
  return status;
}

}  // namespace

absl::Status ReadAll(const std::vector<Phase>& phases, Graph* graph,
                     const std::function<absl::Status(const Step&, Tensors batch)>& take) {
  return Caught([&] {
    absl::Status status;
    for (const Phase phase : phases) {
      if (status.ok()) status = Pass(phase, &graph->source(), take);
    }
    return status;
  });
}

absl::StatusOr<Report> Evaluate(const std::vector<Phase>& phases, Graph* graph,
                                const std::function<absl::Status(const Step&)>& step_done) {
  const c10::NoGradGuard no_gradients;
  graph->SetTraining(false);
  absl::Status status = ReadAll(phases, graph, [&](const Step& step, Tensors batch) {
    Step as_test = step;
    as_test.phase = TEST;
    const absl::Status run = graph->RunOn(as_test, std::move(batch));
    return run.ok() ? step_done(step) : run;
  });
  Report report;
  if (status.ok()) status = graph->EndPhase(Step{TEST}, &report);
  if (!status.ok()) return status;
  return report;
}

}  // namespace pipeline
