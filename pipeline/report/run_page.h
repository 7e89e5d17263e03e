// report.html: one page that says what a run was asked, what came of it, and whether to believe it.
#ifndef PIPELINE_REPORT_RUN_PAGE_H_
#define PIPELINE_REPORT_RUN_PAGE_H_

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "pipeline/report/page.h"
#include "pipeline/report/record.h"

namespace pipeline {

// What is in no file of the folder.
struct PageExtras {
  std::vector<Gallery> galleries;  // stand after the mistakes
  std::vector<Section> data;       // of the data's page: stand after the verdict
  std::vector<Finding> findings;   // stand in the verdict, and count for it
};

Page RunPage(const RunRecord& record, const PageExtras& extras);

// Writes the page of what the folder of a run holds now to `path`, or to report.html in that folder
// where `path` is empty.
absl::Status WriteReport(const std::string& folder, const PageExtras& extras,
                         const std::string& path = "");

// `word` as a POSIX shell reads it, or where it holds control characters or is no UTF-8, as bash
// does ($'...'); all of it is printable.
std::string ShellQuoted(const std::string& word);

}  // namespace pipeline

#endif  // PIPELINE_REPORT_RUN_PAGE_H_
