// What is to be said of the images of a source, for the data's page.
#ifndef PIPELINE_PREDICTION_IMAGE_FACTS_H_
#define PIPELINE_PREDICTION_IMAGE_FACTS_H_

#include <ATen/core/Tensor.h>

#include <array>
#include <cstdint>
#include <memory>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/gallery.h"
#include "pipeline/graph/graph.h"
#include "pipeline/report/data_page.h"
#include "pipeline/training/observer.h"

namespace pipeline {

// Of a uint8 image [C, S, S]; phase, label and the file's size are left for the caller.
ImageFacts FactsOf(const at::Tensor& image);

struct DataLook {
  std::vector<ImageFacts> images;
  std::vector<Gallery> galleries;  // examples of each class, and copies
};

// Gathers them while a run goes on: of the first whole pass over each phase that begins while it is
// there.
class DataWatch : public Observer {
 public:
  // The graph must outlive this object.
  explicit DataWatch(Graph* graph);
  ~DataWatch() override;

  absl::Status StepDone(const PassEvent& event, double loss) override;
  // A step that the source gave `batch` for.
  absl::Status Take(const Step& step, const Tensors& batch);
  // Called once.
  absl::StatusOr<DataLook> Finish();

  // The same by reading every image once. CANCELLED after a signal.
  static absl::StatusOr<DataLook> LookAtAll(Graph* graph);

 private:
  class Looking;

  Graph& graph_;
  std::unique_ptr<Looking> looking_;
  // The pass that is watched, by PhaseIndex: its epoch (-1: none yet), and the step that may be
  // next.
  std::array<int64_t, kPhases> epoch_ = {-1, -1, -1}, next_ = {0, 0, 0};
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_IMAGE_FACTS_H_
