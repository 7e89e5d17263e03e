// Data seen with the classes of a trained run, whatever order their own are in.
#ifndef PIPELINE_PREDICTION_KNOWN_CLASSES_H_
#define PIPELINE_PREDICTION_KNOWN_CLASSES_H_

#include <ATen/core/Tensor.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/graph/graph.h"
#include "pipeline/stage.h"

namespace pipeline {

// A source that stands in for the one of a graph. Classes are known by their names: labels are
// numbered as the run numbers them, and classes weigh in losses what they did in training. A class
// of the run's that the data lack is a note.
class KnownClasses : public Source {
 public:
  // The source of `data`, a graph that is never built.
  KnownClasses(std::unique_ptr<Graph> data, DataInfo trained)
      : graph_(std::move(data)), trained_(std::move(trained)) {}

  // Why Build failed, where the data have a class that the run does not know, or another task.
  const absl::Status& mismatch() const { return mismatch_; }

  Ports ports() const override { return source().ports(); }
  absl::StatusOr<Specs> Build(const Specs& in, BuildContext* context) override;
  bool SeesColor() const override { return source().SeesColor(); }
  absl::Status Run(const Step& step, const Tensors& in, Tensors* out) override;
  void EndPhase(const Step& step, const std::string& node, Report* report) override {
    source().EndPhase(step, node, report);
  }
  std::vector<std::string> Notes() const override;

  const DataInfo& data() const override { return info_; }
  int64_t StepsIn(Phase phase) const override { return source().StepsIn(phase); }
  absl::Status Begin(const Step& step) override { return source().Begin(step); }
  std::vector<int64_t> Samples(int64_t index) override;
  std::vector<int64_t> Repeats(int64_t index) override { return source().Repeats(index); }
  std::string SampleName(Phase phase, int64_t sample) const override {
    return source().SampleName(phase, sample);
  }
  double WaitSeconds() const override { return source().WaitSeconds(); }
  bool HasImageName(const std::string& path) const override { return source().HasImageName(path); }
  absl::StatusOr<OutsideImage> ReadOutside(const std::string& path, bool color) const override {
    return source().ReadOutside(path, color);
  }
  absl::StatusOr<at::Tensor> ReadWhole(const std::string& path) const override {
    return source().ReadWhole(path);
  }
  absl::StatusOr<OutsideImage::Size> SizeOf(const std::string& path) const override {
    return source().SizeOf(path);
  }
  std::vector<std::string> BrokenFiles(bool decode) override {
    return source().BrokenFiles(decode);
  }

 private:
  Source& source() const { return graph_->source(); }
  absl::Status Compare() const;

  const std::unique_ptr<Graph> graph_;
  const DataInfo trained_;
  DataInfo info_;
  absl::Status mismatch_;
  std::vector<std::string> missing_;  // classes
  at::Tensor numbers_;  // the run's number of each class of the data; or all are alike
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_KNOWN_CLASSES_H_
