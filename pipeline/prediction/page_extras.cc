// Pictures and the data's sections, gathered.
#include "pipeline/prediction/page_extras.h"

#include <utility>

#include "pipeline/prediction/evaluation.h"
#include "pipeline/runs/judging.h"

namespace pipeline {

absl::StatusOr<PageExtras> ExtrasOf(const DataInfo& data, Notable* notable, DataWatch* watch) {
  PageExtras extras;
  if (notable != nullptr) {
    absl::StatusOr<std::vector<Gallery>> galleries = notable->Galleries();
    if (!galleries.ok()) return galleries.status();
    extras.galleries = *std::move(galleries);
  }
  const absl::StatusOr<DataLook> look = watch->Finish();
  if (!look.ok()) return look.status();
  DataStory story = TellOfData(data, look->images, look->galleries);
  extras.data = std::move(story.sections);
  extras.findings = std::move(story.findings);
  return extras;
}

absl::StatusOr<PageExtras> ExtrasByPass(Graph* graph) {
  Notable notable(graph);
  DataWatch watch(graph);
  const Counters counters;
  // What is predicted of TRAIN and VAL is not shown.
  const absl::Status read =
      ReadAll({TRAIN, VAL}, graph,
              [&](const Step& step, const Tensors& batch) { return watch.Take(step, batch); });
  if (!read.ok()) return read;
  const absl::StatusOr<Report> tested = Evaluate({TEST}, graph, [&](const Step& step) {
    const absl::Status looked = notable.Look(JudgeStep(step, graph));
    if (!looked.ok()) return looked;
    return watch.StepDone({step, counters, 0, 0, 0, 0, nullptr}, 0);
  });
  if (!tested.ok()) return tested.status();
  const bool has_test = graph->source().StepsIn(TEST) > 0;
  return ExtrasOf(graph->source().data(), has_test ? &notable : nullptr, &watch);
}

}  // namespace pipeline
