// Folders of NIfTI files: which files are a patient's images, and which is the segmentation.
#ifndef DATASETS_VOLUMES_NIFTI_CASES_H_
#define DATASETS_VOLUMES_NIFTI_CASES_H_

#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "pipeline/data.h"

namespace datasets {

struct NiftiCase {
  std::string name;                      // the folder, as seen from the root; "." is the root
  std::optional<pipeline::Phase> phase;  // where a folder above it is called train, val or test
  std::vector<std::string> images;       // paths, one per modality
  std::string segmentation;              // path
};

struct NiftiCases {
  std::vector<std::string> modalities;  // in the order of the images
  std::vector<NiftiCase> cases;         // sorted by name
  std::vector<std::string> left_out;    // "CASE: why"
};

// Words that file names are known by; see nifti.proto. Empty: found out.
struct NiftiPatterns {
  std::vector<std::string> modalities;
  std::string segmentation;
};

// Every folder at most four levels below `root` that holds .nii or .nii.gz files is a case, and so
// is `root` itself. Errors: a folder cannot be read, or no modality is shared by half of the cases.
absl::StatusOr<NiftiCases> FindNiftiCases(const std::string& root, const NiftiPatterns& patterns);

}  // namespace datasets

#endif  // DATASETS_VOLUMES_NIFTI_CASES_H_
