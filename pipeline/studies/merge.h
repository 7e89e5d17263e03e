// Shards of a study that shared no folder, brought together.
#ifndef PIPELINE_STUDIES_MERGE_H_
#define PIPELINE_STUDIES_MERGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/studies/results.h"

namespace pipeline {

// Copies the result lines and the runs that are over from the folders of shards into `folder`,
// which keeps what it has; doing it again changes nothing. Errors name the folder that is none of a
// study.
absl::Status MergeStudies(const std::vector<std::string>& shards, const StudyFolder& folder);

}  // namespace pipeline

#endif  // PIPELINE_STUDIES_MERGE_H_
