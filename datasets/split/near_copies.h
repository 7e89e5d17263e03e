// Images that show the same: those of near hashes whose thumbnails correlate.
#ifndef DATASETS_SPLIT_NEAR_COPIES_H_
#define DATASETS_SPLIT_NEAR_COPIES_H_

#include <cstddef>
#include <functional>
#include <vector>

#include "datasets/split/looks.h"

namespace datasets {

// For each look the smallest number of those that near pairs connect with it. `correlate(i, j)`
// says whether the thumbnails of two looks correlate; it is asked from several threads at a time,
// of looks of near hashes that MayCorrelate and are not connected yet, so that many images of one
// kind are asked about once each, not in pairs. Flat looks are near to none.
std::vector<size_t> ConnectNear(const std::vector<Look>& looks,
                                const std::function<bool(size_t i, size_t j)>& correlate);

}  // namespace datasets

#endif  // DATASETS_SPLIT_NEAR_COPIES_H_
