// Draws synthetic pictures that stand in for image datasets whose real files are not at hand.
#ifndef DATASETS_DRAWING_H_
#define DATASETS_DRAWING_H_

#include <cstdint>
#include <opencv2/core.hpp>

namespace datasets {

// Draws an axial-MRI-like head, the stand-in for one picture of the Kaggle brain tumor MRI dataset.
//
// `label` is in [0, 4): glioma (lobed, bright rim around a dark core), meningioma (even, round, on
// the skull's edge), no_tumor, pituitary (snowman of two touching discs). The class lies in the
// lesion's shape and texture: brightness, contrast and small distractors are drawn alike for every
// class and the lesions' places overlap, so that a linear model on pixels stays weak.
//
// Returns a `size` x `size` CV_8UC3 matrix with equal B, G and R in [0, 255]; `size` is in pixels,
// at least 32. The same arguments give the same picture; other seeds or labels give unrelated ones.
// Safe to call from several threads at once. Throws cv::Exception on a bad label or size.
cv::Mat DrawBrain(int label, uint64_t seed, int size);

}  // namespace datasets

#endif  // DATASETS_DRAWING_H_
