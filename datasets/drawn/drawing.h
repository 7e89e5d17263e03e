// Draws synthetic pictures that stand in for image datasets whose real files are not at hand.
#ifndef DATASETS_DRAWN_DRAWING_H_
#define DATASETS_DRAWN_DRAWING_H_

#include <cstdint>
#include <opencv2/core/mat.hpp>

namespace datasets {

// A picture and, for each of its pixels, what is seen there.
struct Drawn {
  cv::Mat image;  // CV_8UC3, B, G, R
  cv::Mat mask;   // CV_8UC1 of the same size: classes, or kIgnoredMask; never empty
};

// What all of the following have in common:
// `size` is the picture's side in pixels, at least 32. The same arguments give the same picture
// (processors may round a few pixels in a million to neighbouring levels); other seeds or labels
// give unrelated ones. What tells the labels apart lies in shapes and texture: brightness, mean
// colour and distractors are drawn alike for every label and places overlap, so that a linear model
// on pixels stays weak. Safe to call from several threads at once. Throw cv::Exception on a bad
// label or size.

// An axial-MRI-like head, the stand-in for one picture of the Kaggle brain tumor MRI dataset.
// `label` is in [0, 4): glioma (lobed, bright rim around a dark core), meningioma (even, round, on
// the skull's edge), no_tumor, pituitary (snowman of two touching discs). B, G and R are equal.
// Mask: 0 background, 1 tumor.
Drawn DrawBrain(int label, uint64_t seed, int size);

// A leaf on a plain background, the stand-in for PlantVillage's tomato leaves. `label` is in
// [0, 5): bacterial_spot (many small dark specks with a halo), healthy, late_blight (few large
// ragged blotches), mosaic_virus (pale and dark patches all over), target_spot (discs of rings).
// Mask: 0 background and healthy tissue, 1 diseased tissue.
Drawn DrawLeaf(int label, uint64_t seed, int size);

// Land from above, the stand-in for DeepGlobe's satellite tiles. `label` is in [0, 6) and covers
// more than half of the picture: urban (blocks of houses between streets), agriculture (ploughed
// parcels), rangeland (open, with shrubs), forest (crowns), water (smooth), barren (wavy bands).
// Mask: the same six classes; kIgnoredMask under a cloud, which some pictures have.
Drawn DrawLand(int label, uint64_t seed, int size);

// Pavement, the stand-in for the pooled crack datasets. `label` is in [0, 4): noncrack (the ground
// of any of the others), CFD (asphalt, one thin crack), DeepCrack (concrete, a wide one), cracktree
// (fine-grained asphalt, a net of thin ones). Joints, stains and shadows are on all alike.
// Mask: 0 pavement, 1 crack, which covers 0.5 to 10 % (from 128 pixels on; below, no line is
// thinner than a pixel).
Drawn DrawCrack(int label, uint64_t seed, int size);

}  // namespace datasets

#endif  // DATASETS_DRAWN_DRAWING_H_
