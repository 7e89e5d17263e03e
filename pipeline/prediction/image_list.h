// The images that a user names: files, folders, patterns, or a list that comes in.
#ifndef PIPELINE_PREDICTION_IMAGE_LIST_H_
#define PIPELINE_PREDICTION_IMAGE_LIST_H_

#include <functional>
#include <istream>
#include <string>
#include <vector>

#include "absl/status/statusor.h"

namespace pipeline {

// Whether a file's name is that of an image.
using NamesImage = std::function<bool(const std::string& path)>;

// The files, in the order of the words: a file as it is; of a folder all files below it that are
// named so, sorted; of a pattern (*, ?, [...]) what it fits, sorted; for "-" each line of
// `input`. A word that is nothing of these, and nothing at all, is an error; a line of the input
// is not: what cannot be read is told when it is its turn.
absl::StatusOr<std::vector<std::string>> ListImages(const std::vector<std::string>& words,
                                                    const NamesImage& names_image,
                                                    std::istream& input);

}  // namespace pipeline

#endif  // PIPELINE_PREDICTION_IMAGE_LIST_H_
