// A mask in a small part of its memory, any part of which is quickly had again.
#ifndef DATASETS_MASKS_MASK_RUNS_H_
#define DATASETS_MASKS_MASK_RUNS_H_

#include <cstddef>
#include <cstdint>
#include <opencv2/core/mat.hpp>
#include <opencv2/core/types.hpp>
#include <vector>

namespace datasets {

// Equal neighbors of a row are kept as one run, of five bytes: a mask of DeepGlobe takes a
// fiftieth of what its pixels take, one of noise five times as much.
class MaskRuns {
 public:
  // CV_8UC1, not empty.
  explicit MaskRuns(const cv::Mat& classes);

  cv::Size size() const { return size_; }
  size_t bytes() const;
  // Those pixels of the mask; `part` lies within it.
  cv::Mat Part(const cv::Rect& part) const;

 private:
  cv::Size size_;
  std::vector<size_t> rows_;     // where the runs of each row begin, and where the last one's end
  std::vector<int32_t> ends_;    // of each run: the column after it
  std::vector<uint8_t> values_;  // of each run
};

}  // namespace datasets

#endif  // DATASETS_MASKS_MASK_RUNS_H_
