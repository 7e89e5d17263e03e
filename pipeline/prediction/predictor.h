// Answers for image files, by one run or several.
#ifndef PIPELINE_PREDICTION_PREDICTOR_H_
#define PIPELINE_PREDICTION_PREDICTOR_H_

#include <cstdint>
#include <functional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "pipeline/prediction/answers.h"
#include "pipeline/prediction/mask_files.h"
#include "pipeline/prediction/member.h"
#include "pipeline/prediction/reading.h"
#include "pipeline/runs/calibration.h"
#include "pipeline/runs/run.h"

namespace pipeline {

struct PredictionOptions {
  size_t batch = 32;
  bool flips = false;       // averages an image and its mirror image
  int dropout_draws = 0;    // how often dropout draws; 0 leaves it out
  uint64_t seed = 0;        // of them
  std::string masks;        // the folder of predicted masks
  bool calibrated = false;  // puts each run's probabilities right by its calibration.json
};

class Predictor {
 public:
  // The runs have the same classes and task, and their weights; they are on the device of
  // `context`.
  static absl::StatusOr<Predictor> Open(const std::vector<Run>& runs, const BuildContext& context,
                                        PredictionOptions options);

  bool masks() const { return masks_; }
  // Whether several opinions make each answer.
  bool several() const {
    return members_.size() > 1 || options_.flips || options_.dropout_draws > 0;
  }
  const std::vector<std::string>& classes() const { return classes_; }
  const Source& source() const { return members_[0].source(); }

  // Calls `take` with each file's answer, in order. A file that cannot be read is an answer with an
  // error. Where the runs' data were cut into tiles, images are cut so too: masks are joined,
  // probabilities averaged. CANCELLED after a signal.
  absl::Status Predict(const std::vector<std::string>& files,
                       const std::function<absl::Status(const Answer&)>& take);

 private:
  Predictor() = default;

  // Predict, where the members' data were cut into tiles.
  absl::Status PredictTiles(const std::vector<std::string>& files,
                            const std::function<absl::Status(const Answer&)>& take);
  absl::Status AnswerTiles(Answer* answer);
  // Of images that were all read, by each member as it reads them.
  absl::StatusOr<Opinion> Ask(const std::vector<at::Tensor>& batches);
  // Writes the mask. An image that is not as large any more is an answer with an error.
  absl::Status AnswerMask(const at::Tensor& mask, Answer* answer);
  void AnswerImage(const at::Tensor& probabilities, Answer* answer) const;

  PredictionOptions options_;
  std::vector<Member> members_;
  std::vector<Calibration> calibrations_;  // of the members; none where none is asked for
  std::vector<std::string> classes_;
  bool masks_ = false;
  bool ahead_ = false;  // whether files are read while the device works
  bool drew_ = false;   // whether draws of dropout were seen to differ
  std::vector<MaskFiles> mask_files_;
};

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_PREDICTOR_H_
