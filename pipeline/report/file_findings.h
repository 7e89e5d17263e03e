// Whether a run's data are still what they were.
#ifndef PIPELINE_REPORT_FILE_FINDINGS_H_
#define PIPELINE_REPORT_FILE_FINDINGS_H_

#include <vector>

#include "pipeline/report/page.h"
#include "pipeline/report/record.h"

namespace pipeline {

// Files of split.csv that are gone, and those that hold something else now among a few that are
// read: evenly spaced ones, at most 200, and no more than a second allows.
std::vector<Finding> FileFindings(const RunRecord& record);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_FILE_FINDINGS_H_
